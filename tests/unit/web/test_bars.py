"""Bars of months and years."""

import re
from datetime import date, timedelta

import households
import pytest

from sungather.history.periods import Energies, Span
from sungather.web import api, bars
from sungather.web.language import languages

ENGLISH = languages()["en"]
TODAY = date(2026, 6, 18)
DAYS: dict[date, Energies] = {
    TODAY - timedelta(days=n): {"pv": 20.0, "grid_export": 15.0, "house": 9.0} for n in range(60)
}


def heights(html: str, kind: str) -> list[float]:
    found = re.findall(rf'<rect class="{kind}" [^>]*height="([\d.]+)"', html)
    return [float(one) for one in found]


def test_a_bar_is_what_stayed_and_what_was_sold_on_top() -> None:
    html = bars.section(Span.MONTH, TODAY, TODAY, DAYS, None, "", ENGLISH)
    assert len(heights(html, "s-pv")) == 18
    assert {
        round(sold / used, 1)
        for used, sold in zip(heights(html, "s-pv"), heights(html, "s-sold"), strict=True)
    } == {3.0}
    assert "<title>18 Jun: 20.0\u00a0kWh</title>" in html
    assert "June 2026" in html


def test_a_month_compares_with_the_one_before_up_to_the_same_day() -> None:
    days = {day: {"pv": 22.0} if day.month == 6 else {"pv": 20.0} for day in DAYS}
    html = bars.section(Span.MONTH, TODAY, TODAY, days, None, "", ENGLISH)
    assert "+10\u00a0% compared with May 2026 up to the same day" in html
    assert "June 2025" not in html, "nobody counted then"
    assert "compared with" not in bars.section(
        Span.MONTH, date(2026, 5, 3), TODAY, days, None, "", ENGLISH
    )


def test_on_the_first_day_the_bars_are_what_the_inverter_remembers() -> None:
    own = households.reading(daily_pv_energy_yields=[18.7, 20.1, None, 12.4, *[9.0] * 27])
    html = bars.section(Span.MONTH, TODAY, TODAY, {TODAY: {"pv": 1.0}}, own, "house", ENGLISH)
    assert "<title>1 Jun: 18.7\u00a0kWh</title>" in html
    assert ">3 Jun:" not in html
    assert "<title>18 Jun: 1.0\u00a0kWh</title>" in html
    assert "19 Jun" not in html
    assert "from the inverter's own memory" in html


@pytest.mark.parametrize("span", Span)
def test_without_anything_counted_there_is_a_sentence(span: Span) -> None:
    html = bars.section(span, TODAY, TODAY, {}, None, "", ENGLISH)
    assert "Nothing was counted in this period." in html


def test_the_name_of_an_inverter_is_text() -> None:
    html = bars.section(Span.YEAR, TODAY, TODAY, DAYS, None, '"><img>', ENGLISH)
    assert "<img" not in html


def test_below_the_bars_stand_the_best_one_and_since_when_there_are_any() -> None:
    days = DAYS | {date(2026, 6, 7): {"pv": 31.8}}
    month = bars.section(Span.MONTH, TODAY, TODAY, days, None, "", ENGLISH)
    assert "Best day: 7 Jun, 31.8\u00a0kWh. Counted here since 20 Apr." in month
    year = bars.section(Span.YEAR, TODAY, TODAY, days, None, "", ENGLISH)
    assert "Best month: May, 620\u00a0kWh. Counted here since 20 Apr." in year
    years = bars.section(Span.YEARS, TODAY, TODAY, days, None, "", ENGLISH)
    assert "Best" not in years


def test_the_days_can_be_downloaded_and_a_month_printed() -> None:
    month = bars.section(Span.MONTH, TODAY, TODAY, DAYS, None, "roof", ENGLISH)
    csv = 'href="api/v1/energies.csv?first=2026-06-01&amp;last=2026-06-30&amp;inverter=roof"'
    report = 'href="report?of=2026-06-01&amp;inverter=roof"'
    assert csv in month
    assert report in month
    year = bars.section(Span.YEAR, TODAY, TODAY, DAYS, None, "", ENGLISH)
    assert 'href="api/v1/energies.csv?first=2026-01-01&amp;last=2026-12-31"' in year
    assert "report" not in year


def test_a_part_of_a_month_is_told_as_such() -> None:
    html = bars.section(Span.YEAR, TODAY, TODAY, DAYS, None, "", ENGLISH)
    assert "April <small>11 of 30 days</small>" in html
    assert "May</th>" in html


def test_the_download_has_a_line_a_day_and_leaves_open_what_is_not_known() -> None:
    lines = api.energies_csv({TODAY: {"pv": 1.5, "house": 0.0}}).decode().splitlines()
    assert lines == [
        "day,pv_kwh,house_kwh,grid_import_kwh,grid_export_kwh,battery_charge_kwh,"
        "battery_discharge_kwh",
        "2026-06-18,1.500,0.000,,,,",
    ]


@pytest.mark.parametrize(
    ("span", "day"),
    [
        (Span.MONTH, date(2026, 5, 3)),
        (Span.YEAR, date(2025, 6, 1)),
        *((span, TODAY) for span in Span if span not in (Span.MONTH, Span.YEAR)),
    ],
)
def test_what_the_inverter_remembers_is_of_this_month_and_this_year_alone(
    span: Span, day: date
) -> None:
    days: list[float | None] = [18.7] * 31
    months: list[float | None] = [518.0] * 12
    own = households.reading(daily_pv_energy_yields=days, monthly_pv_energy_yields=months)
    with_it = bars.known_periods(span, day, TODAY, DAYS, own)
    assert with_it == bars.known_periods(span, day, TODAY, DAYS, None)
