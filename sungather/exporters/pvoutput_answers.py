"""What PVOutput's answers ask for. Pure; the words are those of its API specification."""

from collections.abc import Sequence
from enum import Enum, auto

from sungather.http_client import HttpAnswer


class Refusal(Enum):
    """What to do when PVOutput refuses."""

    WAIT = auto()
    SET_ASIDE = auto()
    PERSON = auto()
    NO_DONATION = auto()
    FOREIGN = auto()
    """In none of the words of PVOutput: something between us and it has answered."""


_REFUSALS: Sequence[tuple[str, Refusal]] = (
    ("donation mode", Refusal.NO_DONATION),
    ("exceeded", Refusal.WAIT),
    ("date is in the future", Refusal.WAIT),
    ("date is older", Refusal.SET_ASIDE),
    ("lower than previously recorded", Refusal.SET_ASIDE),
    ("energy value too high", Refusal.SET_ASIDE),
    ("power value too high", Refusal.SET_ASIDE),
    ("value number cannot exceed", Refusal.SET_ASIDE),
    ("moon powered", Refusal.SET_ASIDE),
    ("no statuses added or updated", Refusal.SET_ASIDE),
    ("could not read", Refusal.SET_ASIDE),
    ("invalid system id", Refusal.PERSON),
    ("invalid api key", Refusal.PERSON),
    ("disabled api key", Refusal.PERSON),
    ("read only key", Refusal.PERSON),
)


def refusal(status: int, text: str) -> Refusal:
    """What an answer other than 200 asks for. Nothing is given up for words not known."""
    lowered = text.lower()
    for words, what in _REFUSALS:
        if words in lowered:
            return what
    if status in (401, 403) and text:
        return Refusal.PERSON
    return Refusal.WAIT if status == 429 or status >= 500 else Refusal.FOREIGN


def results(text: str) -> dict[tuple[str, str], str]:
    """(date, time) -> status of each record of a batch's answer; "1" added, "2" updated."""
    found: dict[tuple[str, str], str] = {}
    for record in text.strip().split(";"):
        parts: Sequence[str] = [part.strip() for part in record.split(",")]
        if len(parts) >= 3:
            found[parts[0], parts[1].replace(":", "")] = parts[2]
    return found


def whole_number(answer: HttpAnswer, name: str, otherwise: int) -> int:
    """A number in a header; `otherwise` when it is not there."""
    text = answer.headers.get(name, "").strip()
    return int(text) if text.isascii() and text.isdigit() else otherwise
