"""Figures of the Modbus server: what it costs the inverter, and what it costs the machine."""

import asyncio
import contextlib
import selectors
import socket
import statistics
import struct
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable
from math import inf
from pathlib import Path

from sungather.simulator import Server, device_named, serve
from sungather.transports.modbus import ModbusTransport
from tests.bench.daemon import Daemon, running_daemon
from tests.bench.device import device_apart
from tests.bench.figures import Figure, cpu_seconds, rss_megabytes
from tests.modbus_house import EVERYTHING, House, house, polls
from tests.raw_modbus import Client
from tests.real_parts import free_port
from tests.support import ManualClock

MINUTES = 60
"""Simulated minutes of all programs at once."""
SCAN_INTERVAL = 30
MAX_AGE = 5
CLIENTS, A_SECOND, SECONDS = 32, 10, 20
"""Programs that ask for words in the cache, how often, and for how long."""


async def modbus_server() -> list[Figure]:
    """Upstream requests of all programs together; CPU, latency and memory of the daemon."""
    return [*await _upstream(), *await _daemon_figures()]


async def _upstream() -> list[Figure]:
    alone = await _requests(with_programs=False)
    together = await _requests(with_programs=True)
    fast = await _fast_blocks()
    bound = alone + fast * 60 / MAX_AGE + 30
    name = "requests upstream a simulated minute, SH10RT level 3"
    return [
        Figure(f"{name}, alone", alone, None),
        Figure(f"{name}, all programs", together, bound),
        Figure("connections upstream, all programs", await _connections(), 1),
    ]


async def _requests(*, with_programs: bool) -> float:
    async with _simulated() as (made, device, clock):
        begun = len(device.requests)
        await _live(made, clock, with_programs=with_programs)
        return (len(device.requests) - begun) / MINUTES


async def _fast_blocks() -> int:
    async with _simulated() as (made, device, clock):
        clock.tick(SCAN_INTERVAL)
        begun = len(device.requests)
        await made.poller.scan()
        return len(device.requests) - begun


async def _connections() -> int:
    async with _simulated() as (made, device, clock):
        await _live(made, clock, with_programs=True, minutes=2)
        return device.connections


@contextlib.asynccontextmanager
async def _simulated() -> AsyncGenerator[tuple[House, Server, ManualClock]]:
    clock = ManualClock()
    async with await serve(device_named("SH10RT", clock=clock.local)) as device:
        transport = ModbusTransport("127.0.0.1", device.port, 5.0)
        storage = Path(tempfile.mkdtemp(prefix="sungather-bench-"))
        scan_interval = float(SCAN_INTERVAL)
        async with house(
            *(transport, storage, clock.clock),
            scan_interval=scan_interval,
            level=EVERYTHING,
            devices="none",
        ) as made:
            await made.poller.scan()
            yield made, device, clock


async def _live(
    made: House, clock: ManualClock, *, with_programs: bool, minutes: int = MINUTES
) -> None:
    """Let time pass second by second, with or without the programs' polls."""
    due = {one: 0.0 for one in polls() if one.unit == 1 and with_programs}
    async with contextlib.AsyncExitStack() as stack:
        clients: dict[str, Client] = {}
        for name in {one.client for one in due}:
            clients[name] = await stack.enter_async_context(await made.client())
        for second in range(minutes * 60):
            clock.tick(1)
            if second % SCAN_INTERVAL == 0:
                await made.poller.scan()
            for poll, at in due.items():
                if at <= second:
                    await clients[poll.client].body(
                        poll.register, poll.count, function=poll.function
                    )
                    due[poll] = second + poll.seconds if poll.seconds else inf


async def _daemon_figures() -> list[Figure]:
    async with device_apart() as device:
        port = free_port()
        off = await _memory(device, port, served=False)
        async with (
            running_daemon(_settings(device, port, served=True)) as daemon,
            contextlib.AsyncExitStack() as stack,
        ):
            clients = [
                await stack.enter_async_context(
                    Client(*await asyncio.open_connection("127.0.0.1", port))
                )
                for _ in range(CLIENTS)
            ]
            idle = await _used(daemon, asyncio.sleep(SECONDS)) / SECONDS
            milliseconds: list[float] = []
            work = asyncio.gather(*(_poll(one, n, milliseconds) for n, one in enumerate(clients)))
            busy = await _used(daemon, work) / SECONDS
            memory = rss_megabytes(daemon.pid)
            at_once = await asyncio.to_thread(_burst, port)
    asked = len(milliseconds) / SECONDS
    name = f"Modbus server, {CLIENTS} clients at {A_SECOND} polls a second"
    return [
        Figure(f"{name}, CPU", 100 * busy, 25, "% of a core"),
        Figure(f"{name}, CPU an answer", 1000 * (busy - idle) / asked, 0.7, "ms"),
        Figure(f"{name}, median", statistics.median(milliseconds), 5, "ms"),
        Figure(f"{name}, 99 of 100", statistics.quantiles(milliseconds, n=100)[-1], None, "ms"),
        Figure(f"Modbus server, {CLIENTS} clients at the same instant, median", at_once, 5, "ms"),
        Figure("RSS of the Modbus server with these clients", memory - off, 3, "MB"),
    ]


async def _poll(client: Client, which: int, milliseconds: list[float]) -> None:
    """Ask for a few words in the cache, evenly; each client at moments of its own."""
    begin = time.monotonic() + which / CLIENTS / A_SECOND
    for number in range(A_SECOND * SECONDS):
        await asyncio.sleep(max(0.0, begin + number / A_SECOND - time.monotonic()))
        asked = time.perf_counter()
        await client.words((13008, 13003, 5017, 13000)[number % 4], 2)
        milliseconds.append((time.perf_counter() - asked) * 1000)


def _burst(port: int) -> float:
    """Milliseconds that the answers take when all clients ask at the same instant; the median."""
    milliseconds: list[float] = []
    with contextlib.ExitStack() as stack, selectors.DefaultSelector() as selector:
        clients = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            for _ in range(CLIENTS)
        ]
        for one in clients:
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(one, selectors.EVENT_READ, one)
        for _ in range(A_SECOND * SECONDS // 2):
            asked: dict[socket.socket, float] = {}
            for one in clients:
                asked[one] = time.perf_counter()
                one.send(struct.pack(">HHHBBHH", 1, 0, 6, 1, 4, 13007, 2))
            while asked:
                for key, _ in selector.select():
                    key.data.recv(64)
                    milliseconds.append((time.perf_counter() - asked.pop(key.data)) * 1000)
            time.sleep(1 / A_SECOND)
    return statistics.median(milliseconds)


async def _used(daemon: Daemon, work: Awaitable[object]) -> float:
    """CPU seconds of the daemon while the work is done."""
    before = cpu_seconds(daemon.pid)
    await work
    return cpu_seconds(daemon.pid) - before


async def _memory(device: int, port: int, *, served: bool) -> float:
    async with running_daemon(_settings(device, port, served=served)) as daemon:
        await asyncio.sleep(SECONDS)
        return rss_megabytes(daemon.pid)


def _settings(device: int, port: int, *, served: bool) -> dict[str, object]:
    return {
        "inverter.host": "127.0.0.1",
        "inverter.port": device,
        "inverter.level": 3,
        "modbus-server.enabled": str(served).lower(),
        "modbus-server.port": port,
        "modbus-server.address": "127.0.0.1",
        "modbus-server.clients": 2 * CLIENTS,
    }
