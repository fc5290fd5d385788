"""The pure check of options: flat texts in, typed values and every problem out.

Texts are what was typed, by dotted key, from `--set`, from the snap or from a file. No sentence
holds the value of a secret, nor anything that stands in the place of one.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sungather.options.all_options import (
    INVERTER_OPTIONS,
    OPTIONS,
    PROGRAM_OPTIONS,
    InverterOptions,
)
from sungather.options.devices import SubDeviceKind, unit_names
from sungather.options.keys import (
    NAME_RULE,
    inverter_name,
    is_group,
    nearest,
    nearest_group,
    option,
)
from sungather.options.option import Option, OptionValue, rows_of
from sungather.options.values import Wrong, convert, shown
from sungather.site import ALL, AUTO

_KEY = re.compile(r"[A-Za-z0-9._-]{1,80}")
_MOST_SUGGESTIONS = 20
_SUB_DEVICE = re.compile(rf"(inverters\..+)-({'|'.join(SubDeviceKind)})-[0-9]+")


@dataclass(frozen=True, slots=True)
class OptionProblem:
    """One sentence about what is wrong with one key."""

    key: str
    """The key that it is about, cut before the first part that nobody knows."""
    message: str
    missing: bool = False
    """It is about an option that nobody gave."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What the texts mean."""

    values: Mapping[str, OptionValue] = field(repr=False)
    """Every option of the program and of each inverter, with the default where nothing was said.
    Inverters are `inverter.…` or `inverters.NAME.…`, as they were written."""
    inverters: tuple[str, ...]
    """What the keys of each inverter begin with: "inverter" or "inverters.NAME"."""
    problems: tuple[OptionProblem, ...]

    @property
    def has_inverter(self) -> bool:
        """Whether an inverter has a host, so that there is something to run."""
        return any(self.values[f"{prefix}.host"] for prefix in self.inverters)


def check(
    texts: Mapping[str, str],
    *,
    need_inverter: bool = True,
    wrong: Collection[str] = (),
) -> Checked:
    """Convert and judge all texts; never raises for what a person typed.

    Args:
        texts: values by dotted key. An empty text means "not set" where there is no default.
        need_inverter: whether no inverter with a host at all is a problem.
        wrong: keys with a value already found wrong; they are not missed as well.
    """
    given: dict[str, OptionValue] = {}
    failed = set(wrong)
    problems: list[OptionProblem] = []
    suggestions = _MOST_SUGGESTIONS
    for key, text in texts.items():
        row = option(key)
        if row is None:
            problems.append(unknown(key, suggest=suggestions > 0))
            suggestions -= 1
        elif text:
            try:
                given[key] = convert(row, text)
            except Wrong as error:
                failed.add(key)
                but = f", not {shown(text)}" if error.show and not row.secret else ""
                sentence = f"{key} must be {error.must}{but}. {error.hint}".rstrip()
                problems.append(OptionProblem(key, sentence))
        elif row.unset not in (None, ""):
            failed.add(key)
            sentence = f"{key} has no value: write one, or leave the option out."
            problems.append(OptionProblem(key, sentence))
    inverters, clash = _inverters([key for key in texts if option(key)], given, failed)
    problems += clash
    values = {row.key: given.get(row.key, row.unset) for row in _rows(inverters)}
    hosts = [f"{prefix}.host" for prefix in inverters]
    if not need_inverter and not any(values[host] for host in hosts):
        failed.update(hosts)
    names = [
        name for one in inverters for name in unit_names(one, str(values[f"{one}.units"] or ""))
    ]
    problems += _named_twice(names)
    problems += _named_like_a_sub_device(names)
    problems += missing(values, _rows(inverters), failed)
    problems += _meter(values, names, failed)
    if values["mqtt.compatibility-topic"] and len(names) > 1:
        sentence = "mqtt.compatibility-topic is for a single inverter: two would mix there."
        problems.append(OptionProblem("mqtt.compatibility-topic", sentence))
    return Checked(values, inverters, tuple(dict.fromkeys(problems)))


def unknown(key: str, *, suggest: bool = True) -> OptionProblem:
    """Why `key` is not the key of an option, and what to write instead."""
    parts = key.split(".")
    prefixes = [".".join(parts[:end]) for end in range(1, len(parts) + 1)]
    odd = next((p for p in prefixes if _KEY.fullmatch(p) is None), None)
    if odd is not None:
        return OptionProblem(odd, "a key has letters a–z, digits, dashes and dots only.")
    if is_group(key):
        example = f"{key}.NAME.host" if key == "inverters" else _first_below(key)
        return OptionProblem(
            key, f"{key} is a group of options: write the options in it: {example}."
        )
    known = next((p for p in prefixes if option(p) is not None), None)
    if known is not None:
        return OptionProblem(known, f"{known} takes one value, and no keys below it.")
    if parts[0] == "inverters" and len(parts) > 1 and not inverter_name(parts[1]):
        return OptionProblem(
            key, f"inverters.NAME: a name has {NAME_RULE}; {shown(parts[1])} does not."
        )
    cut = next(p for p in prefixes if not is_group(p))
    dots = "" if cut == key else ".…"
    what = f"unknown option {cut}{dots}"
    dashed = cut.replace("_", "-").lower()
    if dashed != cut and (option(dashed) is not None or is_group(dashed)):
        return OptionProblem(cut, f"{what}: keys have small letters and dashes: {dashed}{dots}.")
    near = (nearest_group(cut) if dots else nearest(cut)) if suggest else None
    if near is None:
        return OptionProblem(cut, f"{what}: 'sungather options' lists all options.")
    return OptionProblem(cut, f"{what}: did you mean {near}{dots}?")


