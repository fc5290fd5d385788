"""Energy counters that sometimes lie, and what can be said of today all the same.

Measured on inverters in use: counters show a zero, or a number that is far too high, for one
sample; counters of today are not reset at midnight while the inverter sleeps, or stay 0 all day
while the lifetime counter moves. And where there is no counter, power is integrated.

A counter of today is the device's: it begins anew when the device's clock says so, and no clock
of ours alters it. See `device_day.py` for what tells that it still shows yesterday.

Times `at` are UTC seconds (POSIX) of a clock that may be set; a `moment` is seconds on a time
line that only goes forward (`TimeLine`). Energies are kWh, powers W, bounds kW. All state is plain
numbers, so that it can be stored.
"""

from dataclasses import dataclass
from enum import Enum
from math import inf

ACCEPTED_AFTER_SAMPLES = 3
ACCEPTED_AFTER_SECONDS = 600.0
"""A lower counter is believed when it stays that long, and for so many samples."""
RISE_ACCEPTED_AFTER_SECONDS = 3600.0
"""The same for a lifetime counter that rose faster than power allows: the time of a restart may be
misjudged where the clock is not set yet."""
RESET_ACCEPTED_AFTER_SECONDS = 45.0
"""A counter of today has begun anew when two samples that far apart say so."""

HOUR = 3600.0
DAY = 24 * HOUR
_LIFE = 40 * 365 * DAY
_LONGEST_GAP = 900.0
"""Seconds between two samples over which power is integrated whatever the scan interval is."""
_GAPS = 2.5
"""Longer gaps are bridged if they are at most so many times as long as the one before."""
_PRECISION = 3
_MOVED = 1.05
"""kWh by which a lifetime counter must move to prove that today's counter stands still; some
lifetime counters have steps of 1 kWh."""
_STEP = 2.0
"""kWh by which a counter may rise at once, whatever the power: steps, and values that are late."""
CLOCK_SET = 60.0
"""Seconds by which two clocks may differ before one of them is taken to have been set."""

_TICKS = 2.0
"""kWh by which a figure made of counters may fall because they do not tick at the same time."""


@dataclass(frozen=True, slots=True)
class Day:
    """The local day of a sample: its date, and when it began (UTC seconds)."""

    date: str
    began: float


@dataclass(slots=True)
class TimeLine:
    """Seconds that only go forward, also across restarts, whatever is done to the clock."""

    moment: float = 0.0
    at: float = 0.0
    """The clock at that moment, UTC seconds."""

    def advance(self, at: float, seconds: float | None) -> bool:
        """Go on to now; `seconds` have passed, or None where only the clock can tell.

        Returns whether the clock was set since.
        """
        if not self.moment:
            self.moment = self.at = at
            return False
        by_clock = at - self.at
        passed = max(0.0, by_clock) if seconds is None else seconds
        self.moment, self.at = self.moment + passed, at
        return abs(by_clock - passed) > CLOCK_SET


class Verdict(Enum):
    """What a counter's new sample is worth."""

    BELIEVED = "believed"
    DOUBTED = "doubted"
    """The first sample that cannot follow the last one; not to be published."""
    STILL_DOUBTED = "still doubted"
    RESET = "reset"
    """The oddity has lasted: the counter began anew."""


