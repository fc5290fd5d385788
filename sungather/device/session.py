"""What is known of an identified device from one scan to the next: its values and their age."""

from collections.abc import Sequence

from sungather import errors
from sungather.clock import Clock
from sungather.device.block_reader import BlockReader
from sungather.device.identify import Identity
from sungather.device.line import Demand, Line
from sungather.device.requester import Requester
from sungather.options.configuration import InverterOptions
from sungather.reading import FaultReport, Refusal, Value
from sungather.registers import Block
from sungather.registers.catalogue import Register, Tier, registers_for
from sungather.registers.decode import Decoder
from sungather.registers.faults import judge
from sungather.storage import Storage

PERIODS = {Tier.FAST: 0.0, Tier.SLOW: 60.0, Tier.HOURLY: 3600.0, Tier.HISTORY: 3600.0}
"""Seconds after which a tier is read again; the fast one at every scan."""
_METER = frozenset({"meter", "meter-total"})
"""Marks of registers that a smart meter fills (see `availability.py`)."""
FIRMWARE = (
    "arm_software_version",
    "dsp_software_version",
    "inverter_firmware_version",
    "communication_module_firmware_version",
    "battery_firmware_version",
    "home_manager_software_version",
)
"""Published names that make up `Reading.firmware`."""


class Session:
    """Reads the tiers that are due, and keeps the values of the others as long as they hold."""

    def __init__(
        self,
        identity: Identity,
        requester: Requester,
        options: InverterOptions,
        storage: Storage,
        clock: Clock,
        read_level: int = 0,
        line: Line | None = None,
    ) -> None:
        """`read_level`: the level that is read, where others want more than `options.level`.

        `line`: the connection, where other units are read over it.
        """
        self.identity = identity
        self._registers = registers = registers_for(identity.device, options.level)
        self.read_registers = registers
        """All that are read, also for others than the readings."""
        if read_level > options.level:
            self.read_registers = registers_for(identity.device, read_level)
        self.blocks = BlockReader(
            requester,
            identity,
            self.read_registers,
            options.max_registers,
            storage,
            clock,
            options.name,
        )
        self._decoder = Decoder(self._registers, identity.device)
        self.published = frozenset(r.name for r in registers if r.level <= options.level)
        """Names that are shown; by the others those are judged."""
        self._tiers_of: dict[str, set[Tier]] = {}
        for register in self._registers:
            self._tiers_of.setdefault(register.name, set()).add(register.tier)
        self._lifetime = {
            name: 0.0
            if tiers == {Tier.FAST}
            else 2 * max(map(PERIODS.__getitem__, tiers)) + options.scan_interval
            for name, tiers in self._tiers_of.items()
        }
        """Seconds for which a value holds."""
        self._by_tiers: dict[frozenset[Tier], frozenset[Register]] = {}
        self._scan_interval = options.scan_interval
        self._clock = clock
        self._line = line if line is not None and line.shared else None
        self._name = options.name
        self._begun = clock.monotonic()
        self._tier_read_at: dict[Tier, float] = {}
        self._values: dict[str, Value] = {}
        self._units: dict[str, str] = {}
        self._absent: set[str] = set()
        self._read_at: dict[str, float] = {}
        """When each name was read last, as a value or as absent; monotonic seconds."""

    async def read(self, complete: bool) -> tuple[frozenset[str], errors.InverterError | None]:
        """Read what is due (`complete`: everything).

        Returns the names that were read, and what ended the scan early, if anything.

        Raises:
            InverterError: Nothing was read at all.
        """
        everything = complete or self.blocks.is_to_ask_again
        tiers = frozenset(Tier) if everything else self._due()
        wanted = self.registers_of(tiers)
        gathered = await self.blocks.read(wanted)
        if not gathered.words:
            raise gathered.failure or errors.Refused("every register that the model should have")
        now = self._clock.monotonic()
        decoded = self._decoder.decode(gathered.words, self.blocks.lost)
        # A name is absent when all its registers are; some may not have been due this time, or
        # come after what ended the scan.
        unread = (
            {r.name for r in wanted if not gathered.holds(r.block)} if gathered.failure else ()
        )
        absent = [n for n in decoded.absent if self._tiers_of[n] <= tiers and n not in unread]
        self._absent.difference_update(decoded.values)
        self._absent.update(absent)
        self._values.update(decoded.values)
        self._units.update(decoded.units)
        self._read_at.update(dict.fromkeys((*decoded.values, *absent), now))
        for name in absent:
            self._values.pop(name, None)
        complete_tiers = tiers if gathered.failure is None else frozenset[Tier]()
        self._tier_read_at.update(dict.fromkeys(complete_tiers, now))
        self._drop_old(now, complete_tiers)
        return frozenset(decoded.values), gathered.failure

    def values(self) -> dict[str, Value]:
        """Everything of the level that the device has said and that still holds."""
        return {name: value for name, value in self._values.items() if name in self.published}

    def all_values(self) -> dict[str, Value]:
        """Those, and what is read to judge them by."""
        return self._values.copy()

    def units(self) -> dict[str, str]:
        """Units of `values`, for those that have one."""
        return {name: unit for name, unit in self._units.items() if name in self._values}

    def absent(self) -> tuple[str, ...]:
        """Names of the level that the device marks as not available."""
        return tuple(sorted(self._absent & self.published))

    def faults(self) -> FaultReport | None:
        """What is known of the device's faults; None if its registers tell none."""
        return judge(self._registers, self._values, self._absent, self.refusals())

    def refusals(self) -> tuple[Refusal, ...]:
        """What the device is known not to give."""
        return self.blocks.refusals

    def forget_refusals(self) -> None:
        """Take the device for one that gives everything."""
        self.blocks.forget()

    @property
    def metered(self) -> frozenset[str]:
        """Names whose values come from the smart meter."""
        return frozenset(r.name for r in self._registers if not r.absent.isdisjoint(_METER))

    def firmware(self) -> dict[str, str]:
        """Versions of what is inside the device."""
        told = {name: str(self._values[name]) for name in FIRMWARE if name in self._values}
        return {**self.identity.firmware, **told}

    def forget_values(self) -> None:
        """After a loss everything is read anew."""
        self._values.clear()
        self._absent.clear()
        self._read_at.clear()
        self._tier_read_at.clear()

    def registers_of(self, tiers: frozenset[Tier]) -> frozenset[Register]:
        """All registers that are read with these tiers."""
        if tiers not in self._by_tiers:
            self._by_tiers[tiers] = frozenset(r for r in self.read_registers if r.tier in tiers)
        return self._by_tiers[tiers]

    def _due(self) -> frozenset[Tier]:
        """Tiers whose period has passed; half a scan early rather than half a scan late.

        On a connection that is full, fewer.
        """
        if self._line is not None:
            row = self._line.want(self._name, self._demand())
            if (stretch := self._line.stretch) > 1:
                return self._due_in_turn(stretch, row)
        latest = self._clock.monotonic() + self._scan_interval / 2
        return frozenset(
            tier
            for tier, period in PERIODS.items()
            if tier not in self._tier_read_at or self._tier_read_at[tier] + period <= latest
        )

    def _due_in_turn(self, stretch: float, row: float) -> frozenset[Tier]:
        """The fast tier, and one other at most: units that began together take turns."""
        now = self._clock.monotonic()
        for tier, period in PERIODS.items():
            wait = period * stretch
            read_at = self._tier_read_at.get(tier, self._begun - (1 - row) * wait)
            if tier is not Tier.FAST and read_at + wait <= now + 1:
                return frozenset({Tier.FAST, tier})
        return frozenset({Tier.FAST})

    def _demand(self) -> Demand:
        """What this device wants of its connection."""
        per_scan = len(self._blocks_of(Tier.FAST))
        rest = sum(
            (len(self._blocks_of(Tier.FAST, tier)) - per_scan) / period
            for tier, period in PERIODS.items()
            if period
        )
        return Demand(per_scan / self._scan_interval, rest)

    def _blocks_of(self, *tiers: Tier) -> Sequence[Block]:
        return self.blocks.blocks_of(self.registers_of(frozenset(tiers)))

    def _drop_old(self, now: float, complete: frozenset[Tier]) -> None:
        """Forget what should have been read anew: an old value is never shown as new.

        A tier that was read completely without giving a name has lost it; other values hold for
        two periods of their tier.
        """
        stretch = self._line.stretch if self._line is not None else 1.0
        old = [
            name for name, at in self._read_at.items() if now - at > self._lifetime[name] * stretch
        ]
        if complete - {Tier.FAST}:
            lost = (n for n, at in self._read_at.items() if at < now)
            old += [name for name in lost if self._tiers_of[name] <= complete]
        for name in old:
            self._read_at.pop(name, None)
            self._values.pop(name, None)
            self._absent.discard(name)
