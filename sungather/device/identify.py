"""Who answers at the other end: serial number, model, family and the path in between.

Identification comes before everything else and asks little: one request for an inverter that
answers like the documents say, two more for the SH-RT family.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from sungather import errors
from sungather.reading import Path
from sungather.registers import Block, Space
from sungather.registers.device import Device
from sungather.registers.models import NOT_INVERTERS, device_for, model_named

Read = Callable[[Block], Awaitable[Sequence[int]]]
"""Reads one block with the reader's retries; raises `Refused` for a final answer."""

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

_SINGLE_PHASE = 0
"""Output type of register 5002; 1 and 2 are three-phase."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The device and the number that tells it from its twins."""

    device: Device
    serial: str
    firmware: Mapping[str, str]
    """Published name -> version of the two processors' software, those that the device tells."""


async def identify(
    read: Read, transport: str, model: str = "auto", meter: bool = True
) -> Identity:
    """Ask the device who it is.

    `model` other than "auto" overrides what the device says of its type. Raises `NotSungrow`
    when neither a serial number nor a device type is there, and whatever `read` raises but
    `Refused`.
    """
    words = await _nameplate(read)
    serial = _text(_part(words, SERIAL))
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
            "of an inverter behind it, or inverter.host to the inverter's own address."
        )
    if not device.family:
        device = replace(device, family="SH" if await _answers(read, HYBRID_STATE) else "SG")
    if device.phases is None and output_type in (_SINGLE_PHASE, 1, 2):
        device = replace(device, phases=1 if output_type == _SINGLE_PHASE else 3)
    path = await _path(read, transport, device.family)
    masked = path is Path.DONGLE and transport != "http"
    device = replace(device, meter=meter, path=path, masked=masked)
    versions = {
        "arm_software_version": _text(_part(words, ARM)),
        "dsp_software_version": _text(_part(words, DSP)),
    }
    return Identity(device, serial, {name: text for name, text in versions.items() if text})


async def _nameplate(read: Read) -> list[int]:
    """The words of `NAMEPLATE`; 0xFFFF for those that the device refuses."""
    try:
        return list(await read(NAMEPLATE))
    except errors.Refused:
        words = [0xFFFF] * NAMEPLATE.count
    for block in (DEVICE_TYPE, SERIAL, OUTPUT_TYPE, ARM, DSP):
        offset = block.start - NAMEPLATE.start
        try:
            words[offset : offset + block.count] = await read(block)
        except errors.Refused:
            continue
    return words


def _part(nameplate: Sequence[int], block: Block) -> Sequence[int]:
    offset = block.start - NAMEPLATE.start
    return nameplate[offset : offset + block.count]


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


def _text(words: Sequence[int]) -> str:
    """ASCII up to the first NUL; "" for a register block that holds no text."""
    raw = b"".join(word.to_bytes(2, "big") for word in words).split(b"\0", 1)[0]
    text = raw.decode("ascii", errors="replace").strip()
    return text if text.isprintable() and "\ufffd" not in text else ""