@dataclass(slots=True)
class Counter:
    """A counter that only rises, but for resets; what it may be is bounded by power and time."""

    last: float | None = None
    """The newest sample that was believed."""
    at: float = 0.0
    """When that was, by the clock."""
    date: str = ""
    """Local day of that sample."""
    moment: float = 0.0
    """When that was, on the time line."""
    changed: float = 0.0
    """The moment at which it was first seen to be `last`."""
    doubts: int = 0
    """Samples in a row that cannot follow `last`, but can follow each other."""
    doubted: float = 0.0
    """The newest of them."""
    doubted_since: float = 0.0
    """The moment of the first of them."""
    confirmed: bool = True
    """Whether a second sample has followed the one with which it began."""

    @property
    def _outvoted(self) -> bool:
        """Whether two samples that follow each other weigh more than a first one alone."""
        return not self.confirmed and self.doubts > 1 and self.doubted > 0

    def _follows(
        self, value: float, before: float, since: float, moment: float, kw: float
    ) -> bool:
        return 0 <= value - before <= kw * (moment - since) / HOUR + _STEP

    def _doubt(self, value: float, moment: float, kw: float) -> float:
        """Count a sample that cannot follow; seconds for which such samples have lasted."""
        before, since = self.doubted, self.doubted_since
        if not self.doubts or not self._follows(value, before, since, moment, kw):
            self.doubts, self.doubted_since = 0, moment
        self.doubts, self.doubted = self.doubts + 1, value
        return moment - self.doubted_since

    def _believe(self, value: float, at: float, day: Day, moment: float) -> None:
        if value != self.last:
            self.changed = moment
        self.last, self.at, self.date, self.moment = value, at, day.date, moment
        self.doubts = 0


@dataclass(slots=True)
class Total(Counter):
    """A lifetime counter."""

    base: float = 0.0
    """What it showed when `date` began, or at the first sample after that."""
    since: float = 0.0
    """When `base` was so, by the clock."""
    whole: bool = False
    """`base` is known to be from the beginning of the day."""

    def enter(
        self, value: float, at: float, day: Day, moment: float | None = None, kw: float = inf
    ) -> Verdict:
        """Judge a sample, and count the day's energy from it if it is believed.

        `kw` is the greatest power that it can count.
        """
        moment = at if moment is None else moment
        if value * HOUR > kw * _LIFE:
            self.doubts += 1
            return Verdict.DOUBTED if self.doubts == 1 else Verdict.STILL_DOUBTED
        if self.last is not None and not self._follows(value, self.last, self.changed, moment, kw):
            lasted = self._doubt(value, moment, kw)
            fall = value < self.last
            enough = ACCEPTED_AFTER_SECONDS if fall else RISE_ACCEPTED_AFTER_SECONDS
            stays = self.doubts >= ACCEPTED_AFTER_SAMPLES and lasted >= enough
            if not stays and not (self._outvoted and lasted >= RESET_ACCEPTED_AFTER_SECONDS):
                return Verdict.DOUBTED if self.doubts == 1 else Verdict.STILL_DOUBTED
            self._begin(value, at)
            self._believe(value, at, day, moment)
            return Verdict.RESET
        self.confirmed = bool(self.last)  # 0 is what a dongle shows that has just started
        if self.last is None:
            self._begin(value, at)
        elif self.date != day.date:
            self._enter_day(self.last, value, at, day, moment)
        self._believe(value, at, day, moment)
        return Verdict.BELIEVED

    def today(self) -> float | None:
        """Energy since the day of the newest sample began, or since the first sample in it."""
        return None if self.last is None else round(max(0.0, self.last - self.base), _PRECISION)

    def _begin(self, value: float, at: float) -> None:
        self.base, self.since, self.whole = value, at, False

    def _enter_day(self, last: float, value: float, at: float, day: Day, moment: float) -> None:
        """Take the midnight between two samples to be as far between their values."""
        gap, before = at - self.at, day.began - self.at
        clock_was_set = abs(gap - (moment - self.moment)) > CLOCK_SET
        if clock_was_set or not 0 <= before <= gap <= DAY or not gap:
            self._begin(value, at)
            return
        self.base, self.since = last + (value - last) * before / gap, day.began
        self.whole = gap <= HOUR or value - last < _MOVED


