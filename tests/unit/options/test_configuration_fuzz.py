"""Whatever stands in a file: options or sentences, never a traceback, never a secret."""

import asyncio
import contextlib
import tempfile
from collections.abc import Iterator
from math import ceil
from pathlib import Path
from typing import cast

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sungather.errors import OptionsError
from sungather.exporters import open_exporters
from sungather.options.all_options import OPTIONS
from sungather.options.check import check
from sungather.options.configuration import Configuration, configured, load
from sungather.options.file import render
from sungather.options.option import Option, OptionKind
from sungather.registers.models import model_names
from sungather.registers.published import all_names, names_of_inverters

ENVIRONMENT = {"TZ": "Europe/Berlin", "HOME": "/home/me"}
SECRET = "hunter2"
GOOD = b"inverter:\n  host: 192.168.1.10\n  level: 2\n  password: 'x'\nlog:\n  level: INFO\n"

_printable = st.characters(codec="utf-8", exclude_categories=["Cc", "Cn", "Cs", "Zl", "Zp"])
_line = st.text(_printable, min_size=1, max_size=12)
_lines = st.text(_printable | st.sampled_from("\t\r\n"), min_size=1, max_size=12)
_patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
_name = st.from_regex(r"[a-z][a-z0-9]{0,5}(-[a-z0-9]{1,3})?", fullmatch=True)


@pytest.fixture(scope="module", autouse=True)
def _directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    with contextlib.chdir(tmp_path_factory.mktemp("fuzz")):
        yield


def result(content: bytes | str, *chosen: str) -> Configuration | list[str]:
    """What comes of a file; sentences must be fit for a terminal and hold no secret."""
    file = Path("options.yaml")
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    try:
        return load(file, chosen, environment=ENVIRONMENT)
    except OptionsError as error:
        found = error.problems
    assert found
    for problem in found:
        assert problem.isprintable(), problem
        assert problem.endswith((".", "?")), problem
        assert SECRET not in problem, problem
    return found


@_patient
@given(st.binary(max_size=200))
def test_any_bytes_give_options_or_sentences(content: bytes) -> None:
    result(content)


@_patient
@given(st.text(st.sampled_from("ab:-? \n\t\"'[]{},#&*!|>%@`.\\0\ufeff\x85é€😀"), max_size=60))
def test_any_mix_of_the_signs_of_yaml_gives_options_or_sentences(content: str) -> None:
    result(content)


@_patient
@given(
    st.integers(0, len(GOOD)),
    st.integers(0, 8),
    st.binary(max_size=8) | st.sampled_from([b"\t", b"---\n", b"*a", b": ", b"'", b'"', b"\xff"]),
)
def test_a_good_file_with_one_place_changed_gives_options_or_sentences(
    start: int, length: int, other: bytes
) -> None:
    result(GOOD[:start] + other + GOOD[start + length :])


_scalar = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10) | st.dates()
)
_known = st.sampled_from(sorted({part for row in OPTIONS for part in row.key.split(".")}))
_tree = st.recursive(
    _scalar | st.just(SECRET),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_known | _name, inner, max_size=5),
    max_leaves=25,
)


def _planted(tree: object, under: bool = False) -> object:
    """The tree with the secret only where a secret belongs: below a key that is one, or nearly."""
    if isinstance(tree, dict):
        return {
            key: _planted(value, under or key in ("password", "pasword"))
            for key, value in cast(dict[str, object], tree).items()
        }
    if isinstance(tree, list):
        return [_planted(one, under) for one in cast(list[object], tree)]
    return tree if under or tree != SECRET else "not a secret"


@_patient
@given(
    st.dictionaries(_known | _name | st.just("inverters"), _tree, max_size=5),
    st.sampled_from(["password", "pasword"]),
    _tree | st.just(SECRET),
    st.sampled_from(["inverter", "inverters"]),
)
def test_any_tree_gives_options_or_sentences_without_the_secret(
    tree: dict[str, object], key: str, secret: object, above: str
) -> None:
    inner: object = {"host": "a", key: {SECRET: secret} if secret is None else secret}
    planted = _planted({**tree, above: {"roof": inner} if above == "inverters" else inner})
    result(yaml.safe_dump(planted, allow_unicode=True))


@_patient
@given(
    st.sampled_from(["password", "pasword", "Password", "pass_word"]),
    st.text(st.sampled_from(" '\"&*!%@`[]{}|>?,-#\\:a1"), max_size=4),
    st.text(st.sampled_from(" '\"&*!%@`[]{}|>?,#\\a1\n"), max_size=4),
    st.sampled_from(["", "log: {}\n", "  port: 5\n", "\tx", "  host: b: c\n", "'"]),
)
@example("password", "'", "\n", "")
@example("password", "*", "", "")
@example("password", "{", ": x}", "")
@example("password", "|\n", "\n", "")
@example("password", ">#", "", "")
@example("password", "|#", "", "")
def test_a_secret_written_in_any_broken_way_is_never_shown(
    key: str, before: str, after: str, rest: str
) -> None:
    found = result(f"inverter:\n  host: a\n  {key}: {before}{SECRET}{after}\n{rest}")
    if isinstance(found, Configuration):
        assert found.inverters[0].password
        assert SECRET not in repr(found)


@_patient
@given(st.lists(st.text(st.sampled_from("inverter.hostpaswd=- \n\0\ud800é1"), max_size=30)))
@example(["inverter.password=hunter2"])
@example(["inverter.pasword=hunter2"])
@example(["inverter.password hunter2"])
@example(["inverter.password.hunter2=x"])
@example(["inverter.password:hunter2=x"])
@example(["inverters.roof.password=hunter2"])
@example(["inverters.Roof.password=hunter2"])
@example(["hunter2"])
def test_any_settings_give_options_or_sentences(chosen: list[str]) -> None:
    result(GOOD, *chosen)


