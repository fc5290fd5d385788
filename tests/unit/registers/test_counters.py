"""Counters that lie, day boundaries, and the memory of them."""

import json
from dataclasses import asdict
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sungather.registers.counter_state import Memory
from sungather.registers.counters import (
    Day,
    Integral,
    Rising,
    Stopwatch,
    Today,
    Total,
    Verdict,
)

HOUR = 3600.0
MONDAY = Day("2026-06-15", 1000 * HOUR)
TUESDAY = Day("2026-06-16", 1024 * HOUR)
MORNING = MONDAY.began + 8 * HOUR


def enter_all(total: Total, samples: list[tuple[float, float]], day: Day) -> list[Verdict]:
    return [total.enter(value, at, day) for at, value in samples]


# --- lifetime counters ---


def test_a_fall_is_believed_after_three_samples_and_ten_minutes() -> None:
    total = Total()
    falls = [(MORNING + s, 3.0) for s in (60, 120, 180, 659, 660)]
    assert enter_all(total, [(MORNING, 500.0), *falls], MONDAY) == [
        Verdict.BELIEVED,
        Verdict.DOUBTED,
        Verdict.STILL_DOUBTED,
        Verdict.STILL_DOUBTED,
        Verdict.STILL_DOUBTED,
        Verdict.RESET,
    ]
    assert total.enter(4.5, MORNING + 700, MONDAY) is Verdict.BELIEVED
    assert total.today() == 1.5
    assert not total.whole


def test_two_samples_far_apart_do_not_make_a_reset() -> None:
    total = Total()
    samples = [(MORNING, 500.0), (MORNING + HOUR, 0.0), (MORNING + 2 * HOUR, 0.0)]
    assert enter_all(total, samples, MONDAY)[-1] is Verdict.STILL_DOUBTED


def test_a_good_sample_between_two_falls_clears_the_doubts() -> None:
    total = Total()
    values = [500.0, 0.0, 0.0, 500.1, 0.0]
    samples = [(MORNING + n * 400, value) for n, value in enumerate(values)]
    assert enter_all(total, samples, MONDAY)[-1] is Verdict.DOUBTED


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=12))
def test_what_is_believed_never_falls_but_for_a_reset(values: list[float]) -> None:
    total = Total()
    believed: list[float] = []
    for n, value in enumerate(values):
        verdict = total.enter(value, MORNING + n * 60, MONDAY)
        if verdict is Verdict.RESET:
            believed.clear()
        if verdict in (Verdict.BELIEVED, Verdict.RESET):
            believed.append(value)
        today = total.today()
        assert today is not None
        assert today >= 0
    assert all(one <= other for one, other in pairwise(believed))


@pytest.mark.parametrize(
    ("hours_before", "hours_after", "kwh", "today", "whole"),
    [
        pytest.param(0.1, 0.1, 0.2, 0.1, True, id="read on both sides of midnight"),
        pytest.param(3, 6, 0.0, 0.0, True, id="asleep all night"),
        pytest.param(2, 6, 8.0, 6.0, False, id="nobody read, and much has happened"),
        pytest.param(20, 9, 8.0, 0.0, False, id="nobody read for more than a day"),
        pytest.param(0.5, 0.5, 8.0, 4.0, True, id="an hour apart"),
        pytest.param(0.5, 0.75, 8.0, 4.8, False, id="more than an hour apart"),
    ],
)
def test_what_a_lifetime_counter_showed_at_midnight(
    hours_before: float, hours_after: float, kwh: float, today: float, whole: bool
) -> None:
    total = Total()
    total.enter(500.0, TUESDAY.began - hours_before * HOUR, MONDAY)
    total.enter(500.0 + kwh, TUESDAY.began + hours_after * HOUR, TUESDAY)
    assert total.today() == pytest.approx(today)
    assert total.whole == whole


def test_a_clock_that_is_set_back_starts_the_day_anew() -> None:
    total = Total()
    total.enter(500.0, TUESDAY.began + HOUR, TUESDAY)
    total.enter(501.0, MORNING, MONDAY)
    assert total.today() == 0
    assert not total.whole


# --- counters of today ---


@pytest.mark.parametrize(
    ("last", "hours_before", "first", "hours_after", "moved", "energy"),
    [
        pytest.param(21.3, 0.01, 21.3, 0.01, None, 0.0, id="not reset yet"),
        pytest.param(21.3, 0.01, 0.0, 0.01, None, 0.0, id="reset at midnight"),
        pytest.param(21.3, 3, 21.3, 6, None, 0.0, id="stale after a night of sleep"),
        pytest.param(21.3, 3, 0.2, 6, None, 0.2, id="reset after a night of sleep"),
        pytest.param(0.5, 3, 10.0, 12, None, 10.0, id="more than yesterday, seen at noon"),
        pytest.param(0.5, 3, 10.0, 12, 10.1, 10.0, id="the lifetime counter says: reset"),
        pytest.param(0.5, 0.2, 0.6, 0.2, 0.1, 0.1, id="the lifetime counter says: not reset"),
        pytest.param(0.5, 0.5, 0.75, 0.5, None, 0.25, id="goes on within an hour: not reset"),
        pytest.param(0.5, 0.5, 0.75, 0.75, None, 0.75, id="more than an hour later: reset"),
    ],
)
def test_yesterdays_energy_is_told_from_todays(
    last: float,
    hours_before: float,
    first: float,
    hours_after: float,
    moved: float | None,
    energy: float,
) -> None:
    today = Today()
    today.enter(last, TUESDAY.began - hours_before * HOUR, MONDAY, None)
    at = TUESDAY.began + hours_after * HOUR
    total = None if moved is None else Total(moved, at, TUESDAY.date, 0.0, TUESDAY.began, True)
    assert today.enter(first, at, TUESDAY, total) == energy


