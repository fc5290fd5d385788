"""Figures of the collector on simulated inverters."""

import asyncio
import contextlib
import itertools
import tempfile
import time
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sungather.cli.reports import plan_for
from sungather.clock import Clock
from sungather.device.inverter import Inverter
from sungather.options.configuration import load
from sungather.reading import Path as DevicePath
from sungather.registers.catalogue import Tier, registers_for
from sungather.registers.models import model_named
from sungather.registers.plan import UnreadableRanges, plan
from sungather.simulator import Server, device_named, serve
from sungather.storage import Storage
from sungather.transports.modbus import ModbusTransport
from tests.bench.daemon import running_daemon
from tests.bench.device import device_apart
from tests.bench.figures import Figure, cpu_seconds, rss_megabytes
from tests.incumbent import FIELDS

CYCLES = 100
"""Scans of one second, after which memory and CPU are read."""
FIFTY_FOR = 65.0
"""Seconds that 50 inverters are watched."""


async def requests() -> list[Figure]:
    """What the inverter is asked, counted by the simulated one."""
    bounds = {("SH10RT", 1): 5, ("SH10RT", 2): 8, ("SG10RT", 1): 3, ("SG10RT", 2): 5}
    figures: list[Figure] = []
    for (model, level), bound in bounds.items():
        counts = _by_tier(model, level)
        name = f"requests, complete cycle (fast + slow), {model} level {level}"
        figures.append(Figure(name, counts["cycle"], bound))
        name = f"requests, the same with firmware and clock (hourly), {model} level {level}"
        figures.append(Figure(name, counts["all"], None))
    figures.append(
        Figure("requests, SG10RT level 2 at 125", _by_tier("SG10RT", 2, 125)["cycle"], 4)
    )
    figures.append(Figure("requests, history arrays, SH10RT", _by_tier("SH10RT", 1)["history"], 8))
    figures.append(Figure("requests, fast tick, SH10RT level 1", await _fast_tick(1), 3))
    figures.append(Figure("requests, fast tick, SH10RT level 2", await _fast_tick(2), 3))
    return figures


def _by_tier(model: str, level: int, widest: int = 100) -> dict[str, int]:
    device = replace(model_named(model), path=DevicePath.CABLE)
    registers = registers_for(device, level)

    def count(tiers: Iterable[Tier]) -> int:
        wanted = [register for register in registers if register.tier in tiers]
        return len(plan_for(wanted, device, widest).blocks)

    return {
        "cycle": count([Tier.FAST, Tier.SLOW]),
        "all": count([Tier.FAST, Tier.SLOW, Tier.HOURLY]),
        "history": count([Tier.HISTORY]),
    }


async def _fast_tick(level: int) -> int:
    async with _simulated() as server:
        inverter = _inverter(server, level=level)
        await inverter.scan()
        asked = len(server.requests)
        await inverter.scan()
        await inverter.close()
        return len(server.requests) - asked


async def planner() -> list[Figure]:
    """The planner alone, on the incumbent's own lists of registers."""
    bounds = {
        ("SH10RT", 1, 125): 7,
        ("SH10RT", 1, 100): 8,
        ("SH10RT", 2, 100): 13,
        ("SG10RT", 1, 100): 3,
        ("SG10RT", 2, 125): 4,
        ("SG10RT", 2, 100): 5,
    }
    figures: list[Figure] = []
    for (model, level, widest), bound in bounds.items():
        made = plan(FIELDS[model, level], widest, {}, UnreadableRanges())
        name = f"planner, incumbent's list of {model} level {level} at {widest}"
        figures.append(Figure(name, len(made.blocks), bound))
    return figures


async def start() -> list[Figure]:
    """From the start of the process to its first complete reading, the best of five."""
    seconds: list[float] = []
    async with _simulated() as server:
        for _ in range(5):
            begun = time.monotonic()
            async with running_daemon(_settings([_where(server)], level=1)):
                seconds.append(time.monotonic() - begun)
    return [Figure("process start → first complete reading", min(seconds), 0.6, "s")]


