"""The other hooks, and the files that snapd runs."""

import asyncio
import os
import shlex
import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from fake_snapctl import STATE, Snapd

from sungather import privileges
from sungather.control import SOCKET
from sungather.daemon.control_server import ControlServer, Handler
from sungather.snap import hooks

ROOT = Path(__file__).parents[3]
HOST = "inverter.host=192.168.1.10"
NAMES = ["configure", "install", "post-refresh", "pre-refresh", "remove"]


@asynccontextmanager
async def daemon(common: Path, handlers: Mapping[str, Handler]) -> AsyncGenerator[None]:
    """A daemon's control socket."""
    path = common / privileges.STATE / SOCKET
    server = asyncio.create_task(ControlServer(path, [], handlers).run())
    while not path.is_socket():  # noqa: ASYNC110 (another task makes it)
        await asyncio.sleep(0)
    yield
    server.cancel()


def test_an_installation_makes_the_place_of_the_logs(fake: Snapd, common: Path) -> None:
    assert hooks.main("install") == 0
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


def test_a_refresh_with_a_value_that_is_wrong_by_now_fails_with_the_reason(
    fake: Snapd, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.set(HOST)
    state = fake.state
    state.options["inverter.level"] = "9"
    fake.put(state)
    assert hooks.main("post-refresh") != 0
    assert "inverter.level must be" in capsys.readouterr().err


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