def texts_of(row: Option) -> st.SearchStrategy[str]:
    """Texts that are right for an option."""
    low, high = row.bounds
    match row.kind:
        case OptionKind.TEXT if row.key == "site.meter":
            return st.sampled_from(["auto", "all"])
        case OptionKind.TEXT:
            return _line
        case OptionKind.LINES:
            return _lines
        case OptionKind.INTEGER | OptionKind.PORT:
            return st.integers(int(low or 0), int(high or 9)).map(str)
        case OptionKind.NUMBER | OptionKind.DURATION:
            return st.integers(ceil((low or 0) * 1000), int((high or 9) * 1000)).map(
                lambda thousandths: f"{thousandths / 1000:.3f}"
            )
        case OptionKind.SWITCH:
            return st.sampled_from(["true", "false"])
        case OptionKind.CHOICE:
            return st.sampled_from(row.choices)
        case OptionKind.HOST:
            return _name | st.ip_addresses().map(str)
        case OptionKind.HOSTS:
            return st.lists(_name, min_size=1, max_size=3).map(", ".join)
        case OptionKind.NETWORKS:
            return st.lists(st.ip_addresses().map(str), min_size=1, max_size=3).map(", ".join)
        case OptionKind.URL:
            return st.builds("http://{}:{}".format, _name, st.integers(1, 65535))
        case OptionKind.TIME_ZONE:
            return st.sampled_from(["Europe/Berlin", "America/Argentina/Salta", "UTC"])
        case OptionKind.DIRECTORY:
            return _line.map("/{}".format)
        case OptionKind.MODEL:
            return st.sampled_from(["auto", *model_names()])
        case OptionKind.DEVICES:
            return st.sampled_from(["auto", "none", "battery:200, charger"])
        case OptionKind.HA_SENSORS:
            return st.just("- name: A\n  sensor_type: sensor\n  register: pv_power")
        case OptionKind.TOPIC | OptionKind.ANY_TOPIC | OptionKind.MEASUREMENT:
            return _name
        case OptionKind.TAGS:
            return st.dictionaries(_name.map("t-{}".format), _name, min_size=1).map(
                lambda tags: ",".join(map("=".join, tags.items()))
            )
        case OptionKind.VALUE:
            return st.sampled_from(sorted(names_of_inverters()))
        case OptionKind.UNITS:
            return st.sampled_from(["1-10,21", "247"])
        case OptionKind.PRICES:
            return st.sampled_from(["0.34", "-0.1", "0.31; from 2026-01-01 0.36, sa 8:00-9:00 0"])
        case OptionKind.DAILY_PRICES:
            return st.sampled_from(["0.45", "0; from 2026-01-01 0.5"])
        case OptionKind.DAY:
            return st.dates().map(str)
        case OptionKind.CURRENCY:
            return st.sampled_from(["EUR", "CHF"])
        case OptionKind.PATTERNS:
            return st.lists(st.sampled_from(sorted(all_names())), min_size=1).map(", ".join)


def _some(rows: list[Option], prefix: str) -> st.SearchStrategy[dict[str, str]]:
    """Texts for some of the options, and for every one that may be required."""
    needed: dict[str, st.SearchStrategy[str]] = {}
    optional: dict[str, st.SearchStrategy[str]] = {}
    for row in rows:
        into = needed if row.required or row.required_when else optional
        into[prefix + row.key.removeprefix("inverter.")] = texts_of(row)
    return st.fixed_dictionaries(needed, optional=optional)


_OWN = [row for row in OPTIONS if row.key.startswith("inverter.")]
_OTHERS = [row for row in OPTIONS if not row.key.startswith("inverter.")]


@st.composite
def _options(draw: st.DrawFn) -> dict[str, str]:
    texts = draw(_some(_OTHERS, ""))
    names = draw(st.lists(_name, max_size=2, unique=True))
    for prefix in [f"inverters.{name}." for name in names] or ["inverter."]:
        texts |= draw(_some(_OWN, prefix))
    if len(names) > 1 or any(key.endswith(".units") for key in texts):
        texts.pop("mqtt.compatibility-topic", None)  # two inverters would mix there
    return texts


@_patient
@given(_options())
def test_a_rendered_file_reads_back_as_the_same_options(texts: dict[str, str]) -> None:
    checked = check(texts)
    assert checked.problems == ()
    found = result(render(checked.values))
    assert isinstance(found, Configuration), found
    assert found.values == checked.values


@settings(_patient, max_examples=25)
@given(_options())
def test_whatever_the_check_takes_the_exporters_open_with(texts: dict[str, str]) -> None:
    """`check-config` refuses all that `run` would refuse: there is no second check."""

    async def opened() -> None:
        await (await open_exporters(configuration)).close()

    with tempfile.TemporaryDirectory() as directory:
        enabled = {f"{name}.enabled": "true" for name in ("mqtt", "influxdb", "pvoutput")}
        here = {"storage.directory": directory, "outbox.days": "14", "outbox.megabytes": "256"}
        checked = check({**texts, **enabled, **here})
        assert checked.problems == ()
        configuration = configured(checked, ENVIRONMENT)
        asyncio.run(opened())


@_patient
@given(st.text(st.sampled_from("0123456789abeEfxnoyslrtuTRUENL+-_.:~ "), min_size=1, max_size=6))
def test_what_yaml_would_not_read_as_text_is_never_taken_without_quotes(text: str) -> None:
    content = f"inverter:\n  host: a\n  username: {text}\n"
    found = result(content)
    if isinstance(found, Configuration):
        said = yaml.safe_load(content)["inverter"]["username"]
        assert found.inverters[0].username == said
