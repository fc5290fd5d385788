"""The schema of the file and the table for people say what the check says."""

import json
from pathlib import Path
from typing import Any, cast

import jsonschema
import pytest
import yaml

from sungather.cli.reports import option_report
from sungather.errors import OptionsError
from sungather.options.all_options import OPTIONS
from sungather.options.check import check
from sungather.options.configuration import load
from sungather.options.file import render
from sungather.options.keys import option
from sungather.options.option import Option, OptionKind
from sungather.options.schema import schema
from tests.docs import of_program

SCHEMA = schema()
Json = dict[str, object]


def fits(content: str) -> bool:
    validator = cast(Any, jsonschema.Draft202012Validator(SCHEMA))  # its types are partial
    return bool(validator.is_valid(yaml.safe_load(content)))


def at(key: str) -> Json:
    found: Json = SCHEMA
    for part in key.split("."):
        found = cast(Json, cast(Json, found["properties"])[part])
    return found


def test_the_schema_is_a_schema_and_plain_json() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


@pytest.mark.parametrize("row", OPTIONS, ids=lambda row: row.key)
def test_the_schema_tells_default_help_and_secrecy_of_every_option(row: Option) -> None:
    found = at(row.key)
    assert found["description"] == row.help
    assert found.get("default") == row.default
    assert found.get("writeOnly", False) == row.secret
    assert row.kind is not OptionKind.PORT or (found["minimum"], found["maximum"]) == (1, 65535)


@pytest.mark.parametrize(
    "content",
    [
        "inverter: {host: a}",
        "inverter: {host: a, port: 502, level: 3, scan-interval: 1.5, smart-meter: true}",
        "inverter: {host: a, smart-meter: auto, tls: {ca: x}}\nlog: {level: DEBUG}",
        "inverters: {roof: {host: a}, no-2: {host: b}}",
    ],
)
def test_what_the_schema_takes_is_taken(tmp_path: Path, content: str) -> None:
    assert fits(content)
    file = tmp_path / "good.yaml"
    file.write_text(content)
    load(file, environment={})


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "{}",
        "log: {level: INFO}",
        "inverter: {}",
        "inverter: {host: a, level: 7}",
        "inverter: {host: a, unit: 300}",
        "inverter: {host: a, unit: 1.5}",
        "inverter: {host: a, scan-interval: 0}",
        "inverter: {host: a, port: yes}",
        "inverter: {host: a, username: 0123}",
        "inverter: {host: a, smart-meter: perhaps}",
        "inverter: {host: a, scan_interval: 5}",
        "inverter: {host: a}\nlog: {level: debug}",
        "inverter: {host: a}\nfoo: 1",
        "inverters: {1: {host: a}}",
        "inverters: {roof: {host: a}, Barn: {host: b}}",
        "inverters: {roof: {level: 2}}",
        "inverter: {host: a}\ninverters: {roof: {host: b}}",
    ],
)
def test_what_the_schema_refuses_is_refused(tmp_path: Path, content: str) -> None:
    assert not fits(content.replace("1:", "'1':", 1))
    file = tmp_path / "bad.yaml"
    file.write_text(content)
    with pytest.raises(OptionsError):
        load(file, environment={})


@pytest.mark.parametrize(
    "row", [row for row in OPTIONS if row.required_when], ids=lambda row: row.key
)
def test_what_another_option_requires_is_required_by_check_and_schema(row: Option) -> None:
    other = option(row.required_when)
    assert other is not None
    texts = {one.key: one.example or "x" for one in OPTIONS if one.required or one.required_when}
    texts[other.key] = "true" if other.kind is OptionKind.SWITCH else other.example or "x"
    complete = check(texts)
    assert complete.problems == ()
    assert fits(render(complete.values))
    lacking = check({**texts, row.key: ""})
    assert row.key in [problem.key for problem in lacking.problems if problem.missing]
    assert not fits(render(lacking.values))


def test_the_rows_for_people_say_what_an_option_takes_and_what_holds_without_it() -> None:
    found = {row["key"]: (row["takes"], row["default"]) for row in option_report()["options"]}
    assert len(found) == len(OPTIONS)
    assert found["inverter.host"] == ("host name or IP address", "(required)")
    assert found["inverter.scan-interval"] == ("number of seconds from 1 to 3600", "30")
    assert found["inverter.port"] == (
        "port number from 1 to 65535",
        "502; with connection http: 443, then 8082; with modbus-tls: 516",
    )
    assert found["inverter.smart-meter"] == ("auto, true or false", "auto")
    assert found["mqtt.host"] == ("host name or IP address", "(required with mqtt.enabled)")
    assert found["mqtt.password"] == ("text (secret)", "no password")
    assert found["mqtt.compatibility"] == ("nothing or sungather-0.5", "")
    assert found["web.enabled"] == ("true or false", "true")


def test_the_table_for_the_docs_has_one_line_an_option() -> None:
    lines = [line for line in of_program.options().splitlines() if line.startswith("| `")]
    assert len(lines) == len(OPTIONS)
    assert {line.count("|") for line in lines} == {5}
    assert lines[0].startswith("| `inverter.host` | host name or IP address | (required) | ")
