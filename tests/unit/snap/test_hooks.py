"""The other hooks, and the files that snapd runs."""

import asyncio
import json
import os
import shlex
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from fake_snapctl import STATE, Snapd

from sungather import control, privileges
from sungather.control import SOCKET
from sungather.daemon.control_server import ControlServer, Handler
from sungather.options.configuration import load
from sungather.snap import hooks, set_aside

ROOT = Path(__file__).parents[3]
HOST = "inverter.host=192.168.1.10"
NAMES = ["configure", "install", "post-refresh", "pre-refresh", "remove"]


def test_of_more_problems_than_snapd_shows_lines_none_is_lost() -> None:
    for count in (1, 90, 91, 104, 1000):
        told = hooks.folded("\n".join(f"problem {number}." for number in range(count)))
        assert len(told.splitlines()) <= 90
        assert told.replace("\n", " ").count("problem ") == count


@asynccontextmanager
async def daemon(common: Path, handlers: Mapping[str, Handler]) -> AsyncGenerator[None]:
    """A daemon's control socket."""
    path = common / privileges.STATE / SOCKET
    server = asyncio.create_task(ControlServer(path, [], handlers).run())
    while not path.is_socket():  # noqa: ASYNC110 (another task makes it)
        await asyncio.sleep(0)
    try:
        yield
    finally:
        server.cancel()


def test_an_installation_makes_the_place_of_the_logs_and_starts_nothing(
    fake: Snapd, common: Path
) -> None:
    assert hooks.main("install") == 0
    assert fake.state.queued == ["stop"], "snapd honours it before it starts services"
    assert {file.name for file in common.iterdir()} == {"logs", "state", "support"}


def test_a_refresh_lets_unknown_options_go_and_keeps_the_rest(fake: Snapd, data: Path) -> None:
    fake.set(HOST, "inverter.level=2")
    state = fake.state
    state.options["inverter.gone"] = '"of an older version"'
    state.current = "inactive"
    fake.put(state)
    assert hooks.main("post-refresh") == 0
    assert "inverter.gone" not in fake.state.options
    assert fake.state.options["inverter.level"] in ("2", '"2"')
    assert fake.state.queued == [], "snapd itself starts the daemon after this hook"
    assert "level: 2" in (data / "sungather.yaml").read_text()
    fake.set()
    assert fake.state.current == "active"


def older(fake: Snapd, **wrong: str) -> None:
    """What an older version has taken."""
    state = fake.state
    state.options |= {key.replace("_", "."): json.dumps(text) for key, text in wrong.items()}
    fake.put(state)


def test_values_that_the_new_version_refuses_are_set_aside_and_the_refresh_goes_on(
    fake: Snapd, data: Path
) -> None:
    fake.set(HOST, "inverter.scan-interval=7", "log.level=DEBUG")
    older(fake, inverter_level="9", web_port="80", mqtt_enabled="true", log_level="LOUD")
    assert hooks.main("post-refresh") == 0
    assert set_aside.load(data) == {
        "inverter.level": "9",
        "web.port": "80",
        "mqtt.enabled": "true",  # without a host, as if the new version had begun to need one
        "log.level": "LOUD",
    }
    assert stat.S_IMODE((data / set_aside.FILE).stat().st_mode) == 0o640
    assert load(data / "sungather.yaml").inverters[0].scan_interval == 7
    assert fake.set() == 0, "snapd runs the configure hook at the end of a refresh"
    assert "inverter.level" not in fake.state.options
    assert "inverter.level" in set_aside.load(data)


def test_what_was_set_aside_stays_so_until_it_is_set_anew(fake: Snapd, data: Path) -> None:
    fake.set(HOST)
    older(fake, inverter_level="9", web_port="80")
    assert hooks.main("post-refresh") == 0
    fake.set("inverter.retries=2")
    fake.set("inverter.level!")
    assert set_aside.load(data).keys() == {"inverter.level", "web.port"}
    assert fake.set("inverter.level=1") == 0, "the default, but chosen by somebody"
    assert set_aside.load(data).keys() == {"web.port"}
    older(fake, inverter_retries="nine")
    assert hooks.main("post-refresh") == 0
    assert set_aside.load(data) == {"web.port": "80", "inverter.retries": "nine"}
    fake.set("web.port=8081", "inverter.retries=1")
    assert not (data / set_aside.FILE).exists()


