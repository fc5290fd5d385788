"""What identification finds out about a device, and what the register map asks about it."""

from dataclasses import dataclass

from sungather.reading import Path


@dataclass(frozen=True, slots=True)
class Device:
    """One inverter, as far as it is known. Unknown numbers are None, never guessed."""

    code: int
    """Device type code, register 5000."""
    model: str
    """"SG10RT"; "unknown (0x1234)" for a code not listed. Of several models that share a code
    the first one of the list: it names the device wherever a name must be one."""
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
    other_models: tuple[str, ...] = ()
    """The other models that have this code, such as "SG10RT-20": the device cannot say which."""
    masked: bool = False
    """This path answers 0 where the inverter says "not available" (a dongle's Modbus)."""

    @property
    def models(self) -> tuple[str, ...]:
        """All models that the device may be."""
        return (self.model, *self.other_models)

    @property
    def display_model(self) -> str:
        """The model for people: "SG10RT / SG10RT-20" where the device cannot say which."""
        return " / ".join(self.models)

    @property
    def hybrid(self) -> bool:
        """Families with a battery side: SH-… and MG-…."""
        return self.family.startswith(("SH", "MG"))
