"""Who answers at the other end: serial number, model, family and the path in between.

Identification comes before everything else and asks little: one request for an inverter that
answers like the documents say, two more for the SH-RT family; one for a sub-device, a home manager
or a logger. A new kind of device needs a function in here (an `Identify`) and its registers in the
map.
"""

import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from sungather import errors
from sungather.device.sub_device_places import FIRST_BATTERY
from sungather.options.devices import SubDeviceKind
from sungather.reading import NOT_INVERTERS, Path
from sungather.registers import Block, Space, kinds
from sungather.registers.device import Device
from sungather.registers.models import device_for, model_named

Read = Callable[[Block], Awaitable[Sequence[int]]]
"""Reads one block, with retries (`Requester.read`)."""

ARM = Block(Space.INPUT, 4954, 15)
DSP = Block(Space.INPUT, 4969, 15)
SERIAL = Block(Space.INPUT, 4990, 10)
DEVICE_TYPE = Block(Space.INPUT, 5000, 1)
OUTPUT_TYPE = Block(Space.INPUT, 5002, 1)
NAMEPLATE = Block(Space.INPUT, 4954, 49)
"""All of the above in one request."""
CABLE_ONLY = Block(Space.INPUT, 6100, 1)
"""SH-RT: answers over a cable, is refused through a dongle (10 of 10 known installations)."""
HYBRID_STATE = Block(Space.INPUT, 13000, 1)
"""Only hybrids have it."""

MANAGER_UNIT = 247
"""Unit of home managers and loggers themselves, fixed (iHomeManager V1.0.2, 1.2)."""
MANAGER_PLATE = Block(Space.INPUT, 8000, 7)
"""Type code, protocol, its version, connected devices and those in fault."""
LOGGER = "logger"
MANAGERS = frozenset({"ems", LOGGER})
"""Families of what stands for a whole plant."""
CLUSTER_UNITS = range(2, 6)
"""Where an inverter answers that is a slave of another one, at its own address, too."""

_SINGLE_PHASE = 0
"""Output type of register 5002; 1 and 2 are three-phase."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The device and the number that tells it from its twins."""

    device: Device
    serial: str
    firmware: Mapping[str, str]
    """Published name -> version, of the software whose version the device tells."""
    software: str
    """The version that what is learned of the device holds for; "" if it does not tell."""


Identify = Callable[[Read], Awaitable[Identity]]
"""How a kind of device is asked who it is.

Raises:
    NotSungrow, WrongUnit: Something else than that kind of device answers.
    InverterError: What `Read` raises.
"""


async def identify_inverter(
    read: Read,
    transport: str,
    model: str = "auto",
    meter: bool = True,
    through: Path | None = None,
) -> Identity:
    """Ask an inverter who it is; `model` other than "auto" overrides its device type.

    `through` is the way to it, where that is known.

    Raises:
        NotSungrow: There is neither a serial number nor a device type, or it is no inverter.
        RefusesAll: The same, for it refuses all of this.
        InverterError: What `read` raises, but `Refused`.
    """
    try:
        words = await _nameplate(read, NAMEPLATE, DEVICE_TYPE, SERIAL, OUTPUT_TYPE, ARM, DSP)
    except errors.Refused:
        raise errors.RefusesAll(
            "The device answers Modbus, but refuses its serial number (register 4990) and its "
            "device type (register 5000), so it is not a Sungrow inverter, or one that starts or "
            "is updated just now. Check inverter.host and inverter.unit."
        ) from None
    serial = _ascii(_part(words, SERIAL))
    code, output_type = _part(words, DEVICE_TYPE)[0], _part(words, OUTPUT_TYPE)[0]
    if not serial and code in (0, 0xFFFF):
        raise errors.NotSungrow(
            "The device answers Modbus, but has neither a serial number (register 4990) nor a "
            "device type (register 5000), so it is not a Sungrow inverter. Check inverter.host "
            "and inverter.unit."
        )
    device = device_for(code) if model == "auto" else model_named(model)
    if device.family in NOT_INVERTERS:
        raise errors.NotSungrow(
            f"The device is a {device.model}, not an inverter. Set inverter.unit to the unit id "
            "of an inverter, or inverter.host to the inverter's own address."
        )
    if not device.family:
        device = replace(device, family="SH" if await _answers(read, HYBRID_STATE) else "SG")
    if device.phases is None and output_type in (_SINGLE_PHASE, 1, 2):
        device = replace(device, phases=1 if output_type == _SINGLE_PHASE else 3)
    path = through or await _path(read, transport, device.family)
    masked = path is Path.DONGLE and transport != "http"
    device = replace(device, meter=meter, path=path, masked=masked)
    arm, dsp = _ascii(_part(words, ARM)), _ascii(_part(words, DSP))
    versions = {"arm_software_version": arm, "dsp_software_version": dsp}
    return Identity(device, serial, {name: text for name, text in versions.items() if text}, arm)


