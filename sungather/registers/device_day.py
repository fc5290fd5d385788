"""Whether the counters of today are today's: when the day of the device itself began.

A device resets its counters when its own clock says midnight. One that sleeps then does so when it
wakes, and shows yesterday until that. Nothing but the device can prove which of both it is:

* Its clock (registers 5000 ff.), where that is read: a counter without a reset since the device's
  midnight shows yesterday's energy, and what it has counted since is today's.
* Its reset: from then on the counter is today's.
* Without its clock, a counter that shows the same past midnight as before is doubtful. One that
  goes on counting for an hour after is not: the device is awake, so its day begins at another time
  than ours (the machine may be on UTC), and its counters are right.

Our clock only ever raises a doubt, and a doubtful value is absent. It never changes a value.
"""

from dataclasses import dataclass
from datetime import datetime

from sungather.registers.counters import DAY, HOUR, Day, Today

_APART = 2 * HOUR
"""How far the device's midnight may be from ours: its clock may know no summer time."""
_LATE = 300.0
"""Seconds by which resets, and the clock that is read once an hour, may be seen apart."""


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

    def clock_was_set(self) -> None:
        """Our clock was wrong: what was learned from it is forgotten."""
        self.own = False

    def read_clock(self, text: object, moment: float) -> None:
        """Take note of the device's clock, as `kinds.clock` writes it."""
        try:
            told = datetime.fromisoformat(str(text))
        except ValueError:
            self.midnight = None
            return
        self.midnight = moment - (told - told.replace(hour=0, minute=0, second=0)).total_seconds()

    def moved(self, moment: float) -> None:
        """A counter has counted."""
        if moment - self.awake_until > HOUR:
            self.awake_from = moment
        self.awake_until = moment

    def was_reset(self, moment: float, at: float, day: Day) -> None:
        """A counter has begun anew."""
        self.reset = moment
        away = at - day.began
        if away <= _APART or away >= DAY - _APART:
            self.own = False
        elif moment - self.awake_until <= HOUR <= moment - self.awake_from:
            self.own = True

    def is_yesterdays(self, today: Today, moment: float, at: float, day: Day) -> bool | None:
        """Whether the counter still shows the energy of a day that is over; None: not known."""
        if not today.last or (self.own and self.midnight is None):
            return False
        if self.midnight is not None:
            began, apart = moment - (moment - self.midnight) % DAY, _LATE
        else:
            began, apart = moment - (at - day.began), _APART
        reset = self.reset >= began - apart and today.since >= self.reset - _LATE
        if today.since >= began or reset or self._counts_on(began):
            return False
        return True if self.midnight is not None else None

    def _counts_on(self, began: float) -> bool:
        """Whether counters have gone on for an hour of the new day, and none was reset."""
        if self.reset >= began - _APART or self.awake_until - max(self.awake_from, began) < HOUR:
            return False
        self.own = True
        return True
