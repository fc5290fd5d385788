"""The options in force, typed: from the file and `--set` to what the program works with."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar
from zoneinfo import ZoneInfo

from sungather.errors import OptionsError
from sungather.options.check import Checked, Problem, check
from sungather.options.file import LARGEST, Document, Place, parse
from sungather.options.host_defaults import is_utc, machine_timezone, state_directory
from sungather.options.table import Value, option


@dataclass(frozen=True, slots=True)
class InverterOptions:
    """The options of one inverter; the fields are the rows `inverter.…` of the table."""

    name: str
    """NAME of `inverters.NAME.…`, "inverter" for the short form."""
    host: str
    port: int | None
    """None: by connection."""
    connection: str
    model: str
    """"auto", or a model as the register map lists it."""
    unit: int
    level: int
    smart_meter: str
    """"auto", "true" or "false"."""
    scan_interval: float
    """Seconds."""
    timeout: float
    """Seconds."""
    retries: int
    max_registers: int
    username: str
    """"": the factory account."""
    password: str = field(repr=False)
    tls_ca: str
    """PEM text; "": the certificate seen first is trusted."""
    devices: str


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Any]]


_Group = TypeVar("_Group", bound=_Dataclass)


@dataclass(frozen=True, slots=True)
class Configuration:
    """Every option, checked."""

    values: Mapping[str, Value] = field(repr=False)
    """By dotted key, with defaults; secrets too."""
    inverters: tuple[InverterOptions, ...]
    """Those with a host."""
    timezone: ZoneInfo
    storage: Path
    warnings: tuple[str, ...] = ()
    """Sentences for the log: what works, but may not be meant."""

    @property
    def targets(self) -> list[list[str | int | None]]:
        """What a command and a daemon must agree on to mean the same inverters."""
        return [[i.name, i.host, i.port, i.connection, i.unit] for i in self.inverters]

    @property
    def log_level(self) -> str:
        """Name of the lowest level that is logged."""
        return self.text("log.level")

    def text(self, key: str) -> str:
        """Value of a text or a choice; "" if not set."""
        value = self.values[key]
        if not isinstance(value, str):
            raise TypeError(f"{key} is not such an option")
        return value

    def integer(self, key: str) -> int:
        """Value of a whole number or a port that has a default."""
        value = self.values[key]
        if not isinstance(value, int):
            raise TypeError(f"{key} is not such an option")
        return value

    def number(self, key: str) -> float:
        """Value of a number or a duration (seconds) that has a default."""
        value = self.values[key]
        if not isinstance(value, float):
            raise TypeError(f"{key} is not such an option")
        return value

    def switch(self, key: str) -> bool:
        """Value of a switch."""
        value = self.values[key]
        if not isinstance(value, bool):
            raise TypeError(f"{key} is not such an option")
        return value

    def as_json(self) -> dict[str, object]:
        """Options in force by dotted key, without the values of secrets, and the warnings."""
        return {"options": masked(self.values), "warnings": list(self.warnings)}


def masked(values: Mapping[str, Value]) -> dict[str, Value]:
    """The same values, fit to be shown: "(secret)" in the place of a secret that is set."""
    return {
        key: "(secret)" if value and (row := option(key)) is not None and row.secret else value
        for key, value in values.items()
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
    chosen, trouble = _split(settings)
    texts = {**source.document.texts, **chosen}
    checked = check(texts, need_inverter=need_inverter, wrong=source.document.wrong)
    located = [(place, source.sentence(place, text)) for place, text in source.document.problems]
    for problem in checked.problems:
        # Nothing is missed in a file of which a part could not be read.
        if source.document.complete or not problem.missing:
            located.append(source.locate(problem, chosen))
    located.sort(key=lambda one: (one[0] is None, one[0] or Place(0, 0)))
    problems = [sentence for _, sentence in located] + trouble
    if problems:
        raise OptionsError(list(dict.fromkeys(problems)))
    return configured(checked, environment)


def configured(checked: Checked, environment: Mapping[str, str] | None = None) -> Configuration:
    """What checked options without problems mean on this machine."""
    surroundings = os.environ if environment is None else environment
    values = checked.values
    zone = str(values["site.timezone"])
    warnings: list[str] = []
    if not zone:
        zone = machine_timezone(surroundings)
        if is_utc(zone):
            warnings.append(
                "This machine's time zone is UTC, so days begin at midnight UTC. Set "
                "site.timezone if the inverter stands elsewhere, such as Europe/Berlin."
            )
    directory = str(values["storage.directory"])
    return Configuration(
        values=values,
        inverters=tuple(
            _fill(InverterOptions, values, prefix, name=prefix.removeprefix("inverters."))
            for prefix in checked.inverters
            if values[f"{prefix}.host"]
        ),
        timezone=ZoneInfo(zone),
        storage=Path(directory) if directory else state_directory(surroundings),
        warnings=tuple(warnings),
    )


def group(configuration: Configuration, prefix: str, into: type[_Group]) -> _Group:
    """The options below `prefix`, such as "mqtt", as the dataclass `into`.

    Its fields are named as the options, with underscores for dashes and dots. Raises TypeError
    when fields and options are not the same, or when the field of a secret is part of the repr.
    """
    return _fill(into, configuration.values, prefix)


def _fill(into: type[_Group], values: Mapping[str, Value], prefix: str, **more: str) -> _Group:
    below = {
        key.removeprefix(f"{prefix}.").replace(".", "_").replace("-", "_"): key
        for key in values
        if key.startswith(f"{prefix}.")
    }
    known = {one.name: one for one in fields(into)}
    if known.keys() != below.keys() | more.keys():
        odd = sorted(known.keys() ^ (below.keys() | more.keys()))
        raise TypeError(f"{into.__name__} and the options {prefix}.… differ: {', '.join(odd)}")
    for name, key in below.items():
        row = option(key)
        if row is not None and row.secret and known[name].repr:
            raise TypeError(f"{into.__name__}.{name} is a secret: it needs field(repr=False)")
    return into(**more, **{name: values[key] for name, key in below.items()})


@dataclass(frozen=True, slots=True)
class _Source:
    """The file that texts come from, if any."""

    name: str = ""
    document: Document = field(default_factory=Document)

    def sentence(self, place: Place | None, text: str) -> str:
        return ": ".join(
            filter(None, (", ".join(filter(None, (self.name, str(place or "")))), text))
        )

    def locate(self, problem: Problem, chosen: Mapping[str, str]) -> tuple[Place | None, str]:
        """The problem with its place in the file, or with --set where it came from there."""
        key = problem.key
        place = self.document.places.get(key)
        from_set = any(k == key or (not place and k.startswith(f"{key}.")) for k in chosen)
        if from_set and not problem.missing:
            return None, f"--set: {problem.message}"
        return place, self.sentence(place, problem.message)


def _read(file: Path) -> _Source:
    """The file's document, also when it cannot be read."""
    name = str(file).encode("unicode_escape", "surrogatepass").decode()
    try:
        with file.open("rb") as stream:
            return _Source(name, parse(stream.read(LARGEST + 1)))
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
