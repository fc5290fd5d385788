"""Which rows of a damaged outbox are readings that were stored."""

import sqlite3
from collections.abc import Iterator
from statistics import median_low

from sungather.sqlite_salvage import Values, rows_by_number

FARTHEST = 2_000_000
"""Ids count up by one, so no two readings are farther apart than two years of them."""


def plausible_rows(old: sqlite3.Connection, columns: str) -> Iterator[Values]:
    """The rows of `readings` that can be read, without those whose id cannot be right.

    An id with a flipped bit far up would move the cursors past everything that comes after.
    """
    between = "FROM readings WHERE id >= ? ORDER BY id"
    ids = [row[0] for row in rows_by_number(old, f"SELECT id {between}")]
    numbers = [one for one in ids if isinstance(one, int)]
    if not numbers:
        return
    middle = median_low(numbers)
    low, high = max(0, middle - FARTHEST), middle + FARTHEST
    yield from rows_by_number(old, f"SELECT {columns} {between}", low, high)
