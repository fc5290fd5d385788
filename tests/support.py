"""What functional tests share: an inverter's reader on a simulated device."""

import asyncio
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sungather.clock import Clock
from sungather.device.inverter import Inverter
from sungather.options.configuration import load
from sungather.storage import Claim, Storage
from sungather.transports.modbus import ModbusTransport

OPTIONS = replace(load(None, ["inverter.host=127.0.0.1"]).inverters[0], timeout=5.0, retries=0)
"""Short-tempered, so that tests of silence do not take long."""

NOON = datetime(2026, 6, 21, 10, 0, tzinfo=UTC)
"""Bright day in Berlin."""


@cache
def storage_in(directory: Path) -> Storage:
    """The storage of a directory: a process has one, which knows what is still to be written."""
    return Storage(directory)


@contextmanager
def claimed(directory: Path) -> Generator[Claim]:
    """A directory as a daemon has it."""
    claim = Claim(directory)
    try:
        claim.take()
        yield claim
    finally:
        claim.release()


def daytime_zone() -> str:
    """A time zone in which it is afternoon now, so that silence is not taken for sleep.

    For what runs on the machine's own clock; else such a test would fail at night.
    """
    east = (_AFTERNOON - datetime.now(UTC).hour + 12) % 24 - 12 or 1
    return f"Etc/GMT{-east:+d}"  # POSIX counts to the west


_AFTERNOON = 15


class Hang:
    """Work for a thread that takes as long as the test wants: `worker.call(hang)`."""

    def __init__(self) -> None:
        self._begun = threading.Event()
        self._goes_on = threading.Event()

    def __call__(self) -> bool:
        self._begun.set()
        return self._goes_on.wait(60)

    async def begins(self) -> None:
        """Wait until the thread is at it: before, nobody can tell that it hangs."""
        assert await asyncio.to_thread(self._begun.wait, 60)

    def end(self) -> None:
        self._goes_on.set()


class OtherTask:
    """Somebody else on the loop, while the block lasts."""

    def __init__(self) -> None:
        self.turns = 0
        """How often it was let work."""

    async def __aenter__(self) -> "OtherTask":
        self._task = asyncio.create_task(self._work())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()

    async def _work(self) -> None:
        while True:
            await asyncio.sleep(0)
            self.turns += 1


class ManualClock:
    """A clock that moves only when told."""

    def __init__(self, start: datetime = NOON) -> None:
        self.passed = 0.0
        self._start = start
        self.clock = Clock(
            lambda: self._start + timedelta(seconds=self.passed), lambda: self.passed
        )

    def tick(self, seconds: float) -> None:
        self.passed += seconds

    def local(self) -> datetime:
        """For simulated devices: the same moment with a zone."""
        return self.clock.now()


def inverter_at(port: int, storage: Path, clock: Clock | None = None, **options: Any) -> Inverter:
    """A reader of whatever listens on the port of 127.0.0.1."""
    chosen = replace(OPTIONS, port=port, **options)
    transport = ModbusTransport(chosen.host, port, chosen.timeout)
    zone = ZoneInfo("Europe/Berlin" if clock else daytime_zone())
    return Inverter(chosen, transport, storage_in(storage), zone, clock or Clock())
