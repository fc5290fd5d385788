"""What was given up for good: kept with its content, listed, and sent again on request.

Runs on the outbox's one thread, as the ledger does.
"""

from collections import deque
from collections.abc import Mapping, Sequence

from sungather.outbox.record import OutboxRow, Record, RejectedRecord
from sungather.outbox.store import REJECTED_KEPT, OutboxFile
from sungather.outbox.timekeeper import EARLIEST_MS
from sungather.reading import Value


class Rejections:
    """RejectedRecord readings of all exporters: those on the disk, and those not written yet."""

    def __init__(self, file: OutboxFile, exporters: Sequence[str]) -> None:
        self._file = file
        self._again: dict[str, dict[int, OutboxRow]] = {name: {} for name in exporters}
        """Readings that are to be sent again, until they were."""
        self.unsaved: deque[tuple[str, OutboxRow, str]] = deque(
            maxlen=REJECTED_KEPT * max(1, len(exporters))
        )
        self.unsaved_accepted: list[tuple[str, int]] = []

    @property
    def is_unsaved(self) -> bool:
        """Whether there is something to write down."""
        return bool(self.unsaved or self.unsaved_accepted)

    def saved(self) -> None:
        """Everything is on the disk."""
        self.unsaved.clear()
        self.unsaved_accepted.clear()

    def add(self, exporter: str, row: OutboxRow, why: str) -> None:
        """Keep a reading that is given up."""
        self.unsaved.append((exporter, row, why))

    def rows(self, exporter: str) -> list[tuple[OutboxRow, str]]:
        """All that are kept for an exporter, and why, oldest first."""
        found = {row.id: (row, why) for row, why in self._on_disk(exporter)}
        found |= {row.id: (row, why) for name, row, why in self.unsaved if name == exporter}
        for name, number in self.unsaved_accepted:
            if name == exporter:
                found.pop(number, None)
        return [found[number] for number in sorted(found)]

    def _on_disk(self, exporter: str) -> list[tuple[OutboxRow, str]]:
        return self._file.rejected(exporter) if self._file.is_open else []

    def send_again(self, exporter: str) -> int:
        """Have those with a known time and readable values sent once more; how many."""
        self._again[exporter] = {
            row.id: row
            for row, _ in self.rows(exporter)
            if row.time_ms >= EARLIEST_MS and _values(row)
        }
        return len(self._again[exporter])

    def waiting(self, exporter: str) -> int:
        """How many are to be sent again; may be asked from any thread."""
        return len(self._again[exporter])

    def due(self, exporter: str, limit: int) -> list[Record]:
        """The next that are to be sent again."""
        return [row.record() for row in list(self._again[exporter].values())[:limit]]

    def acked(
        self, exporter: str, records: Sequence[Record], rejected: Mapping[int, str]
    ) -> list[Record]:
        """Take note of those that were sent again; the ones of `records` that were not.

        One that is refused again is kept as before, with the new reason.
        """
        again = self._again[exporter]
        first: list[Record] = []
        for record in records:
            row = again.pop(record.id, None)
            if row is None:
                first.append(record)
            elif record.id in rejected:
                self.add(exporter, row, rejected[record.id])
            else:
                self.unsaved_accepted.append((exporter, record.id))
        return first


def unusable(row: OutboxRow, records: list[Record], boot: str) -> str | None:
    """Append the record to `records`, or tell why it can never be delivered.

    `boot`: this run of the machine, whose clock may still be set.
    """
    if row.time_ms < EARLIEST_MS and row.boot != boot:
        return "it was read in an earlier run of the machine, whose clock was never set"
    try:
        records.append(row.record())
    except ValueError:
        return "it cannot be read back"
    return None


def described(row: OutboxRow, why: str) -> RejectedRecord:
    """A rejected row for people."""
    return RejectedRecord(row.id, row.name, row.time_ms, why, _values(row))


def _values(row: OutboxRow) -> Mapping[str, Value]:
    try:
        return row.record().values
    except ValueError:
        return {}