def test_what_cannot_be_set_aside_stops_the_refresh_with_the_reason(
    fake: Snapd, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.set(HOST)
    state = fake.state
    state.options["inverter.level"] = "[1]"
    fake.put(state)
    assert hooks.main("post-refresh") != 0
    assert "inverter.level takes one value" in capsys.readouterr().err


@pytest.mark.parametrize("host", [HOST, "inverter.level=1"])
def test_after_its_end_the_daemon_is_well_no_more(
    fake: Snapd, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.set(host)
    monkeypatch.setenv("SERVICE_RESULT", "signal")
    assert hooks.main("stopped") == 0
    word = fake.state.health[0]
    assert word == ("waiting" if host == HOST else "blocked")


def test_after_its_end_it_is_well_no_more_whatever_is_in_its_file(fake: Snapd, data: Path) -> None:
    fake.set(HOST)
    state = fake.state
    state.health = ["okay"]
    fake.put(state)
    (data / "sungather.yaml").write_text("inverter: [")
    assert hooks.main("stopped") == 0
    assert fake.state.health[0] == "blocked"


def test_an_end_during_the_machines_own_waits_for_nobody(
    fake: Snapd,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fake.set(HOST)
    monkeypatch.setattr(hooks, "_SHUTDOWN_WAITS", 0.1)
    (tmp_path / "bin/snapctl").write_text("#!/bin/sh\nexec sleep 60\n")
    assert hooks.main("stopped") == 0
    assert "snapd does not answer" in capsys.readouterr().err


def test_a_daemon_that_hangs_does_not_stop_the_refresh_that_may_cure_it(
    fake: Snapd, common: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(control, "HANGS_AFTER", 0.2)
    fake.set(HOST)
    with socket.socket(socket.AF_UNIX) as hanging:
        hanging.bind(str(common / privileges.STATE / SOCKET))
        hanging.listen()
        assert hooks.main("pre-refresh") == 0
    assert "hangs" in capsys.readouterr().err


def test_before_a_refresh_without_a_daemon_nothing_is_done(
    fake: Snapd, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.set(HOST)
    assert hooks.main("pre-refresh") == 0
    assert capsys.readouterr().err == ""


async def test_before_a_refresh_the_daemon_writes_down_what_it_has(
    fake: Snapd, common: Path
) -> None:
    written: list[bool] = []

    async def write_down() -> dict[str, object]:
        written.append(True)
        return {}

    fake.set(HOST)
    async with daemon(common, {"write-down": write_down}):
        assert await asyncio.to_thread(hooks.main, "pre-refresh") == 0
    assert written == [True]


async def test_a_daemon_whose_disk_hangs_does_not_stop_the_refresh(
    fake: Snapd, common: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is alive, and says so every two seconds; snapd would give up after ten minutes."""
    monkeypatch.setattr(hooks, "_WRITES_WITHIN", 0.2)

    async def never() -> dict[str, object]:
        await asyncio.Event().wait()
        return {}

    fake.set(HOST)
    async with daemon(common, {"write-down": never}), asyncio.timeout(20):
        assert await asyncio.to_thread(hooks.main, "pre-refresh") == 0
    assert "does not write down" in capsys.readouterr().err


async def test_a_daemon_that_knows_no_such_command_does_not_stop_the_refresh(
    fake: Snapd, common: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.set(HOST)
    async with daemon(common, {}):
        assert await asyncio.to_thread(hooks.main, "pre-refresh") == 0
    assert "no command 'write-down'" in capsys.readouterr().err


def test_a_removal_leaves_no_support_bundle_for_the_saved_copy(
    fake: Snapd, common: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hooks, "drop_root", lambda: None)
    bundle = common / privileges.SUPPORT / "bundle.txt"
    bundle.parent.mkdir()
    bundle.touch()
    (common / "outbox.sqlite3").touch()
    assert hooks.main("remove") == 0
    assert [file.name for file in common.iterdir()] == ["outbox.sqlite3"]


def test_every_hook_is_three_lines_that_call_the_package() -> None:
    files = sorted((ROOT / "snap/hooks").iterdir())
    assert [file.name for file in files] == NAMES
    for file in files:
        lines = file.read_text().splitlines()
        assert len(lines) == 3
        words = ["exec", "$SNAP/bin/python3", "-I", "-m", "sungather.snap", file.name]
        assert shlex.split(lines[2]) == words
        assert os.access(file, os.X_OK)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: hooks give files to another user")
@pytest.mark.parametrize("name", NAMES)
def test_the_hook_runs_as_snapd_runs_it(
    fake: Snapd, common: Path, tmp_path: Path, name: str
) -> None:
    fake.set()
    python = tmp_path / "bin/python3"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    environment = os.environ | {"SNAP": str(tmp_path)}
    assert STATE in environment
    hook = ROOT / "snap/hooks" / name
    done = subprocess.run([hook], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
