"""Home Assistant's discovery: each name becomes the entity that a person expects."""

import json
from dataclasses import replace
from datetime import UTC
from typing import cast

import pytest

from sungather.exporters import compatibility
from sungather.exporters.homeassistant import (
    FAULT,
    HOUSEHOLD,
    Topics,
    device_id,
    discovery,
    entity,
    fault_values,
    title,
)
from sungather.outbox.record import body_of
from sungather.reading import FaultReport, Value
from sungather.registers.derive import UNITS
from sungather.registers.tables import read_rows
from tests.outbox_parts import reading, sub_device

TOPICS = Topics("s/roof/state", "s/roof/availability", "s/roof/connection", "s/status")


@pytest.mark.parametrize(
    ("name", "unit", "value", "device_class", "state_class", "precision", "category"),
    [
        ("pv_power", "W", 4821, "power", "measurement", 0, None),
        ("grid_import_energy_total", "kWh", 1.5, "energy", "total_increasing", 1, None),
        ("pv_energy_today", "kWh", 21.3, "energy", "total_increasing", 1, None),
        ("battery_level", "%", 64.3, "battery", "measurement", 0, None),
        ("total_pv_generation", "kWh", 12345.6, "energy", "total_increasing", 1, None),
        ("battery_capacity", "kWh", 9.6, "energy_storage", "measurement", 1, "diagnostic"),
        ("phase_a_voltage", "V", 238.7, "voltage", "measurement", 1, "diagnostic"),
        ("grid_frequency", "Hz", 49.98, "frequency", "measurement", 2, "diagnostic"),
        ("internal_temperature", "°C", 41.2, "temperature", "measurement", 1, "diagnostic"),
        ("total_reactive_power", "var", -120, "reactive_power", "measurement", 0, "diagnostic"),
        ("reactive_power_adjustment", "kvar", 0, None, "measurement", 1, "diagnostic"),
        ("total_apparent_power", "VA", 6620, "apparent_power", "measurement", 0, "diagnostic"),
        ("power_factor", "", 0.98, "power_factor", "measurement", 3, "diagnostic"),
        ("daily_running_time", "min", 612, "duration", "total_increasing", 0, "diagnostic"),
        ("forced_charging_1_end_hour", "h", 6, None, None, None, "diagnostic"),
        ("export_limit_max", "W", 10000, "power", "measurement", 0, "diagnostic"),
        ("alarm_code_1", "", 7, None, None, None, "diagnostic"),
        ("run_state", "", "Run", None, None, None, "diagnostic"),
        ("odd", "furlong", 7, None, "measurement", None, "diagnostic"),
    ],
)
def test_class_unit_precision_and_category_follow_from_name_and_unit(
    name: str,
    unit: str,
    value: Value,
    device_class: str | None,
    state_class: str | None,
    precision: int | None,
    category: str | None,
) -> None:
    found = entity(name, unit, value)
    assert found["platform"] == "sensor"
    assert found.get("device_class") == device_class
    assert found.get("state_class") == state_class
    assert found.get("suggested_display_precision") == precision
    assert found.get("entity_category") == category
    assert found.get("unit_of_measurement", "") == unit


def test_a_switch_is_a_binary_sensor() -> None:
    assert entity("night", "", True)["platform"] == "binary_sensor"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("pv_energy_today", "PV energy today"),
        ("mppt_1_voltage", "MPPT 1 voltage"),
        ("grid-side_fault", "Grid side fault"),
        ("house_power", "House power"),
    ],
)
def test_names_are_words_for_people(name: str, words: str) -> None:
    assert title(name) == words


def test_the_energy_dashboard_needs_no_template() -> None:
    """It takes sensors of class energy that only ever grow, in kWh."""
    for name in HOUSEHOLD:
        if name.endswith(("_total", "_today")):
            found = entity(name, "kWh", 1.0)
            assert found["device_class"] == "energy"
            assert found["state_class"] == "total_increasing"
            assert "last_reset_value_template" not in found
            assert "entity_category" not in found


def test_arrays_are_no_entities_and_every_scalar_is_one_with_an_identity_of_its_own() -> None:
    one = reading(pv_power=1, currents=[1.0], run_state="Run", units={"pv_power": "W"})
    message = discovery(one, one.values, TOPICS)
    components = cast(dict[str, dict[str, object]], message["components"])
    assert set(components) == {"pv_power", "run_state", "connection"}
    text = json.dumps(message)
    assert '"unique_id": "sungather_A223098765_pv_power"' in text
    assert '"unit_of_measurement": "W"' in text


