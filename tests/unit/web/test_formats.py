"""How values, times and powers are said and drawn."""

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sungather.history.service import DayHistory
from sungather.history.store import Sample
from sungather.reading import NOT_INVERTERS, Reading, State, Value
from sungather.web import curve, flow, language
from sungather.web.flow import Flow
from sungather.web.language import SPACE as S
from sungather.web.language import languages

ENGLISH, GERMAN = languages()["en"], languages()["de"]
NOW = datetime(2026, 6, 18, tzinfo=UTC)
NOTHING = (None, None, None, None, None, None)


@pytest.mark.parametrize(
    ("watts", "said"),
    [
        (None, "–"),
        (0, f"0{S}W"),
        (-0.2, f"0{S}W"),
        (999.4, f"999{S}W"),
        (999.6, f"1.00{S}kW"),
        (4821, f"4.82{S}kW"),
        (10_000, f"10.0{S}kW"),
        (123_456, f"123{S}kW"),
        (-1640, f"−1.64{S}kW"),
    ],
)
def test_power_is_short_and_absent_is_a_dash(watts: float | None, said: str) -> None:
    assert ENGLISH.power(watts) == said


@pytest.mark.parametrize(
    ("kwh", "said"),
    [
        (None, "–"),
        (0.0, "0"),
        (0.42, "0.42"),
        (18.7, "18.7"),
        (512.3, "512"),
        (12346, "12\u202f346"),
    ],
)
def test_energy_is_short_and_absent_is_a_dash(kwh: float | None, said: str) -> None:
    assert ENGLISH.kwh(kwh) == said


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (None, "V", "–"),
        (233.4, "V", f"233.4{S}V"),
        (0, "W", f"0{S}W"),
        (-1.5, "A", f"−1.5{S}A"),
        (True, "", "yes"),
        ("On-grid", "", "On-grid"),
        ("", "", "–"),
        ([1.5, None, 2.0], "kWh", f"1.5; –; 2{S}kWh"),
        (0.1 + 0.2, "", "0.3"),
    ],
)
def test_any_value_is_said_with_its_unit(value: Value | None, unit: str, said: str) -> None:
    assert ENGLISH.value(value, unit) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "just now"),
        (3.2, "3 s ago"),
        (99, "99 s ago"),
        (120, "2 min ago"),
        (5900, "98 min ago"),
        (7200, "2 h ago"),
        (3 * 86400, "3 days ago"),
    ],
)
def test_an_age_is_said_in_words(seconds: float, said: str) -> None:
    assert ENGLISH.ago(seconds) == said


def test_a_name_becomes_words() -> None:
    assert language.words("daily_pv_energy_yields") == "Daily PV energy yields"
    assert language.words("grid-side_fault") == "Grid side fault"


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (Flow(), ""),
        (Flow(pv=0.0), "No solar power right now."),
        (
            Flow(pv=0, house=400, grid_import=0, grid_export=0, battery_discharge=400),
            f"No solar power right now, the house uses 400{S}W, the battery gives 400{S}W and "
            "the grid is idle.",
        ),
    ],
)
def test_what_happens_now_is_a_sentence(now: Flow, said: str) -> None:
    assert flow.sentence(now, ENGLISH) == said


def test_shares_of_the_house_are_its_ring() -> None:
    drawn = flow.drawing(Flow(pv=500, house=1000, grid_import=500, grid_export=0), False, ENGLISH)
    arcs = re.findall(r'class="arc (\w+)" r="50" [^/]*stroke-dasharray="([\d.]+)', drawn)
    assert arcs == [("pv", "157.1"), ("grid", "157.1")]


def drawn_day(samples: dict[int, Sample], patience: int = 0) -> str:
    midnight = datetime(2026, 6, 18, tzinfo=UTC)
    start = int(midnight.timestamp())
    end = int((midnight + timedelta(days=1)).timestamp())
    shifted = {start + at * 300: sample for at, sample in samples.items()}
    return curve.section(
        DayHistory(date(2026, 6, 18), start, end, 300, shifted, {}),
        date(2026, 6, 18),
        UTC,
        "",
        ENGLISH,
        patience,
    )


def lines(html: str, key: str) -> list[str]:
    found = re.search(rf'class="line s-{key}" d="([^"]*)"', html)
    return [] if found is None else [part for part in found[1].split("M") if part]


def test_a_line_ends_at_a_gap_and_begins_anew_behind_it() -> None:
    good = Sample(State.OK, 10, (100.0, *NOTHING))
    html = drawn_day({0: good, 1: good, 5: good})
    assert [line.count("L") for line in lines(html, "pv")] == [1, 0]
    assert lines(html, "house") == [], "nobody measured it"


def test_scans_further_apart_than_a_step_are_no_gaps() -> None:
    good = Sample(State.OK, 1, (100.0, *NOTHING))
    html = drawn_day({0: good, 2: good, 4: good, 9: good}, patience=900)
    assert [line.count("L") for line in lines(html, "pv")] == [2, 0]


def test_a_sleeping_inverter_is_a_band_with_its_times() -> None:
    asleep = {n: Sample(State.ASLEEP, 0, (None, *NOTHING)) for n in range(12)}
    html = drawn_day(asleep | {12: Sample(State.OK, 1, (100.0, *NOTHING))})
    assert "<title>Asleep 00:00–01:00</title>" in html


MEANS = st.one_of(st.none(), st.floats(0, 20_000))


@settings(deadline=None)
@given(
    st.dictionaries(
        st.integers(0, 287),
        st.builds(Sample, st.sampled_from(State), st.integers(0, 30), st.tuples(*[MEANS] * 7)),
        min_size=1,
        max_size=60,
    )
)
def test_lines_have_every_known_point_and_no_other(samples: dict[int, Sample]) -> None:
    samples = dict(sorted(samples.items()))
    html = drawn_day(samples)
    known = sum(sample.means[0] is not None for sample in samples.values())
    assert sum(line.count("L") + 1 for line in lines(html, "pv")) == known
    assert "nan" not in html
    assert "None" not in html


def test_the_page_knows_every_family_that_is_no_inverter() -> None:
    for family in NOT_INVERTERS:
        assert not Reading("x", State.OK, NOW, family=family).is_inverter
    assert Reading("x", State.OK, NOW, family="SH-RT").is_inverter
