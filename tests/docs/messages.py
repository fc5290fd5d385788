"""The sentences that the program can say, out of its source, with … for what differs."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import sungather

GAP = "…"


@cache
def templates() -> frozenset[str]:
    """Every text in the program; `{…}` and `%s` in it are gaps."""
    files = Path(sungather.__file__).parent.rglob("*.py")
    return frozenset(text for file in files for text in _texts(file.read_text(encoding="utf-8")))


def _texts(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Constant(value=str(text)):
                yield re.sub(r"%\.?\d*[a-z]", GAP, text)
            case ast.JoinedStr(values=parts):
                yield "".join(
                    str(one.value) if isinstance(one, ast.Constant) else GAP for one in parts
                )
            case _:
                pass


def is_said(message: str) -> bool:
    """Whether the pieces of a quoted message between its gaps are all said somewhere.

    Sentences are put together from parts in several places, so each piece is looked for alone.
    """
    pieces = [piece.strip(" .:'") for piece in message.split(GAP)]
    worth = [piece for piece in pieces if len(piece) > 2]
    return bool(worth) and all(any(one in text for text in templates()) for one in worth)


def pattern(message: str) -> re.Pattern[str]:
    """Matches whatever a quoted message with gaps stands for."""
    return re.compile(".*?".join(re.escape(piece) for piece in message.split(GAP)), re.DOTALL)
