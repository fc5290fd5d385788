"""Battery and charger as a household sees them; pure."""

from collections.abc import Iterable
from datetime import datetime
from html import escape
from typing import Final

from sungather.reading import Reading, Value
from sungather.web.flow import Flow
from sungather.web.language import SPACE, Language
from sungather.web.page_model import PageModel

BATTERY: Final = "battery"
CHARGER: Final = "ev-charger"
_AT_WORK: Final = frozenset(
    {"Charging", "Suspended by the charge point", "Suspended by the vehicle"}
)
"""States of a wall box in which its session goes on."""

Facts = Iterable[tuple[str, str]]
"""(title, figure) of a list, as text."""


def batteries(model: PageModel, now: Flow) -> str:
    """The card of the batteries; "" where there is none, or nothing to tell of it.

    An inverter tells little of its battery, and the battery itself, where it is read, the rest.
    """
    packs = _of(model, BATTERY)
    owners = [] if model.about_a_device else model.shown
    if len(packs) == 1 or not packs:
        own = owners[0] if len(owners) == 1 else None
        told = _battery(packs[0] if packs else None, own, now, model)
    else:
        told = "".join(_battery(pack, None, None, model, titled=True) for pack in packs)
    title = model.say("device.battery")
    return f'<h2 id="battery-title">{title}</h2>{told}' if told else ""


def chargers(model: PageModel) -> str:
    """The card of the wall boxes; "" where there is none."""
    found = _of(model, CHARGER)
    told = "".join(_charger(one, model, titled=len(found) > 1) for one in found)
    return f'<h2 id="charger-title">{model.say("device.ev-charger")}</h2>{told}' if told else ""


def car_power(model: PageModel) -> float | None:
    """What the wall boxes take now, in W; None where none tells."""
    known = [one.number("charger_power") for one in _of(model, CHARGER)]
    told = [watts for watts in known if watts is not None]
    return sum(told) if told else None


def _of(model: PageModel, family: str) -> list[Reading]:
    """The devices of a kind that the page is about: those of its inverters, or it itself."""
    return [
        r
        for r in model.devices
        if r.family == family and (not model.chosen or model.chosen in (r.name, r.via))
    ]


def _battery(
    pack: Reading | None,
    own: Reading | None,
    now: Flow | None,
    model: PageModel,
    titled: bool = False,
) -> str:
    say = model.say

    def first(*names: str) -> float | None:
        """The first of these that a device tells, the battery before its inverter."""
        for reading in (pack, own):
            if reading is None or reading.name in model.stale:
                continue
            for name in names:
                if (figure := reading.number(name)) is not None:
                    return figure
        return None

    level = now.battery_level if now is not None else None
    if level is None:
        level = first("battery_pack_level", "battery_level")
    facts = [
        (
            "health",
            _with_unit(first("battery_pack_health", "battery_state_of_healthy"), 0, "%", say),
        ),
        ("spread", _spread(first("max_cell_voltage"), first("min_cell_voltage"), say)),
        (
            "temperature",
            _range(
                first("min_module_temperature", "battery_pack_temperature", "battery_temperature"),
                first("max_module_temperature", "battery_pack_temperature", "battery_temperature"),
                say,
            ),
        ),
        ("voltage", _with_unit(first("battery_pack_voltage", "battery_voltage"), 0, "V", say)),
        ("capacity", _with_unit(first("battery_capacity"), 1, "kWh", say)),
        ("charged", _with_unit(first("battery_pack_total_charge"), 0, "kWh", say)),
    ]
    listed = _facts([(say(f"battery.{key}"), told) for key, told in facts if told])
    if level is None and not listed:
        return ""
    moves = "" if now is None or titled else _moves(now, say)
    return _head(pack, model, titled) + _level(level, moves, say) + listed + _more(pack, model)


def _moves(now: Flow, say: Language) -> str:
    watts = now.battery
    if watts is None:
        return ""
    way = "idle" if abs(watts) <= 5 else "from" if watts > 0 else "to"
    return say(f"battery.{way}", power=say.power(abs(watts)))


