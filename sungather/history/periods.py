"""Days, months and years of energies side by side, and what to compare them with; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from sungather.household import FLOWS

Energies = Mapping[str, float]
"""Flow -> kWh, of the flows that were counted."""


class Span(StrEnum):
    """What is shown at once."""

    MONTH = "month"
    """The days of a month."""
    YEAR = "year"
    """The months of a year."""
    YEARS = "years"
    """All years."""


@dataclass(frozen=True, slots=True)
class Period:
    """A day, a month or a year: its first and its last day, and the energies of all of it."""

    first: date
    last: date
    energies: Energies
    days: int = 0
    """How many of its days were counted."""
    told: bool = False
    """Whether the solar energy is what the inverter remembers, not what was counted here."""


def bounds(span: Span, day: date, oldest: date) -> tuple[date, date]:
    """The first and the last day of the month or year of `day`; for years from `oldest` on."""
    if span is Span.MONTH:
        return day.replace(day=1), month_end(day)
    if span is Span.YEAR:
        return date(day.year, 1, 1), date(day.year, 12, 31)
    return date(min(oldest, day).year, 1, 1), date(day.year, 12, 31)


def month_end(day: date) -> date:
    """The last day of its month."""
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1) - timedelta(days=1)


def periods(span: Span, day: date, days: Mapping[date, Energies], oldest: date) -> list[Period]:
    """The periods of a span, in order, also those of which nothing is known."""
    first, last = bounds(span, day, oldest)
    found: list[Period] = []
    begin = first
    while begin <= last:
        end = {
            Span.MONTH: begin,
            Span.YEAR: month_end(begin),
            Span.YEARS: date(begin.year, 12, 31),
        }[span]
        counted = [one for at, one in days.items() if begin <= at <= end and one]
        found.append(Period(begin, end, _sum(counted), len(counted)))
        begin = end + timedelta(days=1)
    return found


def _sum(days: Sequence[Energies]) -> Energies:
    """Each flow that was counted on every one of these days."""
    return {
        flow: sum(one[flow] for one in days)
        for flow in FLOWS
        if days and all(flow in one for one in days)
    }


def with_own(found: Sequence[Period], own: Sequence[float | None], today: date) -> list[Period]:
    """The periods with the solar energy that the inverter remembers where nobody counted.

    `own`: kWh of the periods in order, from the first; None where it does not know.
    """
    return [
        Period(one.first, one.last, {**one.energies, "pv": kwh}, one.days, told=True)
        if kwh is not None and one.first <= today and one.days < _past_days(one, today)
        else one
        for one, kwh in zip(found, [*own, *[None] * len(found)], strict=False)
    ]


def _past_days(period: Period, today: date) -> int:
    return max(0, (min(period.last, today) - period.first).days + 1)


def earlier(span: Span, today: date) -> tuple[tuple[date, date], tuple[date, date]] | None:
    """What the present month or year up to `today` compares with: the one before, and last year.

    Both up to the same day, each as its first and last day; None for years.
    """
    if span is Span.YEARS:
        return None
    year_ago = _same_day(today.year - 1, today.month, today.day)
    if span is Span.YEAR:
        return (date(today.year - 1, 1, 1), year_ago), (date(today.year - 1, 1, 1), year_ago)
    before = today.replace(day=1) - timedelta(days=1)
    same = _same_day(before.year, before.month, today.day)
    return (before.replace(day=1), same), (year_ago.replace(day=1), year_ago)


def _same_day(year: int, month: int, day: int) -> date:
    return date(year, month, min(day, month_end(date(year, month, 1)).day))


def sum_between(days: Mapping[date, Energies], first: date, last: date) -> Energies | None:
    """The energies of all days from first to last; None unless each of them was counted."""
    wanted = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    if any(day not in days for day in wanted):
        return None
    return _sum([days[day] for day in wanted])
