"""Faults, inverters and services as HTML lists; pure."""

from collections.abc import Sequence
from datetime import datetime
from html import escape
from typing import Final

from sungather.history.store import Fault
from sungather.reading import ActiveFault, Reading, State, rfc3339
from sungather.service import ClientTraffic, Health
from sungather.web import formats
from sungather.web.page_model import PageModel
from sungather.web.trouble import NIGHT, is_failing

_OUTBOUND: Final = frozenset({"mqtt", "influxdb", "pvoutput", "modbus-server", "console"})
"""Services that hand values on; the rest is plumbing."""


def pill(reading: Reading, model: PageModel) -> str:
    """The state of a reading, with how new it is."""
    stale = reading.name in model.stale
    kind = str(reading.state)
    if reading.state is State.OK and (stale or active_faults(reading, model)):
        kind = "unreachable"
    if reading.state is State.OK:
        fresh = ago(reading.time, model.now)
    else:
        fresh = escape(formats.freshness(reading, model.now, model.timezone))
    said = f"<b>{formats.state(reading, stale)}</b>{f' <span>{fresh}</span>' if fresh else ''}"
    return f'<span class="dot {kind}"></span>{said}'


def night(reading: Reading) -> str:
    """What is said of an inverter that sleeps, or probably does; it is no trouble."""
    if reading.problem is None or reading.problem.kind not in NIGHT:
        return ""
    return f'<p class="quiet">{escape(reading.problem.message)}</p>'


def ago(moment: datetime, now: datetime) -> str:
    """An age that counts on by itself in a live page."""
    text = formats.ago(max(0.0, (now - moment).total_seconds()))
    return f'<time class="ago" datetime="{rfc3339(moment)}">{text}</time>'


def active_faults(reading: Reading, model: PageModel) -> Sequence[ActiveFault]:
    """Those that a device tells now."""
    judged = model.faults_of(reading)
    return judged.active if judged else ()


def faults(model: PageModel) -> str:
    """Faults that are there, those that were, and what is not known; "" where none can be told."""
    known = {(fault.inverter, fault.register, fault.text): fault for fault in model.faults}
    active: dict[tuple[str, str, str], Fault] = {}
    for reading in model.told:
        for register, text in active_faults(reading, model):
            key = reading.name, register, text
            new = Fault(*key, reading.time, reading.time)
            active[key] = known.get(key, new)
    past = [fault for key, fault in known.items() if key not in active]
    now = "".join(_fault(fault, model, True) for fault in active.values())
    before = "".join(_fault(fault, model, False) for fault in past)
    told = (
        (f'<ul class="faults">{now}</ul>' if now else "")
        + _unknown_faults(model, bool(now))
        + (
            f'<details><summary>Earlier faults ({len(past)})</summary><ul class="faults past">'
            f"{before}</ul></details>"
            if past
            else ""
        )
    )
    return f'<h2 id="faults-title">Faults</h2>{told}' if told else ""


def _unknown_faults(model: PageModel, some: bool) -> str:
    """What nobody knows of the faults of now; if that is nothing, and there are none, this."""
    judged = [(reading.name, model.faults_of(reading)) for reading in model.told]
    telling = [(name, found) for name, found in judged if found is not None]
    if not model.told:
        return '<p class="empty">Unknown before the first reading.</p>'
    head = "There may be more" if some else "Unknown"
    unknown = "".join(
        f'<p class="empty">{head}{"" if model.one else f" of {escape(name)}"}: '
        f"{escape(found.unknown)}.</p>"
        for name, found in telling
        if found.unknown
    )
    if unknown or some or not telling:
        return unknown
    return '<p class="fine"><svg aria-hidden="true"><use href="#i-ok"/></svg>No faults now.</p>'


def _fault(fault: Fault, model: PageModel, active: bool) -> str:
    first = formats.clock(fault.first, model.now, model.timezone)
    last = "still there" if active else formats.clock(fault.last, model.now, model.timezone)
    whose = f"{escape(fault.inverter)} · " if model.one is None else ""
    return (
        f'<li><svg aria-hidden="true"><use href="#i-warn"/></svg><div><b>{escape(fault.text)}</b>'
        f'<p class="quiet">{whose}{escape(formats.label(fault.register))} · first seen {first} · '
        f"{'' if active else 'last seen '}{last}</p></div></li>"
    )


def inverters(model: PageModel) -> str:
    """Links to inverters and devices, with their states."""
    rows = "".join(
        f'<li><a href="?inverter={escape(r.name)}"><span><b>{escape(r.name)}</b>'
        f'<span class="quiet">{escape(r.display_model)}</span></span>'
        f'<span class="pill">{pill(r, model)}</span>'
        f"{_watts(r)}</a>{night(r)}</li>"
        for r in model.listed
    )
    title = "Inverters" if len(model.inverters) > 1 else "Battery and charger"
    return f'<h2 id="inverters-title">{title}</h2><ul class="inverters">{rows}</ul>'


def _watts(reading: Reading) -> str:
    if not reading.is_inverter:
        return ""
    return f'<span class="watts">{formats.power(reading.number("pv_power"))}</span>'


def services(model: PageModel) -> str:
    """How exporters are doing; what makes them work is behind a fold."""
    outbound = [one for one in model.services if one.name in _OUTBOUND]
    inner = [one for one in model.services if one.name not in _OUTBOUND]
    told = "".join(_service(health, model) for health in outbound)
    below = "".join(_service(health, model) for health in inner)
    return (
        '<h2 id="services-title">Exports</h2>'
        + (f'<ul class="services">{told}</ul>' if told else '<p class="empty">None.</p>')
        + (
            f'<details><summary>Inside SunGather</summary><ul class="services">{below}</ul>'
            "</details>"
            if below
            else ""
        )
    )


def _service(health: Health, model: PageModel) -> str:
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
        facts.append(
            f"last success {formats.clock(health.last_success, model.now, model.timezone)}"
        )
    facts += [_client(one) for one in health.clients if one.requests]
    said = f'<p class="quiet">{" · ".join(facts)}</p>' if facts else ""
    message = ""
    if health.message and not is_failing(health):  # that is told at the top
        message = f'<p class="quiet">{escape(health.message)}</p>'
    name = escape(formats.service(health.name))
    return (
        f'<li><span class="dot {escape(health.state)}"></span><div><b>{name}</b>'
        f" <span>{escape(health.state)}</span>{said}{message}</div></li>"
    )


def _client(client: ClientTraffic) -> str:
    """What one address has asked the Modbus server."""
    refusals = ", ".join(f"exception {code:#04x}: {n}" for code, n in client.exceptions.items())
    return (
        f"{escape(client.address)} asked {client.requests} times, {client.from_cache} from memory"
        f"{f' ({refusals})' if refusals else ''}"
    )
