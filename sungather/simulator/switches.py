"""Faults by name, as `simulate --fault NAME[=VALUE]` takes them."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final, get_args, get_type_hints

from sungather.errors import OptionsError
from sungather.simulator.faults import ABSURD_CLOCK, HTTP_SERVER, METER_LOST, Faults
from sungather.simulator.modbus import ExceptionCode

Change = Callable[[Faults, str], None]
"""Turns a fault on with the text after "="; "" where there is none.

Raises `ValueError` with what the fault takes.
"""

_TYPES: Final = get_type_hints(Faults)
_HIGHEST_REGISTER: Final = 65536
_REGISTERS: Final = "registers such as 5741-5746,holding:13000"


def faults_named(settings: Sequence[str]) -> Faults:
    """The faults of all settings. Raises `OptionsError` with a sentence for each wrong one."""
    faults, problems = Faults(), list[str]()
    for setting in settings:
        name, equals, value = setting.partition("=")
        change = _SWITCHES.get(name)
        if change is None:
            problems.append(f"There is no fault {name!r}. Known are:\n{fault_list()}")
            continue
        if equals and not value:
            problems.append(f"The fault {name} has no value behind '='.")
            continue
        try:
            change(faults, value)
        except ValueError as error:
            problems.append(f"The fault {name} takes {error}, not {value!r}.")
    if problems:
        raise OptionsError(problems)
    return faults


def fault_list() -> str:
    """Every fault with what it takes, one a line."""
    return "\n".join(f"  {name}{_VALUES.get(name, '')}" for name in sorted(_SWITCHES))


def _flag(field: str) -> Change:
    def change(faults: Faults, value: str) -> None:
        if value not in ("", "true", "false"):
            raise ValueError("true or false")
        setattr(faults, field, value != "false")

    return change


def _number(field: str) -> Change:
    def change(faults: Faults, value: str) -> None:
        try:
            number = _TYPES[field](value)
        except ValueError:
            number = math.nan
        if not 0 <= number < math.inf:
            raise ValueError("a number from 0 on")
        setattr(faults, field, number)

    return change


def _code(field: str) -> Change:
    def change(faults: Faults, value: str) -> None:
        try:
            setattr(faults, field, ExceptionCode(int(value)))
        except ValueError:
            known = ", ".join(str(code.value) for code in ExceptionCode)
            raise ValueError(f"a Modbus exception ({known})") from None

    return change


def _choice(field: str) -> Change:
    choices = [text for text in get_args(_TYPES[field]) if text]

    def change(faults: Faults, value: str) -> None:
        if value not in choices:
            raise ValueError(" or ".join(choices))
        setattr(faults, field, value)

    return change


def _registers(field: str) -> Change:
    def change(faults: Faults, value: str) -> None:
        found: dict[str, set[int]] = {}
        for part in value.split(","):
            space, _, numbers = part.rpartition(":")
            found.setdefault(space or "input", set()).update(_block(numbers))
        if not found.keys() <= {"input", "holding"}:
            raise ValueError(_REGISTERS)
        setattr(faults, field, found)

    return change


def _block(numbers: str) -> range:
    """Registers of "5741-5746" or "5741"."""
    first, _, last = numbers.partition("-")
    try:
        block = range(int(first), int(last or first) + 1)
    except ValueError:
        block = range(0)
    if not block or not 1 <= block[0] <= block[-1] <= _HIGHEST_REGISTER:
        raise ValueError(_REGISTERS)
    return block


def _words(words: Mapping[str, Mapping[int, int]]) -> Change:
    def change(faults: Faults, value: str) -> None:
        if value:
            raise ValueError("no value")
        spaces = faults.words.keys() | words.keys()
        faults.words = {
            space: {**faults.words.get(space, {}), **words.get(space, {})} for space in spaces
        }

    return change


def _not_modbus(faults: Faults, value: str) -> None:
    if value:
        raise ValueError("no value")
    faults.banner = HTTP_SERVER


_KINDS: Final[Mapping[Callable[[str], Change], tuple[str, Sequence[str]]]] = {
    _flag: ("", ("split", "late_by_one", "silent", "after_sunset")),
    _number: (
        "=NUMBER",
        ("widest", "busy", "late", "close_after", "close_every", "sessions", "recovery"),
    ),
    _code: ("=CODE", ("refusal", "busy_code")),
    _choice: ("", ("short", "foreign", "excess", "night", "unknown_unit")),
    _registers: ("=REGISTERS", ("cannot_start", "cannot_contain", "silent_on", "close_on")),
}
_SWITCHES: Final[Mapping[str, Change]] = {
    **{
        field.replace("_", "-"): kind(field)
        for kind, (_, fields) in _KINDS.items()
        for field in fields
    },
    "absurd-clock": _words(ABSURD_CLOCK),
    "meter-lost": _words(METER_LOST),
    "not-modbus": _not_modbus,
}
_VALUES: Final = {
    field.replace("_", "-"): value or f"={'|'.join(t for t in get_args(_TYPES[field]) if t)}"
    for value, fields in _KINDS.values()
    for field in fields
    if value or get_args(_TYPES[field])
}
"""What a fault takes, as the list of faults shows it."""
