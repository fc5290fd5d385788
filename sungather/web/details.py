"""One inverter's details: strings, phases, temperatures, and the table of all values; pure."""

import re
from html import escape
from typing import Final

from sungather.reading import Reading, number_of
from sungather.web.language import ABSENT, Language

_MPPT: Final = re.compile(r"mppt_(\d+)_voltage")
_STRING: Final = re.compile(r"string_(\d+)_current")
_PHASES: Final = ("a", "b", "c")
_MORE: Final = (
    "grid_frequency",
    "power_factor",
    "array_insulation_resistance",
    "bus_voltage",
    "daily_running_time",
    "total_running_time",
)


def measurements(reading: Reading, title: str, say: Language) -> str:
    """Strings, phases, temperatures and a few more, as far as the device tells them."""
    blocks = (_strings, _phases, _temperatures, _more)
    body = "".join(block(reading, say) for block in blocks)
    inside = f'<div class="blocks">{body}</div>' if body else _nothing(say)
    return f'<h2 id="details-title">{escape(title)}</h2>{inside}'


def _nothing(say: Language) -> str:
    return f'<p class="empty">{say("details.nothing")}</p>'


def table(reading: Reading, say: Language) -> str:
    """Every value, absent ones included. Its cells have ids: see `cell`."""
    names = sorted({*reading.measurements, *reading.absent})
    if not names:
        return _nothing(say)
    rows = "".join(
        f'<tr><th scope="row">{say.label(name)}<code>{escape(name)}</code></th>'
        f'<td id="{escape(cell_id(name))}">{cell(reading, name, say)}</td></tr>'
        for name in names
    )
    return (
        f'<table class="values"><caption class="hidden">{say("values.caption")}</caption>'
        f'<thead class="hidden"><tr><th scope="col">{say("values.name")}</th>'
        f'<th scope="col">{say("values.value")}</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )


def rows_of(reading: Reading) -> str:
    """What tells two tables with different rows apart."""
    return " ".join(sorted({*reading.measurements, *reading.absent}))


def cell_id(name: str) -> str:
    """The id of a value's cell in the table: a live page gets only the cells that changed."""
    return f"v-{name}"


def cell(reading: Reading, name: str, say: Language) -> str:
    """The inside of a value's cell."""
    value = reading.value(name)
    said = say.value(value, reading.unit(name))
    return say.foreign(said) if isinstance(value, str) else escape(said)


def _strings(reading: Reading, say: Language) -> str:
    known = reading.measurements
    numbers = sorted(int(match[1]) for name in known if (match := _MPPT.fullmatch(name)))
    rows: list[tuple[str, ...]] = []
    for index in numbers:
        volts = reading.number(f"mppt_{index}_voltage")
        amperes = reading.number(f"mppt_{index}_current")
        power = None if volts is None or amperes is None else volts * amperes
        title = f"MPPT {index}"
        rows.append((title, say.value(volts, "V"), say.value(amperes, "A"), say.power(power)))
    strings = sorted(int(match[1]) for name in known if (match := _STRING.fullmatch(name)))
    for index in strings:
        amperes = reading.number(f"string_{index}_current")
        rows.append((say("details.string", n=index), "", say.value(amperes, "A"), ""))
    return _block("strings", ("voltage", "current", "power"), rows, say)


def _phases(reading: Reading, say: Language) -> str:
    rows: list[tuple[str, ...]] = []
    for phase in _PHASES:
        prefix = "charger_" if reading.family == "ev-charger" else ""
        volts = reading.number(f"{prefix}phase_{phase}_voltage")
        amperes = reading.number(f"{prefix}phase_{phase}_current")
        meter = reading.number(f"meter_phase_{phase}_power")
        if meter is None:
            meter = reading.number(f"meter_{phase}_phase_power")
        if volts is None and amperes is None and meter is None:
            continue
        title = say("details.phase", phase=phase.upper())
        rows.append((title, say.value(volts, "V"), say.value(amperes, "A"), say.power(meter)))
    return _block("phases", ("voltage", "current", "meter"), rows, say)


def _temperatures(reading: Reading, say: Language) -> str:
    rows: list[tuple[str, ...]] = []
    for name, one in reading.measurements.items():
        if one.unit == "°C" and (figure := number_of(one.value)) is not None:
            rows.append((say.label(name), say.value(figure, "°C")))
    return _block("temperatures", ("value",), rows, say)


def _more(reading: Reading, say: Language) -> str:
    rows = [
        (say.label(name), escape(say.value(one.value, one.unit)))
        for name in _MORE
        if (one := reading.measurements.get(name)) is not None
    ]
    rows += [
        (say("details.firmware", part=say.label(part)), escape(version))
        for part, version in reading.firmware.items()
    ]
    return _block("more", ("value",), rows, say)


def _block(title: str, heads: tuple[str, ...], rows: list[tuple[str, ...]], say: Language) -> str:
    """A small table; `rows` are HTML."""
    if not rows:
        return ""
    used = [i for i, _ in enumerate(heads, 1) if any(row[i] not in ("", ABSENT) for row in rows)]
    head = "".join(f'<th scope="col">{say(f"details.{heads[i - 1]}")}</th>' for i in used)
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>'
        + "".join(f"<td>{row[i]}</td>" for i in used)
        + "</tr>"
        for row in rows
    )
    hidden = ' class="hidden"' if len(heads) < 2 else ""
    return (
        f'<div><h3>{say(f"details.{title}")}</h3><table class="small"><thead{hidden}>'
        f"<tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
