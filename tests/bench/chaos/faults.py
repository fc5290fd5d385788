"""Everything that can be made to fail in the household, by the part that fails.

A fault is a context manager: inside it the part fails, after it all is well again.
"""

import asyncio
import contextlib
import signal
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from itertools import count
from random import Random
from typing import Any

from sungather.simulator import HTTP_SERVER, ExceptionCode
from tests.bench import shifted_clock
from tests.bench.chaos.gate import Gate
from tests.bench.chaos.household import Household

Fault = Callable[[], AbstractAsyncContextManager[None]]
Faults = Mapping[str, Mapping[str, Fault]]
"""Part -> what can happen to it."""

_ALWAYS = 1_000_000
_SOME = {"input": range(5003, 5011), "holding": range(13000, 13100)}
"""Registers that are refused for a while, among them such as every scan reads."""
_HOUR = 3600.0
_LONGEST_LIFE = 30.0
"""Seconds after which the daemon is ended although nothing could be read."""


def faults_of(home: Household, seed: int, over: float) -> Faults:
    """All of them. `seed` decides their details; `over` is when the loop's clock ends them."""

    def chance(part: str) -> Random:
        # One for each: they run at the same time, and their order is not the seed's.
        return Random(f"{seed} details of {part}")

    return {
        "cable": _cable(home, chance("cable")),
        "dongle": _dongle(home, chance("dongle")),
        "broker": _broker(home),
        "database": _database(home),
        "disk": _disk(home, chance("disk")),
        "clock": _clock(home, chance("clock")),
        "daemon": _daemon(home, chance("daemon"), over),
    }


def _cable(home: Household, chance: Random) -> Mapping[str, Fault]:
    @contextlib.asynccontextmanager
    async def switched(harmless: bool, switches: Mapping[str, Any]) -> AsyncGenerator[None]:
        faults = home.cable.faults
        before = {name: getattr(faults, name) for name in switches}
        with home.scans["cable"].disturbed(harmless):
            for name, value in switches.items():
                setattr(faults, name, value)
            try:
                yield
            finally:
                for name, value in before.items():
                    setattr(faults, name, value)

    def switch(harmless: bool = False, **switches: Any) -> Fault:
        return lambda: switched(harmless, switches)

    @contextlib.asynccontextmanager
    async def slow() -> AsyncGenerator[None]:
        with home.scans["cable"].disturbed(harmless=True):
            home.cable.latency = 0.3
            try:
                yield
            finally:
                home.cable.latency = 0.0

    @contextlib.asynccontextmanager
    async def dark() -> AsyncGenerator[None]:
        with home.scans["cable"].disturbed():
            await home.cable.go_dark()
            try:
                yield
            finally:
                await home.cable.wake()

    def noise() -> AbstractAsyncContextManager[None]:
        return switched(False, {"banner": chance.randbytes(chance.randint(1, 300))})

    return {
        "silent": switch(silent=True),
        "busy": switch(busy=_ALWAYS, busy_code=ExceptionCode.DEVICE_BUSY),
        "failing": switch(busy=_ALWAYS, busy_code=ExceptionCode.DEVICE_FAILURE),
        "refusing addresses": switch(busy=_ALWAYS, busy_code=ExceptionCode.ILLEGAL_ADDRESS),
        "refusing functions": switch(busy=_ALWAYS, busy_code=ExceptionCode.ILLEGAL_FUNCTION),
        "refusing some": switch(cannot_contain=_SOME),
        "a web server": switch(banner=HTTP_SERVER),
        "noise": noise,
        "a word too few": switch(short="fewer-words"),
        "answers cut off": switch(short="cut-off"),
        "answers of others": switch(foreign="before"),
        "answers late by one": switch(late_by_one=True),
        "hanging up": switch(close_every=3),
        "no session left": switch(sessions=1, excess="reset"),
        "byte by byte": switch(harmless=True, split=True),
        "slow": slow,
        "dark": dark,
    }


