"""What can still be read of a damaged SQLite file, row by row; the file is left as it is.

A damaged page takes the rows on it along. SQLite ends a query there, so the rest is asked for in
ever smaller parts.
"""

import os
import shutil
import sqlite3
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

_MOST_FAILURES = 50_000
"""Queries that may fail before the rest is given up: a table without its root fails for ever."""
_IN_A_ROW = 3
"""A key alone says nothing of where a query is."""

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


def copy_with_first_page(damaged: Path, sound: Path, copy: Path) -> None:
    """Copy a file whose first page is damaged, with that of a sound file of the same tables.

    The first page tells where each table begins, which is the same in all files of one schema.

    Raises:
        OSError: the disk does not play along.
    """
    for suffix in ("", "-wal"):
        if (source := damaged.with_name(damaged.name + suffix)).exists():
            made = copy.with_name(copy.name + suffix)
            made.unlink(missing_ok=True)
            # Made here, so through no link, and closed to others.
            opened = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with source.open("rb") as old, open(opened, "wb") as fresh:  # noqa: PTH123
                shutil.copyfileobj(old, fresh)
    with sound.open("rb") as file:
        first = bytearray(file.read(100))
        page_size = int.from_bytes(first[16:18]) or 1
        page_size = 65536 if page_size == 1 else page_size
        first += file.read(page_size - len(first))
    # https://www.sqlite.org/fileformat.html#the_database_header: no list of free pages; and a
    # size of the file that is not "valid for" its last change, so that SQLite takes the real one.
    first[32:40] = bytes(8)
    first[92:96] = bytes(4)
    with copy.open("r+b") as file:
        file.write(first)


def rows_by_number(
    old: sqlite3.Connection, query: str, low: int = 0, high: int = 2**53
) -> Iterator[Values]:
    """Rows whose first column, a key of whole numbers, is from `low` to `high`.

    Keys may be damaged, too: a row out of order ends nothing, and some rows come twice.

    Args:
        old: The damaged file.
        query: Has one parameter, the lowest key, and sorts by the key.
        low: The lowest key.
        high: The highest key.
    """
    parts = [(low, high)]
    failures = 0
    while parts and failures < _MOST_FAILURES:
        first, last = parts.pop()
        newest: deque[int] = deque([first - 1], maxlen=_IN_A_ROW)
        beyond = 0
        try:
            for row in old.execute(query, (first,)):
                key = row[0]
                if not isinstance(key, int):
                    continue
                beyond = beyond + 1 if key > last else 0
                if beyond == _IN_A_ROW:
                    break
                if first <= key <= last:
                    yield row
                    newest.append(key)
        except sqlite3.Error:
            failures += 1
            first = max(first, min(newest) + 1)
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
