"""The page as HTML; pure. Written whole for a browser without scripts, in parts for a live one.

A part is the inside of the element with its id; the live stream sends the parts that changed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, tzinfo
from html import escape
from typing import Final

from sungather import household
from sungather.history_store import Fault
from sungather.reading import Reading, State, rfc3339
from sungather.service import Health
from sungather.totals import Energy, Totals, add
from sungather.web import details, energy, flow, words
from sungather.web.flow import Flow

_SERVICE_NAMES: Final = {
    "web": "Page and API",
    "history": "Local history",
    "control": "Commands",
    "mqtt": "MQTT",
    "influxdb": "InfluxDB",
    "pvoutput": "PVOutput",
}


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that the page shows, but the day's curve."""

    now: datetime
    timezone: tzinfo
    readings: Sequence[Reading]
    """The newest of every inverter."""
    chosen: str
    """The inverter that the page is about; "" for all together."""
    totals: Mapping[str, Mapping[str, Totals]]
    """Inverter -> flow -> energies."""
    faults: Sequence[Fault]
    services: Sequence[Health]
    stale: frozenset[str] = frozenset()
    """Inverters whose newest reading is overdue."""
    batteries: frozenset[str] = frozenset()
    """Inverters that have, or had, a battery to tell of."""

    @property
    def shown(self) -> list[Reading]:
        """The readings that the page is about."""
        return [r for r in self.readings if self.chosen in ("", r.name)]

    @property
    def one(self) -> Reading | None:
        """The reading, where the page is about one inverter."""
        return self.shown[0] if len(self.shown) == 1 else None

    @property
    def today(self) -> date:
        """The local day."""
        return self.now.astimezone(self.timezone).date()


@dataclass(frozen=True, slots=True)
class Part:
    """The inside of one element."""

    html: str
    key: str
    """A live page is sent the part again when this changes."""


def parts(scene: Scene) -> dict[str, Part]:
    """Element id -> the part of the page inside it."""
    found = {
        "status": _status(scene),
        "flow": _flow(scene),
        "totals": energy.card(_counted(scene), scene.today) + _as_of(scene),
        "faults": _faults(scene),
        "services": _services(scene),
    }
    reading = scene.one
    if reading is None:
        found["inverters"] = _inverters(scene)
    else:
        found["details"] = details.measurements(reading)
        found |= details.cells(reading)
    made = {name: Part(html, html) for name, html in found.items()}
    if reading is not None:
        # Its cells are parts themselves: the table is new only when its rows are.
        made["values"] = Part(details.table(reading), details.rows_of(reading))
    return made


def page(scene: Scene, curve: str, day: date, assets: Mapping[str, str], version: str) -> str:
    """The whole document. `assets`: file name -> address with its fingerprint."""
    inside = {name: part.html for name, part in parts(scene).items()}
    title = "SunGather" if scene.chosen == "" else f"{escape(scene.chosen)} · SunGather"
    one = scene.one is not None
    cards = [
        _card("day", curve, "day-title", live=day == scene.today),
        _card("totals", inside["totals"], "totals-title"),
        "" if one else _card("inverters", inside["inverters"], "inverters-title"),
        _card("faults", inside["faults"], "faults-title"),
        _card("services", inside["services"], "services-title"),
        _card("details", inside["details"], "details-title") if one else "",
        _values(inside["values"]) if one else "",
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{title}</title>"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        '<meta name="theme-color" media="(prefers-color-scheme: light)" content="#f4f6f8">'
        '<meta name="theme-color" media="(prefers-color-scheme: dark)" content="#0e1318">'
        '<meta name="description" content="What the solar inverter does now, and did before">'
        f'<link rel="icon" type="image/svg+xml" href="{assets["icon.svg"]}">'
        f'<link rel="manifest" href="{assets["manifest.webmanifest"]}">'
        f'<link rel="stylesheet" href="{assets["style.css"]}">'
        f'<script type="module" src="{assets["app.js"]}"></script>'
        '<noscript><meta http-equiv="refresh" content="30"></noscript></head>'
        f'<body data-inverter="{escape(scene.chosen)}" data-now="{rfc3339(scene.now)}">'
        f'<a class="skip" href="#main">To the values</a>{_SYMBOLS}'
        f'<header><a class="brand" href="./"><svg aria-hidden="true"><use href="#i-pv"/></svg>'
        f"SunGather</a>{_choice(scene)}</header>"
        '<p id="connection" role="status" hidden></p>'
        '<main id="main"><h1 class="hidden">'
        f"{'Your solar power' if not scene.chosen else escape(scene.chosen)}</h1>"
        f'<div class="columns"><section class="card now" aria-label="Now">'
        f'<div id="status">{inside["status"]}</div><div id="flow">{inside["flow"]}</div></section>'
        f"{''.join(cards)}</div></main>"
        f"<footer><p>SunGather {escape(version)} · read-only · "
        '<a href="api/v1/now">JSON</a> · <a href="api/v1/openapi.json">API</a> · '
        '<a href="metrics">Metrics</a></p></footer></body></html>'
    )


