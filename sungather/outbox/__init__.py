"""What exporters still owe, on disk: nothing that was read is lost over outages and restarts.

Every reading is stored once; each exporter has a cursor of its own. An exporter takes a batch
from its `Feed`, and acks what the other side took (accepted) and what it refused for good
(rejected, set aside with the reason); what it does not ack is kept and comes again.
Delivery is "at least once": after a power cut the last few may be sent a second time.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from sungather.clock import Clock
from sungather.outbox.ledger import Ledger
from sungather.outbox.limits import MEMORY_ROWS, FeedStats, OutboxLimits
from sungather.outbox.record import Record, RejectedRecord, body_of, milliseconds, worth_keeping
from sungather.outbox.timekeeper import Timekeeper, boot_identity, since_boot
from sungather.reading import Reading
from sungather.service import Health
from sungather.worker import Worker

__all__ = ["Feed", "FeedStats", "Outbox", "OutboxLimits", "Record", "RejectedRecord"]

log = logging.getLogger(__name__)

CLOSE_WITHIN = 2.0
"""Seconds that closing may take; a disk that hangs is left alone after that."""
NOTED_WITHIN = 1.0
"""Seconds that a disk has to take a note; after that it is written when the disk goes on."""
_TICK = 10.0
_MINUTE = 60.0


class Feed:
    """One exporter's view of the outbox."""

    def __init__(self, ledger: Ledger, worker: Worker, exporter: str) -> None:
        self._ledger = ledger
        self._worker = worker
        self._exporter = exporter
        self._new = asyncio.Event()
        self._acked = asyncio.Event()

    def notify(self) -> None:
        """There may be something new."""
        self._new.set()

    async def batch(self, limit: int) -> list[Record]:
        """The oldest records that are owed, at most `limit`; waits until there is one."""
        while True:
            if records := await self.batch_now(limit):
                return records
            await self.wait()

    async def wait(self) -> None:
        """Wait until something came, or `notify` was called, since the last `batch_now`."""
        await self._new.wait()

    async def batch_now(self, limit: int) -> list[Record]:
        """Like `batch`, but empty when nothing is owed now."""
        self._new.clear()
        return await self._worker.call(self._ledger.fetch, self._exporter, limit)

    async def ack(
        self,
        acked: Sequence[Record],
        rejected: Mapping[int, str] | None = None,
        notes: Mapping[str, str | None] | None = None,
    ) -> None:
        """Say how the beginning of the last batch went.

        `acked` were acknowledged by the other side, but for those in `rejected` (record id ->
        reason), which it refused for good. Records left out are kept. `notes` (key -> text, None
        removes) are written down in the same transaction.
        """
        await self._worker.call(
            self._ledger.ack, self._exporter, acked, rejected or {}, notes or {}
        )
        self._acked.set()

    async def note(self, notes: Mapping[str, str | None]) -> None:
        """Write down notes alone (see `ack`); a disk that hangs is not waited for."""
        written = self._worker.call(self._ledger.ack, self._exporter, (), {}, notes)
        done, _ = await asyncio.wait((written,), timeout=NOTED_WITHIN)
        for one in done:
            one.result()

    async def drained(self) -> None:
        """Wait until nothing is owed any more."""
        while self.stats().queue:
            self._acked.clear()
            await self._acked.wait()

    async def notes(self) -> dict[str, str]:
        """What was written down with `ack`, also by earlier runs."""
        return await self._worker.call(self._ledger.notes, self._exporter)

    async def rejected(self) -> list[RejectedRecord]:
        """What was given up for this exporter, oldest first."""
        return await self._worker.call(self._ledger.rejected, self._exporter)

    async def send_again(self) -> int:
        """Have what was given up sent once more; how many that are."""
        count = await self._worker.call(self._ledger.send_again, self._exporter)
        self.notify()
        return count

    def stats(self) -> FeedStats:
        """Counts, for health."""
        return self._ledger.stats(self._exporter)


