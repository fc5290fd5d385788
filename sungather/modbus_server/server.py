"""The server as a service: one port an inverter, clients that do not wait for each other."""

import asyncio
import contextlib
import errno
import ipaddress
import logging
import resource
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sungather import errors
from sungather.clock import Clock
from sungather.modbus_server.early_ports import failure, opened
from sungather.modbus_server.frames import (
    ClientRequest,
    ModbusException,
    NotAFrame,
    first_frame,
    parse_request,
)
from sungather.modbus_server.sunspec import UNIT as SUNSPEC_UNIT
from sungather.modbus_server.sunspec import SunSpecView
from sungather.modbus_server.traffic import Traffic, TrafficBook
from sungather.options.all_options import ModbusServerOptions
from sungather.privileges import instance
from sungather.reading import Reading
from sungather.registers import Block
from sungather.registers.device import Device
from sungather.service import Health, SimpleService

log = logging.getLogger(__name__)

_RETRY_SECONDS = 30.0
_KEEPALIVE = 30
"""Seconds of quiet after which TCP looks whether a client is still there."""
_IDLE = 1800.0
"""Seconds without a request after which a connection is closed: there are programs that ask every
10 minutes, over a connection that they keep."""
_MAKES_WAY = 60.0
"""Seconds without a request after which a connection makes way for another of its own address."""
_FRAME_WITHIN = 15.0
"""Seconds from the first byte of a request to its last one."""
_LOOK = 1.0
"""Seconds between two looks at who is late: cheaper than a timer for each request."""
_AT_ONCE = 8
"""Connections that are accepted before the first of them is looked at."""
_KEPT_FREE = 48
"""File descriptors for all else; the page leaves the same, and takes its part of the rest."""
_UNREAD = 10.0
"""Seconds for which a client may leave its answers unread."""
_REMEDY = "Choose another modbus-server.port, or stop what uses it."
_NOT_ROOT = (
    "Ports below 1024 take root; in the snap they are opened at the start alone: "
    "sudo snap restart {snap}."
)
_BUFFER = 4096
_MOST_TOLD = 20
"""Addresses outside the networks that are told to the log."""
_STALE_SCANS = 3.5
"""Scans without news after which SunSpec has nothing to show."""
_WRITE_BUFFER = 16 * 1024


_Welcome = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Words(Protocol):
    """Words of one device."""

    async def read(self, wanted: Block) -> tuple[Sequence[int], bool]:
        """Words of the range, and whether the device was asked for them now.

        Raises:
            Refused: The device refuses the range.
            Busy: It, or the queue to it, takes no more now.
            InverterError: There are no words to be had now.
        """
        ...


class Units(Protocol):
    """The devices that are reached through one inverter."""

    @property
    def requests(self) -> int:
        """Requests that they were sent for clients."""
        ...

    def on_unit(self, unit: int) -> Words | None:
        """The words of a unit; None if there is no such device."""
        ...

    def close(self) -> None:
        """Give up what is being asked of them."""
        ...


@dataclass(frozen=True, slots=True)
class ServedInverter:
    """One inverter, and the port on which it is served."""

    name: str
    port: int
    units: Units
    device: Callable[[], Device | None]
    """What is known of the inverter."""
    scan_interval: float


class _ModbusClient:
    """One connection."""

    def __init__(self, writer: asyncio.StreamWriter, traffic: Traffic, now: float) -> None:
        self.writer = writer
        self.traffic = traffic
        self.asked_at = now
        """Time of the loop at which it asked last."""
        self.deadline = now + _IDLE
        """When it is cut off, unless it does what it is waited for."""


