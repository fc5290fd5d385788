"""Reads the blocks of a plan, and learns what the device refuses.

One refused block never costs the others: it is taken apart at once, what can be read is read,
and the plan is made anew with what was learned. After the first block that stays unanswered the
rest of the scan is given up; in the next one that block is asked last, and once. While a device
refuses nearly everything, nothing is learned of it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from sungather import errors
from sungather.clock import Clock
from sungather.device.identify import Identity
from sungather.device.requester import Requester
from sungather.reading import Refusal
from sungather.registers import Block, Space
from sungather.registers.catalogue import Register, not_forwarded, starts_known
from sungather.registers.diagnose import Diagnosis, Findings
from sungather.registers.plan import Plan, plan
from sungather.registers.refusals import (
    AGAIN,
    FAILING,
    SILENT,
    STRIKES,
    DeviceQuirks,
    Strikes,
    quirks_name,
)
from sungather.storage import Storage

NEARLY_ALL = 0.8
"""Share of what was asked for; a device that refuses so much for the first time is not itself."""
_DOUBTS = 3
"""Scans in a row in which that is believed; then it is how the device is."""
_CONFIRMATIONS = 2
"""Further refusals of a field that was read before, until it is believed to be refused."""
_FEW = 8
"""Fields that may answer with a failure each while the others do not: a busy device fails more."""

Words = dict[Space, dict[int, int]]
"""Documented register number -> word, by space."""


@dataclass(slots=True)
class Gathered:
    """What a scan got, and what ended it early, if anything."""

    words: Words = field(default_factory=Words)
    failure: errors.InverterError | None = None

    def add(self, block: Block, words: Sequence[int]) -> None:
        """Take over the words of a block."""
        into = self.words.setdefault(block.space, {})
        into.update(zip(range(block.start, block.end + 1), words, strict=True))

    def holds(self, block: Block) -> bool:
        """Whether all words of a block are there."""
        words = self.words.get(block.space, {})
        return all(n in words for n in range(block.start, block.end + 1))


class BlockReader:
    """Reads registers of one device in the fewest requests that the device allows."""

    def __init__(
        self,
        requester: Requester,
        identity: Identity,
        registers: Iterable[Register],
        max_registers: int,
        storage: Storage,
        clock: Clock,
        name: str,
    ) -> None:
        """`name` stands for the serial number of a device that tells none."""
        self._requester = requester
        self._device = device = identity.device
        self._max_registers = min(max_registers, requester.transport.widest)
        self._starts = starts_known(device)
        known = sorted(registers, key=lambda one: -one.count)
        self._isolated = {one.block: one.group for one in known if one.group}
        self._first_fields = {(one.space, one.address): one.block for one in known}
        """The shortest field that begins at a register."""
        self._storage = storage
        self._clock = clock
        kind = device.code, identity.software, device.path
        self._name = quirks_name(*kind, identity.serial or name)
        learned = storage.load(self._name) or storage.load(quirks_name(*kind))
        self._quirks = DeviceQuirks.from_json(learned) or DeviceQuirks()
        self._strikes = Strikes()
        self._suspects: dict[Block, tuple[list[Register], str]] = {}
        """Block that stayed unanswered -> what was wanted of it, and the reason to give it up."""
        self._plans: dict[frozenset[Register], Plan] = {}
        self._left_out: set[Block] = set()
        self._groups: set[Block] = set()
        """Blocks of isolated groups."""
        self._accepted: dict[Block, None] = {}
        """Blocks that the device has given, the newest last."""
        self._pending: list[Findings] = []
        """What this scan has found out, and what is learned if its end confirms it."""
        self._doubts = 0
        """Scans in a row in which the device refused nearly everything."""

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """What this device is known not to give."""
        return self._quirks.refusals(self._left_out)

    @property
    def lost(self) -> frozenset[Block]:
        """Fields that this device is known not to give."""
        return frozenset(self._quirks.refused) | self._left_out

    @property
    def quirks(self) -> DeviceQuirks:
        """What is known of the device's refusals; not to be changed."""
        return self._quirks

    @property
    def isolated(self) -> dict[Block, str]:
        """Field -> name of a group that no request may hold together with anything else."""
        return self._quirks.isolated | self._isolated

    def blocks_of(self, registers: frozenset[Register]) -> tuple[Block, ...]:
        """The requests that read these registers, for what is known now."""
        return self._plan(registers).blocks

    @property
    def is_to_ask_again(self) -> bool:
        """Whether the next scan asks again for everything that was refused."""
        return self._quirks.expired(self._clock.now())

    async def read(self, registers: Iterable[Register]) -> Gathered:
        """Words of all registers that can be had."""
        wanted = frozenset(registers)
        if self.is_to_ask_again:
            self._quirks = self._quirks.asked_again()
            self._learned()
        gathered = Gathered()
        self._pending.clear()
        for block in self._strikes.suspects_last(self._plan(wanted).blocks):
            if block not in self._plan(wanted).blocks:
                continue  # an answer to another one has just proved that this one is to blame
            last = block in self._groups or block in self._suspects
            silent_before = self._suspects.get(block, ([], ""))[1] == SILENT
            # What is known to break off sessions is asked after everything else, and not again
            # after silence; contention is no sign of that.
            once = block in self._groups or silent_before
            try:
                words = await self._requester.read(block, patient=not once)
            except errors.Refused as error:
                self._answered(block)
                gathered.failure = await self._diagnose(block, wanted, error, gathered)
            except (errors.Silent, errors.ConnectionLost, errors.Busy) as error:
                busy = isinstance(error, errors.Busy)
                if busy and await self._only_fails_here(block, wanted, gathered):
                    continue
                # A device that answered nothing in this scan may as well be switched off.
                proven = (block in self._suspects if busy else last) and bool(gathered.words)
                self._strikes.silent(block, tries=1 if proven else STRIKES)
                members = [one for one in wanted if block.holds(one.block)]
                self._suspects[block] = members, FAILING if busy else SILENT
                if not proven:
                    gathered.failure = error
            except errors.InverterError as error:
                gathered.failure = error
            else:
                self._answered(block)
                self._accepted.pop(block, None)
                self._accepted[block] = None
                gathered.add(block, words)
            if gathered.failure is not None:
                break
        self._conclude(wanted, gathered)
        return gathered

    def forget(self) -> None:
        """Take the device for one that gives everything; what is stored, the caller removes."""
        self._quirks, self._strikes = DeviceQuirks(), Strikes()
        self._suspects.clear()
        self._doubts = 0
        self._plans.clear()
        self._left_out.clear()

    def _plan(self, wanted: frozenset[Register]) -> Plan:
        """The plan for these registers, made once for what is known of the device."""
        if wanted not in self._plans:
            quirks = self._quirks
            made = plan(
                quirks.wanted({one.block for one in wanted}),
                min(self._max_registers, quirks.widest or self._max_registers),
                self._starts,
                quirks.unreadable | not_forwarded(self._device),
                quirks.isolated | self._isolated,
            )
            self._plans[wanted] = made
            isolated = (*self._isolated, *quirks.isolated)
            self._groups.update(b for b in made.blocks if any(map(b.holds, isolated)))
            self._left_out.update(made.left_out)
        return self._plans[wanted]

    async def _diagnose(
        self,
        block: Block,
        wanted: frozenset[Register],
        error: errors.Refused,
        gathered: Gathered,
    ) -> errors.InverterError | None:
        """Take a refused block apart, keep what can be read of it, and note the rest."""
        if self._doubts < _DOUBTS and not await self._gives_what_it_gave(block):
            self._doubts += 1
            return errors.NotItself("even registers that it gave before")
        findings, failure = await self._taken_apart(block, wanted, error.reason)
        self._keep(findings, gathered)
        known = [one for one in findings.refused if any(b.holds(one) for b in self._accepted)]
        for _ in range(_CONFIRMATIONS if known and failure is None else 0):
            if await self._gives(min(known)) is not False:
                return None  # it has passed: nothing is to be learned from it
        self._pending.append(findings)
        return failure

    async def _only_fails_here(
        self, block: Block, wanted: frozenset[Register], gathered: Gathered
    ) -> bool:
        """Whether contention is the property of a few fields of this block, which are noted.

        A device that is busy is so with other blocks, too.
        """
        others = self._accepted or self._plan(wanted).blocks
        anchors = self._anchors(block, others)
        if not anchors or not await self._gives(anchors[-1]):
            return False
        findings, failure = await self._taken_apart(block, wanted, FAILING, busy_refuses=True)
        lost = findings.refused
        if failure is not None or not 0 < len(lost) <= _FEW or await self._gives(min(lost)):
            return False
        self._answered(block)
        self._keep(findings, gathered)
        self._pending.append(findings)
        return True

    async def _taken_apart(
        self,
        block: Block,
        wanted: frozenset[Register],
        reason: str,
        busy_refuses: bool = False,
    ) -> tuple[Findings, errors.InverterError | None]:
        """What a diagnosis finds out, and what ended it early, if anything."""
        quirks = replace(self._quirks, refused=dict(self._quirks.refused))
        for findings in self._pending:
            quirks.learn(findings, self._clock.now())
        diagnosis = Diagnosis(
            block,
            (one.block for one in wanted),
            reason,
            widest=min(self._max_registers, quirks.widest or self._max_registers),
            starts=self._starts,
            unreadable=quirks.unreadable | not_forwarded(self._device),
            isolated=quirks.isolated | self._isolated,
            masked=self._device.masked,
        )
        while (probe := diagnosis.probe) is not None:
            try:
                retries = 1 if busy_refuses else None
                diagnosis.accepted(await self._requester.read(probe, retries))
            except errors.Refused as refusal:
                diagnosis.refused(refusal.reason)
            except errors.InverterError as trouble:
                if not (busy_refuses and isinstance(trouble, errors.Busy)):
                    return diagnosis.findings, trouble
                diagnosis.refused(FAILING)
        return diagnosis.findings, None

    def _keep(self, findings: Findings, gathered: Gathered) -> None:
        for field_read, words in findings.read.items():
            gathered.add(field_read, words)

    def _anchors(self, block: Block, others: Iterable[Block]) -> list[Block]:
        """The first fields of those `others` that are away from `block`.

        A block may start there, and width is no reason to refuse them.
        """
        return [
            self._first_fields.get((one.space, one.start), Block(one.space, one.start, 1))
            for one in others
            if one.space is not block.space or one.end < block.start or block.end < one.start
        ]

    async def _gives_what_it_gave(self, block: Block) -> bool:
        """Whether the device gives something that it gave before; True if that is not known."""
        anchors = self._anchors(block, self._accepted)
        return not anchors or await self._gives(anchors[-1]) is not False

    async def _gives(self, block: Block) -> bool | None:
        """Whether the device gives a block; None if that cannot be found out now."""
        try:
            await self._requester.read(block)
        except (errors.Refused, errors.Busy):
            return False
        except errors.InverterError:
            return None
        return True

    def _conclude(self, wanted: frozenset[Register], gathered: Gathered) -> None:
        """Learn what was found out in a scan, unless nearly everything was refused in it."""
        quirks, now = self._quirks, self._clock.now()
        lost = {one for findings in self._pending for one in findings.refused}
        lost -= quirks.before
        if len(lost) > NEARLY_ALL * len(wanted) and self._doubts < _DOUBTS:
            self._doubts += 1
            return
        if gathered.failure is None:
            self._doubts = 0
        for findings in self._pending:
            quirks.learn(findings, now)
        if quirks.before:
            given = [f for f in quirks.before if gathered.holds(f)]
            again = [f for f in given if quirks.isolated.get(f, "").startswith(AGAIN)]
            for one in again:
                del quirks.isolated[one]
            if quirks.given(given):
                self._learned()
        if self._pending:
            self._learned()

    def _answered(self, block: Block) -> None:
        self._suspects.pop(block, None)
        for guilty in self._strikes.answered(block):
            members, reason = self._suspects.pop(guilty)
            self._quirks.give_up(
                guilty,
                (one.block for one in members),
                reason,
                self._clock.now(),
                whole=any(one.group for one in members),
            )
            self._learned()

    def _learned(self) -> None:
        self._plans.clear()
        self._left_out.clear()
        self._storage.save(self._name, self._quirks.as_json())
