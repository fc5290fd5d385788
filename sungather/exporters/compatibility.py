"""What users of SunGather 0.5 have built on: its MQTT topic and its flat JSON message."""

from collections.abc import Mapping
from datetime import datetime, tzinfo

from sungather.reading import Reading, Value

_SERIAL = 10
"""Characters of the serial number that it read."""


def topic(serial: str) -> str:
    """Its topic of an inverter."""
    return f"SunGather/{serial[:_SERIAL]}"


def payload(
    reading: Reading, settings: Mapping[str, object], timezone: tzinfo
) -> dict[str, object]:
    """Its message: settings, registers and derived values under its names.

    `settings` are those of the inverter as 0.5 called them (host, port, scan_interval, …).
    """
    values: dict[str, Value] = {
        name: value for name, value in reading.values.items() if not isinstance(value, list)
    }
    local = reading.time.astimezone(timezone)
    midnight = local.replace(hour=0, minute=0, second=0)
    message: dict[str, object] = {
        "model": reading.model,
        "serial_number": reading.serial[:_SERIAL],
        **settings,
        "device_type_code": reading.model,
        "run_state": "ON" if values.get("start_stop", "Start") == "Start" else "OFF",
        "last_reset": _stamp(midnight),
    }
    renamed = {
        "daily_export_to_grid": "grid_export_energy_today",
        "daily_import_from_grid": "grid_import_energy_today",
    }
    message |= {old: values[new] for old, new in renamed.items() if new in values}
    message |= {name: value for name, value in values.items() if name != "serial_number"}
    message["timestamp"] = _stamp(local)
    powers = {"export_to_grid": "grid_export_power", "import_from_grid": "grid_import_power"}
    return message | {old: values[new] for old, new in powers.items() if new in values}


def _stamp(local: datetime) -> str:
    """Month, day and hour without leading zeros, as it wrote them."""
    return (
        f"{local.year}-{local.month}-{local.day} {local.hour}:{local.minute:02d}"
        f":{local.second:02d}"
    )
