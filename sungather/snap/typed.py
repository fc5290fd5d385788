"""The options that snapd keeps, as they were typed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from sungather.options.table import option
from sungather.options.values import text_of
from sungather.snap.snapctl import snapctl


@dataclass(frozen=True, slots=True)
class Typed:
    """What people, and this snap's own hooks, have set."""

    texts: dict[str, str] = field(default_factory=dict[str, str], repr=False)
    """By dotted key, unknown ones too."""
    wrong: dict[str, str] = field(default_factory=dict[str, str])
    """Options with what cannot be one text -> why, in a sentence."""


def typed() -> Typed:
    """Ask snapd. Raises SnapctlFailed."""
    # snapctl gives the whole document for an empty key, and takes one only beside another key.
    document = snapctl("get", "-d", "", "")
    # snapd reads 12345 and 1e5 as numbers; kept as text they are what the person typed.
    tree = json.loads(document, parse_int=str, parse_float=str).get("", {})
    found = Typed()
    _flatten(tree, "", found)
    return found


def _flatten(tree: Mapping[str, object], above: str, found: Typed) -> None:
    for name, value in tree.items():
        key = above + name
        if isinstance(value, dict | list) and option(key) is not None:
            found.wrong[key] = (
                f"{key} takes one value, no list and no keys below it. Text that looks like JSON "
                f"needs double quotes within single ones: {key}='\"…\"'."
            )
        elif isinstance(value, dict):
            _flatten(cast("dict[str, object]", value), f"{key}.", found)
        elif isinstance(value, bool):
            found.texts[key] = text_of(value)
        else:
            # Of a list below a key that nobody knows only the key matters.
            found.texts[key] = value if isinstance(value, str) else ""
