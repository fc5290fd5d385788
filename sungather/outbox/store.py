"""The outbox on disk: one SQLite file, used by one thread of one process.

Write-ahead log with synchronous=FULL: a commit that returned survives a power cut. The file is
locked while it is open, so that two processes never deliver from the same outbox.
"""

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sungather.outbox.plausible_rows import FARTHEST, plausible_rows
from sungather.outbox.record import OutboxRow
from sungather.sqlite_file import DamagedError, SqliteFile
from sungather.sqlite_salvage import rows_from_both_ends

_SCHEMA = """
CREATE TABLE readings (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, boot TEXT NOT NULL, mono_ms INTEGER NOT NULL,
    time_ms INTEGER NOT NULL, read_ms INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE TABLE exporters (
    name TEXT PRIMARY KEY, position INTEGER NOT NULL, delivered INTEGER NOT NULL,
    rejected INTEGER NOT NULL, dropped INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE rejected (
    exporter TEXT NOT NULL, id INTEGER NOT NULL, name TEXT NOT NULL, time_ms INTEGER NOT NULL,
    reason TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (exporter, id)
) WITHOUT ROWID;
CREATE TABLE notes (
    exporter TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (exporter, key)
) WITHOUT ROWID;
"""
_ROW = "id, name, boot, mono_ms, time_ms, read_ms, body"
_LARGEST = 2**53
"""Ids begin with the time in milliseconds, and count up: no larger one is ever reached."""
REJECTED_KEPT = 1000
"""RejectedRecord readings kept for a look, an exporter; the oldest go first."""


@dataclass(slots=True)
class Cursor:
    """How far an exporter is: everything up to `position` is settled."""

    position: int
    delivered: int = 0
    rejected: int = 0
    dropped: int = 0


@dataclass(slots=True)
class Changes:
    """What one transaction writes."""

    rows: Sequence[OutboxRow] = ()
    cursors: Mapping[str, Cursor] = field(default_factory=dict[str, Cursor])
    rejected: Sequence[tuple[str, OutboxRow, str]] = ()
    """Exporter, row, reason."""
    notes: Mapping[tuple[str, str], str | None] = field(
        default_factory=dict[tuple[str, str], str | None]
    )
    """(exporter, key) -> text, or None to remove it."""
    delete_up_to: int = 0
    accepted: Sequence[tuple[str, int]] = ()
    """Exporter and id of rejected rows that were taken when they were sent again."""


def _nothing() -> None:
    """No hook."""


