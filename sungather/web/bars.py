"""Bars for the days of a month, the months of a year, and the years; pure.

A bar is the solar energy of a period: what was sold on top of what stayed in the house.
"""

import calendar
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from html import escape
from math import ceil, floor, log10
from typing import Final

from sungather.history.periods import (
    Energies,
    Period,
    Span,
    bounds,
    earlier,
    periods,
    sum_between,
    with_own,
)
from sungather.household import FLOWS
from sungather.reading import Reading
from sungather.web import formats
from sungather.web.energy import FLOW_NAMES

_HEIGHT: Final = 150
_TABS: Final = ((Span.MONTH, "Month"), (Span.YEAR, "Year"), (Span.YEARS, "Years"))


def section(
    span: Span,
    day: date,
    today: date,
    days: Mapping[date, Energies],
    reading: Reading | None,
    inverter: str,
) -> str:
    """The card: what to show, the bars, what they compare with, and the same as a table.

    `days`: all that was counted; `reading`: the newest of the inverter, where it is one alone.
    """
    oldest = min(days, default=today)
    found = periods(span, day, days, oldest)
    if reading is not None:
        found = with_own(found, _own(reading, span, day, today), today)
    head = f"{_tabs(span, day, inverter)}{_steps(span, day, today, oldest, inverter)}"
    if not any(one.energies for one in found):
        return f'{head}<p class="empty">Nothing was counted in this time.</p>'
    now = bounds(span, day, oldest) == bounds(span, today, oldest)
    compared = _compared(span, today, days) if now else ""
    return (
        f"{head}{compared}{_drawing(span, found)}{_notes(found, oldest)}"
        f"{_table(span, found, today)}{_download(span, day, oldest, inverter)}"
    )


def _own(reading: Reading, span: Span, day: date, today: date) -> Sequence[float | None]:
    """The solar energy of the periods as the inverter remembers it, if they are the present."""
    if span is Span.MONTH and (day.year, day.month) == (today.year, today.month):
        name = "daily_pv_energy_yields"
    elif span is Span.YEAR and day.year == today.year:
        name = "monthly_pv_energy_yields"
    else:
        return ()
    own = reading.value(name)
    return own if isinstance(own, list) else ()


def _query(span: Span, day: date, inverter: str) -> str:
    kept = f"&amp;inverter={escape(inverter)}" if inverter else ""
    return f"?span={span}&amp;of={day}{kept}#bars"


def _tabs(span: Span, day: date, inverter: str) -> str:
    links = "".join(
        f'<a href="{_query(one, day, inverter)}"{_current(one is span)}>{title}</a>'
        for one, title in _TABS
    )
    return f'<div class="tabs" role="group" aria-label="What is shown">{links}</div>'


def _current(is_current: bool) -> str:
    return ' aria-current="true"' if is_current else ""


def _title(span: Span, day: date) -> str:
    if span is Span.MONTH:
        return f"{day:%B %Y}"
    return str(day.year) if span is Span.YEAR else "All years"


def _steps(span: Span, day: date, today: date, oldest: date, inverter: str) -> str:
    first, last = bounds(span, day, oldest)
    before, after = first - timedelta(days=1), last + timedelta(days=1)

    def step(to: date, there: bool, sign: str, label: str) -> str:
        if not there:
            return f'<span class="step" aria-hidden="true">{sign}</span>'
        return (
            f'<a class="step" href="{_query(span, to, inverter)}" aria-label="{label}">{sign}</a>'
        )

    several = span is not Span.YEARS
    return (
        '<div class="days">'
        + step(before, several and before >= oldest.replace(day=1), "‹", f"{span} before".title())
        + f'<h2 id="bars-title">{_title(span, day)}</h2>'
        + step(after, several and after <= today, "›", f"Next {span}")
        + "</div>"
    )


def _compared(span: Span, today: date, days: Mapping[date, Energies]) -> str:
    """The solar energy up to today beside that of the same days before."""
    compared = earlier(span, today)
    first = bounds(span, today, today)[0]
    now = sum_between(days, first, today)
    if compared is None or now is None or "pv" not in now:
        return ""
    told: list[str] = []
    for begin, end in dict.fromkeys(compared):
        before = sum_between(days, begin, end)
        if before is None or not before.get("pv"):
            continue
        change = formats.number(100 * (now["pv"] / before["pv"] - 1), 0)
        when = f"{begin:%B %Y}" if span is Span.MONTH else str(begin.year)
        sign = "" if change.startswith("−") else "+"
        told.append(f"{sign}{change}{formats.SPACE}% against {when} up to the same day")
    if not told:
        return ""
    return (
        f'<p class="quiet">Solar {formats.kwh(now["pv"])}{formats.SPACE}kWh so far: '
        f"{', '.join(told)}.</p>"
    )


