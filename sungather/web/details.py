"""One inverter's details: strings, phases, temperatures, and the table of all values; pure."""

import re
from html import escape
from typing import Final

from sungather.reading import Reading, number_of
from sungather.web import formats

_MPPT: Final = re.compile(r"mppt_(\d+)_voltage")
_STRING: Final = re.compile(r"string_(\d+)_current")
_PHASES: Final = ("a", "b", "c")
_HEALTH_FIGURES: Final = (
    ("grid_frequency", "Grid frequency"),
    ("power_factor", "Power factor"),
    ("array_insulation_resistance", "Insulation resistance"),
    ("battery_voltage", "Battery voltage"),
    ("battery_state_of_healthy", "Battery health"),
    ("bus_voltage", "Bus voltage"),
    ("daily_running_time", "Running today"),
    ("total_running_time", "Total running time"),
)


def measurements(reading: Reading) -> str:
    """Strings, phases, temperatures and a few more, as far as the inverter tells them."""
    blocks = [_strings(reading), _phases(reading), _temperatures(reading), _more(reading)]
    body = "".join(blocks) or '<p class="empty">No data yet.</p>'
    return f'<h2 id="details-title">Inverter</h2><div class="blocks">{body}</div>'


def table(reading: Reading) -> str:
    """Every value, absent ones included. Its cells have ids: see `cell`."""
    names = sorted({*reading.measurements, *reading.absent})
    if not names:
        return '<p class="empty">No values while there is no reading.</p>'
    rows = "".join(
        f'<tr><th scope="row">{escape(formats.label(name))}<code>{escape(name)}</code></th>'
        f'<td id="{escape(cell_id(name))}">{cell(reading, name)}</td></tr>'
        for name in names
    )
    return (
        '<table class="values"><caption class="hidden">All values of the newest reading</caption>'
        '<thead class="hidden"><tr><th scope="col">Name</th><th scope="col">Value</th></tr>'
        "</thead>"
        f"<tbody>{rows}</tbody></table>"
    )


def rows_of(reading: Reading) -> str:
    """What tells two tables with different rows apart."""
    return " ".join(sorted({*reading.measurements, *reading.absent}))


def cell_id(name: str) -> str:
    """The id of a value's cell in the table: a live page gets only the cells that changed."""
    return f"v-{name}"


def cell(reading: Reading, name: str) -> str:
    """The inside of a value's cell."""
    return escape(formats.value(reading.value(name), reading.unit(name)))


def _strings(reading: Reading) -> str:
    known = reading.measurements
    numbers = sorted(int(match[1]) for name in known if (match := _MPPT.fullmatch(name)))
    rows: list[tuple[str, ...]] = []
    for index in numbers:
        volts = reading.number(f"mppt_{index}_voltage")
        amperes = reading.number(f"mppt_{index}_current")
        power = None if volts is None or amperes is None else volts * amperes
        title = f"MPPT {index}"
        rows.append((title, _unit(volts, "V"), _unit(amperes, "A"), formats.power(power)))
    strings = sorted(int(match[1]) for name in known if (match := _STRING.fullmatch(name)))
    for index in strings:
        amperes = reading.number(f"string_{index}_current")
        rows.append((f"String {index}", "", _unit(amperes, "A"), ""))
    return _block("Strings", ("", "Voltage", "Current", "Power"), rows)


def _phases(reading: Reading) -> str:
    rows: list[tuple[str, ...]] = []
    for phase in _PHASES:
        volts = reading.number(f"phase_{phase}_voltage")
        amperes = reading.number(f"phase_{phase}_current")
        meter = reading.number(f"meter_phase_{phase}_power")
        if meter is None:
            meter = reading.number(f"meter_{phase}_phase_power")
        if volts is None and amperes is None and meter is None:
            continue
        title = f"Phase {phase.upper()}"
        rows.append((title, _unit(volts, "V"), _unit(amperes, "A"), formats.power(meter)))
    return _block("Phases", ("", "Voltage", "Current", "Meter"), rows)


def _temperatures(reading: Reading) -> str:
    rows: list[tuple[str, ...]] = []
    for name, one in reading.measurements.items():
        if one.unit == "°C" and (figure := number_of(one.value)) is not None:
            title = formats.label(name).replace(" temperature", "").replace(" temp", "")
            rows.append((title, _unit(figure, "°C")))
    return _block("Temperatures", ("", "°C"), rows)


def _more(reading: Reading) -> str:
    rows = [
        (title, formats.value(one.value, one.unit))
        for name, title in _HEALTH_FIGURES
        if (one := reading.measurements.get(name)) is not None
    ]
    rows += [
        (_firmware(formats.label(part)), version) for part, version in reading.firmware.items()
    ]
    return _block("More", ("", "Value"), rows)


def _firmware(part: str) -> str:
    return part if "firmware" in part.lower() else f"{part} firmware"


def _block(title: str, heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    if not rows:
        return ""
    used = [
        i
        for i in range(len(heads))
        if i == 0 or any(r[i] not in ("", formats.ABSENT) for r in rows)
    ]
    head = "".join(f'<th scope="col">{heads[i]}</th>' if i else "<td></td>" for i in used)
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>'
        + "".join(f"<td>{escape(row[i])}</td>" for i in used[1:])
        + "</tr>"
        for row in rows
    )
    hidden = ' class="hidden"' if len(heads) < 3 else ""
    return (
        f'<div><h3>{title}</h3><table class="small"><thead{hidden}>'
        f"<tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _unit(figure: float | None, unit: str) -> str:
    return formats.value(figure, unit)
