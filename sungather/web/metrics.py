"""`/metrics`: readings and health for Prometheus, as its text format or OpenMetrics; pure.

Written by hand: the reference library costs 4.9 MB of memory and registers what it is told once,
while the names here come and go with each reading. Its parser is the judge in the tests.

Naming rules: `sungather_<published name>_<unit>`, in base units but for energies, which stay in
kWh; lifetime energies are counters. Phases, trackers and strings are labels. Texts are `…_info`
with the text as label `value`. History arrays and texts that are times are left out. A value
that is absent is not exposed.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import sungather
from sungather.clock import Clock
from sungather.household import BATTERY_LEVEL, FLOWS
from sungather.reading import Reading, State
from sungather.service import ClientTraffic, Health
from sungather.web.http import weights
from sungather.web.money_card import Money, battery_saving

TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
OPEN_METRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_UNITS: Final = {
    "W": ("watts", 1.0),
    "kW": ("watts", 1000.0),
    "VA": ("volt_amperes", 1.0),
    "kVA": ("volt_amperes", 1000.0),
    "var": ("vars", 1.0),
    "kvar": ("vars", 1000.0),
    "V": ("volts", 1.0),
    "mV": ("volts", 0.001),
    "A": ("amperes", 1.0),
    "Ah": ("coulombs", 3600.0),
    "C": ("c_rate", 1.0),
    "°C": ("celsius", 1.0),
    "Hz": ("hertz", 1.0),
    "kWh": ("kwh", 1.0),
    "Wh": ("kwh", 0.001),
    "%": ("percent", 1.0),
    "kΩ": ("ohms", 1000.0),
    "s": ("seconds", 1.0),
    "min": ("seconds", 60.0),
    "h": ("seconds", 3600.0),
    "kg": ("grams", 1000.0),
}
"""Unit as published -> ending of the name, and the factor to it."""
_OWN: Final = {
    "build": ("info", "The running program."),
    "up": ("gauge", "1 if the last scan gave a reading."),
    "inverter_state": ("gauge", "1 for the state that the inverter is in."),
    "inverter": ("info", "What the inverter says of itself."),
    "scan_duration_seconds": ("gauge", "How long the last scan took."),
    "requests": ("counter", "Requests sent."),
    "scans": ("counter", "Scans by what came of them."),
    "errors": ("counter", "Failed scans by class."),
    "impossible_values": ("counter", "Values that were left out, since they cannot be."),
    "last_success_timestamp_seconds": ("gauge", "When the last reading was taken."),
    "newest_reading_age_seconds": ("gauge", "How old the newest values are."),
    "service_state": ("gauge", "1 for the state that an exporter, or another service, is in."),
    "service_queue_readings": ("gauge", "Readings that wait for delivery."),
    "service_delivered_readings": ("counter", "Readings delivered."),
    "service_rejected_readings": ("counter", "Readings that the other side refused for good."),
    "service_dropped_readings": ("counter", "Readings given up because the outbox was full."),
    "service_last_success_timestamp_seconds": ("gauge", "When the last delivery succeeded."),
    "modbus_server_connections": ("gauge", "Open connections of programs to the Modbus server."),
    "modbus_server_requests": ("counter", "Requests of programs to the Modbus server."),
    "modbus_server_from_cache": ("counter", "Those that were answered from memory."),
    "modbus_server_passed_on": ("counter", "Those for which the device was asked."),
    "modbus_server_inverter_requests": (
        "counter",
        "Requests sent to the inverter for the programs that the Modbus server answers.",
    ),
    "modbus_server_exceptions": ("counter", "Those that were answered with an exception."),
    "plant_battery_level_ratio": ("gauge", "The mean of all batteries."),
    **{
        f"plant_{flow}_power_watts": ("gauge", "All inverters together, as on the page.")
        for flow in FLOWS
    },
    "bill": ("gauge", "What is to be paid for the period so far; below 0: what is earned."),
    "saving": ("gauge", "What panels and battery have saved in the period so far."),
    "battery_saving": ("gauge", "The battery's part of it."),
    "self_sufficiency_ratio": ("gauge", "Share of the house's energy from panels and battery."),
    "self_consumption_ratio": ("gauge", "Share of the solar energy that was not sold."),
    "paid_back_ratio": ("gauge", "Share of tariff.paid that is saved by now."),
}
"""Metrics beside the published values: name -> kind and help."""
_ONE_OF: Final = re.compile(r"(?:^|_)(phase|mppt|string)_(\d+|[abc])(?=_)")
_PHASE_AFTER: Final = re.compile(r"_([abc])_phase(?=_)")
_RESERVED: Final = ("_total", "_count", "_sum", "_bucket", "_info", "_created")
"""Endings that mean something else to Prometheus."""
_OF_THE_CLOCK: Final = ("_hour", "_minute")
"""What ends so is no duration: 22 in start_hour is ten in the evening."""
_TIME: Final = re.compile(r"\d{4}-\d{1,2}-\d{1,2}[ T]\d{1,2}:\d{2}")
_SERVICE_STATES: Final = ("starting", "ok", "waiting", "blocked", "stopped")

Labels = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class _Family:
    kind: str
    """"gauge", "counter" or "info"."""
    help: str
    samples: dict[Labels, float] = field(default_factory=dict[Labels, float])


@dataclass(slots=True)
class _Counts:
    """What is counted of one inverter since the start."""

    scans: Counter[str] = field(default_factory=Counter[str])
    errors: Counter[str] = field(default_factory=Counter[str])
    impossible: Counter[str] = field(default_factory=Counter[str])
    requests: int = 0
    last_success: float | None = None
    read_at: float = 0.0
    """When that was, on the clock that is never set."""


class Metrics:
    """Counts readings, and writes everything that is known as metrics."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or Clock()
        self._counts: dict[str, _Counts] = {}

    def on_reading(self, reading: Reading) -> None:
        """Count a reading."""
        if reading.state is State.CONNECTING:
            return
        counts = self._counts.setdefault(reading.name, _Counts())
        counts.scans[str(reading.state)] += 1
        counts.requests += reading.requests
        counts.impossible.update(reading.impossible)
        if reading.problem is not None and reading.state is not State.ASLEEP:
            counts.errors[reading.problem.kind] += 1
        if reading.state is State.OK:
            counts.last_success = reading.time.timestamp()
            counts.read_at = self._clock.monotonic()

    def exposition(
        self,
        readings: Sequence[Reading],
        services: Sequence[Health],
        accept: str,
        money: Money | None = None,
        plant: Mapping[str, float] | None = None,
    ) -> tuple[bytes, str]:
        """The text and its content type, as the `Accept` header wishes.

        `plant`: what all do together, figure -> W, of the battery's level %.
        """
        families = _Families()
        families.own("build", (("version", sungather.__version__),), 1)
        for reading in readings:
            self._inverter(families, reading)
            _values(families, reading)
            _faults(families, reading)
        for figure, amount in (plant or {}).items():
            if figure == BATTERY_LEVEL:
                families.own("plant_battery_level_ratio", (), amount / 100)
            else:
                families.own(f"plant_{figure}_power_watts", (), amount)
        for service in services:
            _service(families, service)
        if money is not None:
            _money(families, money)
        accepted = weights(accept)
        open_weight = accepted.get("application/openmetrics-text", 0.0)
        wants_open = open_weight > accepted.get("text/plain", 0.0)
        return families.text(wants_open).encode(), OPEN_METRICS if wants_open else TEXT

    def _inverter(self, families: "_Families", reading: Reading) -> None:
        name: Labels = (("name", reading.name),)
        counts = self._counts.get(reading.name, _Counts())
        families.own("up", name, reading.state is State.OK)
        for state in State:
            families.own("inverter_state", (*name, ("state", str(state))), reading.state is state)
        about = (("transport", reading.transport), ("path", str(reading.path)))
        families.own("inverter", (*_identity(reading), ("family", reading.family), *about), 1)
        families.own("scan_duration_seconds", name, reading.duration_ms / 1000)
        families.own("requests", name, counts.requests)
        for state, count in counts.scans.items():
            families.own("scans", (*name, ("state", state)), count)
        for kind, count in counts.errors.items():
            families.own("errors", (*name, ("class", kind)), count)
        for published, count in counts.impossible.items():
            families.own("impossible_values", (*name, ("value", published)), count)
        if counts.last_success is not None:
            families.own("last_success_timestamp_seconds", name, counts.last_success)
            age = self._clock.monotonic() - counts.read_at
            families.own("newest_reading_age_seconds", name, round(age, 3))


