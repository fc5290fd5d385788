"""A Modbus/TCP server that behaves as badly as told.

Device and server are apart: the server knows frames, connections and faults; words come from the
devices on its unit ids.
"""

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ssl import SSLContext

from sungather.simulator.device import LivingDevice
from sungather.simulator.faults import Faults, touches
from sungather.simulator.frontend import FrontEnd
from sungather.simulator.modbus import (
    HEADER,
    Answer,
    ExceptionCode,
    ForeignFrame,
    ModbusRequest,
    Readable,
    body_length,
    exception_reply,
    parse_request,
    reply,
    words_reply,
)

PADDED_WORDS = 15


Asked = tuple[int, str, int, int]
"""One read request, as `Server.requests` keeps it: unit, space, documented start, count."""


@dataclass(slots=True, eq=False)
class _Session:
    writer: asyncio.StreamWriter
    served: bool
    held: bytes = b""
    requests: int = 0


class Server(FrontEnd):
    """One listening port. Use `serve`; `async with` closes it."""

    def __init__(
        self,
        devices: Mapping[int, Readable],
        host: str,
        port: int,
        faults: Faults,
        latency: float,
        monotonic: Callable[[], float],
        tls: SSLContext | None = None,
    ) -> None:
        super().__init__(host, port)
        self._tls = tls
        self.devices = dict(devices)
        """Unit id -> device."""
        self.faults = faults
        self.latency = latency
        """Seconds before each reply."""
        self.requests: list[Asked] = []
        """Every well-formed read request, answered or not."""
        self._monotonic = monotonic
        self._sessions: set[_Session] = set()
        self._spent = 0
        self._last_traffic = monotonic()
        self._changed = asyncio.Event()

    @property
    def open(self) -> int:
        """Connections that are open now."""
        return len(self._sessions)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition about `requests`, `connections` or `open`."""
        while not condition():
            await self._changed.wait()

    async def go_dark(self) -> None:
        """Close the port and all connections, as a device without power does."""
        await self.close()

    async def wake(self) -> None:
        """Open the same port again after `go_dark`."""
        await self.listen()

    def _leave(self, writer: asyncio.StreamWriter) -> None:
        if self._tls is not None:
            super()._leave(writer)
        else:
            writer.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Talk to one client until it goes, or a fault wants its connection closed."""
        session = _Session(writer, self._admit())
        self._sessions.add(session)
        self._notify()
        try:
            if not session.served and self.faults.excess == "reset":
                reset(writer)
            else:
                with contextlib.suppress(ForeignFrame, _Close):
                    await self._talk(reader, session)
        finally:
            self._sessions.discard(session)
            self._notify()
            self._last_traffic = self._monotonic()
            if session.served and self.faults.recovery:
                self._spent += 1

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _admit(self) -> bool:
        """Whether a new connection gets one of the sessions."""
        if self._monotonic() - self._last_traffic >= self.faults.recovery:
            self._spent = 0
        if not self.faults.sessions:
            return True
        served = sum(session.served for session in self._sessions)
        return served + self._spent < self.faults.sessions

    async def _talk(self, reader: asyncio.StreamReader, session: _Session) -> None:
        while True:
            first = await reader.readexactly(1)
            if self.faults.banner:
                session.writer.write(self.faults.banner)
                await session.writer.drain()
                return
            header = first + await reader.readexactly(HEADER.size - 1)
            body = await reader.readexactly(body_length(header))
            self._last_traffic = self._monotonic()
            if session.served and not self._is_night("dark"):
                await self._handle(parse_request(header, body), session)

    async def _handle(self, request: ModbusRequest, session: _Session) -> None:
        if request.problem is not None:
            await self._send(session, exception_reply(request, request.problem))
            return
        self.requests.append((request.unit, request.space, request.start, request.count))
        session.requests += 1
        self._notify()
        faults = self.faults if self.faults.concern(request) else Faults()
        if touches(faults.close_on, request):
            await asyncio.sleep(faults.close_after)
            raise _Close
        if faults.close_every and session.requests % faults.close_every == 0:
            raise _Close
        if faults.silent or touches(faults.silent_on, request):
            return
        if request.unit not in self.devices and faults.unknown_unit == "silent":
            return
        frame = build_frame(faults, request, self._answer(faults, request))
        if self.latency:
            await asyncio.sleep(self.latency)
        if session.held:
            session.held, held = b"", session.held
            await self._send(session, held)
        if faults.late_by_one:
            session.held = frame
        elif faults.late:
            asyncio.get_running_loop().call_later(faults.late, write_if_open, session, frame)
        else:
            await self._send(session, frame, split=faults.split)

    def _answer(self, faults: Faults, request: ModbusRequest) -> Answer:
        refusal = faults.refuse(request)
        if refusal is not None:
            return refusal
        device = self.devices.get(request.unit)
        if device is None:
            return ExceptionCode.GATEWAY_TARGET
        if isinstance(device, LivingDevice):
            device.asleep = self._is_night("stale")
        answer = device.read(request.space, request.wire, request.count)
        return answer if isinstance(answer, ExceptionCode) else faults.change(request, answer)

    def _is_night(self, kind: str) -> bool:
        if self.faults.night != kind:
            return False
        if not self.faults.after_sunset:
            return True
        sites = [device for device in self.devices.values() if isinstance(device, LivingDevice)]
        return all(device.now().flow.dc == 0 for device in sites)

    async def _send(self, session: _Session, frame: bytes, *, split: bool = False) -> None:
        pieces = [frame[n : n + 1] for n in range(len(frame))] if split else [frame]
        for piece in pieces:
            session.writer.write(piece)
            await session.writer.drain()
            if split:
                # A turn of the loop sends the byte; the socket has no delay of its own.
                await asyncio.sleep(0)


