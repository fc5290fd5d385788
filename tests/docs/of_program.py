"""Tables about the program: options, commands, states, errors, the JSON API."""

import argparse
import importlib
import inspect
import json
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from enum import IntEnum
from pathlib import Path
from typing import Any, cast, get_args, get_type_hints

import sungather
import sungather.web
from sungather import answers, errors, service
from sungather.cli import arguments
from sungather.cli.reports import option_report
from sungather.device.states import state_of
from sungather.reading import State
from sungather.simulator import Faults
from tests.docs.markdown import code, table

_STATES = {
    State.CONNECTING: "The first answer is awaited. Only at the start.",
    State.OK: "The last scan gave a reading, if need be a partial one.",
    State.ASLEEP: "It is night: a string inverter sleeps until the sun is back. Nothing is wrong.",
    State.UNREACHABLE: "Nothing at the address gives readings. It is tried again all the time.",
    State.BUSY: "The inverter is there, but another client holds its few connections.",
    State.NOT_AN_INVERTER: "Something answers, but it is no Sungrow inverter.",
    State.MISCONFIGURED: "A person must change an option; the message says which.",
}


def options() -> str:
    """The table of options, one group a heading."""
    groups: dict[str, list[list[str]]] = {}
    for row in option_report()["options"]:
        cells = [f"`{row['key']}`", row["takes"], row["default"], row["help"]]
        groups.setdefault(row["key"].partition(".")[0], []).append(cells)
    header = ["Option", "Takes", "Default", "Meaning"]
    return "\n".join(f"### {group}\n\n{table(header, found)}" for group, found in groups.items())


def commands() -> str:
    """Every command with its arguments."""
    parts: list[str] = []
    for name, parser in _subparsers().items():
        parts.append(f"### sungather {name}\n\n{parser.description}\n")
        parts.append(table(["Argument", "Meaning"], _arguments(parser)))
    return "\n".join(parts)


def _subparsers() -> Mapping[str, argparse.ArgumentParser]:
    # argparse has no public way to its own arguments.
    actions = arguments.parser()._actions  # pyright: ignore[reportPrivateUsage]
    found = next(one for one in actions if isinstance(one.choices, dict))
    return cast(Mapping[str, argparse.ArgumentParser], found.choices)


def _arguments(parser: argparse.ArgumentParser) -> Iterator[list[str]]:
    for action in parser._actions:  # pyright: ignore[reportPrivateUsage]
        if "--help" in action.option_strings:
            continue
        name = action.option_strings[-1] if action.option_strings else str(action.dest).upper()
        if action.choices is not None:
            name += f" {'|'.join(str(choice) for choice in action.choices)}"
        elif action.nargs != 0 and action.option_strings:
            name += f" {action.metavar or str(action.dest).upper()}"
        text = (action.help or "").replace("%(default)s", str(action.default))
        yield [code(name), text.replace("%(default)g", f"{action.default}")]


def exit_codes() -> str:
    """What a command ends with."""
    lines = arguments.EXIT_CODES.partition("exit codes:\n")[2].partition("\n\n")[0].splitlines()
    return table(["Exit code", "Meaning"], (line.strip().split("  ", 1) for line in lines))


