"""The register map and the pure code that reads it; no I/O but the loading of the map itself.

Register numbers in this package are documented (1-based) ones, as the manufacturer prints them.
"""

from dataclasses import dataclass
from enum import StrEnum


class Space(StrEnum):
    """Modbus register space: input registers (function 4) or holding registers (function 3)."""

    INPUT = "input"
    HOLDING = "holding"


@dataclass(frozen=True, slots=True, order=True)
class Block:
    """Consecutive registers, read in one request: `start` (documented) .. `start + count - 1`."""

    space: Space
    start: int
    count: int

    @property
    def end(self) -> int:
        """Last register of the block."""
        return self.start + self.count - 1

    def holds(self, other: "Block") -> bool:
        """Whether all registers of `other` are in this block."""
        return self.space == other.space and self.start <= other.start and other.end <= self.end
