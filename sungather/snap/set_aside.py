"""Values of options that a newer version refuses: kept in a file, so that the refresh goes on.

An option is set aside until somebody sets it anew, and is at its default meanwhile.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from sungather.options.file import Document
from sungather.options.keys import option
from sungather.options.values import text_of
from sungather.snap.judge import judged

FILE = "set-aside.json"
"""Name of the file with what was set, by key, below $SNAP_DATA."""


def load(data: Path) -> dict[str, str]:
    """What is set aside in the directory `data`; nothing if that cannot be read."""
    try:
        return cast("dict[str, str]", json.loads((data / FILE).read_text()))
    except (OSError, ValueError):
        return {}


def take_refused(stored: Document, common: Path) -> dict[str, str]:
    """Take the values that this version refuses out of `stored`, and return them by key.

    What is left may still be refused: for what nobody has set, or a sentence that names nothing.
    """
    refused: dict[str, str] = {}
    while problems := judged(stored.texts, stored, common).problems:
        named = {_named(sentence, stored.texts) for sentence in problems} - {None}
        if not named:
            break
        for key in cast("set[str]", named):
            refused[key] = stored.texts.pop(key)
    return refused


def _named(sentence: str, texts: Mapping[str, str]) -> str | None:
    """The first option in a sentence that somebody has set to something of their own."""
    for word in re.findall(r"[a-z][a-z0-9-]*(?:\.[a-z0-9-]+)+", sentence):
        row = option(word)
        if row is not None and texts.get(word, "") not in ("", text_of(row.unset)):
            return word
    return None
