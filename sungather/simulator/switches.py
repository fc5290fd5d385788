"""Faults by name, as `simulate --fault NAME[=VALUE]` takes them."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, get_args, get_type_hints

from sungather.errors import OptionsError
from sungather.simulator.faults import ABSURD_CLOCK, HTTP_SERVER, METER_LOST, Faults
from sungather.simulator.modbus import ExceptionCode

Parse = Callable[[str, Any], object]
"""From the text after "=" ("" where there is none) and the type of the field to its value.

Raises:
    ValueError: with what the fault takes.
"""

_TYPES: Final = get_type_hints(Faults)
_HIGHEST_REGISTER: Final = 65536
_REGISTERS: Final = "registers such as 5741-5746,holding:13000"


def faults_named(settings: Sequence[str]) -> Faults:
    """The faults of all settings.

    Raises:
        OptionsError: with a sentence for each wrong one.
    """
    faults, problems = Faults(), list[str]()
    for setting in settings:
        name, equals, value = setting.partition("=")
        if name not in _VALUES:
            problems.append(f"There is no fault {name!r}. Known are:\n{fault_list()}")
        elif equals and not value:
            problems.append(f"The fault {name} has no value behind '='.")
        else:
            try:
                _turn_on(faults, name, value)
            except ValueError as error:
                problems.append(f"The fault {name} takes {error}, not {value!r}.")
    if problems:
        raise OptionsError(problems)
    return faults


def fault_list() -> str:
    """Every fault with what it takes, one a line."""
    return "\n".join(f"  {name}{_VALUES[name]}" for name in sorted(_VALUES))


def _turn_on(faults: Faults, name: str, value: str) -> None:
    if name in _PARSED:
        field, parse = _PARSED[name]
        setattr(faults, field, parse(value, _TYPES[field]))
    elif value:
        raise ValueError("no value")
    elif name == "not-modbus":
        faults.banner = HTTP_SERVER
    else:
        words = _WORDS[name]
        spaces = faults.words.keys() | words.keys()
        faults.words = {
            space: {**faults.words.get(space, {}), **words.get(space, {})} for space in spaces
        }


def _flag(text: str, _: object) -> bool:
    if text not in ("", "true", "false"):
        raise ValueError("true or false")
    return text != "false"


def _number(text: str, kind: Callable[[str], float]) -> float:
    try:
        number = kind(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise ValueError("a number from 0 on")
    return number


def _code(text: str, _: object) -> ExceptionCode:
    try:
        return ExceptionCode(int(text))
    except ValueError:
        known = ", ".join(str(code.value) for code in ExceptionCode)
        raise ValueError(f"a Modbus exception ({known})") from None


def _choice(text: str, kind: object) -> str:
    if text not in _choices(kind):
        raise ValueError(" or ".join(_choices(kind)))
    return text


def _choices(kind: object) -> list[str]:
    return [text for text in get_args(kind) if text]


def _registers(text: str, _: object) -> Mapping[str, set[int]]:
    found: dict[str, set[int]] = {}
    for part in text.split(","):
        space, _, numbers = part.rpartition(":")
        found.setdefault(space or "input", set()).update(_block(numbers))
    if not found.keys() <= {"input", "holding"}:
        raise ValueError(_REGISTERS)
    return found


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


_KINDS: Final[Mapping[Parse, tuple[str, str]]] = {
    _flag: ("", "split late_by_one silent after_sunset"),
    _number: ("=NUMBER", "widest busy late close_after close_every sessions recovery"),
    _code: ("=CODE", "refusal busy_code"),
    _choice: ("", "short foreign excess night unknown_unit"),
    _registers: ("=REGISTERS", "cannot_start cannot_contain silent_on close_on"),
}
_PARSED: Final = {
    field.replace("_", "-"): (field, parse)
    for parse, (_, fields) in _KINDS.items()
    for field in fields.split()
}
_WORDS: Final = {"absurd-clock": ABSURD_CLOCK, "meter-lost": METER_LOST}
_VALUES: Final = dict.fromkeys((*_WORDS, "not-modbus"), "") | {
    name: f"={'|'.join(_choices(_TYPES[field]))}" if parse is _choice else _KINDS[parse][0]
    for name, (field, parse) in _PARSED.items()
}
"""Every fault with what it takes, as the list of faults shows it."""
