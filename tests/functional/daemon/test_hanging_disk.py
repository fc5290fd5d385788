"""A disk that hangs, at any moment: scans go on, the page answers, and a stop takes no time."""

import asyncio
import contextlib
import signal
import sys
import urllib.request
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from sungather import control
from sungather.simulator import device_named, serve
from sungather.simulator.modbus import Answer
from tests import hanging_disk
from tests.real_parts import free_port

LONG = 60.0
"""Seconds for what takes a fraction of one, or for ever."""


class Inverter:
    """A simulated one that tells when it is asked."""

    def __init__(self) -> None:
        self._device = device_named("SH10RT")
        self._asked = asyncio.Semaphore(0)

    def read(self, space: str, wire_address: int, count: int) -> Answer:
        self._asked.release()
        return self._device.read(space, wire_address, count)

    async def is_asked(self, times: int) -> None:
        """Wait until it was asked so often from now on."""
        while not self._asked.locked():
            await self._asked.acquire()
        async with asyncio.timeout(LONG):
            for _ in range(times):
                await self._asked.acquire()


class Daemon:
    """`sungather run` whose state directory can be made to hang."""

    def __init__(self, directory: Path, port: int) -> None:
        self.state = directory / "state"
        self.web = free_port()
        self.lines: list[str] = []
        self._begun = 0
        """How many lines earlier processes have said."""
        self._hangs = directory / "state.hangs"
        self._news = asyncio.Condition()
        self._process: Process
        self._reading: asyncio.Task[None]
        options = {
            "inverter.host": "127.0.0.1",
            "inverter.port": port,
            "inverter.scan-interval": 1,
            "web.address": "127.0.0.1",
            "web.port": self.web,
            "influxdb.enabled": "true",
            "influxdb.url": f"http://127.0.0.1:{free_port()}",
            "influxdb.bucket": "solar",
            "influxdb.version": 1,
            "storage.directory": self.state,
        }
        self._settings = [f"--set={name}={value}" for name, value in options.items()]

    async def start(self) -> None:
        self._begun = len(self.lines)
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", hanging_disk.__name__, str(self.state)),
            *("run", *self._settings),
            stderr=PIPE,
        )
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            async with self._news:
                self.lines.append(line.decode().rstrip())
                self._news.notify_all()

    async def said(self, words: str) -> None:
        async with asyncio.timeout(LONG), self._news:
            await self._news.wait_for(
                lambda: any(words in line for line in self.lines[self._begun :])
            )

    async def page(self, path: str) -> bytes:
        def fetch() -> bytes:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.web}{path}", timeout=LONG) as got:
                return bytes(got.read())

        return await asyncio.to_thread(fetch)

    async def ask(self, command: str) -> object:
        async with asyncio.timeout(LONG):
            return await control.ask_daemon(self.state / control.SOCKET, command, [])

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    def hang(self) -> None:
        self._hangs.touch()

    def go_on(self) -> None:
        self._hangs.unlink()

    async def stop(self) -> int:
        self._process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(LONG):
            code = await self._process.wait()
        await self._reading
        return code


@pytest.fixture
def inverter() -> Inverter:
    return Inverter()


@pytest.fixture
async def daemon(tmp_path: Path, inverter: Inverter) -> AsyncGenerator[Daemon]:
    async with await serve(inverter) as port:
        one = Daemon(tmp_path, port.port)
        yield one
        one.kill()


async def test_the_loop_leaves_every_use_of_the_disk_to_threads(daemon: Daemon) -> None:
    for _ in range(2):  # the second time, everything is there
        await daemon.start()
        await daemon.said("is ok")
        await daemon.said("The page is at")
        await daemon.ask("run-once")
        await daemon.ask("write-down")
        await daemon.ask("forget-refusals")
        await daemon.page("/")
        assert await daemon.stop() == 0
    assert [line for line in daemon.lines if "LOOP" in line or "Traceback" in line] == []


async def test_a_hanging_disk_holds_up_neither_scans_nor_page_nor_stop(
    daemon: Daemon, inverter: Inverter
) -> None:
    await daemon.start()
    await daemon.said("is ok")
    await daemon.said("The page is at")
    daemon.hang()
    await inverter.is_asked(20)
    assert await daemon.page("/healthz")
    assert await daemon.page("/metrics")
    assert b"SH10RT" in await daemon.page("/")
    assert await daemon.page("/api/v1/history")
    assert await daemon.stop() == 0
    assert daemon.lines[-1].endswith("stopped"), "nothing more is waited for"


async def test_one_that_hangs_at_the_start_is_said_and_delays_no_stop(daemon: Daemon) -> None:
    daemon.hang()
    await daemon.start()
    await daemon.said("HANGS")
    await daemon.said("does not answer, and nothing is read before it does")
    assert await daemon.stop() == 0


async def test_one_that_answers_again_costs_nothing(daemon: Daemon) -> None:
    daemon.hang()
    await daemon.start()
    await daemon.said("HANGS")
    daemon.go_on()
    await daemon.said("is ok")
    assert await daemon.stop() == 0
