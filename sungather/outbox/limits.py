"""What bounds the outbox, and what it counts."""

from dataclasses import dataclass

MEMORY_ROWS = 5000
"""Readings kept in memory while the disk cannot be written: 41 hours of one inverter at 30 s."""
MINUTE_ROWS = 500
"""Uncommitted readings that end a minute early."""
SAVE_CURSORS_AFTER = 16
"""Deliveries that may be repeated after a power cut; saves a page write a reading."""
DELETE_AFTER = 64
"""Delivered readings that may lie around before they are deleted together."""


@dataclass(frozen=True, slots=True)
class OutboxLimits:
    """Bounds of the outbox, from the options."""

    days: float = 14.0
    bytes: int = 256 * 1024 * 1024
    each_reading: bool = True
    """Commit with every reading; otherwise when `Ledger.commit` is called, once a minute."""


@dataclass(frozen=True, slots=True)
class FeedStats:
    """How an exporter is doing in the outbox."""

    queue: int
    delivered: int
    rejected: int
    dropped: int
    doubt: str = ""
    """What is wrong with the machine's clock, in words."""
    held: bool = False
    """Whether readings wait for the clock to be set."""
