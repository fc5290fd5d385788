"""The page in its languages: no text is missing, and none stands beside the catalogue."""

import re
import string
import tomllib
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from views import DAY, VIEWS, documents

import sungather.web
from sungather import errors
from sungather.reading import NOT_INVERTERS, State
from sungather.registers.tables import DATA
from sungather.web import page
from sungather.web.language import Language, chosen, languages

ROOM = Path(sungather.web.__file__).parent
CODES = sorted(languages())
ENGLISH, GERMAN = languages()["en"], languages()["de"]
BY_ITS_NAME = frozenset(
    {
        "SunGather",
        "JSON",
        "API",
        "CSV",
        "kWh",
        "kW",
        "MPPT",
        "EUR",
        "Hz",
        "mV",
        "English",
        "Deutsch",
    }
    | {"house", "garage"}
)
"""Words that are the same in every language: units, and what the tests' devices are called."""


def table_of(code: str) -> dict[str, Any]:
    file = resources.files("sungather.web").joinpath("languages", f"{code}.toml")
    return tomllib.loads(file.read_text("utf-8"))


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("code", CODES)
def test_every_language_has_every_text_with_the_same_gaps(code: str) -> None:
    texts, wanted = languages()[code].texts, ENGLISH.texts
    assert texts.keys() == wanted.keys()
    assert {key for key in texts if fields(texts[key]) != fields(wanted[key])} == set()
    lists = {"months": 12, "short-months": 12, "weekdays": 7}
    locale = table_of(code)["locale"]
    assert {name: len(locale[name]) for name in lists} == lists


@pytest.mark.parametrize("code", CODES)
def test_a_text_can_stand_between_tags_as_it_is(code: str) -> None:
    assert not any(set(text) & set('<>&"') for text in languages()[code].texts.values())
    assert all(languages()[code].texts.values())


def test_no_text_is_there_that_nobody_says() -> None:
    files = [file for end in ("py", "html", "js") for file in ROOM.rglob(f"*.{end}")]
    code = "".join(file.read_text("utf-8") for file in files)
    tables = set(re.findall(r'f["\'](?:[^"\']*[^\w"\'])?([\w-]+)\.\{', code))
    tables |= set(re.findall(r'(?:table|term)\(\s*["\']([\w-]+)', code))
    unsaid = [
        key
        for key in ENGLISH.texts
        if not re.search(rf"""["']{re.escape(key)}["']""", code)
        and key.partition(".")[0] not in tables
    ]
    assert unsaid == []


def test_what_has_a_name_elsewhere_has_a_word_here() -> None:
    def kinds(base: type[errors.InverterError]) -> Iterator[str]:
        yield base.kind
        for one in base.__subclasses__():
            yield from kinds(one)

    statuses = (DATA / "codes.table").read_text("utf-8")
    statuses = statuses.partition("[charger_status]\n")[2].partition("\n\n")[0]
    wanted = {
        "problem": set(kinds(errors.InverterError)) - {"asleep", "probably-asleep"},
        "night": {"asleep", "probably-asleep"},
        "state": {str(state) for state in State},
        "device": set(NOT_INVERTERS),
        "service": {"mqtt", "influxdb", "pvoutput", "modbus-server", "web", "history"}
        | {"money", "notify"},
        "services": {"starting", "ok", "waiting", "blocked", "stopped"},
        "charger-status": {line.partition(" | ")[2] for line in statuses.splitlines()},
    }
    for table, names in wanted.items():
        assert names - ENGLISH.table(table).keys() == set(), table


# No text beside the catalogue


def bracket(text: Any) -> Any:
    return f"⟦{text}⟧" if isinstance(text, str) else [bracket(one) for one in text]


@cache
def bracketed() -> Language:
    """English, each text of the catalogue in brackets, as if it were a language of its own."""
    found: dict[str, Any] = {}
    for table, rows in table_of("en").items():
        found[table] = {
            key: text if key in ("decimal", "thousands") else bracket(text)
            for key, text in rows.items()
        }
    return Language("xx", found)


