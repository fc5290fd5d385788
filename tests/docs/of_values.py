"""Tables about what is read and how it is called: measurements, models, metrics, MQTT."""

import inspect
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from sungather import household as figures
from sungather.exporters import homeassistant, mqtt
from sungather.exporters.homeassistant_entities import FAULT, entity
from sungather.history.cashbook import Statement
from sungather.household import BATTERY_LEVEL, FLOWS
from sungather.money import Interval, balance_of
from sungather.reading import ActiveFault, FaultReport, Reading, State, Value
from sungather.registers import derive
from sungather.registers.catalogue import registers_for
from sungather.registers.kinds import Shape, kind
from sungather.registers.models import model_named
from sungather.registers.tables import DATA, Register, Row, read_rows
from sungather.service import ClientTraffic, Health
from sungather.web.metrics import Metrics
from sungather.web.money_card import Money
from tests.docs.markdown import code, table
from tests.plain_values import measurements as measured

_FILES = {
    "common": "Every inverter",
    "string": "String inverters (SG)",
    "hybrid": "Hybrid inverters (SH, MG)",
    "settings": "Settings",
    "history": "History arrays",
    "undocumented": "Undocumented, level 3 only",
}
_WORDS = {
    "pv": "from the PV strings",
    "house": "used by the house",
    "grid_import": "taken from the grid",
    "grid_export": "fed into the grid",
    "battery_charge": "into the battery",
    "battery_discharge": "out of the battery",
}


def household() -> str:
    """The figures that every model has, whatever its registers are called."""
    rows = [
        row
        for flow in figures.FLOWS
        for row in (
            [code(f"{flow}_power"), "W", f"Power {_WORDS[flow]}, now"],
            [code(f"{flow}_energy_today"), "kWh", f"Energy {_WORDS[flow]}, since midnight"],
            [code(f"{flow}_energy_total"), "kWh", f"Energy {_WORDS[flow]}, ever"],
        )
    ]
    rows.append([code(figures.BATTERY_LEVEL), "%", "How full the battery is"])
    derived = derive.UNITS.keys() - {row[0].strip("`") for row in rows}
    rows += [[code(name), derive.UNITS[name], "Name of SunGather 0.5"] for name in sorted(derived)]
    return table(["Name", "Unit", "Meaning"], rows)


@dataclass
class _Line:
    """Rows of the map that differ only in a number in the name: one line of the table."""

    rows: list[Row]

    def takes(self, row: Row) -> bool:
        last, register = self.rows[-1].register, row.register
        return (
            _pattern(last.name) == _pattern(register.name)
            and last.name != register.name
            and (last.unit, last.level, last.tier, last.kind, last.source)
            == (register.unit, register.level, register.tier, register.kind, register.source)
        )

    def cells(self) -> list[str]:
        first, last = self.rows[0].register, self.rows[-1].register
        several = len(self.rows) > 1
        name = f"{code(first.name)} … {code(last.name)}" if several else code(first.name)
        registers = f"{_span(first)} … {_span(last)}" if several else _span(first)
        terms = [] if several else list(self.rows[0].condition.terms)
        condition = " ".join(terms) or _common(self.rows)
        return [
            name, first.unit, str(first.level), str(first.tier),
            f"{first.space} {registers}", code(condition), first.source,
        ]  # fmt: skip


def _pattern(name: str) -> str:
    return re.sub(r"\d+", "N", name)


def _common(rows: Sequence[Row]) -> str:
    """The condition of several rows, with N for the number in which they differ."""
    return re.sub(r">=\d+", ">=N", " ".join(rows[0].condition.terms))


def _span(register: Register) -> str:
    start, end = register.address, register.block.end
    return str(start) if start == end else f"{start}–{end}"


def _lines(rows: Iterable[Row]) -> Iterator[_Line]:
    line: _Line | None = None
    for row in rows:
        if line is not None and line.takes(row):
            line.rows.append(row)
            continue
        if line is not None:
            yield line
        line = _Line([row])
    if line is not None:
        yield line


_HEADER = ["Name", "Unit", "Level", "Read", "Registers", "Devices", "Source"]


def measurements() -> str:
    """Every row of the register map of inverters."""
    parts: list[str] = []
    for name, title in _FILES.items():
        lines = (line.cells() for line in _lines(read_rows(name)))
        parts.append(f"### {title}\n\n{table(_HEADER, lines)}")
    return "\n".join(parts)


def sub_devices() -> str:
    """Every row of the map of batteries and wall boxes."""
    return table(_HEADER, (line.cells() for line in _lines(read_rows("sub_devices"))))


