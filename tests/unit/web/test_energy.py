"""The table of energies: no month is bigger than its year, and "since" is true for each row."""

import re
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sungather.history.totals import Energy, Totals
from sungather.web import energy
from sungather.web.language import languages

JUNE = date(2026, 6, 21)
FIRST = date(2026, 6, 1)
NOW = datetime(2026, 6, 21, 12, tzinfo=UTC)
FRESH = Totals(
    today=Energy(27.3), month=Energy(27.3, JUNE), year=Energy(27.3, JUNE), lifetime=Energy(9000)
)
"""The history began today."""


@pytest.mark.parametrize(
    ("today", "totals", "months", "month", "year"),
    [
        pytest.param(
            JUNE,
            FRESH,
            [None] * 5 + [773.0],
            Energy(773.0, None, NOW),
            Energy(773.0, FIRST, NOW),
            id="a string inverter knows its month: the year counts from its beginning",
        ),
        pytest.param(
            JUNE,
            FRESH,
            [100.0, 200.0, 400.0, 600.0, 700.0, 773.0],
            Energy(773.0, None, NOW),
            Energy(2773.0, None, NOW),
            id="a hybrid knows all months of the year",
        ),
        pytest.param(
            date(2026, 1, 21),
            FRESH,
            [40.0],
            Energy(40.0, None, NOW),
            Energy(40.0, None, NOW),
            id="in January the month is the year",
        ),
        pytest.param(
            JUNE,
            Totals(month=Energy(700.0), year=Energy(2500.0, date(2026, 3, 4))),
            [None] * 5 + [773.0],
            Energy(700.0),
            Energy(2500.0, date(2026, 3, 4)),
            id="what the history has whole, or bigger, stays",
        ),
        pytest.param(
            JUNE, FRESH, [None] * 6, FRESH.month, FRESH.year, id="the inverter knows nothing"
        ),
        pytest.param(
            JUNE,
            Totals(today=Energy(1.0)),
            [None] * 5 + [773.0],
            Energy(773.0, None, NOW),
            Energy(773.0, FIRST, NOW),
            id="the history knows nothing",
        ),
    ],
)
def test_what_the_inverter_knows_of_its_months_goes_into_month_and_year(
    today: date,
    totals: Totals,
    months: list[float | None],
    month: Energy,
    year: Energy,
) -> None:
    found = energy.with_months(totals, months, today, NOW)
    assert found.month == month
    assert found.year == year
    assert (found.today, found.lifetime) == (totals.today, totals.lifetime)


energies = st.none() | st.builds(
    Energy, st.floats(0, 5000), st.none() | st.dates(date(2026, 1, 2), JUNE)
)


@given(energies, energies, st.lists(st.none() | st.floats(0, 900), min_size=6, max_size=6))
def test_no_month_is_bigger_than_its_year(
    month: Energy | None, year: Energy | None, months: list[float | None]
) -> None:
    found = energy.with_months(Totals(month=month, year=year), months, JUNE, NOW)
    if found.month is not None:
        assert found.year is not None
        assert found.year.kwh >= found.month.kwh


def heads_and_rows(rows: dict[str, Totals]) -> tuple[str, list[str]]:
    card = re.sub("</?span[^>]*>", "", energy.card(rows, JUNE, languages()["en"]))
    head, body = card.split("<tbody>")
    return head, re.findall("<tr>.*?</tr>", body)


def test_the_head_says_since_when_only_where_that_is_so_in_every_row() -> None:
    whole = Totals(month=Energy(773.0), year=Energy(773.0, FIRST))
    head, (solar, house) = heads_and_rows({"pv": whole, "house": FRESH})
    assert "since" not in head
    assert solar.count("since") == 1
    assert "since 1 Jun" in solar
    assert house.count("since 21 Jun") == 2


def test_a_day_that_all_rows_share_is_said_once() -> None:
    head, rows = heads_and_rows({"pv": FRESH, "house": FRESH})
    assert head.count("since 21 Jun") == 2
    assert not any("since" in row for row in rows)
