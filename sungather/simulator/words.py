"""From physical quantities to register words: the simulator's own tables and encodings.

The tables, `data/*.table`, are written from the register documents once more, apart from the
collector's map, so that a wrong address, width or scale on one side shows and does not cancel
itself out.

A file has tables below their names in brackets, and comments after "#". A table has one line a
register: documented address, kind, step, meaning. The step is what one count is worth, with its
unit ("0.1kWh"), or "-" for a plain number. The meaning names a quantity in base units (W, J, V, A,
Hz, s, ohm, degrees C, %), or is a fixed number ("=85"), or "absent". Kinds: u16, s16, u32 and s32
(low word first), u64 and s64 (high word first), textN (N registers), swapN (text, words in reverse
order) and uNxM (array of M values).
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DATA: Final = Path(__file__).with_name("data")

Quantity = int | float | str | Sequence[int] | None
"""One physical value; None is one that this device does not have."""

UNITS: Final = {
    "W": 1, "kW": 1000, "VA": 1, "var": 1, "kvar": 1000, "kWh": 3_600_000, "V": 1, "A": 1,
    "Hz": 1, "%": 1, "C": 1, "kOhm": 1000, "h": 3600, "min": 60, "kg": 1, "": 1,
}  # fmt: skip
ABSENT: Final = {
    "u16": (0xFFFF,),
    # Not 0x7FFF: what LAN ports answer on signed registers that they do not support.
    "s16": (0xFFFF,),
    "u32": (0xFFFF, 0xFFFF),
    "s32": (0xFFFF, 0x7FFF),
}
BITS: Final = {"u16": 16, "s16": 16, "u32": 32, "s32": 32, "u64": 64, "s64": 64}


@dataclass(frozen=True, slots=True)
class WordRow:
    """One register of a table."""

    address: int
    kind: str
    length: int
    """Registers of a text, values of an array, 1 for a number."""
    step: float
    energy: bool
    """Counters show whole counts only; everything else is rounded."""
    meaning: str

    def encode(self, quantities: Mapping[str, Quantity]) -> Sequence[int]:
        """The row's words."""
        if self.meaning == "absent":
            return ABSENT[self.kind]
        if self.meaning.startswith("="):
            return self._number(int(self.meaning[1:], 0))
        value = quantities[self.meaning]
        if value is None:
            return ABSENT[self.kind]
        if isinstance(value, str):
            return text_words(value, self.length, swapped=self.kind == "swap")
        if isinstance(value, int | float):
            return self._number(self._counts(value))
        return [word for each in value for word in self._number(self._counts(each))]

    def _counts(self, value: float) -> int:
        return int(value // self.step) if self.energy else round(value / self.step)

    def _number(self, count: int) -> tuple[int, ...]:
        bits = BITS[self.kind]
        low = -(1 << bits - 1) if self.kind[0] == "s" else 0
        if not low <= count < low + (1 << bits):
            raise ValueError(f"{count} does not fit {self.kind} at {self.address}")
        count &= (1 << bits) - 1
        if bits == 64:
            return tuple(count >> shift & 0xFFFF for shift in (48, 32, 16, 0))
        return (count,) if bits == 16 else (count & 0xFFFF, count >> 16)


Tables = Mapping[str, Sequence[WordRow]]
"""The tables of a file by their names in brackets."""


def read_tables(file: str) -> Tables:
    """The tables of this file in `data`."""
    return parse_tables((DATA / file).read_text(encoding="utf-8"))


def parse_tables(text: str) -> Tables:
    """The tables of a text, see the module's docstring."""
    tables: dict[str, list[WordRow]] = {}
    rows = list[WordRow]()
    for line in text.splitlines():
        if line.startswith("["):
            rows = tables.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            rows.append(_row(*line.split()))
    return tables


def _row(address: str, kind: str, step: str, meaning: str) -> WordRow:
    length = 1
    if kind.startswith(("text", "swap")):
        kind, length = kind[:4], int(kind[4:])
    elif "x" in kind:
        kind, _, times = kind.partition("x")
        length = int(times)
    if step == "-":
        return WordRow(int(address), kind, length, 1, False, meaning)
    unit = step.lstrip("0123456789.")
    number = float(step.removesuffix(unit))
    return WordRow(int(address), kind, length, number * UNITS[unit], unit == "kWh", meaning)


def text_words(text: str, registers: int, *, swapped: bool = False) -> list[int]:
    """Big-endian ASCII, filled up with NUL."""
    data = text.encode("ascii").ljust(2 * registers, b"\0")
    words = list(struct.unpack(f">{registers}H", data))
    return words[::-1] if swapped else words


def image(
    rows: Sequence[WordRow], quantities: Mapping[str, Quantity], *, masked: bool = False
) -> dict[int, int]:
    """Documented address -> word. `masked` answers 0 for what is absent, as dongles do."""
    words: dict[int, int] = {}
    for row in rows:
        encoded = row.encode(quantities)
        if masked and encoded == ABSENT.get(row.kind):
            encoded = [0] * len(encoded)
        words.update(enumerate(encoded, row.address))
    return words
