"""From a file and `--set` to typed options, or to all problems at once."""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import NoReturn
from zoneinfo import ZoneInfo

import pytest
import yaml

from sungather.cli.reports import configuration_report
from sungather.errors import OptionsError
from sungather.options import file as configuration_file
from sungather.options.all_options import GROUPS, InverterOptions
from sungather.options.configuration import Configuration, load, masked
from sungather.options.file import LARGEST, render
from sungather.options.keys import option
from sungather.options.option import Option, OptionKind, declared, rows_of

BERLIN = {"TZ": "Europe/Berlin", "STATE_DIRECTORY": "/state"}
GOOD = """\
inverter:  # the only one
  host: 192.168.1.10
  scan-interval: 10
  password: "0123"
log: {level: DEBUG}
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that messages name "sungather.yaml"."""
    monkeypatch.chdir(tmp_path)
    return Path("sungather.yaml")


@pytest.fixture(params=["C parser", "Python parser"])
def any_parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyYAML may be built without its C parser."""
    if request.param == "Python parser":
        monkeypatch.setattr("sungather.options.file._LOADER", yaml.SafeLoader)


def problems(file: Path | None, *settings: str, content: str | bytes | None = None) -> list[str]:
    if content is not None:
        assert file
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(OptionsError) as caught:
        load(file, settings, environment=BERLIN)
    assert caught.value.exit_code == 2
    assert "hunter2" not in str(caught.value)
    return caught.value.problems


def at(place: str) -> str:
    """The place "line:column" as messages name it."""
    line, _, column = place.partition(":")
    return f"sungather.yaml, line {line}, column {column}" if place else "sungather.yaml"


def good(file: Path, content: str, *settings: str) -> Configuration:
    file.write_text(content, encoding="utf-8")
    file.chmod(0o600)  # whatever the umask: it may hold secrets
    return load(file, settings, environment=BERLIN)


def test_a_file_gives_typed_options_and_defaults(file: Path) -> None:
    found = good(file, GOOD)
    assert found.inverters == (
        InverterOptions(
            name="inverter",
            host="192.168.1.10",
            port=None,
            connection="modbus",
            model="auto",
            unit=1,
            level=1,
            smart_meter="auto",
            scan_interval=10.0,
            timeout=10.0,
            retries=3,
            max_registers=100,
            username="",
            password="0123",
            tls_ca="",
            devices="auto",
        ),
    )
    assert found.log.level == "DEBUG"
    assert found.timezone == ZoneInfo("Europe/Berlin")
    assert found.state_directory == Path("/state")
    assert found.warnings == ()


def test_nothing_but_a_host_is_needed() -> None:
    found = load(None, ["inverter.host=192.168.1.10"], environment=BERLIN)
    assert [one.host for one in found.inverters] == ["192.168.1.10"]


def test_set_wins_over_the_file_and_the_last_set_over_the_others(file: Path) -> None:
    found = good(file, GOOD, "inverter.host=a", "inverter.host=b", "log.level=ERROR")
    assert (found.inverters[0].host, found.log.level) == ("b", "ERROR")
    assert found.inverters[0].scan_interval == 10.0


def test_set_takes_text_exactly_as_typed() -> None:
    found = load(None, ["inverter.host=a", "inverter.username= 0123=no "], environment=BERLIN)
    assert found.inverters[0].username == " 0123=no "


def test_named_inverters_keep_their_order(file: Path) -> None:
    found = good(file, "inverters:\n  roof: {host: a}\n  no: {host: b, unit: 2}\n")
    assert [(one.name, one.host, one.unit) for one in found.inverters] == [
        ("roof", "a", 1),
        ("no", "b", 2),
    ]


@pytest.mark.parametrize("start", ["\ufeff", "---\n", "%YAML 1.1\n---\n", "# comment\n\n"])
@pytest.mark.parametrize("end", ["", "...\n", "site:\n", "inverters: {}\n"])
def test_harmless_forms_of_a_file_are_read(file: Path, start: str, end: str) -> None:
    assert good(file, f"{start}{GOOD}{end}").log.level == "DEBUG"


@pytest.mark.parametrize(
    "text",
    [
        *("0123", "12345", "1e5", "1.5", "22:22", "0x1F", "0o17", "1_000", ".inf", "089", "-7"),
        *("+1", "1.", "no", "Yes", "true", "null", "~", "y", "=", "<<", "2026-01-01", "a\n   b"),
    ],
)
@pytest.mark.usefixtures("any_parser")
def test_a_text_that_yaml_may_read_as_something_else_must_be_put_in_quotes(
    file: Path, text: str
) -> None:
    (message,) = problems(file, content=f"inverter:\n  host: a\n  username: {text}\n")
    assert message.startswith("sungather.yaml, line 3, column 13: inverter.username takes text")
    assert message.endswith("put it in quotes.")
    quoted = " ".join(text.split())
    found = good(file, f"inverter:\n  host: a\n  username: '{quoted}'\n")
    assert found.inverters[0].username == quoted


@pytest.mark.parametrize(
    "text", ["user", "a b", "00:11:22:33", "1.2.3.4", "x1e5", "nope", "a#b", "°C", "fe80::1"]
)
def test_ordinary_text_needs_no_quotes(file: Path, text: str) -> None:
    found = good(file, f"inverter: \n  host: a\n  username: {text}  # comment\n")
    assert found.inverters[0].username == text


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("hunter2 #1", "may be cut short at the #"),
        ("12345", "is not clearly text"),
        ("hunter2\n    more", "runs over several lines"),
    ],
)
def test_a_secret_is_never_cut_short_in_silence(file: Path, written: str, why: str) -> None:
    assert problems(file, content=f"inverter:\n  host: a\n  password: {written}\n") == [
        f"sungather.yaml, line 3, column 13: inverter.password takes text, and this value "
        f"without quotes {why}: put it in quotes."
    ]


QUOTES = "a value that begins with &, * or ! has a meaning of its own in YAML that is not used"
EMPTY = "the file is empty: write a line 'inverter:' and below it, indented, 'host: 192.168.1.10'."
NOT_YAML = "this is not valid YAML"


@pytest.mark.parametrize(
    ("content", "place", "sentence"),
    [
        ("", "", EMPTY),
        ("# only a comment\n", "", EMPTY),
        ("---\n", "2:1", EMPTY),
        ("- a\n", "1:1", "the file holds a list, not options by key: write a line 'inverter:'"),
        ("[" * 100_000, "1:1", "the file holds a list"),
        ("hunter2", "1:1", "the file holds a single value, not options by key: write a line"),
        ("&x {a: 1}", "1:1", QUOTES),
        (b"a: b\n  \xe4", "2:3", "this is not UTF-8: save the file with the encoding UTF-8."),
        ("inverter:".encode("utf-16"), "1:1", "this is not UTF-8"),
        ("a: b\nc: \0d", "2:4", "the character U+0000 cannot stand here: remove it."),
        ("#" * (LARGEST + 1), "", "the file is larger than 256 KiB"),
        ("inverter:\n\thost: a", "2:1", f"{NOT_YAML}: indent with spaces, not with tabs."),
        ("a: 'hunter2\n\n", "3:1", f"{NOT_YAML}: a quotation mark or a bracket is not closed."),
        ("a: %hunter2", "1:4", f"{NOT_YAML}: a value that begins with this sign needs quotes."),
        ('a: "\\hunter2"', "1:5", f"{NOT_YAML}: in double quotes a backslash is written \\\\"),
        ("a:\n hunter2: b: c", "2:12", f"{NOT_YAML}: put a value with ': ' in it in quotes"),
        ("a: [hunter2", "2:1", f"{NOT_YAML}: "),
        ("a: b\nhunter2\n", "3:1", f"{NOT_YAML}: a line 'key: value' is expected."),
    ],
)
def test_a_file_that_is_no_file_of_options_is_refused_with_the_place(
    file: Path, content: str | bytes, place: str, sentence: str
) -> None:
    found = problems(file, content=content)
    assert any(one.startswith(f"{at(place)}: {sentence}") for one in found), found
    assert not any("missing" in one for one in found), "the host may stand in the unread part"


def stumble(error: Exception) -> Callable[[str], Iterator[yaml.Event]]:
    """A parser that looks ahead and gives up, with this error, where 250 brackets are open."""

    def events(text: str) -> Iterator[yaml.Event]:
        if re.search(r"([\[{]\s*){250}", text):
            raise error
        yield from yaml.parse(text, Loader=yaml.SafeLoader)  # pyright: ignore

    return events


@pytest.fixture(params=["of today", RecursionError(), yaml.YAMLError("nesting")], ids=repr)
def limit(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever limit of nesting the parser has."""
    if isinstance(request.param, Exception):
        monkeypatch.setattr(configuration_file, "_events", stumble(request.param))


