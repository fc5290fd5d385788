"""The history's SQLite file. Every method runs in the history's own thread.

Per inverter: samples (31 bytes each, some 9 kB a day), one row a flow and day, faults.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final, NamedTuple

from sungather import household
from sungather.history.totals import Account, Base
from sungather.reading import State
from sungather.sqlite_file import SqliteFile

STEP: Final = 300
"""Seconds of one sample."""
_MOST_SAMPLES: Final = 2_000_000
"""About 70 MB; the oldest go first."""
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
            rows: list[tuple[int, ...]] = self.db.execute(
                f"select time, state, readings, {_COLUMNS} from samples"  # noqa: S608
                " where inverter = ? and time >= ? and time < ?",
                (self._ids.get(name, -1), start, end),
            ).fetchall()
            for time, state, readings, *means in rows:
                found.setdefault(time, {})[name] = Sample(
                    _STATES[state], readings, tuple(_scaled(means))
                )
        return found

    def energies(self, inverters: Sequence[str], day: date) -> dict[str, dict[str, float]]:
        """Inverter -> flow -> kWh of a local day; nobody counted the others."""
        found: dict[str, dict[str, float]] = {}
        for name in inverters:
            rows: list[tuple[int, float | None]] = self.db.execute(
                "select flow, coalesce(today, last - start) from energies"
                " where inverter = ? and day = ?",
                (self._ids.get(name, -1), day.isoformat()),
            ).fetchall()
            for flow, kwh in rows:
                if kwh is not None:
                    found.setdefault(name, {})[household.FLOWS[flow]] = kwh
        return found

    def was_opened(self) -> None:
        """Read what totals go on from."""
        self._ids = dict(self.db.execute("select name, id from inverters"))
        names = {number: name for name, number in self._ids.items()}
        accounts: dict[tuple[str, str], Account] = {}
        newest = self.db.execute(
            "select inverter, flow, max(day), seen, today, last, start_day, start from energies"
            " where day <= ? group by inverter, flow",
            (self.today.isoformat(),),
        )
        for inverter, flow, day, seen, today, last, start_day, start in newest:
            account = Account(date.fromisoformat(day), _time(seen), today, last)
            account.start = _base(start_day, start)
            account.month = self._first(inverter, flow, day[:7])
            account.year = self._first(inverter, flow, day[:4])
            accounts[names[inverter], household.FLOWS[flow]] = account
        self.accounts = accounts
        self.faults = [
            Fault(names[inverter], register, text, _time(first), _time(last))
            for inverter, register, text, first, last in self.db.execute("select * from faults")
        ]

    def _first(self, inverter: int, flow: int, period: str) -> Base | None:
        """The first counter of the month or year that `period` begins, after its last reset."""
        rows = self.db.execute(
            "select start_day, start, last from energies where inverter = ? and flow = ?"
            " and day like ? and start is not null order by day desc",
            (inverter, flow, f"{period}%"),
        )
        first: Base | None = None
        for start_day, start, last in rows:
            if not start_day.startswith(period) or (first and last > first.kwh + 0.05):
                break
            first = _base(start_day, start)
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


def _base(day: str | None, kwh: float | None) -> Base | None:
    return None if day is None or kwh is None else Base(date.fromisoformat(day), kwh)


def _unix(moment: datetime) -> int:
    return int(moment.timestamp())


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
