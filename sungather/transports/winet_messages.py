"""Messages of a WiNet-S: JSON objects with a result code, which arrive whole or in pieces."""

from collections.abc import Iterable, Mapping
from typing import cast

from sungather.transports.winet_wire import LONGEST
from sungather.untrusted import fit_to_show, parsed_json

Message = Mapping[str, object]

_LONGEST_REASON = 80
_CODES = 100_000
"""No result code is that far from 0."""


def result_of(answer: Message, secrets: Iterable[str] = ()) -> tuple[int, str]:
    """Result code (0 if there is none) and message of an answer, without these secrets."""
    code, message = answer.get("result_code"), answer.get("result_msg")
    text = message if isinstance(message, str) else ""
    number = code if isinstance(code, int) and abs(code) < _CODES else 0
    return number, fit_to_show(text, secrets, _LONGEST_REASON)


def data_of(answer: Message) -> Message:
    """The `result_data` object of an answer; empty if there is none."""
    data = answer.get("result_data")
    return cast(Message, data) if isinstance(data, dict) else {}


class Splicer:
    """Puts messages together that arrive in pieces: see `message_of`.

    Every character is looked at once or twice, however small the pieces are.
    """

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._begin_anew()

    def feed(self, text: str) -> Message | None:
        """The message that is complete with `text`, if any.

        Raises:
            EOFError: the message is too long.
        """
        whole = message_of(text)
        if whole is None and text and (self._pieces or text.lstrip().startswith("{")):
            self._add(text)
            if self._open > 0:
                return None
            whole = message_of("".join(self._pieces))
        if whole is not None or self._open <= 0:
            self._begin_anew()
        return whole

    def _begin_anew(self) -> None:
        self._pieces.clear()
        self._length = 0
        self._open = 0  # brackets that are not closed yet
        self._in_text = False
        self._escaped = False

    def _add(self, text: str) -> None:
        self._pieces.append(text)
        self._length += len(text)
        if self._length > LONGEST:
            raise EOFError("the message is too long")
        for sign in text:
            if self._escaped:
                self._escaped = False
            elif self._in_text:
                self._escaped = sign == "\\"
                self._in_text = sign != '"'
            elif sign in "{[":
                self._open += 1
            elif sign in "]}":
                self._open -= 1
            elif sign == '"':
                self._in_text = True


def message_of(text: str) -> Message | None:
    """The message that `text` is; None if it is none, or not yet."""
    text = text.strip()
    if not (text.startswith("{") and text.endswith("}")):
        return None
    try:
        found = parsed_json(text)
    except ValueError:
        return None
    # The code tells a message from an object inside one that was cut just there.
    return cast(Message, found) if isinstance(found, dict) and "result_code" in found else None
