"""The daemon's health in the unit's status: what is read, nothing stale, news without delay."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from charm_model import (
    HOST,
    READS,
    Context,
    active,
    after_config_changed,
    polls,
    state,
    status,
    waiting,
)
from fake_snapd import FakeSnapd
from ops import testing

import daemon_status
import health_timer
import look_at_health
import snapd_state

TROUBLE = {
    "status": "waiting",
    "message": "inverter is unreachable; sungather.test-connection says why",
    "code": "no-route",
}


def test_a_healthy_unit_says_what_it_reads_and_asks_once(
    context: Context, snapd: FakeSnapd
) -> None:
    out = after_config_changed(context, state(HOST))
    assert out.unit_status == active()
    asked = len(snapd.commands)
    for _ in range(3):
        out = context.run(context.on.update_status(), out)
    assert (out.unit_status.message, len(snapd.commands)) == (READS, asked)


def test_several_models_are_named_each_once(context: Context, snapd: FakeSnapd) -> None:
    models = ("SH10RT", "SG5.0RT", "SH10RT", None)
    snapd.app_answers["readings"] = {"inverters": [{"model": one} for one in models]}
    assert status(context, state(HOST)).message.startswith("reading SH10RT, SG5.0RT since ")


def test_a_model_that_is_not_known_is_not_made_up(context: Context, snapd: FakeSnapd) -> None:
    snapd.app_answers["readings"] = "sungather: The daemon does not answer.\n"
    assert status(context, state(HOST)).message.startswith("reading the inverter since ")


def test_trouble_from_before_the_options_were_changed_is_not_shown_as_present(
    context: Context, snapd: FakeSnapd
) -> None:
    after_config_changed(context, state(HOST))
    before = (datetime.now(UTC) - timedelta(seconds=5)).isoformat()
    snapd.health = TROUBLE | {"timestamp": before}
    repaired = state(HOST | {"inverter-host": "192.168.1.77"})
    for _ in range(2):
        message = waiting(status(context, repaired))
        assert message == "the daemon is applying its new options"
    after = (datetime.now(UTC) + timedelta(seconds=5)).isoformat()
    snapd.health = TROUBLE | {"timestamp": after}
    assert "unreachable" in waiting(status(context, repaired))


@pytest.mark.parametrize(("seconds", "stale"), [(59, True), (61, False)])
def test_a_daemon_that_says_nothing_new_for_a_minute_means_what_it_said(
    seconds: int, stale: bool
) -> None:
    """Options that are not in force, such as those of an export that is off, change nothing."""
    changed = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
    found = daemon_status.status(
        snapd_state.State(
            active=True,
            enabled=True,
            health="waiting",
            message="inverter is unreachable",
            code="no-route",
            since=changed - timedelta(hours=1),
        ),
        "sungather/0",
        "",
        changed,
        changed + timedelta(seconds=seconds),
    )
    assert ("unreachable" not in found.message) is stale


@pytest.fixture
def dispatched(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What Juju was asked to run."""
    found: list[list[str]] = []

    def run(command: list[str], *, check: bool) -> None:
        assert check
        found.append(command)

    monkeypatch.setattr(subprocess, "run", run)
    return found


def test_the_charm_is_woken_once_for_each_change_of_health(
    snapd: FakeSnapd, dispatched: list[list[str]], tmp_path: Path
) -> None:
    snapd.revision = "7"
    seen = tmp_path / "seen"
    well = {"status": "okay"}
    healths: list[dict[str, str]] = [{}, TROUBLE, TROUBLE, well, well]
    counts: list[int] = []
    for health in healths:
        snapd.health = dict(health)
        look_at_health.look("sungather/0", seen)
        counts.append(len(dispatched))
    assert counts == [1, 2, 2, 3, 3]
    snapd.running = True
    look_at_health.look("sungather/0", seen)
    assert len(dispatched) == 4
    (program, option, unit, command) = dispatched[0]
    assert (program, option, unit) == ("/usr/bin/juju-exec", "-u", "sungather/0")
    assert command.startswith("JUJU_DISPATCH_PATH=hooks/update-status /")
    assert command.endswith("charm/dispatch")


def test_a_wake_up_that_fails_is_made_up_for(
    snapd: FakeSnapd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    snapd.revision = "7"

    def run(command: list[str], *, check: bool) -> None:
        raise subprocess.CalledProcessError(1, command)

    monkeypatch.setattr(subprocess, "run", run)
    for _ in range(2):
        with pytest.raises(subprocess.CalledProcessError):
            look_at_health.look("sungather/0", tmp_path / "seen")


def test_while_snapd_is_silent_nobody_is_woken(
    monkeypatch: pytest.MonkeyPatch, dispatched: list[list[str]], tmp_path: Path
) -> None:
    monkeypatch.setattr("snapd_socket.SOCKET", str(tmp_path / "nowhere"))
    look_at_health.look("sungather/0", tmp_path / "seen")
    assert dispatched == []


def test_the_timer_comes_and_goes_with_the_unit(context: Context, snapd: FakeSnapd) -> None:
    after_config_changed(context, state(HOST))
    name = "sungather-health-sungather-0"
    files = sorted(file.name for file in health_timer.UNITS.iterdir())
    assert files == [f"{name}.service", f"{name}.timer"]
    service = (health_timer.UNITS / f"{name}.service").read_text()
    assert f"{health_timer.SCRIPT} sungather/0 /run/{name}\n" in service
    assert ("systemctl", "enable", "--now", f"{name}.timer") in snapd.commands
    context.run(context.on.remove(), state(HOST))
    assert not list(health_timer.UNITS.iterdir())
    assert ("systemctl", "disable", "--now", f"{name}.timer") in snapd.commands


def test_the_script_needs_nothing_but_python_itself() -> None:
    """The timer runs it outside the charm's own environment."""
    code = "import sys; sys.path.insert(0, sys.argv[1]); import look_at_health"
    command = [sys.executable, "-I", "-S", "-c", code]
    source = str(health_timer.SCRIPT.parent)
    done = subprocess.run([*command, source], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_daemon_that_has_not_spoken_yet_is_starting(
    context: Context, snapd: FakeSnapd
) -> None:
    snapd.health = {"status": "unknown"}
    assert status(context, state(HOST)) == testing.WaitingStatus("the daemon is starting")


def test_a_timer_that_systemd_does_not_take_is_tried_again(
    context: Context, snapd: FakeSnapd, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = snapd.run

    def fails(*command: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        if command[:2] == ("systemctl", "enable"):
            return subprocess.CompletedProcess(command, 1, "", "Unit is masked.")
        return run(*command, timeout=timeout)

    monkeypatch.setattr("process.run", fails)
    out = context.run(context.on.config_changed(), state(HOST))
    assert "Unit is masked" in out.unit_status.message
    assert polls(snapd), "the daemon is another step"
    monkeypatch.setattr("process.run", run)
    assert context.run(context.on.update_status(), state(HOST)).unit_status == active()
    assert any(one[:2] == ("systemctl", "enable") for one in map(tuple, snapd.commands))


def test_a_unit_that_was_stopped_is_not_woken_by_its_own_timer(
    context: Context, snapd: FakeSnapd
) -> None:
    context.run(context.on.config_changed(), state(HOST))
    assert list(health_timer.UNITS.glob("*.timer"))
    context.run(context.on.stop(), state(HOST))
    assert not list(health_timer.UNITS.glob("*.timer"))
