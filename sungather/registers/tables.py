"""The form of the register map's files, `data/*.table`: plain text for people, one row a line.

::

    # A comment.
    source S = what the letter stands for in the column "source"
    [input] SG                        the space, and the condition of all rows below

    address | name | decode | scale | unit | level tier | when | marks | source | note

* address: documented (1-based) register number. `7013+1` with a name such as
  `string_{1-24}_current` stands for 24 rows, 1 register apart; `{n}` is the number in the
  column "when".
* decode: the kind of value, see `kinds.py`; scale: what one count is, in the unit.
* level tier: the smallest `inverter.level` that reads the row, and how often (`Tier`).
* when: condition on the device, see `Condition`; empty: as the section says.
* marks: `codes:TABLE` (see `codes.py`), `bit:N` (that bit alone, 0 or 1), `group:NAME` (read
  apart from everything else, last), `faults:codes`, `faults:count`, `faults:state` and
  `faults:hint` (tells faults, see `faults.py`: read at every level), `always` (read at every
  level, since other values are judged by it), and those of `ABSENT`.
* source: the sources, by their letters. note: for people only.

Rows of one name are candidates for one value: preferred is the one that is read most often, and
of several such the one that comes first.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path as FilePath

from sungather.reading import Path
from sungather.registers import Block, Space
from sungather.registers.device import Device
from sungather.registers.kinds import kind

DATA = FilePath(__file__).with_name("data")

ABSENT = frozenset({
    "battery", "meter", "meter-load", "meter-total", "meter2", "no-alarm", "ones", "zero",
    "zero-masked",
})  # fmt: skip
"""Marks for what makes a value absent, beside what the documents say (see `availability.py`)."""


class Tier(StrEnum):
    """How often a register is worth a request."""

    FAST = "fast"
    """Powers, and the states that explain them: at every scan."""
    SLOW = "slow"
    """Energies, temperatures, states, settings."""
    HOURLY = "hourly"
    """Identity, firmware, the device's clock, what an installer sets once."""
    HISTORY = "history"
    """Arrays of past days; at start and hourly."""


@dataclass(frozen=True, slots=True)
class Register:
    """One value of the map: where its words are and how they become what is published."""

    name: str
    """Published name. Several registers may have it: candidates, the preferred one first."""
    space: Space
    address: int
    """First register, documented number."""
    kind: str
    """Decode name, see `kinds.py`."""
    count: int
    """Registers (words) of the whole value."""
    length: int
    """Elements of an array; 1 for everything else."""
    scale: float
    """One count, in `unit`; negative where the device's sign is the other way round."""
    unit: str
    """As Home Assistant writes it, or ""."""
    level: int
    tier: Tier
    codes: str
    """Name of the table that gives the number a meaning, or "" (see `codes.py`)."""
    bit: int | None
    """The one bit of the number that is the value, 0 or 1."""
    group: str
    """Registers of one group are read apart from all others, last. "" for none."""
    absent: frozenset[str]
    """What else tells that the value is absent: of `ABSENT`, see `availability.py`."""
    source: str
    note: str
    faults: str = ""
    """How it tells faults: "codes", "count", "state" or "hint", see `faults.py`; "" for not."""
    always: bool = False
    """Read at every level; published at its own."""

    @property
    def block(self) -> Block:
        """The registers, all of which must come from one request."""
        return Block(self.space, self.address, self.count)


@dataclass(frozen=True, slots=True)
class Condition:
    """Which devices have a register: all words of the condition must hold.

    * `SG,SH-RT`: one of these families; `SG` holds every family SG-…; `SG-?` is an SG whose code
      is not listed; a name with `*` is a pattern for the model, as in `*KTL-M*`.
    * `!SH-RS,*SG5.5RS-JP*`: none of these.
    * `3ph`: not known to be single-phase. `mppt>=3`, `strings>=2`: as many; a device of which the
      number is unknown is asked unless its path answers 0 for what it has not.
    * `meter`: registers of the smart meter are wanted.
    * `direct`: answered by the inverter itself, that is over a cable or a dongle's web API.
    * `no-logger`: not through a logger, which does not pass it on.
    """

    terms: tuple[str, ...]

    def holds(self, device: Device) -> bool:
        """Whether the device is one of those."""
        return all(_holds(term, device) for term in self.terms)


@dataclass(frozen=True, slots=True)
class Row:
    """A register and the devices that have it."""

    register: Register
    condition: Condition

    def suits(self, device: Device) -> bool:
        """Whether the device has the register."""
        return self.condition.holds(device)


