"""The options `inverter.devices` and `inverter.units`: what else is at an address. Pure."""

from dataclasses import dataclass
from enum import StrEnum

HIGHEST_UNIT = 247
WALL_BOX_UNIT = 248
"""That of a wall box at an address of its own."""
MOST_UNITS = 60
"""Units that one connection may have to read."""


class SubDeviceKind(StrEnum):
    """Sub-devices, as options and names have them."""

    BATTERY = "battery"
    CHARGER = "charger"


@dataclass(frozen=True, slots=True)
class WantedDevice:
    """One entry of the option."""

    kind: SubDeviceKind
    unit: int | None = None
    """None: wherever it usually is."""


def wanted_devices(text: str) -> tuple[WantedDevice, ...]:
    """The entries of the option: all kinds for "auto", none for "none", else those of the list.

    Raises:
        ValueError: with what is wrong.
    """
    if text.strip() in ("auto", "none"):
        return tuple(map(WantedDevice, SubDeviceKind)) if text.strip() == "auto" else ()
    return tuple(dict.fromkeys(_entry(part.strip()) for part in text.split(",")))


def units_of(text: str) -> tuple[int, ...]:
    """The units of the option, in its order; () for "".

    Raises:
        ValueError: with what is wrong.
    """
    found: dict[int, None] = {}
    for part in filter(None, (one.strip() for one in text.split(","))):
        first, dash, last = (one.strip() for one in part.partition("-"))
        ends = (first, last if dash else first)
        if not all(end.isascii() and end.isdigit() and len(end) <= 3 for end in ends):
            raise ValueError("A range is written as 1-10")
        low, high = map(int, ends)
        if low == 0:
            raise ValueError("Unit 0 speaks to all devices at once and is never asked")
        if not low <= high <= HIGHEST_UNIT:
            raise ValueError(f"Units go from 1 to {HIGHEST_UNIT}, and a range from low to high")
        found |= dict.fromkeys(range(low, high + 1))
    if len(found) > MOST_UNITS:
        raise ValueError(f"One connection serves at most {MOST_UNITS} units")
    return tuple(found)


def unit_names(name: str, units: str) -> tuple[str, ...]:
    """The names of the inverters that these options stand for."""
    return tuple(f"{name}-{unit}" for unit in units_of(units)) or (name,)


def _entry(text: str) -> WantedDevice:
    kind, colon, unit = text.partition(":")
    if kind not in set(SubDeviceKind):
        raise ValueError(f"{text!r} is neither auto, none, battery nor charger")
    if not colon:
        return WantedDevice(SubDeviceKind(kind))
    if not (unit.isascii() and unit.isdigit() and 1 <= int(unit) <= WALL_BOX_UNIT):
        raise ValueError(f"{text!r} needs a unit from 1 to {WALL_BOX_UNIT} after the colon")
    return WantedDevice(SubDeviceKind(kind), int(unit))
