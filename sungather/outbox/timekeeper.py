"""When a reading was taken, on machines whose clock is not set yet, or is set anew while we run.

A small computer without a clock battery starts in the past, often at the time of its last
shutdown, and jumps when the time servers answer. What was read before is re-stamped then, by the
clock that only goes forward. Within one boot that makes every stamp right, whichever way the
clock jumped, and keeps the order.
"""

import time
from pathlib import Path

from sungather.clock import Clock
from sungather.outbox.record import milliseconds

EARLIEST_MS = 1_767_225_600_000
"""2026-01-01: a clock that shows an earlier time was never set."""
JUMP_MS = 1000
"""Corrections below this are the ordinary slewing of a clock."""
_AT_ONCE_S = 0.2
PATIENCE_S = 600.0
"""How long a clock that is behind the newest stored reading may take to be set. An island without
time servers has no better time to wait for."""


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
        self._deadline = clock.monotonic() + PATIENCE_S

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
        """Say what the outbox holds from before: a clock behind that is not set yet."""
        if boot != self.boot:
            self._floor_ms = max(self._floor_ms, newest_ms)

    def jumped(self) -> bool:
        """Whether the clock was set since the last call; `offset_ms` is right afterwards."""
        offset = self._measure()
        if abs(offset - self._offset_ms) <= JUMP_MS:
            return False
        self._offset_ms = offset
        self._floor_ms = EARLIEST_MS
        return True

    def trusted(self) -> bool:
        """Whether stamps may leave the house; until then deliveries wait."""
        now = self.now_ms()
        if now < EARLIEST_MS:
            return False
        if now >= self._floor_ms or self._clock.monotonic() >= self._deadline:
            self._floor_ms = EARLIEST_MS
            return True
        return False
