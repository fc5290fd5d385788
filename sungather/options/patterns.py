"""The options `include` and `exclude` of exporters: which values to send, by name. Pure."""

import re
from collections.abc import Callable, Sequence
from functools import cache


def value_filter(include: str, exclude: str) -> Callable[[str], bool]:
    """Whether the value with a published name is wanted.

    Args:
        include: patterns with commas between, of which one must fit; "" for every name.
        exclude: patterns of which none may fit. It wins.
    """
    wanted, unwanted = _parts(include or "*"), _parts(exclude)

    @cache  # the same few hundred names in every reading
    def chosen(name: str) -> bool:
        return matches(wanted, name) and not matches(unwanted, name)

    return chosen


def matches(patterns: Sequence[str], name: str) -> bool:
    """Whether one of the patterns fits the whole name; * stands for any characters, or none."""
    return any(_expression(pattern).fullmatch(name) for pattern in patterns)


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, pattern.split("*"))))