def _head(reading: Reading | None, model: PageModel, titled: bool) -> str:
    return f"<h3>{escape(model.name(reading))}</h3>" if titled and reading is not None else ""


def _more(reading: Reading | None, model: PageModel) -> str:
    """A link to the page of the device, but not on that page."""
    if reading is None or reading.name == model.chosen:
        return ""
    about = escape(" · ".join(filter(None, (reading.display_model, reading.serial))))
    state = ""
    if not reading.measurements:
        state = f" · {model.say.state(reading)}"
    link = f'<a href="?inverter={escape(reading.name)}">{model.say("device.all-values")}</a>'
    return f'<p class="quiet links">{link}<span>{about}{state}</span></p>'


def _level(level: float | None, moves: str, say: Language) -> str:
    """The level as a figure and on a scale."""
    if level is None:
        return ""
    share = max(0.0, min(100.0, level))
    ticks = "".join(
        f'<text class="tick {side}" x="{at}%" y="32">{at}</text>'
        for at, side in ((0, "start"), (50, "mid"), (100, "end"))
    )
    return (
        f'<div class="meter"><p><b>{say.percent(level)}</b> <span>{moves}</span></p>'
        '<svg class="scale" height="36" width="100%" aria-hidden="true">'
        '<rect class="track" width="100%" height="16" rx="5"/>'
        f'<rect class="fill" width="{share:.1f}%" height="16" rx="5"/>'
        '<line class="notch" x1="25%" x2="25%" y1="0" y2="16"/>'
        '<line class="notch" x1="50%" x2="50%" y1="0" y2="16"/>'
        f'<line class="notch" x1="75%" x2="75%" y1="0" y2="16"/>{ticks}</svg></div>'
    )


def _facts(facts: Facts) -> str:
    rows = "".join(f"<div><dt>{title}</dt><dd>{figure}</dd></div>" for title, figure in facts)
    return f'<dl class="facts">{rows}</dl>' if rows else ""


def _with_unit(figure: float | None, digits: int, unit: str, say: Language) -> str:
    return "" if figure is None else f"{say.number(figure, digits)}{SPACE}{unit}"


def _spread(highest: float | None, lowest: float | None, say: Language) -> str:
    """How far the cells are apart."""
    if highest is None or lowest is None:
        return ""
    return _with_unit(1000 * (highest - lowest), 0, "mV", say)


def _range(lowest: float | None, highest: float | None, say: Language) -> str:
    if lowest is None or highest is None:
        return ""
    texts = dict.fromkeys(say.number(one, 0) for one in (lowest, highest))
    return f"{'–'.join(texts)}{SPACE}°C"


def _charger(reading: Reading, model: PageModel, titled: bool) -> str:
    say = model.say
    if reading.name in model.stale or not reading.measurements:
        state = say.state(reading, reading.name in model.stale)
        return f'{_head(reading, model, titled)}<p class="empty">{state}</p>'
    status = reading.value("charger_status")
    at_work = status in _AT_WORK
    facts = [
        ("power", say.power(reading.number("charger_power"))),
        (
            "session" if at_work else "last-session",
            _with_unit(reading.number("charger_session_energy"), 1, "kWh", say),
        ),
        ("since", _local(reading.value("charger_session_start"), model) if at_work else ""),
        ("energy", _with_unit(reading.number("charger_total_energy"), 0, "kWh", say)),
    ]
    listed = _facts([(say(f"charger.{key}"), told) for key, told in facts if told])
    said = _status(status, say)
    return (
        f'{_head(reading, model, titled)}<p class="big">{said}</p>{listed}{_more(reading, model)}'
    )


def _status(status: Value | None, say: Language) -> str:
    return "" if status is None else say.term("charger-status", str(status))


def _local(told: Value | None, model: PageModel) -> str:
    """A time that a device tells by its own clock."""
    try:
        moment = datetime.fromisoformat(str(told)).replace(tzinfo=model.timezone)
    except ValueError:
        return ""
    return model.say.clock(moment, model.now, model.timezone)
