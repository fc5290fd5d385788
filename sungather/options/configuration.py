"""The options in force, typed: from the file and `--set` to what the program works with."""

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from sungather.errors import OptionsError
from sungather.options.all_options import GROUPS, InverterOptions, OptionGroups
from sungather.options.check import Checked, OptionProblem, check
from sungather.options.devices import unit_names, units_of
from sungather.options.file import LARGEST, Document, Place, parse
from sungather.options.host_defaults import is_utc, machine_timezone, state_directory
from sungather.options.keys import option
from sungather.options.option import OptionGroup, OptionValue, rows_of

_Group = TypeVar("_Group", bound=OptionGroup)


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration(OptionGroups):
    """Every option, checked, and what it means on this machine."""

    values: Mapping[str, OptionValue] = field(repr=False)
    """By dotted key, with defaults; secrets too."""
    inverters: tuple[InverterOptions, ...]
    """Those with a host."""
    timezone: ZoneInfo
    """`site.timezone`, or the machine's."""
    state_directory: Path
    """`storage.directory`, or where the machine keeps state."""
    warnings: tuple[str, ...] = ()
    """Sentences for the log: what works, but may not be meant."""
    given: frozenset[str] = frozenset()
    """Keys that somebody has set; the rest have their defaults."""
    file: str = ""
    """Where they were read from, if from a file."""

    @property
    def targets(self) -> list[list[str | int | None]]:
        """What a command and a daemon must agree on to mean the same inverters."""
        return [[i.name, i.host, i.port, i.connection, i.unit] for i in self.inverters]

    @property
    def modbus_ports(self) -> list[int]:
        """The port of each inverter at the Modbus server; none if that is off."""
        first = self.modbus_server.port
        served = self.inverters if self.modbus_server.enabled else ()
        return [one.modbus_server_port or first + n for n, one in enumerate(served)]

    @property
    def in_force(self) -> dict[str, OptionValue]:
        """The options that do something: neither empty, nor of a part that is switched off."""
        off = tuple(
            key.removesuffix("enabled")
            for key, value in self.values.items()
            if key.endswith(".enabled") and value is False
        )
        return {
            key: value
            for key, value in self.values.items()
            if value not in (None, "") and (key.endswith(".enabled") or not key.startswith(off))
        }


def masked(values: Mapping[str, OptionValue]) -> dict[str, OptionValue]:
    """The same values, fit to be shown: "(secret)" in the place of a secret that is set."""
    return {
        key: "(secret)" if value and _is_secret(key) else value for key, value in values.items()
    }


def load(
    file: Path | None,
    settings: Sequence[str] = (),
    *,
    environment: Mapping[str, str] | None = None,
    need_inverter: bool = True,
) -> Configuration:
    """Read and check all options.

    Args:
        file: the YAML file, if there is one.
        settings: texts "key=value" of `--set`; they win over the file.
        environment: variables that name the state directory and the time zone; `os.environ`.
        need_inverter: whether it is a problem that no inverter has a host.

    Raises:
        OptionsError: with every problem of file and settings, one sentence each.
    """
    source = _Source() if file is None else _read(file)
    if source.document.is_of_sungather_0_5:
        raise OptionsError([
            f"{source.name} is a configuration of SunGather 0.5. Turn it into options with: "
            f"sungather import-config {source.name} > sungather.yaml"
        ])  # fmt: skip
    chosen, trouble = _split(settings)
    texts = {**source.document.texts, **chosen}
    checked = check(texts, need_inverter=need_inverter, wrong=source.document.wrong)
    located = [(place, source.sentence(place, text)) for place, text in source.document.problems]
    # Nothing is missed in a file of which a part could not be read.
    told = [one for one in checked.problems if source.document.complete or not one.missing]
    located += [source.locate(problem, chosen) for problem in told]
    located.sort(key=lambda one: (one[0] is None, one[0] or Place(0, 0)))
    problems = [sentence for _, sentence in located] + trouble
    if problems:
        missing = frozenset(problem.key for problem in told if problem.missing)
        raise OptionsError(list(dict.fromkeys(problems)), missing)
    found = configured(checked, environment)
    warnings = (*found.warnings, *source.warnings())
    return replace(found, warnings=warnings, given=frozenset(texts), file=source.name)


