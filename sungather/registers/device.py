"""What identification finds out about a device, and what the register map asks about it."""

from dataclasses import dataclass

from sungather.reading import Path


@dataclass(frozen=True, slots=True)
class Device:
    """One inverter, as far as it is known. Unknown numbers are None, never guessed."""

    code: int
    """Device type code, register 5000."""
    model: str
    """"SG10RT"; two models on one code are "A / B"; "unknown (0x1234)" for a code not listed."""
    family: str
    """"SG-RT", "SH-RT", "SH-K" …; for unknown codes "SG" or "SH" as its answers tell."""
    nominal_kw: float | None = None
    phases: int | None = None
    mppts: int | None = None
    strings: int | None = 0
    """Strings whose currents the model measures (7013 ff.); 0 with one string on each MPPT."""
    meter: bool = True
    """Registers that need a smart meter are worth asking for."""
    path: Path = Path.UNKNOWN
    masked: bool = False
    """This path answers 0 where the inverter says "not available" (a dongle's Modbus)."""

    @property
    def hybrid(self) -> bool:
        """Families with a battery side: SH-… and MG-…."""
        return self.family.startswith(("SH", "MG"))
