"""Home Assistant's MQTT discovery: which entity a published name becomes.

One message a device (`<prefix>/device/<id>/config`), which Home Assistant understands since
2024.12. Pure: from a reading to the message.
https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sungather import __version__
from sungather.household import BATTERY_LEVEL, FLOWS, POWERS
from sungather.reading import Reading, Value

FAULT = "fault"
"""Key of the state message: whether there is a fault; null while nobody knows."""
_FAULTS = "faults"
"""Key of the state message: the faults in words."""

HOUSEHOLD = frozenset(
    {
        BATTERY_LEVEL,
        *POWERS,
        *(f"{flow}_energy_{span}" for flow in FLOWS for span in ("today", "total")),
    }
)


@dataclass(frozen=True, slots=True)
class Sort:
    """What a unit says about an entity."""

    device_class: str | None
    precision: int | None
    state_class: str | None = "measurement"


_BY_UNIT: Mapping[str, Sort] = {
    "W": Sort("power", 0),
    "kW": Sort("power", 2),
    "VA": Sort("apparent_power", 0),
    "var": Sort("reactive_power", 0),
    # Home Assistant did not take kvar as a unit of reactive power in 2024.12.
    "kvar": Sort(None, 1),
    "V": Sort("voltage", 1),
    "mV": Sort("voltage", 0),
    "A": Sort("current", 1),
    "Hz": Sort("frequency", 2),
    "°C": Sort("temperature", 1),
    "Wh": Sort("energy", 0, "total_increasing"),
    "kWh": Sort("energy", 1, "total_increasing"),
    "MWh": Sort("energy", 2, "total_increasing"),
    "%": Sort(None, 1),
    "h": Sort("duration", 0, "total_increasing"),
    "min": Sort("duration", 0, "total_increasing"),
    "s": Sort("duration", 0),
    "kg": Sort("weight", 1, "total_increasing"),
    "kΩ": Sort(None, 0),
}
_BY_NAME: Mapping[str, Sort] = {
    BATTERY_LEVEL: Sort("battery", 0),
    "soc": Sort("battery", 0),
    "soh": Sort(None, 1),
    "battery_capacity": Sort("energy_storage", 1),
    "power_factor": Sort("power_factor", 3),
    "cycle_count": Sort(None, 1, "total_increasing"),
}
"""Names whose unit does not tell all."""
_CODE = Sort(None, None, None)
"""Numbers without a unit: codes, versions, dates; and hours and minutes of a timetable."""
_WORDS: Mapping[str, str] = {
    word.lower(): word
    for word in (
        "PV", "MPPT", "DC", "AC", "PID", "BMS", "BDC", "DSP", "ARM", "EMS", "DRM", "SVG",
        "CO2", "SOC", "SOH",
    )
}  # fmt: skip
_SETTING = re.compile(r"setting|setpoint|limit|rated|nominal|reserve|max_|min_|installed")


def title(name: str) -> str:
    """Words for a person: pv_energy_today is "PV energy today"."""
    words = [_WORDS.get(word.lower(), word) for word in re.split(r"[_-]+", name) if word]
    text = " ".join(words)
    return text[:1].upper() + text[1:]


def entity(name: str, unit: str, value: Value) -> dict[str, object]:
    """Platform, class, state class, unit, precision, category and template of one value.

    `value` is any value that it has had: it tells texts, switches and numbers apart.
    """
    found: dict[str, object] = {"name": title(name)}
    absent = f"value_json[{name!r}] | default(none)"
    if isinstance(value, bool):
        return found | {
            "platform": "binary_sensor",
            "value_template": _on_or_off(name),
            "entity_category": "diagnostic",
        }
    found |= {"platform": "sensor", "value_template": f"{{{{ {absent} }}}}"}
    if isinstance(value, str):
        return found | {"entity_category": "diagnostic"}
    sort = _sort(name, unit)
    found |= {
        "device_class": sort.device_class,
        "unit_of_measurement": unit or None,
        "state_class": sort.state_class,
        "suggested_display_precision": sort.precision,
        "entity_category": None if _in_the_foreground(name, sort) else "diagnostic",
    }
    return {key: said for key, said in found.items() if said is not None}


def _on_or_off(key: str) -> str:
    """Template of a binary sensor; Home Assistant takes "None" for unknown."""
    return f"{{{{ {{true: 'ON', false: 'OFF'}}.get(value_json[{key!r}] | default(none)) }}}}"


def _sort(name: str, unit: str) -> Sort:
    if name in _BY_NAME:
        return _BY_NAME[name]
    if not unit or (unit in ("h", "min") and "running" not in name):
        return _CODE
    return _BY_UNIT.get(unit, Sort(None, None))


def _in_the_foreground(name: str, sort: Sort) -> bool:
    if name in HOUSEHOLD:
        return True
    return sort.device_class in ("power", "energy", "battery") and not _SETTING.search(name)


def scalars(reading: Reading) -> Iterable[str]:
    """Names that become entities: all but lists."""
    return (name for name, one in reading.measurements.items() if not isinstance(one.value, list))


def fault_values(reading: Reading) -> dict[str, object]:
    """What the state message says of faults; nothing for a device that tells none."""
    faults = reading.faults
    if faults is None:
        return {}
    return {FAULT: bool(faults.active) if faults.known else None, _FAULTS: faults.text}


def fault_entity(state_topic: str) -> dict[str, object]:
    """Whether something is wrong: on, off, or unknown; the faults in words as an attribute."""
    return {
        "platform": "binary_sensor",
        "name": "Fault",
        "device_class": "problem",
        "value_template": _on_or_off(FAULT),
        "json_attributes_topic": state_topic,
        "json_attributes_template": f"{{{{ {{'faults': value_json[{_FAULTS!r}]}} | tojson }}}}",
    }


@dataclass(frozen=True, slots=True)
class Topics:
    """Where the values and the availability of one device are."""

    state: str
    availability: str
    connection: str
    """The inverter's state in a word ("ok", "asleep", …)."""
    collector: str
    """Availability of the collector itself."""