async def latency() -> list[Figure]:
    """How much of a cycle is waiting for the inverter, at 50 ms an answer."""
    async with _simulated(latency=0.05) as server:
        inverter = _inverter(server, level=2)
        await inverter.scan()
        reading = await inverter.scan(complete=True)
        await inverter.close()
    share = reading.duration_ms / (reading.requests * 50)
    return [Figure("cycle at 50 ms replies, SH10RT level 2, per request", share, 1.1, "× 50 ms")]


async def cycles() -> list[Figure]:
    """CPU and memory of a daemon that scans every second, level 1 and 2; and its connects."""
    return [*await _cycles(1, 2.0), *await _cycles(2, 5.0), await _connects()]


async def _cycles(level: int, cpu_bound: float) -> list[Figure]:
    async with device_apart() as port:
        where = {"host": "127.0.0.1", "port": port}
        async with running_daemon(_settings([where], level=level, scan_interval=1)) as daemon:
            used = cpu_seconds(daemon.pid)
            await asyncio.sleep(CYCLES)
            spent = (cpu_seconds(daemon.pid) - used) / CYCLES * 1000
            memory = rss_megabytes(daemon.pid)
    return [
        Figure(f"CPU a cycle, SH10RT level {level}, whole process", spent, cpu_bound, "ms"),
        Figure(f"RSS after {CYCLES} cycles, level {level}", memory, 32, "MB"),
    ]


async def _connects() -> Figure:
    async with _simulated() as server:
        inverter = _inverter(server, level=2)
        await inverter.scan()
        connects = server.connections
        for _ in range(CYCLES):
            await inverter.scan()
        await inverter.close()
        return Figure(f"TCP connects in {CYCLES} cycles", server.connections - connects, 0)


class _Times(list[Any]):
    """The requests of a server, with the moment at which each cycle began."""

    def __init__(self) -> None:
        super().__init__()
        self.begun: list[float] = []
        self._last = 0.0

    def append(self, item: Any) -> None:
        super().append(item)
        now = time.monotonic()
        if now - self._last > 2:
            self.begun.append(now)
        self._last = now


async def fifty() -> list[Figure]:
    """Fifty inverters at 10 s in one process."""
    async with contextlib.AsyncExitStack() as stack:
        servers: list[Server] = []
        for _ in range(50):
            server = await stack.enter_async_context(_simulated())
            server.requests = _Times()
            servers.append(server)
        daemon = await stack.enter_async_context(
            running_daemon(_settings([*map(_where, servers)], level=1, scan_interval=10))
        )
        await asyncio.sleep(5)
        used, begun = cpu_seconds(daemon.pid), time.monotonic()
        await asyncio.sleep(FIFTY_FOR)
        share = (cpu_seconds(daemon.pid) - used) / (time.monotonic() - begun) * 100
    late = 0
    for server in servers:
        moments: list[float] = getattr(server.requests, "begun", [])
        gaps = [b - a for a, b in itertools.pairwise(moments)]
        late += sum(gap > 11 for gap in gaps)
    return [
        Figure("50 inverters at 10 s, share of one core", share, 8, "%"),
        Figure("50 inverters at 10 s, late cycles", late, 0),
    ]


@contextlib.asynccontextmanager
async def _simulated(latency: float = 0.0) -> AsyncGenerator[Server]:
    async with await serve(device_named("SH10RT"), latency=latency) as server:
        yield server


def _where(server: Server) -> dict[str, object]:
    return {"host": server.host, "port": server.port}


def _inverter(server: Server, level: int) -> Inverter:
    settings = [
        f"inverter.host={server.host}",
        f"inverter.port={server.port}",
        f"inverter.level={level}",
    ]
    options = load(None, settings).inverters[0]
    transport = ModbusTransport(server.host, server.port, options.timeout)
    storage = Storage(Path(tempfile.mkdtemp(prefix="sungather-bench-")))
    return Inverter(options, transport, storage, ZoneInfo("Europe/Berlin"), Clock())


def _settings(inverters: Sequence[Mapping[str, object]], **options: float) -> dict[str, object]:
    """The options of a daemon for inverters that are at `host` and `port`."""
    return {
        f"inverters.number-{n}.{key.replace('_', '-')}": value
        for n, inverter in enumerate(inverters)
        for key, value in {**inverter, **options}.items()
    }
