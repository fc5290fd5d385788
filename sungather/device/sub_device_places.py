"""Where to look for the sub-devices of an inverter. Pure."""

from collections.abc import Sequence

from sungather.options.devices import WALL_BOX_UNIT, SubDeviceKind
from sungather.reading import Path
from sungather.registers.device import Device

FIRST_BATTERY = 200
"""Unit of the first battery on the LAN port; further ones follow without gaps."""


def usual_units(kind: SubDeviceKind, inverter: Device, connection: str) -> Sequence[int]:
    """Units on which such a sub-device of this inverter answers; empty if it cannot have one.

    Batteries are 200 to 203 on the LAN port, and usually 2 through a WiNet-S, where 2 on the LAN
    port is the second inverter of a cascade. A wall box is on the WiNet-S only, 3 or, as at its
    own address, 248. Only the SH-RT family tells which of the two it is; the others are looked
    through for both.
    """
    if inverter.path is Path.LOGGER:
        return ()  # it forwards inverters and meters
    dongle = inverter.path is not Path.CABLE or connection == "http"
    match kind:
        case SubDeviceKind.BATTERY if not inverter.hybrid:
            return ()
        case SubDeviceKind.BATTERY:
            return (2, 200, 201, 202, 203) if dongle else (200, 201, 202, 203)
        case SubDeviceKind.CHARGER:
            return () if inverter.path is Path.CABLE else (3, WALL_BOX_UNIT)
