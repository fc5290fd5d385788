"""How an exporter works off its part of the outbox: the interface, back-off and health.

A destination that can take history needs one class with `deliver` (see `Destination`); queueing,
restarts, waiting and reporting are done here.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from sungather.clock import Clock
from sungather.errors import Blocked, Unavailable
from sungather.outbox import Feed, Record
from sungather.reading import Reading
from sungather.service import Health

log = logging.getLogger(__name__)

Sleep = Callable[[float], Awaitable[None]]

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
        Raises Unavailable to keep all of them for later, Blocked if a person must act.
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
        figures = feed.figures()
        return Health(
            self._name,
            self.state,
            self.message,
            figures.queue,
            figures.delivered,
            figures.rejected,
            figures.dropped,
            self.last_success,
        )


class BackOff:
    """Waits that double, up to a minute."""

    def __init__(self, sleep: Sleep) -> None:
        self._sleep = sleep
        self._next = FIRST_WAIT

    def reset(self) -> None:
        """The other side works."""
        self._next = FIRST_WAIT

    async def wait(self, error: Unavailable) -> None:
        """Wait after a failure: as the other side asks, else longer each time."""
        wait = self._next if error.retry_after is None else max(error.retry_after, FIRST_WAIT)
        self._next = min(self._next * 2, LONGEST_WAIT)
        await self._sleep(max(wait, BLOCKED_WAIT) if isinstance(error, Blocked) else wait)


class Delivery:
    """The service of a destination: delivers what the outbox holds, oldest first."""

    def __init__(
        self,
        name: str,
        feed: Feed,
        destination: Destination,
        clock: Clock,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.name = name
        self._feed = feed
        self._destination = destination
        self._status = Status(name, clock)
        self._back_off = BackOff(sleep)

    def take(self, reading: Reading) -> None:
        """Nothing to do: the outbox stores the reading and wakes the feed."""

    async def run(self) -> None:
        """Deliver until cancelled."""
        try:
            while True:
                records = await self._feed.batch(self._destination.batch)
                try:
                    rejected = await self._destination.deliver(records)
                except Unavailable as error:
                    self._status.waits(error)
                    await self._back_off.wait(error)
                    continue
                await self._feed.settle(records, rejected)
                self._status.works()
                self._back_off.reset()
                for reason in dict.fromkeys(rejected.values()):
                    log.warning("%s refused a reading for good: %s", self.name, reason)
        finally:
            self._status.stopped()
            self._destination.close()

    def health(self) -> Health:
        """State, queue and last success."""
        return self._status.health(self._feed)
