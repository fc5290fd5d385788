"""Requests to one device, one at a time: retries, pauses, and what repeated trouble means."""

import asyncio
from collections.abc import Sequence

from sungather import errors
from sungather.back_off import BackOff, Sleep
from sungather.clock import Clock
from sungather.registers import Block
from sungather.registers.word_cache import WordCache
from sungather.transports import Transport

WRONG_UNIT_AFTER = 3600.0
"""Seconds of nothing but contention after which the unit id is to blame (transports.md, §1)."""
_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 2.0
_SPREAD = (0.5, 1.0)
"""Share of each pause, at random: never in step with other clients."""


class Requester:
    """Reads blocks through a transport, with `retries` further tries where that can help.

    Every answer goes into `words`.
    """

    def __init__(
        self,
        transport: Transport,
        unit: int,
        retries: int,
        clock: Clock,
        sleep: Sleep = asyncio.sleep,
        words: WordCache | None = None,
    ) -> None:
        self.transport = transport
        self.words = words or WordCache()
        self.unit = unit
        self._retries = retries
        self._clock = clock
        self._back_off = BackOff(_FIRST_PAUSE, _LONGEST_PAUSE, spread=_SPREAD, sleep=sleep)
        self._contended_since: float | None = None

    async def read(
        self, block: Block, retries: int | None = None, *, patient: bool = True
    ) -> Sequence[int]:
        """Words of the block; `patient`: whether silence is worth another try, too.

        Raises:
            Refused: At once, for it is final.
            Silent, ConnectionLost, Busy: The last of them, after all tries.
            WrongUnit: Nothing but `Busy` for an hour.
            InverterError: Errors of connecting, at once: another try within the same scan would
                meet the same wall.
        """
        self._back_off.reset()
        for left in reversed(range(1 + (self._retries if retries is None else retries))):
            try:
                words = await self.transport.read(block, self.unit)
            except errors.Busy as error:
                self._note_contention(error)
                if not left:
                    raise
                await self._back_off.wait()
            except (errors.Silent, errors.ConnectionLost):
                if not left or not patient:
                    raise
            except errors.Refused:
                self._contended_since = None
                raise
            else:
                self._contended_since = None
                self.words.add(block, words, self._clock.monotonic())
                return words
        raise AssertionError("unreachable: the last try returns or raises")

    def _note_contention(self, error: errors.Busy) -> None:
        now = self._clock.monotonic()
        if self._contended_since is None:
            self._contended_since = now
        if now - self._contended_since >= WRONG_UNIT_AFTER:
            raise errors.WrongUnit(
                f"For an hour the device has answered nothing but 'busy' on unit {self.unit}. "
                f"Check inverter.unit: 1 is the inverter itself, 2 the second one of a cascade."
            ) from error