class _Close(Exception):
    """A fault wants this connection closed."""


def build_frame(faults: Faults, request: ModbusRequest, answer: Answer) -> bytes:
    """The bytes that go out for an answer, with the faults of frames in them."""
    if isinstance(answer, ExceptionCode):
        return exception_reply(request, answer)
    if request.space == "input" and request.start in faults.padded:
        frame = pad(request, answer)
    elif faults.short == "fewer-words":
        frame = words_reply(request, answer[:-1])
    elif faults.short == "cut-off":
        frame = words_reply(request, answer)[:-3]
    else:
        frame = reply(request, answer)
    if faults.foreign == "before":
        other = request.transaction ^ 0x5555
        return words_reply(request, [0x5A5A] * request.count, other) + frame
    if faults.foreign == "zero":
        return b"\0\0" + frame[2:]
    return frame


def pad(request: ModbusRequest, words: list[int]) -> bytes:
    """A frame for 15 registers whose byte count speaks of the registers asked for."""
    data = struct.pack(f">{len(words)}H", *words)[: 2 * PADDED_WORDS].ljust(
        2 * PADDED_WORDS, b"\0"
    )
    count = min(2 * request.count, 255)
    header = HEADER.pack(request.transaction, 0, len(data) + 3, request.unit)
    return header + bytes([request.function, count]) + data


def write_if_open(session: _Session, frame: bytes) -> None:
    """Write a late reply unless its connection has gone."""
    if not session.writer.is_closing():
        session.writer.write(frame)


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST, as a device that wants no further session does."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def serve(
    device: Readable | Mapping[int, Readable],
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    faults: Faults | None = None,
    latency: float = 0.0,
    monotonic: Callable[[], float] = time.monotonic,
    tls: SSLContext | None = None,
) -> Server:
    """Serve a device on unit 1, or several by unit id; with `tls` inside TLS, as on port 516.

    Raises:
        OSError: The port cannot be opened.
    """
    devices = device if isinstance(device, Mapping) else {1: device}
    server = Server(devices, host, port, faults or Faults(), latency, monotonic, tls)
    await server.listen()
    return server
