"""Bars for the days of a month, the months of a year, and the years; pure.

A bar is the solar energy of a period: what was sold on top of what stayed in the house.
"""

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
from sungather.web.language import SPACE, Language

_HEIGHT: Final = 150
_TOP: Final = 14
"""Room for the uppermost label."""


def section(
    span: Span,
    day: date,
    today: date,
    days: Mapping[date, Energies],
    reading: Reading | None,
    inverter: str,
    say: Language,
) -> str:
    """The card: what to show, the bars, what they compare with, and the same as a table.

    `days`: all that was counted; `reading`: the newest of the inverter, where it is one alone.
    """
    oldest = min(days, default=today)
    found = known_periods(span, day, today, days, reading)
    head = f"{_tabs(span, day, inverter, say)}{_steps(span, day, today, oldest, inverter, say)}"
    if not any(one.energies for one in found):
        return f'{head}<p class="empty">{say("bars.nothing")}</p>'
    now = bounds(span, day, oldest) == bounds(span, today, oldest)
    compared = _compared(span, today, days, say) if now else ""
    return (
        f"{head}{compared}{drawing(span, found, say)}{notes(span, found, today, oldest, say)}"
        f"{_folded(table(span, found, today, say), say)}"
        f"{_download(span, day, oldest, inverter, say)}"
    )


def known_periods(
    span: Span, day: date, today: date, days: Mapping[date, Energies], reading: Reading | None
) -> list[Period]:
    """The periods, as they were counted here, or as the inverter remembers them."""
    found = periods(span, day, days, min(days, default=today))
    return found if reading is None else with_own(found, _own(reading, span, day, today), today)


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


def _tabs(span: Span, day: date, inverter: str, say: Language) -> str:
    links = "".join(
        f'<a href="{_query(one, day, inverter)}"{_current(one is span)}>{say(f"bars.{one}")}</a>'
        for one in Span
    )
    return f'<div class="tabs" role="group" aria-label="{say("bars.choice")}">{links}</div>'


def _current(is_current: bool) -> str:
    return ' aria-current="true"' if is_current else ""


def _title(span: Span, day: date, say: Language) -> str:
    if span is Span.MONTH:
        return f"{say.month(day)} {day.year}"
    return str(day.year) if span is Span.YEAR else say("bars.all-years")


def _steps(span: Span, day: date, today: date, oldest: date, inverter: str, say: Language) -> str:
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
        + step(before, several and before >= oldest.replace(day=1), "‹", say("bars.before"))
        + f'<h2 id="bars-title">{_title(span, day, say)}</h2>'
        + step(after, several and after <= today, "›", say("bars.after"))
        + "</div>"
    )


def _compared(span: Span, today: date, days: Mapping[date, Energies], say: Language) -> str:
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
        change = say.number(100 * (now["pv"] / before["pv"] - 1), 0)
        sign = "" if change.startswith("−") else "+"
        when = _title(span, begin, say)
        told.append(say("bars.compared", change=f"{sign}{change}{SPACE}%", when=when))
    if not told:
        return ""
    said = say("bars.so-far", energy=_energy(now["pv"], say), compared=", ".join(told))
    return f'<p class="quiet">{said}</p>'


def _energy(kwh: float, say: Language) -> str:
    return f"{say.kwh(kwh)}{SPACE}kWh"


def drawing(span: Span, found: Sequence[Period], say: Language) -> str:
    """The bars with their legend."""
    highest = max((one.energies.get("pv", 0.0) for one in found), default=0.0) or 1.0
    step = 10.0 ** floor(log10(highest))
    step *= next(f for f in (0.2, 0.5, 1, 2) if f * step * 5 >= highest)
    top = ceil(highest / step) * step
    digits = max(0, -floor(log10(step) + 1e-9))
    width = 100 / len(found)
    bars = "".join(
        _bar(span, one, index * width, width, top, say) for index, one in enumerate(found)
    )
    rules = "".join(
        f'<line class="rule" x1="0" x2="100%" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="tick end" x="-6" y="{y + 4:.1f}">{say.number(step * n, digits)}</text>'
        for n in range(1, round(top / step) + 1)
        for y in (_TOP + (_HEIGHT - _TOP) * (1 - step * n / top),)
    )
    return (
        f'<svg class="bars" width="100%" height="{_HEIGHT + 20}" role="img"'
        f' aria-label="{say("bars.image")}">{rules}{bars}'
        f'<line class="zero" x1="0" x2="100%" y1="{_HEIGHT}" y2="{_HEIGHT}"/></svg>'
        f'<p class="keys quiet">{_keys(found, say)}<span>kWh</span></p>'
    )


