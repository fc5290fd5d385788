"""What the numbers of states, settings, faults and alarms mean.

The tables are in `data/codes.table` and, loaded only when a fault is there to be named,
`data/string_faults.table` and `data/hybrid_faults.table`. A table is named `TABLE` or
`FILE/TABLE`.
"""

import re
from dataclasses import dataclass, field
from enum import Enum
from functools import cache

from sungather.registers.models import device_for
from sungather.registers.tables import DATA

MODELS = "models"
"""The name of the table of device type codes."""
NONE = "none"
"""No fault, no alarm, no bit."""
NOT_AVAILABLE = "-"

UNKNOWN = "unknown"
"""Begins the text of a state that has none, and stands behind a code that has none."""

_FAULT_FILES = ("hybrid_faults", "string_faults")


class _Style(Enum):
    NUMBERS = ""
    BITS = "bits"
    FAULTS = "faults"


@dataclass(slots=True)
class _Table:
    style: _Style
    first_codes: tuple[int, ...] = ()
    """Faults, one a bit: the codes of bits 0 and 16. Empty where the number is the code."""
    texts: dict[int, str] = field(default_factory=dict[int, str])


def meaning(table: str, number: int, bits: int = 16, where: str = "") -> str | None:
    """What a register's number says; None when it says that the value is not available.

    A number without a meaning is "unknown (0x1234)", a bit without one "bit 5". Several bits are
    separated by "; ". Faults have their code before their text: "10 Grid power outage", "083 Fan 2
    Stall Alarm; 504 Ambient Temperature Sensor Short Circuit Alarm", or "none".

    Args:
        table: Name of the table.
        number: The raw number; a negative one is taken for its two's complement.
        bits: Width of the register.
        where: Such as "register 13066": stands with a fault for which there is no text.

    Raises:
        KeyError: there is no such table.
    """
    number &= (1 << bits) - 1
    if table == MODELS:
        return device_for(number).model
    file, _, name = table.rpartition("/")
    if number == 0 and file in _FAULT_FILES:
        return NONE
    found = _tables(file or "codes")[name]
    if found.style is _Style.NUMBERS:
        text = found.texts.get(number, f"unknown (0x{number:0{bits // 4}X})")
        return None if text == NOT_AVAILABLE else text
    if found.style is _Style.FAULTS and not found.first_codes:
        if number == 0:
            return NONE
        return f"{number} {found.texts.get(number) or unknown_code(where)}"
    parts = [_bit(found, bit, where) for bit in range(bits) if number >> bit & 1]
    return "; ".join(parts) or NONE


def known(table: str, number: int) -> bool:
    """Whether the table has a text for the number."""
    file, _, name = table.rpartition("/")
    return number in _tables(file or "codes")[name].texts


def fault_texts() -> dict[int, tuple[str, ...]]:
    """Every fault's code that has a text -> its texts, which the documents word differently."""
    found: dict[int, dict[str, str]] = {}
    for file in _FAULT_FILES:
        for table in _tables(file).values():
            for code, text in table.texts.items():
                found.setdefault(code, {}).setdefault(text.casefold(), text)
    return {code: tuple(texts.values()) for code, texts in found.items()}


def unknown_code(where: str) -> str:
    """What stands behind a code that has no text."""
    return f"{UNKNOWN} ({where})" if where else UNKNOWN


def _bit(table: _Table, bit: int, where: str) -> str:
    if table.style is _Style.FAULTS:
        code = table.first_codes[bit // 16] + bit % 16
        place = f"bit {bit} of {where}" if where else ""
        return f"{code:03} {table.texts.get(code) or unknown_code(place)}"
    return table.texts.get(bit, f"bit {bit}")


_SECTION = re.compile(r"\[(\w+)\] *(\w*) *([\d ]*)")
_COUNTING = re.compile(r"\{(\d+)\}")


@cache
def _tables(file: str) -> dict[str, _Table]:
    """The tables of `data/FILE.table`.

    Raises:
        ValueError: a line is wrong; with file and line.
    """
    found: dict[str, _Table] = {}
    table = _Table(_Style.NUMBERS)
    path = DATA / f"{file}.table"
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line or line.startswith("#"):
            continue
        try:
            if section := _SECTION.fullmatch(line):
                first_codes = tuple(int(code) for code in section[3].split())
                table = found[section[1]] = _Table(_Style(section[2]), first_codes)
            else:
                keys, _, text = line.partition("|")
                table.texts.update(_meanings(keys.strip(), text.strip()))
        except ValueError as error:
            raise ValueError(f"{path.name}, line {number}: {error}") from error
    return found


def _meanings(keys: str, text: str) -> dict[int, str]:
    """`10 | text` or `78-81 | PV{1} abnormal`, which counts on from the number in braces."""
    if not text:
        raise ValueError("a number without a meaning")
    first, _, last = keys.partition("-")
    numbers = range(int(first, 0), int(last or first, 0) + 1)
    counting = _COUNTING.search(text)
    if counting is None:
        return dict.fromkeys(numbers, text)
    start = int(counting[1])
    return {
        number: text.replace(counting[0], str(start + index))
        for index, number in enumerate(numbers)
    }
