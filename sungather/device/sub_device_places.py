"""Where to look for the devices behind an inverter. Pure."""

from collections.abc import Sequence

from sungather.options.devices import SubDeviceKind
from sungather.reading import Path
from sungather.registers.device import Device

FIRST_BATTERY = 200
"""Unit of the first battery on the LAN port; further ones follow without gaps."""


_ON_LAN = (200, 201, 202, 203)
_ON_DONGLE = 2


def usual_units(kind: SubDeviceKind, inverter: Device, connection: str) -> Sequence[Sequence[int]]:
    """Units on which such a device answers behind this inverter; empty if it cannot have one.

    In rows: nothing is behind the first unit of a row that is silent, and no row is asked after
    one on which a device was found.

    Batteries are 200 to 203 on the LAN port, and usually 2 through a WiNet-S, where 2 on the LAN
    port is the second inverter of a cascade. A wall box is 3, on the WiNet-S only.
    """
    dongle = inverter.path is Path.DONGLE or connection == "http"
    match kind:
        case SubDeviceKind.BATTERY if not inverter.hybrid:
            return ()
        case SubDeviceKind.BATTERY:
            if dongle:
                return ((_ON_DONGLE, *_ON_LAN),)
            # Only some families tell their path; a battery that is not on the LAN port's units
            # shows that it is a dongle.
            return (_ON_LAN,) if inverter.path is Path.CABLE else (_ON_LAN, (_ON_DONGLE,))
        case SubDeviceKind.CHARGER:
            return () if inverter.path is Path.CABLE else ((3,),)
