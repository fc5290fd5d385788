"""How an exporter works off its part of the outbox: the interface, back-off and health.

A destination that can take history needs one class with `deliver` (see `Destination`); queueing,
restarts, waiting and reporting are done here.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import ClassVar, Protocol

from sungather.back_off import BackOff, Sleep
from sungather.clock import Clock
from sungather.errors import Blocked, Unavailable
from sungather.outbox import Feed, Record, RejectedRecord
from sungather.reading import Reading
from sungather.service import Health

log = logging.getLogger(__name__)

FIRST_WAIT = 1.0
LONGEST_WAIT = 60.0
BLOCKED_WAIT = 300.0
"""Seconds between tries while a person must act."""


class Destination(Protocol):
    """The other side of one exporter."""

    batch: int
    """Most records at a time."""

    async def deliver(self, records: Sequence[Record]) -> Mapping[int, str]:
        """Hand over `records`; returns when the other side has acknowledged them.

        Returns the ids of those that it refused for good, with the reason; they are set aside.

        Raises:
            Unavailable: all of them are kept for later.
            Blocked: the same, until a person has acted.
        """
        ...

    def close(self) -> None:
        """Let go of connections; may be called at any time."""
        ...


class Status:
    """State of an exporter, in the words of `Health`; changes are logged once."""

    def __init__(self, name: str, clock: Clock) -> None:
        self.state = "starting"
        self.message = ""
        self.last_success: datetime | None = None
        self._name = name
        self._clock = clock

    def works(self) -> None:
        """The other side has acknowledged something."""
        if self.state != "ok":
            log.info("%s: delivering", self._name)
        self.state, self.message, self.last_success = "ok", "", self._clock.now()

    def waits(self, error: Unavailable) -> None:
        """The other side is down, or a person must act."""
        self.trouble("blocked" if isinstance(error, Blocked) else "waiting", str(error))

    def trouble(self, state: str, message: str) -> None:
        """Note a state other than ok."""
        if (state, message) != (self.state, self.message):
            log.warning("%s: %s", self._name, message)
        self.state, self.message = state, message

    def stopped(self) -> None:
        """Nothing is delivered any more."""
        self.state = "stopped"

    def health(self, feed: Feed) -> Health:
        """The health of an exporter with this status and the counts of its feed."""
        figures = feed.stats()
        state, message = self.state, self.message
        if figures.doubt and state in ("starting", "ok"):
            state = "waiting" if figures.held else state
            message = figures.doubt
        return Health(
            self._name,
            state,
            message,
            figures.queue,
            figures.delivered,
            figures.rejected,
            figures.dropped,
            self.last_success,
        )


class DeliveryLoop(ABC):
    """The service of every exporter that the outbox feeds: works, waits and says how it goes."""

    is_prompt: ClassVar[bool] = True
    """Whether a reading is taken as soon as the other side is there."""

    def __init__(self, name: str, feed: Feed, clock: Clock, sleep: Sleep) -> None:
        self.name = name
        self._feed = feed
        self._sleep = sleep
        self._status = Status(name, clock)
        self._back_off = BackOff(FIRST_WAIT, LONGEST_WAIT)

    @abstractmethod
    async def step(self) -> float:
        """Do what there is to do now; seconds until there is more.

        Raises:
            Unavailable: the other side does not take it; it is tried again.
        """

    async def load(self) -> None:  # noqa: B027 (few have anything to load)
        """Take up what an earlier run has noted. `run` does it first."""

    def close(self) -> None:  # noqa: B027 (few keep anything open between steps)
        """Let go of connections; may be called at any time."""

    def on_reading(self, reading: Reading) -> None:  # noqa: B027
        """Nothing to do: the outbox stores the reading and wakes the feed."""

    async def run(self) -> None:
        """Deliver until cancelled."""
        try:
            await self.load()
            while True:
                if wait := await self.round():
                    await self._sleep(wait)
        finally:
            self._status.stopped()
            self.close()

    async def round(self) -> float:
        """One step, or the wait after one that failed; seconds to wait."""
        try:
            wait = await self.step()
        except Unavailable as error:
            go_on_unless_cancelled()
            self._status.waits(error)
            return self._wait_after(error)
        self._back_off.reset()
        return wait

    def health(self) -> Health:
        """State, queue and last success."""
        return self._status.health(self._feed)

    async def rejected(self) -> list[RejectedRecord]:
        """What the other side refused for good, oldest first."""
        return await self._feed.rejected()

    async def send_again(self) -> int:
        """Try what was refused once more; how many that are."""
        return await self._feed.send_again()

    def _wait_after(self, error: Unavailable) -> float:
        """Seconds to wait after a failure: as the other side asks, else longer each time."""
        wait = self._back_off.next()
        if error.retry_after is not None:
            wait = max(error.retry_after, FIRST_WAIT)
        return max(wait, BLOCKED_WAIT) if isinstance(error, Blocked) else wait


class Delivery(DeliveryLoop):
    """Delivers to a `Destination` what the outbox holds, oldest first."""

    def __init__(
        self,
        name: str,
        feed: Feed,
        destination: Destination,
        clock: Clock,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        super().__init__(name, feed, clock, sleep)
        self._destination = destination

    async def step(self) -> float:
        """Deliver one batch, as soon as there is one."""
        records = await self._feed.batch(self._destination.batch)
        rejected = await self._destination.deliver(records)
        await self._feed.ack(records, rejected)
        self._status.works()
        for reason, count in Counter(rejected.values()).items():
            log.warning(
                "%s refused %d reading(s) for good: %s. They are kept: see 'sungather rejected'.",
                self.name, count, reason,
            )  # fmt: skip
        return 0.0

    def close(self) -> None:
        """Let go of the destination's connections."""
        self._destination.close()


def go_on_unless_cancelled() -> None:
    """Notice a cancellation that a library has swallowed.

    A disconnect of aiomqtt that fails hides it, and so does Python 3.11's `asyncio.wait_for` when
    what it waits for arrives at the same moment.

    Raises:
        CancelledError: this task was cancelled.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def end(tasks: Sequence["asyncio.Task[None]"]) -> None:
    """Cancel tasks, and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
