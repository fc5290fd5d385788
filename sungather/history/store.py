"""The history's SQLite file. Every method runs in the history's own thread.

Per inverter: samples (31 bytes each, some 9 kB a day), one row a flow and day, faults.
"""

import logging
import math
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple, TypeGuard, cast

from sungather import household
from sungather.history.totals import Account, Base
from sungather.reading import State
from sungather.sqlite_file import SqliteFile
from sungather.sqlite_salvage import Values, rows_by_number, rows_from_both_ends

log = logging.getLogger(__name__)

STEP: Final = 300
"""Seconds of one sample."""
_MOST_SAMPLES: Final = 2_000_000
"""About 70 MB; the oldest go first."""
_LATEST: Final = 253_402_300_800
"""Year 10,000."""
_MOST_DAYS: Final = 10 * 366
_MOST_FAULTS: Final = 500
_DAY: Final = 86400
_LONGEST_PAUSE: Final = 60 * _DAY
"""Seconds without a sample after which nothing is deleted until there are some of two days."""
_TENTHS: Final = household.BATTERY_LEVEL

_COLUMNS: Final = ", ".join(household.FIGURES)
_STATES: Final = tuple(State)

_SCHEMA: Final = f"""
create table inverters (id integer primary key, name text not null unique);
create table samples (
    inverter integer not null, time integer not null, state integer not null,
    readings integer not null, {", ".join(f"{name} integer" for name in household.FIGURES)},
    primary key (inverter, time)
) without rowid;
create table energies (
    inverter integer not null, flow integer not null, day text not null, seen integer not null,
    today real, last real, start_day text, start real,
    primary key (inverter, flow, day)
) without rowid;
create table faults (
    inverter integer not null, register text not null, text text not null,
    first integer not null, last integer not null,
    primary key (inverter, register, text)
) without rowid;
"""

# A sample may come in parts: the mean of the parts is weighted by their readings.
_MEANS: Final = ", ".join(
    f"{name} = case when excluded.{name} is null then {name} when {name} is null then"
    f" excluded.{name} else cast(round(({name} * readings + excluded.{name} * excluded.readings)"
    f" * 1.0 / (readings + excluded.readings)) as integer) end"
    for name in household.FIGURES
)
_PUT_SAMPLE: Final = (
    f"insert into samples values (?, ?, ?, ?, {', '.join('?' * len(household.FIGURES))})"  # noqa: S608
    f" on conflict (inverter, time) do update set {_MEANS},"
    " state = case when excluded.readings > 0 or readings = 0 then excluded.state else state end,"
    " readings = readings + excluded.readings"
)

# A day's counter is never less than it was: it was reset early, or a clock shows that day again.
_PUT_ENERGY: Final = (
    "insert into energies values (?, ?, ?, ?, ?, ?, ?, ?)"
    " on conflict (inverter, flow, day) do update set seen = excluded.seen,"
    " today = coalesce(max(today, excluded.today), excluded.today, today),"
    " last = excluded.last, start_day = excluded.start_day, start = excluded.start"
)