def _first_below(group: str) -> str:
    below = "inverter" if group.startswith("inverters.") else group
    row = next(row for row in OPTIONS if row.key.startswith(f"{below}."))
    return group + row.key.removeprefix(below)


def _inverters(
    keys: Iterable[str], given: Mapping[str, OptionValue], failed: Collection[str]
) -> tuple[tuple[str, ...], list[OptionProblem]]:
    """What the keys of the inverters begin with. Defaults alone make no `inverter.…`."""
    known = [*keys, *failed]
    several = dict.fromkeys(_prefix(key) for key in known if key.startswith("inverters."))
    if not several:
        return ("inverter",), []
    defaults = {row.key: row.unset for row in INVERTER_OPTIONS}
    single = [
        key
        for key in known
        if key.startswith("inverter.")
        and (key in failed or given.get(key, defaults[key]) != defaults[key])
    ]
    if not single:
        return tuple(several), []
    return tuple(several), [
        OptionProblem(
            single[0],
            f"{single[0]} cannot stand beside {next(iter(several))}.…: write every inverter as "
            "inverters.NAME.…, or only one as inverter.….",
        )
    ]


def _named_twice(names: Sequence[str]) -> Iterator[OptionProblem]:
    """A problem for each name that options and the units of others give."""
    for name, count in Counter(names).items():
        if count > 1:
            short = name.removeprefix("inverters.")
            why = f"the option units of another inverter makes a second {short}"
            yield OptionProblem(name, f"{name}: {why}: give one of them another name.")


def _named_like_a_sub_device(inverters: Sequence[str]) -> Iterator[OptionProblem]:
    """A problem for each inverter whose name that of another one's battery or wall box may be."""
    for prefix in inverters:
        found = _SUB_DEVICE.fullmatch(prefix)
        if found is not None and found[1] in inverters:
            what = f"devices behind {found[1].removeprefix('inverters.')} are called so"
            yield OptionProblem(prefix, f"{prefix}: {what}: give it another name.")


def _prefix(key: str) -> str:
    """What all keys of the inverter with this one begin with."""
    start, name, *_ = key.split(".")
    return f"{start}.{name}" if start == "inverters" else start


def _rows(inverters: Iterable[str]) -> Iterator[Option]:
    """The options of these inverters, then those of the whole program."""
    for prefix in inverters:
        yield from (row for _, row in rows_of(InverterOptions, prefix))
    yield from PROGRAM_OPTIONS


def missing(
    values: Mapping[str, OptionValue], rows: Iterable[Option], failed: Collection[str]
) -> Iterator[OptionProblem]:
    """A problem for each of `rows` that is needed, and neither given nor already found wrong."""
    for row in rows:
        if values[row.key] not in (None, "") or row.key in failed:
            continue
        when = _beside(row, row.required_when)
        needed = bool(when) and values[when] not in (None, "") and values[when] is not False
        if not row.required and not needed:
            continue
        because = f", but needed with {when}" if when else ""
        such = f", such as {row.example}" if row.example and not row.secret else ""
        sentence = f"{row.key} is missing{because}: give it a value{such}."
        yield OptionProblem(row.key, sentence, missing=True)


def _meter(
    values: Mapping[str, OptionValue], inverters: Sequence[str], failed: Collection[str]
) -> Iterator[OptionProblem]:
    """A problem if `site.meter` is none of the inverters."""
    names = [prefix.removeprefix("inverters.") for prefix in inverters]
    meter = str(values["site.meter"])
    if meter not in (AUTO, ALL, *names) and "site.meter" not in failed:
        known = ", ".join(names)
        sentence = f"site.meter must be {AUTO}, {ALL} or the name of an inverter ({known})"
        yield OptionProblem("site.meter", f"{sentence}, not {shown(meter)}.")


def _beside(row: Option, other: str) -> str:
    """The key `other` as seen from `row`: that of the same inverter."""
    if other.startswith("inverter.") and row.key.startswith("inverters."):
        return _prefix(row.key) + other.removeprefix("inverter")
    return other
