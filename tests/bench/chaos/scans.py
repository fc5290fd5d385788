"""A device that counts the scans that it has served, in a value, and which of them were read."""

import asyncio
import contextlib
from collections.abc import Generator
from dataclasses import dataclass, field

from sungather.simulator.modbus import Answer
from sungather.simulator.server import Readable

COUNTER = "total_dc_power"
"""What shows the count; read with every scan."""
_REGISTER = 5017
"""Of `COUNTER`: 32 bits, the low word first."""


@dataclass(slots=True, eq=False)
class _Era:
    """A time in which nothing changed for the device or for its reader."""

    good: bool
    """Nothing was wrong with either."""
    counts: list[int] = field(default_factory=list[int])
    """One a scan: what its last read of `COUNTER` was answered with."""


class Scans:
    """Serves a device's words, and counts how often `COUNTER` was among them."""

    def __init__(self, device: Readable, first: int, progress: asyncio.Event) -> None:
        self._device = device
        self._progress = progress
        self._next = first
        self._wrong = 0
        self._eras = [_Era(good=True)]
        self._block = (0, 0)
        self.served: set[int] = set()
        """All counts that were served so far."""

    def read(self, space: str, wire_address: int, count: int) -> Answer:
        """Words of a block, with the count in its place."""
        words = self._device.read(space, wire_address, count)
        place = _REGISTER - (wire_address + 1)
        if not isinstance(words, list) or space != "input" or not 0 <= place < count - 1:
            return words
        words[place : place + 2] = self._next & 0xFFFF, self._next >> 16
        self.served.add(self._next)
        era = self._eras[-1]
        # A reader that looks for the limits of a refusal reads blocks of many lengths in one scan.
        if self._block != (wire_address, count) and era.counts:
            era.counts.pop()
        self._block = wire_address, count
        era.counts.append(self._next)
        self._next += 1
        self._progress.set()
        return words

    @contextlib.contextmanager
    def disturbed(self, harmless: bool = False) -> Generator[None]:
        """Something is wrong with the device or its reader; `harmless` if it has to cope."""
        self._change(0 if harmless else 1)
        try:
            yield
        finally:
            self._change(0 if harmless else -1)

    def _change(self, more: int) -> None:
        self._wrong += more
        self._eras.append(_Era(good=not self._wrong))

    def owed(self) -> set[int]:
        """Counts that were read for certain, and so have to arrive.

        The first of an era may have been asked for by a reader that has gone since, or be asked
        for again after an answer that came too late; the last may not have been read to its end.
        """
        return {count for era in self._eras if era.good for count in era.counts[1:-1]}
