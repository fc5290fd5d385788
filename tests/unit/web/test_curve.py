"""The curve of a day: who fed the house and where the rest went, and nothing under anything."""

import re
from datetime import date, timedelta
from itertools import accumulate

import pytest
from households import BERLIN, DAY, reading
from hypothesis import given
from hypothesis import strategies as st
from views import day_of, model_of

from sungather.history.periods import Energies
from sungather.history.store import Sample
from sungather.history.totals import Energy, Totals
from sungather.household import FLOWS
from sungather.reading import State
from sungather.web import curve, page
from sungather.web.flow import Flow
from sungather.web.language import languages

ENGLISH = languages()["en"]
watts = st.none() | st.floats(0, 20_000)
flows = st.builds(Flow, *[watts] * 7)


def parts(flow: Flow) -> list[float]:
    return list(curve._parts(flow))  # pyright: ignore[reportPrivateUsage]


def drawn(samples: dict[int, Sample], days: dict[date, Energies] | None = None) -> str:
    return curve.section(day_of(samples), DAY, BERLIN, "", ENGLISH, 0, days or {})


def sample(**flow: float) -> Sample:
    return Sample(State.OK, 1, tuple(flow.get(name) for name in (*FLOWS, "battery_level")))


@given(flows)
def test_who_fed_the_house_adds_up_to_the_house(flow: Flow) -> None:
    found = parts(flow)
    assert all(part >= 0 for part in found)
    if flow.house is not None:
        sources = [flow.pv, flow.battery_discharge, flow.grid_import]
        if sum(source or 0 for source in sources) >= 1 and flow.house >= 1 and sum(found[:3]):
            assert sum(found[:3]) == pytest.approx(flow.house)
        assert found[3:] == [flow.battery_charge or 0, flow.grid_export or 0]
        for part, source in zip(found, sources, strict=False):
            assert not part or source, "who gave nothing has no part"


@given(flows)
def test_no_layer_lies_under_another(flow: Flow) -> None:
    edges = list(accumulate(parts(flow)))
    assert edges == sorted(edges)


@pytest.mark.parametrize(
    ("flow", "found"),
    [
        (Flow(pv=4000, house=600, grid_export=2000, battery_charge=1400), [600, 0, 0, 1400, 2000]),
        (Flow(pv=0, house=600, grid_import=0, battery_discharge=600), [0, 600, 0, 0, 0]),
        (Flow(pv=100, house=600, grid_import=300, battery_discharge=200), [100, 200, 300, 0, 0]),
        (Flow(pv=0, house=300, grid_import=1300, battery_charge=1000), [0, 0, 300, 1000, 0]),
        (Flow(pv=0, house=300, grid_import=280), [0, 0, 300, 0, 0]),
        (Flow(pv=4000), [4000, 0, 0, 0, 0]),
        (Flow(), []),
    ],
)
def test_the_layers_of_a_moment(flow: Flow, found: list[float]) -> None:
    assert parts(flow) == found


def test_areas_are_painted_from_the_top_one_to_the_ground() -> None:
    html = drawn(
        {n: sample(pv=4000, house=600, grid_export=2000, battery_charge=1400) for n in range(9)}
    )
    areas = re.findall(r'class="area s-(\w+)"', html)
    assert areas == ["grid_export", "battery_charge", "pv"], "and none for who gave nothing"
    assert html.index('class="area s-pv"') < html.index('class="line s-house"')


def test_each_layer_stands_on_the_one_below() -> None:
    html = drawn(
        {n: sample(pv=4000, house=600, grid_export=2000, battery_charge=1400) for n in range(9)}
    )

    def top(mark: str) -> float:
        path = re.search(rf'class="{mark}" d="M[\d.]+ ([\d.]+)L[\d.]+ ([\d.]+)', html)
        assert path is not None
        return float(path[2])

    ground = float(re.findall(r'class="zero"[^>]* y1="([\d.]+)"', html)[0])
    scale = (ground - top("line s-pv")) / 4000
    reached = {
        name: round((ground - top(f"area s-{name}")) / scale)
        for name in ("pv", "battery_charge", "grid_export")
    }
    assert reached == pytest.approx(
        {"pv": 600, "battery_charge": 2000, "grid_export": 4000}, abs=30
    )