def _drawing(span: Span, found: Sequence[Period]) -> str:
    highest = max((one.energies.get("pv", 0.0) for one in found), default=0.0) or 1.0
    step = 10.0 ** floor(log10(highest))
    step *= next(f for f in (0.2, 0.5, 1, 2) if f * step * 5 >= highest)
    top = ceil(highest / step) * step
    width = 100 / len(found)
    bars = "".join(_bar(span, one, index * width, width, top) for index, one in enumerate(found))
    rules = "".join(
        f'<line class="rule" x1="0" x2="100%" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="tick" x="0" y="{y - 3:.1f}">{formats.kwh(step * n)}</text>'
        for n in range(1, round(top / step) + 1)
        for y in (14 + (_HEIGHT - 14) * (1 - step * n / top),)
    )
    return (
        f'<svg class="bars" width="100%" height="{_HEIGHT + 20}" role="img"'
        f' aria-label="Solar energy in kWh; the table below has all figures.">{rules}{bars}'
        f'<line class="zero" x1="0" x2="100%" y1="{_HEIGHT}" y2="{_HEIGHT}"/></svg>'
        '<p class="legend quiet"><span class="swatch s-pv"></span>Solar, used at home '
        '<span class="swatch s-grid_export"></span>Solar, sold '
        f"<span>in kWh</span></p>"
    )


def _bar(span: Span, one: Period, x: float, width: float, top: float) -> str:
    label = _label(span, one)
    tick = ""
    if span is not Span.MONTH or one.first.day in (1, 5, 10, 15, 20, 25, 30):
        tick = f'<text class="tick mid" x="{x + width / 2:.2f}%" y="{_HEIGHT + 15}">{label}</text>'
    pv = one.energies.get("pv")
    if pv is None:
        return tick
    sold = min(pv, one.energies.get("grid_export", 0.0))
    scale = (_HEIGHT - 14) / top
    full, upper = pv * scale, sold * scale
    said = f"{_name(span, one)}: {formats.kwh(pv)} kWh"
    place = f'x="{x + width * 0.12:.2f}%" width="{width * 0.76:.2f}%"'
    return (
        f"{tick}<g><title>{said}</title>"
        f'<rect class="s-pv" {place} y="{_HEIGHT - full + upper:.1f}"'
        f' height="{full - upper:.1f}"/>'
        f'<rect class="s-grid_export" {place} y="{_HEIGHT - full:.1f}" height="{upper:.1f}"/></g>'
    )


def _label(span: Span, one: Period) -> str:
    if span is Span.MONTH:
        return str(one.first.day)
    return calendar.month_abbr[one.first.month][:1] if span is Span.YEAR else str(one.first.year)


def _name(span: Span, one: Period) -> str:
    if span is Span.MONTH:
        return f"{one.first.day} {one.first:%b}"
    return f"{one.first:%B}" if span is Span.YEAR else str(one.first.year)


def _notes(found: Sequence[Period], oldest: date) -> str:
    """What is not counted here, and since when it is."""
    told = any(one.told for one in found)
    said = [f"Counted here since {oldest.day} {oldest:%b %Y}."]
    if told:
        said.append("Solar energy of before is what the inverter itself remembers.")
    return f'<p class="quiet">{" ".join(said)}</p>'


def _partly(one: Period, today: date) -> str:
    """How much of a period was counted, where that is not all of it so far."""
    past = (min(one.last, today) - one.first).days + 1
    return f" <small>{one.days} of {past} days</small>" if 0 < one.days < past else ""


def _table(span: Span, found: Sequence[Period], today: date) -> str:
    known = [one for one in found if one.energies]
    flows = [flow for flow in FLOWS if any(flow in one.energies for one in known)]
    head = "".join(f'<th scope="col">{FLOW_NAMES[flow]}</th>' for flow in flows)
    rows = "".join(
        f'<tr><th scope="row">{_name(span, one)}{_partly(one, today)}</th>'
        + "".join(f"<td>{formats.kwh(one.energies.get(flow))}</td>" for flow in flows)
        + "</tr>"
        for one in known
    )
    return (
        '<details class="as-table"><summary>As a table</summary><div class="wide" tabindex="0"'
        ' role="region" aria-label="Energies"><table><caption>Energies in kWh</caption>'
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table>"
        "</div></details>"
    )


def _download(span: Span, day: date, oldest: date, inverter: str) -> str:
    first, last = bounds(span, day, oldest)
    kept = f"&amp;inverter={escape(inverter)}" if inverter else ""
    return (
        f'<p class="quiet"><a href="api/v1/energies.csv?first={first}&amp;last={last}{kept}"'
        " download>Download the days as CSV</a></p>"
    )
