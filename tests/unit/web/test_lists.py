"""The lists of the page."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from households import SERVICES

from sungather.history.store import Fault
from sungather.history.totals import Energy, Totals
from sungather.reading import ActiveFault, FaultReport, Problem, Reading, State
from sungather.service import Health
from sungather.site import Plant
from sungather.web import codes, lists, page, trouble
from sungather.web.language import languages
from sungather.web.page_model import PageModel

ENGLISH = languages()["en"]
NOW = datetime(2026, 6, 21, 22, tzinfo=UTC)


FILES = ("icon.svg", "icon-180.png", "manifest.webmanifest", "style.css", "app.js")


def model(
    *readings: Reading,
    services: Sequence[Health] = (),
    chosen: str = "",
    stale: frozenset[str] = frozenset(),
) -> PageModel:
    return PageModel(
        now=NOW,
        timezone=UTC,
        readings=readings,
        chosen=chosen,
        totals=lambda _: {},
        faults=[],
        services=services,
        plant=Plant(),
        say=ENGLISH,
        stale=stale,
    )


@pytest.mark.parametrize(
    ("state", "kind", "what"),
    [
        (State.ASLEEP, "asleep", None),
        (State.UNREACHABLE, "probably-asleep", None),
        (State.UNREACHABLE, "silent", "No answer"),
        (State.OK, "busy", "Incomplete"),
        (State.OK, "meter-wrong", "Smart meter"),
    ],
)
def test_a_night_does_not_look_like_trouble(state: State, kind: str, what: str | None) -> None:
    reading = Reading("inverter", state, NOW, problem=Problem(kind, "A sentence."))
    found = trouble.troubles(model(reading))
    assert [(one.what, one.sentence) for one in found] == [(what, "A sentence.")] * bool(what)
    assert bool(lists.night(reading, ENGLISH)) is not bool(what)


def test_all_that_is_wrong_stands_on_top_the_worst_first() -> None:
    fault = FaultReport((ActiveFault("alarm_code_1", "10 Grid <power> outage"),))
    services = [
        Health("mqtt", "ok", "connected"),
        Health("influxdb", "blocked", "The token is refused."),
        Health("pvoutput", "starting"),
    ]
    shown = model(
        Reading("house", State.OK, NOW, family="SH-RT"),
        Reading("barn", State.OK, NOW, family="SG-RT", faults=fault),
        services=services,
        stale=frozenset({"house"}),
    )
    html = trouble.banner(shown)
    assert 'data-count="3"' in html
    assert html.index("10 Grid &lt;power&gt; outage") < html.index("house: The newest")
    assert html.index("house: The newest reading is from 22:00.") < html.index(
        "The token is refused"
    )
    assert '<a href="#services"><b>InfluxDB</b></a>' in html
    assert "connected" not in html


def test_a_fault_colours_the_state_and_leads_to_its_meaning() -> None:
    fault = FaultReport((ActiveFault("alarm_code_1", "010 Grid power outage"),))
    sick = Reading("house", State.OK, NOW, faults=fault)
    assert '<span class="dot unreachable"></span><b>Fault</b>' in lists.pill(sick, model(sick))
    well = replace(sick, faults=FaultReport())
    assert '<span class="dot ok"></span><b>Live</b>' in lists.pill(well, model(well))
    banner = trouble.banner(model(sick))
    assert 'href="codes#c10"' in banner
    assert f'<span class="do">{codes.advice("010", ENGLISH)}</span>' in banner
    assert 'id="c10"' in codes.table(ENGLISH)
    assert "href" not in codes.linked("9999 nobody knows", ENGLISH)


def test_what_makes_the_exporters_work_is_behind_a_fold() -> None:
    services = [Health("mqtt", "ok"), Health("outbox", "ok"), Health("history", "ok")]
    above, _, below = lists.services(model(services=services)).partition("<details>")
    terms = {one: ENGLISH.term("service", one) for one in ("mqtt", "outbox", "history")}
    assert [name for name, told in terms.items() if told in above] == ["mqtt"]
    assert [name for name, told in terms.items() if told in below] == list(terms)


def test_a_house_with_one_inverter_has_no_names_to_choose_from() -> None:
    files = {name: name for name in FILES}
    house, barn = (Reading(name, State.OK, NOW) for name in ("house", "barn"))
    for readings, several in (((house,), False), ((house, barn), True)):
        html = page.page(model(*readings), page.Drawn(NOW.date(), "", ""), files, "1")
        assert ("<nav" in html) is several


def test_what_stands_on_top_is_not_told_twice() -> None:
    away = Problem("silent", "Nobody answers.")
    services = [Health("influxdb", "blocked", "The token is refused."), Health("history", "ok")]
    shown = model(Reading("house", State.UNREACHABLE, NOW, problem=away), services=services)
    html = "".join(part.html() for part in page.parts(shown).values())
    assert html.count("Nobody answers.") == 1
    assert html.count("The token is refused.") == 1


def test_what_was_given_up_is_counted_with_its_exporter() -> None:
    services = [Health("influxdb", "ok", delivered=9, rejected=3, dropped=2), Health("mqtt", "ok")]
    influxdb, mqtt = lists.services(model(services=services)).rsplit("MQTT", 1)
    assert "3 refused" in influxdb
    assert "refused" not in mqtt


def test_the_title_counts_what_is_wrong() -> None:
    away = Problem("silent", "Nobody answers.")
    files = {name: name for name in FILES}
    for reading, title in (
        (Reading("house", State.UNREACHABLE, NOW, problem=away), "(1) SunGather"),
        (Reading("house", State.OK, NOW), "SunGather"),
    ):
        html = page.page(model(reading), page.Drawn(NOW.date(), "", ""), files, "1")
        assert f"<title>{title}</title>" in html


def test_a_night_tells_what_the_day_has_brought() -> None:
    asleep = Problem("asleep", "It sleeps.")
    reading = Reading("house", State.ASLEEP, NOW, family="SG-RT", problem=asleep)
    totals = {"pv": Totals(today=Energy(48.9), yesterday=Energy(31.24))}

    def totals_of(_inverter: str) -> dict[str, Totals]:
        return totals

    shown = replace(model(reading), totals=totals_of)
    html = page.parts(shown)["status"].html()
    assert "Made 48.9\u00a0kWh today, yesterday 31.2." in html
    assert "The inverter sleeps until the sun is up." in html
    assert not trouble.troubles(shown)


def test_who_asks_the_modbus_server_is_told() -> None:
    html = lists.services(model(services=SERVICES))
    told = "192.168.1.5 asked 379 times, 371 from memory, 6 from the inverter"
    assert f"{told} (exception 0x02: 1, exception 0x0b: 1)" in html
    assert "roof was asked 4 times for them" in html


def test_the_state_has_an_age_that_counts_on_or_since_when_it_is_so() -> None:
    live = lists.pill(Reading("house", State.OK, NOW), model())
    assert '<time class="ago"' in live
    since = NOW.replace(hour=19, minute=42)
    asleep = lists.pill(Reading("house", State.ASLEEP, NOW, since=since), model())
    assert "since 19:42" in asleep
    assert "ago" not in asleep


def test_a_fault_names_its_inverter_where_there_are_several() -> None:
    register, text = "alarm_code_1", "10 Grid power outage"
    house, barn = (Reading(name, State.OK, NOW, family="SH-RT") for name in ("house", "barn"))
    was = Fault("house", register, text, NOW, NOW)
    several = lists.faults(replace(model(house, barn), faults=[was]))
    assert "house · " in several
    alone = lists.faults(replace(model(house), faults=[was]))
    assert text in alone
    assert "house · " not in alone


def test_a_shared_type_code_is_read_with_both_names() -> None:
    shared = Reading(
        "roof", State.OK, NOW, model="SG10RT", other_models=("SG10RT-20",), family="SG-RT"
    )
    assert "SG10RT / SG10RT-20" in lists.inverters(model(shared, Reading("barn", State.OK, NOW)))
