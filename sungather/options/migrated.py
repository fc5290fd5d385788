"""What a file of SunGather 0.5 becomes: our options, and a note on every key of the old file."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from sungather.options.check import OptionProblem, check
from sungather.options.file import render
from sungather.options.keys import option
from sungather.options.option import Option, OptionKind, OptionValue
from sungather.options.values import text_of
from sungather.untrusted import fit_to_show

_LONGEST_NOTE = 4000
_NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,15})?")


class Fate(StrEnum):
    """What became of a key."""

    KEPT = "kept"
    CHANGED = "changed"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Note:
    """One line of the list for the person."""

    fate: Fate
    key: str
    """The key in the old file, such as "inverter.slave" or "mqtt.ha_sensors"."""
    text: str
    """What it is now, or why it is gone; never the value of a secret."""


@dataclass(frozen=True, slots=True)
class Imported:
    """The new file, and how it came about."""

    text: str = field(repr=False)
    """YAML, with the secrets of the old file."""
    notes: tuple[Note, ...] = ()


class Written(NamedTuple):
    """A value that YAML takes for something else than text."""

    text: str
    """As it stands in the file: "0123" for the number 83."""
    value: object

    def __str__(self) -> str:
        return self.text


class Migrated:
    """Our options so far, and the notes."""

    def __init__(self) -> None:
        self.values: dict[str, OptionValue] = {}
        self._notes: list[Note] = []

    def note(self, fate: Fate, key: str, text: str) -> None:
        """Say what became of a key of the old file."""
        self._notes.append(Note(fate, fit_to_show(key), fit_to_show(text, longest=_LONGEST_NOTE)))

    def drop(self, key: str, why: str) -> None:
        """Say why a key is not taken over."""
        self.note(Fate.DROPPED, key, why)

    def set(
        self, old: str, new: str, value: object, why: str = "", *, quiet: bool = False
    ) -> bool:
        """Take a value over, if the option takes it; whether it does.

        With `quiet` the caller notes what became of it.

        Raises:
            KeyError: `new` is no option.
        """
        row = option(new)
        if row is None:
            raise KeyError(new)
        if isinstance(value, (list, dict)) or value is None:
            self.drop(old, "it has no value that can be taken over")
            return False
        text = _text(row, value)
        if (nearest := _in_bounds(row, text)) != text:
            why = f"{text} is out of bounds"
            text = nearest
        checked = check({new: text}, need_inverter=False)
        wrong = [one for one in checked.problems if not one.missing and one.key == new]
        if wrong:
            self.drop(old, wrong[0].message)
            return False
        if not text:
            self.drop(old, "it is empty")
            return False
        self.values[new] = checked.values[new]
        if row.kind.is_text and isinstance(value, Written) and text != str(value.value):
            why = why or "as it is written; SunGather 0.5 took it for something else than text"
        shown = "(secret)" if row.secret else text
        if quiet:
            return True
        if why:
            self.note(Fate.CHANGED, old, f"{new}: {shown} ({why})")
        elif new == old:
            self.note(Fate.KEPT, old, f"{new}: {shown}")
        else:
            self.note(Fate.KEPT, old, f"now {new}: {shown}")
        return True

    def imported(self) -> Imported:
        """The file, which `check-config` takes but for an inverter's missing host."""
        while problems := check(self._texts(), need_inverter=False).problems:
            self._repair(problems[0])
        return Imported(render(self.values), tuple(self._notes))

    def _texts(self) -> Mapping[str, str]:
        return {key: text_of(value) for key, value in self.values.items()}

    def _repair(self, problem: OptionProblem) -> None:
        """Leave out, or switch off, what the check refuses."""
        row = option(problem.key)
        needs = row.required_when if row is not None and problem.missing else ""
        if needs.endswith(".enabled"):
            self.values[needs] = False
            self.note(Fate.CHANGED, needs, f"{needs}: false ({problem.message.rstrip('.')})")
        else:
            key = needs or problem.key
            self.values.pop(key, None)
            self.drop(key, problem.message)


def _text(row: Option, value: object) -> str:
    """A value of the old file as the text of an option."""
    if not isinstance(value, Written):
        return text_of(value) if isinstance(value, bool) else str(value).strip()
    typed = value.value
    if row.kind.is_text or not isinstance(typed, (bool, int, float)):
        return value.text
    return text_of(typed)


def _in_bounds(row: Option, text: str) -> str:
    """The nearest number that the option takes; the text itself where it is no number."""
    low, high = row.bounds
    if row.kind is OptionKind.PORT or not _NUMBER.fullmatch(text):
        return text
    # A hundredth of a second in the place of 0 would help nobody.
    if low is not None and float(text) < low and low >= 1:
        return f"{low:g}"
    return f"{high:g}" if high is not None and float(text) > high else text
