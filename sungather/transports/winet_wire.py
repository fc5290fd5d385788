"""The two connections to a WiNet-S: one WebSocket and one HTTP/1.1, both kept open.

Protocols are those of wsproto and h11; the sockets are asyncio's, shared with the other ways.
"""

import asyncio
import contextlib
from collections import deque

import h11
import wsproto
from wsproto import events
from wsproto.connection import ConnectionState
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from sungather.transports.connect import Streams

_CHUNK = 16384
_FAREWELL = 0.5  # seconds that a polite close may take
LONGEST = 1 << 20
"""Bytes of the longest message or answer that is taken; real ones have a few thousand."""


async def _end(streams: Streams) -> None:
    _, writer = streams
    # abort, not close: a device that has gone silent would keep a polite close waiting.
    writer.transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


class HttpConnection:
    """One HTTP/1.1 connection for GET requests one after the other."""

    def __init__(self, streams: Streams, host: str) -> None:
        self._streams = streams
        self._host = host
        self._protocol = h11.Connection(h11.CLIENT)
        self.answered = 0
        """Requests answered so far on this connection."""

    @property
    def reusable(self) -> bool:
        """Whether another request can be sent, as far as this side knows."""
        reader, _ = self._streams
        return self._protocol.our_state is h11.IDLE and not reader.at_eof()

    async def get(self, target: str) -> tuple[int, bytes]:
        """Status and body. Raises EOFError or OSError if there is no proper answer."""
        reader, writer = self._streams
        request = h11.Request(
            method="GET",
            target=target,
            headers=[("Host", self._host), ("Accept", "application/json")],
        )
        writer.write(self._protocol.send(request) or b"")
        writer.write(self._protocol.send(h11.EndOfMessage()) or b"")
        await writer.drain()
        status, body = 0, b""
        try:
            while True:
                event = self._protocol.next_event()
                if event is h11.NEED_DATA:
                    self._protocol.receive_data(await reader.read(_CHUNK))
                elif isinstance(event, h11.Response):
                    status = event.status_code
                elif isinstance(event, h11.Data):
                    body += event.data
                    if len(body) > LONGEST:
                        raise EOFError("the answer is too long")
                elif isinstance(event, h11.EndOfMessage):
                    break
                elif isinstance(event, h11.ConnectionClosed):
                    raise EOFError
        except h11.RemoteProtocolError as error:
            raise EOFError(str(error)) from error
        if self._protocol.our_state is h11.DONE:
            self._protocol.start_next_cycle()
        self.answered += 1
        return status, body

    async def close(self) -> None:
        """Close the connection."""
        await _end(self._streams)


class WebSocket:
    """One WebSocket of text messages."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._protocol = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
        self._events: deque[events.Event] = deque()
        self._text = ""

    async def open(self, host: str, target: str) -> bool:
        """The opening handshake; False when the other side speaks HTTP, but not this."""
        await self._send(events.Request(host=host, target=target))
        return isinstance(await self._next(), events.AcceptConnection)

    async def send(self, text: str) -> None:
        """Send one message."""
        await self._send(events.TextMessage(data=text))

    async def receive(self) -> str:
        """The next message, put together from its parts. Raises EOFError at the end."""
        while True:
            event = await self._next()
            match event:
                case events.TextMessage():
                    self._text += event.data
                    if len(self._text) > LONGEST:
                        raise EOFError("the message is too long")
                    if event.message_finished:
                        text, self._text = self._text, ""
                        return text
                case events.Ping():
                    await self._send(event.response())
                case events.CloseConnection():
                    raise EOFError(event.reason or "the device closed the session")
                case _:
                    pass  # pongs and bytes mean nothing here

    async def close(self) -> None:
        """Take leave, which frees the device's session, and close the connection."""
        _, writer = self._streams
        with contextlib.suppress(OSError, TimeoutError):
            if self._protocol.state is ConnectionState.OPEN:
                writer.write(self._protocol.send(events.CloseConnection(code=1000)))
            writer.close()
            async with asyncio.timeout(_FAREWELL):
                await writer.wait_closed()
        await _end(self._streams)

    async def _send(self, event: events.Event) -> None:
        _, writer = self._streams
        try:
            writer.write(self._protocol.send(event))
        except LocalProtocolError:
            raise EOFError("the device closed the session") from None
        await writer.drain()

    async def _next(self) -> events.Event:
        reader, _ = self._streams
        while not self._events:
            data = await reader.read(_CHUNK)
            if not data:
                raise EOFError
            try:
                self._protocol.receive_data(data)
                self._events.extend(self._protocol.events())
            except RemoteProtocolError as error:
                raise EOFError(str(error)) from error
        return self._events.popleft()