def configured(checked: Checked, environment: Mapping[str, str] | None = None) -> Configuration:
    """What checked options without problems mean on this machine."""
    environment = os.environ if environment is None else environment
    values = checked.values
    groups: dict[str, Any] = {name: _filled(group, values, name) for name, group in GROUPS.items()}
    zone = str(values["site.timezone"])
    warnings: list[str] = []
    if not zone:
        zone = machine_timezone(environment)
        if is_utc(zone):
            warnings.append(
                "This machine's time zone is UTC, so days begin at midnight UTC. Set "
                "site.timezone if the inverter stands elsewhere, such as Europe/Berlin."
            )
    directory = str(values["storage.directory"])
    inverters = tuple(
        one
        for prefix in checked.inverters
        if values[f"{prefix}.host"]
        for one in _each(
            _filled(InverterOptions, values, prefix, name=prefix.removeprefix("inverters."))
        )
    )
    warnings += _read_twice(inverters)
    return Configuration(
        **groups,
        values=values,
        inverters=inverters,
        timezone=ZoneInfo(zone),
        state_directory=Path(directory) if directory else state_directory(environment),
        warnings=tuple(warnings),
    )


def _each(options: InverterOptions) -> Iterator[InverterOptions]:
    """The options of each inverter that these stand for."""
    units = units_of(options.units) or (options.unit,)
    port = options.modbus_server_port
    for number, name in enumerate(unit_names(options.name, options.units)):
        served = port + number if port else None
        yield replace(options, name=name, unit=units[number], modbus_server_port=served)


def _read_twice(inverters: Sequence[InverterOptions]) -> Iterator[str]:
    """What would count twice in every sum."""
    first: dict[tuple[str, int | None, int], str] = {}
    for one in inverters:
        other = first.setdefault((one.host.lower(), one.port, one.unit), one.name)
        if other != one.name:
            yield (
                f"{other} and {one.name} are the same unit of the same address, so it counts "
                "twice: take one of them out."
            )


def _filled(
    group: type[_Group], values: Mapping[str, OptionValue], prefix: str, **more: str
) -> _Group:
    """The group of the options whose keys begin with `prefix`."""
    return group(**more, **{name: values[row.key] for name, row in rows_of(group, prefix)})


@dataclass(frozen=True, slots=True)
class _Source:
    """The file that texts come from, if any."""

    name: str = ""
    document: Document = field(default_factory=Document)
    open_to_all: bool = False
    """Whether every user of the machine can read the file."""

    def warnings(self) -> Iterator[str]:
        """What is not wrong with the file, but may not be meant."""
        texts = self.document.texts
        secrets = [key for key, text in texts.items() if text and _is_secret(key)]
        if self.open_to_all and secrets:
            yield (
                f"Every user of this machine can read {self.name}, which holds secrets "
                f"({', '.join(secrets)}). Close it to them: chmod 600 {self.name}"
            )

    def sentence(self, place: Place | None, text: str) -> str:
        return ": ".join(
            filter(None, (", ".join(filter(None, (self.name, str(place or "")))), text))
        )

    def locate(
        self, problem: OptionProblem, chosen: Mapping[str, str]
    ) -> tuple[Place | None, str]:
        """The problem with its place in the file, or with --set where it came from there."""
        key = problem.key
        place = self.document.places.get(key)
        from_set = any(k == key or (not place and k.startswith(f"{key}.")) for k in chosen)
        if from_set and not problem.missing:
            return None, f"--set: {problem.message}"
        return place, self.sentence(place, problem.message)


def _is_secret(key: str) -> bool:
    row = option(key)
    return row is not None and row.secret


def _read(file: Path) -> _Source:
    """The file's document, also when it cannot be read."""
    name = str(file).encode("unicode_escape", "surrogatepass").decode()
    try:
        with file.open("rb") as stream:
            open_to_all = bool(os.fstat(stream.fileno()).st_mode & stat.S_IROTH)
            return _Source(name, parse(stream.read(LARGEST + 1)), open_to_all)
    except IsADirectoryError:
        trouble = "this is a directory, not a file."
    except FileNotFoundError:
        trouble = "there is no such file."
    except PermissionError:
        trouble = "this user may not read the file. Run the command with sudo."
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        trouble = f"the file cannot be read ({getattr(error, 'strerror', 'its name is wrong')})."
    return _Source(name, Document(problems=[(None, trouble)], complete=False))


def _split(settings: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """The texts of `--set` by key, and what is wrong with its form."""
    chosen: dict[str, str] = {}
    problems: list[str] = []
    for number, setting in enumerate(settings, 1):
        key, equals, text = setting.partition("=")
        row = option(key)
        if not equals:
            # What stands there is not repeated: it may be a secret that slipped.
            which = key if row else f"number {number}"
            problems.append(f"--set {which} has no value: write --set key=value.")
        elif row is not None and row.secret:
            problems.append(
                f"--set does not take {key}: it is secret, and every user of this machine could "
                "see it in the list of processes. Write it into the file of --config."
            )
        else:
            chosen[key] = text
    return chosen, problems
