"""Where to look for the devices behind an inverter: the option `inverter.devices`. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sungather.reading import Path
from sungather.registers.device import Device

HIGHEST_UNIT = 247
FIRST_BATTERY = 200
"""Unit of the first battery on the LAN port; further ones follow without gaps."""


class Kind(StrEnum):
    """Devices behind an inverter, as options and names have them."""

    BATTERY = "battery"
    CHARGER = "charger"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One entry of the option."""

    kind: Kind
    unit: int | None = None
    """None: wherever it usually is."""


def wanted_devices(text: str) -> tuple[Wanted, ...]:
    """The entries of the option: all kinds for "auto", none for "none", else those of the list.

    Raises `ValueError` with what is wrong.
    """
    if text.strip() in ("auto", "none"):
        return tuple(map(Wanted, Kind)) if text.strip() == "auto" else ()
    return tuple(dict.fromkeys(_entry(part.strip()) for part in text.split(",")))


def _entry(text: str) -> Wanted:
    kind, colon, unit = text.partition(":")
    if kind not in set(Kind):
        raise ValueError(f"{text!r} is neither auto, none, battery nor charger")
    if not colon:
        return Wanted(Kind(kind))
    if not (unit.isascii() and unit.isdigit() and 1 <= int(unit) <= HIGHEST_UNIT):
        raise ValueError(f"{text!r} needs a unit from 1 to {HIGHEST_UNIT} after the colon")
    return Wanted(Kind(kind), int(unit))


def usual_units(kind: Kind, inverter: Device, connection: str) -> Sequence[int]:
    """Units on which such a device answers behind this inverter; empty if it cannot have one.

    Batteries are 200 to 203 on the LAN port, and usually 2 through a WiNet-S, where 2 on the LAN
    port is the second inverter of a cascade. A wall box is 3, on the WiNet-S only.
    """
    dongle = inverter.path is Path.DONGLE or connection == "http"
    match kind:
        case Kind.BATTERY if not inverter.hybrid:
            return ()
        case Kind.BATTERY:
            return (2, 200, 201, 202, 203) if dongle else (200, 201, 202, 203)
        case Kind.CHARGER:
            return () if inverter.path is Path.CABLE else (3,)
