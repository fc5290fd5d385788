"""The energies of today, month, year and lifetime as HTML; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime

from sungather.history.totals import Energy, Totals
from sungather.money import Balance
from sungather.web.language import Language, share


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


def card(
    rows: Mapping[str, Totals], today: date, say: Language, balance: Balance | None = None
) -> str:
    """The table of energies, below the two figures that households ask for.

    `balance`: of today, where it is known what came from where.
    """
    head = f'<h2 id="totals-title">{say("energy.title")}</h2>'
    if not rows:
        return f'{head}<p class="empty">{say("energy.none-yet")}</p>'
    columns = (
        (say("time.today"), [row.today for row in rows.values()]),
        (say("time.yesterday"), [row.yesterday for row in rows.values()]),
        (say.month(today), [row.month for row in rows.values()]),
        (str(today.year), [row.year for row in rows.values()]),
        (say("time.lifetime"), [row.lifetime for row in rows.values()]),
    )
    heads = "".join(
        f'<th scope="col">{title}{_since(_common(c), today, say)}</th>' for title, c in columns
    )
    body = "".join(
        f'<tr><th scope="row"><span class="swatch s-{name}"></span>{say(f"energy.{name}")}</th>'
        + "".join(_energy(column[index], _common(column), today, say) for _, column in columns)
        + "</tr>"
        for index, name in enumerate(rows)
    )
    return (
        f"{head}{_meters(rows, balance, say)}"
        f'<table class="totals"><caption class="hidden">{say("energy.caption")}</caption>'
        f'<thead><tr><th scope="col">kWh</th>{heads}</tr></thead><tbody>{body}</tbody></table>'
    )


def _common(column: Sequence[Energy | None]) -> date | None:
    """The day from which all rows of a column count, where that is not the first of its period."""
    first = {energy.since for energy in column if energy is not None}
    return first.pop() if len(first) == 1 else None


def _since(since: date | None, today: date, say: Language) -> str:
    if since is None:
        return ""
    day = f'<span class="whole">{say.day(since, today)}</span>'
    return f"<small>{say('time.since', day=day)}</small>"


def _energy(energy: Energy | None, common: date | None, today: date, say: Language) -> str:
    """A cell; it says from which day it counts, where the head of its column does not."""
    if energy is None:
        return f"<td>{say.kwh(None)}</td>"
    note = _since(energy.since, today, say) if energy.since != common else ""
    return f"<td>{say.kwh(energy.kwh)}{note}</td>"


def _meters(rows: Mapping[str, Totals], balance: Balance | None, say: Language) -> str:
    """Two figures that households ask for: own use of the sun, and independence of the grid."""

    def today(name: str) -> float | None:
        totals = rows.get(name)
        return totals.today.kwh if totals and totals.today else None

    found = {
        "self-sufficiency": share(today("grid_import"), today("house")),
        "self-consumption": share(today("grid_export"), today("pv")),
    }
    if balance is not None and balance.split:
        found = {
            "self-sufficiency": _rest(balance.self_sufficiency),
            "self-consumption": _rest(balance.self_consumption),
        }
    return "".join(
        f'<div class="meter"><p><b>{say.percent(100 - lost)}</b> '
        f"<span>{say(f'energy.{name}')}</span></p>"
        f'<svg height="8" width="100%" aria-hidden="true"><rect class="track" width="100%"'
        f' height="8" rx="4"/><rect class="fill" width="{100 - lost:.1f}%" height="8" rx="4"/>'
        f'</svg><p class="quiet">{say(f"energy.{name}-meaning")}</p></div>'
        for name, lost in found.items()
        if lost is not None
    )


def _rest(share: float | None) -> float | None:
    """What is missing to the whole, in percent."""
    return None if share is None else max(0.0, min(100.0, 100 * (1 - share)))