def _keys(found: Sequence[Period], say: Language) -> str:
    """What the colours mean; without a meter nobody knows how much was sold."""
    metered = any("grid_export" in one.energies for one in found)
    keys = (("pv", "bars.used"), ("sold", "bars.sold")) if metered else (("pv", "energy.pv"),)
    return "".join(
        f'<span><span class="swatch s-{kind}"></span>{say(text)}</span>' for kind, text in keys
    )


def _bar(span: Span, one: Period, x: float, width: float, top: float, say: Language) -> str:
    tick = ""
    if span is not Span.MONTH or one.first.day in (1, 5, 10, 15, 20, 25, 30):
        label = _label(span, one, say)
        tick = f'<text class="tick mid" x="{x + width / 2:.2f}%" y="{_HEIGHT + 15}">{label}</text>'
    pv = one.energies.get("pv")
    if pv is None:
        return tick
    sold = min(pv, one.energies.get("grid_export", 0.0))
    scale = (_HEIGHT - _TOP) / top
    full, upper = pv * scale, sold * scale
    said = f"{_name(span, one, say)}: {_energy(pv, say)}"
    place = f'x="{x + width * 0.12:.2f}%" width="{width * 0.76:.2f}%"'
    return (
        f"{tick}<g><title>{said}</title>"
        f'<rect class="s-pv" {place} y="{_HEIGHT - full + upper:.1f}"'
        f' height="{full - upper:.1f}"/>'
        f'<rect class="s-sold" {place} y="{_HEIGHT - full:.1f}" height="{upper:.1f}"/></g>'
    )


def _label(span: Span, one: Period, say: Language) -> str:
    if span is Span.MONTH:
        return str(one.first.day)
    return say.month_letter(one.first) if span is Span.YEAR else str(one.first.year)


def _name(span: Span, one: Period, say: Language) -> str:
    if span is Span.MONTH:
        return say.day(one.first, one.first)
    return say.month(one.first) if span is Span.YEAR else str(one.first.year)


def notes(span: Span, found: Sequence[Period], today: date, oldest: date, say: Language) -> str:
    """The best of the periods; what is not counted here, and since when it is."""
    told = any(one.told for one in found)
    said = [say("bars.counted", day=say.day(oldest, today))]
    if told:
        said.append(say("bars.told"))
    best = max(found, key=lambda one: one.energies.get("pv", 0.0))
    if span is not Span.YEARS and (kwh := best.energies.get("pv")):
        energy = _energy(kwh, say)
        said.insert(0, say(f"bars.best-{span}", when=_name(span, best, say), energy=energy))
    return f'<p class="quiet">{" ".join(said)}</p>'


def _partly(one: Period, today: date, say: Language) -> str:
    """How much of a period was counted, where that is not all of it so far."""
    past = (min(one.last, today) - one.first).days + 1
    if not 0 < one.days < past:
        return ""
    return f" <small>{say('bars.partly', days=one.days, past=past)}</small>"


def table(
    span: Span,
    found: Sequence[Period],
    today: date,
    say: Language,
    together: Period | None = None,
) -> str:
    """The periods that are known, one a row; last what they are together."""
    known = [one for one in found if one.energies]
    flows = [flow for flow in FLOWS if any(flow in one.energies for one in known)]
    head = "".join(f'<th scope="col">{say(f"energy.{flow}")}</th>' for flow in flows)
    rows = "".join(
        f'<tr><th scope="row">{_name(span, one, say)}{_partly(one, today, say)}</th>'
        + "".join(f"<td>{say.kwh(one.energies.get(flow))}</td>" for flow in flows)
        + "</tr>"
        for one in known
    )
    foot = ""
    if together is not None:
        sums = "".join(f"<td>{say.kwh(together.energies.get(flow))}</td>" for flow in flows)
        foot = f'<tfoot><tr><th scope="row">{say("report.sum")}</th>{sums}</tr></tfoot>'
    return (
        f'<table class="periods"><caption>{say("energy.caption")}</caption>'
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody>{foot}</table>"
    )


def _folded(table: str, say: Language) -> str:
    return (
        f'<details class="as-table"><summary>{say("table.as")}</summary>{wide(table, say)}'
        "</details>"
    )


def wide(table: str, say: Language) -> str:
    """A table that may be wider than a small screen, to be moved by finger and by keys."""
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{say("energy.caption")}">'
        f"{table}</div>"
    )


def _download(span: Span, day: date, oldest: date, inverter: str, say: Language) -> str:
    first, last = bounds(span, day, oldest)
    kept = f"&amp;inverter={escape(inverter)}" if inverter else ""
    report = ""
    if span is Span.MONTH:
        report = f'<a href="report?of={first}{kept}">{say("report.link")}</a>'
    return (
        f'<p class="quiet links"><a href="api/v1/energies.csv?first={first}&amp;last={last}{kept}"'
        f" download>{say('bars.csv')}</a>{report}</p>"
    )
