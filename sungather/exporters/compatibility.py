"""What users of SunGather 0.5 have built on: its MQTT topic, flat JSON message and entities."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo

from sungather.exporters.mqtt_layout import as_json
from sungather.household import BATTERY_LEVEL, HOUSEHOLD
from sungather.options.all_options import MqttOptions
from sungather.options.ha_sensors import cleaned, discovery_of
from sungather.reading import Reading, State, Value
from sungather.registers.published import units_of_inverters
from sungather.registers.repeated import EARLIER_ENERGIES, EARLIER_POWERS

_SERIAL = 10
"""Characters of the serial number that it read."""
_SWITCHES = (
    "power_limitation_switch", "scheduling_achieve_active_overload", "night_svg_switch",
    "pid_recovery", "anti_pid", "fullday_pid_suppression",
)  # fmt: skip
_WORK_STATES: Mapping[str, str] = {
    "Key stop": "Key Stop", "Emergency stop": "Emergency Stop",
    "Initial standby": "Initial Standby", "Alarm run": "Alarm Run",
    "Derating run": "Derating Run", "Dispatch run": "Dispatch Run",
    "Communicate fault": "Communication Fault", "Total run (grid-connected)": "Total Run Bit",
    "Total fault (fault stop)": "Total Fault Bit",
}  # fmt: skip
_SWITCHED: Mapping[str, str] = {"Enabled": "Enable", "Disabled": "Disable"}
_WORDS: Mapping[str, Mapping[str, str]] = {
    **dict.fromkeys(_SWITCHES, _SWITCHED),
    "work_state_1": _WORK_STATES,
    "work_state_2": _WORK_STATES,
    "output_type": {"Single phase": "2P", "3P3L": "3PSL"},
    "system_state": {
        "Running": "Run", "Running in maintain mode": "Maintain Run",
        "Running in forced mode": "Forced Run", "Running off-grid": "Off-grid Run",
        "Running in external EMS mode": "EMS Run", "Initial standby": "Initial Standby",
        "Starting": "Startup",
    },
    "grid_state": {"On grid": "On-grid", "Off grid": "Off-grid"},
    "pid_work_state": {
        "PID recover operation": "PID Recover Operation",
        "Anti-PID operation": "Anti-PID Operation", "PID abnormity": "PID Abnormity",
    },
    "reactive_power_adjustment_mode": {
        "Power factor": "Power factor setting",
        "Reactive power percentage": "Reactive power percentage setting",
        "Q(P) curve": "Enable Q(P)", "Q(U) curve": "Enable Q(U)",
    },
    "ems_mode_selection": {
        "Self-consumption": "Self-consumption mode", "Forced": "Compulsory mode",
        "External EMS": "External EMS mode",
    },
}  # fmt: skip
"""Our words for a state or a setting -> those of its `registers-sungrow.yaml`, version 0.5.2."""
_UNITS: Mapping[str, str] = {
    "var": "Var",
    "kvar": "kVar",
    "kΩ": "k-ohm",
}


def messages(
    options: MqttOptions,
    sensors: Sequence[dict[str, object]],
    settings: Mapping[str, object],
    reading: Reading,
    before: Reading,
    timezone: tzinfo,
) -> dict[str, str]:
    """Topic -> message, as it would have published them: entities, and a state only of readings.

    `before` is the newest reading with values.
    """
    state = topic(before.serial, options.compatibility_topic)
    host = str(settings.get("host", ""))
    found = entities(sensors, before, host, state, options.homeassistant_prefix)
    if reading.state is State.OK:
        found[state] = as_json(payload(reading, settings, timezone))
    return found


def topic(serial: str, own: str = "") -> str:
    """Its topic of an inverter: `own`, as a person chose it, or the one with the serial number."""
    return own or f"SunGather/{serial[:_SERIAL]}"


def payload(
    reading: Reading, settings: Mapping[str, object], timezone: tzinfo
) -> dict[str, object]:
    """Its message: settings, registers and derived values under its names, in its words.

    `settings` are those of the inverter as 0.5 called them (host, port, scan_interval, …). Our
    household figures are not among the values; it did not know them.
    """
    values = {
        name: _in_its_words(name, one.value, reading.family)
        for name, one in reading.measurements.items()
        if not isinstance(one.value, list)
    }
    local = reading.time.astimezone(timezone)
    midnight = local.replace(hour=0, minute=0, second=0)
    given = {key: _whole(value) for key, value in settings.items()}
    message: dict[str, object] = {
        "model": _model(reading),
        "serial_number": reading.serial[:_SERIAL],
        **_some(given, "level", "scan_interval"),
        "use_local_time": False,
        **_some(given, "smart_meter", "connection", "slave"),
        "start_time": "",
        **_some(given, "host", "port", "timeout", "retries"),
        "RetryOnEmpty": False,
        "device_type_code": reading.model,
        "run_state": "ON" if values.get("start_stop", "Start") == "Start" else "OFF",
        "last_reset": _stamp(midnight),
    }
    message |= {old: values[new] for old, new in EARLIER_ENERGIES.items() if new in values}
    ours = (HOUSEHOLD - {BATTERY_LEVEL}) | {"serial_number"}
    message |= {name: value for name, value in values.items() if name not in ours}
    message["timestamp"] = _stamp(local)
    powers = {old: values[new] for old, new in EARLIER_POWERS.items() if new in values}
    return message | {old: _whole(value) for old, value in powers.items()}


def entities(
    sensors: Sequence[dict[str, object]], reading: Reading, host: str, state: str, prefix: str
) -> dict[str, str]:
    """Topic -> discovery message of each of its `ha_sensors`, as it published them.

    Its device came by way of one that nobody announced, which Home Assistant refuses by now.
    """
    serial, model = reading.serial[:_SERIAL], _model(reading)
    device = {
        "name": f"Sungrow {model}",
        "manufacturer": "Sungrow",
        "model": model,
        "identifiers": serial,
        "connections": [["address", host]],
    }
    found: dict[str, str] = {}
    for sensor in sensors:
        name, unit = cleaned(str(sensor["name"])), _unit(str(sensor.get("register", "")))
        message = {
            "state_topic": state,
            **discovery_of(sensor, unit),
            "unique_id": f"sungather_{name}_{serial}",
            "device": device,
        }
        found[f"{prefix}/{sensor['sensor_type']}/{serial}_{name}/config"] = json.dumps(message)
    return found


def _unit(register: str) -> str:
    unit = units_of_inverters().get(register, "")
    return _UNITS.get(unit, unit)


def _model(reading: Reading) -> str:
    return reading.model.replace(".", "").replace("-", "")


def _in_its_words(name: str, value: Value, family: str) -> Value:
    if not isinstance(value, str):
        return value
    if name == "export_power_limitation" and family.startswith("SG"):
        return _SWITCHED.get(value, value)
    return _WORDS.get(name, {}).get(value, value)


def _some(given: Mapping[str, object], *keys: str) -> dict[str, object]:
    return {key: given[key] for key in keys if key in given}


def _whole(value: object) -> object:
    """It had whole numbers where there were no others."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _stamp(local: datetime) -> str:
    """Month, day and hour without leading zeros, as it wrote them."""
    return (
        f"{local.year}-{local.month}-{local.day} {local.hour}:{local.minute:02d}"
        f":{local.second:02d}"
    )