def test_a_fault_is_a_problem_in_the_foreground_with_its_text() -> None:
    one = reading(pv_power=1)
    message = discovery(one, {**one.values, FAULT: False}, TOPICS)
    components = cast(dict[str, dict[str, object]], message["components"])
    assert components[FAULT] == {
        "platform": "binary_sensor",
        "name": "Fault",
        "device_class": "problem",
        "value_template": (
            "{{ {true: 'ON', false: 'OFF'}.get(value_json['fault'] | default(none)) }}"
        ),
        "json_attributes_topic": "s/roof/state",
        "json_attributes_template": "{{ {'faults': value_json['faults']} | tojson }}",
        "unique_id": "sungather_A223098765_fault",
        "state_topic": "s/roof/state",
        "availability": [{"topic": "s/status"}, {"topic": "s/roof/availability"}],
    }


def test_the_words_of_faults_are_no_names_of_values() -> None:
    said = fault_values(replace(reading(), faults=FaultReport())).keys()
    assert said == {"fault", "faults"}
    files = ("common", "string", "hybrid", "settings", "history", "undocumented", "sub_devices")
    named = {row.register.name for file in files for row in read_rows(file)}
    assert not said & (named | UNITS.keys())


def test_models_that_share_a_code_have_one_name() -> None:
    one = replace(
        reading(pv_power=1), name="inverter", model="SG10RT", other_models=("SG10RT-20",)
    )
    device = cast(dict[str, object], discovery(one, one.values, TOPICS)["device"])
    assert (device["name"], device["model"]) == ("Sungrow SG10RT", "SG10RT")
    before = compatibility.payload(one, {}, UTC)
    assert (before["model"], before["device_type_code"]) == ("SG10RT", "SG10RT")
    assert json.loads(body_of(one))["m"] == "SG10RT", "the tag of InfluxDB"


def test_an_entity_of_an_earlier_run_that_is_no_more_is_removed() -> None:
    one = reading(pv_power=1)
    message = discovery(one, one.values, TOPICS, ["pv_power", "mppt_4_voltage"])
    components = cast(dict[str, dict[str, object]], message["components"])
    assert components["mppt_4_voltage"] == {"platform": "sensor"}
    assert len(components["pv_power"]) > 1


def test_a_device_behind_an_inverter_is_a_device_of_its_own_that_says_so() -> None:
    one = sub_device()
    message = discovery(one, one.values, TOPICS, inverter=reading())
    assert message["device"] == {
        "identifiers": ["sungather_S2310160987"],
        "manufacturer": "Sungrow",
        "model": "SBR096",
        "name": "roof battery 1",
        "serial_number": "S2310160987",
        "via_device": "sungather_A223098765",
    }
    components = cast(dict[str, dict[str, object]], message["components"])
    assert components["soc"]["unique_id"] == "sungather_S2310160987_soc"


@pytest.mark.parametrize("serial", ["", "A223098765"])
def test_a_device_without_a_serial_number_of_its_own_is_known_by_its_inverter(
    serial: str,
) -> None:
    one = replace(sub_device(), serial=serial)
    assert device_id(one, reading()) == "sungather_A223098765_battery-1"
    assert device_id(replace(one, serial="")) == "", "nobody knows it"


def test_the_short_form_gives_names_for_people() -> None:
    inverter = replace(reading(), name="inverter")
    one = sub_device(via="inverter")
    names = [
        cast(dict[str, object], discovery(each, each.values, TOPICS)["device"])["name"]
        for each in (inverter, one)
    ]
    assert names == ["Sungrow SH10RT", "Sungrow battery 1"]


def test_a_device_carries_model_serial_and_firmware() -> None:
    one = replace(reading(), firmware={"arm": "SAPPHIRE-H_B001.V000.P005"})
    device = discovery(one, one.values, TOPICS)["device"]
    assert device == {
        "identifiers": ["sungather_A223098765"],
        "manufacturer": "Sungrow",
        "model": "SH10RT",
        "name": "roof",
        "serial_number": "A223098765",
        "sw_version": "SAPPHIRE-H_B001.V000.P005",
    }
