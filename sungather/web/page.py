"""The page as HTML; pure. Written whole for a browser without scripts, in parts for a live one.

A part is the inside of the element with its id; the live stream sends the parts that changed.
"""

import json
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
from sungather.web import curve, details, devices, energy, flow, lists, money_card, trouble
from sungather.web.flow import Flow
from sungather.web.language import SPACE, languages
from sungather.web.page_model import PageModel

_LEFT: Final = ("battery", "charger", "totals", "money", "inverters", "faults")
"""Cards below that of now, as on a phone; the others follow them there, and stand beside else."""
_SCRIPT: Final = (
    *("ago.now", "ago.seconds", "ago.minutes", "ago.hours", "ago.days", "script.lost"),
    *("script.nothing", "script.found", "energy.pv", "energy.house", "energy.grid_import"),
    *("energy.grid_export", "energy.battery_charge", "energy.battery_discharge"),
    "energy.battery_level",
    *(f"state.{state}" for state in State),
)
"""Texts that the script says."""
_COUNTERS: Final = (
    *household.ENERGIES,
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
    now = Flow(**model.plant.powers(model.shown, model.stale))
    found = {
        "trouble": _made(trouble.banner(model)),
        "status": _made(_status(model)),
        "faults": _made(lists.faults(model)),
        "battery": _made(devices.batteries(model, now)),
        "charger": _made(devices.chargers(model)),
    }
    if not model.about_a_device:
        found["services"] = Part((model.services, model.today), lambda: lists.services(model))
        flowing = now, devices.car_power(model), _has_battery(model), _whose(model, now)
        found["flow"] = Part(flowing, lambda: _flow(model, *flowing))
        found["totals"] = Part(_energies(model), lambda: _totals(model))
        found[curve.legend_id(model.today)] = Part(_energies(model), lambda: legend(model))
    if model.money is not None and not model.chosen:
        money = model.money
        key = money, model.today
        found["money"] = Part(key, lambda: money_card.card(money, model.today, model.say))
    if model.listed:
        found["inverters"] = _made(lists.inverters(model))
    reading = model.one
    if reading is not None:
        title = model.say("device.inverter" if reading.is_inverter else "details.title")
        found["details"] = _made(details.measurements(reading, title, model.say))
        found["values"] = Part(details.rows_of(reading), lambda: details.table(reading, model.say))
        for name, one in reading.measurements.items():
            cell = partial(details.cell, reading, name, model.say)
            found[details.cell_id(name)] = Part(one.value, cell)
    return found


def legend(model: PageModel) -> str:
    """The legend of today's curve: the energies are those of the card of energies."""
    counted = _counted(model)
    energies = {flow: one.today.kwh for flow, one in counted.items() if one.today is not None}
    known = model.plant.powers(model.shown, model.stale)
    return curve.legend(known, energies, model.say)


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
    say = model.say
    inside = {name: part.html() for name, part in parts(model).items()}
    cards = {name: _card(name, html) for name, html in inside.items()}
    left = [cards[name] for name in _LEFT if name in cards]
    right = [cards[name] for name in ("details",) if name in cards]
    if not model.about_a_device:
        # Where there is little to the left, the exports make up for it.
        if inside["battery"]:
            right.insert(0, cards["services"])
        else:
            left.append(cards["services"])
        live = drawn.day == model.today
        right[:0] = [_card("day", drawn.curve, live=live), _card("bars", drawn.bars)]
    named = next((model.name(r) for r in model.readings if r.name == model.chosen), "")
    return _PAGE.format(
        title=_title(model, f"{escape(named)} · SunGather" if named else "SunGather"),
        trouble=inside["trouble"],
        heading=escape(named) or say("page.heading"),
        chosen=escape(model.chosen),
        now=rfc3339(model.now),
        choice=_choice(model),
        status=inside["status"],
        flow=inside.get("flow", ""),
        left="".join(left),
        right="".join(right),
        values=_values(model, inside["values"]) if "values" in inside else "",
        assets=assets,
        version=escape(version),
        lang=say.code,
        texts=say.table("page"),
        words=escape(json.dumps({key: say.texts[key] for key in _SCRIPT}, ensure_ascii=False)),
        languages=_languages(model),
    )


def _languages(model: PageModel) -> str:
    """Links to the page in its other languages."""
    kept = f"&amp;inverter={escape(model.chosen)}" if model.chosen else ""
    return " · ".join(
        f'<a href="?lang={code}{kept}" hreflang="{code}" lang="{code}">{one("locale.name")}</a>'
        for code, one in languages().items()
        if code != model.say.code
    )


def _title(model: PageModel, title: str) -> str:
    """With the number of troubles, for a tab among others."""
    count = len(trouble.troubles(model))
    return f"({count}) {title}" if count else title


def _card(name: str, inside: str, live: bool = False) -> str:
    """A card; one with nothing in it is there for what may come, and not seen."""
    marks = " data-live" if live else ""
    return (
        f'<section class="card" id="{name}"{marks} aria-labelledby="{name}-title">{inside}'
        "</section>"
    )


def _values(model: PageModel, inside: str) -> str:
    say = model.say
    return (
        '<section class="card" id="all" aria-labelledby="values-title">'
        f'<details><summary><h2 id="values-title">{say("values.title")}</h2></summary>'
        f'<label class="search" hidden><span class="quiet">{say("values.search")}</span>'
        '<input type="search" id="search" autocomplete="off"></label>'
        '<p id="found" class="quiet" role="status"></p>'
        f'<div id="values">{inside}</div></details></section>'
    )


def _choice(model: PageModel) -> str:
    """Links to every inverter and device, where there are several."""
    if len(model.readings) < 2:
        return ""
    several = len(model.inverters) > 1
    first = model.say("nav.all" if several else "nav.house")
    shown = [*(model.inverters if several else ()), *model.devices]
    links = [("", first, "./")]
    links += [(r.name, model.name(r), f"?inverter={escape(r.name)}") for r in shown]
    inside = "".join(
        f'<a href="{target}"{_current(name == model.chosen)}>{escape(text)}</a>'
        for name, text, target in links
    )
    return f'<nav aria-label="{model.say("nav.title")}">{inside}</nav>'


def _current(is_current: bool) -> str:
    return ' aria-current="page"' if is_current else ""


def _status(model: PageModel) -> str:
    one, say = model.one, model.say
    if one is not None:
        about = " · ".join(filter(None, (one.display_model, one.serial)))
        return (
            f'<p class="pill">{lists.pill(one, model)}</p>'
            f'<p class="quiet model">{escape(about)}</p>{_asleep(model, one)}'
        )
    if not model.inverters:
        return f'<p class="pill"><span class="dot connecting"></span>{say("status.waiting")}</p>'
    good = [r for r in model.inverters if r.state is State.OK and r.name not in model.stale]
    count = len(model.inverters)
    newest = max((r.time for r in good), default=None)
    kind = "ok" if len(good) == count else "busy" if good else "unreachable"
    fresh = f" · {lists.ago(newest, model.now, say)}" if newest else ""
    told: list[str] = []
    for asleep in (True, False):  # one that sleeps is a part of the sums, with 0 W
        others = ", ".join(
            f"{escape(model.name(r))}: {say.state(r, r.name in model.stale)}"
            for r in model.inverters
            if r not in good and (r.state is State.ASLEEP) is asleep
        )
        if others:
            told.append(others if asleep else say("status.without", names=others))
    without = "".join(f'<p class="quiet model">{one}</p>' for one in told)
    live = say("status.live", good=len(good), count=count)
    return f'<p class="pill"><span class="dot {kind}"></span>{live}{fresh}</p>{without}'


def _asleep(model: PageModel, reading: Reading) -> str:
    """A calm night: what the day has brought, and the day before."""
    say = model.say
    said = lists.night(reading, say)
    pv = _counted(model).get("pv") if reading.state is State.ASLEEP else None
    if pv is None or pv.today is None or not pv.today.kwh:
        return said
    made = say("status.made", energy=f"{say.kwh(pv.today.kwh)}{SPACE}kWh")
    if pv.yesterday:
        made += f", {say('status.yesterday', energy=say.kwh(pv.yesterday.kwh))}"
    return f'<p class="model">{made}.</p>{said}'


def _has_battery(model: PageModel) -> bool:
    return any(model.plant.has_battery(reading.name) for reading in model.shown)


def _flow(model: PageModel, now: Flow, car: float | None, battery: bool, whose: str) -> str:
    said = flow.sentence(now, model.say, car)
    return f'{flow.drawing(now, battery, model.say)}<p class="sentence">{said}</p>{whose}'


def _whose(model: PageModel, now: Flow) -> str:
    """Of several inverters those that each figure is of; why grid and house are not known."""
    say = model.say
    names = [reading.name for reading in model.shown]
    of = model.plant.sources(names)
    told: list[str] = []
    if len(names) > 1:
        titles = {reading.name: model.name(reading) for reading in model.shown}
        told += [
            say(f"whose.{key}", names=", ".join(titles[name] for name in of[figure]))
            for key, figure, amount in (
                ("pv", "pv", now.pv),
                ("battery", BATTERY[0], now.battery),
                ("grid", GRID[0], now.grid),
                ("house", "house", now.house),
            )
            if amount is not None
        ]
    if model.plant.several_meters(names):
        told.append(say("whose.several-meters"))
    elif (
        now.pv is not None
        and now.house is None
        and not of[GRID[0]]
        and not any(reading.problem for reading in model.shown)  # not all of it was read
    ):
        told.append(say("whose.no-meter"))
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
    told = model.money.statements.get("today") if model.money and not model.chosen else None
    balance = told and told.balance
    return energy.card(_counted(model), model.today, model.say, balance) + _as_of(model)


def _counted(model: PageModel) -> dict[str, Totals]:
    """Flow -> energies of the inverters shown, together."""
    parts = {reading.name: dict(model.totals(reading.name)) for reading in model.shown}
    for reading in model.shown:
        totals = parts[reading.name]
        # An inverter that has slept since midnight has not told of today yet.
        if reading.state is State.ASLEEP and "pv" in totals and totals["pv"].today is None:
            totals["pv"] = replace(totals["pv"], today=Energy(0.0, None, reading.time))
    rows = add(parts, model.plant.meter, model.plant.managers)
    _trust_the_inverter(rows, model)
    return rows


def _trust_the_inverter(rows: dict[str, Totals], model: PageModel) -> None:
    """Where the history is younger than a period: the inverter's own figures for solar energy."""
    reading, pv = model.one, rows.get("pv")
    if reading is not None and pv is not None:
        rows["pv"] = energy.with_months(pv, _own_months(reading, model), model.today, reading.time)


def _own_months(reading: Reading, model: PageModel) -> list[float | None]:
    """Solar energy of the months of this year, up to this one, as the inverter counts it."""
    today = model.today
    months = reading.value("monthly_pv_energy_yields")
    if isinstance(months, list) and len(months) == 12:
        return months[: today.month]
    month = reading.number("monthly_power_yields")
    days = reading.value("daily_pv_energy_yields")
    is_of_today = reading.time.astimezone(model.timezone).date() == today
    if month is None and isinstance(days, list) and len(days) == 31 and is_of_today:
        # At level 1 a hybrid tells the days of the month, and not the month.
        so_far = [*days[: today.day - 1], reading.number("pv_energy_today")]
        known = [kwh for kwh in so_far if isinstance(kwh, int | float)]
        month = sum(known) if len(known) == today.day else None
    return [*[None] * (today.month - 1), month]


def _as_of(model: PageModel) -> str:
    """Counters outlive the silence of an inverter; then it is said from when they are."""
    say = model.say
    times = [
        (model.name(reading), counted.as_of)
        for reading in model.shown
        if reading.state is not State.OK or reading.name in model.stale
        for totals in list(model.totals(reading.name).values())[:1]
        if (counted := totals.lifetime or totals.today) is not None and counted.as_of is not None
    ]
    if not times:
        return ""
    said = ", ".join(
        (f"{escape(name)}: " if model.one is None else "")
        + say("energy.as-of", time=say.clock(moment, model.now, model.timezone))
        for name, moment in times
    )
    return f'<p class="quiet">{said}</p>'
