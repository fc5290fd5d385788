"""What other programs have asked of a device in vain, and for how long it is left at that."""

from collections.abc import Sequence
from dataclasses import dataclass

from sungather import errors
from sungather.clock import Clock
from sungather.registers import Block
from sungather.registers.refusals import WAITS

REFUSED = tuple(wait.total_seconds() for wait in WAITS)
"""Seconds until a refused block is asked for again; longer each time that it is refused anew."""
SILENT = (60.0, 600.0)
"""The same of one that stayed unanswered: once may be chance."""
_BUSY = (1.0,)
_MOST = 256


@dataclass(frozen=True, slots=True)
class _Failure:
    error: errors.InverterError
    until: float
    times: int


class FailedReads:
    """Block -> what the device said, as long as that is told instead of asking it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures: dict[Block, _Failure] = {}

    def of(self, block: Block) -> errors.InverterError | None:
        """What is said instead of asking for the block; None if it is to be asked for."""
        failure = self._failures.get(block)
        return failure.error if failure and self._clock.monotonic() < failure.until else None

    def note(
        self, block: Block, error: errors.InverterError, *, expected: bool = False
    ) -> errors.InverterError:
        """Remember the error, which is given back; an expected one counts like the second."""
        before = self._failures.pop(block, None)
        again = before is not None and type(before.error) is type(error)
        times = before.times + 1 if before and again else 1 + expected
        waits = _waits(error)
        until = self._clock.monotonic() + waits[min(times, len(waits)) - 1]
        self._failures[block] = _Failure(error, until, times)
        while len(self._failures) > _MOST:
            del self._failures[next(iter(self._failures))]
        return error

    def forget(self, block: Block) -> None:
        """The device has given it."""
        self._failures.pop(block, None)

    def clear(self) -> None:
        """Forget everything."""
        self._failures.clear()


def _waits(error: errors.InverterError) -> Sequence[float]:
    if isinstance(error, errors.Refused):
        return REFUSED
    return _BUSY if isinstance(error, errors.Busy) else SILENT
