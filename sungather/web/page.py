"""The page as HTML; pure. Written whole for a browser without scripts, in parts for a live one.

A part is the inside of the element with its id; the live stream sends the parts that changed.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from functools import partial
from html import escape
from importlib import resources
from typing import Final, NamedTuple

from sungather import household
from sungather.history.totals import Energy, Totals, add
from sungather.reading import Reading, State, rfc3339
from sungather.site import BATTERY, GRID
from sungather.web import details, energy, flow, formats, lists, trouble
from sungather.web.flow import Flow
from sungather.web.page_model import PageModel

_CARDS: Final = ("totals", "inverters", "faults", "services", "details")
_COUNTERS: Final = (
    *(f"{name}_energy_{span}" for name in household.FLOWS for span in ("today", "total")),
    "monthly_power_yields",
    "monthly_pv_energy_yields",
)


_TEMPLATE: Final = resources.files("sungather.web").joinpath("page.html").read_text("utf-8")
_PAGE: Final = "".join(
    line.strip() for line in _TEMPLATE.splitlines() if not line.startswith("<!-- ")
)
"""The document, with a place in braces for whatever depends on the readings."""


class Part(NamedTuple):
    """The inside of one element."""

    key: object
    """A live page is sent the part again when this changes."""
    html: Callable[[], str]
    """Called only then: most parts stay as they are from one reading to the next."""


def parts(model: PageModel) -> dict[str, Part]:
    """Element id -> the part of the page inside it."""
    flowing = _flowing(model)
    found = {
        "trouble": _made(trouble.banner(model)),
        "status": _made(_status(model)),
        "services": Part((model.services, model.today), lambda: lists.services(model)),
    }
    if faults := lists.faults(model):
        found["faults"] = _made(faults)
    if not model.about_a_device:
        found["flow"] = Part(flowing, lambda: _flow(*flowing))
        found["totals"] = Part(_energies(model), lambda: _totals(model))
    if model.listed:
        found["inverters"] = _made(lists.inverters(model))
    reading = model.one
    if reading is None:
        return found
    found["details"] = _made(details.measurements(reading))
    found["values"] = Part(details.rows_of(reading), lambda: details.table(reading))
    for name, one in reading.measurements.items():
        found[details.cell_id(name)] = Part(one.value, partial(details.cell, reading, name))
    return found


def _made(html: str) -> Part:
    return Part(html, lambda: html)


class Drawn(NamedTuple):
    """What is drawn from the history."""

    day: date
    curve: str
    """The curve of that day."""
    bars: str
    """The energies of days, months or years."""


def page(model: PageModel, drawn: Drawn, assets: Mapping[str, str], version: str) -> str:
    """The whole document. `assets`: file name -> address with its fingerprint."""
    inside = {name: part.html() for name, part in parts(model).items()}
    cards = [_card(name, inside[name]) for name in _CARDS if name in inside]
    if not model.about_a_device:
        cards.insert(0, _card("day", drawn.curve, live=drawn.day == model.today))
        cards.insert(2, _card("bars", drawn.bars))
    if "values" in inside:
        cards.append(_values(inside["values"]))
    chosen = escape(model.chosen)
    return _PAGE.format(
        title=_title(model, f"{chosen} · SunGather" if chosen else "SunGather"),
        trouble=inside["trouble"],
        heading=chosen or "Your solar power",
        chosen=chosen,
        now=rfc3339(model.now),
        choice=_choice(model),
        status=inside["status"],
        flow=inside.get("flow", ""),
        cards="".join(cards),
        assets=assets,
        version=escape(version),
    )


def _title(model: PageModel, title: str) -> str:
    """With the number of troubles, for a tab among others."""
    count = len(trouble.troubles(model))
    return f"({count}) {title}" if count else title


def _card(name: str, inside: str, live: bool = False) -> str:
    marks = " data-live" if live else ""
    return (
        f'<section class="card" id="{name}"{marks} aria-labelledby="{name}-title">{inside}'
        "</section>"
    )


def _values(inside: str) -> str:
    return (
        '<section class="card" id="all" aria-labelledby="values-title">'
        '<details><summary><h2 id="values-title">All values</h2></summary>'
        '<label class="search" hidden><span class="quiet">Search</span>'
        '<input type="search" id="search" autocomplete="off" placeholder="voltage, battery, …">'
        '</label><p id="found" class="quiet" role="status"></p>'
        f'<div id="values">{inside}</div></details></section>'
    )


def _choice(model: PageModel) -> str:
    """Links to every inverter, where there are several."""
    if len(model.readings) < 2:
        return ""

    def link(name: str, text: str, target: str) -> str:
        current = ' aria-current="page"' if name == model.chosen else ""
        return f'<a href="{target}"{current}>{escape(text)}</a>'

    several = len(model.inverters) > 1
    links = [link("", "All" if several else "House", "./")]
    links += [
        link(r.name, r.name, f"?inverter={escape(r.name)}")
        for r in (*(model.inverters if several else ()), *model.devices)
    ]
    return f'<nav aria-label="Inverters and devices">{"".join(links)}</nav>'


def _status(model: PageModel) -> str:
    one = model.one
    if one is not None:
        about = " · ".join(filter(None, (one.display_model, one.serial)))
        return (
            f'<p class="pill">{lists.pill(one, model)}</p>'
            f'<p class="quiet model">{escape(about)}</p>{_asleep(model, one)}'
        )
    if not model.inverters:
        return '<p class="pill"><span class="dot connecting"></span>Waiting for the inverter</p>'
    good = [r for r in model.inverters if r.state is State.OK and r.name not in model.stale]
    count = len(model.inverters)
    newest = max((r.time for r in good), default=None)
    kind = "ok" if len(good) == count else "busy" if good else "unreachable"
    fresh = f" · {lists.ago(newest, model.now)}" if newest else ""
    others = [
        f"{escape(r.name)}: {formats.state(r, r.name in model.stale).lower()}"
        for r in model.inverters
        if r not in good
    ]
    without = f'<p class="quiet model">Not included: {", ".join(others)}</p>' if others else ""
    return (
        f'<p class="pill"><span class="dot {kind}"></span>'
        f"{len(good)} of {count} live{fresh}</p>{without}"
    )


def _asleep(model: PageModel, reading: Reading) -> str:
    """A calm night: what the day has brought, and the day before."""
    said = lists.night(reading)
    pv = _counted(model).get("pv") if reading.state is State.ASLEEP else None
    if pv is None or pv.today is None or not pv.today.kwh:
        return said
    before = f", yesterday {formats.kwh(pv.yesterday.kwh)}" if pv.yesterday else ""
    made = f"Made {formats.kwh(pv.today.kwh)}{formats.SPACE}kWh today{before}."
    return f'<p class="model">{made}</p>{said}'


def _flowing(model: PageModel) -> tuple[Flow, bool, str]:
    """The powers together, whether there is a battery, and of which inverters they are."""
    now = Flow(**model.plant.powers(model.shown, model.stale))
    battery = any(model.plant.has_battery(reading.name) for reading in model.shown)
    return now, battery, _whose(model, now)


def _flow(now: Flow, battery: bool, whose: str) -> str:
    said = escape(flow.sentence(now))
    return f'{flow.drawing(now, battery)}<p class="sentence">{said}</p>{whose}'


def _whose(model: PageModel, now: Flow) -> str:
    """Of several inverters: those that each figure is of."""
    if len(model.shown) < 2:
        return ""
    names = [reading.name for reading in model.shown]
    of = model.plant.sources(names)
    told = [
        f"{title} {', '.join(of[figure])}"
        for title, figure, amount in (
            ("Solar:", "pv", now.pv),
            ("Battery:", BATTERY[0], now.battery),
            ("Grid: meter of", GRID[0], now.grid),
            ("House: balance of", "house", now.house),
        )
        if amount is not None
    ]
    if model.plant.several_meters(names):
        told.append(
            "Grid and house: several inverters have a meter; site.meter says which one counts"
        )
    return f'<p class="quiet">{escape(" · ".join(told))}</p>' if told else ""


def _energies(model: PageModel) -> object:
    """What the card of energies depends on."""
    return model.today, [
        (
            reading.name,
            reading.state,
            reading.name in model.stale,
            [reading.value(name) for name in _COUNTERS],
        )
        for reading in model.shown
    ]


def _totals(model: PageModel) -> str:
    return energy.card(_counted(model), model.today) + _as_of(model)


def _counted(model: PageModel) -> dict[str, Totals]:
    """Flow -> energies of the inverters shown, together."""
    parts = {reading.name: dict(model.totals(reading.name)) for reading in model.shown}
    for reading in model.shown:
        totals = parts[reading.name]
        # An inverter that has slept since midnight has not told of today yet.
        if reading.state is State.ASLEEP and "pv" in totals and totals["pv"].today is None:
            totals["pv"] = replace(totals["pv"], today=Energy(0.0, None, reading.time))
    rows = add(parts, model.plant.meter)
    _trust_the_inverter(rows, model)
    return rows


def _trust_the_inverter(rows: dict[str, Totals], model: PageModel) -> None:
    """Where the history is younger than a period: the inverter's own figures for solar energy."""
    reading, pv = model.one, rows.get("pv")
    if reading is not None and pv is not None:
        rows["pv"] = energy.with_months(
            pv, _own_months(reading, model.today), model.today, reading.time
        )


def _own_months(reading: Reading, today: date) -> list[float | None]:
    """Solar energy of the months of this year, up to this one, as the inverter counts it."""
    months = reading.value("monthly_pv_energy_yields")
    if isinstance(months, list) and len(months) == 12:
        return months[: today.month]
    return [*[None] * (today.month - 1), reading.number("monthly_power_yields")]


def _as_of(model: PageModel) -> str:
    """Counters outlive the silence of an inverter; then it is said from when they are."""
    times = [
        (reading.name, counted.as_of)
        for reading in model.shown
        if reading.state is not State.OK or reading.name in model.stale
        for totals in list(model.totals(reading.name).values())[:1]
        if (counted := totals.lifetime or totals.today) is not None and counted.as_of is not None
    ]
    if not times:
        return ""
    said = ", ".join(
        (f"{escape(name)}: " if model.one is None else "")
        + f"as of {formats.clock(moment, model.now, model.timezone)}"
        for name, moment in times
    )
    return f'<p class="quiet">{said}</p>'
