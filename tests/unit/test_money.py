"""Money and shares: a day that was worked out by hand, and laws that hold for every day."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sungather.money import Balance, Interval, balance_of, balance_of_counters

NIGHT_TARIFF = [
    # pv, imported, exported, charged, discharged, buy, sell
    Interval(0, 3, 0, 2, 0, 0.20, 0.08),  # charged from the grid, while it is cheap
    Interval(1, 0.5, 0, 0, 0.5, 0.35, 0.08),
    Interval(5, 0, 2.5, 1.5, 0, 0.30, -0.02),  # who sells now, pays
    Interval(0.2, 0, 1, 0, 2.8, 0.45, 0.08),  # the battery feeds the grid
]


def test_a_day_worked_out_by_hand() -> None:
    found = balance_of(NIGHT_TARIFF)
    expected = {
        "house": 6.0,
        "imported": 3.5,
        "exported": 3.5,
        "pv": 6.2,
        "cost": 0.775,
        "revenue": 0.030,
        "bill": 0.745,
        "without_system": 2.100,
        "saving": 1.355,
        "battery_saving": 0.695,
        "self_sufficiency": 0.750,
        "independence": 0.416667,
        "self_consumption": 0.596774,
        "grid_charged": 2.0,
        "battery_sold": 1.0,
    }
    for name, figure in expected.items():
        assert getattr(found, name) == pytest.approx(figure, abs=1e-6), name


def test_a_battery_that_charges_and_feeds_the_grid_in_one_interval_sells_what_it_gave() -> None:
    found = balance_of([Interval(3, 0, 1.5, 1, 0.5, 0.30, 0.08)])
    assert found.house == pytest.approx(1)
    assert found.battery_sold == pytest.approx(0.5)
    assert found.self_consumption == pytest.approx(2 / 3)


energies = st.floats(0, 5)
prices = st.floats(-0.5, 1)


@st.composite
def intervals(draw: st.DrawFn) -> Interval:
    """What can be: the house uses something, and what goes out comes from somewhere."""
    pv, house, charged, discharged = (draw(energies) for _ in range(4))
    discharged = 0.0 if charged > discharged else discharged
    charged = 0.0 if discharged else charged
    rest = house + charged - pv - discharged
    return Interval(
        pv, max(0.0, rest), max(0.0, -rest), charged, discharged, draw(prices), draw(prices)
    )


@given(st.lists(intervals(), min_size=1, max_size=20))
def test_shares_are_shares_and_the_parts_of_a_saving_add_up(day: list[Interval]) -> None:
    found = balance_of(day)
    for share in (found.self_sufficiency, found.self_consumption):
        assert share is None or -1e-6 <= share <= 1 + 1e-6
    assert found.saving == pytest.approx(found.without_system - found.bill)
    if found.independence is not None and found.self_sufficiency is not None:
        assert found.independence <= found.self_sufficiency + 1e-9


@given(st.lists(st.builds(Interval, *[energies] * 5, prices, prices), min_size=1))
def test_meters_that_disagree_make_no_share_above_the_whole(day: list[Interval]) -> None:
    found = balance_of(day)
    assert found.grid_charged <= found.imported
    assert found.battery_sold <= found.discharged
    for share in (found.self_sufficiency, found.self_consumption):
        assert share is None or share <= 1 + 1e-9


@given(st.lists(intervals(), min_size=1, max_size=20))
def test_without_a_battery_there_is_nothing_that_it_saves(day: list[Interval]) -> None:
    bare = [
        Interval(
            one.pv,
            max(0.0, one.house - one.pv),
            max(0.0, one.pv - one.house),
            0,
            0,
            one.buy,
            one.sell,
        )
        for one in day
    ]
    assert balance_of(bare).battery_saving == pytest.approx(0, abs=1e-9)
    assert balance_of(bare).grid_charged == pytest.approx(0, abs=1e-9)


def test_a_day_without_sun_or_use_has_no_shares() -> None:
    found = balance_of([Interval(0, 0, 0, 0, 0, 0.3, 0.1)])
    assert found.self_sufficiency is None
    assert found.self_consumption is None


def test_counters_come_to_the_same_money_where_the_price_is_the_same_all_day() -> None:
    flat = [one._replace(buy=0.3, sell=0.08) for one in NIGHT_TARIFF]
    whole = balance_of(flat)
    counted = balance_of_counters(6.2, 3.5, 3.5, 3.5 - 3.3, 0.3, 0.08)
    assert counted.bill == pytest.approx(whole.bill)
    assert counted.saving == pytest.approx(whole.saving)
    assert counted.split == 0
    assert counted.self_sufficiency is None, "nobody knows what came from where"


def test_days_add_up() -> None:
    one = balance_of(NIGHT_TARIFF)
    two = one + one
    assert two.days == two.split == 2
    assert two.saving == pytest.approx(2 * one.saving)
    assert two.self_sufficiency == pytest.approx(0.75), "of the sums, not of the shares"
    assert Balance() + one == one
