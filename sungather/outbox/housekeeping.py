"""The outbox within its bounds: what is too old or too much goes, and so does spare space.

Runs on the outbox's one thread, as the ledger does.
"""

from collections.abc import Iterator, Sequence

from sungather.outbox.limits import OutboxLimits
from sungather.outbox.store import OutboxFile
from sungather.outbox.timekeeper import Timekeeper

_COMPACT_ABOVE = 16 * 1024 * 1024
_DAY_MS = 86_400_000
_AT_ONCE = 20_000
"""Readings touched by one round of thinning out."""


def keep_bounds(
    store: OutboxFile, limits: OutboxLimits, time: Timekeeper, delivered_up_to: int, owed: bool
) -> Iterator[tuple[Sequence[int], str]]:
    """Keep the bounds; give back space that a long outage took.

    Args:
        store: the open file.
        limits: its bounds.
        time: a clock that is wrong for a while must not make everything look old.
        delivered_up_to: the id that every exporter has come past.
        owed: whether anybody still owes anything.

    Yields:
        Ids of readings that went, and why, each as soon as they have.
    """
    newest = store.newest()
    if newest is not None and time.trusted() and time.steady():
        now = min(newest.time_ms, time.now_ms())
        yield store.delete_before(now - round(limits.days * _DAY_MS), _AT_ONCE), "too old"
    if store.bytes_used() > limits.bytes:
        quarter = store.count_after(delivered_up_to) // 4
        yield store.thin_out(max(2, min(quarter, _AT_ONCE))), "full"
    elif not owed and store.spare_bytes() > _COMPACT_ABOVE:
        store.compact()
