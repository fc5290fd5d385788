"""The local history: what the page draws when nothing else is installed.

Five-minute means of the household figures, energies by day and faults, in one SQLite file.
Written in one transaction a minute, and bounded: gentle to SD cards. SQLite runs in a thread of
its own, so a slow card holds nobody up, and one that hangs no exit.
"""

import asyncio
import errno
import logging
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Final, TypeVar, TypeVarTuple

from sungather import household
from sungather.clock import Clock
from sungather.history import totals
from sungather.history.samples import sums
from sungather.history.store import STEP, Fault, HistoryFile, Prune, Sample
from sungather.reading import Reading, State
from sungather.service import Health
from sungather.site import ASLEEP, AUTO, HOME_MANAGER, Amounts, together
from sungather.sqlite_file import is_damage
from sungather.worker import Worker

log = logging.getLogger(__name__)

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

CLOSE_WITHIN: Final = 1.0
"""Seconds that closing may take; a disk that hangs is left alone after that."""
READ_WITHIN: Final = 2.0
"""Seconds that a page waits for what is on the disk."""
_MOST_PENDING: Final = 5000
"""Samples kept in memory while the disk refuses them."""
_RETRY_SECONDS: Final = 60.0
_OLDEST: Final = datetime(2020, 1, 1, tzinfo=UTC)
"""Readings before this come from a clock that was never set."""


@dataclass(slots=True)
class _Bucket:
    """The readings of one inverter and five minutes since the last commit."""

    state: State
    readings: int
    sums: list[float]
    counts: list[int]

    def sample(self) -> Sample:
        means = tuple(
            total / count if count else None
            for total, count in zip(self.sums, self.counts, strict=True)
        )
        return Sample(self.state, self.readings, means)


@dataclass(frozen=True, slots=True)
class DayHistory:
    """One local day of one inverter, or of several together."""

    day: date
    start: int
    """Unix time of its first second."""
    end: int
    """Unix time of the next day's first second; a day has 23 to 25 hours."""
    step: int
    """Seconds from one sample to the next."""
    samples: Mapping[int, Sample]
    """Unix time of the start of each step that is known -> means of `figures`."""
    energies: Mapping[str, float]
    """Flow -> kWh of the day, of the flows that were counted."""
    figures: tuple[str, ...] = household.FIGURES


