"""Kinds of values: how many words one takes, which number they are, and what says "not available".

The name of a kind is its full specification: `u16`, `s16`, `u32`, `s32` (low word first), `u64`,
`s64` (high word first), `text[n]` (n words of UTF-8, cut at the first NUL), arrays such as
`u16[96]`, and the specials of the manufacturer:

* `label[n]`: text whose words come last first;
* `version`: a version number in BCD, one byte a part: 0x01015300 is V1.1.53;
* `clock`: year, month, day, hour, minute, second, one word each;
* `epoch`: seconds since 1970, of the device's local time;
* `position`: of a cell or sensor in a battery: module in the high byte, number in the low byte;
* `frequency`: 0.01 Hz when the raw number is over 1000, else 0.1 Hz;
* `health`: 1 % when the raw number is 100 or less, else 0.1 %;
* `capacity`: 0.1 kWh, but 0.01 kWh through some dongles (see `availability.py`);
* `battery`: s16 whose sign older firmware left out (see `availability.py`);
* `battery5631`: the same, where the firmware's own sign is never trusted.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import cache


class Shape(Enum):
    """What comes out of the words."""

    NUMBER = "number"
    TEXT = "text"
    LABEL = "label"
    VERSION = "version"
    CLOCK = "clock"
    EPOCH = "epoch"
    POSITION = "position"


@dataclass(frozen=True, slots=True)
class Kind:
    """A decode name, taken apart."""

    shape: Shape
    words: int
    """Registers of one element; of the whole for texts."""
    length: int = 1
    """Elements: 1, or more for an array."""
    signed: bool = False
    high_word_first: bool = False

    @property
    def count(self) -> int:
        """Registers of the whole value."""
        return self.words * self.length

    @property
    def absent(self) -> int:
        """The raw number of one element that the documents give for "not available"."""
        bits = 16 * self.words
        return (1 << (bits - 1)) - 1 if self.signed else (1 << bits) - 1


_NUMBERS = {
    "u16": Kind(Shape.NUMBER, 1),
    "s16": Kind(Shape.NUMBER, 1, signed=True),
    "u32": Kind(Shape.NUMBER, 2),
    "s32": Kind(Shape.NUMBER, 2, signed=True),
    "u64": Kind(Shape.NUMBER, 4, high_word_first=True),
    "s64": Kind(Shape.NUMBER, 4, signed=True, high_word_first=True),
}
_SPECIALS = {
    "version": Kind(Shape.VERSION, 2),
    "clock": Kind(Shape.CLOCK, 6),
    "epoch": Kind(Shape.EPOCH, 2),
    "position": Kind(Shape.POSITION, 1),
    "frequency": _NUMBERS["u16"],
    "health": _NUMBERS["u16"],
    "capacity": _NUMBERS["u16"],
    "battery": _NUMBERS["s16"],
    "battery5631": _NUMBERS["s16"],
}
_SIZED = re.compile(r"(\w+)\[(\d+)\]")


@cache
def kind(name: str) -> Kind:
    """The kind of a decode name.

    Raises:
        ValueError: there is no such kind.
    """
    if found := _NUMBERS.get(name) or _SPECIALS.get(name):
        return found
    if match := _SIZED.fullmatch(name):
        base, size = match[1], int(match[2])
        if base in ("text", "label") and size:
            return Kind(Shape(base), size)
        if base in _NUMBERS and size:
            number = _NUMBERS[base]
            return Kind(number.shape, number.words, size, number.signed, number.high_word_first)
    raise ValueError(f"{name} is not the name of a kind of value.")


def raw_number(of: Kind, words: Sequence[int]) -> int:
    """The number that the words of one element are, without its scale."""
    number = 0
    for word in words if of.high_word_first else reversed(words):
        number = number << 16 | word & 0xFFFF
    bits = 16 * of.words
    return number - (1 << bits) if of.signed and number >> (bits - 1) else number


def text(words: Sequence[int]) -> str:
    """UTF-8 up to the first NUL (stale bytes follow it), "" when there is none.

    Bytes that are no UTF-8 become U+FFFD; control characters are left out.
    """
    raw = b"".join((word & 0xFFFF).to_bytes(2, "big") for word in words).split(b"\0", 1)[0]
    if not raw.strip(b"\xff"):
        return ""
    found = raw.decode("utf-8", errors="replace")
    return "".join(letter for letter in found if letter.isprintable()).strip()


def label(words: Sequence[int]) -> str:
    """Text whose last word comes first: 0x3000, 0x4142 is "AB0"."""
    return text(list(reversed(words)))


def version(words: Sequence[int]) -> str:
    """A BCD version number, low word first; "" when there is none."""
    number = raw_number(_SPECIALS["version"], words)
    if number in (0, 0xFFFFFFFF):
        return ""
    parts = [f"{byte:x}" for byte in number.to_bytes(4, "big")]
    return "V" + ".".join(parts if parts[3] != "0" else parts[:3])


def clock(words: Sequence[int]) -> str:
    """The device's own local time as "YYYY-MM-DD HH:MM:SS"; "" when it is no time at all."""
    year, month, day, hour, minute, second = (word & 0xFFFF for word in words)
    if not 2000 <= year <= 2099:
        return ""
    try:
        moment = datetime(year, month, day, hour, minute, second)
    except ValueError:
        return ""
    return moment.isoformat(sep=" ")


def epoch(words: Sequence[int]) -> str:
    """Seconds since 1970 in local time, as `clock` writes it; "" when there are none."""
    seconds = raw_number(_NUMBERS["u32"], words)
    if seconds in (0, 0xFFFFFFFF):
        return ""
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat(sep=" ")


def position(words: Sequence[int]) -> str:
    """A place in a battery: 0x0206 is "module 2, cell 6"; "" when there is none."""
    module, cell = divmod(words[0] & 0xFFFF, 0x100)
    if not 1 <= module < 0xFF:
        return ""
    return f"module {module}, cell {cell}" if cell else f"module {module}"