def kinds() -> list[type[errors.SungatherError]]:
    """One class for each kind of error that can be met, in the order of the code.

    A base that has kinds of its own below it is never met itself.
    """
    for module in pkgutil.walk_packages(sungather.__path__, "sungather."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    return [
        one for one in _all(errors.SungatherError) if not any(_is_kind(b) for b in _below(one))
    ]


def _all(base: type[errors.SungatherError]) -> Iterator[type[errors.SungatherError]]:
    """The classes that have a kind of their own, from `base` down."""
    if _is_kind(base):
        yield base
    for one in base.__subclasses__():
        yield from _all(one)


def _below(base: type[errors.SungatherError]) -> list[type[errors.SungatherError]]:
    return [found for one in base.__subclasses__() for found in _all(one)]


def _is_kind(one: type[errors.SungatherError]) -> bool:
    return "kind" in vars(one)


def _states_of_errors() -> Mapping[State, list[str]]:
    found: dict[State, list[str]] = {}
    for error in kinds():
        if issubclass(error, errors.InverterError) and error is not errors.Refused:
            found.setdefault(state_of(error("")), []).append(error.kind)
    return found


def states() -> str:
    """The states of an inverter."""
    rows: list[list[str]] = []
    by = _states_of_errors()
    for state in State:
        kinds = ", ".join(f"[{kind}](../troubleshooting.md#{kind})" for kind in by.get(state, ()))
        rows.append([code(state), _STATES[state], kinds, str(answers.EXIT_CODES[state])])
    return table(["State", "Meaning", "Error classes", "Exit code"], rows)


def error_classes() -> str:
    """Every class of error: its name in answers and metrics, its meaning and exit code."""
    rows: list[list[str]] = []
    for one in kinds():
        meaning = " ".join((inspect.getdoc(one) or "").split("\n\n")[0].split())
        inverters = issubclass(one, errors.InverterError)
        exit_code = errors.exit_code_of(one.kind) if inverters else one.exit_code
        rows.append([f"[{one.kind}](#{one.kind})", meaning.split(". ")[0] + ".", str(exit_code)])
    return table(
        ["Class", "Meaning", "Exit code"], [[a, b.replace("..", "."), c] for a, b, c in rows]
    )


def service_states() -> str:
    """States of an exporter, from the words at `Health.state`."""
    source = inspect.getsource(service.Health)
    text = source.partition("state: str")[2].split('"""')[1]
    return f"States of an exporter or another service: {' '.join(text.split())}\n"


def _openapi() -> Mapping[str, Any]:
    file = Path(sungather.web.__file__).with_name("static") / "openapi.json"
    return cast(Mapping[str, Any], json.loads(file.read_text(encoding="utf-8")))


def api() -> str:
    """The paths of the JSON API."""
    rows: list[list[str]] = []
    for path, methods in _openapi()["paths"].items():
        get = methods["get"]
        parameters = [
            f"`{one['name']}`: {one['description']}" for one in get.get("parameters", ())
        ]
        rows.append([code(path), get["summary"], " ".join(parameters)])
    return table(["Path", "Answer", "Parameters"], rows)


def api_schemas() -> str:
    """The objects of the JSON API."""
    parts: list[str] = []
    for name, schema in _openapi()["components"]["schemas"].items():
        required = schema.get("required", ())
        rows = (
            [code(field), _type(one), "" if field in required else "may be missing",
             one.get("description", "")]
            for field, one in schema.get("properties", {}).items()
        )  # fmt: skip
        parts.append(f"### {name}\n\n{table(['Field', 'Type', '', 'Meaning'], rows)}")
    return "\n".join(parts)


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "enum" in schema:
        return ", ".join(code(str(one)) for one in schema["enum"])
    kind = schema.get("type", "any")
    text = " or ".join(cast(Iterable[str], kind)) if isinstance(kind, list) else str(kind)
    if "items" in schema:
        return f"{text} of {_type(schema['items'])}"
    return f"{text}, {schema['format']}" if "format" in schema else text


def simulator_faults() -> str:
    """What `--fault` takes: the fields of `Faults` that are a switch, a number or a text."""
    rows: list[list[str]] = []
    source = inspect.getsource(Faults).splitlines()
    for name, kind in get_type_hints(Faults).items():
        default = getattr(Faults(), name)
        if not isinstance(default, bool | int | float | str):
            continue
        start = next(i for i, line in enumerate(source) if line.strip().startswith(f"{name}:"))
        what = _comment(source[start + 1 :]) or f"It is {name.replace('_', ' ')}."
        rows.append([code(name.replace("_", "-")), _fault_takes(kind, default), what])
    return table(["Fault", "Takes", "What happens"], rows)


def _fault_takes(kind: object, default: object) -> str:
    match default:
        case bool():
            return "nothing"
        case IntEnum():
            return "a Modbus exception code"
        case str():
            return ", ".join(code(str(one)) for one in get_args(kind) if one)
        case _:
            return "a number"


def _comment(lines: list[str]) -> str:
    """The string that stands below a field."""
    text = "\n".join(lines).lstrip()
    return text.split('"""')[1] if text.startswith('"""') else ""