class History:
    """Records readings and answers what was; a `Service`."""

    name = "history"

    def __init__(
        self,
        file: Path | None,
        timezone: tzinfo,
        *,
        clock: Clock | None = None,
        commit_seconds: float = 60.0,
        keep_days: int = 400,
        meter: str = AUTO,
    ) -> None:
        """Keep the history in `file`; None keeps it in memory, for a demonstration.

        `meter`: the option `site.meter`.
        """
        self._file = HistoryFile(file)
        self._timezone = timezone
        self._clock = clock or Clock()
        self._commit_seconds = commit_seconds
        self._keep_days = keep_days
        self._meter = meter
        self._managers: set[str] = set()
        """Names of the home managers."""
        self._worker = Worker("history")
        self._buckets: dict[tuple[str, int], _Bucket] = {}
        self._accounts: dict[tuple[str, str], totals.Account] = {}
        self._changed: set[tuple[str, str]] = set()
        self._ended: list[tuple[tuple[str, str], totals.Account]] = []
        """The accounts of days that ended since the last commit, as they stood."""
        self._faults: dict[tuple[str, str, str], Fault] = {}
        self._changed_faults: set[tuple[str, str, str]] = set()
        self._early: list[Reading] | None = []
        self._pruned: date | None = None
        self._health = Health(self.name, "starting")
        self._stuck: asyncio.Future[Any] | None = None
        """A look at the disk that was not waited for to its end."""
        self._unread = ""
        """Why the last look failed."""

    def on_reading(self, reading: Reading) -> None:
        """Record a reading; written at the next commit."""
        if reading.family == HOME_MANAGER:
            self._managers.add(reading.name)
        if reading.state is State.CONNECTING or reading.time < _OLDEST:
            return
        if self._early is not None:
            self._early.append(reading)
            del self._early[:-_MOST_PENDING]
            return
        self._record(reading)

    async def run(self) -> None:
        """Open the file and commit once a minute until cancelled; then commit what is left."""
        try:
            while True:
                if self._early is None or await self._open():
                    await asyncio.sleep(self._commit_seconds)
                    await self.commit()
                else:
                    await asyncio.sleep(_RETRY_SECONDS)
        finally:
            await asyncio.shield(self._close())

    def health(self) -> Health:
        """Whether the file takes what is recorded."""
        known = replace(self._health, queue=len(self._buckets))
        if self._worker.hangs:
            message = (
                f"The history {self._file.path} cannot be used now: {self._file.why_slow}. "
                "What is recorded is kept in memory."
            )
            return replace(known, state="waiting", message=message)
        return known

    async def commit(self) -> None:
        """Write everything that was recorded since the last commit, in one transaction."""
        if self._early is not None:
            return
        buckets, self._buckets = self._buckets, {}
        changed, self._changed = self._changed, set()
        faults, self._changed_faults = self._changed_faults, set()
        ended, self._ended = self._ended, []
        rows = {key: bucket.sample() for key, bucket in buckets.items()}
        accounts = [*ended, *((key, replace(self._accounts[key])) for key in changed)]
        prune = self._prune()
        try:
            await self._call(
                self._file.write, rows, accounts, [self._faults[key] for key in faults], prune
            )
        except (sqlite3.Error, OSError) as error:
            self._changed |= changed
            self._ended = [*ended, *self._ended][-_MOST_PENDING:]
            self._changed_faults |= faults
            self._put_back(buckets)
            self._trouble(f"The history cannot be written: {_why(error)}. It is kept in memory.")
        else:
            self._health = Health(
                self.name,
                "ok",
                delivered=self._health.delivered + len(rows),
                dropped=self._health.dropped,
                last_success=self._clock.now(),
            )

    async def day(self, inverters: Sequence[str], day: date) -> DayHistory:
        """The samples of a local day; of several inverters what they did together."""
        start, end = self._bounds(day)
        try:
            stored, energies = await asyncio.gather(
                self._look(self._file.samples, inverters, start, end),
                self._look(self._file.energies, inverters, day, day),
            )
        except (sqlite3.Error, OSError) as error:
            self._unreadable(error)
            stored, energies = {}, {}
        found = sums(stored, self._meter, self._managers)
        nothing = dict[str, float]()
        slept = {name: ASLEEP if asleep else nothing for name, asleep in found.asleep.items()}
        counted = self._together(slept | energies.get(day, {}))
        return DayHistory(day, start, end, STEP, found.samples, counted)

    async def energies(
        self, inverters: Sequence[str], first: date, last: date
    ) -> dict[date, dict[str, float]]:
        """Local day -> flow -> kWh of these inverters together, of the days that were counted."""
        try:
            found = await self._look(self._file.energies, inverters, first, last)
        except (sqlite3.Error, OSError) as error:
            self._unreadable(error)
            return {}
        return {
            day: self._together({name: parts.get(name, {}) for name in inverters})
            for day, parts in sorted(found.items())
        }

    def _together(self, parts: Mapping[str, Amounts]) -> dict[str, float]:
        return together(parts, self._meter, "kWh", self._managers)

    def totals(self, inverter: str) -> dict[str, totals.Totals]:
        """Flow -> energies of one inverter, of the flows that it counts."""
        today = self.today()
        return {
            flow: account.totals(today)
            for flow in household.FLOWS
            if (account := self._accounts.get((inverter, flow))) is not None
        }

    def faults(self, inverter: str) -> list[Fault]:
        """The faults that were seen, the newest first."""
        found = [fault for fault in self._faults.values() if fault.inverter == inverter]
        return sorted(found, key=lambda fault: fault.last, reverse=True)

    def today(self) -> date:
        """The local day of the site."""
        return self.local_day(self._clock.now())

    def local_day(self, moment: datetime) -> date:
        """The day at the site that `moment` belongs to."""
        return moment.astimezone(self._timezone).date()

    def _bounds(self, day: date) -> tuple[int, int]:
        midnight = datetime(day.year, day.month, day.day, tzinfo=self._timezone)
        following = day + timedelta(days=1)
        end = datetime(following.year, following.month, following.day, tzinfo=self._timezone)
        return int(midnight.timestamp()), int(end.timestamp())

    def _record(self, reading: Reading) -> None:
        at = int(reading.time.timestamp()) // STEP * STEP
        size = len(household.FIGURES)
        bucket = self._buckets.setdefault(
            (reading.name, at), _Bucket(reading.state, 0, [0.0] * size, [0] * size)
        )
        if reading.state is not State.OK:
            if not bucket.readings:
                bucket.state = reading.state
            return
        bucket.state = State.OK
        bucket.readings += 1
        for index, name in enumerate(household.FIGURES):
            value = reading.number(name)
            if value is not None:
                bucket.sums[index] += value
                bucket.counts[index] += 1
        self._count_energy(reading)
        self._note_faults(reading)

    def _count_energy(self, reading: Reading) -> None:
        day = self.local_day(reading.time)
        for flow in household.FLOWS:
            today = reading.number(f"{flow}_energy_today")
            total = reading.number(f"{flow}_energy_total")
            if today is None and total is None:
                continue
            key = reading.name, flow
            account = self._accounts.setdefault(key, totals.Account(day, reading.time))
            if account.day < day and key in self._changed:
                self._ended.append((key, replace(account)))
            account.enter(day, reading.time, today, total)
            self._changed.add(key)

    def _note_faults(self, reading: Reading) -> None:
        for register, text in reading.faults.active if reading.faults else ():
            key = reading.name, register, text
            known = self._faults.get(key)
            first = reading.time if known is None else known.first
            self._faults[key] = Fault(reading.name, register, text, first, reading.time)
            self._changed_faults.add(key)

    def _put_back(self, buckets: dict[tuple[str, int], _Bucket]) -> None:
        """After a refused commit: keep the newest that fit into the bound."""
        for key, bucket in self._buckets.items():
            older = buckets.get(key)
            if older is not None:
                bucket.readings += older.readings
                bucket.sums = [a + b for a, b in zip(bucket.sums, older.sums, strict=True)]
                bucket.counts = [a + b for a, b in zip(bucket.counts, older.counts, strict=True)]
                if older.readings:
                    bucket.state = State.OK
            buckets[key] = bucket
        surplus = len(buckets) - _MOST_PENDING
        for key in sorted(buckets, key=lambda key: key[1])[: max(0, surplus)]:
            del buckets[key]
        self._health = replace(self._health, dropped=self._health.dropped + max(0, surplus))
        self._buckets = buckets

    def _prune(self) -> Prune | None:
        today = self.today()
        if self._pruned == today:
            return None
        self._pruned, now = today, int(self._clock.now().timestamp())
        return Prune(now - self._keep_days * 86400, now)

    async def _call(self, work: Callable[[*Ts], T], *arguments: *Ts) -> T:
        """Have the thread do it; once more with what can be saved of a file that is damaged."""

        def twice() -> T:
            try:
                return work(*arguments)
            except sqlite3.Error as error:
                if not (is_damage(error) and self._file.is_open):
                    raise
                self._file.replace(error)
                return work(*arguments)

        return await self._worker.call(twice)

    async def _look(self, work: Callable[[*Ts], T], *arguments: *Ts) -> T:
        """As `_call`, for a page; it waits for no disk that hangs, and asks it no more.

        Raises:
            TimeoutError: it hangs.
        """
        if self._stuck is None or self._stuck.done():
            task = asyncio.ensure_future(self._call(work, *arguments))
            done, _ = await asyncio.wait((task,), timeout=READ_WITHIN)
            if done:
                found = task.result()
                self._unread = ""
                return found
            task.add_done_callback(_take_note)
            self._stuck = task
        raise TimeoutError(errno.ETIMEDOUT, "its disk does not answer")

    async def _open(self) -> bool:
        self._file.today = self.today()
        try:
            await self._worker.call(self._file.open)
        except (sqlite3.Error, OSError) as error:
            self._trouble(f"The history {self._file.path} cannot be opened: {_why(error)}")
            return False
        self._accounts = self._file.accounts
        self._faults = {(f.inverter, f.register, f.text): f for f in self._file.faults}
        early, self._early = self._early or [], None
        for reading in early:
            self._record(reading)
        self._health = replace(self._health, state="ok", message="")
        return True

    async def _close(self) -> None:
        try:
            async with asyncio.timeout(CLOSE_WITHIN):
                await self.commit()
                await self._worker.call(self._file.close)
        except TimeoutError:
            why = self._file.why_slow
            log.error("The history could not be closed in time: %s.", why)  # noqa: TRY400
        self._worker.stop()
        if self._early is None:
            self._early = []

    def _unreadable(self, error: Exception) -> None:
        if self._unread != (why := _why(error)):
            log.warning("The history cannot be read: %s", why)
        self._unread = why

    def _trouble(self, message: str) -> None:
        if self._health.message != message:
            log.warning(message)
        self._health = replace(self._health, state="waiting", message=message)


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _take_note(ended: "asyncio.Future[Any]") -> None:
    """Nobody waits for it any more, whatever became of it."""
    if not ended.cancelled():
        ended.exception()
