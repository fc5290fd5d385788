"""An inverter as SunSpec sees it: models 1, 101 or 103, and 120; pure.

For programs that know no Sungrow registers, such as a Victron GX. Layout: SunSpec Information
Model Reference (models 1, 101, 103, 120). Numbers of several words come high word first, unlike
Sungrow's. What is not known is "not implemented": never a 0 that means nothing.
"""

from collections.abc import Callable, Sequence
from typing import Final

from sungather import errors
from sungather.clock import Clock
from sungather.reading import Reading, State
from sungather.registers import Block, Space
from sungather.registers.device import Device

UNIT: Final = 126
"""The unit that programs look for SunSpec on (dbus-fronius of Victron)."""
FIRST: Final = 40001
"""Register number of the first word; 40000 on the wire."""
_MARK: Final = (0x5375, 0x6E53)
"""\"SunS\""""
_END: Final = (0xFFFF, 0)
_NO_INT: Final = 0x8000
_NO_ENUM: Final = 0xFFFF
_SLEEPING, _MPPT, _STANDBY = 2, 4, 8
_PV: Final = 4
"""DERTyp of model 120: a PV device."""
_PHASES: Final = ("a", "b", "c")


def view(reading: Reading, device: Device) -> list[int]:
    """All words from `FIRST` on, of an inverter that answers or sleeps."""
    common = (
        *_text("Sungrow", 16),
        *_text(reading.model, 16),
        *_text("", 8),
        *_text(next(iter(reading.firmware.values()), "")[-16:], 8),  # the number is at the end
        *_text(reading.serial, 16),
        UNIT,
        _NO_INT,
    )
    number = 101 if device.phases == 1 else 103
    models = ((1, common), (number, _inverter(reading, device)), (120, _nameplate(device)))
    words = [*_MARK]
    for model, content in models:
        words += (model, len(content), *content)
    return [*words, *_END]


class SunSpecView:
    """The SunSpec view of one inverter, as its newest reading tells it."""

    def __init__(
        self, device: Callable[[], Device | None], holds_for: float, clock: Clock, *, hybrids: bool
    ) -> None:
        """`holds_for`: seconds after which a reading is too old; `hybrids`: show these as well."""
        self._device = device
        self._holds_for = holds_for
        self._clock = clock
        self._hybrids = hybrids
        self._reading: Reading | None = None
        self._read_at = 0.0

    def on_reading(self, reading: Reading) -> None:
        """Take over what is newest."""
        self._reading, self._read_at = reading, self._clock.monotonic()

    @property
    def is_offered(self) -> bool:
        """Whether there is something to show.

        A hybrid's power is that of its battery, too: others would take it for the sun's.
        """
        device = self._device()
        return device is not None and (self._hybrids or not device.hybrid)

    async def read(self, wanted: Block) -> tuple[Sequence[int], bool]:
        """Words of the view; nobody has to be asked for them.

        Raises:
            Refused: The range is not within it.
            Silent: There is nothing new to tell.
        """
        reading, device = self._reading, self._device()
        late = self._clock.monotonic() - self._read_at > self._holds_for
        told = reading is not None and reading.state in (State.OK, State.ASLEEP)
        if reading is None or device is None or late or not told:
            raise errors.Silent("There is no new reading.")
        found = words_of(view(reading, device), wanted)
        if found is None or wanted.space is not Space.HOLDING:
            raise errors.Refused(errors.Refused.REASONS[2])
        return found, False


def words_of(view: Sequence[int], wanted: Block) -> Sequence[int] | None:
    """The words of a range; None where it is not wholly within the view."""
    start = wanted.start - FIRST
    if start < 0 or start + wanted.count > len(view):
        return None
    return view[start : start + wanted.count]


def _inverter(reading: Reading, device: Device) -> tuple[int, ...]:
    volts = [_scaled(reading, f"phase_{phase}_voltage", 10) for phase in _PHASES]
    amperes = [_scaled(reading, f"phase_{phase}_current", 100) for phase in _PHASES]
    known = [one for one in amperes[: device.phases or len(_PHASES)] if one is not None]
    complete = len(known) == (device.phases or len(_PHASES))
    return (
        _unsigned(sum(known) if complete else None),
        *map(_unsigned, amperes),
        _exponent(-2),
        *(_NO_ENUM,) * 3,  # voltages between phases
        *map(_unsigned, volts),
        _exponent(-1),
        *_with_exponent(reading.number("total_active_power")),
        _unsigned(_scaled(reading, "grid_frequency", 100)),
        _exponent(-2),
        *(_NO_INT,) * 6,  # apparent and reactive power, power factor
        *_energy(reading),
        0,
        *(_NO_ENUM, _NO_INT) * 2,  # current and voltage of the panels, which are several
        *_with_exponent(reading.number("total_dc_power")),
        _signed(_scaled(reading, "internal_temperature", 10)),
        *(_NO_INT,) * 3,
        _exponent(-1),
        _state(reading),
        _NO_ENUM,
        *(0xFFFF,) * 12,  # events: nobody says that there are none
    )


def _nameplate(device: Device) -> tuple[int, ...]:
    rated = (_NO_ENUM, _NO_INT)
    if device.nominal_kw is not None:
        power, exponent = _with_exponent(device.nominal_kw * 1000)
        rated = (power, exponent)
    return (
        _PV,
        *rated,
        *(_NO_ENUM, _NO_INT),  # apparent power
        *(_NO_INT,) * 5,  # reactive power in four quadrants
        *(_NO_ENUM, _NO_INT),  # current
        *(_NO_INT,) * 5,  # power factor in four quadrants
        *(_NO_ENUM, _NO_INT) * 4,  # energy, charge and the two rates of a storage
        _NO_INT,
    )


def _state(reading: Reading) -> int:
    if reading.state is State.ASLEEP:
        return _SLEEPING
    power = reading.number("total_active_power")
    if power is None:
        return _NO_ENUM
    return _MPPT if power > 0 else _STANDBY


def _energy(reading: Reading) -> tuple[int, int]:
    """Lifetime energy in Wh; 0 is "not implemented"."""
    kwh = reading.number("total_power_yields")
    return divmod(round((kwh or 0) * 1000) & 0xFFFFFFFF, 0x10000)


def _scaled(reading: Reading, name: str, factor: int) -> int | None:
    number = reading.number(name)
    return None if number is None else round(number * factor)


def _with_exponent(watts: float | None) -> tuple[int, int]:
    """A power as a signed word, and the power of ten that it is to be multiplied with."""
    if watts is None:
        return _NO_INT, 0
    exponent = 0
    while abs(watts) > 0x7FFF:
        watts, exponent = watts / 10, exponent + 1
    return round(watts) & 0xFFFF, exponent


def _unsigned(number: int | None) -> int:
    return number if number is not None and 0 <= number < _NO_ENUM else _NO_ENUM


def _signed(number: int | None) -> int:
    return number & 0xFFFF if number is not None and abs(number) < _NO_INT else _NO_INT


def _exponent(number: int) -> int:
    return number & 0xFFFF


def _text(text: str, words: int) -> tuple[int, ...]:
    raw = text.encode("ascii", "replace")[: 2 * words].ljust(2 * words, b"\0")
    return tuple(int.from_bytes(raw[n : n + 2], "big") for n in range(0, len(raw), 2))
