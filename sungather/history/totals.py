"""Energies of today, this month, this year and the lifetime, from lifetime counters; pure.

An inverter tells today's energy and a counter that never stops. What the counter showed at local
midnight gives the month and the year, also across days on which nobody was reading.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import date, datetime, timedelta
from typing import Final

from sungather.household import FLOWS, INTO_HOUSE
from sungather.site import Amounts, sources, together

_CONTINUOUS: Final = timedelta(hours=1)
"""Readings on both sides of midnight this near to each other need no correction."""
_ONE_DAY: Final = timedelta(days=1)
_FALL: Final = 0.05
"""A counter that falls by more than this (kWh) was reset, or is another inverter's."""


@dataclass(frozen=True, slots=True)
class Base:
    """What a lifetime counter showed at the local midnight that began `day`."""

    day: date
    kwh: float


@dataclass(frozen=True, slots=True)
class Energy:
    """An energy in kWh, and how far it can be trusted to be the whole."""

    kwh: float
    since: date | None = None
    """The first day that is counted, where that is not the period's first day."""
    as_of: datetime | None = None
    """When it was last read, UTC."""


@dataclass(frozen=True, slots=True)
class Totals:
    """One flow's energies; None where nothing is known."""

    today: Energy | None = None
    yesterday: Energy | None = None
    month: Energy | None = None
    year: Energy | None = None
    lifetime: Energy | None = None


@dataclass(slots=True)
class Account:
    """What is remembered of one flow's counters of one inverter."""

    day: date
    """The local day of the newest reading."""
    seen: datetime
    """When that was, UTC."""
    today: float | None = None
    """The inverter's own energy of `day`, kWh."""
    last: float | None = None
    """The newest lifetime counter, kWh."""
    start: Base | None = None
    """The counter at the last local midnight; of an earlier day while none was read since."""
    month: Base | None = None
    year: Base | None = None
    before: "Account | None" = None
    """The account as the day before that was counted left it."""
    yesterday: float | None = None
    """The inverter's own energy of the day before `day`, kWh."""

    def enter(self, day: date, seen: datetime, today: float | None, total: float | None) -> None:
        """Take note of a reading on the local `day`.

        A reading of an earlier day than the one before tells that the clock was wrong: the
        account goes on from where it was on that day.
        """
        if today is None and total is None:
            return
        if day < self.day:
            self._go_back(day, seen)
        elif day > self.day:
            self.before = replace(self, before=None)
            self.yesterday = self.today if day - self.day == _ONE_DAY else None
        if total is not None:
            self._count(day, seen, today, total)
        if today is not None or day != self.day:
            self.today = today
        self.day, self.seen = day, seen

    def _go_back(self, day: date, seen: datetime) -> None:
        known = self.before if self.before is not None and self.before.day <= day else None
        if known is not None:
            self.day, self.seen, self.today, self.last = (
                known.day,
                known.seen,
                known.today,
                known.last,
            )
            self.start, self.month, self.year = known.start, known.month, known.year
            self.yesterday = known.yesterday
            return
        self.day, self.seen, self.today, self.last, self.before = day, seen, None, None, None
        self.yesterday = None
        bases = (self.start, self.month, self.year)
        self.start, self.month, self.year = (
            base if base is not None and base.day <= day else None for base in bases
        )

    def _count(self, day: date, seen: datetime, today: float | None, total: float) -> None:
        if self.last is not None and total < self.last - _FALL:
            self.start = self.month = self.year = Base(day, total)
        elif self.start is None or self.start.day != day:
            self.start = Base(day, self._at_midnight(seen, today, total))
            if self.month is None or _month(self.month.day) != _month(day):
                self.month = self.start
            if self.year is None or self.year.day.year != day.year:
                self.year = self.start
        self.last = total

    def _at_midnight(self, seen: datetime, today: float | None, total: float) -> float:
        if self.last is not None and timedelta() <= seen - self.seen <= _CONTINUOUS:
            return self.last
        return total if today is None else max(0.0, total - today)

    def totals(self, now_day: date) -> Totals:
        """The energies as they stand on the local day `now_day`."""
        month = self.month if self.month and _month(self.month.day) == _month(now_day) else None
        year = self.year if self.year and self.year.day.year == now_day.year else None
        return Totals(
            today=self._today(now_day),
            yesterday=self._yesterday(now_day),
            month=self._since(month, month is not None and month.day.day == 1),
            year=self._since(year, year is not None and (year.day.month, year.day.day) == (1, 1)),
            lifetime=None if self.last is None else Energy(self.last, None, self.seen),
        )

    def _today(self, now_day: date) -> Energy | None:
        if self.day != now_day:
            return None
        if self.today is not None:
            return Energy(self.today, None, self.seen)
        if self.last is None or self.start is None or self.start.day != now_day:
            return None
        return Energy(self.last - self.start.kwh, None, self.seen)

    def _yesterday(self, now_day: date) -> Energy | None:
        later = now_day - self.day
        kwh = self.yesterday if not later else self.today if later == _ONE_DAY else None
        return None if kwh is None else Energy(kwh)

    def _since(self, base: Base | None, whole: bool) -> Energy | None:
        if base is None or self.last is None:
            return None
        energy = max(0.0, self.last - base.kwh)
        return Energy(energy, None if whole else base.day, self.seen)


def _month(day: date) -> tuple[int, int]:
    return day.year, day.month


def add(
    parts: Mapping[str, Mapping[str, Totals]], meter: str, managers: Collection[str] = ()
) -> dict[str, Totals]:
    """Flow -> the energies of several inverters together, of inverter -> flow -> its energies.

    An energy of which a part is missing is None. `meter`, `managers`: see `site.sources`.
    """
    if len(parts) == 1:
        return dict(*parts.values())
    periods = {period.name: _add(parts, period.name, meter, managers) for period in fields(Totals)}
    flows = {flow: None for found in periods.values() for flow in found}
    return {
        flow: Totals(**{name: found.get(flow) for name, found in periods.items()})
        for flow in FLOWS
        if flow in flows
    }


def _add(
    parts: Mapping[str, Mapping[str, Totals]], period: str, meter: str, managers: Collection[str]
) -> dict[str, Energy]:
    energies: dict[str, dict[str, Energy | None]] = {
        name: {flow: getattr(totals, period) for flow, totals in flows.items()}
        for name, flows in parts.items()
    }
    amounts: dict[str, Amounts] = {
        name: {flow: energy and energy.kwh for flow, energy in flows.items()}
        for name, flows in energies.items()
    }
    of = sources(amounts, meter, managers)
    found: dict[str, Energy] = {}
    for flow, kwh in together(amounts, meter, "kWh", managers).items():
        used = [energies[name].get(part) for part in _made_of(flow) for name in of[part]]
        known = [energy for energy in used if energy is not None]
        found[flow] = Energy(
            kwh,
            max((energy.since for energy in known if energy.since), default=None),
            min((energy.as_of for energy in known if energy.as_of), default=None),
        )
    return found


def _made_of(flow: str) -> Iterable[str]:
    return INTO_HOUSE if flow == "house" else (flow,)