@dataclass(frozen=True, slots=True)
class Sample:
    """The means of five minutes, in the order of `household.FIGURES`; None where unknown."""

    state: State
    readings: int
    """How many good readings it is the mean of."""
    means: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that an inverter told."""

    inverter: str
    register: str
    """The published name that carries it."""
    text: str
    first: datetime
    last: datetime


class Prune(NamedTuple):
    """What to delete: samples from before a Unix time, as it is `now`."""

    before: int
    now: int


class HistoryFile(SqliteFile):
    """Reads and writes the file. Raises sqlite3.Error when the file does not let it."""

    schema = _SCHEMA
    busy_seconds = 5.0

    def __init__(self, path: Path | None) -> None:
        """Name the file; None keeps everything in memory."""
        super().__init__(path)
        self.today = date.max
        """The local day; rows of later ones are of a clock that was wrong, and are left alone."""
        self.accounts: dict[tuple[str, str], Account] = {}
        """(Inverter, flow) -> its counters, as they were when the file was opened."""
        self.faults: list[Fault] = []
        self._ids: dict[str, int] = {}

    def salvage(self, old: sqlite3.Connection) -> int:
        """See `SqliteFile`."""
        count = 0
        known = rows_from_both_ends(old, "id, name", "inverters", ("id",))
        for table, rows in (
            ("inverters", known),
            ("energies", rows_from_both_ends(old, "*", "energies", ("inverter", "flow", "day"))),
            ("faults", rows_from_both_ends(old, "*", "faults", ("inverter", "register", "text"))),
            *(("samples", _samples_of(old, number)) for number, _ in known),
        ):
            for row in rows:
                marks = ", ".join("?" * len(row))
                done = self.db.execute(f"insert or ignore into {table} values ({marks})", row)  # noqa: S608
                count += done.rowcount
        return count

    def write(
        self,
        samples: Mapping[tuple[str, int], Sample],
        accounts: Sequence[tuple[tuple[str, str], Account]],
        faults: Sequence[Fault],
        prune: Prune | None,
    ) -> None:
        """One transaction: everything or nothing."""
        self.make_sure()
        if not samples and not accounts and not faults and prune is None:
            return
        known = dict(self._ids)
        try:
            with self.transaction() as db:
                db.executemany(_PUT_SAMPLE, [self._row(*item) for item in samples.items()])
                db.executemany(
                    _PUT_ENERGY,
                    [self._energy(*item) for item in accounts],
                )
                db.executemany(
                    "insert into faults values (?, ?, ?, ?, ?)"
                    " on conflict (inverter, register, text) do update set last = excluded.last",
                    [
                        (self._id(f.inverter), f.register, f.text, _unix(f.first), _unix(f.last))
                        for f in faults
                    ],
                )
                if prune is not None:
                    self._prune(prune)
        except BaseException:
            self._ids = known
            raise

    def samples(
        self, inverters: Sequence[str], start: int, end: int
    ) -> dict[int, dict[str, Sample]]:
        """Time -> inverter -> sample, of start <= time < end."""
        found: dict[int, dict[str, Sample]] = {}
        for name in inverters:
            rows = self.db.execute(
                f"select time, state, readings, {_COLUMNS} from samples"  # noqa: S608
                " where inverter = ? and time >= ? and time < ?",
                (self._ids.get(name, -1), start, end),
            ).fetchall()
            for row in rows:
                if (sample := _sample(row)) is not None:
                    found.setdefault(row[0], {})[name] = sample
        return found

    def energies(
        self, inverters: Sequence[str], first: date, last: date
    ) -> dict[date, dict[str, dict[str, float]]]:
        """Local day -> inverter -> flow -> kWh, of first <= day <= last; nobody counted others."""
        found: dict[date, dict[str, dict[str, float]]] = {}
        for name in inverters:
            rows = self.db.execute(
                "select day, flow, coalesce(today, last - start) from energies"
                " where inverter = ? and day between ? and ? order by day",
                (self._ids.get(name, -1), first.isoformat(), last.isoformat()),
            ).fetchall()
            for at, flow, kwh in rows:
                if _is_flow(flow) and _is_number(kwh) and (day := _day(at)) is not None:
                    of_day = found.setdefault(day, {})
                    of_day.setdefault(name, {})[household.FLOWS[flow]] = kwh
        return found

    def was_opened(self) -> None:
        """Read what totals go on from. Rows that hold something odd are left out."""
        pairs = self.db.execute("select name, id from inverters")
        self._ids = {str(name): number for name, number in pairs}
        names = {number: name for name, number in self._ids.items()}
        accounts: dict[tuple[str, str], Account] = {}
        left_out = 0
        newest = self.db.execute(
            "select inverter, flow, day, seen, today, last, start_day, start from energies"
            " where day <= ? order by inverter, flow, day",
            (self.today.isoformat(),),
        )
        for inverter, flow, *rest in newest:
            account = _account(rest)
            if account is None or inverter not in names or not _is_flow(flow):
                left_out += 1
                continue
            key = names[inverter], household.FLOWS[flow]
            before = accounts.get(key)
            if before is not None and account.day - before.day == timedelta(days=1):
                account.yesterday = before.today
            accounts[key] = account
        numbers = {name: number for number, name in names.items()}
        for (name, flow), account in accounts.items():
            inverter, day = numbers[name], account.day.isoformat()
            account.month = self._first(inverter, household.FLOWS.index(flow), day[:7])
            account.year = self._first(inverter, household.FLOWS.index(flow), day[:4])
        self.accounts = accounts
        self.faults = []
        for inverter, register, text, first, last in self.db.execute("select * from faults"):
            if inverter in names and _is_time(first) and _is_time(last):
                name = names[inverter]
                self.faults.append(
                    Fault(name, str(register), str(text), _time(first), _time(last))
                )
            else:
                left_out += 1
        if left_out:
            log.warning("%d row(s) of %s cannot be read and are left out.", left_out, self.path)

    def _first(self, inverter: int, flow: int, period: str) -> Base | None:
        """The first counter of the month or year that `period` begins, after its last reset."""
        rows = self.db.execute(
            "select start_day, start, last from energies where inverter = ? and flow = ?"
            " and day like ? and start is not null order by day desc",
            (inverter, flow, f"{period}%"),
        )
        first: Base | None = None
        for start_day, start, last in rows:
            base = _base(start_day, start)
            if base is None or not _is_number(last):
                continue
            if not start_day.startswith(period) or (first and last > first.kwh + 0.05):
                break
            first = base
        return first

    def _prune(self, prune: Prune) -> None:
        """Delete what is too old, unless it only looks so from a clock that is years ahead."""
        database = self.db
        newest: int | None = database.execute(
            "select max(time) from samples where time < ?", (prune.now - _DAY,)
        ).fetchone()[0]
        if newest is None or prune.now - newest > _LONGEST_PAUSE:
            return
        database.execute("delete from samples where time < ?", (prune.before,))
        count: int = database.execute("select count(*) from samples").fetchone()[0]
        if count > _MOST_SAMPLES:
            database.execute(
                "delete from samples where time <= (select time from samples order by time"
                " limit 1 offset ?)",
                (count - _MOST_SAMPLES,),
            )
        database.execute(
            "delete from energies where day < date(?, 'unixepoch', ?)",
            (prune.now, f"-{_MOST_DAYS} days"),
        )
        database.execute(
            "delete from faults where last < (select last from faults order by last desc"
            " limit 1 offset ?)",
            (_MOST_FAULTS,),
        )

    def _row(self, key: tuple[str, int], sample: Sample) -> tuple[int | None, ...]:
        name, time = key
        means = (
            None if mean is None else round(mean * 10 if figure == _TENTHS else mean)
            for figure, mean in zip(household.FIGURES, sample.means, strict=True)
        )
        return (self._id(name), time, _STATES.index(sample.state), sample.readings, *means)

    def _energy(self, key: tuple[str, str], account: Account) -> tuple[object, ...]:
        start = account.start
        return (
            self._id(key[0]),
            household.FLOWS.index(key[1]),
            account.day.isoformat(),
            _unix(account.seen),
            account.today,
            account.last,
            None if start is None else start.day.isoformat(),
            None if start is None else start.kwh,
        )

    def _id(self, name: str) -> int:
        known = self._ids.get(name)
        if known is None:
            added = self.db.execute("insert into inverters (name) values (?)", (name,))
            known = self._ids[name] = added.lastrowid or 0
        return known


def _scaled(means: Sequence[int | None]) -> list[float | None]:
    return [
        mean / 10 if mean is not None and figure == _TENTHS else mean
        for figure, mean in zip(household.FIGURES, means, strict=True)
    ]


def _base(day: object, kwh: object) -> Base | None:
    found = _day(day)
    return Base(found, kwh) if found is not None and _is_number(kwh) else None


def _account(row: Sequence[object]) -> Account | None:
    """Day, seen, today, last, start_day and start of a row; None when they hold no account."""
    day, seen, today, last, start_day, start = row
    found = _day(day)
    whole = all(one is None or _is_number(one) for one in (today, last, start))
    if found is None or not whole or not _is_time(seen):
        return None
    account = Account(found, _time(seen), cast(float | None, today), cast(float | None, last))
    account.start = _base(start_day, start)
    return account


def _sample(row: Sequence[object]) -> Sample | None:
    """Time, state, readings and means of a row; None when they are no sample."""
    time, state, readings, *means = row
    if not (isinstance(state, int) and 0 <= state < len(_STATES) and _is_time(time)):
        return None
    if not (isinstance(readings, int) and readings >= 0):
        return None
    if not all(one is None or _is_number(one) for one in means):
        return None
    return Sample(_STATES[state], readings, tuple(_scaled(cast(Sequence[int | None], means))))


def _samples_of(old: sqlite3.Connection, inverter: object) -> Iterator[Values]:
    """What can be read of an inverter's samples in a damaged file."""
    if not isinstance(inverter, int):
        return
    columns = f"time, inverter, state, readings, {_COLUMNS}"
    query = (
        f"select {columns} from samples where inverter = {inverter} and time >= ?"  # noqa: S608
        " order by time"
    )
    for time, number, *rest in rows_by_number(old, query, 0, _LATEST):
        yield (number, time, *rest)


def _day(text: object) -> date | None:
    try:
        return date.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and math.isfinite(value)


def _is_flow(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and 0 <= value < len(household.FLOWS)


def _is_time(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and 0 <= value < _LATEST


def _unix(moment: datetime) -> int:
    return int(moment.timestamp())


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
