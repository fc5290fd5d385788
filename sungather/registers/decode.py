"""Words -> published values. Pure: the same words give the same values.

Absent is absent, never 0 (see `truth.py` for what tells). Numbers have as many decimals as their
scale; states are texts; bits are 0 or 1; history arrays are lists with None for what is absent.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from sungather.reading import Value
from sungather.registers import Space, codes, kinds
from sungather.registers.device import Device
from sungather.registers.kinds import Kind, Shape
from sungather.registers.tables import Register
from sungather.registers.truth import Truth


@dataclass(frozen=True, slots=True)
class Decoded:
    """What the words of one reading say."""

    values: dict[str, Value]
    """Published name -> value."""
    units: dict[str, str]
    """Unit of each value that has one."""
    absent: tuple[str, ...]
    """Names that were read, but that the device marks as not available in every register."""


def decode(
    registers: Iterable[Register], words: Mapping[Space, Mapping[int, int]], device: Device
) -> Decoded:
    """Decode the registers whose words are there.

    Args:
        registers: In order of preference within a name: the first that has a value is published.
            A register of which a word is missing is passed over.
        words: Documented register number -> word, of everything that was read at one time; the
            words that no register asked for help to judge those beside them.
        device: Whose words they are.
    """
    wanted = tuple(registers)
    truth = Truth(wanted, words, device)
    values: dict[str, Value] = {}
    units: dict[str, str] = {}
    absent: dict[str, None] = {}
    for register in wanted:
        if register.name in values:
            continue
        known = words.get(register.space, {})
        try:
            found = [
                known[at] for at in range(register.address, register.address + register.count)
            ]
        except KeyError:
            continue
        value = _value(register, found, truth)
        if value is None:
            absent[register.name] = None
            continue
        values[register.name] = value
        absent.pop(register.name, None)
        if register.unit:
            units[register.name] = register.unit
    return Decoded(values, units, tuple(absent))


def _value(register: Register, words: Sequence[int], truth: Truth) -> Value | None:
    kind = kinds.kind(register.kind)
    match kind.shape:
        case Shape.TEXT:
            return kinds.text(words) or None
        case Shape.LABEL:
            return kinds.label(words) or None
        case Shape.VERSION:
            return kinds.version(words) or None
        case Shape.CLOCK:
            return kinds.clock(words) or None
        case Shape.EPOCH:
            return kinds.epoch(words) or None
        case Shape.POSITION:
            return kinds.position(words) or None
        case Shape.NUMBER:
            if kind.length > 1:
                return _array(register, kind, words)
            return _number(register, kind, kinds.raw_number(kind, words), truth)


def _array(register: Register, kind: Kind, words: Sequence[int]) -> list[float | None] | None:
    found: list[float | None] = []
    for start in range(0, kind.count, kind.words):
        raw = kinds.raw_number(kind, words[start : start + kind.words])
        found.append(None if raw == kind.absent else _scaled(raw, register.scale))
    return found if any(element is not None for element in found) else None


def _number(register: Register, kind: Kind, raw: int, truth: Truth) -> Value | None:
    if raw == kind.absent:
        return None
    if "no-alarm" in register.absent and register.codes and truth.quiet:
        return codes.NONE
    if truth.absent(register, raw):
        return None
    if register.bit is not None:
        return raw >> register.bit & 1
    if register.codes:
        return codes.meaning(register.codes, raw, bits=16 * kind.words)
    match register.kind:
        case "battery" | "battery5631":
            return _scaled(truth.signed(register, raw), register.scale)
        case "capacity":
            return _scaled(raw, truth.capacity_scale(raw))
        case "frequency":
            return _scaled(raw, 0.01 if raw > _HIGHEST_IN_TENTHS else 0.1)
        case "health":
            return _scaled(raw, 1 if raw <= _HIGHEST_IN_PERCENT else 0.1)
        case _:
            return _scaled(raw, register.scale)


_HIGHEST_IN_TENTHS = 1000
"""0.1 Hz"""
_HIGHEST_IN_PERCENT = 100


def _scaled(raw: int, scale: float) -> float | int:
    """The number in its unit, with the decimals of the scale and none by accident."""
    decimals = _decimals(scale)
    return round(raw * scale, decimals) if decimals else raw * int(scale)


@cache
def _decimals(scale: float) -> int:
    """Decimals of a scale such as 0.001 (3) or 10 (0)."""
    return len(f"{scale:.6f}".rstrip("0").partition(".")[2])
