"""Energies of day, month and year from counters that never stop."""

from datetime import UTC, date, datetime, time, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from sungather.history.totals import Account, Energy, Totals, add

FIRST = date(2026, 3, 30)


def noon(day: date) -> datetime:
    return datetime.combine(day, time(12), UTC)


def entered(*readings: tuple[date, float | None, float | None]) -> Account:
    account = Account(readings[0][0], noon(readings[0][0]))
    for day, today, total in readings:
        account.enter(day, noon(day), today, total)
    return account


def test_a_first_reading_counts_from_midnight_by_the_inverters_own_day() -> None:
    account = entered((FIRST, 12.5, 1000.0))
    assert account.totals(FIRST).month == Energy(12.5, FIRST, noon(FIRST))


def test_a_month_is_whole_once_its_first_day_was_read() -> None:
    april = date(2026, 4, 1)
    account = entered((FIRST, 12.5, 1000.0), (april, 4.0, 1020.0))
    month = account.totals(april).month
    assert month is not None
    assert (month.kwh, month.since) == (4.0, None)


def test_days_without_anybody_reading_are_in_the_month() -> None:
    april, later = date(2026, 4, 1), date(2026, 4, 20)
    account = entered((april, 4.0, 1020.0), (later, 1.0, 1320.0))
    month = account.totals(later).month
    assert month is not None
    assert (month.kwh, month.since) == (304.0, None)


def test_the_year_goes_on_when_the_month_ends() -> None:
    account = entered((FIRST, 10.0, 1000.0), (date(2026, 4, 2), 5.0, 1030.0))
    totals = account.totals(date(2026, 4, 2))
    assert totals.year is not None
    assert totals.year.kwh == 40.0
    assert totals.month is not None
    assert (totals.month.kwh, totals.month.since) == (5.0, date(2026, 4, 2))


def test_yesterdays_energy_is_never_shown_as_todays() -> None:
    account = entered((FIRST, 12.5, 1000.0))
    assert account.totals(FIRST + timedelta(days=1)).today is None


def test_an_old_month_is_never_shown_as_this_one() -> None:
    totals = entered((FIRST, 12.5, 1000.0)).totals(date(2026, 4, 3))
    assert totals.month is None
    assert totals.year is not None


def test_a_counter_that_was_reset_begins_anew_and_says_since_when() -> None:
    later = date(2026, 4, 9)
    account = entered((date(2026, 4, 1), 4.0, 1020.0), (later, 1.0, 1.0))
    account.enter(later, noon(later) + timedelta(hours=1), 3.5, 3.5)
    month = account.totals(later).month
    assert month is not None
    assert (month.kwh, month.since) == (2.5, later)


def test_a_counter_that_falls_by_its_last_digit_goes_on() -> None:
    """Made of several, or rounded: it was not reset."""
    later = date(2026, 4, 9)
    account = entered((date(2026, 4, 1), 4.0, 1020.0), (later, 5.0, 1100.0))
    account.enter(later, noon(later) + timedelta(minutes=1), 5.0, 1099.96)
    month = account.totals(later).month
    assert month is not None
    assert (round(month.kwh, 2), month.since) == (83.96, None)


def test_over_midnight_a_month_begins_with_the_counter_read_just_before() -> None:
    """Not with what the inverter calls today's: some reset that only later."""
    march, april = date(2026, 3, 31), date(2026, 4, 1)
    midnight = datetime.combine(april, time(0), UTC)
    account = Account(march, noon(march))
    account.enter(march, midnight - timedelta(minutes=2), 12.5, 1000.0)
    account.enter(april, midnight + timedelta(minutes=2), 12.5, 1000.25)
    month = account.totals(april).month
    assert month is not None
    assert (month.kwh, month.since) == (0.25, None)


def test_without_a_counter_of_the_day_it_comes_from_the_total() -> None:
    account = Account(FIRST, noon(FIRST))
    account.enter(FIRST, noon(FIRST), None, 1000.0)
    account.enter(FIRST, noon(FIRST) + timedelta(hours=1), None, 1002.5)
    today = account.totals(FIRST).today
    assert today is not None
    assert today.kwh == 2.5