def _money(families: "_Families", money: Money) -> None:
    for period, one in money.statements.items():
        of: Labels = (("period", period),)
        balance = one.balance
        for name, amount in (
            ("bill", balance.bill),
            ("saving", balance.saving),
            ("battery_saving", battery_saving(balance)),
        ):
            if amount is not None:
                families.own(name, (*of, ("currency", money.currency)), round(amount, 4))
        for name in ("self_sufficiency", "self_consumption"):
            share = getattr(balance, name)
            if share is not None:
                families.own(f"{name}_ratio", of, round(share, 4))
    if money.paid_back is not None:
        families.own("paid_back_ratio", (), round(money.paid_back, 4))


class _Families:
    """Metric families in the order of their first sample."""

    def __init__(self) -> None:
        self._families: dict[str, _Family] = {}

    def own(self, name: str, labels: Labels, value: float) -> None:
        self.add(name, *_OWN[name], labels, value)

    def add(self, name: str, kind: str, help_: str, labels: Labels, value: float) -> None:
        family = self._families.setdefault(f"sungather_{name}", _Family(kind, help_))
        if family.kind == kind:
            family.samples.setdefault(labels, float(value))

    def text(self, open_metrics: bool) -> str:
        lines: list[str] = []
        for name, family in self._families.items():
            sample = name + {"counter": "_total", "info": "_info"}.get(family.kind, "")
            if open_metrics:
                declared, kind = name, family.kind
            else:
                declared, kind = sample, "gauge" if family.kind == "info" else family.kind
            lines.append(f"# HELP {declared} {_escaped(family.help, open_metrics)}")
            lines.append(f"# TYPE {declared} {kind}")
            lines += [
                f"{sample}{_written(labels)} {_number(value)}"
                for labels, value in family.samples.items()
            ]
        if open_metrics:
            lines.append("# EOF")
        return "\n".join(lines) + "\n"


