"""What the days of the history come to in money; a service that counts them one by one.

The curve of a day says when energy flowed, its counters how much: the curve is scaled to them.
What nobody recorded is spread over the gaps, and the day is called estimated where its prices
change. A day whose curve is gone, or mostly missing, counts where it has one price all day.
"""

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final

from sungather.history.heard_prices import HeardPrices
from sungather.history.periods import Energies
from sungather.history.service import DayHistory, History
from sungather.household import FIGURES, FLOWS
from sungather.money import (
    Balance,
    CountedTime,
    Interval,
    SiteMoney,
    balance_of,
    balance_of_counters,
)
from sungather.reading import Reading, State
from sungather.service import Health, SimpleService
from sungather.site import BATTERY
from sungather.tariff import Tariff

_BREATH: Final = 0.02
"""Seconds between two days of the past, so that the rest goes on."""
_FIRST: Final = date(2000, 1, 1)
_WHOLE: Final = 0.9
"""The share of a day that has to be recorded to say what came from where."""
_MOSTLY: Final = 0.5
"""The share that has to be to say at which prices energy flowed."""
_BIG_GAP: Final = 12
"""Steps that may be missing before a day is called estimated."""
_A_YEAR: Final = 365
"""Days that have to be known to say what is saved a year: summers and winters alike."""
_NEEDED: Final = ("pv", "grid_import", "grid_export")


@dataclass(frozen=True, slots=True)
class Statement:
    """What a time comes to, and how much of it was counted."""

    balance: Balance
    first: date
    """The first day that was counted."""
    last: date
    missing: int
    """Days from the first on that were not."""
    since: date | None = None
    """The same as `first`, where that is not the first day of the period."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is still to be paid back, and how long that takes if it goes on as it did."""

    left: float
    years: float | None
    """None where no whole year is known."""
    first: date | None
    """The first day of the time from which that is known."""


def balance_of_day(
    day: DayHistory, tariff: Tariff, timezone: tzinfo, patience: int = 0
) -> Balance | None:
    """What a day comes to; None where that is not known: a counter, or a price, is missing.

    `patience`: seconds without a reading that are no gap, where scans are that far apart.
    """
    counted = dict(day.energies)
    flows = {flow for sample in day.samples.values() for flow in _known(sample.means)}
    if not flows.intersection(BATTERY):
        counted = dict.fromkeys(BATTERY, 0.0) | counted
    if any(flow not in counted for flow in (*_NEEDED, *BATTERY)):
        return None
    buy, sell = tariff.buy.all_day(day.day), tariff.sell.all_day(day.day)
    standing = tariff.standing.all_day(day.day)
    if standing is None:
        return None
    changes = buy is None or sell is None
    steps = _steps(day, patience)
    gaps = steps.count(None)
    recorded = 1 - gaps / len(steps) if steps else 0.0
    if recorded >= _WHOLE or (changes and recorded >= _MOSTLY):
        intervals = _intervals(day, steps, counted, tariff, timezone)
        found = None if intervals is None else balance_of(intervals, split=recorded >= _WHOLE)
    elif buy is None or sell is None:
        return None
    else:
        stored = counted["battery_charge"] - counted["battery_discharge"]
        pv, imported, exported = (counted[flow] for flow in _NEEDED)
        found = balance_of_counters(pv, imported, exported, stored, buy, sell)
    if found is None:
        return None
    if changes:
        gaps += sum(not _is_priced(at, tariff) for at in _times(day, len(steps), timezone))
    return replace(found, standing=standing, estimated=int(changes and gaps > _BIG_GAP))


def _is_priced(local: datetime, tariff: Tariff) -> bool:
    return tariff.buy.is_known(local) and tariff.sell.is_known(local)


def _times(day: DayHistory, steps: int, timezone: tzinfo) -> Iterator[datetime]:
    """When each step begins."""
    for at in range(day.start, day.start + steps * day.step, day.step):
        yield datetime.fromtimestamp(at, UTC).astimezone(timezone)