def test_energies_of_several_inverters_add_up_where_all_parts_are_known() -> None:
    roof = {
        "pv": Totals(today=Energy(5.0), month=Energy(90.0, FIRST)),
        "grid_import": Totals(today=Energy(0.5), month=Energy(20.0)),
        "grid_export": Totals(today=Energy(12.0), month=Energy(70.0)),
        "house": Totals(month=Energy(40.0)),
    }
    barn = {"pv": Totals(today=Energy(9.0, as_of=noon(FIRST)))}
    together = add({"roof": roof, "barn": barn}, "auto")
    assert together["pv"] == Totals(today=Energy(14.0, as_of=noon(FIRST)))
    assert together["house"].today == Energy(2.5, as_of=noon(FIRST))
    assert together["grid_import"] == roof["grid_import"]
    assert together["house"].month is None, "the barn's month is not known"
    assert add({"roof": roof}, "auto") == roof
    assert "house" not in add({"roof": {**roof, "grid_import": Totals()}, "barn": barn}, "auto")


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 80)), min_size=1, max_size=60))
def test_month_and_year_are_what_was_counted_since_their_first_reading(
    steps: list[tuple[int, float]],
) -> None:
    """Whatever days are missed: the counters' difference, to the last kWh."""
    account = Account(FIRST, noon(FIRST))
    day, total = FIRST, 500.0
    start: dict[str, float] = {}
    for skipped, made in steps:
        day += timedelta(days=skipped)
        for period in (day.strftime("%Y-%m"), day.strftime("%Y")):
            start.setdefault(period, total)
        today_before = account.today if account.day == day and account.today else 0.0
        total += made
        account.enter(day, noon(day) + timedelta(seconds=len(start)), today_before + made, total)
        totals = account.totals(day)
        for period, energy in (("%Y-%m", totals.month), ("%Y", totals.year)):
            assert energy is not None
            assert abs(energy.kwh - (total - start[day.strftime(period)])) < 1e-6


def test_a_reading_from_the_future_blanks_nothing() -> None:
    account = entered((FIRST, 10.0, 1000.0), (date(2026, 4, 2), 5.0, 1030.0))
    before = account.totals(date(2026, 4, 2))
    account.enter(date(2036, 1, 1), noon(date(2036, 1, 1)), 5.0, 1030.0)
    account.enter(date(2026, 4, 2), noon(date(2026, 4, 2)), 5.0, 1030.0)
    assert account.totals(date(2026, 4, 2)) == before


def test_a_clock_that_is_set_back_beyond_what_is_known_begins_with_what_is_sure() -> None:
    day = date(2026, 4, 2)
    account = entered((date(2036, 1, 1), 5.0, 1030.0), (day, 6.0, 1031.0))
    totals = account.totals(day)
    assert totals.today == Energy(6.0, None, noon(day))
    assert totals.month == Energy(6.0, day, noon(day))
    assert totals.year == Energy(6.0, day, noon(day))


@given(
    st.lists(
        st.tuples(
            st.integers(0, 1), st.floats(0, 9), st.sampled_from([0, 0, 0, -400, -1, 1, 3650])
        ),
        min_size=1,
        max_size=60,
    )
)
def test_whatever_days_a_clock_told_today_is_shown_when_it_is_right(
    steps: list[tuple[int, float, int]],
) -> None:
    account = Account(FIRST, noon(FIRST))
    day, today, total = FIRST, 0.0, 500.0
    for later, made, error in steps:
        day, today = day + timedelta(days=later), 0.0 if later else today
        today, total = today + made, total + made
        told = day + timedelta(days=error)
        account.enter(told, noon(told), today, total)
        shown = account.totals(told)
        assert shown.today is not None
        assert shown.today.kwh == today
        assert shown.month is not None
        assert shown.year is not None


def test_the_meter_that_counts_is_that_of_the_option() -> None:
    def one(sold: float) -> dict[str, Totals]:
        return {
            "pv": Totals(today=Energy(9.0)),
            "grid_import": Totals(today=Energy(0.0)),
            "grid_export": Totals(today=Energy(sold)),
        }

    parts = {"house": one(8.0), "garage": one(0.5)}
    for meter, sold in (("house", 8.0), ("garage", 0.5), ("all", 8.5)):
        today = add(parts, meter)["grid_export"].today
        assert today is not None
        assert today.kwh == sold
    assert "grid_export" not in add(parts, "auto")
