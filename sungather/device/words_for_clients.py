"""Words of a device for other programs: from the cache, else by a request of our own.

What is too old is read again in the blocks of the device's own plan, once for all who wait for
it, between the requests of a scan. A range that no such block holds is asked for as it is, within
a budget; what is wanted again and again is merged into as few requests as its planner allows.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Mapping, Sequence

from sungather import errors
from sungather.clock import Clock
from sungather.device.failed_reads import FailedReads
from sungather.device.outside_budget import Hope, OutsideBudget
from sungather.device.reader import DeviceReader
from sungather.device.requester import Requester
from sungather.device.session import PERIODS, Session
from sungather.reading import Path
from sungather.registers import Block, Space
from sungather.registers.catalogue import Tier, starts_known, starts_of_others
from sungather.registers.plan import Address, plan
from sungather.registers.refusals import FAILING, SILENT
from sungather.registers.word_cache import WordMap
from sungather.transports import Transport

log = logging.getLogger(__name__)

PATIENCE = 0.9
"""Seconds that one who asks waits for the device; a slow one is waited for a little longer."""
LONGEST_PATIENCE = 3.0
_RARELY = (Path.DONGLE, Path.LOGGER)
"""Ways on which holding registers must not be read often."""
HOLDING_PAUSE = 60.0
"""Seconds between two reads of a holding register through a dongle: the documents forbid to read
those periodically (hybrid V1.1.16, 1.2.6; string V1.1.80, 1.2.6)."""
WANTED_AFTER = 3
"""So often a range outside the plan is asked for within `INTEREST`, until it counts as wanted."""
INTEREST = 600.0
"""Seconds after which a wanted range is forgotten."""
_LATEST = 3.0
"""Seconds in which a request outside the plan is answered, or is given up: it may be the one that
the device never answers."""
_MOST_REMEMBERED = 256
_FILLER = ({0}, {0xFFFF})
_FILLER_BY_CABLE = ({0xFFFF},)
"""What stands inside a block where there is no register: 0xFFFF over a cable, 0 through a dongle.
Its web API has been seen to pass on what the inverter gives."""
_TIER_SETS = (
    frozenset({Tier.FAST}),
    frozenset({Tier.FAST, Tier.SLOW}),
    frozenset(Tier),
)
"""The tiers that scans read together, the fewest first."""


class WordSource:
    """Words of one device."""

    def __init__(
        self,
        reader: DeviceReader,
        transport: Transport,
        clock: Clock,
        max_age: float,
        budget: OutsideBudget,
    ) -> None:
        self.reader = reader
        self._words = reader.words
        self._requester = Requester(transport, reader.options.unit, 1, clock, words=reader.words)
        self._clock = clock
        self._max_age = max_age
        self._budget = budget
        self._session: Session | None = None
        self._losses = -1
        """Those of the cache when the rest was learned."""
        self._map = WordMap((), {})
        self._starts: Mapping[Space, frozenset[int]] = {}
        self._foreign: Mapping[Space, frozenset[int]] = {}
        """Registers that a device of its kind does not have, by the documents."""
        self._under_way: dict[Block, asyncio.Task[None]] = {}
        self._failures = FailedReads(clock)
        self._proven: set[Address] = set()
        """Registers on which a block may start, although filler stands there."""
        self._wanted: dict[Block, deque[float]] = {}
        """Range outside the plan -> when it was asked for last."""
        self._silent_since: float | None = None
        self._pace = 0.0
        """Seconds that the newest request took, with waiting for its turn."""

    async def read(self, wanted: Block) -> tuple[Sequence[int], bool]:
        """Words of the range as the device gave them, and whether it was asked for them now.

        Raises:
            Refused: The device refuses the range.
            Busy: The device is, or the queue for what is outside the plan.
            InverterError: The device does not answer, in time or at all.
        """
        session = self._reader_session()
        self._refuse_what_is_known(session, wanted)
        if wanted.start in self._starts.get(wanted.space, ()) or self._words.starts_at(
            wanted.space, wanted.start
        ):
            if (found := self._from_cache(wanted)) is not None:
                return found, await self._prove(wanted, found)
            if blocks := self._of_the_plan(session, wanted):
                try:
                    await self._ask(blocks)
                except errors.Refused:
                    pass  # by the whole block; the range itself may still be given
                else:
                    found = self._answer(wanted)
                    await self._prove(wanted, found)
                    return found, True
        await self._ask_outside(session, wanted)
        return self._answer(wanted), True

    async def _prove(self, wanted: Block, found: Sequence[int]) -> bool:
        """Ask once where the words may be filler, which a device gives inside a larger block only.

        Returns whether it was asked. While it cannot be asked, the documents are believed, by
        which it has the register; but not where the path gives 0 for what there is, too.

        Raises:
            Refused: The device has nothing there.
            InverterError: That cannot be found out now: a wrong number is worse than none.
        """
        at, device = (wanted.space, wanted.start), self.reader.device
        if at in self._proven or self._words.starts_at(*at):
            return False
        count = 1
        while count < wanted.count and not self._map.may_cut_after((at[0], at[1] + count - 1)):
            count += 1
        by_cable = device is not None and device.path is Path.CABLE
        if set(found[:count]) not in (_FILLER_BY_CABLE if by_cable else _FILLER):
            return False
        try:
            await self._ask([Block(*at, count)], outside=True)
        except errors.Refused:
            raise
        except errors.InverterError:
            if device is None or device.masked:
                raise
            return False
        self._proven.add(at)
        return True

    def close(self) -> None:
        """Give up what is being asked: nothing may open the connection again."""
        for task in self._under_way.values():
            task.cancel()

    def is_wanted(self, block: Block) -> bool:
        """Whether a range outside the plan is asked for again and again."""
        times = self._wanted.get(block, ())
        now = self._clock.monotonic()
        return len(times) == WANTED_AFTER and now - times[0] <= INTEREST

    def _reader_session(self) -> Session:
        """The session, and what follows from it.

        Raises:
            Silent: There is none.
        """
        session = self.reader.session
        if session is None:
            raise errors.Silent("The device does not answer.")
        if session is not self._session:
            self._session = session
            scan = self.reader.options.scan_interval
            lifetime = {tier: 2 * period + scan for tier, period in PERIODS.items()}
            self._map = WordMap(session.read_registers, lifetime | {Tier.FAST: 0.0})
            self._starts = starts_known(session.identity.device)
            self._foreign = starts_of_others(session.identity.device)
            self._wanted.clear()
            self._proven.clear()
        if self._losses != self._words.losses:
            # What stayed unanswered before a loss was not to blame for it.
            self._losses = self._words.losses
            self._failures.clear()
        return session

    def _refuse_what_is_known(self, session: Session, wanted: Block) -> None:
        """Answer from what was learned of the device, without asking it again."""
        quirks = session.blocks.quirks
        addresses = [(wanted.space, n) for n in range(wanted.start, wanted.end + 1)]
        no_contain = quirks.unreadable.no_contain
        if addresses[0] in quirks.unreadable.no_start or not no_contain.isdisjoint(addresses):
            raise errors.Refused(errors.Refused.REASONS[2])
        for lost, reason in quirks.refused.items():
            if reason in (SILENT, FAILING) and _overlap(lost, wanted):
                raise errors.Silent(reason)

    def _fast(self, space: Space) -> float:
        """Seconds for which fast words hold."""
        device = self.reader.device
        if space is Space.HOLDING and device is not None and device.path in _RARELY:
            return max(self._max_age, HOLDING_PAUSE)
        return self._max_age

    def _from_cache(self, wanted: Block, at_least: float = 0.0) -> list[int] | None:
        fast = max(at_least, self._fast(wanted.space))
        return self._words.read(wanted, self._map, self._clock.monotonic(), fast)

    def _answer(self, wanted: Block) -> list[int]:
        """What was just read; of several blocks the first has aged while the last was read."""
        found = self._from_cache(wanted, at_least=LONGEST_PATIENCE)
        if found is None:
            raise errors.Silent("The device was lost meanwhile.")
        return found

    def _of_the_plan(self, session: Session, wanted: Block) -> list[Block] | None:
        """Blocks of the device's plan to read for the range; None if they do not hold it."""
        now, fast = self._clock.monotonic(), self._fast(wanted.space)
        for tiers in _TIER_SETS:
            planned = session.blocks.blocks_of(session.registers_of(tiers))
            given = [b for b in planned if not isinstance(self._failures.of(b), errors.Refused)]
            found = self._words.would_suffice(given, wanted, self._map, now, fast)
            if found is not None:
                return found
        return None

    async def _ask_outside(self, session: Session, wanted: Block) -> None:
        self._note(wanted)
        for suspect in session.blocks.quirks.isolated:
            if _overlap(suspect, wanted) and not suspect.holds(wanted):
                raise errors.Silent(SILENT)
        blocks = self._merged(session, wanted)
        if blocks != [wanted]:
            try:
                return await self._ask(blocks, outside=True)
            except errors.Refused:
                pass  # what was put together; the range alone may be given
        return await self._ask([wanted], outside=True)

    def _note(self, wanted: Block) -> None:
        known = self.is_wanted(wanted)
        times = self._wanted.pop(wanted, None) or deque[float](maxlen=WANTED_AFTER)
        times.append(self._clock.monotonic())
        self._wanted[wanted] = times
        if not known and self.is_wanted(wanted):
            log.info(
                "%s: Modbus programs ask again and again for %d %s registers from %d on, which "
                "are outside the read plan",
                *(self.reader.options.name, wanted.count, wanted.space, wanted.start),
            )
        while len(self._wanted) > _MOST_REMEMBERED:
            del self._wanted[next(iter(self._wanted))]

    def _merged(self, session: Session, wanted: Block) -> list[Block]:
        """Requests that give the range, and with it what else outside the plan is wanted."""
        others = [
            one for one in self._wanted if self.is_wanted(one) and self._failures.of(one) is None
        ]
        if wanted not in others:
            others = [wanted]
        quirks = session.blocks.quirks
        widest = min(self._requester.transport.widest, quirks.widest or wanted.count)
        if wanted.count > widest:
            return self._parts(wanted, widest)
        merged = plan(
            others,
            min(self._requester.transport.widest, quirks.widest or 0xFFFF),
            self._starts,
            quirks.unreadable,
            session.blocks.isolated,
        ).blocks
        return [one for one in merged if one.holds(wanted)][:1] or [wanted]

    def _parts(self, wanted: Block, widest: int) -> list[Block]:
        """A range wider than the transport can ask for, cut where no value is."""
        parts: list[Block] = []
        start = wanted.start
        while start + widest - 1 < wanted.end:
            end = start + widest - 1
            while end > start and not self._map.may_cut_after((wanted.space, end)):
                end -= 1
            parts.append(Block(wanted.space, start, end - start + 1))
            start = end + 1
        return [*parts, Block(wanted.space, start, wanted.end - start + 1)]

    async def _ask(self, blocks: Sequence[Block], *, outside: bool = False) -> None:
        """Read the blocks, or wait for those who are reading them already; not for long."""
        if self._silent_since is not None and self._words.newest <= self._silent_since:
            raise errors.Silent("The device has stopped to answer.")
        for block in blocks:
            if block not in self._under_way and (failure := self._failures.of(block)):
                raise failure
        tasks = [self._task(block, outside) for block in blocks]
        patience = min(max(PATIENCE, 3 * self._pace), LONGEST_PATIENCE)
        _, late = await asyncio.wait(tasks, timeout=patience)
        if late:
            raise errors.Silent("The device did not answer in time.")
        for task in tasks:
            task.result()

    def _task(self, block: Block, outside: bool) -> asyncio.Task[None]:
        task = self._under_way.get(block)
        if task is None:
            if outside:
                self._enter(block)
            work = self._fetch_outside(block) if outside else self._fetch(block, retries=1)
            task = self._under_way[block] = asyncio.create_task(work)
            task.add_done_callback(lambda done: self._over(block, done))
        return task

    def _enter(self, block: Block) -> None:
        """Take a request outside the plan.

        Raises:
            Refused: There is none to be had, and by the documents the device does not have this:
                it is told so at once, and asked itself when there is one.
            Busy: There is none to be had.
        """
        start, space = block.start, block.space
        if start in self._starts.get(space, ()) or self._words.starts_at(space, start):
            hope = Hope.LIKELY
        else:
            hope = Hope.FOREIGN if self._is_foreign(block) else Hope.UNKNOWN
        try:
            self._budget.enter(hope)
        except errors.Busy:
            if hope is Hope.FOREIGN:
                raise errors.Refused(errors.Refused.REASONS[2]) from None
            raise

    def _is_foreign(self, block: Block) -> bool:
        return block.start in self._foreign.get(block.space, ())

    def _over(self, block: Block, task: asyncio.Task[None]) -> None:
        del self._under_way[block]
        if not task.cancelled():
            task.exception()  # those who waited for it may have gone

    async def _fetch_outside(self, block: Block) -> None:
        try:
            async with self._budget.turn:
                try:
                    async with asyncio.timeout(_LATEST):
                        try:
                            await self._fetch(block, retries=0)
                        except errors.Busy:  # what a dongle says before it refuses for good
                            await self._fetch(block, retries=0)
                except TimeoutError:
                    raise self._failures.note(block, errors.Silent(SILENT)) from None
        except errors.Unreachable as error:
            self._budget.close_for_a_while()
            raise self._failures.note(block, error) from None
        finally:
            self._budget.leave()

    async def _fetch(self, block: Block, retries: int) -> None:
        started = self._clock.monotonic()
        try:
            await self._requester.read(block, retries)
        except (errors.Refused, errors.Busy) as error:
            raise self._failures.note(block, error, expected=self._is_foreign(block)) from None
        except errors.InverterError:
            if retries:
                self._silent_since = self._clock.monotonic()
            raise
        self._failures.forget(block)
        self._pace = self._clock.monotonic() - started


def _overlap(one: Block, other: Block) -> bool:
    return one.space is other.space and one.start <= other.end and other.start <= one.end
