"""Which key is an option's, which stands above options, and which one was probably meant."""

import re
from collections.abc import Iterable
from dataclasses import replace
from functools import cache

from sungather.options.all_options import INVERTER_OPTIONS, OPTIONS
from sungather.options.option import Option
from sungather.options.values import near

_BY_KEY = {row.key: row for row in OPTIONS}
_LONGEST_KEY = 80
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
LONGEST_NAME = 40
"""Most characters of the NAME in `inverters.NAME.…`."""
NAME_RULE = (
    f"at most {LONGEST_NAME} of a–z and 0–9 with at least one letter, and single dashes between"
)


def inverter_name(text: str) -> bool:
    """Whether `text` can be the NAME of `inverters.NAME.…` (snapd takes the same keys)."""
    return (
        len(text) <= LONGEST_NAME
        and _NAME.fullmatch(text) is not None
        and not text.replace("-", "").isdigit()
    )


def option(key: str) -> Option | None:
    """The option of a key, also of `inverters.NAME.…`; None if there is none."""
    if key.startswith("inverters."):
        _, name, rest = (*key.split(".", 2), "", "")[:3]
        row = _BY_KEY.get(f"inverter.{rest}")
        return replace(row, key=key) if row is not None and inverter_name(name) else None
    return _BY_KEY.get(key)


@cache
def _groups() -> frozenset[str]:
    parents = {"inverters"}
    for row in OPTIONS:
        parts = row.key.split(".")
        parents.update(".".join(parts[:end]) for end in range(1, len(parts)))
    return frozenset(parents)


def is_group(key: str) -> bool:
    """Whether `key` stands above options, as "inverter", "mqtt.tls" and "inverters.roof" do."""
    start, _, rest = key.partition(".")
    name, _, rest = rest.partition(".")
    if start == "inverters" and name:
        return inverter_name(name) and (not rest or f"inverter.{rest}" in _groups())
    return key in _groups()


def nearest(key: str) -> str | None:
    """The known option whose key is most like an unknown one; None if none is like it."""
    if len(key) > _LONGEST_KEY:
        return None
    wanted = key.lower().replace("_", "-")
    start, _, rest = wanted.partition(".")
    name, _, rest = rest.partition(".")
    if start == "inverters" and inverter_name(name):
        prefix = f"inverters.{name}."
        found = _closest(rest, (row.key.removeprefix("inverter.") for row in INVERTER_OPTIONS))
        return None if found is None else prefix + found
    return _closest(wanted, _BY_KEY)


def nearest_group(key: str) -> str | None:
    """The known group whose key is most like an unknown one; None if none is like it."""
    if len(key) > _LONGEST_KEY:
        return None
    wanted = key.lower().replace("_", "-")
    return _closest(wanted, (g for g in _groups() if not wanted.startswith(f"{g}.")))


def _closest(text: str, known: Iterable[str]) -> str | None:
    return next(iter(near(text, known, 1)), None)