class Outbox:
    """A service that stores every reading for the exporters; see the package's description."""

    name = "outbox"

    def __init__(
        self,
        path: Path,
        limits: OutboxLimits,
        exporters: Sequence[str],
        clock: Clock | None = None,
        boot: str | None = None,
    ) -> None:
        time = Timekeeper(clock or Clock(monotonic=since_boot), boot or boot_identity())
        self._path = path
        self._each_reading = limits.each_reading
        self._worker = Worker("outbox")
        self._ledger = Ledger(path, limits, exporters, time)
        self._feeds = {name: Feed(self._ledger, self._worker, name) for name in exporters}
        self._opened = False
        self._taken = 0
        """Readings handed over, counted by the event loop only …"""
        self._added = 0
        """… and readings that the thread has added, counted by it only."""
        self._left_out = 0
        """Readings for which there was no room while the disk hung."""

    @classmethod
    async def open(
        cls,
        path: Path,
        limits: OutboxLimits,
        exporters: Sequence[str],
        clock: Clock | None = None,
        boot: str | None = None,
    ) -> "Outbox":
        """Open or make the file `path` for these exporters. A broken disk is no error here."""
        outbox = cls(path, limits, exporters, clock, boot)
        await outbox.opening()
        return outbox

    def opening(self) -> "asyncio.Future[None]":
        """Begin to open the file. Whatever is asked for meanwhile waits; readings are taken."""
        future = self._worker.call(self._ledger.open)
        future.add_done_callback(self._was_opened)
        return future

    def _was_opened(self, future: "asyncio.Future[None]") -> None:
        self._opened = not future.cancelled() and future.exception() is None

    def feed(self, exporter: str) -> Feed:
        """The view of one of the exporters."""
        return self._feeds[exporter]

    def on_reading(self, reading: Reading) -> None:
        """Store a reading with values; on the disk a few milliseconds later."""
        if not worth_keeping(reading):
            return
        if self._taken - self._added >= MEMORY_ROWS:
            if not self._left_out:
                log.warning("The outbox's disk hangs, and memory is full: readings are left out.")
            self._left_out += 1
            return
        self._taken += 1
        stored = self._worker.call(
            self._add, reading.name, milliseconds(reading.time), body_of(reading)
        )
        stored.add_done_callback(self._stored)

    def _add(self, name: str, read_ms: int, body: bytes) -> None:
        self._added += 1
        self._ledger.add(name, read_ms, body, more=self._added < self._taken)

    def _stored(self, future: "asyncio.Future[None]") -> None:
        if not future.cancelled() and (error := future.exception()) is not None:
            log.error("A reading could not be stored: %s", error, exc_info=error)
        self._notify()

    def _notify(self) -> None:
        for feed in self._feeds.values():
            feed.notify()

    async def run(self) -> None:
        """Commit by the minute if so configured, watch clock and disk; until cancelled."""
        passed = 0.0
        while True:
            await asyncio.sleep(_TICK)
            passed += _TICK
            due = self._each_reading or passed >= _MINUTE
            passed = 0.0 if due else passed
            await self.tick(write=due)

    async def tick(self, write: bool = True) -> None:
        """One round of `run`; everything taken before is on the disk after it if `write`."""
        await self._worker.call(self._ledger.check_clock)
        if write:
            needed = not self._each_reading or self._ledger.trouble
            await self._worker.call(self._ledger.flush if needed else self._ledger.keep_house)
        self._notify()

    async def flush(self) -> None:
        """Everything taken and acked so far is on the disk after this."""
        await self._worker.call(self._ledger.flush)

    async def drained(self, *exporters: str) -> None:
        """Wait until these exporters have delivered what was taken so far."""
        await self.flush()
        for name in exporters:
            await self._feeds[name].drained()

    async def close(self, within: float = CLOSE_WITHIN) -> None:
        """Write everything down and release the file, within so many seconds."""
        try:
            async with asyncio.timeout(within):
                await self._worker.call(self._ledger.close)
        except TimeoutError:
            why = self._ledger.why_slow
            log.error("The outbox could not be closed in time: %s.", why)  # noqa: TRY400
        self._worker.stop()

    def health(self) -> Health:
        """`queue` is the longest of all exporters."""
        stats = [feed.stats() for feed in self._feeds.values()]
        trouble = self._ledger.trouble
        if self._worker.hangs:
            trouble = (
                f"The outbox {self._path} cannot be used now: {self._ledger.why_slow}. "
                "Readings are kept in memory until it does; a restart would lose them."
            )
        troubled = "blocked" if self._ledger.blocked else "waiting"
        return Health(
            self.name,
            troubled if trouble else "ok" if self._opened else "starting",
            trouble,
            queue=max((one.queue for one in stats), default=0),
            dropped=sum(one.dropped for one in stats) + self._left_out,
        )
