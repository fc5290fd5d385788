"""What PVOutput's answers ask for. Pure; the words are those of its API specification."""

from collections.abc import Sequence
from enum import Enum, auto

from sungather.http_client import HttpAnswer


class UploadRefusal(Enum):
    """What to do when PVOutput refuses."""

    WAIT = auto()
    SET_ASIDE = auto()
    PERSON = auto()
    NO_DONATION = auto()
    FOREIGN = auto()
    """In none of the words of PVOutput: something between us and it has answered."""


_REFUSALS: Sequence[tuple[str, UploadRefusal]] = (
    ("donation mode", UploadRefusal.NO_DONATION),
    ("exceeded", UploadRefusal.WAIT),
    ("date is in the future", UploadRefusal.WAIT),
    ("date is older", UploadRefusal.SET_ASIDE),
    ("lower than previously recorded", UploadRefusal.SET_ASIDE),
    ("energy value too high", UploadRefusal.SET_ASIDE),
    ("power value too high", UploadRefusal.SET_ASIDE),
    ("value number cannot exceed", UploadRefusal.SET_ASIDE),
    ("moon powered", UploadRefusal.SET_ASIDE),
    ("no statuses added or updated", UploadRefusal.SET_ASIDE),
    ("could not read data", UploadRefusal.SET_ASIDE),
    ("invalid system id", UploadRefusal.PERSON),
    ("invalid api key", UploadRefusal.PERSON),
    ("disabled api key", UploadRefusal.PERSON),
    ("read only key", UploadRefusal.PERSON),
)


def refusal(status: int, text: str) -> UploadRefusal:
    """What an answer other than 200 asks for.

    Nothing is given up for words not known, nor for known ones of a server between: PVOutput says
    400 to what it does not want.
    """
    lowered = text.lower()
    for words, what in _REFUSALS:
        if words in lowered and (status == 400 or what is not UploadRefusal.SET_ASIDE):
            return what
    if status in (401, 403) and text:
        return UploadRefusal.PERSON
    return UploadRefusal.WAIT if status == 429 or status >= 500 else UploadRefusal.FOREIGN


def words_of(answer: HttpAnswer) -> str:
    """What PVOutput says; a web page is somebody else's."""
    return "" if answer.is_web_page else answer.text


def results(text: str) -> dict[tuple[str, str], str]:
    """(date, time) -> status of each record of a batch's answer; "1" added, "2" updated."""
    found: dict[tuple[str, str], str] = {}
    for record in text.strip().split(";"):
        parts: Sequence[str] = [part.strip() for part in record.split(",")]
        if len(parts) >= 3:
            found[parts[0], parts[1].replace(":", "")] = parts[2]
    return found


def whole_number(answer: HttpAnswer, name: str, otherwise: int) -> int:
    """A number in a header; `otherwise` when there is none of up to twelve digits."""
    text = answer.headers.get(name, "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else otherwise