class Reader(HTMLParser):
    """What a person reads or hears, but what is marked as English, or is a name of a value."""

    VOID = frozenset({"meta", "link", "input", "br", "img"})

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self._open: list[tuple[str, bool]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        foreign = tag in ("code", "script", "style") or told.get("lang") in ("en", "de")
        quiet = foreign or any(silent for _, silent in self._open)
        if tag not in self.VOID:
            self._open.append((tag, quiet))
        if not quiet:
            for name in ("aria-label", "title", "placeholder", "alt"):
                if told.get(name):
                    self.said.append(str(told[name]))
        if told.get("name") == "description":
            self.said.append(str(told["content"]))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not any(silent for _, silent in self._open):
            self.said.append(data)


def bare(html: str) -> set[str]:
    """Words that come from no catalogue."""
    reader = Reader()
    reader.feed(html)
    text = "\n".join(reader.said)
    while text != (text := re.sub(r"⟦[^⟦⟧]*⟧", " ", text)):
        pass
    text = re.sub(r"\b[A-Z0-9][A-Z0-9_.-]*\d[\w.-]*", " ", text)  # models, serials, versions
    return set(re.findall(r"[^\W\d_]{2,}(?:-\w+)*", text)) - BY_ITS_NAME


def test_the_search_for_bare_words_finds_them() -> None:
    assert bare('<p title="Show ⟦x⟧">⟦Live ⟦a⟧ b⟧ now <b lang="en">x</b></p>') == {"Show", "now"}


@pytest.mark.parametrize("view", VIEWS)
def test_no_word_of_the_page_stands_beside_the_catalogue(view: str) -> None:
    for name, html in documents(view, bracketed()).items():
        assert bare(html) == set(), name


def test_the_script_says_what_comes_with_the_page_and_nothing_else() -> None:
    script = (ROOM / "static" / "app.js").read_text("utf-8")
    script = re.sub(r"/\*.*?\*/", "", script, flags=re.DOTALL)
    script = re.sub(r"(?m)(^|\s)//.*", "", script)
    given_along = page._SCRIPT  # pyright: ignore[reportPrivateUsage]
    said = set(re.findall(r'say\("([\w.-]+)"', script))
    assert said
    assert said <= set(given_along)
    literals = re.findall(r'"([^"\n]*)"', script)
    sentences = [
        one for one in literals if re.fullmatch(r"[\w,.:;!?’ ]*[a-z] [a-z][\w,.:; ]*", one)
    ]
    assert sentences == []


# Which language, and how it writes


@pytest.mark.parametrize(
    ("asked", "accepted", "code"),
    [
        ("", "", "en"),
        ("", "de-AT,de;q=0.9,en;q=0.5", "de"),
        ("", "en-GB,en;q=0.9,de;q=0.5", "en"),
        ("", "qaa-QM,qaa;q=0.9,de;q=0.7,en;q=0.3", "de"),
        ("", "qaa", "en"),
        ("", "de;q=0,en", "en"),
        ("", "de;q=x, *", "en"),
        ("de", "en", "de"),
        ("en", "de", "en"),
        ("xx", "de", "de"),
        ("../de", "", "en"),
    ],
)
def test_the_language_is_the_one_asked_for_or_the_browsers(
    asked: str, accepted: str, code: str
) -> None:
    assert chosen(asked, accepted).code == code


@given(st.text(max_size=60), st.text(max_size=60))
def test_whatever_is_asked_for_there_is_a_language(asked: str, accepted: str) -> None:
    assert chosen(asked, accepted).code in CODES


WRITTEN: list[tuple[Callable[[Language], str], str, str]] = [
    (lambda say: say.power(4821), "4.82\u00a0kW", "4,82\u00a0kW"),
    (lambda say: say.kwh(12346), "12\u202f346", "12.346"),
    (lambda say: say.value(-1.5, "A"), "−1.5\u00a0A", "−1,5\u00a0A"),
    (lambda say: say.value([1.5, None], "kWh"), "1.5; –\u00a0kWh", "1,5; –\u00a0kWh"),
    (lambda say: say.number(-0.04, 1), "0.0", "0,0"),
    (lambda say: say.ago(300), "5 min ago", "vor 5 min"),
    (lambda say: say.day(DAY, DAY), "18 Jun", "18. Juni"),
    (lambda say: say.day(date(2025, 3, 1), DAY), "1 Mar 2025", "1. März 2025"),
    (lambda say: say.day_title(DAY, DAY), "Today", "Heute"),
    (lambda say: say.day_title(DAY - timedelta(days=2), DAY), "Tue 16 Jun", "Di 16. Juni"),
    (lambda say: say.foreign("<b>"), "&lt;b&gt;", '<span lang="en">&lt;b&gt;</span>'),
]


@pytest.mark.parametrize(("said", "english", "german"), WRITTEN)
def test_numbers_and_days_are_written_as_people_do(
    said: Callable[[Language], str], english: str, german: str
) -> None:
    assert (said(ENGLISH), said(GERMAN)) == (english, german)


@given(st.floats(-1e6, 1e6), st.integers(0, 3))
def test_a_number_reads_back_as_what_it_is(value: float, digits: int) -> None:
    for say in (ENGLISH, GERMAN):
        text = say.number(value, digits).replace(say("locale.thousands"), "").replace("−", "-")
        assert float(text.replace(say("locale.decimal"), ".")) == pytest.approx(
            round(value, digits), abs=0.51 * 10**-digits
        )


def test_a_clock_is_the_one_at_the_site() -> None:
    moment = datetime(2026, 6, 18, 9, 5, tzinfo=UTC)
    assert GERMAN.clock(moment, moment, UTC) == "09:05"
    assert GERMAN.clock(moment, moment + timedelta(days=1), UTC) == "18. Juni 09:05"
