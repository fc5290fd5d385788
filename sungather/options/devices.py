"""The option `inverter.devices`: which sub-devices of an inverter to read. Pure."""

from dataclasses import dataclass
from enum import StrEnum

HIGHEST_UNIT = 247


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


def _entry(text: str) -> WantedDevice:
    kind, colon, unit = text.partition(":")
    if kind not in set(SubDeviceKind):
        raise ValueError(f"{text!r} is neither auto, none, battery nor charger")
    if not colon:
        return WantedDevice(SubDeviceKind(kind))
    if not (unit.isascii() and unit.isdigit() and 1 <= int(unit) <= HIGHEST_UNIT):
        raise ValueError(f"{text!r} needs a unit from 1 to {HIGHEST_UNIT} after the colon")
    return WantedDevice(SubDeviceKind(kind), int(unit))
