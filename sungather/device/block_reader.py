"""Reads the blocks of a plan, and learns what the device refuses.

One refused block never costs the others: it is taken apart at once, what can be read is read,
and the plan is made anew with what was learned. After the first block that stays unanswered the
rest of the scan is given up.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sungather import errors
from sungather.clock import Clock
from sungather.device.identify import Identity
from sungather.device.requester import Requester
from sungather.reading import Refusal
from sungather.registers import Block, Space
from sungather.registers.catalogue import Register, starts_known
from sungather.registers.diagnose import Diagnosis
from sungather.registers.learn import STRIKES, DeviceQuirks, Strikes, quirks_name
from sungather.registers.plan import Plan, plan
from sungather.storage import Storage

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
    ) -> None:
        self._requester = requester
        self._device = device = identity.device
        self._max_registers = min(max_registers, requester.transport.widest)
        self._starts = starts_known(device)
        self._isolated = {one.block: one.group for one in registers if one.group}
        self._storage = storage
        self._clock = clock
        self._name = quirks_name(device.code, identity.software, device.path)
        self._quirks = DeviceQuirks.from_json(storage.load(self._name)) or DeviceQuirks()
        self._strikes = Strikes()
        self._suspects: dict[Block, list[Register]] = {}
        self._plans: dict[frozenset[Register], Plan] = {}
        self._left_out: set[Block] = set()
        self._groups: set[Block] = set()
        """Blocks of isolated groups."""

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """What this device is known not to give."""
        return self._quirks.refusals(self._left_out)

    async def read(self, registers: Iterable[Register]) -> Gathered:
        """Words of all registers that can be had."""
        wanted = frozenset(registers)
        if self._quirks.expired(self._clock.now()):
            self._quirks = DeviceQuirks()
            self._plans.clear()
        gathered = Gathered()
        for block in self._strikes.suspects_last(self._plan(wanted).blocks):
            group = block in self._groups
            try:
                # What is known to break off sessions is asked once, and after everything else.
                words = await self._requester.read(block, retries=0 if group else None)
            except errors.Refused as error:
                self._answered(block)
                gathered.failure = await self._diagnose(block, wanted, error, gathered)
            except (errors.Silent, errors.ConnectionLost) as error:
                # A device that answered nothing in this scan may as well be switched off.
                proven = group and bool(gathered.words)
                self._strikes.silent(block, tries=1 if proven else STRIKES)
                self._suspects[block] = [one for one in wanted if block.holds(one.block)]
                if not proven:
                    gathered.failure = error
            except errors.InverterError as error:
                gathered.failure = error
            else:
                self._answered(block)
                gathered.add(block, words)
            if gathered.failure is not None:
                break
        return gathered

    def forget(self) -> None:
        """Take the device for one that gives everything; what is stored, the caller removes."""
        self._quirks, self._strikes = DeviceQuirks(), Strikes()
        self._suspects.clear()
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
                quirks.unreadable,
                self._isolated | quirks.isolated,
            )
            self._plans[wanted] = made
            self._groups.update(b for b in made.blocks if any(map(b.holds, self._isolated)))
            self._left_out.update(made.left_out)
        return self._plans[wanted]

    async def _diagnose(
        self,
        block: Block,
        wanted: frozenset[Register],
        error: errors.Refused,
        gathered: Gathered,
    ) -> errors.InverterError | None:
        """Take a refused block apart, keep what can be read of it, and learn the rest."""
        quirks = self._quirks
        diagnosis = Diagnosis(
            block,
            (one.block for one in wanted),
            error.reason,
            widest=min(self._max_registers, quirks.widest or self._max_registers),
            starts=self._starts,
            unreadable=quirks.unreadable,
            isolated=self._isolated | quirks.isolated,
            masked=self._device.masked,
        )
        failure: errors.InverterError | None = None
        while (probe := diagnosis.probe) is not None:
            try:
                diagnosis.accepted(await self._requester.read(probe))
            except errors.Refused as refusal:
                diagnosis.refused(refusal.reason)
            except errors.InverterError as trouble:
                failure = trouble
                break
        findings = diagnosis.findings
        for field_read, words in findings.read.items():
            gathered.add(field_read, words)
        quirks.learn(findings, self._clock.now())
        self._learned()
        return failure

    def _answered(self, block: Block) -> None:
        self._suspects.pop(block, None)
        for guilty in self._strikes.answered(block):
            members = self._suspects.pop(guilty)
            self._quirks.give_up(
                guilty,
                (one.block for one in members),
                "no answer, or the connection is closed",
                self._clock.now(),
                whole=any(one.group for one in members),
            )
            self._learned()

    def _learned(self) -> None:
        self._plans.clear()
        self._left_out.clear()
        self._storage.save(self._name, self._quirks.as_json())
