"""The outbox on disk: one SQLite file, used by one thread of one process.

Write-ahead log with synchronous=FULL: a commit that returned survives a power cut. The file is
locked while it is open, so that two processes never deliver from the same outbox.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from sungather.outbox.record import Row

_SCHEMA_VERSION = 1
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
_REJECTED_KEPT = 1000
"""Rejected readings kept for a look, an exporter; the oldest go first."""
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class DamagedError(Exception):
    """The file is not a usable outbox."""


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

    rows: Sequence[Row] = ()
    cursors: Mapping[str, Cursor] = field(default_factory=dict[str, Cursor])
    rejected: Sequence[tuple[str, Row, str]] = ()
    """Exporter, row, reason."""
    notes: Mapping[tuple[str, str], str | None] = field(
        default_factory=dict[tuple[str, str], str | None]
    )
    """(exporter, key) -> text, or None to remove it."""
    delete_up_to: int = 0


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file itself is broken, as against a disk that is full or read-only."""
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(code, int) and code & 0xFF in _DAMAGED


class Store:
    """Plain, blocking access. Every method may raise sqlite3.Error."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            self._prepare()
        except BaseException:
            self._db.close()
            raise

    def _prepare(self) -> None:
        self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("PRAGMA cache_size=-512")
        self._db.execute("PRAGMA journal_size_limit=1048576")
        self._db.execute("BEGIN IMMEDIATE")
        version = int(self._db.execute("PRAGMA user_version").fetchone()[0])
        tables = int(self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
        if version == 0 and tables == 0:
            for statement in _SCHEMA.split(";"):
                self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version={_SCHEMA_VERSION}")
        elif version != _SCHEMA_VERSION:
            raise DamagedError(f"it has the format {version}, not {_SCHEMA_VERSION}")
        self._db.execute("COMMIT")

    def close(self) -> None:
        """Release the file."""
        self._db.close()

    def cursors(self) -> dict[str, Cursor]:
        """Exporter -> cursor, for all exporters that were ever there."""
        rows = self._db.execute(
            "SELECT name, position, delivered, rejected, dropped FROM exporters"
        )
        return {row[0]: Cursor(*row[1:]) for row in rows}

    def forget(self, exporters: Sequence[str]) -> None:
        """Remove exporters that are switched off, and what was kept for them."""
        for name in exporters:
            self._db.execute("DELETE FROM exporters WHERE name = ?", (name,))
            self._db.execute("DELETE FROM notes WHERE exporter = ?", (name,))

    def notes(self, exporter: str) -> dict[str, str]:
        """What an exporter wrote down for itself."""
        query = "SELECT key, value FROM notes WHERE exporter = ? ORDER BY key"
        return dict(self._db.execute(query, (exporter,)).fetchall())

    def newest(self) -> Row | None:
        """The last reading stored."""
        query = f"SELECT {_ROW} FROM readings ORDER BY id DESC LIMIT 1"  # noqa: S608 (constant)
        row = self._db.execute(query).fetchone()
        return None if row is None else Row(*row)

    def count_after(self, position: int) -> int:
        """Readings behind `position`."""
        query = "SELECT count(*) FROM readings WHERE id > ?"
        return int(self._db.execute(query, (position,)).fetchone()[0])

    def after(self, position: int, limit: int) -> list[Row]:
        """The next readings behind `position`, oldest first."""
        query = f"SELECT {_ROW} FROM readings WHERE id > ? ORDER BY id LIMIT ?"  # noqa: S608
        return [Row(*row) for row in self._db.execute(query, (position, limit))]

    def write(self, changes: Changes) -> None:
        """All or nothing; on the disk when it returns."""
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        try:
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
            for exporter, row, reason in changes.rejected:
                db.execute(
                    "INSERT OR REPLACE INTO rejected VALUES (?, ?, ?, ?, ?, ?)",
                    (exporter, row.id, row.name, row.time_ms, reason, row.body),
                )
            for exporter in {entry[0] for entry in changes.rejected}:
                db.execute(
                    "DELETE FROM rejected WHERE exporter = ? AND id <= (SELECT id FROM rejected"
                    " WHERE exporter = ? ORDER BY id DESC LIMIT 1 OFFSET ?)",
                    (exporter, exporter, _REJECTED_KEPT),
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
            db.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                db.execute("ROLLBACK")
            raise

    def restamp(self, boot: str, offset_ms: int, tolerance_ms: int) -> None:
        """Correct the readings of this boot to a clock that was set."""
        self._db.execute(
            "UPDATE readings SET time_ms = mono_ms + ?"
            " WHERE boot = ? AND abs(time_ms - mono_ms - ?) > ?",
            (offset_ms, boot, offset_ms, tolerance_ms),
        )

    def bytes_used(self) -> int:
        """Size of the file without its empty pages."""
        pages, free, size = (
            int(self._db.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_count", "freelist_count", "page_size")
        )
        return (pages - free) * size

    def rejected(self, exporter: str) -> list[tuple[int, str]]:
        """What an exporter's other side refused for good: id and reason, oldest first."""
        query = "SELECT id, reason FROM rejected WHERE exporter = ? ORDER BY id"
        return [(row[0], row[1]) for row in self._db.execute(query, (exporter,))]

    def delete_before(self, time_ms: int, at_most: int) -> list[int]:
        """Drop the oldest readings as long as they are older than `time_ms`; their ids."""
        oldest = self._db.execute("SELECT time_ms FROM readings ORDER BY id LIMIT 1").fetchone()
        if oldest is None or oldest[0] >= time_ms:
            return []
        rows = self._db.execute(
            "DELETE FROM readings WHERE id IN (SELECT id FROM readings ORDER BY id LIMIT ?)"
            " AND time_ms < ? RETURNING id",
            (at_most, time_ms),
        )
        return [row[0] for row in rows.fetchall()]

    def thin_out(self, oldest: int) -> list[int]:
        """Drop every second of the `oldest` readings of each inverter; the ids that went."""
        rows = self._db.execute(
            "DELETE FROM readings WHERE id IN (SELECT id FROM (SELECT id,"
            " row_number() OVER (PARTITION BY name ORDER BY id) AS number FROM"
            " (SELECT id, name FROM readings ORDER BY id LIMIT ?)) WHERE number % 2 = 1)"
            " RETURNING id",
            (oldest,),
        )
        return [row[0] for row in rows.fetchall()]

    def compact(self) -> None:
        """Give the space of a long outage back to the disk."""
        self._db.execute("VACUUM")

    def spare_bytes(self) -> int:
        """Empty pages in the file."""
        free, size = (
            int(self._db.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("freelist_count", "page_size")
        )
        return free * size