def test_after_the_late_reset_the_counter_is_followed() -> None:
    today = Today()
    for at, value, energy in (
        (-60, 21.3, 21.3),
        (60, 21.3, 0.0),
        (HOUR, 21.4, 0.1),
        (6 * HOUR, 0.0, 0.0),
        (12 * HOUR, 30.0, 30.0),
    ):
        day = MONDAY if at < 0 else TUESDAY
        assert today.enter(value, TUESDAY.began + at, day, None) == energy


def test_a_counter_found_standing_still_once_is_not_trusted_with_0_the_next_day() -> None:
    today, total = Today(), Total()
    energies: list[float | None] = []
    for day, hour, kwh in (
        (MONDAY, 8, 500.0),
        (MONDAY, 9, 502.0),
        (MONDAY, 23.9, 510.0),
        (TUESDAY, 0.1, 510.0),
        (TUESDAY, 1, 510.3),
    ):
        at = day.began + hour * HOUR
        total.enter(kwh, at, day)
        energies.append(today.enter(0.0, at, day, total))
    assert energies == [0, None, None, 0, 0.3]


def test_a_counter_that_moves_again_is_followed_again() -> None:
    today = Today(stuck=True)
    assert today.enter(0.4, MORNING, MONDAY, None) == 0.4
    assert not today.stuck


def test_steps_of_one_kwh_do_not_make_a_counter_of_today_stand_still() -> None:
    today, total = Today(), Total()
    for minute, kwh in ((0, 500.0), (1, 501.0)):
        total.enter(kwh, MORNING + 60 * minute, MONDAY)
        assert today.enter(0.0, MORNING + 60 * minute, MONDAY, total) == 0.0


# --- integration, and figures of several counters ---


@given(
    st.lists(
        st.tuples(st.floats(1, 800), st.floats(0, 20000)),
        min_size=2,
        max_size=20,
    )
)
def test_an_integral_lies_between_the_least_and_the_greatest_power(
    samples: list[tuple[float, float]],
) -> None:
    integral, at, before = Integral(), MORNING, None
    for seconds, power in samples:
        at += seconds
        integral.enter(power, before, seconds, at, MONDAY)
        before = power
    hours = sum(seconds for seconds, _ in samples[1:]) / HOUR
    levels = [power / 1000 for _, power in samples]
    assert min(levels) * hours - 1e-9 <= integral.kwh <= max(levels) * hours + 1e-9


def test_the_first_lap_and_laps_over_a_gap_are_0() -> None:
    watch = Stopwatch()
    laps = [watch.lap(at) for at in (100, 130, 1029, 5000, 14000, 23001)]
    assert laps == [0, 30, 899, 0, 9000, 9001]


@pytest.mark.parametrize(
    ("first", "second", "published"),
    [(10.0, 10.2, 10.2), (10.0, 9.8, 10.0), (10.0, 7.0, 7.0), (10.0, 10.0, 10.0)],
)
def test_a_sum_of_counters_forgives_small_falls_and_follows_great_ones(
    first: float, second: float, published: float
) -> None:
    rising = Rising()
    rising.enter(first)
    assert rising.enter(second) == published


def test_a_new_day_lets_a_sum_of_counters_fall() -> None:
    rising = Rising()
    rising.enter(1.5, MONDAY.date)
    assert rising.enter(0.0, TUESDAY.date) == 0.0


# --- memory ---

numbers = st.floats(-1e10, 1e10)
names = st.text(max_size=5)
memories = st.builds(
    Memory,
    st.dictionaries(
        names,
        st.builds(
            Total,
            st.none() | numbers,
            numbers,
            names,
            numbers,
            numbers,
            st.booleans(),
            st.integers(0, 9),
            numbers,
        ),
        max_size=2,
    ),
    st.dictionaries(
        names,
        st.builds(Today, st.none() | numbers, numbers, names, numbers, st.booleans()),
        max_size=2,
    ),
    st.dictionaries(names, st.builds(Integral, numbers, names, numbers), max_size=2),
    st.dictionaries(names, st.builds(Rising, st.none() | numbers, names), max_size=2),
)


@given(memories)
def test_memory_survives_a_restart(memory: Memory) -> None:
    assert Memory.from_json(json.loads(json.dumps(memory.as_json()))) == memory


@pytest.mark.parametrize(
    "damage",
    [
        {"last": "500"},
        {"last": True},
        {"at": None},
        {"at": float("nan")},
        {"since": 1e300},
        {"at": 10**400},
        {"whole": 1},
        {"date": 5},
        {"doubts": 1.5},
    ],
)
def test_a_damaged_memory_is_not_believed(damage: dict[str, object]) -> None:
    content = Memory().as_json() | {"totals": {"t": asdict(Total()) | damage}}
    assert Memory.from_json(content) is None


@pytest.mark.parametrize("content", [None, [], {}, "text", {"totals": []}])
def test_what_is_no_memory_at_all_is_not_believed(content: object) -> None:
    assert Memory.from_json(content) is None
