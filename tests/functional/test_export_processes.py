"""Exporters in the real program: how it stops, and what moves in from SunGather 0.5."""

import asyncio
import os
import re
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import yaml

from sungather.simulator import device_named, serve

STOPS_WITHIN = 2.0
"""Seconds from the signal to the end of the process, without what Python needs to end."""
ON_A_BUSY_MACHINE = 2.0

Place = Callable[[], AbstractContextManager[int]]
OLD = """\
inverter:
  host: 192.168.1.20
  port: 502
  scan_interval: 30
  level: 1
exports:
  - name: mqtt
    enabled: True
    host: 192.168.1.5
    username: sun
    password: s3cret
"""


async def start(tmp_path: Path, *words: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sungather", *words,
        stdout=PIPE, stderr=PIPE,
        env={**os.environ, "STATE_DIRECTORY": str(tmp_path / "state")},
    )  # fmt: skip


async def run(tmp_path: Path, *words: str) -> tuple[int | None, str, str]:
    process = await start(tmp_path, *words)
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def told(process: Process, words: bytes) -> None:
    assert process.stderr is not None
    async for line in process.stderr:
        if words in line:
            return
    raise AssertionError("the daemon ended")


@contextmanager
def _dead() -> Generator[int]:
    """A port that drops whatever asks for a connection: its queue is full."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for caller in (first, second):
            caller.setblocking(False)
            caller.connect_ex(listener.getsockname())
        yield int(listener.getsockname()[1])


@contextmanager
def _mute() -> Generator[int]:
    """A port that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


@pytest.mark.parametrize(
    ("place", "settings"),
    [(_dead, ()), (_mute, ()), (_mute, ("mqtt.tls.enabled=true",))],
    ids=["dropping", "mute", "mute-tls"],
)
async def test_a_stop_does_not_wait_for_a_broker_that_does_not_answer(
    place: Place, settings: tuple[str, ...], tmp_path: Path
) -> None:
    with place() as port:
        async with await serve(device_named("SH10RT")) as inverter:
            own = (
                "inverter.host=127.0.0.1", f"inverter.port={inverter.port}", "web.enabled=false",
                "mqtt.enabled=true", "mqtt.host=127.0.0.1", f"mqtt.port={port}", *settings,
            )  # fmt: skip
            daemon = await start(tmp_path, "run", *(f"--set={one}" for one in own))
            await told(daemon, b" is ok")
            daemon.send_signal(signal.SIGTERM)
            async with asyncio.timeout(STOPS_WITHIN + ON_A_BUSY_MACHINE):
                _, err = await daemon.communicate()
    assert daemon.returncode == 0
    assert b"Traceback" not in err


async def test_a_file_of_sungather_0_5_becomes_options_that_are_right(tmp_path: Path) -> None:
    old = tmp_path / "old.yaml"
    old.write_text(OLD)
    code, out, err = await run(tmp_path, "import-config", str(old))
    assert code == 0
    assert yaml.safe_load(out)["mqtt"]["password"] == "s3cret"
    assert "s3cret" not in err
    assert re.search(r"^kept: .*host", err, re.MULTILINE)
    new = tmp_path / "new.yaml"
    new.write_text(out)
    code, _, err = await run(tmp_path, "check-config", "--config", str(new))
    assert code == 0, err


@pytest.mark.parametrize("content", ["hello\n", "mqtt: {enabled: true}\n", "a: [\n"])
async def test_any_other_file_is_refused_in_one_sentence(content: str, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(content)
    code, out, err = await run(tmp_path, "import-config", str(other))
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert err.startswith("sungather: ")


async def test_a_file_that_is_not_there_is_refused_in_one_sentence(tmp_path: Path) -> None:
    code, out, err = await run(tmp_path, "import-config", str(tmp_path / "none.yaml"))
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
