"""Words -> published values. Pure: the same words give the same values.

Absent is absent, never 0 (`availability.py` tells which it is). Numbers have as many decimals as
their scale; states are texts; bits are 0 or 1; history arrays are lists with None for what is
absent.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain

from sungather.reading import Value
from sungather.registers import Block, Space, codes, kinds
from sungather.registers.availability import Availability
from sungather.registers.device import Device
from sungather.registers.kinds import Kind, Shape
from sungather.registers.tables import Register, Tier


@dataclass(frozen=True, slots=True)
class Decoded:
    """What the words of one reading say."""

    values: dict[str, Value]
    """Published name -> value."""
    units: dict[str, str]
    """Unit of each value that has one."""
    absent: tuple[str, ...]
    """Names that were read, but that the device marks as not available in every register."""


class Decoder:
    """Decodes the registers of one device."""

    def __init__(self, registers: Iterable[Register], device: Device) -> None:
        """In order of preference within a name: its first register with a value is published.

        A register that is read more often goes before all others of its name. Otherwise the value
        would be another register's whenever that one is read as well.
        """
        candidates: dict[str, list[Register]] = {}
        for register in registers:
            candidates.setdefault(register.name, []).append(register)
        for same_name in candidates.values():
            same_name.sort(key=lambda register: _TIERS.index(register.tier))
        self._registers = tuple(chain.from_iterable(candidates.values()))
        self._marked = tuple(register for register in self._registers if register.absent)
        self._device = device

    def decode(
        self,
        words: Mapping[Space, Mapping[int, int]],
        lost: Collection[Block] | None = None,
    ) -> Decoded:
        """Decode the registers of which all words are there.

        Args:
            words: Documented register number -> word (0..0xFFFF), of everything that was read at
                one time; the words that no register asked for help to judge those beside them.
            lost: What the device does not give (None: whatever is not there). Nothing stands in
                for a register that is preferred and may be read another time: the two of them
                may differ by a decimal, and the value would go to and fro.
        """
        available = Availability(self._marked, words, self._device)
        values: dict[str, Value] = {}
        units: dict[str, str] = {}
        absent: dict[str, None] = {}
        waiting: set[str] = set()
        for register in self._registers:
            name = register.name
            if name in values or name in waiting:
                continue
            known = words.get(register.space, {})
            addresses = range(register.address, register.address + register.count)
            found = [known[at] for at in addresses if at in known]
            if len(found) < register.count:
                if lost is not None and register.block not in lost:
                    waiting.add(name)
                continue
            value = _value(register, found, available)
            if value is None:
                absent[name] = None
                continue
            values[name] = value
            absent.pop(name, None)
            if register.unit:
                units[name] = register.unit
        return Decoded(values, units, tuple(absent))


_TIERS = tuple(Tier)
"""The one that is read most often first."""


def _value(register: Register, words: Sequence[int], available: Availability) -> Value | None:
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
            return _number(register, kind, kinds.raw_number(kind, words), available)


def _array(register: Register, kind: Kind, words: Sequence[int]) -> list[float | None] | None:
    found: list[float | None] = []
    for start in range(0, kind.count, kind.words):
        raw = kinds.raw_number(kind, words[start : start + kind.words])
        found.append(None if raw == kind.absent else _scaled(raw, register.scale))
    return found if any(element is not None for element in found) else None


def _number(register: Register, kind: Kind, raw: int, available: Availability) -> Value | None:
    if "no-alarm" in register.absent and register.codes and available.quiet:
        return codes.NONE
    if raw == kind.absent:
        return None
    if available.absent(register, raw):
        return None
    if register.bit is not None:
        return raw >> register.bit & 1
    if register.codes:
        where = f"register {register.address}"
        return codes.meaning(register.codes, raw, bits=16 * kind.words, where=where)
    match register.kind:
        case "battery" | "battery5631":
            signed = available.signed(register, raw)
            return None if signed is None else _scaled(signed, register.scale)
        case "capacity":
            return _scaled(raw, available.capacity_scale(raw))
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
