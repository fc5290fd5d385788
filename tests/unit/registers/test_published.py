"""Every name under which a value can be published is known, whatever the model and the level."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from sungather.reading import NOT_INVERTERS
from sungather.registers import Space
from sungather.registers.catalogue import registers_for
from sungather.registers.derive import Derivation
from sungather.registers.models import model_named, model_names
from sungather.registers.published import (
    all_names,
    lowest_level,
    names_of_inverters,
    names_of_settings,
    units_of_inverters,
)

NOON = datetime(2026, 6, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize("model", model_names())
def test_what_a_model_has_and_what_is_derived_from_it_is_known(model: str) -> None:
    device = model_named(model)
    registers = {one.name: 1.0 for one in registers_for(device, 3) if one.length == 1}
    derived = Derivation(ZoneInfo("UTC")).step(registers, device, NOON, 0.0)
    assert registers.keys() | derived.values.keys() <= names_of_inverters()
    for one in registers_for(device, 3):
        assert lowest_level(one.name) <= one.level


def test_sub_devices_are_known_and_are_no_inverters() -> None:
    device = model_named("SBR096")
    assert device.family in NOT_INVERTERS
    names = {one.name for one in registers_for(device, 3)}
    assert names <= all_names()
    assert not names <= names_of_inverters()


def test_settings_are_holding_registers_alone() -> None:
    settings = names_of_settings()
    for model in model_names():
        for one in registers_for(model_named(model), 3):
            if one.space is Space.INPUT:
                assert one.name not in settings
    assert {"max_soc", "start_stop"} <= settings <= names_of_inverters()


def test_units_are_those_of_the_register_map_and_of_what_is_derived() -> None:
    units = units_of_inverters()
    assert (units["phase_a_voltage"], units["pv_power"]) == ("V", "W")
    assert (units["battery_level"], units["pv_energy_total"]) == ("%", "kWh")
    assert "run_state" not in units


@pytest.mark.parametrize(("name", "level"), [("pv_power", 1), ("max_soc", 2), ("unknown", 1)])
def test_the_lowest_level_of_a_name(name: str, level: int) -> None:
    assert lowest_level(name) == level