@dataclass(slots=True)
class Today(Counter):
    """A counter that the inverter resets every day."""

    stale: float = 0.0
    """What it showed when the device's day ended; 0 unless it is known to show that still."""
    stale_from: float = 0.0
    """The moment at which that day ended."""
    stuck: bool = False
    """It stays 0 while the lifetime counter moves."""
    since: float = 0.0
    """The moment from which on it was seen without a reset; nothing of before is in it."""
    previous: float = 0.0
    """The sample before `last`."""
    total: float | None = None
    """The lifetime counter together with `last`."""
    total_before: float | None = None
    """The lifetime counter at `since`."""
    missed: float = 0.0
    """kWh that power says it should have counted since it changed."""

    def enter(
        self,
        value: float,
        at: float,
        day: Day,
        total: float | None,
        moment: float | None = None,
        kw: float = inf,
        total_doubted: bool = False,
        reset_is_due: bool = False,
    ) -> Verdict:
        """Judge a sample. RESET: the device's day has begun since the sample before.

        `total` is its lifetime counter, if that was believed in the same reading;
        `total_doubted`, whether one was read that is not believed. `reset_is_due`: the device's
        clock says that its day has just begun.
        """
        moment = at if moment is None else moment
        last, gap = self.last, moment - self.moment
        if value > kw * (DAY + HOUR) / HOUR + _STEP:
            self._doubt(value, moment, kw)
            return Verdict.DOUBTED if self.doubts == 1 else Verdict.STILL_DOUBTED
        if last is None:
            self._begin(moment, total)
            self._believe(value, at, day, moment)
            self.total, self.confirmed = total, False
            return Verdict.BELIEVED
        if not self._follows(value, last, self.changed, moment, kw):
            lasted = self._doubt(value, moment, kw)
            fell = value < last
            awaited = reset_is_due or (gap > HOUR and (value > 0 or total is not None))
            seen_twice = self.doubts > 1 and lasted >= RESET_ACCEPTED_AFTER_SECONDS
            stays = self.doubts >= ACCEPTED_AFTER_SAMPLES and lasted >= ACCEPTED_AFTER_SECONDS
            believable = (
                (awaited or seen_twice) if fell else (stays or (self._outvoted and seen_twice))
            )
            if total_doubted or not believable:
                return Verdict.DOUBTED if self.doubts == 1 else Verdict.STILL_DOUBTED
            reset = fell
        else:
            reset = gap > HOUR and self._was_reset(last, value, total)
        if reset:
            self._begin(moment, total)
        elif not value:
            self.since = moment
        if value != last or total != self.total:
            self.missed = 0.0
        self.previous, self.confirmed = last, True
        self._believe(value, at, day, moment)
        self.total = total
        self._see_whether_stuck(total)
        return Verdict.RESET if reset else Verdict.BELIEVED

    def missing(self, kwh: float) -> None:
        """Note that power says so much more should have been counted."""
        self.missed += kwh

    @property
    def silent(self) -> bool:
        """It shows 0 while power says that there is something to count."""
        return self.last == 0 and self.missed > _MOVED

    def _begin(self, moment: float, total: float | None) -> None:
        self.since, self.stale, self.total_before = moment, 0.0, total

    def _was_reset(self, last: float, value: float, total: float | None) -> bool:
        """Whether a counter that nobody watched began anew, though it is not lower than before."""
        if total is None or self.total is None:
            return value != last
        moved = total - self.total
        return abs(value - moved) < abs(value - last - moved)

    def _see_whether_stuck(self, total: float | None) -> None:
        if self.last:
            self.stuck = False
        elif total is not None:
            if self.total_before is None or self.total_before > total:
                self.total_before = total
            self.stuck = self.stuck or total - self.total_before > _MOVED


@dataclass(slots=True)
class Integral:
    """Energy of today, integrated from samples of a power."""

    kwh: float = 0.0
    date: str = ""
    since: float = 0.0
    """From when on it counts, in the day `date`."""
    whole: bool = False
    """Nothing is missing since the day began."""

    def enter(
        self, watts: float, watts_before: float | None, seconds: float, at: float, day: Day
    ) -> None:
        """Add the time since the sample before, as far as it is of this day.

        The power is taken to have gone evenly from one sample to the other. `seconds` is 0 where
        the interval is not known.
        """
        if self.date != day.date:
            self.kwh, self.date, self.since = 0.0, day.date, max(day.began, at - seconds)
            self.whole = self.since == day.began
        self.whole &= watts_before is not None and seconds > 0
        if watts_before is not None:
            hours = min(seconds, at - day.began) / HOUR
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
