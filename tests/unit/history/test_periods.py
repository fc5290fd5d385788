"""Days, months and years side by side."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sungather.history import periods
from sungather.history.periods import Energies, Period, Span

TODAY = date(2026, 3, 10)


@given(day=st.dates(date(2001, 1, 1), date(2100, 1, 1)), span=st.sampled_from(Span))
def test_periods_follow_each_other_without_gap_or_overlap(day: date, span: Span) -> None:
    oldest = date(2000, 5, 3)
    found = periods.periods(span, day, {}, oldest)
    first, last = periods.bounds(span, day, oldest)
    assert (found[0].first, found[-1].last) == (first, last)
    assert first <= day <= last
    for one, following in pairwise(found):
        assert following.first == one.last + timedelta(days=1)
    assert len(found) == {Span.MONTH: (last - first).days + 1, Span.YEAR: 12}.get(
        span, day.year - 2000 + 1
    )


def test_a_month_is_the_sum_of_its_days_and_tells_how_many_there_were() -> None:
    days: dict[date, Energies] = {
        date(2026, 2, 27): {"pv": 10.0, "house": 4.0},
        date(2026, 2, 28): {"pv": 5.5},
        date(2026, 3, 1): {"pv": 1.0},
    }
    found = periods.periods(Span.YEAR, TODAY, days, min(days))
    # The house is of one day only, which is not the month's.
    assert (found[1].energies, found[1].days) == ({"pv": 15.5}, 2)
    assert (found[2].energies, found[2].days) == ({"pv": 1.0}, 1)
    assert (found[0].energies, found[0].days) == ({}, 0)


def test_what_the_inverter_remembers_stands_where_nobody_counted() -> None:
    days: dict[date, Energies] = {date(2026, 3, 9): {"pv": 7.0}, TODAY: {"pv": 3.0}}
    found = periods.periods(Span.MONTH, TODAY, days, min(days))
    own = [None, 2.0, *[0.5] * 29]
    with_own = periods.with_own(found, own, TODAY)
    assert [one.energies.get("pv") for one in with_own[:10]] == [
        *(None, 2.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5),
        *(7.0, 3.0),
    ]
    assert [one.told for one in with_own[:10]] == [False, *[True] * 7, False, False]
    # What it has of days to come is of the month before.
    assert not any(one.energies for one in with_own[10:])


def test_a_month_of_which_a_part_was_counted_is_the_inverters() -> None:
    march = Period(date(2026, 3, 1), date(2026, 3, 31), {"pv": 9.0, "house": 2.0}, days=2)
    (told,) = periods.with_own([march], [80.0], TODAY)
    assert told.energies == {"pv": 80.0, "house": 2.0}
    (counted,) = periods.with_own(
        [Period(march.first, march.last, march.energies, days=10)], [80.0], TODAY
    )
    assert counted.energies["pv"] == 9.0


@pytest.mark.parametrize(
    ("span", "today", "expected"),
    [
        (
            Span.MONTH,
            date(2026, 3, 31),
            ((date(2026, 2, 1), date(2026, 2, 28)), (date(2025, 3, 1), date(2025, 3, 31))),
        ),
        (
            Span.MONTH,
            date(2028, 2, 29),
            ((date(2028, 1, 1), date(2028, 1, 29)), (date(2027, 2, 1), date(2027, 2, 28))),
        ),
        (
            Span.YEAR,
            date(2028, 2, 29),
            ((date(2027, 1, 1), date(2027, 2, 28)), (date(2027, 1, 1), date(2027, 2, 28))),
        ),
        (Span.YEARS, TODAY, None),
    ],
)
def test_what_a_period_compares_with_ends_on_the_same_day(
    span: Span, today: date, expected: object
) -> None:
    assert periods.earlier(span, today) == expected


def test_a_sum_with_a_day_that_nobody_counted_is_not_known() -> None:
    days: dict[date, Energies] = {date(2026, 3, 1): {"pv": 1.0}, date(2026, 3, 3): {"pv": 2.0}}
    assert periods.sum_between(days, date(2026, 3, 1), date(2026, 3, 1)) == {"pv": 1.0}
    assert periods.sum_between(days, date(2026, 3, 1), date(2026, 3, 3)) is None
