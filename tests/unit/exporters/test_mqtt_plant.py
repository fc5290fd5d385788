"""The plant over MQTT: what several inverters do together, without a broker."""

from dataclasses import replace
from datetime import UTC, timedelta

from sungather.exporters import homeassistant
from sungather.exporters.mqtt_discovery import Discovery
from sungather.exporters.mqtt_layout import WHOLE_PLANT, place_of, state_of
from sungather.exporters.mqtt_plant import WholePlant
from sungather.options.patterns import value_filter
from sungather.reading import ActiveFault, FaultReport, Reading, State, Value
from sungather.site import AUTO
from tests.outbox_parts import NOON, reading, sub_device
from tests.plain_values import measurements

NAMES = {"roof": {"scan_interval": 10}, "barn": {"scan_interval": 10}, "home": {}}
MANAGER: dict[str, Value] = {
    "house_power": 700,
    "grid_import_power": 0,
    "grid_export_power": 7800,
    "battery_charge_power": 500,
    "battery_discharge_power": 0,
    "battery_level": 55.0,
    "grid_import_energy_total": 812.5,
}


def manager(state: State = State.OK, **values: Value) -> Reading:
    found = replace(reading(NOON, "home", state), serial="", model="iHomeManager", family="ems")
    known = measurements(MANAGER | values) if state is State.OK else {}
    return replace(found, measurements=known)


def hybrid(state: State = State.OK) -> Reading:
    """Its meter went to the home manager; it still tells its battery."""
    return reading(
        NOON, "roof", state, pv_power=4000, battery_charge_power=490, battery_discharge_power=0,
        battery_level=54.0, pv_energy_total=10000.0, pv_energy_today=20.0,
    )  # fmt: skip


def string(state: State = State.OK) -> Reading:
    found = reading(NOON, "barn", state, pv_power=5000, pv_energy_total=9000.0)
    return replace(found, serial="A2310715068", family="SG-RT", model="SG10RT")


def plant(*readings: Reading, names: dict[str, dict[str, int]] | None = None) -> Reading | None:
    """What is told after the last of these."""
    whole = WholePlant(NAMES if names is None else names, AUTO)
    return [whole.after(one) for one in readings][-1]


def test_grid_house_and_battery_are_the_home_managers_and_solar_is_the_inverters() -> None:
    found = plant(hybrid(), string(), manager())
    assert found is not None
    assert (found.name, found.state, found.serial) == (WHOLE_PLANT, State.OK, "")
    assert found.values == {
        "pv_power": 9000,
        "house_power": 700,
        "grid_import_power": 0,
        "grid_export_power": 7800,
        "battery_charge_power": 500,
        "battery_discharge_power": 0,
        "battery_level": 55.0,
    }
    assert {found.unit(name) for name in found.values} == {"W", "%"}


def test_energies_are_left_to_whom_they_are_so_nobody_counts_them_twice() -> None:
    found = plant(hybrid(), string(), manager())
    assert found is not None
    assert not [name for name in found.values if "energy" in name]


def test_while_a_part_is_missing_what_it_is_part_of_is_absent_and_no_0() -> None:
    whole = WholePlant(NAMES, AUTO)
    for one in (hybrid(), string(), manager()):
        whole.after(one)
    without_barn = whole.after(string(State.UNREACHABLE))
    assert without_barn is not None
    assert "pv_power" not in without_barn.values
    assert without_barn.value("grid_export_power") == 7800
    whole.after(string())
    without_manager = whole.after(manager(State.UNREACHABLE))
    assert without_manager is not None
    assert without_manager.values == {"pv_power": 9000}


def test_one_that_is_overdue_is_missing_too() -> None:
    whole = WholePlant(NAMES, AUTO)
    for one in (hybrid(), string(), manager()):
        whole.after(one)
    later = NOON + timedelta(seconds=36)
    found = whole.after(replace(hybrid(), time=later))
    assert found is not None
    assert (found.time, found.value("pv_power")) == (later, None)
    assert found.value("house_power") == 700, "the home manager is read once a minute"


def test_a_string_inverter_that_sleeps_gives_0_and_at_night_all_are_asleep() -> None:
    dusk = plant(hybrid(), manager(), string(State.ASLEEP))
    assert dusk is not None
    assert dusk.value("pv_power") == 4000
    names: dict[str, dict[str, int]] = {"roof": {}, "barn": {}}
    night = plant(hybrid(State.ASLEEP), string(State.ASLEEP), names=names)
    assert night is not None
    assert (night.state, night.values) == (State.ASLEEP, {})
    told = state_of(night, dusk, UTC, value_filter("", ""), "house", zero_at_night=True)
    assert told["pv_power"] == 0
    assert "house_power" not in told


def test_a_logger_counts_in_the_place_of_the_inverters_behind_it() -> None:
    names: dict[str, dict[str, int]] = {"plant": {}, "barn": {}}
    logger = replace(
        reading(NOON, "plant", pv_power=5100), serial="", family="logger", connection="h:502"
    )
    behind = replace(string(), connection="h:502")
    found = plant(behind, logger, names=names)
    assert found is not None
    assert found.values == {"pv_power": 5100}


def test_faults_are_those_of_all_and_unknown_where_one_does_not_answer() -> None:
    fan = FaultReport((ActiveFault("arm_fault_1", "083 Fan 2 Stall Alarm"),))
    faulty, sound = replace(hybrid(), faults=fan), replace(string(), faults=FaultReport())
    found = plant(faulty, sound, manager())
    assert found is not None
    assert found.faults is not None
    assert found.faults.text == "roof: 083 Fan 2 Stall Alarm"
    found = plant(string(State.UNREACHABLE), manager(), replace(hybrid(), faults=FaultReport()))
    assert found is not None
    assert found.faults is not None
    assert not found.faults.known
    assert found.faults.unknown == "barn is unreachable"
    found = plant(manager(), hybrid(), string())
    assert found is not None
    assert found.faults is None


def test_one_inverter_is_no_plant_and_a_battery_no_part_and_nobody_guesses_at_the_start() -> None:
    assert plant(hybrid(), names={"roof": {}}) is None
    assert plant(hybrid(), string()) is None, "the home manager has not been heard of"
    assert plant(hybrid(), string(), manager(), sub_device(via="roof")) is None
    assert plant(*(one(State.UNREACHABLE) for one in (hybrid, string, manager))) is not None


def test_it_is_a_device_of_its_own_that_a_home_with_the_name_plant_does_not_touch() -> None:
    place = place_of(WHOLE_PLANT, "", "t", "house")
    assert place.base == "t/plant/house"
    assert place.state != place_of("plant", "", "t", "A1").state
    found = plant(hybrid(), string(), manager())
    assert found is not None
    discovery = Discovery("homeassistant", None)
    (topic,) = discovery.messages(found, None, found.values, place, {})
    assert topic == "homeassistant/device/sungather_t_plant_house/config"
    assert set(homeassistant.scalars(found)) == set(found.values)
