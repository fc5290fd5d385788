"""Battery and wall box as a household sees them."""

import re
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from households import DAY, NOW, reading, silent
from views import battery, charger, model_of

from sungather.history.totals import Energy, Totals
from sungather.reading import Reading, State, Value
from sungather.web import page
from sungather.web.files import StaticFiles
from sungather.web.language import languages
from tests.plain_values import measurements

ENGLISH, GERMAN = languages()["en"], languages()["de"]


def card(name: str, *readings: Reading, chosen: str = "") -> str:
    return page.parts(model_of(ENGLISH, readings, chosen))[name].html()


def test_a_battery_tells_level_health_spread_and_temperature() -> None:
    html = card("battery", reading(battery_level=64.0), battery())
    for told in ("64\u00a0%", "99\u00a0%", "9\u00a0mV", "22–25\u00a0°C", "402\u00a0V", "SBR128"):
        assert told in html, told
    assert 'class="fill" width="64.0%"' in html
    assert all(f">{tick}</text>" in html for tick in (0, 50, 100))


def test_a_hybrid_alone_tells_of_its_battery_what_it_knows() -> None:
    html = card("battery", reading(battery_level=64.0))
    assert "64\u00a0%" in html
    assert "25\u00a0°C" in html
    assert "mV" not in html, "cells are known to the battery only"


@pytest.mark.parametrize(
    ("powers", "said"),
    [
        ((1640, 0), "takes 1.64\u00a0kW"),
        ((0, 800), "gives 800\u00a0W"),
        ((0, 0), "idle"),
    ],
)
def test_what_a_battery_does_is_said(powers: tuple[int, int], said: str) -> None:
    charge, discharge = powers
    own = reading(battery_charge_power=charge, battery_discharge_power=discharge)
    assert f"<span>{said}</span>" in card("battery", own)


def test_no_battery_has_no_card_and_an_old_reading_tells_nothing() -> None:
    assert card("battery", reading("garage")) == ""
    stale = model_of(
        ENGLISH, [reading(), battery()], stale=frozenset({"house", "house-battery-1"})
    )
    assert "%" not in page.parts(stale)["battery"].html()


def test_two_batteries_are_told_apart_by_number() -> None:
    html = card("battery", reading(), battery(), battery(name="house-battery-2"))
    assert "<h3>Battery 1</h3>" in html
    assert "<h3>Battery 2</h3>" in html


def test_a_charging_car_has_a_session() -> None:
    html = card("charger", reading(), charger())
    told = (
        "Charging",
        "3.68\u00a0kW",
        "This session",
        "7.4\u00a0kWh",
        "13:05",
        "2\u202f805\u00a0kWh",
    )
    for one in told:
        assert one in html, one


def test_without_a_car_the_session_is_the_last_one() -> None:
    html = card("charger", reading(), charger(charger_status="Idle", charger_power=0))
    assert "No car" in html
    assert "Last session" in html
    assert "Since" not in html


@pytest.mark.parametrize("start", ["", "yesterday", "2026-06-18 13:05:00.5", 7])
def test_a_time_that_cannot_be_read_is_left_out(start: Value) -> None:
    assert "Charging" in card("charger", reading(), charger(charger_session_start=start))


def test_a_status_that_nobody_knows_is_shown_as_it_is() -> None:
    html = card("charger", reading(), charger(charger_status="unknown (0x000A)"))
    assert "unknown (0x000A)" in html


def test_a_silent_wall_box_says_its_state() -> None:
    away = replace(charger(), state=State.UNREACHABLE, measurements={})
    assert "Unreachable" in card("charger", reading(), away)


def test_what_the_car_takes_is_part_of_the_sentence() -> None:
    html = card("flow", reading(), charger())
    assert "the wall box takes 3.68\u00a0kW" in html
    assert "wall box" not in card("flow", reading(), charger(charger_power=0))


@pytest.mark.parametrize(
    ("readings", "names"),
    [
        ([replace(reading(), name="inverter")], ["Inverter"]),
        ([reading(), battery(), charger()], ["house", "Battery", "Wall box"]),
        ([reading(), battery(), battery(name="b2")], ["house", "Battery 1", "Battery 2"]),
        (
            [reading(), reading("garage"), battery(), replace(battery(name="b2"), via="garage")],
            ["house", "garage", "Battery (house)", "Battery (garage)"],
        ),
        ([reading(), replace(battery(), family="ems")], ["house", "Home manager"]),
    ],
)
def test_tabs_have_words_and_no_internal_names(readings: list[Reading], names: list[str]) -> None:
    model = model_of(ENGLISH, readings)
    assert [model.name(one) for one in readings] == names


def test_the_page_of_a_battery_is_called_so_in_every_place() -> None:
    for say, name in ((ENGLISH, "Battery"), (GERMAN, "Batterie")):
        model = model_of(say, [reading(), battery()], "house-battery-1", services=())
        drawn = page.Drawn(model.today, "", "")
        html = page.page(model, drawn, StaticFiles().addresses, "1")
        assert f"<title>{name} · SunGather</title>" in html
        assert f'<h2 id="battery-title">{name}</h2>' in html
        assert f'<h2 id="details-title">{name}</h2>' not in html, "two cards of one name"
        assert f'aria-current="page">{name}</a>' in html
        assert ">house-battery-1<" not in html


def test_a_house_without_a_meter_is_told_why_grid_and_house_are_missing() -> None:
    said = "Grid and house are unknown: that takes a smart meter"
    assert said in card("flow", reading("garage"))
    assert said not in card("flow", reading())
    assert said not in card("flow", silent(State.UNREACHABLE, "garage"))
    one = reading("garage")
    with_meter = measurements({**one.values, "grid_import_power": 100, "grid_export_power": 0})
    assert said not in card("flow", replace(one, measurements=with_meter))


def test_the_month_is_at_least_what_the_inverter_tells_of_its_days() -> None:
    """At level 1 a hybrid tells the days of the month; the bars of the same page show them."""
    days: list[int | float | None] = [*[10.0] * 17, *[99.0] * 14]  # those to come: last month
    begun = {"pv": Totals(today=Energy(12.5), month=Energy(12.5, DAY), year=Energy(12.5, DAY))}

    def month(days: list[int | float | None], at: datetime = NOW) -> str:
        told = reading(at=at, daily_pv_energy_yields=days, pv_energy_today=12.5)
        known = {k: one for k, one in told.measurements.items() if k != "monthly_power_yields"}
        model = model_of(ENGLISH, [replace(told, measurements=known)], totals=begun)
        solar = page.parts(model)["totals"].html().partition("Solar</th>")[2]
        return re.findall(r"<td>([^<]+)", solar)[2]

    assert month(days) == "182"
    assert month([None, *days[1:]]) == "12.5"
    assert month(days, NOW - timedelta(days=1)) == "12.5", "its today is over"
