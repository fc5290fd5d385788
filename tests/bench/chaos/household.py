"""A household of real parts, each of which can be made to fail: what `faults` does to it."""

import asyncio
import contextlib
import json
import resource
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from pathlib import Path
from typing import Any, Self, cast
from urllib.parse import urlencode
from urllib.request import urlopen

import aiomqtt

from sungather import control, errors
from sungather.simulator import Server, device_named, serve
from sungather.simulator.frontend import reads_from
from sungather.simulator.winet import Dongle, WinetPort
from tests.bench import shifted_clock
from tests.bench.chaos.gate import Gate
from tests.bench.chaos.program import Program
from tests.bench.chaos.scans import COUNTER, Scans
from tests.real_parts import Server as RealServer
from tests.real_parts import free_port, influxd, mosquitto, running

WITHIN = 120.0
"""Seconds until something that must happen has happened, on the busiest machine."""
_UNLIMITED_QUEUES = "allow_anonymous true\nmax_inflight_messages 0\nmax_queued_messages 0\n"
"""So that the broker passes a message on before it acknowledges it, and can be killed."""


class Subscriber:
    """What has arrived at the broker."""

    def __init__(self, port: int) -> None:
        self.subscribed = asyncio.Event()
        self.counts: dict[str, set[int]] = {}
        """Device -> counts in its states and its history."""
        self.names: dict[str, frozenset[str]] = {}
        """Device -> what its newest state holds."""
        self._arrived = asyncio.Event()
        self._port = port

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until messages make it true."""
        while not condition():
            await self.next()

    async def next(self) -> None:
        """Wait for the next message."""
        self._arrived.clear()
        await self._arrived.wait()

    async def run(self) -> None:
        """Take messages for ever, whatever the broker does."""
        while True:
            with contextlib.suppress(aiomqtt.MqttError):
                async with aiomqtt.Client("127.0.0.1", self._port, keepalive=600) as client:
                    await client.subscribe("sungather/+/+", 1)
                    self.subscribed.set()
                    async for message in client.messages:
                        self._take(str(message.topic), message.payload)
            await asyncio.sleep(0.1)

    def _take(self, topic: str, payload: bytes) -> None:
        _, name, kind = topic.split("/")
        if kind not in ("state", "history"):
            return
        values = cast(dict[str, Any], json.loads(payload))
        if COUNTER in values:
            self.counts.setdefault(name, set()).add(values[COUNTER])
        if kind == "state":
            self.names[name] = frozenset(values)
        self._arrived.set()


class Daemon:
    """`sungather run` in a process of its own, with what it says."""

    def __init__(self, directory: Path, settings: list[str]) -> None:
        self.lock = asyncio.Lock()
        """Held by whoever needs the process as it is."""
        self.complaints: list[str] = []
        """Tracebacks, and exit codes that nobody asked for."""
        self.clock = directory / "clock"
        self._log = directory / "daemon.log"
        self._state = directory / "state"
        self._words = [*settings, f"--set=storage.directory={self._state}"]
        self._process: Process | None = None
        self._asked: signal.Signals | None = None
        """What the process was told to end by."""
        self._living: asyncio.Task[None] | None = None
        """Done when the process is gone."""
        shifted_clock.set_clock(self.clock, 0.0)

    async def start(self) -> None:
        """Start it."""
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", shifted_clock.__name__, str(self.clock), "run", *self._words),
            stderr=PIPE,
        )
        self._asked = None
        self._living = asyncio.create_task(self._live(self._process))

    async def _live(self, process: Process) -> None:
        assert process.stderr is not None
        begun = False
        with self._log.open("ab") as log:
            async for line in process.stderr:
                log.write(line)
                log.flush()
                if line.startswith(b"Traceback"):
                    begun = True
                    self.complaints.append(f"{process.pid}: ")
                if begun:
                    self.complaints[-1] += line.decode(errors="replace")
                    begun = line.startswith((b"Traceback", b" "))
        code = await process.wait()
        # A signal in the first moments of Python ends it as it ends any program.
        if self._asked is None or code not in (0, -self._asked):
            self.complaints.append(f"{process.pid}: ended with {code}, asked by {self._asked}")

    async def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it by a signal, and wait until it is gone."""
        process, self._process = self._process, None
        if process is None or self._living is None:
            return
        if not self._living.done():
            self._asked = number
            process.send_signal(number)
        await self._living

    def limit_files(self, size: int) -> None:
        """Let no file of it be written behind `size` bytes; works for every user."""
        if self._process is not None:
            _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
            # Gone by itself: `_live` complains about that.
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (size, hard))

    async def has_written_down(self) -> None:
        """Wait until everything that it holds is on the disk, or it is gone by itself."""
        async with asyncio.timeout(WITHIN):
            while self._living is not None and not self._living.done():
                with contextlib.suppress(errors.DaemonError):
                    await self._ask("write-down")
                    if await self._outbox_state() == "ok":
                        return
                await asyncio.sleep(0.2)

    async def _outbox_state(self) -> str | None:
        answer = await self._ask("readings")
        services = answer["exporters"] if answer else ()
        return next((one["state"] for one in services if one["name"] == "outbox"), None)

    async def _ask(self, command: str) -> Any:
        return await control.ask_daemon(self._state / control.SOCKET, command, [])


