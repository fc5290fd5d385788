"""Documents beside the page, without a script: what codes mean, and a month to print; pure."""

from collections.abc import Mapping, Sequence
from datetime import date
from html import escape
from importlib import resources
from typing import Final

from sungather.history.periods import Energies, Period, Span
from sungather.reading import Reading
from sungather.web import bars, codes
from sungather.web.language import Language, share

_TEMPLATE: Final = resources.files("sungather.web").joinpath("plain.html").read_text("utf-8")
_PLAIN: Final = _TEMPLATE.replace("\n", "")


def codes_document(say: Language, assets: Mapping[str, str]) -> str:
    """What the codes of faults mean."""
    return _document(say("codes.title"), codes.table(say), say, assets)


def report(
    day: date,
    today: date,
    days: Mapping[date, Energies],
    reading: Reading | None,
    names: str,
    say: Language,
    assets: Mapping[str, str],
    money: Sequence[tuple[str, str]] = (),
) -> str:
    """The month of `day` for a sheet of paper.

    `days` and `reading`: see `bars.section`; `names`: the inverters that it is of;
    `money`: titles and texts of what it comes to.
    """
    found = bars.known_periods(Span.MONTH, day, today, days, reading)
    month = bars.known_periods(Span.YEAR, day, today, days, reading)[day.month - 1]
    title = f"{say.month(day)} {day.year}"
    head = f'<h1>{title}</h1><p class="quiet">{escape(names)}</p>'
    if not any(one.energies for one in found):
        return _document(title, f'{head}<p class="empty">{say("bars.nothing")}</p>', say, assets)
    body = (
        f"{head}{_sums(month, say, money)}{bars.drawing(Span.MONTH, found, say)}"
        f"{bars.notes(Span.MONTH, found, today, min(days, default=today), say)}"
        f"{bars.wide(bars.table(Span.MONTH, found, today, say, month), say)}"
    )
    return _document(title, body, say, assets)


def _sums(month: Period, say: Language, money: Sequence[tuple[str, str]]) -> str:
    energies = month.energies
    bought = share(energies.get("grid_import"), energies.get("house"))
    sold = share(energies.get("grid_export"), energies.get("pv"))
    told = [(say(f"energy.{flow}"), f"{say.kwh(kwh)} kWh") for flow, kwh in energies.items()]
    told += [
        (say(f"report.{key}"), say.percent(100 - lost))
        for key, lost in (("self-sufficiency", bought), ("self-consumption", sold))
        if lost is not None
    ]
    told += money
    rows = "".join(f"<div><dt>{title}</dt><dd>{figure}</dd></div>" for title, figure in told)
    return f'<dl class="facts">{rows}</dl>'


def _document(title: str, body: str, say: Language, assets: Mapping[str, str]) -> str:
    return _PLAIN.format(
        lang=say.code, title=title, body=body, assets=assets, back=say("page.back")
    )
