"""The energies of today, month, year and lifetime as HTML; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Final

from sungather.history.totals import Energy, Totals
from sungather.web import formats

FLOW_NAMES: Final = {
    "pv": "Solar",
    "house": "House",
    "grid_import": "From grid",
    "grid_export": "To grid",
    "battery_charge": "Into battery",
    "battery_discharge": "From battery",
}


def with_months(
    totals: Totals, months: Sequence[float | None], today: date, as_of: datetime
) -> Totals:
    """The totals with what the inverter itself knows of the months of this year so far.

    `months` ends with the present month; what is None is not known. Its figures stand in for those
    that the history has not from the beginning: the month, the year if all its months are known,
    and otherwise the year from this month on, so that no month is bigger than its year.
    """
    month, year = totals.month, totals.year
    own = months[-1]
    if own is not None and (month is None or month.since is not None):
        month = Energy(own, None, as_of)
    known = [kwh for kwh in months if kwh is not None]
    if len(known) == len(months) and (year is None or year.since is not None):
        year = Energy(sum(known), None, as_of)
    if month is not None and (year is None or year.kwh < month.kwh):
        began = month.since or today.replace(day=1)
        year = replace(month, since=None if began == date(today.year, 1, 1) else began)
    return replace(totals, month=month, year=year)


def card(rows: Mapping[str, Totals], today: date) -> str:
    """The table of energies, below the two figures that households ask for."""
    head = '<h2 id="totals-title">Energy</h2>'
    if not rows:
        return f'{head}<p class="empty">The counters appear with the first reading.</p>'
    columns = (
        ("Today", [row.today for row in rows.values()]),
        ("Yesterday", [row.yesterday for row in rows.values()]),
        (f"{today:%B}", [row.month for row in rows.values()]),
        (str(today.year), [row.year for row in rows.values()]),
        ("Lifetime", [row.lifetime for row in rows.values()]),
    )
    heads = "".join(
        f'<th scope="col">{title}{_since(_common(c), today)}</th>' for title, c in columns
    )
    body = "".join(
        f'<tr><th scope="row"><span class="swatch s-{name}"></span>{FLOW_NAMES[name]}</th>'
        + "".join(_energy(column[index], _common(column), today) for _, column in columns)
        + "</tr>"
        for index, name in enumerate(rows)
    )
    return (
        f"{head}{_meters(rows)}"
        '<table class="totals"><caption class="hidden">Energies in kWh</caption>'
        f'<thead><tr><th scope="col">kWh</th>{heads}</tr></thead><tbody>{body}</tbody></table>'
    )


def _common(column: Sequence[Energy | None]) -> date | None:
    """The day from which all rows of a column count, where that is not the first of its period."""
    first = {energy.since for energy in column if energy is not None}
    return first.pop() if len(first) == 1 else None


def _since(since: date | None, today: date) -> str:
    return f"<small>since {formats.day(since, today)}</small>" if since else ""


def _energy(energy: Energy | None, common: date | None, today: date) -> str:
    """A cell; it says from which day it counts, where the head of its column does not."""
    if energy is None:
        return f"<td>{formats.kwh(None)}</td>"
    note = _since(energy.since, today) if energy.since != common else ""
    return f"<td>{formats.kwh(energy.kwh)}{note}</td>"


def _meters(rows: Mapping[str, Totals]) -> str:
    """Two figures that households ask for: own use of the sun, and independence of the grid."""

    def today(name: str) -> float | None:
        totals = rows.get(name)
        return totals.today.kwh if totals and totals.today else None

    bought = formats.share(today("grid_import"), today("house"))
    sold = formats.share(today("grid_export"), today("pv"))
    found = [
        ("Self-sufficiency today", "of what the house used came from sun and battery", bought),
        ("Self-consumption today", "of the solar energy stayed in the house", sold),
    ]
    return "".join(
        f'<div class="meter"><p><b>{formats.percent(100 - lost)}</b> <span>{title}</span></p>'
        f'<svg height="8" width="100%" aria-hidden="true"><rect class="track" width="100%"'
        f' height="8" rx="4"/><rect class="fill" width="{100 - lost:.1f}%" height="8" rx="4"/>'
        f'</svg><p class="quiet">{meaning}</p></div>'
        for title, meaning, lost in found
        if lost is not None
    )
