"""The option `extra-options`: YAML with options of the snap that have no option of the charm's.

    inverters:
      roof:
        host: 192.168.1.11
    mqtt.homeassistant-prefix: house

Every value is taken exactly as typed. Pure.
"""

import itertools
from collections.abc import Iterable, Iterator
from typing import cast

import yaml

import config
import desired_options

_DEEPEST = 6
_MOST = 500
_RESERVED = frozenset({"stdout", "stderr", "stdout-encoding", "stderr-encoding"})
"""Juju keeps these for itself among the results of an action, where inverters' names stand."""


class WrongOptionText(Exception):
    """A text cannot be used; the message says why and what to do, and shows no value."""

    def __init__(self, option: str, problems: Iterable[str]):
        super().__init__(f"{option}: {' '.join(problems)}")


def parse(text: str) -> dict[str, str]:
    """Options of the snap as dotted key -> text.

    Raises:
        WrongOptionText: with every problem.
    """
    found: dict[str, str] = {}
    problems: list[str] = []
    for key, value in flat(text, "extra-options"):
        problem = f"{key} is there twice." if key in found else _problem(key, value)
        if problem:
            problems.append(problem)
        elif value is not None:
            found[key] = value
    if problems:
        raise WrongOptionText("extra-options", problems)
    return found


def with_option(text: str, key: str, value: str, usual: str) -> str:
    """The text with an option more, or with another value of it; as it is where that holds.

    `usual` is its value without the option. A text that cannot be used loses its place to one
    that is needed.
    """
    before = text
    try:
        known = parse(text)
    except WrongOptionText:
        text, known = "", dict[str, str]()
    if known.get(key, usual) == value:
        return before
    wanted = known | {key: value}
    longer = f"{text.rstrip()}\n{key}: {value}".lstrip()
    try:
        fits = parse(longer) == wanted
    except WrongOptionText:
        fits = False  # it has the option already, or is no block
    return longer if fits else yaml.safe_dump(wanted, sort_keys=False)


def flat(text: str, option: str) -> list[tuple[str, str | None]]:
    """Dotted key and text of each entry of a YAML document; None for what is no text.

    Raises:
        WrongOptionText: it is no YAML, or far too much of it; `option` is where it stands.
    """
    try:
        root = cast("yaml.Node | None", yaml.compose(text, Loader=yaml.SafeLoader))  # pyright: ignore[reportUnknownMemberType] (types-PyYAML leaves the stream open)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark is not None else ""
        raise WrongOptionText(option, [f"this is not YAML{where}."]) from None
    if root is None:
        return []
    found = list(itertools.islice(_flat(root, "", 1), _MOST + 1))
    if len(found) > _MOST:
        raise WrongOptionText(option, [f"more than {_MOST} options."])
    return found


def _flat(node: yaml.Node, above: str, depth: int) -> Iterator[tuple[str, str | None]]:
    """Key and text of each option; None for what is no text."""
    if isinstance(node, yaml.ScalarNode):
        yield above, node.value
    elif isinstance(node, yaml.MappingNode) and depth <= _DEEPEST:
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else "?"
            yield from _flat(value, f"{above}.{name}" if above else name, depth + 1)
    else:
        yield above, None


def _problem(key: str, value: str | None) -> str:
    if not key:
        return "write options as KEY: VALUE, one a line."
    if value is None:
        return f"{key} takes one value, no list."
    if _inverter(key) in _RESERVED:
        return f"{key}: an inverter cannot be called {_inverter(key)} in Juju; take another name."
    if key in config.OWN:
        return f"{key} is decided by the charm."
    field = config.GOVERNED.get(_as_single(key))
    if field is None:
        return ""
    option = config.juju_name(field)
    if field in config.SECRETS:
        part = next(p for p, k in config.SECRETS[field].keys.items() if k == _as_single(key))
        if _inverter(key) not in ("", desired_options.OWN_INVERTER):
            part = f"{_inverter(key)}-{part}"
        return f"{key} belongs into the secret of {option}, as {part}."
    if _inverter(key) not in ("", desired_options.OWN_INVERTER):
        return ""
    return f"{key} has an option of its own: juju config APPLICATION {option}=VALUE."


def _as_single(key: str) -> str:
    """`inverters.NAME.…` as `inverter.…`."""
    start, _, rest = key.partition(".")
    _, _, rest = rest.partition(".")
    return f"inverter.{rest}" if start == "inverters" else key


def _inverter(key: str) -> str:
    """NAME of `inverters.NAME.…`, else ""."""
    parts = key.split(".")
    return parts[1] if parts[0] == "inverters" and len(parts) > 1 else ""
