"""What the collector hands on: one `Reading` an inverter and scan.

Exporters, page and commands see readings only; registers and words end before this line.
"""

import math
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, NamedTuple


class State(StrEnum):
    """How an inverter is doing, one word from the inverter to the page and the unit's status."""

    CONNECTING = "connecting"
    OK = "ok"
    ASLEEP = "asleep"
    UNREACHABLE = "unreachable"
    BUSY = "busy"
    NOT_AN_INVERTER = "not-an-inverter"
    MISCONFIGURED = "misconfigured"


class Path(StrEnum):
    """The way to the inverter: its own LAN port, a communication dongle, or a logger."""

    CABLE = "cable"
    DONGLE = "dongle"
    LOGGER = "logger"
    UNKNOWN = "unknown"


NOT_INVERTERS: Final = frozenset({"battery", "ems", "ev-charger", "logger", "meter"})
"""Families of devices that an inverter has beside it, and that have readings of their own."""

PLANT: Final = "plant"
"""Kind of the reading that is several inverters together."""

Value = float | int | str | bool | list[float | None]


class Measurement(NamedTuple):
    """One value of a reading."""

    value: Value
    unit: str = ""
    """As Home Assistant writes it; "" where there is none."""
    fresh: bool = True
    """Whether this scan read it; otherwise it is from a slower tier."""


def measured(
    values: Mapping[str, Value], units: Mapping[str, str], fresh: Set[str]
) -> dict[str, Measurement]:
    """The values with their units; `fresh` are the names that this scan read."""
    return {
        name: Measurement(value, units.get(name, ""), name in fresh)
        for name, value in values.items()
    }


def number_of(value: Value | None) -> float | None:
    """The value as a number; None where it is absent, no number or not finite."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if math.isfinite(value) else None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A part of the register map that the device does not give."""

    space: str
    """"input" or "holding"."""
    start: int
    """First register, documented (1-based) number."""
    count: int
    reason: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Why there is no (complete) reading."""

    kind: str
    """Stable dashed name, see `errors.py`."""
    message: str
    """One sentence with the likely cause and the remedy."""


class ActiveFault(NamedTuple):
    """A fault or alarm that the device tells now."""

    register: str
    """Published name of the register that tells it."""
    text: str
    """Code and text, such as "083 Fan 2 Stall Alarm"."""


@dataclass(frozen=True, slots=True)
class FaultReport:
    """What can be said of a device's faults now."""

    active: tuple[ActiveFault, ...] = ()
    unknown: str = ""
    """Why nobody can say that there are no (further) faults; "" where that can be said."""

    @property
    def known(self) -> bool:
        """Whether it can be said that there is a fault, or that there is none."""
        return bool(self.active) or not self.unknown

    @property
    def text(self) -> str:
        """The judgement in words: "none", the faults, or "unknown: …" with the reason."""
        told = "; ".join(fault.text for fault in self.active)
        if not self.unknown:
            return told or "none"
        return f"{told} (perhaps more: {self.unknown})" if told else f"unknown: {self.unknown}"


@dataclass(frozen=True, slots=True)
class Reading:
    """The newest that is known of one inverter, after one scan.

    A state other than `ok` has no values: old values are never shown as new ones.
    """

    name: str
    """The inverter's name in the options ("inverter" for the short form)."""
    state: State
    time: datetime
    """When the scan ended, UTC."""
    model: str = ""
    """"SH10RT", "unknown (0x1234)", or "" before the device said it: one name, fit for
    identities."""
    family: str = ""
    """"SH-RT", "SG-RS", …; "" if not known."""
    serial: str = ""
    firmware: Mapping[str, str] = field(default_factory=dict[str, str])
    transport: str = "modbus"
    path: Path = Path.UNKNOWN
    measurements: Mapping[str, Measurement] = field(default_factory=dict[str, Measurement])
    """By published name. A name that is absent is not in here."""
    impossible: tuple[str, ...] = ()
    """Names whose value this scan read and left out, since it cannot be."""
    absent: tuple[str, ...] = ()
    """Names that the model has, but the device marks as not available."""
    refused: tuple[Refusal, ...] = ()
    faults: FaultReport | None = None
    """None for a device that has no registers to tell faults: nothing is said of them."""
    requests: int = 0
    """Requests that this scan sent."""
    duration_ms: float = 0.0
    problem: Problem | None = None
    since: datetime | None = None
    """When `state` began, UTC."""
    kind: str = "inverter"
    """"inverter", "plant", or what kind of sub-device: "battery", "charger"."""
    via: str = ""
    """Name of the inverter whose sub-device this is; "" for an inverter itself."""
    other_models: tuple[str, ...] = ()
    """Models with the same type code; the device cannot say which of them it is."""
    connection: str = ""
    """Host and port that it is read over; the same for all that is behind one address."""

    @property
    def display_model(self) -> str:
        """The model for people: "SG10RT / SG10RT-20" where the device cannot say which."""
        return " / ".join((self.model, *self.other_models))

    @property
    def is_inverter(self) -> bool:
        """Whether this is an inverter's: only those are part of a sum."""
        return self.family not in NOT_INVERTERS and self.kind != PLANT

    @property
    def values(self) -> dict[str, Value]:
        """Published name -> value, made anew for each call."""
        return {name: one.value for name, one in self.measurements.items()}

    def value(self, name: str) -> Value | None:
        """The value of this published name; None where it is absent."""
        one = self.measurements.get(name)
        return None if one is None else one.value

    def unit(self, name: str) -> str:
        """The unit of this published name; "" where there is none."""
        one = self.measurements.get(name)
        return "" if one is None else one.unit

    def number(self, name: str) -> float | None:
        """The value as a number; None where it is absent, no number or not finite."""
        return number_of(self.value(name))


def rfc3339(moment: datetime) -> str:
    """UTC with milliseconds and a Z, as RFC 3339 wants it."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