def _identity(reading: Reading) -> Labels:
    own = (("name", reading.name), ("serial", reading.serial), ("model", reading.model))
    return (*own, ("kind", reading.kind), ("via", reading.via)) if reading.via else own


def _values(families: _Families, reading: Reading) -> None:
    identity = _identity(reading)
    for published, (value, unit, _) in reading.measurements.items():
        name = re.sub(r"[^a-z0-9_]", "_", published.lower())
        if isinstance(value, list):
            continue
        if isinstance(value, str):
            if not _TIME.match(value):
                help_ = f"Published as {published}."
                families.add(name, "info", help_, (*identity, ("value", value)), 1)
            continue
        ending, factor = _UNITS.get(unit, ("", 1.0))
        name, part = _apart(name)
        if name.endswith(_OF_THE_CLOCK) and unit in ("h", "min"):
            told = f"Published as {published} in {unit}: a time of day."
            families.add(name, "gauge", told, identity + part, value)
            told = f"Deprecated, and gone in the next version: use sungather_{name}."
            families.add(f"{name}_seconds", "gauge", told, identity + part, value * factor)
            continue
        kind = "counter" if ending == "kwh" and _is_lifetime(name) else "gauge"
        if kind == "counter":
            name = name.removesuffix("_total")
        if ending:
            name = f"{name}_{ending}"
        elif name.endswith(_RESERVED):
            name = f"{name}_value"
        known_as = published.replace(f"_{part[0][1]}", "_N", 1) if part else published
        told = f"Published as {known_as}{f' in {unit}' if unit else ''}."
        # Rounded, so that a change of unit leaves no trace of binary fractions.
        families.add(name, kind, told, identity + part, round(value * factor, 6))


def _faults(families: _Families, reading: Reading) -> None:
    """How many faults there are, and each of them; nothing while nobody knows."""
    faults = reading.faults
    if faults is None or not faults.known:
        return
    identity = _identity(reading)
    families.add(
        "faults",
        "gauge",
        "Faults and alarms that the device tells now. Absent while that is not known.",
        identity,
        len(faults.active),
    )
    for fault in faults.active:
        labels = (*identity, ("register", fault.register), ("value", fault.text))
        families.add("fault", "info", "A fault or alarm that the device tells now.", labels, 1)


def _apart(name: str) -> tuple[str, Labels]:
    """What there are several of goes into a label: "mppt_2_voltage" is mppt="2"."""
    if found := _ONE_OF.search(name):
        kind, which = found.groups()
        return name[: found.end()].removesuffix(f"_{which}") + name[found.end() :], (
            (kind, which),
        )
    if found := _PHASE_AFTER.search(name):
        return _PHASE_AFTER.sub("_of_phase", name), (("phase", found[1]),)
    return name, ()


def _is_lifetime(name: str) -> bool:
    return name.startswith("total_") or name.endswith("_total")


def _service(families: _Families, health: Health) -> None:
    labels: Labels = (("service", health.name),)
    for state in _SERVICE_STATES:
        families.own("service_state", (*labels, ("state", state)), health.state == state)
    families.own("service_queue_readings", labels, health.queue)
    families.own("service_delivered_readings", labels, health.delivered)
    families.own("service_rejected_readings", labels, health.rejected)
    families.own("service_dropped_readings", labels, health.dropped)
    if health.last_success is not None:
        moment = health.last_success.timestamp()
        families.own("service_last_success_timestamp_seconds", labels, moment)
    for client in health.clients:
        _client(families, client)
    for name, count in health.asked.items():
        families.own("modbus_server_inverter_requests", (("name", name),), count)


def _client(families: _Families, client: ClientTraffic) -> None:
    """What the programs at one address ask the Modbus server."""
    labels: Labels = (("client", client.address),)
    families.own("modbus_server_connections", labels, client.connections)
    families.own("modbus_server_requests", labels, client.requests)
    families.own("modbus_server_from_cache", labels, client.from_cache)
    families.own("modbus_server_passed_on", labels, client.passed_on)
    for code, count in client.exceptions.items():
        families.own("modbus_server_exceptions", (*labels, ("code", f"{code:#04x}")), count)


def _written(labels: Labels) -> str:
    inside = ",".join(f'{name}="{_escaped(value, True)}"' for name, value in labels)
    return f"{{{inside}}}" if inside else ""


def _escaped(text: str, quotes: bool) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quotes else text


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