def _card(name: str, inside: str, title: str, live: bool = False) -> str:
    marks = " data-live" if live else ""
    return f'<section class="card" id="{name}"{marks} aria-labelledby="{title}">{inside}</section>'


def _values(inside: str) -> str:
    return (
        '<section class="card" id="all" aria-labelledby="values-title">'
        '<details><summary><h2 id="values-title">All values</h2></summary>'
        '<label class="search" hidden><span class="quiet">Search</span>'
        '<input type="search" id="search" autocomplete="off" placeholder="voltage, battery, …">'
        '</label><p id="found" class="quiet" role="status"></p>'
        f'<div id="values">{inside}</div></details></section>'
    )


def _choice(scene: Scene) -> str:
    """Links to every inverter, where there are several."""
    if len(scene.readings) < 2:
        return ""

    def link(name: str, text: str, target: str) -> str:
        current = ' aria-current="page"' if name == scene.chosen else ""
        return f'<a href="{target}"{current}>{escape(text)}</a>'

    links = [link("", "All", "./")]
    links += [link(r.name, r.name, f"?inverter={escape(r.name)}") for r in scene.readings]
    return f'<nav aria-label="Inverters">{"".join(links)}</nav>'


def _status(scene: Scene) -> str:
    one = scene.one
    if one is not None:
        model = " · ".join(filter(None, (one.model, one.serial)))
        return (
            f'<p class="pill">{_pill(one, scene)}</p>'
            f'<p class="quiet model">{escape(model)}</p>{_problem(one)}'
        )
    if not scene.readings:
        return '<p class="pill"><span class="dot connecting"></span>Waiting for the inverter</p>'
    good = [r for r in scene.readings if r.state is State.OK and r.name not in scene.stale]
    count = len(scene.readings)
    newest = max((r.time for r in good), default=None)
    kind = "ok" if len(good) == count else "busy" if good else "unreachable"
    fresh = f" · {_ago(newest, scene.now)}" if newest else ""
    others = [
        f"{escape(r.name)}: {words.state(r, r.name in scene.stale).lower()}"
        for r in scene.readings
        if r not in good
    ]
    without = f'<p class="quiet model">Without {", ".join(others)}</p>' if others else ""
    return (
        f'<p class="pill"><span class="dot {kind}"></span>'
        f"{len(good)} of {count} live{fresh}</p>{without}"
    )


def _pill(reading: Reading, scene: Scene) -> str:
    stale = reading.name in scene.stale
    kind = "unreachable" if stale and reading.state is State.OK else str(reading.state)
    if reading.state is State.OK:
        fresh = _ago(reading.time, scene.now)
    else:
        fresh = escape(words.freshness(reading, scene.now, scene.timezone))
    said = f"<b>{words.state(reading, stale)}</b>{f' <span>{fresh}</span>' if fresh else ''}"
    return f'<span class="dot {kind}"></span>{said}'