def _known(means: Sequence[float | None]) -> list[str]:
    return [flow for flow, mean in zip(FLOWS, means, strict=False) if mean is not None]


def _steps(day: DayHistory, patience: int) -> list[Mapping[str, float] | None]:
    """The kWh of each flow in each step up to the newest sample; None for a gap."""
    if not day.samples:
        return []
    found: list[Mapping[str, float] | None] = []
    newest: tuple[int, Mapping[str, float] | None] = day.start, None
    for at in range(day.start, max(day.samples) + 1, day.step):
        sample = day.samples.get(at)
        if sample is None and at - newest[0] <= patience:
            found.append(newest[1])
            continue
        kwh: dict[str, float] = {}
        if sample is not None:
            hours = day.step / 3_600_000
            pairs = zip(FIGURES, sample.means, strict=False)
            kwh = {
                figure.removesuffix("_power"): mean * hours
                for figure, mean in pairs
                if mean is not None
            }
            if sample.state is State.ASLEEP:
                kwh.setdefault("pv", 0.0)
        newest = at, kwh if all(flow in kwh for flow in _NEEDED) else None
        found.append(newest[1])
    return found


def _intervals(
    day: DayHistory,
    steps: Sequence[Mapping[str, float] | None],
    counted: Energies,
    tariff: Tariff,
    timezone: tzinfo,
) -> list[Interval] | None:
    """The steps with their prices; None where a price is not known."""
    columns = [_scaled(steps, flow, counted[flow]) for flow in (*_NEEDED, *BATTERY)]
    found: list[Interval] = []
    for index, at in enumerate(_times(day, len(steps), timezone)):
        pv, imported, exported, charged, discharged = (column[index] for column in columns)
        buy, sell = tariff.buy.at(at), tariff.sell.at(at)
        if buy is None or sell is None:
            return None
        found.append(Interval(pv, imported, exported, charged, discharged, buy, sell))
    return found


def _scaled(steps: Sequence[Mapping[str, float] | None], flow: str, counted: float) -> list[float]:
    """The kWh of a flow in each step: together what was counted.

    What is more than was recorded goes into the gaps; without gaps the records are stretched.
    """
    recorded = [None if one is None else one.get(flow, 0.0) for one in steps]
    known = sum(one for one in recorded if one is not None)
    gaps = recorded.count(None)
    if known < counted and gaps:
        rest = (counted - known) / gaps
        return [rest if one is None else one for one in recorded]
    if known <= 0:
        return [counted / len(steps)] * len(steps)
    return [(one or 0.0) * counted / known for one in recorded]


