"""Home Assistant's discovery: each name becomes the entity that a person expects."""

import json
from dataclasses import replace
from datetime import UTC
from typing import Any

import pytest

from sungather.exporters import compatibility
from sungather.exporters.homeassistant import (
    LONGEST,
    Topics,
    device_id,
    discovery,
    fault_values,
    platforms,
    scalars,
)
from sungather.exporters.homeassistant_entities import FAULT, entity, title
from sungather.household import HOUSEHOLD
from sungather.outbox.record import body_of
from sungather.reading import ActiveFault, FaultReport, Reading, Value
from sungather.registers.catalogue import registers_for
from sungather.registers.derive import UNITS
from sungather.registers.device import Device
from sungather.registers.tables import read_rows
from tests.outbox_parts import reading, sub_device
from tests.plain_values import measurements

TOPICS = Topics(
    "s/roof/state", "s/roof/availability", "s/roof/connection", "s/status/c", "http://h:8080/"
)


def told(
    one: Reading,
    values: dict[str, Value] | None = None,
    gone: dict[str, str] | None = None,
    inverter: Reading | None = None,
) -> dict[str, Any]:
    """The only discovery message, as Home Assistant reads it."""
    (message,) = discovery(
        one, one.values if values is None else values, TOPICS, gone, inverter
    ).values()
    return json.loads(message)


@pytest.mark.parametrize(
    ("name", "unit", "value", "device_class", "state_class", "precision", "category"),
    [
        ("pv_power", "W", 4821, "power", "measurement", 0, None),
        ("grid_import_energy_total", "kWh", 1.5, "energy", "total_increasing", 1, None),
        ("pv_energy_today", "kWh", 21.3, "energy", None, 1, None),
        ("battery_level", "%", 64.3, "battery", "measurement", 0, None),
        ("battery_pack_level", "%", 64.3, "battery", "measurement", 0, None),
        ("max_cell_voltage", "V", 3.2072, "voltage", "measurement", 3, "diagnostic"),
        ("module_4_min_cell_voltage", "V", 3.2, "voltage", "measurement", 3, "diagnostic"),
        ("string_1_current", "A", 2.68, "current", "measurement", 2, "diagnostic"),
        ("phase_a_current", "A", 9.2, "current", "measurement", 1, "diagnostic"),
        ("charger_total_energy", "kWh", 1.234, "energy", "total_increasing", 2, None),
        ("total_pv_generation", "kWh", 12345.6, "energy", "total_increasing", 1, "diagnostic"),
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
    assert found["p"] == "sensor"
    assert found.get("dev_cla") == device_class
    assert found.get("stat_cla") == state_class
    assert found.get("sug_dsp_prc") == precision
    assert found.get("ent_cat") == category
    assert found.get("unit_of_meas", "") == unit


def test_a_switch_is_a_binary_sensor() -> None:
    assert entity("night", "", True)["p"] == "binary_sensor"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("pv_energy_today", "PV energy today"),
        ("mppt_1_voltage", "MPPT 1 voltage"),
        ("grid-side_fault", "Grid side fault"),
        ("house_power", "House power"),
        ("phase_a_voltage", "Phase A voltage"),
        ("backup_phase_c_power", "Backup phase C power"),
        ("meter_b_phase_power", "Meter phase B power"),
        ("battery_bcu_firmware", "Battery module firmware"),
        ("charger_power", "Charger power"),
        ("average_cell_temp", "Average cell temperature"),
        ("start_stop", "On/off switch"),
    ],
)
def test_names_are_words_for_people(name: str, words: str) -> None:
    assert title(name) == words


@pytest.mark.parametrize(
    ("name", "words"), [("battery_pack_level", "Level"), ("charger_power", "Power")]
)
def test_a_device_of_its_own_is_not_named_in_each_of_its_entities(name: str, words: str) -> None:
    charger = replace(sub_device(), measurements=measurements({name: 1.5}))
    assert told(charger)["cmps"][name]["name"] == words