class OutboxFile(SqliteFile):
    """Plain, blocking access. Every method may raise sqlite3.Error."""

    schema = _SCHEMA
    synchronous = "FULL"
    exclusive = True

    def __init__(
        self,
        path: Path,
        opened: Callable[[], None] = _nothing,
        set_aside: Callable[[], None] = _nothing,
    ) -> None:
        """Name the file; `opened` and `set_aside` are told when that happened to it."""
        super().__init__(path)
        self.salvaged = False
        """Whether a damaged file was met, and what it still told is in this one."""
        self._opened = opened
        self._set_aside = set_aside

    def was_opened(self) -> None:
        """See `SqliteFile`."""
        self._opened()

    def was_set_aside(self) -> None:
        """See `SqliteFile`."""
        self._set_aside()

    def salvage(self, old: sqlite3.Connection) -> int:
        """See `SqliteFile`."""
        for values in plausible_rows(old, _ROW):
            # A row that is whole goes before one that has got its number by damage.
            how = "REPLACE" if OutboxRow.from_disk(values).is_whole else "IGNORE"
            self._insert("readings", [values], how)
        count = int(self.db.execute("SELECT count(*) FROM readings").fetchone()[0])
        for table, columns, key in (
            ("exporters", "name, position, delivered, rejected, dropped", ("name",)),
            ("rejected", "exporter, id, name, time_ms, reason, body", ("exporter", "id")),
            ("notes", "exporter, key, value", ("exporter", "key")),
        ):
            count += self._insert(table, rows_from_both_ends(old, columns, table, key))
        self.salvaged = True
        return count

    def _insert(
        self, table: str, rows: Iterable[Sequence[object]], otherwise: str = "IGNORE"
    ) -> int:
        count = 0
        for row in rows:
            marks = ", ".join("?" * len(row))
            done = self.db.execute(f"INSERT OR {otherwise} INTO {table} VALUES ({marks})", row)  # noqa: S608
            count += done.rowcount
        return count

    def cursors(self) -> dict[str, Cursor]:
        """Exporter -> cursor, for all exporters that were ever there.

        A position that cannot be right is 0: rather deliver again than not at all. It may be a
        little behind the newest reading on the disk: what is delivered within the minute that
        commits are made by is never written.
        """
        query = "SELECT name, position, delivered, rejected, dropped FROM exporters"
        newest = self.newest()
        found: dict[str, Cursor] = {}
        for name, *numbers in self.db.execute(query):
            cursor = Cursor(*(max(0, one) if isinstance(one, int) else 0 for one in numbers))
            if newest is not None and cursor.position > newest.id + FARTHEST:
                cursor.position = 0
            found[str(name)] = cursor
        return found

    def forget(self, exporters: Sequence[str]) -> None:
        """Remove exporters that are switched off, and what was kept for them."""
        for name in exporters:
            self.db.execute("DELETE FROM exporters WHERE name = ?", (name,))
            self.db.execute("DELETE FROM notes WHERE exporter = ?", (name,))

    def notes(self, exporter: str) -> dict[str, str]:
        """What an exporter wrote down for itself."""
        query = "SELECT key, value FROM notes WHERE exporter = ? ORDER BY key"
        return {str(key): str(value) for key, value in self.db.execute(query, (exporter,))}

    def newest(self) -> OutboxRow | None:
        """The last reading stored.

        Raises:
            DamagedError: its id is none that was ever given.
        """
        query = f"SELECT {_ROW} FROM readings ORDER BY id DESC LIMIT 1"  # noqa: S608 (constant)
        row = self.db.execute(query).fetchone()
        if row is not None and row[0] > _LARGEST:
            raise DamagedError("an id of its readings is impossible")
        return None if row is None else OutboxRow.from_disk(row)

    def count_after(self, position: int) -> int:
        """Readings behind `position`."""
        query = "SELECT count(*) FROM readings WHERE id > ?"
        return int(self.db.execute(query, (position,)).fetchone()[0])

    def after(self, position: int, limit: int) -> list[OutboxRow]:
        """The next readings behind `position`, oldest first.

        Raises:
            DamagedError: an id is out of order.
        """
        query = f"SELECT {_ROW} FROM readings WHERE id > ? ORDER BY id LIMIT ?"  # noqa: S608
        rows = [OutboxRow.from_disk(row) for row in self.db.execute(query, (position, limit))]
        for before, row in zip([position, *(row.id for row in rows)], rows, strict=False):
            if row.id <= before:
                raise DamagedError("its readings are out of order")
        return rows

    def write(self, changes: Changes) -> None:
        """All or nothing; on the disk when it returns."""
        with self.transaction() as db:
            db.executemany(
                "INSERT OR REPLACE INTO readings VALUES (?, ?, ?, ?, ?, ?, ?)",
                [(r.id, r.name, r.boot, r.mono_ms, r.time_ms, r.read_ms, r.body)
                 for r in changes.rows],
            )  # fmt: skip
            db.executemany(
                "INSERT OR REPLACE INTO exporters VALUES (?, ?, ?, ?, ?)",
                [(name, c.position, c.delivered, c.rejected, c.dropped)
                 for name, c in changes.cursors.items()],
            )  # fmt: skip
            db.executemany("DELETE FROM rejected WHERE exporter = ? AND id = ?", changes.accepted)
            for exporter, row, reason in changes.rejected:
                db.execute(
                    "INSERT OR REPLACE INTO rejected VALUES (?, ?, ?, ?, ?, ?)",
                    (exporter, row.id, row.name, row.time_ms, reason, row.body),
                )
            for exporter in {entry[0] for entry in changes.rejected}:
                db.execute(
                    "DELETE FROM rejected WHERE exporter = ? AND id <= (SELECT id FROM rejected"
                    " WHERE exporter = ? ORDER BY id DESC LIMIT 1 OFFSET ?)",
                    (exporter, exporter, REJECTED_KEPT),
                )
            for (exporter, key), text in changes.notes.items():
                if text is None:
                    db.execute("DELETE FROM notes WHERE exporter = ? AND key = ?", (exporter, key))
                else:
                    db.execute(
                        "INSERT OR REPLACE INTO notes VALUES (?, ?, ?)", (exporter, key, text)
                    )
            if changes.delete_up_to:
                db.execute("DELETE FROM readings WHERE id <= ?", (changes.delete_up_to,))

    def restamp(self, boot: str, offset_ms: int, tolerance_ms: int) -> None:
        """Correct the readings of this boot to a clock that was set."""
        self.db.execute(
            "UPDATE readings SET time_ms = mono_ms + ?"
            " WHERE boot = ? AND abs(time_ms - mono_ms - ?) > ?",
            (offset_ms, boot, offset_ms, tolerance_ms),
        )

    def bytes_used(self) -> int:
        """Size of the file without its empty pages."""
        used = self.pragma("page_count") - self.pragma("freelist_count")
        return used * self.pragma("page_size")

    def row(self, number: int) -> OutboxRow | None:
        """The reading with this id."""
        query = f"SELECT {_ROW} FROM readings WHERE id = ?"  # noqa: S608
        row = self.db.execute(query, (number,)).fetchone()
        return None if row is None else OutboxRow.from_disk(row)

    def rejected(self, exporter: str) -> list[tuple[OutboxRow, str]]:
        """What was given up for an exporter, and why, oldest first."""
        query = (
            "SELECT id, name, '', 0, time_ms, time_ms, body, reason FROM rejected"
            " WHERE exporter = ? ORDER BY id"
        )
        found = self.db.execute(query, (exporter,))
        return [(OutboxRow.from_disk(row), str(reason)) for *row, reason in found]

    def delete_before(self, time_ms: int, at_most: int) -> list[int]:
        """Drop the oldest readings as long as they are older than `time_ms`; their ids."""
        oldest = self.db.execute("SELECT time_ms FROM readings ORDER BY id LIMIT 1").fetchone()
        if oldest is None or (isinstance(oldest[0], int) and oldest[0] >= time_ms):
            return []
        rows = self.db.execute(
            "DELETE FROM readings WHERE id IN (SELECT id FROM readings ORDER BY id LIMIT ?)"
            " AND time_ms < ? RETURNING id",
            (at_most, time_ms),
        )
        return [row[0] for row in rows.fetchall()]

    def thin_out(self, oldest: int) -> list[int]:
        """Drop every second of the `oldest` readings of each inverter; the ids that went."""
        rows = self.db.execute(
            "DELETE FROM readings WHERE id IN (SELECT id FROM (SELECT id,"
            " row_number() OVER (PARTITION BY name ORDER BY id) AS number FROM"
            " (SELECT id, name FROM readings ORDER BY id LIMIT ?)) WHERE number % 2 = 1)"
            " RETURNING id",
            (oldest,),
        )
        return [row[0] for row in rows.fetchall()]

    def compact(self) -> None:
        """Give the space of a long outage back to the disk."""
        self.db.execute("VACUUM")

    def spare_bytes(self) -> int:
        """Empty pages in the file."""
        return self.pragma("freelist_count") * self.pragma("page_size")