class Cashbook(SimpleService):
    """Keeps what each day has come to; a `Service`."""

    name = "money"

    def __init__(
        self,
        history: History,
        tariff: Tariff,
        timezone: tzinfo,
        patience: int = 0,
        *,
        every: float = 60.0,
    ) -> None:
        """`patience`: see `balance_of_day`; `every`: seconds after which today is counted anew."""
        self._patience = patience
        self._every = every
        self.tariff = tariff
        self._history = history
        self._timezone = timezone
        self._names: list[str] = []
        """The inverters of the site."""
        self._days: dict[date, Balance | None] = {}
        self._again = asyncio.Event()
        self._tell: Callable[[SiteMoney], None] | None = None
        self._awaited: set[str] = set()
        """Inverters that have to be heard of before anything is told."""

    def tell(self, listener: Callable[[SiteMoney], None], names: Collection[str]) -> None:
        """Have the listener told after each count, once something was heard of all these names.

        A sum of fewer inverters would be another household's.
        """
        self._tell, self._awaited = listener, set(names)

    def health(self) -> Health:
        """Whether prices come that should."""
        told = (self.tariff.buy, self.tariff.sell)
        troubles = [one.trouble() for one in told if isinstance(one, HeardPrices)]
        message = " ".join(filter(None, troubles))
        return Health(self.name, "waiting" if message else "ok", message)

    def on_reading(self, reading: Reading) -> None:
        """Take note of who belongs to the site; with another inverter all days are other days."""
        self._awaited.discard(reading.name)
        if reading.is_inverter and reading.name not in self._names:
            self._names.append(reading.name)
            self._days.clear()
            self._again.set()

    async def run(self) -> None:
        """Count the days that are known, the newest first, and today again and again."""
        while True:
            self._again.clear()
            await self.count()
            try:
                async with asyncio.timeout(self._every):
                    await self._again.wait()
            except TimeoutError:
                continue

    async def count(self) -> None:
        """Count today and yesterday anew, and the days before that were not counted yet."""
        names, today = list(self._names), self._history.today()
        if not names:
            return
        known = await self._history.energies(names, _FIRST, today)
        for day in sorted(known, reverse=True):
            # What was read in the last minute of a day is written after it.
            if day in self._days and day < today - timedelta(days=1):
                continue
            found = balance_of_day(
                await self._history.day(names, day), self.tariff, self._timezone, self._patience
            )
            if names != self._names:
                return
            self._days[day] = found
            await asyncio.sleep(_BREATH if day < today else 0)
        if self._tell is not None and not self._awaited:
            self._tell(self.present())

    def present(self) -> SiteMoney:
        """What today and this month come to so far, where it is known."""
        return SiteMoney(
            self.tariff.currency,
            {
                name: CountedTime(self._midnight(one.first), one.balance)
                for name, one in self.statements(self._history.today())
                if name in ("today", "month")
            },
        )

    def _midnight(self, day: date) -> datetime:
        return datetime(day.year, day.month, day.day, tzinfo=self._timezone)

    def statements(self, today: date) -> Iterator[tuple[str, Statement]]:
        """Name of the period -> what it comes to so far, of the periods of which some is known."""
        first_of = {
            "today": today,
            "yesterday": today - timedelta(days=1),
            "month": today.replace(day=1),
            "year": date(today.year, 1, 1),
            "total": _FIRST,
        }
        for name, first in first_of.items():
            last = first if name == "yesterday" else today
            found = self.between(first, last)
            if found is not None:
                yield name, found

    def between(self, first: date, last: date) -> Statement | None:
        """What the days from first to last come to; None where not one was counted."""
        days = {
            day: balance
            for day, balance in self._days.items()
            if balance is not None and first <= day <= last
        }
        if not days:
            return None
        begin = min(days)
        return Statement(
            sum(days.values(), Balance()),
            begin,
            max(days),
            (last - begin).days + 1 - len(days),
            begin if begin != first else None,
        )

    def paid_back(self, today: date) -> float | None:
        """The share of what was paid that is saved by now.

        None where nobody said what was, or nothing was counted yet.
        """
        total = self.between(_FIRST, today)
        if not self.tariff.paid or total is None:
            return None
        return (self.tariff.saved_before + total.balance.saving) / self.tariff.paid

    def outlook(self, today: date) -> Outlook | None:
        """What is still to be paid back; None where nobody said what was, or nothing is left."""
        share, paid = self.paid_back(today), self.tariff.paid
        if share is None or paid is None or share >= 1:
            return None
        left = paid * (1 - share)
        known = self._saved_a_day(today)
        if known is None or known[0] <= 0:
            return Outlook(left, None, None)
        saved, first = known
        return Outlook(left, left / saved / 365.25, first)

    def _saved_a_day(self, today: date) -> tuple[float, date] | None:
        """What a day has saved in the mean of a year or more, and since when."""
        first, yesterday = today - timedelta(days=_A_YEAR), today - timedelta(days=1)
        year = self.between(first, yesterday)
        if year and year.since is None and year.balance.days >= _WHOLE * _A_YEAR:
            return year.balance.saving / year.balance.days, first
        total, since = self.between(_FIRST, yesterday), self.tariff.since
        if total is None or since is None or not self.tariff.saved_before or since > total.first:
            return None
        days = (yesterday - since).days + 1 - total.missing
        if days < _A_YEAR:
            return None
        return (self.tariff.saved_before + total.balance.saving) / days, since
