"""A disk that hangs, at any moment: scans go on, the page answers, and a stop takes no time."""

import asyncio
import contextlib
import signal
import sqlite3
import sys
import time
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

    @property
    def was_asked(self) -> bool:
        """Whether anybody has read anything."""
        return not self._asked.locked()

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

    def set(self, name: str, value: object) -> None:
        self._settings.append(f"--set={name}={value}")

    async def ends(self) -> "Daemon":
        await self._process.wait()
        return self

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


async def first_to_end(*daemons: Daemon) -> tuple[Daemon, Daemon]:
    """The one of two that ends, and the other."""
    tasks = [asyncio.create_task(one.ends()) for one in daemons]
    try:
        async with asyncio.timeout(LONG):
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
    (ended,) = (task.result() for task in done)
    (other,) = (one for one in daemons if one is not ended)
    return ended, other


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


async def test_one_that_hangs_at_the_start_delays_no_scan_and_loses_nothing(
    daemon: Daemon, inverter: Inverter
) -> None:
    daemon.hang()
    await daemon.start()
    await daemon.said("HANGS")
    await daemon.said("1 inverter(s) are read without what is known of them")
    await daemon.said("The page is at")
    await inverter.is_asked(20)
    assert b"SH10RT" in await daemon.page("/")
    await daemon.said("is ok")
    answers_again = time.time()
    daemon.go_on()
    await daemon.said("collecting from 1")
    await daemon.ask("write-down")
    assert await daemon.stop() == 0
    with contextlib.closing(sqlite3.connect(daemon.state / "outbox.sqlite3")) as db:
        ((first,),) = db.execute("SELECT min(time_ms) FROM readings").fetchall()
    assert first < answers_again * 1000, "what was read meanwhile is owed"
    assert not [line for line in daemon.lines if "Traceback" in line]


async def test_one_that_hangs_at_the_start_delays_no_stop(daemon: Daemon) -> None:
    daemon.hang()
    await daemon.start()
    await daemon.said("HANGS")
    assert await daemon.stop() == 0
    await daemon.start()
    await daemon.said("is ok")
    assert await daemon.stop() == 0


async def test_two_daemons_on_a_disk_that_hangs_do_not_both_read(
    daemon: Daemon, tmp_path: Path
) -> None:
    unread = Inverter()
    async with await serve(unread) as port:
        second = Daemon(tmp_path, port.port)
        daemon.hang()
        try:
            for one in (daemon, second):
                await one.start()
                await one.said("does not answer. Nothing is delivered before it does")
            await daemon.said("is ok")
            await second.said("no inverter is read")
            assert not unread.was_asked
            daemon.go_on()
            ended, goes_on = await first_to_end(daemon, second)
            assert any("Another daemon" in line for line in ended.lines)
            assert await goes_on.stop() == 0
        finally:
            second.kill()


async def test_a_dongle_is_not_asked_while_its_certificate_hangs_with_the_disk(
    daemon: Daemon,
) -> None:
    daemon.set("inverter.connection", "http")
    daemon.hang()
    await daemon.start()
    await daemon.said("no inverter is read")
    assert await daemon.stop() == 0


async def test_one_that_answers_again_costs_nothing(daemon: Daemon) -> None:
    daemon.hang()
    await daemon.start()
    await daemon.said("HANGS")
    daemon.go_on()
    await daemon.said("is ok")
    assert await daemon.stop() == 0
