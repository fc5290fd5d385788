"""Connections to a device. A transport moves words and knows no names, units or models."""

from collections.abc import Sequence
from typing import Protocol

from sungather.registers import Block


class Transport(Protocol):
    """One connection to one device, kept open; used by one task at a time.

    Raises (every method):
        Unreachable: Nothing answers; one of its kinds.
        Busy: Contention (Modbus exceptions 4, 5, 6, 10, 11): worth another try after a pause.
            `UnitSilent` for 10 and 11.
        Refused: An answer that is final (exceptions 1, 2, 3, 8).
    """

    name: str
    """"modbus", "modbus-tls", "sungrow" or "http"."""
    widest: int
    """Most registers that one request of this transport can carry."""
    requests: int
    """Requests sent so far."""

    @property
    def connects(self) -> int:
        """Connections opened so far."""
        ...

    async def connect(self) -> None:
        """Open the connection unless it is open."""
        ...

    async def read(self, block: Block, unit: int) -> Sequence[int]:
        """Words of the block, exactly `block.count`, each 0..0xFFFF.

        Opens the connection if needed. One deadline (`inverter.timeout`) covers the request; no
        retries in here. After `Silent` or `ConnectionLost` the connection is closed.
        """
        ...

    async def close(self) -> None:
        """Close the connection; harmless when closed."""
        ...


def wire_address(documented: int) -> int:
    """Address on the wire of a documented register number: the one place that subtracts 1."""
    return documented - 1
