"""What reading outside the plan may cost a connection."""

import asyncio
from collections import deque
from enum import Enum

from sungather import errors
from sungather.clock import Clock

BUDGET = 30
"""Requests outside the plan that one connection bears in a minute."""
QUEUE = 8
"""Requests outside the plan that may wait for their turn."""
_AFTER_SILENCE = 60.0
"""Seconds without requests outside the plan after one of them stayed unanswered."""


class Hope(Enum):
    """What is known of a request outside the plan; the value is its share of the budget.

    So a program that tries register after register leaves something to those that know what
    there is.
    """

    LIKELY = BUDGET
    """The device has the register, by what it has answered or by the documents."""
    UNKNOWN = 20
    """No document has the register."""
    FOREIGN = 10
    """By the documents other kinds of devices have the register, and this kind has not."""


class OutsideBudget:
    """What reading outside the plan may cost one connection: a share, and one at a time."""

    def __init__(self, clock: Clock) -> None:
        self.turn = asyncio.Lock()
        self._clock = clock
        self._taken: deque[tuple[float, Hope]] = deque(maxlen=BUDGET)
        self._waiting = 0
        self._closed_until = 0.0

    def enter(self, hope: Hope) -> None:
        """Take a request.

        Raises:
            Busy: There is none to be had now.
        """
        now = self._clock.monotonic()
        while self._taken and now - self._taken[0][0] >= 60.0:
            self._taken.popleft()
        alike = sum(one is hope for _, one in self._taken)
        spent = len(self._taken) == BUDGET or alike >= hope.value
        if spent or self._waiting >= QUEUE or now < self._closed_until:
            raise errors.Busy("Too much is asked for that is outside the read plan.")
        self._taken.append((now, hope))
        self._waiting += 1

    def leave(self) -> None:
        """The request is over."""
        self._waiting -= 1

    def close_for_a_while(self) -> None:
        """The device has left a request unanswered; each such costs everybody its time-out."""
        self._closed_until = self._clock.monotonic() + _AFTER_SILENCE
