"""Energy counters that sometimes lie, and what today's energy is all the same.

Measured on inverters in use: lifetime counters show a zero for one sample; counters of today are
not reset at midnight while the inverter sleeps, or stay 0 all day while the lifetime counter
moves. And where there is no counter, power is integrated.

Times are UTC seconds (POSIX), energies kWh, powers W. All state is plain numbers, so that it can
be stored.
"""

from dataclasses import dataclass
from enum import Enum

ACCEPTED_AFTER_SAMPLES = 3
ACCEPTED_AFTER_SECONDS = 600.0
"""A lower counter is believed when it stays that long, and for so many samples."""

_HOUR = 3600.0
_DAY = 24 * _HOUR
_LONGEST_GAP = 900.0
"""Seconds between two samples over which power is integrated whatever the scan interval is."""
_GAPS = 2.5
"""Longer gaps are bridged if they are at most so many times as long as the one before."""
_PRECISION = 3
_MOVED = 1.05
"""kWh by which a lifetime counter must move to prove that today's counter stands still; some
lifetime counters have steps of 1 kWh."""

_TICKS = 2.0
"""kWh by which a figure made of counters may fall because they do not tick at the same time."""


@dataclass(frozen=True, slots=True)
class Day:
    """The local day of a sample: its date, and when it began (UTC seconds)."""

    date: str
    began: float


class Verdict(Enum):
    """What a lifetime counter's new sample is worth."""

    BELIEVED = "believed"
    DOUBTED = "doubted"
    """The first sample of a fall; not to be published."""
    STILL_DOUBTED = "still doubted"
    RESET = "reset"
    """The fall has lasted: the counter began anew."""


@dataclass(slots=True)
class Total:
    """A lifetime counter, which only ever rises."""

    last: float | None = None
    """The newest sample that was believed."""
    at: float = 0.0
    date: str = ""
    """Local day of that sample."""
    base: float = 0.0
    """What it showed when `date` began, or at the first sample after that."""
    since: float = 0.0
    """When `base` was so."""
    whole: bool = False
    """`base` is known to be from the beginning of the day."""
    doubts: int = 0
    """Samples in a row that were lower than `last`."""
    doubted_since: float = 0.0

    def enter(self, value: float, at: float, day: Day) -> Verdict:
        """Judge a sample, and count the day's energy from it if it is believed."""
        if self.last is not None and value < self.last:
            if not self.doubts:
                self.doubted_since = at
            self.doubts += 1
            lasted = at - self.doubted_since
            if self.doubts < ACCEPTED_AFTER_SAMPLES or lasted < ACCEPTED_AFTER_SECONDS:
                return Verdict.DOUBTED if self.doubts == 1 else Verdict.STILL_DOUBTED
            self._begin(value, at, day)
            return Verdict.RESET
        if self.last is None:
            self._begin(value, at, day)
        elif self.date != day.date:
            self._enter_day(self.last, value, at, day)
        self.last, self.at, self.date, self.doubts = value, at, day.date, 0
        return Verdict.BELIEVED

    def today(self) -> float | None:
        """Energy since the day of the newest sample began, or since the first sample in it."""
        return None if self.last is None else round(max(0.0, self.last - self.base), _PRECISION)

    def _begin(self, value: float, at: float, day: Day) -> None:
        self.last, self.at, self.date, self.doubts = value, at, day.date, 0
        self.base, self.since, self.whole = value, at, False

    def _enter_day(self, last: float, value: float, at: float, day: Day) -> None:
        """Take the midnight between two samples to be as far between their values."""
        gap, before = at - self.at, day.began - self.at
        if not 0 <= before <= gap <= _DAY or not gap:
            self.base, self.since, self.whole = value, at, False
            return
        self.base, self.since = last + (value - last) * before / gap, day.began
        self.whole = gap <= _HOUR or value - last < _MOVED


@dataclass(slots=True)
class Today:
    """A counter that the inverter resets every day."""

    last: float | None = None
    at: float = 0.0
    date: str = ""
    stale: float = 0.0
    """What it showed of the day before when this day began; 0 after its reset."""
    stuck: bool = False
    """It stays 0 while the lifetime counter moves."""

    def enter(self, value: float, at: float, day: Day, total: Total | None) -> float | None:
        """Energy of this day; None if it cannot be told.

        `total`: its lifetime counter, if that was believed in the same reading.
        """
        whole = total is not None and total.whole
        if self.last is not None and self.date != day.date:
            moved = total.today() if total is not None and whole else None
            self.stale = self._stale(self.last, value, at, moved)
        elif value < self.stale:
            self.stale = 0.0
        self.last, self.at, self.date = value, at, day.date
        energy = round(value - self.stale, _PRECISION)
        if energy > 0:
            self.stuck = False
            return energy
        moved = total.today() if total is not None else None
        self.stuck = self.stuck or (moved is not None and moved > _MOVED)
        if not self.stuck:
            return energy
        return moved if whole else None

    def _stale(self, last: float, value: float, at: float, moved: float | None) -> float:
        """The part of a new day's first sample that is yesterday's energy."""
        if value < last:
            return 0.0
        if moved is not None:
            return 0.0 if abs(value - moved) < abs(value - last - moved) else last
        return last if value == last or at - self.at <= _HOUR else 0.0


@dataclass(slots=True)
class Integral:
    """Energy of today, integrated from samples of a power."""

    kwh: float = 0.0
    date: str = ""
    since: float = 0.0
    """From when on it counts, in the day `date`."""

    def enter(
        self, watts: float, watts_before: float | None, seconds: float, at: float, day: Day
    ) -> None:
        """Add the time since the sample before, as far as it is of this day.

        The power is taken to have gone evenly from one sample to the other. `seconds` is 0 where
        the interval is not known.
        """
        if self.date != day.date:
            self.kwh, self.date, self.since = 0.0, day.date, max(day.began, at - seconds)
        if watts_before is not None:
            hours = min(seconds, at - day.began) / _HOUR
            self.kwh += (watts + watts_before) / 2 * hours / 1000


@dataclass(slots=True)
class Rising:
    """A figure made of several counters, which do not tick at the same time, kept from falling."""

    last: float | None = None
    date: str = ""

    def enter(self, value: float, date: str = "") -> float:
        """The figure to publish; `date` is the day of a figure that begins anew every day."""
        if self.date != date or self.last is None or not 0 < self.last - value <= _TICKS:
            self.last, self.date = value, date
        return self.last


@dataclass(slots=True)
class Stopwatch:
    """Measures the time between samples on a clock that only goes forward."""

    at: float | None = None
    seconds: float = 0.0
    """The newest interval."""

    def lap(self, monotonic: float) -> float:
        """Seconds since the sample before; 0 after a gap too long to say what was in it."""
        if self.at is None:
            self.at = monotonic
            return 0.0
        seconds, before = monotonic - self.at, self.seconds
        self.at, self.seconds = monotonic, seconds
        return seconds if seconds <= max(_LONGEST_GAP, _GAPS * before) else 0.0
