"""The arrays 6100-6826 that SH-RT inverters serve on their LAN port: today, days, months, years.

Sums agree: the days of a month add up to the month, the months to the year, the years to the
lifetime counter.
"""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Final

from sungather.simulator.day import ONE_DAY, Life, Now, Tally, tally
from sungather.simulator.words import Quantity

FIRST_YEAR: Final = 2015
"""What index 0 of the yearly arrays stands for."""
YEARS: Final = 15
QUARTERS: Final = 96
STEPS_A_QUARTER: Final = 15

MEASURES: Final = ("pv", "direct", "exported", "charge")
"""Order of the arrays; each is a field of `Tally`."""


class HistoryArrays:
    """The arrays of one life. What has ended is added up once a day."""

    def __init__(self, life: Life) -> None:
        self._life = life
        self._ended_on: date | None = None
        self._days: list[Tally] = []
        self._months: list[Tally] = []
        self._years: list[Tally] = []

    def quantities(self, now: Now) -> dict[str, Quantity]:
        """Arrays by name: W of the quarters, J of days, months and years."""
        self._add_up(now.moment)
        day, month = now.moment.day - 1, now.moment.month - 1
        year = min(max(now.moment.year - FIRST_YEAR, 0), YEARS - 1)
        # What flows in a second, in J, is the power in W.
        powers = [tally(flow, 1) for flow in self._life.flows_of(now)[::STEPS_A_QUARTER]]
        arrays: dict[str, Quantity] = {"month_pv": self._months[month].pv + now.today.pv}
        for measure in MEASURES:
            today: int = getattr(now.today, measure)
            quarters = [getattr(watts, measure) for watts in powers]
            arrays[f"{measure}_quarters"] = quarters + [0] * (QUARTERS - len(quarters))
            arrays[f"{measure}_days"] = _with(self._days, measure, day, today)
            arrays[f"{measure}_months"] = _with(self._months, measure, month, today)
            arrays[f"{measure}_years"] = _with(self._years, measure, year, today)
        return arrays

    def _add_up(self, moment: datetime) -> None:
        today = moment.date()
        if self._ended_on == today:
            return
        self._ended_on = today
        self._days = [Tally()] * 31
        self._months = [Tally()] * 12
        self._years = [Tally()] * YEARS
        for day in _days(self._life.commissioned, today):
            ended = self._life.day(day)
            year = min(max(day.year - FIRST_YEAR, 0), YEARS - 1)
            self._years[year] = self._years[year].plus(ended)
            if day.year == today.year:
                self._months[day.month - 1] = self._months[day.month - 1].plus(ended)
                if day.month == today.month:
                    self._days[day.day - 1] = ended


def _with(ended: list[Tally], measure: str, index: int, today: int) -> list[int]:
    values: list[int] = [getattr(each, measure) for each in ended]
    values[index] += today
    return values


def _days(first: date, end: date) -> Iterator[date]:
    while first < end:
        yield first
        first += ONE_DAY
