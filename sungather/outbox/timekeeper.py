"""When a reading was taken, on machines whose clock is not set yet, or is set anew while we run.

A small computer without a clock battery starts in the past, often at the time of its last
shutdown, and jumps when the time servers answer. What was read before is re-stamped then, by the
clock that only goes forward. Within one boot that makes every stamp right, whichever way the
clock jumped, and keeps the order.
"""

import time
from datetime import UTC, datetime
from pathlib import Path

from sungather.clock import Clock
from sungather.outbox.record import milliseconds

EARLIEST_MS = 1_767_225_600_000
"""2026-01-01: a clock that shows an earlier time was never set."""
JUMP_MS = 1000
"""Corrections below this are the ordinary slewing of a clock."""
_AT_ONCE_S = 0.2
STEADY_S = 3600.0
"""How long a clock must go on without a jump before readings are dropped for their age."""
PATIENCE_S = 600.0
"""How long a clock that is behind the newest stored reading may take to be set. An island without
time servers has no better time to wait for."""
UNSET_PATIENCE_S = 86_400.0
"""The same for a clock that was never set. Longer, because it is wrong by years: after a power cut
the way to the time servers may be down for hours, and a database in the house is not."""
LATE_MS = 2 * 3_600_000
"""A machine that begins with a saved time saves it at least once an hour, so its clock is behind
by no more than this. A reading farther ahead is one of a wrong clock: nothing waits for it."""


def boot_identity() -> str:
    """Changes with every start of the machine; on systems that do not tell, with the process."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return f"{time.time_ns():x}"


def since_boot() -> float:
    """Seconds that also count while the machine is suspended."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class Timekeeper:
    """Watches the distance between the wall clock and the one that only goes forward."""

    def __init__(self, clock: Clock, boot: str) -> None:
        self._clock = clock
        self.boot = boot
        self._offset_ms = self._measure()
        self._floor_ms = EARLIEST_MS
        self._steady_since = clock.monotonic()
        self._started = self._steady_since
        self.doubt = ""
        """What is wrong with the clock, in words; empty when nothing is known against it."""
        self.holds = False
        """Whether deliveries wait for it."""

    def _measure(self) -> int:
        while True:
            before = self._clock.monotonic()
            now = milliseconds(self._clock.now())
            after = self._clock.monotonic()
            if after - before < _AT_ONCE_S:
                return now - round(after * 1000)
            # The process was held up between the two clocks; that is no jump.

    def now_ms(self) -> int:
        """The wall clock, right or not."""
        return milliseconds(self._clock.now())

    @property
    def offset_ms(self) -> int:
        """Wall clock minus forward clock: what stamps of this boot are computed with."""
        return self._offset_ms

    def resume(self, newest_ms: int, boot: str) -> None:
        """Say what the outbox holds from before: a clock a little behind that is not set yet."""
        if boot != self.boot and newest_ms - self.now_ms() <= LATE_MS:
            self._floor_ms = max(self._floor_ms, newest_ms)

    def jumped(self) -> bool:
        """Whether the clock was set since the last call; `offset_ms` is right afterwards."""
        offset = self._measure()
        if abs(offset - self._offset_ms) <= JUMP_MS:
            return False
        self._offset_ms = offset
        self._floor_ms = EARLIEST_MS
        self._steady_since = self._clock.monotonic()
        return True

    def steady(self) -> bool:
        """Whether the clock went on without a jump for so long that ages may be judged by it."""
        return self._clock.monotonic() - self._steady_since >= STEADY_S

    def trusted(self) -> bool:
        """Whether stamps of this run may leave the house; until then deliveries wait."""
        now = self.now_ms()
        unset, late = now < EARLIEST_MS, now < self._floor_ms
        patience = UNSET_PATIENCE_S if unset else PATIENCE_S
        waited = self._clock.monotonic() - self._started >= patience
        self.holds = late and not waited
        if unset:
            shown = datetime.fromtimestamp(now / 1000, UTC)
            hours = round(patience / 3600)
            what = (
                f"It was not set within {hours} hours, so readings carry the time that it shows"
                if waited
                else "What was read since its start waits until it is set, for only then its time "
                f"is known, {hours} hours at most"
            )
            self.doubt = (
                f"The clock of this machine was never set: it shows {shown:%Y-%m-%d %H:%M} UTC. "
                f"{what}. Set it, or let the machine reach a time server."
            )
        elif late:
            minutes = round(PATIENCE_S / 60)
            self.doubt = (
                "The clock of this machine is behind the readings of its last run, and was not "
                f"set within {minutes} minutes. Readings carry the time that it shows."
                if waited
                else "The clock of this machine is behind the readings of its last run, so it is "
                f"not set yet. Deliveries wait for that, {minutes} minutes at most."
            )
        else:
            self._floor_ms = EARLIEST_MS
            self.doubt = ""
        return not self.holds
