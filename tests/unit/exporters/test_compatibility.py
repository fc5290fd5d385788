"""What SunGather 0.5 published, in its words."""

import json
from dataclasses import replace
from datetime import UTC

import pytest

from sungather.exporters.compatibility import entities, payload, topic
from sungather.options.ha_sensors import parse_ha_sensors
from sungather.reading import Value
from tests.outbox_parts import reading
from tests.plain_values import measurements

SETTINGS = {
    "level": 1, "scan_interval": 30.0, "smart_meter": True, "connection": "modbus", "slave": 1,
    "host": "192.0.2.1", "port": 502, "timeout": 10.0, "retries": 3,
}  # fmt: skip


def test_the_message_has_its_keys_in_its_order_and_whole_numbers() -> None:
    one = reading(
        start_stop="Start", grid_export_energy_today=1.5, daily_power_yields=21.3,
        total_active_power=6581, pv_power=7000, house_power=1, grid_export_power=4210.0,
        grid_import_power=0.0, battery_level=64.3, battery_level_today=1,
    )  # fmt: skip
    message = payload(replace(one, serial="A223098765XYZ"), SETTINGS, UTC)
    assert list(message) == [
        "model", "serial_number", "level", "scan_interval", "use_local_time", "smart_meter",
        "connection", "slave", "start_time", "host", "port", "timeout", "retries",
        "RetryOnEmpty", "device_type_code", "run_state", "last_reset", "daily_export_to_grid",
        "start_stop", "daily_power_yields", "total_active_power", "battery_level",
        "battery_level_today", "timestamp", "export_to_grid", "import_from_grid",
    ]  # fmt: skip
    text = json.dumps(message)
    for part in ('"scan_interval": 30,', '"timeout": 10,', '"export_to_grid": 4210,'):
        assert part in text
    assert message["serial_number"] == "A223098765"


@pytest.mark.parametrize(
    ("name", "value", "word", "family"),
    [
        ("system_state", "Running", "Run", "SH-RT"),
        ("work_state_1", "Communicate fault", "Communication Fault", "SG-RT"),
        ("power_limitation_switch", "Disabled", "Disable", "SH-RT"),
        ("export_power_limitation", "Disabled", "Disabled", "SH-RT"),
        ("export_power_limitation", "Disabled", "Disable", "SG-RT"),
        ("ems_mode_selection", "Self-consumption", "Self-consumption mode", "SH-RT"),
        ("grid_state", "On grid", "On-grid", "SH-RT"),
        ("energy_meter_comm", "Enabled", "Enabled", "SH-RT"),
        ("pv_power_of_a_day", 5, 5, "SH-RT"),
    ],
)
def test_states_and_settings_have_its_words(
    name: str, value: Value, word: Value, family: str
) -> None:
    one = replace(reading(), measurements=measurements({name: value}), family=family)
    assert payload(one, {}, UTC)[name] == word


def test_a_topic_is_ones_own_or_that_of_ten_characters() -> None:
    assert topic("A223098765XYZ") == "SunGather/A223098765"
    assert topic("A223098765XYZ", "SunGather/{serial_number}") == "SunGather/{serial_number}"


def test_an_entity_has_its_identity_topic_name_and_template() -> None:
    sensors = parse_ha_sensors(
        """
- {name: Daily Export to Grid, sensor_type: sensor, register: daily_export_to_grid,
   device_class: energy, state_class: total_increasing, unique_id: mine,
   value_template: "{{ value_json.daily_export_to_grid | round(2) }}",
   last_reset_value_template: "{{ value_json.last_reset }}"}
- {name: Reactive, sensor_type: sensor, register: total_reactive_power}
"""
    )
    one = replace(reading(), model="SG5.0RS-ADA", serial="A223098765XYZ")
    made = entities(sensors, one, "192.0.2.1", "solar/main", "homeassistant")
    device = {
        "name": "Sungrow SG50RSADA", "manufacturer": "Sungrow", "model": "SG50RSADA",
        "identifiers": "A223098765", "connections": [["address", "192.0.2.1"]],
    }  # fmt: skip
    assert {where: json.loads(text) for where, text in made.items()} == {
        "homeassistant/sensor/A223098765_daily_export_to_grid/config": {
            "state_topic": "solar/main",
            "value_template": "{{ value_json.daily_export_to_grid | round(2) }}",
            "name": "Daily Export to Grid", "device_class": "energy",
            "state_class": "total_increasing", "unit_of_measurement": "kWh",
            "unique_id": "sungather_daily_export_to_grid_A223098765", "device": device,
        },
        "homeassistant/sensor/A223098765_reactive/config": {
            "state_topic": "solar/main", "value_template": "{{ value_json.total_reactive_power }}",
            "name": "Reactive", "unit_of_measurement": "Var",
            "unique_id": "sungather_reactive_A223098765", "device": device,
        },
    }  # fmt: skip
