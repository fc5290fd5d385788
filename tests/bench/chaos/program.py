"""Another program that reads the inverter through the daemon, whatever happens to either."""

import asyncio
import contextlib
import struct

from sungather.simulator.server import Readable
from tests.raw_modbus import Client

_START, _COUNT = 13058, 2
"""Highest and lowest level of the battery: settings, so they are what they were."""
_HOLDING = 3
_PAUSE = 0.5


class Program:
    """Asks the Modbus server for settings of an inverter, for ever."""

    def __init__(self, port: int, inverter: Readable) -> None:
        self._port = port
        right = inverter.read("holding", _START - 1, _COUNT)
        assert isinstance(right, list)
        self._right = struct.pack(f">BB{_COUNT}H", _HOLDING, 2 * _COUNT, *right)
        self.answered = 0
        """Answers that were right."""
        self.refused = 0
        """Modbus exceptions."""
        self.misled: list[str] = []
        """Answers that were neither."""

    async def run(self) -> None:
        """Ask for ever; a connection that ends is opened again."""
        while True:
            with contextlib.suppress(OSError, EOFError):
                async with Client(*await asyncio.open_connection("127.0.0.1", self._port)) as one:
                    while True:
                        await self._ask(one)
                        await asyncio.sleep(_PAUSE)
            await asyncio.sleep(_PAUSE)

    async def _ask(self, client: Client) -> None:
        asked = client.ask(_START, _COUNT, function=_HOLDING)
        tid, length, unit, body = await client.frame()
        if (tid, length, unit) == (asked, len(body) + 1, 1) and body == self._right:
            self.answered += 1
        elif tid == asked and len(body) == 2 and body[0] == _HOLDING | 0x80:
            self.refused += 1
        else:
            self.misled.append(f"{tid - asked} {length} {unit} {body.hex()}")