class Household:
    """Two inverters, a broker and a database around a daemon; inside `async with`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._progress = asyncio.Event()
        behind = device_named("SH8.0RT", path="dongle", serial="A2310715999")
        cable = device_named("SH10RT")
        self._modbus_port = free_port()
        self.program = Program(self._modbus_port, cable)
        self.scans = {
            "cable": Scans(cable, 1000, self._progress),
            "dongle": Scans(behind, 15_000, self._progress),
        }
        self.broker: RealServer = mosquitto(directory, _UNLIMITED_QUEUES)
        self.database: RealServer = influxd(directory)
        self.subscriber = Subscriber(self.broker.port)
        self.to_broker = Gate(self.broker.port)
        self.to_database = Gate(self.database.port)
        self.dongle = Dongle(reads_from({1: self.scans["dongle"]}))
        self.dongle_port = WinetPort(self.dongle)
        self.cable: Server
        self.daemon: Daemon
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            stack.enter_context(running(self.broker))
            stack.enter_context(running(self.database))
            await asyncio.to_thread(self._query, "CREATE DATABASE solar")
            for part in (self.subscriber, self.program):
                await stack.enter_async_context(_background(part.run))
            await self.subscriber.subscribed.wait()
            for part in (self.to_broker, self.to_database, self.dongle_port):
                await stack.enter_async_context(part)
            self.cable = await serve(self.scans["cable"], port=free_port())
            await stack.enter_async_context(self.cable)
            self.daemon = Daemon(self.directory, self._settings())
            stack.push_async_callback(self.daemon.end, signal.SIGKILL)
            await self.daemon.start()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def _settings(self) -> list[str]:
        options = {
            "inverters.cable.host": "127.0.0.1",
            "inverters.cable.timeout": 5,
            "inverters.cable.port": self.cable.port,
            "inverters.cable.scan-interval": 1,
            "inverters.cable.modbus-server-port": self._modbus_port,
            "modbus-server.enabled": "true",
            "inverters.dongle.modbus-server-port": free_port(),
            "modbus-server.address": "127.0.0.1",
            "inverters.dongle.host": "127.0.0.1",
            "inverters.dongle.timeout": 5,
            "inverters.dongle.port": self.dongle_port.port,
            "inverters.dongle.connection": "http",
            "inverters.dongle.scan-interval": 1,
            "web.address": "127.0.0.1",
            "web.port": free_port(),
            "mqtt.enabled": "true",
            "mqtt.host": "127.0.0.1",
            "mqtt.port": self.to_broker.port,
            "influxdb.enabled": "true",
            "influxdb.url": f"http://127.0.0.1:{self.to_database.port}",
            "influxdb.bucket": "solar",
            "influxdb.version": 1,
        }
        return [f"--set={name}={value}" for name, value in options.items()]

    @contextlib.contextmanager
    def _all_disturbed(self) -> Generator[None]:
        with contextlib.ExitStack() as stack:
            for scans in self.scans.values():
                stack.enter_context(scans.disturbed())
            yield

    async def serve(self, more: int) -> None:
        """Wait until the inverters have served so many more scans."""
        served = [one.served for one in self.scans.values()]
        wanted = sum(map(len, served)) + more
        while sum(map(len, served)) < wanted:
            self._progress.clear()
            await self._progress.wait()

    async def restart_daemon(self, number: signal.Signals) -> None:
        """End the daemon by a signal, and start it again."""
        with self._all_disturbed():
            await self.daemon.end(number)
        await self.daemon.start()

    def stored(self) -> dict[str, set[int]]:
        """Device -> counts in the database. Blocks."""
        answer = self._query(f'SELECT "{COUNTER}" FROM "sungather" GROUP BY "name"')
        found: dict[str, set[int]] = {}
        for series in answer["results"][0].get("series", ()):
            found[series["tags"]["name"]] = {int(row[1]) for row in series["values"]}
        return found

    def _query(self, text: str) -> Any:
        body = urlencode({"db": "solar", "q": text}).encode()
        with urlopen(f"http://127.0.0.1:{self.database.port}/query", body, WITHIN) as answer:
            return json.load(answer)


@contextlib.asynccontextmanager
async def _background(work: Callable[[], Coroutine[None, None, None]]) -> AsyncGenerator[None]:
    task = asyncio.create_task(work())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
