"""Growing waits between tries: the one place for them."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence

Sleep = Callable[[float], Awaitable[None]]


class BackOff:
    """Waits that grow from `first` to `longest` seconds, and begin anew after `reset`.

    Args:
        first: Seconds of the first wait.
        longest: Seconds of the last wait, which is repeated.
        between: The waits between the two; if not given, each wait is twice the one before.
        spread: Every wait is multiplied by a random number from this range, so that clients do
            not come back in step.
        sleep: How `wait` sleeps.
        uniform: Gives a random number from a range.
    """

    def __init__(
        self,
        first: float,
        longest: float,
        *,
        between: Sequence[float] | None = None,
        spread: tuple[float, float] = (1.0, 1.0),
        sleep: Sleep = asyncio.sleep,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        if between is None:
            doubled = (first * 2**times for times in range(1, 32))
            between = [step for step in doubled if step < longest]
        self._steps = (first, *between, longest)
        self._spread = spread
        self._sleep = sleep
        self._uniform = uniform
        self._taken = 0

    def reset(self) -> None:
        """It works: the next wait is the first again."""
        self._taken = 0

    def next(self) -> float:
        """Seconds of the next wait, for callers that sleep themselves."""
        step = self._steps[min(self._taken, len(self._steps) - 1)]
        self._taken += 1
        return step * self._uniform(*self._spread)

    async def wait(self, at_least: float = 0.0) -> None:
        """Sleep for the next wait, or for `at_least` seconds if that is longer."""
        await self._sleep(max(self.next(), at_least))
