"""The WebSocket to a WiNet-S, on asyncio and wsproto."""

import asyncio
import contextlib
from collections import deque

import wsproto
from wsproto import events
from wsproto.connection import ConnectionState
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from sungather.transports.connect import Streams
from sungather.untrusted import fit_to_show

_CHUNK = 4096
"""Bytes that are taken apart at a time: in frames of two bytes even these are a lot of work."""
_FAREWELL = 0.5  # seconds that a polite close may take
LONGEST = 64 * 1024
"""Bytes of the longest message or answer that is taken; real ones have a few thousand."""


class WebSocket:
    """One WebSocket of text messages."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._protocol = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
        self._events: deque[events.Event] = deque()
        self._parts: list[str] = []

    async def open(self, host: str, target: str) -> bool:
        """The opening handshake; False when the other side speaks HTTP, but not this."""
        await self._send(events.Request(host=host, target=target))
        return isinstance(await self._next(), events.AcceptConnection)

    async def send(self, text: str) -> None:
        """Send one message."""
        await self._send(events.TextMessage(data=text))

    async def receive(self) -> str:
        """The next message, put together from its parts.

        Raises:
            EOFError: the session ended, or the message is too long.
        """
        length = sum(map(len, self._parts))
        while True:
            event = await self._next()
            match event:
                case events.TextMessage():
                    if event.data:
                        self._parts.append(event.data)
                        length += len(event.data)
                    if length > LONGEST:
                        raise EOFError("the message is too long")
                    if event.message_finished:
                        text = "".join(self._parts)
                        self._parts.clear()
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
        # A device that has gone silent would keep a polite close waiting.
        writer.transport.abort()

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
            # What has arrived is read without a pause: a flood would let nobody else work.
            await asyncio.sleep(0)
            data = await reader.read(_CHUNK)
            if not data:
                raise EOFError
            try:
                self._protocol.receive_data(data)
                self._events.extend(self._protocol.events())
            except RemoteProtocolError as error:
                # The library quotes what came, all of it.
                raise EOFError(fit_to_show(str(error))) from error
        return self._events.popleft()