def everything(family: str, level: int) -> Reading:
    """A reading with a value of every name that a family can publish."""
    device = Device(0x0E03, "SH10RT", family, nominal_kw=10.0, phases=3, mppts=12)
    values: dict[str, Value] = {"run_state": "ON", "last_reset": "2026-06-21 00:00:00"}
    units = dict(UNITS)
    for register in registers_for(device, level):
        values[register.name] = 1.5 if register.unit else "text"
        if register.unit:
            units[register.name] = register.unit
    values |= dict.fromkeys([*UNITS, "battery_level"], 1.5)
    units["battery_level"] = "%"
    return replace(reading(), measurements=measurements(values, units), firmware={"arm": "V1"})


def components(one: Reading) -> dict[str, dict[str, Any]]:
    return told(one, {name: one.values[name] for name in scalars(one)})["cmps"]


def enabled(one: Reading) -> dict[str, dict[str, Any]]:
    return {name: found for name, found in components(one).items() if found.get("en", True)}


FAMILIES = ("SG-RS", "SG-RT", "SG-CX", "SH-RS", "SH-RT", "SH-T", "MG-RL", "ems", "logger")


@pytest.mark.parametrize("level", [1, 2, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_energy_dashboard_offers_one_entity_for_each_slot(family: str, level: int) -> None:
    """It takes energies with long-term statistics, in kWh."""
    offered = {
        name
        for name, found in enabled(everything(family, level)).items()
        if found.get("dev_cla") == "energy" and "stat_cla" in found
    }
    flows = ("pv", "grid_import", "grid_export", "battery_charge", "battery_discharge")
    assert offered == {f"{flow}_energy_total" for flow in flows}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_person_sees_the_household_and_everything_else_is_there_but_disabled(
    family: str,
) -> None:
    one = everything(family, 3)
    seen, whole = enabled(one), components(one)
    primary = {name for name, found in whole.items() if "ent_cat" not in found}
    assert primary == HOUSEHOLD | ({"charger_power"} if family == "ems" else set())
    assert seen.keys() - primary <= {
        "connection", "system_state", "work_state_1", "internal_temperature", "charger_status",
    }  # fmt: skip
    assert whole.keys() >= set(scalars(one))
    assert not whole.keys() & {"last_reset", "timestamp"}


def test_every_entity_that_is_seen_has_an_icon_or_a_class_that_has_one() -> None:
    seen = enabled(everything("SH-RT", 1))
    assert all("ic" in found or "dev_cla" in found for found in seen.values())
    assert seen["pv_power"]["ic"] == "mdi:solar-power"


@pytest.mark.parametrize("level", [1, 2, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_message_is_shorter_than_64_kb_and_nothing_is_left_out(family: str, level: int) -> None:
    one = everything(family, level)
    values = {**{name: one.values[name] for name in scalars(one)}, FAULT: False}
    messages = discovery(one, values, TOPICS)
    assert all(len(text.encode()) <= LONGEST for text in messages.values())
    whole = [json.loads(text)["cmps"] for text in messages.values()]
    assert {name for part in whole for name in part} >= values.keys()


@pytest.mark.parametrize(("count", "more"), [(234, [""]), (300, ["", "1"]), (600, ["", "1", "2"])])
def test_what_is_too_long_for_one_message_comes_in_several(count: int, more: list[str]) -> None:
    many: dict[str, Value] = {f"a_rather_long_name_of_a_value_{n}": 1.5 for n in range(count)}
    one = replace(reading(), measurements=measurements({"pv_power": 1.0, **many}))
    messages = discovery(one, one.values, TOPICS)
    identity = "sungather_A223098765"
    assert list(messages) == [identity, *(f"{identity}_more{part}" for part in more)]
    assert all(len(text.encode()) <= LONGEST for text in messages.values())
    first, *others = (json.loads(text) for text in messages.values())
    assert all(first["dev"] == one["dev"] for one in others)
    assert {name for name, one in first["cmps"].items() if len(one) > 1} == {
        "pv_power", "connection",
    }  # fmt: skip
    found = [name for one in others for name in one["cmps"]]
    assert sorted(found) == sorted(many), "nothing twice"


def test_what_all_entities_share_is_said_once() -> None:
    one = reading(pv_power=1, currents=[1.0], run_state="Run", units={"pv_power": "W"})
    message = told(one, {name: one.values[name] for name in scalars(one)})
    assert message["stat_t"] == "s/roof/state"
    assert message["avty"] == [{"t": "s/status/c"}, {"t": "s/roof/availability"}]
    assert message["cmps"].keys() == {"pv_power", "run_state", "connection"}, "arrays are none"
    assert message["cmps"]["pv_power"] == {
        "p": "sensor", "name": "PV power", "uniq_id": "sungather_A223098765_pv_power",
        "val_tpl": "{{value_json['pv_power']|default(none)}}", "unit_of_meas": "W",
        "dev_cla": "power", "stat_cla": "measurement", "sug_dsp_prc": 0, "ic": "mdi:solar-power",
    }  # fmt: skip


def test_a_fault_is_a_problem_in_the_foreground_with_its_text() -> None:
    one = reading(pv_power=1)
    message = told(one, {**one.values, FAULT: False})
    assert message["cmps"][FAULT] == {
        "p": "binary_sensor",
        "name": "Fault",
        "dev_cla": "problem",
        "val_tpl": "{{{true:'ON',false:'OFF'}.get(value_json['fault']|default(none))}}",
        "json_attr_t": "s/roof/state",
        "json_attr_tpl": "{{{'faults':value_json['faults']|default(none)}|tojson}}",
        "uniq_id": "sungather_A223098765_fault",
    }


def test_why_there_are_no_values_can_be_seen_while_there_are_none() -> None:
    """The connection needs the collector alone; every other entity needs the inverter, too."""
    one = reading(pv_power=1)
    message = told(one, {**one.values, FAULT: False})
    assert message["avty"] == [{"t": "s/status/c"}, {"t": "s/roof/availability"}]
    own = {name: each["avty"] for name, each in message["cmps"].items() if "avty" in each}
    assert own == {"connection": [{"t": "s/status/c"}]}


@pytest.mark.parametrize(
    ("faults", "fault"),
    [
        (FaultReport(), False),
        (FaultReport(active=(ActiveFault("fault", "039 Low insulation"),)), True),
        (FaultReport(unknown="the inverter is asleep"), None),
    ],
)
def test_no_fault_is_said_only_when_that_is_known(faults: FaultReport, fault: bool | None) -> None:
    assert fault_values(replace(reading(), faults=faults))[FAULT] is fault


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
    device = told(one)["dev"]
    assert (device["name"], device["mdl"]) == ("Sungrow SG10RT", "SG10RT")
    before = compatibility.payload(one, {}, UTC)
    assert (before["model"], before["device_type_code"]) == ("SG10RT", "SG10RT")
    assert json.loads(body_of(one))["m"] == "SG10RT", "the tag of InfluxDB"


def test_an_entity_of_an_earlier_run_that_is_no_more_is_removed() -> None:
    one = reading(pv_power=1)
    before = platforms({"pv_power": 1, "mppt_4_voltage": 1.5, "a_switch": True})
    found = told(one, gone=before)["cmps"]
    assert found["mppt_4_voltage"] == {"p": "sensor"}
    assert found["a_switch"] == {"p": "binary_sensor"}
    assert len(found["pv_power"]) > 1


def test_a_device_behind_an_inverter_is_a_device_of_its_own_that_says_so() -> None:
    message = told(sub_device(), inverter=reading())
    assert message["dev"] == {
        "ids": ["sungather_S2310160987"],
        "mf": "Sungrow",
        "mdl": "SBR096",
        "name": "roof battery 1",
        "sn": "S2310160987",
        "cu": "http://h:8080/",
        "via_device": "sungather_A223098765",
    }
    assert message["cmps"]["soc"]["uniq_id"] == "sungather_S2310160987_soc"


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
    names = [told(each)["dev"]["name"] for each in (inverter, one)]
    assert names == ["Sungrow SH10RT", "Sungrow battery 1"]


def test_a_device_carries_model_serial_and_firmware() -> None:
    one = replace(reading(), firmware={"arm": "SAPPHIRE-H_B001.V000.P005"})
    assert told(one)["dev"] == {
        "ids": ["sungather_A223098765"],
        "mf": "Sungrow",
        "mdl": "SH10RT",
        "name": "roof",
        "sn": "A223098765",
        "sw": "SAPPHIRE-H_B001.V000.P005",
        "cu": "http://h:8080/",
    }