async def identify_manager(read: Read) -> Identity:
    """Ask a home manager or a logger who it is; it tells no serial number.

    Raises:
        NotSungrow: Something else is there.
        InverterError: What `read` raises; `Refused` if there is no such device.
    """
    words = await read(MANAGER_PLATE)
    device = device_for(words[0])
    if device.family not in MANAGERS:
        raise errors.NotSungrow("The device is neither a home manager nor a logger.")
    return Identity(replace(device, path=Path.CABLE), "", {}, kinds.version(words[3:5]))


async def _is_inverter(read: Read) -> bool:
    """Whether the unit has an inverter's device type, as the slave of a cluster has."""
    with contextlib.suppress(errors.Refused):
        family = device_for((await read(DEVICE_TYPE))[0]).family
        return bool(family) and family not in NOT_INVERTERS
    return False


@dataclass(frozen=True, slots=True)
class _Plate:
    """Where a kind of sub-device says who it is."""

    family: str
    whole: Block
    """All of the below in one request."""
    rest: Block
    """The same without what some devices refuse."""
    code: int
    serial: Block
    firmware: Block
    firmware_name: str


_PLATES = {
    SubDeviceKind.BATTERY: _Plate(
        "battery",
        whole=Block(Space.INPUT, 10710, 21),
        rest=Block(Space.INPUT, 10711, 20),
        code=10710,
        serial=Block(Space.INPUT, 10711, 10),
        firmware=Block(Space.INPUT, 10721, 10),
        firmware_name="battery_bcu_firmware",
    ),
    SubDeviceKind.CHARGER: _Plate(
        "ev-charger",
        whole=Block(Space.INPUT, 21201, 35),
        rest=Block(Space.INPUT, 21216, 20),
        code=21224,
        serial=Block(Space.INPUT, 21201, 6),
        firmware=Block(Space.INPUT, 21226, 10),
        firmware_name="charger_firmware_version",
    ),
}


async def identify_sub_device(
    read: Read, kind: SubDeviceKind, unit: int, inverter: Device, connection: str
) -> Identity:
    """Ask who is on the unit that `read` asks.

    Raises:
        WrongUnit: Something else than `kind` is there.
        InverterError: What `read` raises; `Refused` if there is no such device.
    """
    plate = _PLATES[kind]
    if kind is SubDeviceKind.BATTERY and unit in CLUSTER_UNITS and await _is_inverter(read):
        raise errors.WrongUnit(f"Unit {unit} is another inverter. Check inverter.devices.")
    words = await _nameplate(read, plate.whole, plate.rest)
    code = words.get(plate.code, 0)
    serial, firmware = (kinds.text(_part(words, at)) for at in (plate.serial, plate.firmware))
    if len(set(serial)) == 1:
        serial = ""  # "0000000000" tells nobody from his twin
    device = device_for(code)
    if device.family != plate.family:
        if not serial and not firmware:
            raise errors.WrongUnit(f"There is no {kind} on unit {unit}. Check inverter.devices.")
        model = f"{kind} (0x{code:04X})" if code else str(kind)
        device = Device(code, model, plate.family)
    path, masked = inverter.path, inverter.masked
    if kind is SubDeviceKind.BATTERY and unit >= FIRST_BATTERY and connection != "http":
        path, masked = Path.CABLE, False  # only the LAN port has these units
    device = replace(device, path=path, masked=masked)
    versions = {plate.firmware_name: firmware} if firmware else {}
    return Identity(device, serial, versions, firmware)


async def _nameplate(read: Read, whole: Block, *parts: Block) -> Mapping[int, int]:
    """Register -> word of `whole`; if that is refused, of those `parts` that are not.

    Raises:
        Refused: All of them are refused.
    """
    with contextlib.suppress(errors.Refused):
        return _numbered(whole, await read(whole))
    words: dict[int, int] = {}
    refusal: errors.Refused | None = None
    for block in parts:
        try:
            words |= _numbered(block, await read(block))
        except errors.Refused as error:
            refusal = error
    if refusal is not None and not words:
        raise refusal
    return words


def _numbered(block: Block, words: Sequence[int]) -> dict[int, int]:
    return dict(zip(range(block.start, block.end + 1), words, strict=True))


def _part(words: Mapping[int, int], block: Block) -> Sequence[int]:
    """The words of a block; 0xFFFF for those that were refused."""
    return [words.get(at, 0xFFFF) for at in range(block.start, block.end + 1)]


async def _path(read: Read, transport: str, family: str) -> Path:
    if transport == "http":
        return Path.DONGLE
    if family != "SH-RT":
        return Path.UNKNOWN
    return Path.CABLE if await _answers(read, CABLE_ONLY) else Path.DONGLE


async def _answers(read: Read, block: Block) -> bool:
    try:
        await read(block)
    except errors.Refused:
        return False
    return True


def _ascii(words: Sequence[int]) -> str:
    """ASCII up to the first NUL; "" for a register block that holds no text."""
    raw = b"".join(word.to_bytes(2, "big") for word in words).split(b"\0", 1)[0]
    text = raw.decode("ascii", errors="replace").strip()
    return text if text.isprintable() and "\ufffd" not in text else ""
