"""The JSON Schema of the file of options."""

from collections.abc import Iterable, Sequence

from sungather.options.all_options import INVERTER_OPTIONS, OPTIONS, PROGRAM_OPTIONS
from sungather.options.keys import LONGEST_NAME
from sungather.options.option import Option, OptionKind

Schema = dict[str, object]

_NAME = rf"^(?=.*[a-z])(?=.{{1,{LONGEST_NAME}}}$)[a-z0-9]+(-[a-z0-9]+)*$"


def schema() -> Schema:
    """JSON Schema (2020-12), for editors and other programs."""
    inverter = _object(INVERTER_OPTIONS, "inverter.")
    several: Schema = {
        "description": "Several inverters by name.",
        "type": "object",
        "additionalProperties": False,
        "minProperties": 1,
        "patternProperties": {_NAME: inverter},
    }
    single = {**inverter, "description": "The only inverter."}
    more: Schema = {"inverter": single, "inverters": several}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Options of SunGather",
        **_object(PROGRAM_OPTIONS, "", more),
        "oneOf": [{"required": [one]} for one in more],
    }


def _object(options: Sequence[Option], prefix: str, more: Schema | None = None) -> Schema:
    """The object of these options, whose keys begin with `prefix`; `more` are ready properties."""
    found: Schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {**(more or {}), **_properties(options, prefix)},
    }
    if required := [row.key.removeprefix(prefix) for row in options if row.required]:
        found["required"] = required
    if rules := [_rule(row, prefix) for row in options if row.required_when]:
        found["allOf"] = rules
    return found


def _properties(options: Sequence[Option], prefix: str) -> Schema:
    properties: Schema = {}
    for row in options:
        name, _, deeper = row.key.removeprefix(prefix).partition(".")
        start = f"{prefix}{name}."
        below = [one for one in options if one.key.startswith(start)]
        properties[name] = (
            {
                "type": "object",
                "additionalProperties": False,
                "properties": _properties(below, start),
            }
            if deeper
            else _value(row)
        )
    return properties


def _rule(row: Option, prefix: str) -> Schema:
    """If the other option is set, this one is required."""
    other = next(one for one in OPTIONS if one.key == row.required_when)
    value: Schema = {"type": "string", "minLength": 1} if other.kind.is_text else {}
    if other.kind is OptionKind.SWITCH:
        value = {"const": True}
    return {
        "if": _with(other.key.removeprefix(prefix), value),
        "then": _with(row.key.removeprefix(prefix), {}),
    }


def _with(key: str, value: Schema) -> Schema:
    """An object that has the value at this dotted key."""
    name, _, deeper = key.partition(".")
    inner = _with(deeper, value) if deeper else value
    return {"type": "object", "required": [name], "properties": {name: inner}}


def _value(row: Option) -> Schema:
    found: Schema = {"description": row.help}
    low, high = row.bounds
    match row.kind:
        case OptionKind.INTEGER | OptionKind.PORT:
            found["type"] = "integer"
        case OptionKind.NUMBER | OptionKind.DURATION:
            found["type"] = "number"
        case OptionKind.SWITCH:
            found["type"] = "boolean"
        case OptionKind.PRICES | OptionKind.DAILY_PRICES:
            found["type"] = ["string", "number"]
        case OptionKind.CHOICE:
            found["enum"] = [*row.choices, *_booleans(row.choices)]
        case _:
            found["type"] = "string"
    found |= {name: n for name, n in (("minimum", low), ("maximum", high)) if n is not None}
    if row.default is not None:
        found["default"] = row.default
    if row.example:
        found["examples"] = [int(row.example) if row.kind is OptionKind.PORT else row.example]
    if row.secret:
        found["writeOnly"] = True
    return found


def _booleans(choices: Iterable[str]) -> list[bool]:
    """The choices true and false also as other readers of YAML see them without quotes."""
    return [{"true": True, "false": False}[one] for one in choices if one in ("true", "false")]
