"""Whether the counters of today are today's: when the day of the device itself began.

A device resets its counters when its own clock says midnight. One that sleeps then does so when it
wakes, and shows yesterday until that. Nothing but the device can prove which of both it is:

* Its clock (registers 5000 ff.), where that is read, was set once and runs: a counter without a
  reset since the device's midnight shows yesterday's energy, and what it has counted since is
  today's. A device that is awake and resets its counters at another time gives them another day
  than its clock says; until it has either reset them or gone on for an hour, nobody knows.
* Its reset: from then on the counter is today's.
* Without its clock, a counter that shows the same past midnight as before is doubtful. One that
  goes on counting for an hour after is not: the device is awake, so its day begins at another time
  than ours (the machine may be on UTC), and its counters are right. It takes three where it was
  seen to wake after midnight: the reset may be late.

Our clock only ever raises a doubt, and a doubtful value is absent. It never changes a value.
"""

from dataclasses import dataclass
from datetime import datetime

from sungather.registers.counters import CLOCK_SET, DAY, HOUR, Day, Today

_APART = 2 * HOUR
"""How far a reset may be from midnight, ours or that of the device's clock: either may know no
summer time."""
_AFTER_WAKING = 3 * HOUR
"""How long after waking a device may reset its counters."""
_LATE = 300.0
"""Seconds by which the resets of one midnight may be seen apart."""
_FIRST_YEAR = 2015
"""No device of the map was set earlier; one that nobody has set begins in 2000, say."""


@dataclass(slots=True)
class DeviceDay:
    """What is known of the day of one device, in moments of the time line."""

    own: bool = False
    """It is known to begin at another time than ours."""
    awake_from: float = 0.0
    """Since when counters have moved, without standing still for an hour."""
    awake_until: float = 0.0
    """When one moved last."""
    reset: float = 0.0
    """The newest reset of any counter."""
    midnight: float | None = None
    """A midnight of the device's clock."""
    clock_misleads: bool = False
    """The device's day is known to begin at another time than its clock says."""
    clock_text: str = ""
    """What its clock said last."""
    clock_since: float = 0.0
    """When it said so first."""

    def clock_was_set(self) -> None:
        """Our clock was wrong: what was learned from it is forgotten."""
        self.own = False

    def read_clock(self, text: object, moment: float) -> None:
        """Take note of the device's clock, as `kinds.clock` writes it."""
        if text == self.clock_text:
            if moment - self.clock_since > CLOCK_SET:  # it stands; a dongle may say it once more
                self.midnight = None
            return
        self.clock_text, self.clock_since = str(text), moment
        try:
            told = datetime.fromisoformat(self.clock_text)
        except ValueError:
            told = None
        before = self.midnight
        if told is None or told.year < _FIRST_YEAR:
            self.midnight = None
            return
        self.midnight = moment - (told - told.replace(hour=0, minute=0, second=0)).total_seconds()
        if before is not None and CLOCK_SET < (self.midnight - before) % DAY < DAY - CLOCK_SET:
            self.clock_misleads = False  # somebody has set it

    def moved(self, moment: float) -> None:
        """A counter has counted that does so only while the device is awake."""
        if moment - self.awake_until > HOUR:
            self.awake_from = moment
        self.awake_until = moment

    def was_reset(self, moment: float, at: float, day: Day) -> None:
        """A counter has begun anew."""
        self.reset = moment
        away = at - day.began
        awake = moment - self.awake_until <= HOUR and moment - self.awake_from >= _AFTER_WAKING
        if away <= _APART or away >= DAY - _APART:
            self.own = False
        elif awake:
            self.own = True
        if awake and self.midnight is not None:
            self.clock_misleads = _APART < (moment - self.midnight) % DAY < DAY - _APART

    def expects_reset(self, today: Today, moment: float) -> bool:
        """Whether it has just been midnight by the device's clock, and the counter goes on."""
        began = self.began(moment)
        return began is not None and moment - began <= _LATE and today.since < began - _APART

    def is_yesterdays(self, today: Today, moment: float, at: float, day: Day) -> bool | None:
        """Whether the counter still shows the energy of a day that is over; None: not known."""
        clock_says = self.began(moment)
        if not today.last or (self.own and clock_says is None):
            return False
        began = moment - (at - day.began) if clock_says is None else clock_says
        reset = self.reset >= began - _APART and today.since >= self.reset - _LATE
        if today.since >= began or reset or self._counts_on(began, clock_says is not None):
            return False
        was_awake = self.awake_from <= began <= self.awake_until + HOUR
        return None if clock_says is None or was_awake else True

    def began(self, moment: float) -> float | None:
        """When the device's day began by its clock; None where that does not tell."""
        if self.midnight is None or self.clock_misleads:
            return None
        return moment - (moment - self.midnight) % DAY

    def _counts_on(self, began: float, by_its_clock: bool) -> bool:
        """Whether counters have gone on for an hour of the new day, and none was reset.

        Against its clock a device must have been awake when that day began: a sleeping one may
        have woken long before its reset.
        """
        woke = self.awake_from > began
        if self.reset >= began - _APART or (woke and by_its_clock):
            return False
        counted = self.awake_until - max(self.awake_from, began)
        if counted < (_AFTER_WAKING if woke else HOUR):
            return False
        self.own = True
        self.clock_misleads |= by_its_clock
        return True