class ModbusServer(SimpleService):
    """Answers reads of registers; refuses everything else, and never keeps silent."""

    name = "modbus-server"

    def __init__(
        self,
        options: ModbusServerOptions,
        inverters: Sequence[ServedInverter],
        clock: Clock | None = None,
    ) -> None:
        self._options = options
        self._inverters = inverters
        self._views = {
            one.name: SunSpecView(
                one.device,
                one.scan_interval * _STALE_SCANS,
                clock or Clock(),
                hybrids=options.sunspec == "hybrids",
            )
            for one in inverters
            if options.sunspec != "false"
        }
        """Inverter -> what it is for programs that speak SunSpec."""
        self._networks = [
            ipaddress.ip_network(one.strip(), strict=False)
            for one in options.networks.split(",")
            if one.strip()
        ]
        """Those whose clients are let in; none: the private ones."""
        self._clients: dict[_ModbusClient, None] = {}
        self._book = TrafficBook()
        self._refused: set[str] = set()
        """Addresses outside the networks that were told to the log."""
        self._troubles: dict[str, str] = {}
        """Inverter -> why its port is not open."""
        self.ports: dict[str, int] = {}
        """Inverter -> the port that is open."""
        self._opened = asyncio.Event()

    def on_reading(self, reading: Reading) -> None:
        """What SunSpec shows of an inverter is its reading."""
        if view := self._views.get(reading.name):
            view.on_reading(reading)

    async def run(self) -> None:
        """Serve until cancelled. A port that is taken is tried again."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._cut_off_the_late())
            for inverter in self._inverters:
                tasks.create_task(self._serve(inverter))

    async def listening(self) -> dict[str, int]:
        """Wait until every port is open; inverter -> port."""
        await self._opened.wait()
        return self.ports

    def health(self) -> Health:
        """Whether all ports are open, and who asks."""
        message = " ".join(self._troubles.values())
        state = "blocked" if message else "ok" if self._opened.is_set() else "starting"
        asked = {one.name: one.units.requests for one in self._inverters}
        return Health(self.name, state, message, clients=self._book.told(), asked=asked)

    async def _serve(self, inverter: ServedInverter) -> None:
        async def welcome(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._welcome(reader, writer, inverter)

        while True:
            try:
                servers = await self._listen(welcome, inverter.port)
            except OSError as error:
                self._cannot_listen(inverter, error)
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                break
        try:
            self._troubles.pop(inverter.name, None)
            self.ports[inverter.name] = port = servers[0].sockets[0].getsockname()[1]
            log.info("Modbus programs can read %s on port %d", inverter.name, port)
            if len(self.ports) == len(self._inverters):
                self._opened.set()
            await asyncio.Event().wait()
        finally:
            for server in servers:
                server.close()
            inverter.units.close()
            for client in tuple(self._clients):
                client.writer.transport.abort()

    async def _listen(self, welcome: _Welcome, port: int) -> list[asyncio.Server]:
        address = self._options.address
        if early := opened(address, port):
            return [await _server(welcome, sock=one) for one in early]
        try:
            return [await _server(welcome, host=address or None, port=port)]
        except PermissionError as error:
            early = failure(address, port)
            raise error if early is None else early.with_traceback(None) from None

    def _cannot_listen(self, inverter: ServedInverter, error: OSError) -> None:
        where = f"{self._options.address or '*'}:{inverter.port}"
        remedies = [] if error.errno == errno.EACCES else [_REMEDY]
        if error.errno == errno.EACCES or failure(self._options.address, inverter.port):
            remedies.append(_NOT_ROOT.format(snap=instance()))
        else:
            remedies.append(f"Tried again every {_RETRY_SECONDS:.0f} seconds.")
        message = (
            f"The Modbus server for {inverter.name} cannot listen on {where}: "
            f"{error.strerror or error}. {' '.join(remedies)} Everything else goes on."
        )
        if self._troubles.get(inverter.name) != message:
            log.error(message)
        self._troubles[inverter.name] = message

    async def _welcome(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, inverter: ServedInverter
    ) -> None:
        address = str(writer.get_extra_info("peername")[0]).partition("%")[0]
        if not self._may_come(address) or not self._has_room(address):
            writer.transport.abort()
            return
        now = asyncio.get_running_loop().time()
        client = _ModbusClient(writer, self._book.of(address), now)
        self._clients[client] = None
        client.traffic.connections += 1
        _keep_alive(writer.get_extra_info("socket"))
        writer.transport.set_write_buffer_limits(_WRITE_BUFFER)
        try:
            with contextlib.suppress(OSError, NotAFrame):
                await self._talk(reader, client, inverter)
        finally:
            self._clients.pop(client, None)
            client.traffic.connections -= 1
            writer.transport.abort()

    def _may_come(self, address: str) -> bool:
        """Whether the client is in one of the networks."""
        ip = ipaddress.ip_address(address)
        if any(ip in one for one in self._networks) or (not self._networks and ip.is_private):
            return True
        if address not in self._refused and len(self._refused) < _MOST_TOLD:
            self._refused.add(address)
            log.warning(
                "A Modbus client from %s was refused: it is in none of the networks of "
                "modbus-server.networks.",
                address,
            )
        return False

    def _has_room(self, address: str) -> bool:
        """Whether another client is let in.

        Where one address has more than half of the places, a client from another one gets that
        of its connections which has been quiet for longest: a flood shuts out nobody else. And
        what a program at the same address has forgotten to close makes way after a while.
        """
        most = min(self._options.clients, _most_clients())
        if len(self._clients) < most:
            return True
        crowd = max(self._clients, key=lambda one: one.traffic.connections).traffic
        asked_before = asyncio.get_running_loop().time()
        if crowd.address == address or crowd.connections <= most // 2:
            asked_before -= _MAKES_WAY
        else:
            address = crowd.address
        theirs = (
            one
            for one in self._clients
            if one.traffic.address == address and one.asked_at <= asked_before
        )
        quiet = min(theirs, key=lambda one: one.asked_at, default=None)
        if quiet is None:
            return False
        del self._clients[quiet]
        quiet.writer.transport.abort()
        return True

    async def _talk(
        self, reader: asyncio.StreamReader, client: _ModbusClient, inverter: ServedInverter
    ) -> None:
        """Answer one request after the other until the client goes."""
        clock = asyncio.get_running_loop().time
        received = b""
        while chunk := await reader.read(_BUFFER):
            if not received:
                client.deadline = clock() + _FRAME_WITHIN
            received += chunk
            while frame := first_frame(received):
                received = received[len(frame) :]
                client.asked_at = clock()
                request = parse_request(frame)
                words = self._words(inverter, request.unit)
                client.writer.write(await _answer(request, words, client.traffic))
                client.deadline = clock() + _UNREAD
                await client.writer.drain()
                client.deadline = clock() + (_FRAME_WITHIN if received else _IDLE)
                if received:  # one who sends many at once does not keep the others waiting
                    await asyncio.sleep(0)

    async def _cut_off_the_late(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(_LOOK)
            now = clock()
            for client in tuple(self._clients):
                if client.deadline < now:
                    client.writer.transport.abort()

    def _words(self, inverter: ServedInverter, unit: int) -> Words | None:
        view = self._views.get(inverter.name)
        if unit == SUNSPEC_UNIT and view is not None and view.is_offered:
            return view
        return inverter.units.on_unit(unit)


async def _answer(request: ClientRequest, words: Words | None, traffic: Traffic) -> bytes:
    """The frame that answers a request to these words; None: there is no such unit."""
    traffic.requests += 1
    if words is None:
        code: int = ModbusException.NO_SUCH_UNIT
    elif request.wanted is None:
        code = request.refusal
    else:
        try:
            found, passed_on = await words.read(request.wanted)
        except errors.InverterError as error:
            code = _code_of(error)
        except Exception:
            log.exception("a request for %s failed", request.wanted)
            code = ModbusException.NO_ANSWER
        else:
            traffic.passed_on += passed_on
            return request.answer(found)
    traffic.exceptions[code] += 1
    return request.exception(code)


def _code_of(error: errors.InverterError) -> int:
    if isinstance(error, errors.Refused):
        return error.exception_code
    if isinstance(error, errors.Busy) and not isinstance(error, errors.UnitSilent):
        return ModbusException.BUSY
    return ModbusException.NO_ANSWER


def _keep_alive(channel: socket.socket) -> None:
    channel.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _KEEPALIVE)
    channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


async def _server(welcome: _Welcome, **where: Any) -> asyncio.Server:
    return await asyncio.start_server(welcome, limit=_BUFFER, backlog=_AT_ONCE, **where)


def _most_clients() -> int:
    """So many as leave file descriptors for everything else."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(2, (soft - _KEPT_FREE) // 4) if soft >= 0 else sys.maxsize
