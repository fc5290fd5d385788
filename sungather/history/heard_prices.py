"""Prices that others tell, as by MQTT; they are kept, so that an old hour keeps its price.

A price holds from when it comes until another does, and no longer than it may get old. Where none
is known, the written price stands in for it, and whoever counts with that knows so.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final, TypeGuard, cast

from sungather.clock import Clock
from sungather.storage import Storage
from sungather.tariff import PricesByTime, is_day
from sungather.untrusted import fit_to_show

_PRICE: Final = re.compile(rb"\s*[+-]?[0-9]{1,6}(\.[0-9]{1,20})?\s*")
_HALF_A_STEP: Final = 150
"""Seconds: five minutes cost what their middle does, as a new price comes a little late."""
_KEEP_DAYS: Final = 400
"""As long as there are curves that could be priced."""
_SAVE_EVERY: Final = 900
"""Seconds between two writes of a price that stays the same."""
_LOADED: Final = 4
"""Days that are held ready."""


@dataclass(slots=True)
class _Told:
    """One price, from when to when it was told; None for something that was no price."""

    start: float
    last: float
    price: float | None


class HeardPrices:
    """Prices by time, as `Prices`; those of a topic, or the written ones."""

    def __init__(
        self,
        name: str,
        topic: str,
        written: PricesByTime,
        storage: Storage,
        timezone: tzinfo,
        max_age: float,
        clock: Clock,
    ) -> None:
        """Keep them under `name`; `max_age`: seconds that one holds without being told again.

        Without a topic there are only those of before, and the written ones hold since then.
        """
        self.topic = topic
        self._written = written
        self._storage = storage
        self._timezone = timezone
        self._max_age = max_age
        self._clock = clock
        self.no_way = ""
        """Why none can come, in words."""
        self._name = f"prices-{name}"
        self._days: dict[date, list[_Told]] = {}
        self._began = self._saved = clock.now().timestamp()
        self._nonsense: str | None = None
        """What came last, if it was no price."""
        first = storage.load(self._name).get("first")
        self._first = float(first) if isinstance(first, int | float) else None
        """When the very first came."""
        days = [name.removeprefix(f"{self._name}-") for name in storage.names(f"{self._name}-")]
        days = [] if topic else list(filter(is_day, days))
        self._until = date.fromisoformat(days[-1]) if days else None
        """The last day on which one has come, where none does any more."""

    def hear(self, content: bytes) -> None:
        """Take what has come on the topic."""
        price = float(content) if _PRICE.fullmatch(content) else None
        said = content[:200].decode("utf-8", "replace")
        self._nonsense = None if price is not None else said
        now = self._clock.now()
        at, day = now.timestamp(), now.astimezone(UTC).date()
        if price is not None and (self._first is None or at < self._first):
            self._first = at
            self._storage.save(self._name, {"first": at})
        if self._first is None:
            return
        told = self._of(day)
        newest = told[-1] if told else None
        if newest and newest.price == price and 0 <= at - newest.last <= self._max_age:
            newest.last = at
            if 0 <= at - self._saved < min(_SAVE_EVERY, self._max_age / 2):
                return
        else:
            told.append(_Told(at, at, price))
            if newest is None:
                self._forget(day - timedelta(days=_KEEP_DAYS))
        self._saved = at
        self._storage.save(
            f"{self._name}-{day}", {"told": [[one.start, one.last, one.price] for one in told]}
        )

    def at(self, local: datetime) -> float | None:
        """The price at a local time."""
        heard = self._heard(local)
        return self._written.at(local) if heard is None else heard

    def all_day(self, day: date) -> float | None:
        """The price of a day on which there is only one: before the first was told."""
        first = self._first
        if self._is_over(day):
            return self._written.all_day(day)
        if first is not None and day >= datetime.fromtimestamp(first, self._timezone).date():
            return None
        return self._written.all_day(day)

    def is_known(self, local: datetime) -> bool:
        """Whether the price at a local time is no stand-in."""
        if self._first is None or local.timestamp() + _HALF_A_STEP < self._first:
            return True
        return self._is_over(local.date()) or self._heard(local) is not None

    def trouble(self) -> str:
        """Why there is no price now, in a sentence, or ""."""
        if not self.topic:
            return ""
        if self.no_way:
            why = f"No price comes on {self.topic}: {self.no_way}."
        elif self._nonsense is not None:
            said = fit_to_show(self._nonsense)
            why = (
                f"What has come on {self.topic} is no price, which is a number as 0.31: {said!r}."
            )
        else:
            now = self._clock.now()
            if now.timestamp() - self._began < self._max_age or self._now(now.timestamp()):
                return ""
            why = f"No price has come on {self.topic} for {round(self._max_age / 60)} minutes."
        return f"{why} The written price stands in until one comes."

    def _is_over(self, day: date) -> bool:
        # The last day of UTC ends within the next one of the site, or the other way round.
        return self._until is not None and day > self._until + timedelta(days=1)

    def _now(self, at: float) -> bool:
        return self._price(at) is not None

    def _heard(self, local: datetime) -> float | None:
        return self._price(local.timestamp() + _HALF_A_STEP)

    def _price(self, at: float) -> float | None:
        if self._first is None or at < self._first:
            return None
        day = datetime.fromtimestamp(at, UTC).date()
        for one in (day, day - timedelta(days=1)):
            for told in reversed(self._of(one)):
                if told.start <= at:
                    return told.price if at < told.last + self._max_age else None
        return None

    def _of(self, day: date) -> list[_Told]:
        """What was told on a day of UTC, in order."""
        found = self._days.get(day)
        if found is None:
            while len(self._days) >= _LOADED:
                del self._days[min(self._days)]
            stored = self._storage.load(f"{self._name}-{day}").get("told")
            found = self._days[day] = list(_parsed(stored))
        return found

    def _forget(self, before: date) -> None:
        for name in self._storage.names(f"{self._name}-"):
            if name < f"{self._name}-{before}":
                self._storage.remove(name)


def _parsed(stored: object) -> Iterator[_Told]:
    """What is fit for use of what was stored."""
    for row in cast(list[object], stored) if isinstance(stored, list) else ():
        numbers = cast(list[object], row) if isinstance(row, list) else []
        if len(numbers) == 3 and _is_number(numbers[0]) and _is_number(numbers[1]):
            price = numbers[2]
            if price is None or _is_number(price):
                yield _Told(numbers[0], numbers[1], price)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and math.isfinite(value)