def models() -> str:
    """The device type codes."""
    rows: list[list[str]] = []
    for line in (DATA / "models.table").read_text(encoding="utf-8").splitlines():
        if line.startswith("0x"):
            number, name, family, power, phases, mppts, strings, source = (
                cell.strip() for cell in line.split("|")
            )
            rows.append([name, family, power, phases, mppts, strings, code(number), source])
    header = ["Model", "Family", "kW", "Phases", "MPPT", "Strings", "Code", "Source"]
    return table(header, sorted(rows, key=lambda row: (row[1], row[0])))


def example(model: str, level: int) -> Reading:
    """A reading in which everything that the model has is present."""
    device = model_named(model)
    values: dict[str, Value] = {}
    units: dict[str, str] = {}
    for register in registers_for(device, level):
        if register.level <= level and register.name not in values:
            values[register.name] = _value(register)
            units[register.name] = register.unit
    names = [*derive.UNITS, figures.BATTERY_LEVEL]
    if not device.hybrid:
        names = [name for name in names if not name.startswith("battery_")]
    values |= dict.fromkeys(names, 1.0)
    values |= {"run_state": "ON"}
    units |= {name: derive.UNITS[name] for name in names if name in derive.UNITS}
    return Reading(
        "inverter", State.OK, datetime(2026, 6, 21, 12, tzinfo=UTC), model=device.model,
        family=device.family, serial="A2310715068", measurements=measured(values, units),
        faults=FaultReport((ActiveFault("alarm_code_1", "39 Low system insulation resistance"),)),
    )  # fmt: skip


def _value(register: Register) -> Value:
    if register.length > 1:
        return [1.0, None]
    number = kind(register.kind).shape is Shape.NUMBER
    return 1.0 if number and not register.codes else "text"


def _money() -> Money:
    balance = balance_of([Interval(3, 1, 1, 1, 1, 0.3, 0.1)])
    day = date(2026, 6, 21)
    return Money("EUR", {"today": Statement(balance, day, day, 0)}, 14500.0, 0.2)


def metrics() -> str:
    """Every metric of a hybrid and a string inverter at level 2, and of the program."""
    counting = Metrics()
    asking = (ClientTraffic("192.168.1.5", 1, 4, 2, 1, {2: 1}),)
    moment = datetime(2026, 6, 21, 12, tzinfo=UTC)
    health = Health("mqtt", "ok", last_success=moment, clients=asking, asked={"roof": 1})
    found: dict[str, list[str]] = {}
    for model in ("SH10RT", "SG10RT"):
        reading = example(model, 2)
        counting.on_reading(reading)
        plant: dict[str, float] = dict.fromkeys((*FLOWS, BATTERY_LEVEL), 1.0)
        text, _ = counting.exposition([reading], [health], "text/plain", _money(), plant)
        lines = text.decode().splitlines()
        for told, kind_, sample in zip(lines, lines[1:], lines[2:], strict=False):
            if not told.startswith("# HELP"):
                continue
            _, _, name, meaning = told.split(" ", 3)
            labels = ", ".join(re.findall(r'(\w+)="', sample))
            found.setdefault(name, [code(name), kind_.split()[-1], labels, meaning])
    found["sungather_errors_total"] = [
        code("sungather_errors_total"), "counter", "name, class", "Failed scans by class.",
    ]  # fmt: skip
    found["sungather_impossible_values_total"] = [
        code("sungather_impossible_values_total"), "counter", "name, value",
        "Values that were left out, since they cannot be.",
    ]  # fmt: skip
    own = {name for name in found if "Published as" not in found[name][3]}
    header = ["Metric", "Type", "Labels", "Meaning"]
    return (
        f"### The program and the inverters\n\n{table(header, (found[n] for n in sorted(own)))}\n"
        f"### Values\n\n{table(header, (found[n] for n in sorted(found.keys() - own)))}"
    )


def topics() -> str:
    """The topics, from the description of the exporter."""
    described = re.findall(r"^ {4}(\S+) +(.+)$", inspect.getdoc(mqtt) or "", re.MULTILINE)
    rows = [[code(f"TOPIC/{topic}"), meaning] for topic, meaning in described]
    return table(["Topic", "Message"], rows)


def entities() -> str:
    """What Home Assistant makes of the values of a hybrid inverter at level 1."""
    reading = example("SH10RT", 1)
    told = {
        name: entity(name, reading.unit(name), reading.values[name])
        for name in homeassistant.scalars(reading)
    }
    rows = [[code(FAULT), "Fault", "", "problem", "", "", "yes"]]
    keys = ("unit_of_meas", "dev_cla", "stat_cla", "ent_cat")
    for name in sorted(told, key=lambda one: (not told[one].get("en", True), one)):
        cells = (str(told[name].get(key, "")) for key in ("name", *keys))
        rows.append([code(name), *cells, "yes" if told[name].get("en", True) else ""])
    header = ["Value", "Entity", "Unit", "Device class", "State class", "Category", "Enabled"]
    return table(header, rows)
