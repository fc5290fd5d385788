"""Faults, inverters and services as HTML lists; pure."""

from collections.abc import Sequence
from datetime import datetime
from html import escape
from typing import Final

from sungather.history.store import Fault
from sungather.reading import ActiveFault, FaultReport, Reading, State, rfc3339
from sungather.service import ClientTraffic, Health
from sungather.web import codes
from sungather.web.language import Language
from sungather.web.page_model import PageModel
from sungather.web.trouble import NIGHT, is_failing

_OUTBOUND: Final = frozenset(
    {"mqtt", "influxdb", "pvoutput", "modbus-server", "console", "notify"}
)
"""Services that hand values on; the rest is plumbing."""


def pill(reading: Reading, model: PageModel) -> str:
    """The state of a reading, with how new it is."""
    say = model.say
    stale = reading.name in model.stale
    kind = str(reading.state)
    if reading.state is State.OK and (stale or active_faults(reading, model)):
        kind = "unreachable"
    if reading.state is State.OK:
        fresh = ago(reading.time, model.now, say)
    else:
        fresh = say.freshness(reading, model.now, model.timezone)
    state = say.state(reading, stale)
    if kind == "unreachable" and reading.state is State.OK and not stale:
        state = say("trouble.fault")
    return (
        f'<span class="dot {kind}"></span><b>{state}</b>'
        f"{f' <span>{fresh}</span>' if fresh else ''}"
    )


def night(reading: Reading, say: Language) -> str:
    """What is said of an inverter that sleeps, or probably does; it is no trouble."""
    if reading.problem is None or reading.problem.kind not in NIGHT:
        return ""
    return f'<p class="quiet">{say(f"night.{reading.problem.kind}")}</p>'


def ago(moment: datetime, now: datetime, say: Language) -> str:
    """An age that counts on by itself in a live page."""
    text = say.ago(max(0.0, (now - moment).total_seconds()))
    return f'<time class="ago" datetime="{rfc3339(moment)}">{text}</time>'


def active_faults(reading: Reading, model: PageModel) -> Sequence[ActiveFault]:
    """Those that a device tells now."""
    judged = model.faults_of(reading)
    return judged.active if judged else ()


def faults(model: PageModel) -> str:
    """Faults that are there, those that were, and what is not known; "" where none can be told."""
    say = model.say
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
            f"<details><summary>{say('faults.earlier', n=len(past))}</summary>"
            f'<ul class="faults past">{before}</ul></details>'
            if past
            else ""
        )
    )
    return f'<h2 id="faults-title">{say("faults.title")}</h2>{told}' if told else ""


def _unknown_faults(model: PageModel, some: bool) -> str:
    """What nobody knows of the faults of now; if that is nothing, and there are none, this."""
    say = model.say
    judged = [(reading, model.faults_of(reading)) for reading in model.told]
    telling = [(reading, found) for reading, found in judged if found is not None]
    if not model.told:
        return f'<p class="empty">{say("faults.before-first")}</p>'
    head = say("faults.more" if some else "faults.unknown")
    unknown = "".join(
        f'<p class="empty">'
        f"{head if model.one else say('faults.of', head=head, name=escape(model.name(reading)))}: "
        f"{_reason(reading, found, say)}.</p>"
        for reading, found in telling
        if found.unknown
    )
    if unknown or some or not telling:
        return unknown
    return (
        '<p class="fine"><svg aria-hidden="true"><use href="#i-ok"/></svg>'
        f"{say('faults.none')}</p>"
    )


def _reason(reading: Reading, found: FaultReport, say: Language) -> str:
    silent = {State.OK: "", State.ASLEEP: "faults.asleep"}.get(reading.state, "faults.silent")
    return say(silent) if silent else say.foreign(found.unknown)


