"""Exporters in the real program: how it stops, and what moves in from SunGather 0.5."""

import asyncio
import gzip
import json
import os
import random
import re
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path

import pytest
import yaml

from sungather.simulator import device_named, serve
from tests.real_parts import mosquitto, running
from tests.stand_ins import Reply, Request, site

STOPS_WITHIN = 2.0
"""Seconds from the signal to the end of the process, without what Python needs to end."""
ON_A_BUSY_MACHINE = 2.0
KILLS = 6

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


async def test_a_stop_does_not_wait_for_a_broker_that_has_stopped_answering(
    tmp_path: Path,
) -> None:
    with running(mosquitto(tmp_path)) as broker:
        async with await serve(device_named("SH10RT")) as inverter:
            own = (
                "inverter.host=127.0.0.1", f"inverter.port={inverter.port}", "web.enabled=false",
                "mqtt.enabled=true", "mqtt.host=127.0.0.1", f"mqtt.port={broker.port}",
            )  # fmt: skip
            daemon = await start(tmp_path, "run", *(f"--set={one}" for one in own))
            await told(daemon, b"mqtt: delivering")
            broker.freeze()
            daemon.send_signal(signal.SIGTERM)
            async with asyncio.timeout(STOPS_WITHIN + ON_A_BUSY_MACHINE):
                _, err = await daemon.communicate()
    assert daemon.returncode == 0
    assert b"Traceback" not in err


async def test_a_daemon_killed_again_and_again_loses_at_most_the_scan_in_flight(
    tmp_path: Path,
) -> None:
    chance = random.Random(5)
    arrived: set[tuple[str, str]] = set()
    delivering = False

    def answer(request: Request) -> Reply:
        if not delivering:
            return Reply(503)
        for text in gzip.decompress(request.body).decode().splitlines():
            name = re.search(r",name=([^, ]+)", text)
            assert name is not None
            arrived.add((name[1], text.rpartition(" ")[2]))
        return Reply(204)

    with site(answer) as database:
        async with await serve(device_named("SH10RT")) as inverter:
            settings = [
                "--set=inverter.host=127.0.0.1", f"--set=inverter.port={inverter.port}",
                "--set=inverter.scan-interval=1", "--set=web.enabled=false",
                "--set=influxdb.enabled=true", f"--set=influxdb.url={database.url}",
                "--set=influxdb.bucket=solar", "--set=influxdb.version=1",
            ]  # fmt: skip
            read: list[list[tuple[str, str]]] = []
            for _ in range(KILLS):
                daemon = await start(tmp_path, "run", *settings, "--set=console.enabled=true")
                assert daemon.stdout is not None
                seen = [json.loads(await daemon.stdout.readline())]
                while not seen[-1]["values"]:
                    seen.append(json.loads(await daemon.stdout.readline()))
                await asyncio.sleep(chance.uniform(0, 1.2))
                daemon.kill()
                out, _ = await daemon.communicate()
                seen += [json.loads(line) for line in out.splitlines(keepends=True)
                         if line.endswith(b"\n")]  # fmt: skip
                read.append([(one["name"], _unix(one["time"])) for one in seen if one["values"]])
            delivering = True
            code, _, err = await run(tmp_path, "run-once", *settings)
            assert code == 0, err
    lost = [[one for one in run if one not in arrived] for run in read]
    assert sum(map(len, read)) > KILLS
    for run_, gone in zip(read, lost, strict=True):
        assert gone == run_[len(run_) - len(gone) :], "only the newest"
        assert len({name for name, _ in gone}) == len(gone), "at most one of each device"


def _unix(stamp: str) -> str:
    """Milliseconds."""
    return str(round(datetime.fromisoformat(stamp).timestamp() * 1000))


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