def test_what_goes_out_is_drawn_above_zero_so_the_scale_is_not_halved() -> None:
    html = drawn({9: sample(pv=4000, house=1000, grid_export=3000, grid_import=0)})
    ticks = re.findall(r'class="tick end" x="-6"[^>]*>([^<]+)<', html)
    assert ticks[:6] == ["0", "1", "2", "3", "4", "kW"]
    assert "−" not in ticks


def test_the_days_maximum_is_marked_with_its_time() -> None:
    html = drawn({100: sample(pv=4000), 101: sample(pv=4820), 102: sample(pv=10)})
    assert ">4.82\u00a0kW at 08:25</text>" in html
    assert html.count('class="peak"') == 1
    assert "peak" not in drawn({100: sample(house=300)})


def test_the_level_has_a_scale() -> None:
    html = drawn({9: sample(pv=4000, battery_level=64.0)})
    strip = html.partition("Battery level in %")[2]
    assert re.findall(r">(\d+)</text>", strip)[:3] == ["0", "50", "100"]


@pytest.mark.parametrize(
    ("samples", "day", "sentence"),
    [
        ({}, DAY, "The curve begins after the first minutes of readings."),
        ({3: Sample(State.ASLEEP, 0, (None,) * 7)}, DAY, "The curve begins"),
        ({}, DAY - timedelta(days=1), "Nothing was recorded on this day."),
        (
            {3: Sample(State.UNREACHABLE, 0, (None,) * 7)},
            DAY - timedelta(days=1),
            "The inverter gave no values on this day.",
        ),
    ],
)
def test_without_values_there_is_a_sentence_and_no_empty_grid(
    samples: dict[int, Sample], day: date, sentence: str
) -> None:
    html = curve.section(day_of(samples, day), DAY, BERLIN, "", ENGLISH)
    assert sentence in html
    assert "<svg" not in html


def test_a_day_stands_beside_the_ones_before() -> None:
    days: dict[date, Energies] = {
        DAY - timedelta(days=1): {"pv": 49.7},
        DAY - timedelta(days=7): {"pv": 31.8},
        date(2025, 6, 18): {"pv": 12.0},
    }
    html = drawn({9: sample(pv=10)}, days)
    assert (
        "Solar: the day before 49.7\u00a0kWh, a week before 31.8\u00a0kWh, "
        "a year before 12.0\u00a0kWh"
    ) in html
    assert "a week before" not in drawn({9: sample(pv=10)})
    leap = curve.section(day_of({}, date(2024, 2, 29)), DAY, BERLIN, "", ENGLISH, 0, days)
    assert "day before" not in leap


def test_the_legend_has_the_energies_of_the_table() -> None:
    totals = {flow: Totals(today=Energy(12.34 + n)) for n, flow in enumerate(FLOWS)}
    model = model_of(ENGLISH, [reading()], totals=totals)
    legend = page.legend(model)
    card = page.parts(model)["totals"].html()
    for flow in FLOWS:
        kwh = ENGLISH.kwh(12.34 + FLOWS.index(flow))
        assert f"{ENGLISH(f'energy.{flow}')} <b>{kwh}</b>" in legend
        assert f"<td>{kwh}</td>" in card
    assert page.parts(model)[curve.legend_id(DAY)].html() == legend


def test_the_arrows_lead_to_the_days_beside_and_none_into_tomorrow() -> None:
    yesterday = DAY - timedelta(days=1)
    html = curve.section(day_of({}, yesterday), DAY, BERLIN, "barn", ENGLISH)
    before, after = re.findall(r'href="\?day=([-\d]+)&amp;inverter=barn#day"', html)
    assert (before, after) == (str(DAY - timedelta(days=2)), str(DAY))
    assert re.findall(r'rel="(prev|next)"', drawn({})) == ["prev"]


def test_the_legend_names_what_there_is_and_nothing_else() -> None:
    html = curve.legend({"pv"}, {"house": 3.2}, ENGLISH)
    assert re.findall(r"<span>(\w+)", html) == ["Solar", "House"]


def test_the_day_is_as_wide_as_its_steps() -> None:
    day = day_of({100: sample(pv=4000)})
    html = drawn({100: sample(pv=4000)})
    assert f'viewBox="0 0 {(day.end - day.start) // day.step} ' in html
    assert (day.end - day.start) // day.step == 24 * 12
