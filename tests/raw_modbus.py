"""A Modbus/TCP client that checks nothing and hides nothing, and a simulated port to try it on."""

import asyncio
import contextlib
import struct
from datetime import UTC, datetime
from typing import Self

from sungather.simulator import LivingDevice, Server, device_named

NOON = datetime(2026, 6, 19, 12, 30)
QUIET = 0.05
"""Seconds in which nothing may come, where silence is what is tested."""
PATIENCE = 10
"""Seconds after which a reply that is due is missing, so that a test fails and does not hang."""


def noon() -> datetime:
    return NOON.replace(tzinfo=UTC)


def hybrid() -> LivingDevice:
    return device_named("SH10RT", clock=noon, begin=NOON)


class Client:
    """A Modbus/TCP client that checks nothing and hides nothing."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.tid = 0x1000

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()

    def ask(self, start: int, count: int, *, function: int = 4, unit: int = 1) -> int:
        """Send a read of documented registers; returns its transaction id."""
        self.tid += 1
        self.writer.write(
            struct.pack(">HHHBBHH", self.tid, 0, 6, unit, function, start - 1, count)
        )
        return self.tid

    async def frame(self) -> tuple[int, int, int, bytes]:
        """Transaction id, length field, unit and the body of the next frame."""
        async with asyncio.timeout(PATIENCE):
            head = await self.reader.readexactly(7)
            tid, protocol, length, unit = struct.unpack(">HHHB", head)
            assert protocol == 0
            return tid, length, unit, await self.reader.readexactly(length - 1)

    async def body(self, start: int, count: int, *, function: int = 4, unit: int = 1) -> bytes:
        """The body that answers a read, with our transaction id, unit and a right length."""
        asked = self.ask(start, count, function=function, unit=unit)
        tid, _, answered, body = await self.frame()
        assert (tid, answered) == (asked, unit)
        return body

    async def words(self, start: int, count: int, *, function: int = 4) -> list[int]:
        body = await self.body(start, count, function=function)
        assert body[:2] == bytes([function, 2 * count])
        return list(struct.unpack(f">{count}H", body[2:]))

    async def hears_nothing(self) -> bool:
        try:
            async with asyncio.timeout(QUIET):
                await self.reader.read(1)
        except TimeoutError:
            return True
        return False

    async def is_closed(self) -> bool:
        try:
            async with asyncio.timeout(PATIENCE):
                return await self.reader.read() == b""
        except ConnectionResetError:
            return True


async def connect(server: Server) -> Client:
    return Client(*await asyncio.open_connection(server.host, server.port))


def refused(code: int, function: int = 4) -> bytes:
    return bytes([function | 0x80, code])
