"""The options that snapd keeps, as texts."""

import json
from collections.abc import Mapping
from typing import cast

from sungather.options.file import Document
from sungather.options.keys import option
from sungather.snap.snapctl import snapctl


def stored() -> Document:
    """What people, and this snap's own hooks, have set; keys that nobody knows too.

    Raises:
        SnapctlFailed: snapd refused something.
    """
    # snapctl gives the whole document for an empty key, and takes one only beside another key.
    document = snapctl("get", "-d", "", "")
    # snapd reads 12345 and 1e5 as numbers; kept as text they are what the person typed.
    tree = json.loads(document, parse_int=str, parse_float=str).get("", {})
    found = Document()
    _flatten(tree, "", found)
    return found


def _flatten(tree: Mapping[str, object], above: str, found: Document) -> None:
    for name, value in tree.items():
        key = above + name
        if isinstance(value, dict | list) and option(key) is not None:
            found.wrong.add(key)
            sentence = (
                f"{key} takes one value, no list and no keys below it. Text that looks like JSON "
                f"needs double quotes within single ones: {key}='\"…\"'."
            )
            found.problems.append((None, sentence))
        elif isinstance(value, dict):
            _flatten(cast("dict[str, object]", value), f"{key}.", found)
        elif isinstance(value, bool):
            found.texts[key] = "true" if value else "false"
        else:
            # Of a list below a key that nobody knows only the key matters.
            found.texts[key] = value if isinstance(value, str) else ""
