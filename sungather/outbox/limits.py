"""What bounds the outbox, and what it counts."""

from dataclasses import dataclass


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
