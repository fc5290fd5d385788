"""The simulated house: its balances are exact, its counters only grow."""

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sungather.simulator import device_named
from sungather.simulator.day import Site, Tally, daylight, life_of
from sungather.simulator.history import FIRST_YEAR, HistoryArrays
from sungather.simulator.models import MODELS

FIRST = date(2026, 6, 19)
START = datetime(2026, 6, 19)
MOMENTS = st.integers(0, 3 * 86400 - 1).map(lambda seconds: START + timedelta(seconds=seconds))
SITES = st.sampled_from([model.site for model in MODELS.values()])
SMALL_BATTERY = Site(4000, 4000, (0.0,), 900, capacity=2_000, battery_power=3_000, seed=5)


@given(site=SITES, moment=MOMENTS)
@settings(deadline=None)
def test_at_every_moment_what_comes_in_goes_out(site: Site, moment: datetime) -> None:
    now = life_of(site, FIRST).at(moment)
    flow = now.flow
    assert flow.dc + flow.battery + flow.grid == flow.house
    assert min(flow.house, flow.charge, flow.discharge, *flow.pv) >= 0
    assert flow.charge == 0 or flow.discharge == 0
    assert flow.active <= site.limit
    for sums in (now.today, now.lifetime):
        assert sums.pv == sums.direct + sums.charge + sums.exported
        assert sums.house == sums.direct + sums.discharge + sums.imported


@given(site=SITES, moments=st.tuples(MOMENTS, MOMENTS).map(sorted))
@settings(deadline=None)
def test_counters_only_grow_and_the_day_is_their_growth_since_midnight(
    site: Site, moments: list[datetime]
) -> None:
    life = life_of(site, FIRST)
    earlier, later = (life.at(moment) for moment in moments)
    assert all(a <= b for a, b in zip(earlier.lifetime, later.lifetime, strict=True))
    midnight = life.at(datetime.combine(later.moment.date(), datetime.min.time()))
    assert midnight.today == Tally()
    assert later.today == later.lifetime.minus(midnight.lifetime)


@given(moment=MOMENTS)
@settings(deadline=None)
def test_the_battery_stays_within_its_limits_and_holds_what_was_put_in(moment: datetime) -> None:
    life = life_of(SMALL_BATTERY, FIRST)
    now, start = life.at(moment), life.at(START)
    assert 200 * 3600 <= now.stored <= 2_000 * 3600
    change = now.lifetime.minus(start.lifetime)
    assert now.stored - start.stored == change.charge - change.discharge


def test_a_small_battery_gets_full_by_day_and_empty_by_night() -> None:
    life = life_of(SMALL_BATTERY, FIRST)
    levels = [life.at(START + timedelta(minutes=10 * n)).stored for n in range(2 * 144)]
    assert max(levels) > 1_990 * 3600
    assert min(levels) < 210 * 3600


def test_the_sun_shines_between_sunrise_and_sunset_only() -> None:
    life = life_of(MODELS["SH10RT"].site, FIRST)
    rise, sets = daylight(FIRST)
    for minute in range(0, 1440, 7):
        pv = life.at(START + timedelta(minutes=minute)).flow.dc
        assert pv == 0 or rise * 60 < minute < sets * 60
    assert life.at(START + timedelta(hours=12.5)).flow.dc > 1000


def test_the_same_seed_gives_the_same_day_and_another_seed_another() -> None:
    noon = datetime(2026, 6, 19, 12)
    values = [
        device_named("SH10RT", begin=noon, seed=seed, clock=lambda: noon.astimezone()).now()
        for seed in (7, 7, 8)
    ]
    assert values[0] == values[1]
    assert values[0].flow != values[2].flow


def test_days_asked_for_in_any_order_are_the_same() -> None:
    moments = [START + timedelta(days=n, hours=15) for n in (4, 0, 2, 4, 1, 3, 0)]
    site = MODELS["SH8.0RT"].site
    backwards = life_of(site, date(2026, 6, 18))
    backwards.at(moments[0])
    fresh = [backwards.at(moment) for moment in moments]
    assert fresh == [backwards.at(moment) for moment in moments]
    assert fresh[0] == fresh[3]
    assert fresh[1] == fresh[6]


def test_the_last_sun_of_a_night_is_the_evening_before() -> None:
    life = life_of(MODELS["SH10RT"].site, FIRST)
    sun = life.last_sun(datetime(2026, 6, 20, 2))
    assert sun.date() == FIRST
    assert sun.hour >= 19
    assert life.at(sun).flow.dc > 0


@pytest.mark.parametrize("measure", ["pv", "direct", "exported", "charge"])
def test_history_adds_up_from_days_to_months_to_years_to_the_lifetime(measure: str) -> None:
    life = life_of(MODELS["SH10RT"].site, FIRST)
    now = life.at(datetime(2026, 6, 21, 17, 3))
    arrays = HistoryArrays(life).quantities(now)

    def array(name: str) -> list[int]:
        value = arrays[f"{measure}_{name}"]
        assert isinstance(value, list)
        return value

    days, months, years = array("days"), array("months"), array("years")
    assert sum(days) == months[5]
    assert sum(months) == years[2026 - FIRST_YEAR]
    assert sum(years) == getattr(now.lifetime, measure)
    assert days[20] == getattr(now.today, measure)
    assert days[21:] == [0] * 10
    assert len(array("quarters")) == 96
    assert array("quarters")[17 * 4 + 1 :] == [0] * (96 - 17 * 4 - 1)
    assert sum(array("quarters")) > 0