@pytest.mark.usefixtures("any_parser", "limit")
@pytest.mark.parametrize("levels", [150, 1_500, 50_000])
@pytest.mark.parametrize(
    ("start", "level", "place", "sentence"),
    [
        ("", "[", "1:1", "the file holds a list"),
        ("", "[ ", "1:1", "the file holds a list"),
        ("", "- ", "1:1", "the file holds a list"),
        ("", "{", "1:2", "a key is a plain word: write 'key: value'."),
        ("inverter: ", "{", "1:12", "a key is a plain word: write 'key: value'."),
        ("inverter:\n  host: ", "[", "2:9", "inverter.host takes one value, no list and no keys"),
        ("inverter:\n  ? ", "[", "2:5", "a key is a plain word: write 'key: value'."),
        ("inverter:\n  level: 7\nfoo: ", "[", "3:1", "unknown option foo"),
    ],
)
def test_a_value_is_judged_the_same_however_deep_it_is(
    file: Path, start: str, level: str, place: str, sentence: str, levels: int
) -> None:
    found = problems(file, content=start + level * levels)
    assert any(one.startswith(f"{at(place)}: {sentence}") for one in found), found
    assert not any("missing" in one for one in found), "the host may stand in the unread part"


def test_a_parser_that_gives_up_at_once_is_answered_with_a_sentence(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def events(text: str) -> NoReturn:
        raise RecursionError

    monkeypatch.setattr(configuration_file, "_events", events)
    (found,) = problems(file, content="inverter:\n  host: " + "[" * 1_000)
    assert "this is not valid YAML: lists or keys stand in each other too deeply." in found


@pytest.mark.parametrize(
    ("lines", "place", "sentence"),
    [
        ("  hots: b", "3:3", "unknown option inverter.hots: did you mean inverter.host?"),
        ("  level: 7", "3:10", "inverter.level must be a whole number from 1 to 3, not 7."),
        ("  host: b", "3:3", "inverter.host stands here a second time: keep one."),
        ("inverter: {}", "3:1", "inverter stands here a second time: keep one."),
        ("  port:", "3:8", "inverter.port has no value: write one, or remove the line."),
        ("  username:", "3:12", "inverter.username has no value: write one (in quotes if it begi"),
        ("  password: #hunter2", "3:12", "inverter.password has no value: write one (in quotes"),
        ("  timeout: {}", "3:12", "inverter.timeout takes one value, no list and no keys below"),
        ("  timeout: [1]", "3:12", "inverter.timeout takes one value, no list and no keys below"),
        ("  password: {hunter2: x}", "3:13", "inverter.password takes one value, no list and no"),
        ("  password: &hunter2 x", "3:13", f"inverter.password: {QUOTES}"),
        ("  password: *hunter2", "3:13", f"inverter.password: {QUOTES}"),
        ("  password: !hunter2 x", "3:13", f"inverter.password: {QUOTES}"),
        ("  tls: {ca: 5}", "3:13", "inverter.tls.ca takes text, and 5 without quotes is not"),
        ("  foo: []", "3:3", "unknown option inverter.foo"),
        ("  pasword: {hunter2: x}", "3:3", "unknown option inverter.pasword.…"),
        ("log: [hunter2]", "3:6", "log takes options by key, not a list."),
        ("log: hunter2", "3:1", "log is a group of options: write the options in it: log.level."),
        ("loog: {level: INFO}", "3:1", "unknown option loog.…: did you mean log.…?"),
        ("loog: {}", "3:1", "unknown option loog"),
        ("log.level: INFO", "3:1", "log.level: a key in a file has no dots: write the group in a"),
        ("? [hunter2]\n: x", "3:3", "a key is a plain word: write 'key: value'."),
        ("*hunter2 : x", "3:1", "a key is a plain word: write 'key: value'."),
        ("<<: {inverter: x}", "3:1", "a key has letters a–z, digits, dashes and dots only."),
        ("---\nhunter2: x", "3:1", "a second document (---) begins here: keep one."),
        ("a: {b: {c: {d: {e: {f: {g: {h: 1}}}}}}}", "3:1", "unknown option a.…"),
        (f"a: {'{a: ' * 5000}hunter2{'}' * 5000}", "3:1", "unknown option a.…"),
        ("inverters: {roof: {host: b}}", "2:9", "inverter.host cannot stand beside inverters.ro"),
    ],
)
@pytest.mark.usefixtures("any_parser")
def test_one_mistake_gives_one_sentence_with_its_place(
    file: Path, lines: str, place: str, sentence: str
) -> None:
    (found,) = problems(file, content=f"inverter:\n  host: a\n{lines}\n")
    assert found.startswith(f"{at(place)}: {sentence}")


def test_many_aliases_stay_small(file: Path) -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{c}: &{c} [{', '.join(9 * [f'*{p}'])}]" for p, c in pairwise("abcdefgh")]
    assert len(problems(file, content="\n".join(lines))) == 9, "eight keys, and no host"


def test_all_problems_of_file_and_settings_come_at_once_in_order(file: Path) -> None:
    found = problems(
        file,
        "inverter.unit=300",
        "inverter.password=hunter2",
        "inverter.level",
        "hunter2",
        content="log: {levle: INFO}\ninverter:\n  model: SH10XX\n  level: 9\n"
        "site: {timezone: Mars}",
    )
    assert [one.partition(" must ")[0].partition(":")[0] for one in found] == [
        "sungather.yaml, line 1, column 7",
        "sungather.yaml, line 3, column 10",
        "sungather.yaml, line 4, column 10",
        "sungather.yaml, line 5, column 18",
        "--set",
        "sungather.yaml",
        "--set does not take inverter.password",
        "--set inverter.level has no value",
        "--set number 4 has no value",
    ]


def test_what_stands_before_broken_yaml_is_judged_too(file: Path) -> None:
    found = problems(file, "foo=1", content="inverter:\n  level: 9\n port: 502\n")
    assert [one.partition(":")[0] for one in found] == [
        "sungather.yaml, line 2, column 10",
        "sungather.yaml, line 3, column 2",
        "--set",
    ]


def test_what_is_missing_is_not_said_to_be_in_a_place(file: Path) -> None:
    assert problems(file, content="{}") == [
        "sungather.yaml: inverter.host is missing: give it a value, such as 192.168.1.10."
    ]
    assert problems(None) == ["inverter.host is missing: give it a value, such as 192.168.1.10."]


def test_a_file_that_cannot_be_read_says_why(file: Path) -> None:
    assert problems(file) == ["sungather.yaml: there is no such file."]
    assert problems(Path()) == [".: this is a directory, not a file."]
    assert problems(Path("a\0b")) == ["a\\x00b: the file cannot be read (its name is wrong)."]
    assert problems(Path("x" * 300))[0].endswith("cannot be read (File name too long).")


def test_a_file_of_another_user_says_so(file: Path) -> None:
    file.touch(0o000)
    user = os.geteuid()
    os.seteuid(user or 65534)  # root may read every file, nobody may not
    try:
        assert problems(file) == [
            "sungather.yaml: this user may not read the file. Run the command with sudo."
        ]
    finally:
        os.seteuid(user)


def test_no_inverter_is_fine_where_none_is_needed() -> None:
    assert load(None, environment=BERLIN, need_inverter=False).inverters == ()


def test_a_machine_in_utc_is_warned_of_unless_utc_is_chosen() -> None:
    host = "inverter.host=a"
    (warning,) = load(None, [host], environment={"TZ": "UTC"}).warnings
    assert "site.timezone" in warning
    found = load(None, [host, "site.timezone=UTC"], environment=BERLIN)
    assert (found.warnings, found.timezone) == ((), ZoneInfo("UTC"))


def test_a_chosen_storage_directory_wins() -> None:
    settings = ["inverter.host=a", "storage.directory=/elsewhere"]
    assert load(None, settings, environment=BERLIN).state_directory == Path("/elsewhere")


@pytest.mark.parametrize("prefix", [*GROUPS, "inverter", "inverters.roof"])
def test_every_option_is_a_field_of_its_group_with_its_type(prefix: str) -> None:
    group = GROUPS.get(prefix, InverterOptions)
    host = "inverters.roof.host" if prefix == "inverters.roof" else "inverter.host"
    found = load(None, [f"{host}=a"], environment=BERLIN)
    filled: object = getattr(found, prefix, found.inverters[0])
    assert isinstance(filled, group)
    rows = dict(rows_of(group, prefix))
    assert rows.keys() == {one.name for one in fields(group)} - {"name"}
    for name, row in rows.items():
        assert option(row.key) == row
        assert getattr(filled, name) == found.values[row.key]
        assert type(getattr(filled, name)) is type(found.values[row.key])


def test_a_declared_field_is_an_option_with_its_default() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Group:
        count: int = declared(3, "How many.", minimum=1)
        ca: str = declared("", "Certificate.", kind=OptionKind.LINES, key="tls.ca")
        two_words: str = declared("", "Words.", secret=True)

    assert dict(rows_of(Group, "some")) == {
        "count": Option("some.count", OptionKind.INTEGER, "How many.", 3, minimum=1),
        "ca": Option("some.tls.ca", OptionKind.LINES, "Certificate."),
        "two_words": Option("some.two-words", OptionKind.TEXT, "Words.", secret=True),
    }
    assert (Group().count, Group().ca) == (3, "")
    assert "hunter2" not in repr(Group(two_words="hunter2"))


def test_secrets_are_neither_in_the_repr_nor_in_what_is_shown(file: Path) -> None:
    found = good(file, "inverter: {host: a, password: hunter2}")
    assert "hunter2" not in repr(found)
    report = configuration_report(found)
    assert "hunter2" not in str(report)
    assert report["options"] == masked(found.values)
    assert masked(found.values)["inverter.password"] == "(secret)"
    assert masked({"inverter.password": "", "inverters.a.password": "x"}) == {
        "inverter.password": "",
        "inverters.a.password": "(secret)",
    }


def test_a_rendered_file_is_nested_and_quotes_its_texts() -> None:
    values = {
        "log.level": "INFO",
        "inverter.tls.ca": "a\n\x85",
        "inverter.host": 'a"\\',
        "inverter.port": None,
        "inverter.username": "",
        "inverter.timeout": 2.5,
        "inverter.unit": 1,
    }
    assert render(values) == (
        'inverter:\n  host: "a\\"\\\\"\n  timeout: 2.5\n  tls:\n    ca: "a\\n\\U00000085"\n'
        '  unit: 1\nlog:\n  level: "INFO"\n'
    )


def test_a_file_rendered_of_nothing_can_be_read(file: Path) -> None:
    assert good(file, render({}), "inverter.host=a").inverters


@pytest.mark.parametrize(
    ("mode", "content", "warned"),
    [
        (0o644, "mqtt:\n  password: hunter2\n", True),
        (0o604, "inverters:\n  roof:\n    password: hunter2\n", True),
        (0o600, "mqtt:\n  password: hunter2\n", False),
        (0o640, "mqtt:\n  password: hunter2\n", False),
        (0o644, "mqtt:\n  topic: roof\n", False),
        (0o644, "mqtt:\n  password: ''\n", False),
    ],
)
def test_a_file_with_secrets_that_everybody_can_read_is_said(
    mode: int, content: str, warned: bool, tmp_path: Path
) -> None:
    file = tmp_path / "sungather.yaml"
    file.write_text(content)
    file.chmod(mode)
    found = load(file, environment={"TZ": "Europe/Berlin"}, need_inverter=False).warnings
    assert bool(found) is warned
    if warned:
        (said,) = found
        assert "password" in said
        assert "chmod 600" in said
        assert "hunter2" not in said


def test_a_price_may_be_written_without_quotes(tmp_path: Path) -> None:
    file = tmp_path / "sungather.yaml"
    prices = "0.31; from 2026-01-01 0.36, 22:00-06:00 0.24"
    for text in ("0.34", "1", "-0.02", prices):
        file.write_text(
            f"inverter: {{host: a}}\ntariff:\n  currency: EUR\n  import: {text}\n  export: 0.10\n"
        )
        found = load(file, environment={})
        assert (found.tariff.import_, found.tariff.export) == (text, "0.10")


def test_a_day_may_be_written_without_quotes(tmp_path: Path) -> None:
    file = tmp_path / "sungather.yaml"
    file.write_text("inverter: {host: a}\ntariff: {paid-since: 2022-04-01}\n")
    assert load(file, environment={}).tariff.paid_since == "2022-04-01"
