"""What a machine, its snapd and Juju's resource may do to the unit, and how it goes in the end."""

import json
from pathlib import Path

import ops
import pytest
from charm_model import (
    HOST,
    Context,
    active,
    after_config_changed,
    blocked,
    nobody_listens,
    state,
    status,
    waiting,
)
from fake_snapd import FakeSnapd
from ops import testing

import ownership
import sungather_snap
import troubles

NOT_SEEDED = "too early for operation, device not yet seeded or device model not acknowledged"
NO_SQUASHFS = (
    'system does not fully support snapd: cannot mount squashfs image using "squashfs": mount: '
    "/tmp/x: mount failed: Operation not permitted"
)


def test_without_snapd_the_unit_is_blocked(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("charmlibs.snap._client._SOCKET_PATH", "/nowhere/snapd.socket")
    message = blocked(status(context, state(HOST)))
    assert message == (
        "snapd is missing: juju exec --unit sungather/0 -- apt-get install -y snapd"
    )


def test_while_snapd_restarts_the_unit_waits(
    context: Context, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    nobody_listens(monkeypatch, tmp_path)
    assert waiting(status(context, state(HOST))).startswith("snapd does not answer")


def test_while_snapd_is_busy_with_the_snap_the_unit_waits(
    context: Context, snapd: FakeSnapd
) -> None:
    after_config_changed(context, state(HOST))
    snapd.under_way = "refresh-snap"
    wanted = [HOST | {"level": 2}, HOST | {"snap-channel": "latest/edge"}]
    for config in wanted:
        assert "change in progress" in waiting(status(context, state(config)))
    snapd.under_way = ""
    assert status(context, state(wanted[0])) == active()
    assert snapd.options["inverter.level"] == "2"


@pytest.mark.parametrize("from_file", [False, True])
def test_before_the_machine_is_seeded_the_unit_waits(
    context: Context, snapd: FakeSnapd, snap_file: Path, from_file: bool
) -> None:
    before = state(HOST, file=snap_file) if from_file else state(HOST)
    snapd.refusal = NOT_SEEDED
    message = waiting(context.run(context.on.install(), before).unit_status)
    assert NOT_SEEDED in message
    assert "attach-resource" not in message
    snapd.refusal = ""
    assert status(context, before) == active()


@pytest.mark.parametrize("from_file", [False, True])
def test_a_machine_that_cannot_mount_snaps_says_what_it_lacks(
    context: Context, snapd: FakeSnapd, snap_file: Path, from_file: bool
) -> None:
    snapd.refusal = NO_SQUASHFS
    before = state(HOST, file=snap_file) if from_file else state(HOST)
    message = blocked(context.run(context.on.install(), before).unit_status)
    assert "juju exec --unit sungather/0 -- apt-get install -y fuse3 squashfuse" in message
    assert "attach-resource" not in message


def test_a_slow_install_makes_the_unit_wait(
    context: Context, snapd: FakeSnapd, snap_file: Path
) -> None:
    snapd.slow = ("snap",)
    before = state(HOST, file=snap_file)
    message = waiting(context.run(context.on.install(), before).unit_status)
    assert message.startswith("not done within 600 s: snap install --dangerous ")
    snapd.slow = ()
    assert status(context, before) == active()


def test_a_slow_change_to_the_store_makes_the_unit_wait(
    context: Context, snapd: FakeSnapd, snap_file: Path
) -> None:
    after_config_changed(context, state(HOST, file=snap_file))
    snapd.slow = ("snap",)
    assert "not done within 600 s" in waiting(status(context, state(HOST | {"level": 2})))
    assert (snapd.revision, snapd.options["inverter.level"]) == ("x1", "2")


def test_a_slow_restart_hides_no_other_step_and_is_tried_again(
    context: Context, snapd: FakeSnapd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUJU_CHARM_HTTPS_PROXY", "http://proxy:3128")
    snapd.slow = ("systemctl",)
    assert "systemctl daemon-reload" in waiting(status(context, state(HOST)))
    assert snapd.options["inverter.host"]
    snapd.slow = ()
    assert status(context, state(HOST)) == active()
    assert ("systemctl", "try-restart", sungather_snap.UNIT) in snapd.commands
    assert snapd.running
    assert "proxy:3128" in sungather_snap.PROXY.read_text()


def test_a_silent_store_makes_the_unit_wait_and_names_the_other_way(
    context: Context, snapd: FakeSnapd, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(*arguments: object, **more: object) -> None:
        raise sungather_snap.snap.TimeoutError("timed out")

    monkeypatch.setattr(sungather_snap.snap, "ensure_installed", hang)
    message = waiting(status(context, state(HOST)))
    assert message.startswith("the Store does not answer")
    assert "juju attach-resource sungather sungather-snap=FILE" in message


def test_while_the_snap_is_installed_the_unit_says_so(context: Context, snapd: FakeSnapd) -> None:
    context.run(context.on.install(), state(HOST))
    assert testing.MaintenanceStatus("installing the snap") in context.unit_status_history
    context.unit_status_history.clear()
    context.run(context.on.update_status(), state(HOST))
    kinds = [type(one) for one in context.unit_status_history]
    assert testing.MaintenanceStatus not in kinds


FETCHES = [
    "ERROR could not download resource: connection refused",
    "ERROR could not download resource: resource#sungather/sungather-snap not found",
]


def no_resource(monkeypatch: pytest.MonkeyPatch, message: str) -> None:
    def fail(self: ops.Resources, name: str) -> Path:
        raise ops.ModelError(message)

    monkeypatch.setattr(ops.Resources, "fetch", fail)


@pytest.mark.parametrize("message", FETCHES)
@pytest.mark.parametrize("event", ["update_status", "upgrade_charm", "config_changed"])
def test_a_resource_that_cannot_be_fetched_leaves_the_snap_of_a_file_alone(
    context: Context,
    snapd: FakeSnapd,
    snap_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    message: str,
    event: str,
) -> None:
    after_config_changed(context, state(HOST, file=snap_file))
    with monkeypatch.context() as patch:
        no_resource(patch, message)
        before = state(HOST | {"level": 2}, file=snap_file)
        out = context.run(getattr(context.on, event)(), before)
    assert "the resource sungather-snap cannot be fetched" in waiting(out.unit_status)
    assert (snapd.revision, snapd.channel, snapd.running) == ("x1", "", True)
    assert snapd.options["inverter.level"] == "2"
    assert status(context, state(HOST, file=snap_file)) == active()
    assert snapd.revision == "x1"


def test_a_new_unit_waits_for_a_resource_that_cannot_be_fetched(
    context: Context, snapd: FakeSnapd, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_resource(monkeypatch, FETCHES[0])
    waiting(context.run(context.on.install(), state(HOST)).unit_status)
    assert snapd.revision == ""


def test_a_refresh_with_the_charm_that_was_not_possible_is_made_up_for(
    context: Context, snapd: FakeSnapd, monkeypatch: pytest.MonkeyPatch
) -> None:
    peers = testing.PeerRelation("standby")
    before = after_config_changed(context, state(HOST, relations=[peers]))
    monkeypatch.setattr("snap_pins.charm_digest", lambda: "another")
    snapd.store["latest/stable"] = "8"
    snapd.under_way = "auto-connect"
    out = context.run(context.on.upgrade_charm(), before)
    waiting(out.unit_status)
    snapd.under_way = ""
    out = context.run(context.on.update_status(), out)
    assert (out.unit_status, snapd.revision) == (active(), "8")
    snapd.store["latest/stable"] = "9"
    context.run(context.on.update_status(), out)
    assert snapd.revision == "8"


def test_a_stopped_unit_polls_no_longer(context: Context, snapd: FakeSnapd) -> None:
    after_config_changed(context, state(HOST))
    context.run(context.on.stop(), state(HOST))
    assert not snapd.running
    assert snapd.revision
    (claim,) = ownership.DIRECTORY.glob("*.json")
    assert json.loads(claim.read_text())["polls"] is False, "another unit may"


def test_a_unit_stops_while_snapd_is_busy(context: Context, snapd: FakeSnapd) -> None:
    after_config_changed(context, state(HOST))
    snapd.under_way = "refresh-snap"
    out = context.run(context.on.stop(), state(HOST))
    assert out.unit_status == testing.MaintenanceStatus(
        "stopped; history and undelivered readings go with the unit"
    )
    assert (snapd.running, snapd.enabled) == (False, False)


def test_a_daemon_between_two_crashes_is_stopped_too(context: Context, snapd: FakeSnapd) -> None:
    snapd.starts = False
    after_config_changed(context, state(HOST))
    assert (snapd.running, snapd.enabled) == (False, True)
    context.run(context.on.stop(), state(HOST))
    assert not snapd.enabled


def test_the_snap_is_removed_with_the_unit(context: Context, snapd: FakeSnapd) -> None:
    after_config_changed(context, state(HOST))
    context.run(context.on.remove(), state(HOST))
    assert (snapd.revision, snapd.changes[-1]) == ("", "remove")


@pytest.mark.parametrize("trouble", ["busy", "not seeded", "slow"])
def test_a_removal_that_fails_is_tried_again_until_nothing_is_left(
    context: Context, snapd: FakeSnapd, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    monkeypatch.setenv("JUJU_CHARM_HTTPS_PROXY", "http://me:swordfish@proxy:3128")
    after_config_changed(context, state(HOST))
    assert sungather_snap.PROXY.exists()
    snapd.under_way = "refresh-snap" if trouble == "busy" else ""
    snapd.refusal = NOT_SEEDED if trouble == "not seeded" else ""
    snapd.slow = ("systemctl",) if trouble == "slow" else ()
    with pytest.raises(testing.errors.UncaughtCharmError):
        context.run(context.on.remove(), state(HOST))
    snapd.under_way, snapd.refusal, snapd.slow = "", "", ()
    out = context.run(context.on.remove(), state(HOST))
    assert out.unit_status == testing.MaintenanceStatus("removed")
    assert (snapd.revision, snapd.options) == ("", {})
    assert not sungather_snap.DROP_IN.exists()
    assert not sungather_snap.PROXY.exists()
    assert not sungather_snap.SET_KEYS.exists()
    assert not list(ownership.DIRECTORY.glob("*.json"))
    context.run(context.on.remove(), state(HOST))


def test_a_unit_without_snapd_can_be_removed(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("charmlibs.snap._client._SOCKET_PATH", "/nowhere/snapd.socket")
    after_config_changed(context, state(HOST))
    context.run(context.on.stop(), state(HOST))
    out = context.run(context.on.remove(), state(HOST))
    assert out.unit_status == testing.MaintenanceStatus("removed")


def test_a_unit_that_never_had_the_snap_can_be_removed(context: Context, snapd: FakeSnapd) -> None:
    snapd.store.clear()
    after_config_changed(context, state(HOST))
    context.run(context.on.stop(), state(HOST))
    context.run(context.on.remove(), state(HOST))
    assert snapd.revision == ""


def test_what_was_left_as_it_is_for_a_while_is_unset_when_nobody_wants_it(
    snapd: FakeSnapd,
) -> None:
    """As a broker's options: they stay while it says nothing, and go with the relation."""
    host = {"inverter.host": "192.0.2.1"}
    sungather_snap.ensure_installed(None, "latest/stable", update=False)
    sungather_snap.ensure_options({**host, "mqtt.client-id": "house"})
    assert not sungather_snap.ensure_options({**host, "mqtt.client-id": None})
    assert snapd.options["mqtt.client-id"] == "house"
    assert sungather_snap.ensure_options(host)
    assert snapd.options["mqtt.client-id"] == ""


def test_what_was_about_to_be_set_is_known_whatever_comes_in_between(
    snapd: FakeSnapd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine may lose its power between the option and the note of it."""

    def lost(name: str, options: object) -> None:
        raise KeyboardInterrupt

    sungather_snap.ensure_installed(None, "latest/stable", update=False)
    sungather_snap.ensure_options({"mqtt.topic": "house"})
    with monkeypatch.context() as patched:
        patched.setattr("sungather_snap.snap.set", lost)
        with pytest.raises(KeyboardInterrupt):
            sungather_snap.ensure_options({"mqtt.host": "broker"})
    assert set(sungather_snap.SET_KEYS.read_text().split()) == {"mqtt.topic", "mqtt.host"}


def test_of_each_kind_of_status_there_is_one_with_all_that_is_to_be_said() -> None:
    several = [
        ops.ActiveStatus("a"), ops.BlockedStatus("b"), ops.ActiveStatus(), ops.BlockedStatus("c"),
        ops.BlockedStatus("b"), ops.WaitingStatus("d"),
    ]  # fmt: skip
    assert list(troubles.combined(several)) == [
        ops.ActiveStatus("a"), ops.BlockedStatus("b | c"), ops.WaitingStatus("d"),
    ]  # fmt: skip
