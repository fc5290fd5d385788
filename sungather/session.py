"""What is known of an identified device from one scan to the next: its values and their age."""

from collections.abc import Iterable
from dataclasses import dataclass

from sungather import errors
from sungather.block_reader import BlockReader
from sungather.clock import Clock
from sungather.identify import Identity
from sungather.reading import Refusal, Value
from sungather.registers.catalogue import Register, Tier
from sungather.registers.decode import decode

PERIODS = {Tier.FAST: 0.0, Tier.SLOW: 60.0, Tier.HOURLY: 3600.0, Tier.HISTORY: 3600.0}
"""Seconds after which a tier is read again; the fast one at every scan."""
FIRMWARE = (
    "arm_software_version",
    "dsp_software_version",
    "inverter_firmware_version",
    "communication_module_firmware_version",
    "battery_firmware_version",
)
"""Published names that make up `Reading.firmware`."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """A value between the scans that read it."""

    value: Value | None
    """None: the device says that it is not available."""
    unit: str
    tier: Tier
    read_at: float
    """Monotonic seconds."""


class Session:
    """Reads the tiers that are due, and keeps the values of the others as long as they hold."""

    def __init__(
        self,
        identity: Identity,
        registers: Iterable[Register],
        blocks: BlockReader,
        scan_interval: float,
        clock: Clock,
    ) -> None:
        self.identity = identity
        self._registers = tuple(registers)
        self._tier_of = {register.name: register.tier for register in self._registers}
        self._by_tiers: dict[frozenset[Tier], frozenset[Register]] = {}
        self._blocks = blocks
        self._scan_interval = scan_interval
        self._clock = clock
        self._read_at: dict[Tier, float] = {}
        self._kept: dict[str, _Kept] = {}

    async def read(self, complete: bool) -> tuple[frozenset[str], errors.InverterError | None]:
        """Read what is due (`complete`: everything).

        Returns the names that were read, and what ended the scan early, if anything. Raises that
        error if nothing was read at all.
        """
        tiers = frozenset(Tier) if complete else self._due()
        wanted = self._registers_of(tiers)
        gathered = await self._blocks.read(wanted)
        if not gathered.words:
            raise gathered.failure or errors.Refused("every register that the model should have")
        now = self._clock.monotonic()
        decoded = decode(self._registers, gathered.words, self.identity.device)
        for name in decoded.absent:
            self._kept[name] = _Kept(None, "", self._tier_of[name], now)
        for name, value in decoded.values.items():
            unit = decoded.units.get(name, "")
            self._kept[name] = _Kept(value, unit, self._tier_of[name], now)
        if gathered.failure is None:
            self._read_at.update(dict.fromkeys(tiers, now))
            for name in {register.name for register in wanted}:
                if name in self._kept and self._kept[name].read_at < now:
                    del self._kept[name]
        self._drop_old(now)
        return frozenset(decoded.values), gathered.failure

    def values(self) -> dict[str, Value]:
        """Everything that the device has said and that still holds."""
        return {n: kept.value for n, kept in self._kept.items() if kept.value is not None}

    def units(self) -> dict[str, str]:
        """Units of `values`, for those that have one."""
        return {n: kept.unit for n, kept in self._kept.items() if kept.unit}

    def absent(self) -> tuple[str, ...]:
        """Names that the device marks as not available."""
        return tuple(sorted(name for name, kept in self._kept.items() if kept.value is None))

    def refusals(self) -> tuple[Refusal, ...]:
        """What the device is known not to give."""
        return self._blocks.refusals

    def firmware(self) -> dict[str, str]:
        """Versions of what is inside the device."""
        values = self.values()
        told = {name: str(values[name]) for name in FIRMWARE if name in values}
        return {**self.identity.firmware, **told}

    def forget_values(self) -> None:
        """After a loss everything is read anew."""
        self._kept.clear()
        self._read_at.clear()

    def _registers_of(self, tiers: frozenset[Tier]) -> frozenset[Register]:
        if tiers not in self._by_tiers:
            self._by_tiers[tiers] = frozenset(r for r in self._registers if r.tier in tiers)
        return self._by_tiers[tiers]

    def _due(self) -> frozenset[Tier]:
        """Tiers whose period has passed; half a scan early rather than half a scan late."""
        latest = self._clock.monotonic() + self._scan_interval / 2
        return frozenset(
            tier
            for tier, period in PERIODS.items()
            if tier not in self._read_at or self._read_at[tier] + period <= latest
        )

    def _drop_old(self, now: float) -> None:
        """Forget what its tier should have brought anew: an old value is never shown as new."""
        for name, kept in list(self._kept.items()):
            lifetime = 2 * PERIODS[kept.tier] + self._scan_interval
            if now - kept.read_at > (0 if kept.tier is Tier.FAST else lifetime):
                del self._kept[name]
