"""A port in front of a real server that lets its clients through, or treats them badly."""

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator
from typing import Self

from tests.real_parts import free_port

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Gate:
    """Forwards 127.0.0.1:`port` to 127.0.0.1:`server`, inside `async with`."""

    def __init__(self, server: int) -> None:
        self.port = free_port()
        self.mute = False
        """Connections are taken, and nothing is ever answered."""
        self.canned = b""
        """The HTTP answer to every request; the server gets none of them."""
        self.swallows = False
        """The server takes what it is sent, but its first answer is lost with the connection."""
        self._server = server
        self._listener: asyncio.Server | None = None
        self._clients: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Listen."""
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def close(self) -> None:
        """Refuse connections, and end those that there are."""
        if self._listener is not None:
            self._listener.close()
        await self.cut()
        if self._listener is not None:
            await self._listener.wait_closed()
            self._listener = None

    async def cut(self) -> None:
        """End all connections."""
        # Those that were accepted a moment ago have yet to begin.
        await asyncio.sleep(0)
        tasks = list(self._clients)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @contextlib.asynccontextmanager
    async def closed(self) -> AsyncGenerator[None]:
        """Nobody listens."""
        await self.close()
        try:
            yield
        finally:
            await self.open()

    @contextlib.asynccontextmanager
    async def set_to(
        self, *, mute: bool = False, canned: bytes = b"", swallows: bool = False
    ) -> AsyncGenerator[None]:
        """Behave badly, towards those that are connected as well."""
        self.mute, self.canned, self.swallows = mute, canned, swallows
        await self.cut()
        try:
            yield
        finally:
            self.mute, self.canned, self.swallows = False, b"", False
            await self.cut()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            return
        self._clients[task] = writer
        try:
            if self.mute:
                await asyncio.Event().wait()
            elif self.canned:
                await self._answer(reader, writer)
            else:
                await self._forward(reader, writer)
        except (OSError, EOFError, asyncio.CancelledError):
            pass  # one of the two went away, or `cut` was called
        finally:
            await _hang_up(writer)
            del self._clients[task]

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            await reader.readexactly(int(length[1]) if length else 0)
            writer.write(self.canned)
            await writer.drain()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Not cancelled while it connects: the connection would be nobody's.
        connecting = asyncio.ensure_future(asyncio.open_connection("127.0.0.1", self._server))
        try:
            answers, server = await asyncio.shield(connecting)
        except asyncio.CancelledError:
            with contextlib.suppress(OSError):
                await _hang_up((await connecting)[1])
            raise
        up = asyncio.create_task(_pump(reader, server))
        down = asyncio.create_task(answers.read(1) if self.swallows else _pump(answers, writer))
        try:
            await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
        finally:
            up.cancel()
            down.cancel()
            server.transport.abort()  # before anything is awaited: `cut` may be cut short
            await asyncio.gather(up, down, return_exceptions=True)
            await _hang_up(server)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        sink.write(data)
        await sink.drain()


async def _hang_up(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with contextlib.suppress(OSError, asyncio.CancelledError):
        await writer.wait_closed()