def _dongle(home: Household, chance: Random) -> Mapping[str, Fault]:
    @contextlib.asynccontextmanager
    async def switched(switches: Mapping[str, Any]) -> AsyncGenerator[None]:
        faults = home.dongle.faults
        before = {name: getattr(faults, name) for name in switches}
        with home.scans["dongle"].disturbed():
            for name, value in switches.items():
                setattr(faults, name, value)
            try:
                yield
            finally:
                for name, value in before.items():
                    setattr(faults, name, value)

    def switch(**switches: Any) -> Fault:
        return lambda: switched(switches)

    @contextlib.asynccontextmanager
    async def hanging_up() -> AsyncGenerator[None]:
        with home.scans["dongle"].disturbed():
            home.dongle_port.hang_up()
            yield

    @contextlib.asynccontextmanager
    async def sessions_ended() -> AsyncGenerator[None]:
        with home.scans["dongle"].disturbed():
            await home.dongle.end_sessions("login timeout")
            yield

    def noise() -> AbstractAsyncContextManager[None]:
        return switched({"body": chance.randbytes(chance.randint(0, 300))})

    return {
        "silent": switch(silent=True),
        "answers broken off": switch(breaks_http=True),
        "connections closed": switch(closes_http=True),
        "noise": noise,
        "tokens of one request": switch(token_life=1),
        "inverter not linked": switch(linked=False),
        "HTTP 500": switch(status=500),
        "HTTP 500 with a page": switch(status=500, body=b"<html>Internal Server Error</html>"),
        "refusing all": switch(failing_reads=_ALWAYS),
        "refusing a few": switch(failing_reads=3),
        "hanging up": hanging_up,
        "sessions ended": sessions_ended,
    }


def _broker(home: Household) -> Mapping[str, Fault]:
    subscriber = home.subscriber

    @contextlib.asynccontextmanager
    async def killed() -> AsyncGenerator[None]:
        await asyncio.to_thread(home.broker.kill)
        subscriber.subscribed.clear()
        async with home.to_broker.closed():
            try:
                yield
            finally:
                await asyncio.to_thread(home.broker.start)
                # Whoever comes before the subscriber is not heard by anybody.
                await subscriber.subscribed.wait()

    return {"killed": killed, "frozen": lambda: _frozen(home.broker), **_gate(home.to_broker)}


def _database(home: Household) -> Mapping[str, Fault]:
    @contextlib.asynccontextmanager
    async def killed() -> AsyncGenerator[None]:
        await asyncio.to_thread(home.database.kill)
        try:
            yield
        finally:
            await asyncio.to_thread(home.database.start)

    def saying(status: str, body: str, *headers: str) -> Fault:
        lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", body]
        return lambda: home.to_database.set_to(canned="\r\n".join(lines).encode())

    return {
        "killed": killed,
        "frozen": lambda: _frozen(home.database),
        "500": saying("500 Internal Server Error", '{"error":"engine: not open"}'),
        "503": saying("503 Service Unavailable", "", "Retry-After: 2"),
        "bad gateway": saying("502 Bad Gateway", "<html>bad gateway</html>"),
        "answers lost": lambda: home.to_database.set_to(swallows=True),
        **_gate(home.to_database),
    }


def _gate(gate: Gate) -> Mapping[str, Fault]:
    return {"refused": gate.closed, "mute": lambda: gate.set_to(mute=True), "cut": gate.set_to}


@contextlib.asynccontextmanager
async def _frozen(server: Any) -> AsyncGenerator[None]:
    server.freeze()
    try:
        yield
    finally:
        server.thaw()


def _disk(home: Household, chance: Random) -> Mapping[str, Fault]:
    @contextlib.asynccontextmanager
    async def full(size: int) -> AsyncGenerator[None]:
        # What is in memory for want of a disk dies with the process, and everybody is told so.
        async with home.daemon.lock:
            home.daemon.limit_files(size)
            try:
                yield
            finally:
                home.daemon.limit_files(-1)
                await home.daemon.has_written_down()

    return {
        "read-only": lambda: full(0),
        "full": lambda: full(chance.randint(1, 200_000)),
    }


def _clock(home: Household, chance: Random) -> Mapping[str, Fault]:
    # No time comes twice: points of the same millisecond would be one point.
    steps: Iterator[int] = count(1)

    @contextlib.asynccontextmanager
    async def wrong(sign: int) -> AsyncGenerator[None]:
        shift = sign * 2 * _HOUR * next(steps) + chance.random()
        shifted_clock.set_clock(home.daemon.clock, shift)
        try:
            yield
        finally:
            shifted_clock.set_clock(home.daemon.clock, 0.0)

    return {"ahead": lambda: wrong(1), "behind": lambda: wrong(-1)}


def _daemon(home: Household, chance: Random, over: float) -> Mapping[str, Fault]:
    @contextlib.asynccontextmanager
    async def ended(*numbers: signal.Signals) -> AsyncGenerator[None]:
        # Counted in scans: on a busy machine a start alone may take as long as a few of them.
        latest = min(over, asyncio.get_running_loop().time() + _LONGEST_LIFE)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(latest):
                await home.serve(chance.randint(2, 16))
        async with home.daemon.lock:
            for number in numbers:
                await home.restart_daemon(number)
                if number is not numbers[-1]:
                    await asyncio.sleep(chance.random())
        yield

    kill, term = signal.SIGKILL, signal.SIGTERM
    return {
        "killed": lambda: ended(kill),
        "killed again while it starts": lambda: ended(kill, kill, kill),
        "restarted": lambda: ended(term),
    }
