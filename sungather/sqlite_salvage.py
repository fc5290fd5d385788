"""What can still be read of a damaged SQLite file, row by row; the file is left as it is.

A damaged page takes the rows on it along. SQLite ends a query there, so the rest is asked for in
ever smaller parts.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

_MOST_FAILURES = 50_000
"""Queries that may fail before the rest is given up: a table without its root fails for ever."""

Values = tuple[object, ...]


def tolerant_text(stored: bytes) -> str:
    """Text of a file in which bits may have flipped: U+FFFD stands for what is none."""
    return stored.decode("utf-8", "replace")


def reading_only(path: Path) -> sqlite3.Connection:
    """Open a file, with the log beside it, without changing either."""
    old = sqlite3.connect(
        f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None, timeout=0
    )
    old.text_factory = tolerant_text
    # Without this SQLite refuses every query to a file that was cut.
    old.execute("PRAGMA writable_schema=ON")
    old.execute("PRAGMA cache_size=-512")
    return old


def rows_by_number(
    old: sqlite3.Connection, query: str, low: int = 0, high: int = 2**53
) -> Iterator[Values]:
    """Rows whose first column, a key of whole numbers, is from `low` to `high`, in its order.

    Args:
        old: The damaged file.
        query: Has two parameters, the lowest and the highest key, and sorts by the key.
        low: The lowest key.
        high: The highest key.
    """
    parts = [(low, high)]
    failures = 0
    while parts and failures < _MOST_FAILURES:
        first, last = parts.pop()
        try:
            for row in old.execute(query, (first, last)):
                key = row[0]
                if isinstance(key, int) and first <= key <= last:
                    yield row
                    first = key + 1
        except sqlite3.Error:
            failures += 1
            if first < last:
                middle = (first + last) // 2
                parts += [(middle + 1, last), (first, middle)]


def rows_from_both_ends(
    old: sqlite3.Connection, columns: str, table: str, key: tuple[str, ...]
) -> list[Values]:
    """The rows of a small table before its first damage, and those behind its last."""
    found: dict[Values, Values] = {}
    for direction in ("ASC", "DESC"):
        order = ", ".join(f"{name} {direction}" for name in key)
        query = f"SELECT {', '.join(key)}, {columns} FROM {table} ORDER BY {order}"  # noqa: S608
        try:
            for row in old.execute(query):
                found.setdefault(tuple(row[: len(key)]), tuple(row[len(key) :]))
        except sqlite3.Error:
            continue
        break
    return list(found.values())