def _holds(term: str, device: Device) -> bool:
    if term == "3ph":
        return device.phases != 1
    if term == "meter":
        return device.meter
    if term == "direct":
        return device.path in (Path.CABLE, Path.DONGLE) and not device.masked
    if term == "no-logger":
        return device.path is not Path.LOGGER
    what, at_least, number = term.partition(">=")
    if at_least:
        has = device.mppts if what == "mppt" else device.strings
        return has >= int(number) if has is not None else not device.masked
    if term.startswith("!"):
        return not _is_one_of(term[1:], device)
    return _is_one_of(term, device)


def _is_one_of(names: str, device: Device) -> bool:
    return any(_is(name, device) for name in names.split(","))


def _is(name: str, device: Device) -> bool:
    if "*" in name:
        return any(fnmatchcase(model, name) for model in device.models)
    if name.endswith("-?"):
        return device.family == name[:-2]
    return device.family == name or device.family.startswith(name + "-")


_SECTION = re.compile(r"\[(\w+)\]\s*(.*)")
_REPEATED = re.compile(r"\{(\d+)-(\d+)\}")
_BARS = re.compile(r" *\| *")
_COLUMNS = 10


def read_rows(name: str) -> Iterator[Row]:
    """The rows of `data/NAME.table`.

    Raises:
        ValueError: a row is wrong; with file and line.
    """
    sources: dict[str, str] = {}
    space, base = Space.INPUT, ""
    path = DATA / f"{name}.table"
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line or line.startswith(("#", "address")):
            continue
        try:
            if line.startswith("source "):
                key, _, text = line.removeprefix("source ").partition("=")
                sources[key.strip()] = text.strip()
            elif section := _SECTION.fullmatch(line):
                space, base = Space(section[1]), section[2]
            else:
                yield from _rows(line, space, base, sources)
        except (ValueError, KeyError) as error:
            raise ValueError(f"{path.name}, line {number}: {error}") from error


def _rows(line: str, space: Space, base: str, sources: dict[str, str]) -> Iterator[Row]:
    cells = _BARS.split(line)
    if len(cells) != _COLUMNS:
        raise ValueError(f"{len(cells)} columns instead of {_COLUMNS}")
    address, name, decode, scale, unit, often, when, marks, source, note = cells
    level, tier = _level_and_tier(often)
    count, length = _count_and_length(decode)
    marked = _marks(marks)
    if source not in sources:
        sources[source] = "; ".join(sources[key] for key in source.split(","))
    for published, start, condition in _each(name, address, f"{base} {when}"):
        register = Register(
            name=published,
            space=space,
            address=start,
            kind=decode,
            count=count,
            length=length,
            scale=float(scale) if scale else 1,
            unit=unit,
            level=level,
            tier=tier,
            codes=marked.codes,
            bit=marked.bit,
            group=marked.group,
            faults=marked.faults,
            always=marked.always or bool(marked.faults),
            absent=marked.absent,
            source=sources[source],
            note=note,
        )
        yield Row(register, _condition(condition))


def _each(name: str, address: str, condition: str) -> list[tuple[str, int, str]]:
    """Name, address and condition of the row, or of every row that it stands for."""
    first, _, step = address.partition("+")
    if not step:
        return [(name, int(first), condition)]
    repeated = _REPEATED.search(name)
    if repeated is None:
        raise ValueError(f"no {{from-to}} in the name {name}")
    numbers = range(int(repeated[1]), int(repeated[2]) + 1)
    return [
        (
            name.replace(repeated[0], str(n)),
            int(first) + index * int(step),
            condition.replace("{n}", str(n)),
        )
        for index, n in enumerate(numbers)
    ]


@cache
def _level_and_tier(text: str) -> tuple[int, Tier]:
    level, tier = text.split()
    return int(level), Tier(tier)


@cache
def _count_and_length(decode: str) -> tuple[int, int]:
    found = kind(decode)
    return found.count, found.length


@cache
def _condition(text: str) -> Condition:
    return Condition(tuple(text.split()))


@dataclass(frozen=True, slots=True)
class _Marks:
    codes: str = ""
    group: str = ""
    faults: str = ""
    bit: int | None = None
    absent: frozenset[str] = frozenset()
    always: bool = False


_KEYED = frozenset({"bit", "codes", "faults", "group"})


@cache
def _marks(text: str) -> _Marks:
    keyed = dict(mark.split(":") for mark in text.split() if ":" in mark)
    absent = frozenset(mark for mark in text.split() if ":" not in mark)
    always, absent = "always" in absent, absent - {"always"}
    if wrong := (keyed.keys() - _KEYED) | (absent - ABSENT):
        raise ValueError(f"unknown mark {', '.join(sorted(wrong))}")
    bit = int(keyed["bit"]) if "bit" in keyed else None
    texts = (keyed.get(key, "") for key in ("codes", "group", "faults"))
    return _Marks(*texts, bit=bit, absent=absent, always=always)
