"""What a kilowatt-hour costs at which time, as a person writes it down; pure.

    0.31; from 2026-01-01 0.36, 22:00-06:00 0.24, sa-su 0.29

Parts with ";" between are prices of different years: each holds from its day on, the first may
be without one. In a part the price without a time holds whenever none of the others does; of
several that do, the first.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Final, Protocol

_WEEKDAYS: Final = ("mo", "tu", "we", "th", "fr", "sa", "su")
_EVERY_DAY: Final = frozenset(range(7))
_HIGHEST: Final = 1_000_000.0
_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]{0,6})(\.[0-9]{1,6})?")
_DAYS: Final = re.compile(r"([a-z]{2})(?:-([a-z]{2}))?")
_TIMES: Final = re.compile(r"([01]?[0-9]|2[0-4]):([0-5][0-9])-([01]?[0-9]|2[0-4]):([0-5][0-9])")
_A_DAY: Final = 24 * 60


@dataclass(frozen=True, slots=True)
class Rate:
    """A price, and when it holds."""

    price: float
    """In the currency, for 1 kWh; below 0 where one is paid for taking it."""
    weekdays: frozenset[int] = _EVERY_DAY
    """Monday is 0. A time over midnight belongs to the day on which it begins."""
    begin: int = 0
    """Minute of the day."""
    end: int = _A_DAY

    @property
    def is_always(self) -> bool:
        """Whether it holds at every time."""
        return self.weekdays == _EVERY_DAY and self.end - self.begin == _A_DAY

    def holds(self, weekday: int, minute: int) -> bool:
        """Whether it holds in this minute of a local day."""
        if self.begin < self.end:
            return self.begin <= minute < self.end and weekday in self.weekdays
        if minute >= self.begin:
            return weekday in self.weekdays
        return minute < self.end and (weekday - 1) % 7 in self.weekdays


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices by time, for all times of which there are some."""

    parts: tuple[tuple[date, tuple[Rate, ...]], ...]
    """Each with the first day on which it holds, in order."""

    def at(self, local: datetime) -> float | None:
        """The price at a local time; None before the first."""
        minute = local.hour * 60 + local.minute
        rates = self._on(local.date())
        return next((r.price for r in rates if r.holds(local.weekday(), minute)), None)

    def all_day(self, day: date) -> float | None:
        """The price of a day on which there is only one."""
        rates = self._on(day)
        return rates[0].price if len(rates) == 1 else None

    def is_known(self, local: datetime) -> bool:
        """Whether the price at a local time was told for that time."""
        return self.at(local) is not None

    @property
    def is_daily(self) -> bool:
        """Whether no day has more than one price."""
        return all(len(rates) == 1 for _, rates in self.parts)

    def _on(self, day: date) -> Sequence[Rate]:
        found: Sequence[Rate] = ()
        for first, rates in self.parts:
            if first <= day:
                found = rates
        return found


class PricesByTime(Protocol):
    """Prices, written or told; see `Prices`."""

    def at(self, local: datetime) -> float | None:
        """The price at a local time."""
        ...

    def all_day(self, day: date) -> float | None:
        """The price of a day on which there is only one."""
        ...

    def is_known(self, local: datetime) -> bool:
        """Whether the price at a local time was told for that time, and is no stand-in."""
        ...


@dataclass(frozen=True, slots=True)
class Tariff:
    """What energy costs and earns, and what was paid to need less of it."""

    currency: str
    """By its three letters."""
    buy: PricesByTime
    sell: PricesByTime
    standing: Prices
    """A day; not by times."""
    paid: float | None = None
    """For panels and battery."""
    saved_before: float = 0.0
    """What they had saved before anybody counted here."""
    since: date | None = None
    """The day from which they have run."""


@cache
def parse_prices(text: str) -> Prices:
    """The prices that a text means.

    Raises:
        ValueError: it means none; the message is a sentence without its full stop.
    """
    parts: list[tuple[date, tuple[Rate, ...]]] = []
    for part in text.split(";"):
        first, rest = _first_day(part.strip())
        if parts and first <= parts[-1][0]:
            raise ValueError("Each part after a ; needs a later day, as in 'from 2026-01-01 0.36'")
        parts.append((first, _rates(rest)))
    return Prices(tuple(parts))


def is_day(text: str) -> bool:
    """Whether it is a day, written as in 2022-04-01."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _first_day(part: str) -> tuple[date, str]:
    word, _, rest = part.partition(" ")
    if word != "from":
        return date.min, part
    day, _, rates = rest.strip().partition(" ")
    try:
        return date.fromisoformat(day), rates.strip()
    except ValueError:
        raise ValueError("After 'from' comes a day, as in 2026-01-01") from None


def _rates(text: str) -> tuple[Rate, ...]:
    rates = [_rate(one.split()) for one in text.split(",")]
    always = [rate for rate in rates if rate.is_always]
    if len(always) != 1:
        raise ValueError(
            "One price, and only one, has no time, and decimals have a point, as in"
            " '0.36, 22:00-06:00 0.24'"
        )
    return (*(rate for rate in rates if not rate.is_always), *always)


def _rate(words: Sequence[str]) -> Rate:
    if not words or not _NUMBER.fullmatch(words[-1]) or abs(float(words[-1])) > _HIGHEST:
        raise ValueError("A price is a number with a point, as in 0.34")
    weekdays, begin, end = _EVERY_DAY, 0, _A_DAY
    for word in words[:-1]:
        if days := _DAYS.fullmatch(word):
            weekdays = _weekdays(days[1], days[2] or days[1])
        elif times := _TIMES.fullmatch(word):
            begin, end = _minute(times[1], times[2]), _minute(times[3], times[4])
        else:
            raise ValueError("A time is written as in 22:00-06:00, mo-fr or mo-fr 17:00-20:00")
    if begin in (end, _A_DAY):
        raise ValueError("A time begins before 24:00 and ends at another one")
    return Rate(float(words[-1]), weekdays, begin, end or _A_DAY)


def _minute(hours: str, minutes: str) -> int:
    minute = 60 * int(hours) + int(minutes)
    if minute > _A_DAY:
        raise ValueError("A day ends at 24:00")
    return minute


def _weekdays(first: str, last: str) -> frozenset[int]:
    if first not in _WEEKDAYS or last not in _WEEKDAYS:
        raise ValueError(f"The days of a week are {', '.join(_WEEKDAYS)}")
    begin, end = _WEEKDAYS.index(first), _WEEKDAYS.index(last)
    return frozenset(n % 7 for n in range(begin, end + 1 + (7 if end < begin else 0)))
