"""Who answers behind an inverter: the type plates of batteries and wall boxes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sungather import errors
from sungather.device.identify import Ask, Identity
from sungather.device.sub_device_places import FIRST_BATTERY
from sungather.options.devices import SubDeviceKind
from sungather.reading import Path
from sungather.registers import Block, Space
from sungather.registers.device import Device
from sungather.registers.kinds import text
from sungather.registers.models import device_for


@dataclass(frozen=True, slots=True)
class _Plate:
    """Where a kind of device says who it is."""

    family: str
    whole: Block
    """All of the below in one request."""
    rest: Block
    """The same without what some devices refuse."""
    code: int
    serial: tuple[int, int]
    """First register and count."""
    firmware: tuple[int, int]
    firmware_name: str


_PLATES = {
    SubDeviceKind.BATTERY: _Plate(
        "battery",
        whole=Block(Space.INPUT, 10710, 21),
        rest=Block(Space.INPUT, 10711, 20),
        code=10710,
        serial=(10711, 10),
        firmware=(10721, 10),
        firmware_name="battery_bcu_firmware",
    ),
    SubDeviceKind.CHARGER: _Plate(
        "ev-charger",
        whole=Block(Space.INPUT, 21201, 35),
        rest=Block(Space.INPUT, 21216, 20),
        code=21224,
        serial=(21201, 6),
        firmware=(21226, 10),
        firmware_name="charger_firmware_version",
    ),
}


async def identify_behind(
    ask: Ask, kind: SubDeviceKind, unit: int, inverter: Device, connection: str
) -> Identity | None:
    """The device on the unit that `ask` asks; None for something else than `kind`.

    Raises what `ask` raises, `Refused` if there is no such device.
    """
    plate = _PLATES[kind]
    block = plate.whole
    try:
        words = await ask(block)
    except errors.Refused:
        block = plate.rest
        words = await ask(block)

    def part(first: int, count: int) -> Sequence[int]:
        offset = first - block.start
        return words[offset : offset + count] if offset >= 0 else ()

    code = next(iter(part(plate.code, 1)), 0)
    serial, firmware = text(part(*plate.serial)), text(part(*plate.firmware))
    device = device_for(code)
    if device.family != plate.family:
        if not serial and not firmware:
            return None
        model = f"{kind} (0x{code:04X})" if code else str(kind)
        device = Device(code, model, plate.family)
    path, masked = inverter.path, inverter.masked
    if kind is SubDeviceKind.BATTERY and unit >= FIRST_BATTERY and connection != "http":
        path, masked = Path.CABLE, False  # only the LAN port has these units
    device = replace(device, path=path, masked=masked)
    return Identity(device, serial, {plate.firmware_name: firmware} if firmware else {})