def _problem(reading: Reading) -> str:
    if reading.problem is None:
        return ""
    return f'<p class="problem">{escape(reading.problem.message)}</p>'


def _ago(moment: datetime, now: datetime) -> str:
    text = words.ago(max(0.0, (now - moment).total_seconds()))
    return f'<time class="ago" datetime="{rfc3339(moment)}">{text}</time>'


def _flow(scene: Scene) -> str:
    good = [r for r in scene.shown if r.state is State.OK and r.name not in scene.stale]
    now = flow.total([Flow.of(r.values) for r in good])
    battery = now.has_battery or any(r.name in scene.batteries for r in scene.shown)
    said = escape(flow.sentence(now))
    return f'{flow.drawing(now, battery)}<p class="sentence">{said}</p>'


def _counted(scene: Scene) -> dict[str, Totals]:
    """Flow -> energies of the inverters shown, together."""
    rows: dict[str, Totals] = {}
    for name in household.FLOWS:
        known = [
            scene.totals[reading.name][name]
            for reading in scene.shown
            if name in scene.totals.get(reading.name, {})
        ]
        if known:
            rows[name] = add(known)
    _trust_the_inverter(rows, scene)
    return rows


def _trust_the_inverter(rows: dict[str, Totals], scene: Scene) -> None:
    """Where the history is younger than the month: the inverter's own figure for solar energy."""
    reading, pv = scene.one, rows.get("pv")
    if reading is None or pv is None or (pv.month is not None and pv.month.since is None):
        return
    months = reading.values.get("monthly_pv_energy_yields")
    own = household.number(reading.values, "monthly_power_yields")
    if isinstance(months, list) and len(months) == 12:
        own = months[scene.today.month - 1]
    if own is not None:
        rows["pv"] = replace(pv, month=Energy(own, None, reading.time))


def _as_of(scene: Scene) -> str:
    """Counters outlive the silence of an inverter; then it is said from when they are."""
    times = [
        (reading.name, counted.as_of)
        for reading in scene.shown
        if reading.state is not State.OK or reading.name in scene.stale
        for totals in list(scene.totals.get(reading.name, {}).values())[:1]
        if (counted := totals.lifetime or totals.today) is not None and counted.as_of is not None
    ]
    if not times:
        return ""
    said = ", ".join(
        (f"{escape(name)}: " if scene.one is None else "")
        + f"as of {words.clock(moment, scene.now, scene.timezone)}"
        for name, moment in times
    )
    return f'<p class="quiet">{said}</p>'


def _faults(scene: Scene) -> str:
    active: dict[tuple[str, str, str], None] = {
        (reading.name, register, text): None
        for reading in scene.shown
        if reading.state is State.OK
        for register, text in household.faults(reading.values)
    }
    now = [f for f in scene.faults if (f.inverter, f.register, f.text) in active]
    past = [f for f in scene.faults if (f.inverter, f.register, f.text) not in active]
    head = '<h2 id="faults-title">Faults</h2>'
    quiet = [reading.name for reading in scene.shown if reading.state is not State.OK]
    if quiet:
        whose = "" if scene.one else f" of {escape(', '.join(quiet))}"
        ok = f'<p class="empty">Not known{whose}: there is no reading.</p>'
    elif scene.shown:
        ok = '<p class="fine"><svg aria-hidden="true"><use href="#i-ok"/></svg>No faults now.</p>'
    else:
        ok = '<p class="empty">Not known before the first reading.</p>'
    current = f'<ul class="faults">{"".join(_fault(f, scene, True) for f in now)}</ul>'
    before = "".join(_fault(fault, scene, False) for fault in past)
    return (
        head
        + (current if now else ok)
        + (
            f'<details><summary>Earlier faults ({len(past)})</summary><ul class="faults past">'
            f"{before}</ul></details>"
            if past
            else ""
        )
    )


