"""A month to print."""

import re
from datetime import date, timedelta

from sungather.history.periods import Energies
from sungather.web import plain
from sungather.web.files import StaticFiles
from sungather.web.language import languages

ENGLISH, GERMAN = languages()["en"], languages()["de"]
TODAY = date(2026, 6, 18)
MAY = date(2026, 5, 9)
DAYS: dict[date, Energies] = {
    TODAY - timedelta(days=n): {"pv": 20.0, "house": 10.0, "grid_import": 2.5, "grid_export": 12.5}
    for n in range(60)
}


def test_a_report_has_the_sums_of_the_month_and_every_day_of_it() -> None:
    html = plain.report(MAY, TODAY, DAYS, None, "house (SH10RT)", ENGLISH, StaticFiles().addresses)
    assert "<h1>May 2026</h1>" in html
    assert "house (SH10RT)" in html
    rows = re.findall('<tr><th scope="row">([^<]*)</th><td>([^<]*)</td>', html)
    assert [name for name, _ in rows] == [*(f"{n} May" for n in range(1, 32)), "Total"]
    assert rows[-1][1] == "620"
    assert "<dt>Solar</dt><dd>620 kWh</dd>" in html
    assert "<dt>Self-sufficiency</dt><dd>75\u00a0%</dd>" in html
    assert "<script" not in html, "a sheet of paper"


def test_a_report_in_german_writes_numbers_as_germans_do() -> None:
    html = plain.report(MAY, TODAY, DAYS, None, "Haus", GERMAN, StaticFiles().addresses)
    assert "<h1>Mai 2026</h1>" in html
    assert "<td>20,0</td>" in html


def test_a_month_without_anything_counted_is_a_sentence_and_no_table_of_zeros() -> None:
    html = plain.report(date(2025, 3, 1), TODAY, {}, None, "", ENGLISH, StaticFiles().addresses)
    assert "Nothing was counted in this period." in html
    assert "<table" not in html
