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
    TimeLine,
    Today,
    Total,
    Verdict,
)
from sungather.registers.device_day import DeviceDay

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
    seen = [(MORNING - 60, 500.0), (MORNING, 500.0)]
    assert enter_all(total, [*seen, *falls], MONDAY) == [
        Verdict.BELIEVED,
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


def test_a_rise_that_no_power_makes_is_left_out_and_the_true_values_are_believed_after_it() -> (
    None
):
    total = Total()
    verdicts = [
        total.enter(kwh, MORNING + 30 * n, MONDAY, kw=35)
        for n, kwh in enumerate((2187.3, 8740.9, 2187.3, 2187.4))
    ]
    assert verdicts == [Verdict.BELIEVED, Verdict.DOUBTED, Verdict.BELIEVED, Verdict.BELIEVED]
    assert total.today() == 0.1


def test_a_rise_is_bounded_by_the_time_since_the_counter_moved() -> None:
    """A dongle that stood still for two hours may show two hours at once."""
    total = Total()
    total.enter(100.0, MORNING, MONDAY, kw=10)
    total.enter(100.0, MORNING + 2 * HOUR - 30, MONDAY, kw=10)
    assert total.enter(119.0, MORNING + 2 * HOUR, MONDAY, kw=10) is Verdict.BELIEVED


def test_a_rise_that_stays_for_an_hour_is_a_counter_that_began_anew() -> None:
    total = Total()
    for seconds in (-60, 0):
        total.enter(100.0, MORNING + seconds, MONDAY, kw=10)
    for minutes in range(1, 61):
        assert total.enter(900.0, MORNING + 60 * minutes, MONDAY, kw=10) is not Verdict.BELIEVED
    assert total.enter(900.2, MORNING + 61 * 60, MONDAY, kw=10) is Verdict.RESET
    assert total.today() == 0


@pytest.mark.parametrize("garbage", [0.0, 6553.6, 11553.6])
def test_a_first_sample_of_garbage_is_outvoted_by_two_that_follow_each_other(
    garbage: float,
) -> None:
    total, today = Total(), Today()
    at, samples = MORNING, (garbage, 5000.0, 5000.0, 5000.1)
    verdicts = [total.enter(kwh, at + 30 * n, MONDAY, kw=35) for n, kwh in enumerate(samples)]
    assert verdicts == [
        Verdict.BELIEVED,
        Verdict.DOUBTED,
        Verdict.STILL_DOUBTED,
        Verdict.RESET,
    ]
    verdicts = [
        today.enter(kwh, at + 30 * n, MONDAY, None, kw=35)
        for n, kwh in enumerate((min(garbage, 700), 20.0, 20.0, 20.1))
    ]
    assert verdicts[-1] in (Verdict.BELIEVED, Verdict.RESET)
    assert today.last == 20.1


def test_a_lifetime_counter_that_was_0_while_a_dongle_started_is_believed_soon() -> None:
    total = Total()
    verdicts = [
        total.enter(kwh, MORNING + 30 * n, MONDAY, kw=35)
        for n, kwh in enumerate((0.0, 0.0, 0.0, 5000.0, 5000.0, 5000.1))
    ]
    assert verdicts[-1] is Verdict.RESET


def test_zeros_outvote_no_first_sample() -> None:
    total = Total()
    verdicts = [
        total.enter(kwh, MORNING + 60 * n, MONDAY, kw=35)
        for n, kwh in enumerate((5000.0, 0.0, 0.0, 0.0, 0.0))
    ]
    assert verdicts[-1] is Verdict.STILL_DOUBTED
    assert total.enter(5000.1, MORNING + 300, MONDAY, kw=35) is Verdict.BELIEVED


def test_garbage_that_changes_from_sample_to_sample_is_never_believed() -> None:
    total = Total()
    total.enter(2187.3, MORNING, MONDAY, kw=10)
    for n in range(1, 200):
        kwh = (8740.9, 0.0, 429496729.5)[n % 3]
        assert total.enter(kwh, MORNING + 60 * n, MONDAY, kw=10) in (
            Verdict.DOUBTED,
            Verdict.STILL_DOUBTED,
        )
    assert total.last == 2187.3


def test_more_than_a_life_gives_is_not_believed_even_as_the_first_sample() -> None:
    total = Total()
    assert total.enter(429496729.5, MORNING, MONDAY, kw=35) is Verdict.DOUBTED
    assert total.enter(2187.3, MORNING + 30, MONDAY, kw=35) is Verdict.BELIEVED


def test_the_day_is_not_whole_when_a_clock_was_set_over_midnight() -> None:
    """15 s went by, whatever the clock says: nobody saw the day's first ten hours."""
    total = Total()
    total.enter(500.0, TUESDAY.began - 600, MONDAY, moment=0)
    total.enter(500.1, TUESDAY.began + 10 * HOUR, TUESDAY, moment=15)
    assert not total.whole
    assert total.today() == 0


# --- counters of today ---


def test_one_sample_of_zeros_is_no_reset_and_two_that_stay_are() -> None:
    today = Today()
    verdicts = [
        today.enter(value, MORNING + 30 * n, MONDAY, None)
        for n, value in enumerate((8.1, 0.0, 8.2, 0.0, 0.0, 0.0))
    ]
    assert verdicts == [
        Verdict.BELIEVED,
        Verdict.DOUBTED,
        Verdict.BELIEVED,
        Verdict.DOUBTED,
        Verdict.STILL_DOUBTED,
        Verdict.RESET,
    ]


def test_zeros_next_to_a_lifetime_counter_that_is_not_believed_are_no_reset() -> None:
    today = Today()
    today.enter(8.1, MORNING, MONDAY, 500.0)
    for n in range(1, 9):
        at = MORNING + 60 * n
        verdict = today.enter(0.0, at, MONDAY, None, total_doubted=True)
        assert verdict in (Verdict.DOUBTED, Verdict.STILL_DOUBTED)
    assert today.enter(8.2, MORNING + 600, MONDAY, 500.1) is Verdict.BELIEVED


@pytest.mark.parametrize("kwh", [30.0, 900.0], ids=["in a minute", "in a day"])
def test_a_counter_of_today_shows_no_more_than_power_makes(kwh: float) -> None:
    today = Today()
    today.enter(8.1, MORNING, MONDAY, None, kw=35)
    assert today.enter(kwh, MORNING + 60, MONDAY, None, kw=35) is Verdict.DOUBTED
    assert today.enter(8.2, MORNING + 120, MONDAY, None, kw=35) is Verdict.BELIEVED


@pytest.mark.parametrize(
    ("last", "hours", "value", "moved", "reset"),
    [
        pytest.param(21.3, 9, 0.2, None, True, id="lower"),
        pytest.param(21.3, 9, 0.0, 0.0, True, id="0, and the lifetime counter is there"),
        pytest.param(21.3, 9, 0.0, None, False, id="0, and nothing else says so: doubtful"),
        pytest.param(21.3, 9, 21.3, None, False, id="as before"),
        pytest.param(0.5, 15, 10.0, None, True, id="more than yesterday, seen at noon"),
        pytest.param(0.5, 15, 10.0, 10.1, True, id="the lifetime counter says: reset"),
        pytest.param(0.5, 2, 0.6, 0.1, False, id="the lifetime counter says: not reset"),
        pytest.param(0.5, 0.9, 0.75, None, False, id="goes on within an hour"),
    ],
)
def test_what_happened_while_nobody_read(
    last: float, hours: float, value: float, moved: float | None, reset: bool
) -> None:
    today = Today()
    today.enter(last, MORNING, MONDAY, None if moved is None else 500.0)
    total = None if moved is None else 500.0 + moved
    verdict = today.enter(value, MORNING + hours * HOUR, TUESDAY, total)
    assert (verdict is Verdict.RESET) == reset


def test_a_counter_found_standing_still_once_is_not_trusted_with_0_the_next_day() -> None:
    today = Today()
    stuck: list[bool] = []
    for day, hour, kwh in (
        (MONDAY, 8, 500.0),
        (MONDAY, 9, 501.0),
        (MONDAY, 10, 502.0),
        (TUESDAY, 0.1, 502.0),
    ):
        today.enter(0.0, day.began + hour * HOUR, day, kwh)
        stuck.append(today.stuck)
    assert stuck == [False, False, True, True]
    today.enter(0.4, TUESDAY.began + HOUR, TUESDAY, 502.4)
    assert not today.stuck


def test_a_reset_is_no_sign_of_standing_still() -> None:
    """The lifetime counter moved by what the day has counted, before the reset."""
    today = Today()
    for minutes, value, total in (
        (0, 20.0, 500.0),
        (600, 30.0, 510.0),
        (601, 0, 510),
        (602, 0, 510),
    ):
        today.enter(value, MORNING + minutes * 60, MONDAY, total)
    assert today.last == 0
    assert not today.stuck


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


# --- the time line ---


@pytest.mark.parametrize(
    ("at", "seconds", "moment", "was_set"),
    [
        pytest.param(1030, 30, 1030, False, id="half a minute"),
        pytest.param(1031, 30, 1030, False, id="slewed"),
        pytest.param(37000, 30, 1030, True, id="set forward"),
        pytest.param(10, 30, 1030, True, id="set back"),
        pytest.param(5000, None, 5000, False, id="after a restart the clock tells"),
        pytest.param(10, None, 1000, True, id="a restart, and the clock is behind"),
    ],
)
def test_the_time_line_follows_what_passed_and_not_the_clock(
    at: float, seconds: float | None, moment: float, was_set: bool
) -> None:
    line = TimeLine(1000, 1000)
    assert line.advance(at, seconds) == was_set
    assert (line.moment, line.at) == (moment, at)


# --- memory ---

numbers = st.floats(-1e10, 1e10)
names = st.text(max_size=5)
memories = st.builds(
    Memory,
    st.dictionaries(
        names,
        st.builds(
            Total,
            last=st.none() | numbers,
            at=numbers,
            date=names,
            moment=numbers,
            base=numbers,
            whole=st.booleans(),
            doubts=st.integers(0, 9),
            doubted_since=numbers,
        ),
        max_size=2,
    ),
    st.dictionaries(
        names,
        st.builds(
            Today,
            last=st.none() | numbers,
            at=numbers,
            date=names,
            since=numbers,
            stuck=st.booleans(),
            total=st.none() | numbers,
        ),
        max_size=2,
    ),
    st.dictionaries(names, st.builds(Integral, numbers, names, numbers), max_size=2),
    st.dictionaries(names, st.builds(Rising, st.none() | numbers, names), max_size=2),
    st.builds(TimeLine, numbers, numbers),
    st.builds(DeviceDay, st.booleans(), numbers, numbers, numbers, st.none() | numbers),
)


@given(memories)
def test_memory_survives_a_restart(memory: Memory) -> None:
    assert Memory.from_json(json.loads(json.dumps(memory.as_json()))) == memory


def test_what_an_earlier_version_remembered_is_read() -> None:
    total = {"last": 500.0, "at": 9e4, "date": "d", "base": 499.0, "since": 8e4, "whole": True}
    today = {"last": 21.3, "at": 1e5, "date": "d", "stale": 0.0, "stuck": False}
    memory = Memory.from_json(
        {
            "totals": {"t": total | {"doubts": 0, "doubted_since": 0.0}},
            "todays": {"fresh": today, "old": today | {"stale": 21.3}},
            "integrals": {},
            "rising": {},
        }
    )
    assert memory is not None
    assert memory.time_line == TimeLine(1e5, 1e5)
    assert memory.totals["t"].changed == 9e4
    assert memory.totals["t"].whole
    assert memory.todays["fresh"].since == 1e5
    assert memory.todays["old"].since == 0.0


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