def _fault(fault: Fault, scene: Scene, active: bool) -> str:
    first = words.clock(fault.first, scene.now, scene.timezone)
    last = "still there" if active else words.clock(fault.last, scene.now, scene.timezone)
    whose = f"{escape(fault.inverter)} · " if scene.one is None else ""
    return (
        f'<li><svg aria-hidden="true"><use href="#i-warn"/></svg><div><b>{escape(fault.text)}</b>'
        f'<p class="quiet">{whose}{escape(words.label(fault.register))} · first seen {first} · '
        f"{'' if active else 'last seen '}{last}</p></div></li>"
    )


def _inverters(scene: Scene) -> str:
    rows = "".join(
        f'<li><a href="?inverter={escape(r.name)}"><span><b>{escape(r.name)}</b>'
        f'<span class="quiet">{escape(r.model)}</span></span>'
        f'<span class="pill">{_pill(r, scene)}</span>'
        f'<span class="watts">{words.power(Flow.of(r.values).pv)}</span></a>{_problem(r)}</li>'
        for r in scene.readings
    )
    return f'<h2 id="inverters-title">Inverters</h2><ul class="inverters">{rows}</ul>'


def _services(scene: Scene) -> str:
    rows = "".join(_service(health, scene) for health in scene.services)
    return '<h2 id="services-title">Where values go</h2>' + (
        f'<ul class="services">{rows}</ul>' if rows else '<p class="empty">Only here.</p>'
    )


def _service(health: Health, scene: Scene) -> str:
    facts = [
        f"{count} {word}"
        for count, word in (
            (health.queue, "waiting"),
            (health.delivered, "delivered"),
            (health.rejected, "refused"),
            (health.dropped, "lost"),
        )
        if count
    ]
    if health.last_success is not None:
        facts.append(f"last success {words.clock(health.last_success, scene.now, scene.timezone)}")
    said = f'<p class="quiet">{" · ".join(facts)}</p>' if facts else ""
    message = f'<p class="problem">{escape(health.message)}</p>' if health.message else ""
    name = escape(_SERVICE_NAMES.get(health.name, health.name))
    return (
        f'<li><span class="dot {escape(health.state)}"></span><div><b>{name}</b>'
        f" <span>{escape(health.state)}</span>{said}{message}</div></li>"
    )


# Drawn for this page: 24 × 24, one stroke.
_SYMBOLS: Final = (
    '<svg class="symbols" width="0" height="0" aria-hidden="true">'
    '<symbol id="i-pv" viewBox="0 0 24 24"><circle cx="12" cy="12" r="4.5"/>'
    '<path d="M12 2v2.5M12 19.5V22M2 12h2.5M19.5 12H22M4.9 4.9l1.8 1.8M17.3 17.3l1.8 1.8'
    'M4.9 19.1l1.8-1.8M17.3 6.7l1.8-1.8"/></symbol>'
    '<symbol id="i-house" viewBox="0 0 24 24"><path d="M3 11.5L12 4l9 7.5M5.5 10v10h13V10'
    'M10 20v-5.5h4V20"/></symbol>'
    '<symbol id="i-grid" viewBox="0 0 24 24"><path d="M8 22L11 3h2l3 19M4 8h16M6 12.500h12'
    'M9.500 12.500L15 18M14.500 12.500L9 18M4 8v2M20 8v2"/></symbol>'
    '<symbol id="i-battery" viewBox="0 0 24 24"><rect x="6" y="5" width="12" height="17" rx="2"/>'
    '<path d="M10 5V2.500h4V5M13 9l-3 4.500h4L11 18"/></symbol>'
    '<symbol id="i-ok" viewBox="0 0 24 24"><circle cx="12" cy="12" r="9"/>'
    '<path d="M8 12.500l2.700 2.700L16 9.500"/></symbol>'
    '<symbol id="i-warn" viewBox="0 0 24 24"><path d="M12 4L2.500 20h19zM12 10v4.500M12 17v.5"/>'
    "</symbol></svg>"
)