def device_id(device: Reading, inverter: Reading | None = None) -> str:
    """Identity of a device, part of the discovery topic and of every unique id; "" for none.

    It comes from the serial number; a sub-device of `inverter` that tells none of its own is
    known by its inverter and number.
    """
    serial = device.serial
    if inverter is not None and inverter.serial and serial in ("", inverter.serial):
        serial = f"{inverter.serial}_{_number(device)}"
    return "sungather_" + re.sub(r"[^A-Za-z0-9_-]", "_", serial) if serial else ""


def _number(device: Reading) -> str:
    """Such as "battery-1", of roof-battery-1, a sub-device of roof."""
    return device.name.removeprefix(f"{device.via}-")


def _device_name(device: Reading) -> str:
    inverter = device.via or device.name
    brand = "Sungrow" if inverter == "inverter" else inverter
    if device.via:
        return f"{brand} {_number(device).replace('-', ' ')}"
    return f"{brand} {device.model}" if inverter == "inverter" else brand


def discovery(
    newest: Reading,
    values: Mapping[str, Value],
    topics: Topics,
    gone: Iterable[str] = (),
    inverter: Reading | None = None,
) -> dict[str, object]:
    """The discovery message of one inverter, or of one of its sub-devices.

    Args:
        newest: tells model, serial, firmware and units.
        values: every scalar that the device has shown so far; and `FAULT` if it tells faults.
        topics: where to find the values.
        gone: entities announced by an earlier run that are to be removed.
        inverter: the one whose sub-device this is. It has to be announced first, since Home
            Assistant refuses devices that come by way of unknown ones.
    """
    identity = device_id(newest, inverter)
    both = [{"topic": topics.collector}, {"topic": topics.availability}]
    components: dict[str, object] = {
        key: (fault_entity(topics.state) if key == FAULT else entity(key, newest.unit(key), value))
        | {"unique_id": f"{identity}_{key}", "state_topic": topics.state, "availability": both}
        for key, value in values.items()
        if not isinstance(value, list)
    }
    components["connection"] = {
        "platform": "sensor",
        "name": "Connection",
        "unique_id": f"{identity}_connection",
        "state_topic": topics.connection,
        "availability": both[:1],
        "entity_category": "diagnostic",
    }
    # A component that is nothing but its platform is removed.
    components |= {key: {"platform": "sensor"} for key in gone if key not in components}
    device: dict[str, object] = {
        "identifiers": [identity],
        "manufacturer": "Sungrow",
        "model": newest.model,
        "name": _device_name(newest),
    }
    if newest.serial:
        device["serial_number"] = newest.serial
    if inverter is not None:
        device["via_device"] = device_id(inverter)
    if newest.firmware:
        device["sw_version"] = ", ".join(sorted(newest.firmware.values()))
    return {
        "device": device,
        "origin": {"name": "SunGather", "sw_version": __version__},
        "components": components,
        "availability_mode": "all",
        "qos": 1,
    }