def _fault(fault: Fault, model: PageModel, active: bool) -> str:
    say = model.say
    first = say.clock(fault.first, model.now, model.timezone)
    last = say.clock(fault.last, model.now, model.timezone)
    seen = say("faults.seen-still" if active else "faults.seen", first=first, last=last)
    named = [model.name(one) for one in model.readings if one.name == fault.inverter]
    whose = f"{escape(named[0])} · " if model.one is None and named else ""
    advice = codes.advice(fault.text, say) if active else ""
    return (
        '<li><svg aria-hidden="true"><use href="#i-warn"/></svg><div>'
        f"<b>{codes.linked(fault.text, say)}</b>"
        f'<p class="quiet">{whose}{say.label(fault.register)} · {seen}</p>'
        f"{f'<p>{advice}</p>' if advice else ''}</div></li>"
    )


def inverters(model: PageModel) -> str:
    """Links to the inverters, with their states."""
    say = model.say
    rows = "".join(
        f'<li><a href="?inverter={escape(r.name)}"><span><b>{escape(model.name(r))}</b>'
        f'<span class="quiet">{escape(r.display_model)}</span></span>'
        f'<span class="pill">{pill(r, model)}</span>'
        f'<span class="watts">{say.power(r.number("pv_power"))}</span></a>'
        f"{night(r, say)}</li>"
        for r in model.listed
    )
    return (
        f'<h2 id="inverters-title">{say("inverters.title")}</h2><ul class="inverters">{rows}</ul>'
    )


def services(model: PageModel) -> str:
    """How exporters are doing; what makes them work is behind a fold."""
    say = model.say
    told = "".join(_service(one, model) for one in model.services if one.name in _OUTBOUND)
    below = "".join(_plumbing(health, model) for health in model.services)
    head = f'<h2 id="services-title">{say("services.title")}</h2>'
    if not told:
        told = f'<p class="empty">{say("services.none")}</p>'
    else:
        told = f'<ul class="services">{told}</ul>'
    if not below:
        return head + told
    return (
        f"{head}{told}<details><summary>{say('services.inside')}</summary>"
        f'<ul class="services">{below}</ul></details>'
    )


def _name(health: Health, say: Language) -> str:
    return (
        f'<span class="dot {escape(health.state)}"></span><div>'
        f"<b>{say.term('service', health.name)}</b> "
        f"<span>{say.term('services', health.state)}</span>"
    )


def _service(health: Health, model: PageModel) -> str:
    say = model.say
    said = ""
    if health.last_success is not None:
        last = say.clock(health.last_success, model.now, model.timezone)
        said = f'<p class="quiet">{say("services.last", time=last)}</p>'
    return f"<li>{_name(health, say)}{said}</div></li>"


def _plumbing(health: Health, model: PageModel) -> str:
    say = model.say
    facts = [
        say(f"services.{key}", n=count)
        for key, count in (
            ("queue", health.queue),
            ("delivered", health.delivered),
            ("rejected", health.rejected),
            ("dropped", health.dropped),
        )
        if count
    ]
    facts += [_client(one, say) for one in health.clients if one.requests]
    facts += [
        escape(say("services.asked", name=name, n=n)) for name, n in health.asked.items() if n
    ]
    said = f'<p class="quiet">{" · ".join(facts)}</p>' if facts else ""
    message = ""
    if health.message and not is_failing(health):  # that is told at the top
        message = f'<p class="quiet">{say.foreign(health.message)}</p>'
    return f"<li>{_name(health, say)}{said}{message}</div></li>"


def _client(client: ClientTraffic, say: Language) -> str:
    """What one address has asked the Modbus server."""
    told = escape(
        say(
            "services.client",
            address=client.address,
            requests=client.requests,
            cached=client.from_cache,
            passed=client.passed_on,
        )
    )
    refusals = ", ".join(
        say("services.exception", code=f"{code:#04x}", n=n)
        for code, n in client.exceptions.items()
    )
    return f"{told} ({refusals})" if refusals else told
