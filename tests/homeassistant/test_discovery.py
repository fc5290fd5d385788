"""Home Assistant's own MQTT integration judges our discovery messages (tox -e homeassistant)."""

# Home Assistant is installed in an environment of its own, not where types are checked.
# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("homeassistant", reason="tox -e homeassistant installs Home Assistant")

from homeassistant import core
from homeassistant.components.mqtt import binary_sensor, sensor
from homeassistant.components.mqtt.discovery import (
    DEVICE_DISCOVERY_SCHEMA,
    _merge_common_device_options,
    _replace_all_abbreviations,
)
from homeassistant.components.sensor import const as sensors
from homeassistant.helpers import frame

from sungather.exporters.homeassistant import Topics, discovery
from sungather.exporters.homeassistant_entities import FAULT
from sungather.exporters.mqtt_money import FIGURES, TIMES, discovery_of
from sungather.household import HOUSEHOLD
from sungather.reading import Value
from sungather.registers.catalogue import registers_for
from sungather.registers.derive import UNITS
from sungather.registers.device import Device
from tests.outbox_parts import reading, sub_device
from tests.plain_values import measurements

TOPICS = Topics(
    "s/roof/state", "s/roof/availability", "s/roof/connection", "s/status/c", "http://pi:8080/"
)
FAMILIES = ("SG-RS", "SG-RT", "SG-CX", "SH-RS", "SH-RT", "SH-T", "MG-RL", "ems", "logger")


def everything(family: str) -> tuple[dict[str, Value], dict[str, str]]:
    """A value and the unit of every name that a family can publish."""
    device = Device(0x0E03, "SH10RT", family, nominal_kw=10.0, phases=3, mppts=12)
    values: dict[str, Value] = {}
    units: dict[str, str] = {}
    for register in registers_for(device, 3):
        values[register.name] = 1.5 if register.unit else "text"
        if register.unit:
            units[register.name] = register.unit
    for name, unit in UNITS.items():
        values[name], units[name] = 1.5, unit
    values["a_switch"] = True
    values[FAULT] = False
    return values, units


def message(family: str) -> dict[str, Any]:
    values, units = everything(family)
    one = replace(reading(), measurements=measurements(values, units), firmware={"arm": "V1"})
    (text,) = discovery(one, values, TOPICS, {"mppt_99_voltage": "sensor"}).values()
    return written_out(text)


def written_out(text: str) -> dict[str, Any]:
    """The message as Home Assistant reads it."""
    whole = json.loads(text)
    _replace_all_abbreviations(whole)
    return whole


@pytest.mark.parametrize("family", FAMILIES)
def test_the_device_message_is_valid(family: str) -> None:
    DEVICE_DISCOVERY_SCHEMA(message(family))


def test_the_device_message_of_a_battery_behind_an_inverter_is_valid() -> None:
    one = sub_device()
    (text,) = discovery(one, one.values, TOPICS, inverter=reading()).values()
    whole = written_out(text)
    assert DEVICE_DISCOVERY_SCHEMA(whole)["device"]["via_device"] == "sungather_A223098765"


def money() -> dict[str, Any]:
    names = {f"{figure}_{time}" for figure in FIGURES for time in TIMES}
    told = discovery_of(names, "EUR", "house", "s/money/house", "s/status/house", "http://pi/")
    (text,) = told.values()
    return written_out(text)


def test_the_device_message_of_money_is_valid() -> None:
    DEVICE_DISCOVERY_SCHEMA(money())


@pytest.mark.parametrize(
    ("made", "least"),
    [*(pytest.param(partial(message, one), 50, id=one) for one in FAMILIES), (money, 6)],
)
async def test_every_entity_is_valid_with_a_unit_and_a_state_class_that_fit_its_class(
    made: Callable[[], dict[str, Any]], least: int, tmp_path: Path
) -> None:
    # Templates are judged within a running core.
    hass = core.HomeAssistant(str(tmp_path))
    frame.async_setup(hass)
    whole = made()
    common = {key: whole[key] for key in ("device", "origin", "qos")}
    found = 0
    for key, component in whole["components"].items():
        if len(component) == 1:
            continue
        schema = {"sensor": sensor, "binary_sensor": binary_sensor}[component["platform"]]
        config = {k: v for k, v in component.items() if k != "platform"}
        _merge_common_device_options(config, whole)
        assert config["availability_mode"] == "all"
        schema.DISCOVERY_SCHEMA(common | config)
        found += 1
        kind = component.get("device_class")
        if kind is None:
            continue
        units = sensors.DEVICE_CLASS_UNITS.get(kind)
        if units is not None:
            assert component.get("unit_of_measurement") in units, key
        states = sensors.DEVICE_CLASS_STATE_CLASSES.get(kind)
        if states is not None and "state_class" in component:
            assert component["state_class"] in states, key
    assert found >= least
    await hass.async_stop(force=True)


def test_every_household_figure_is_an_entity() -> None:
    assert set(message("SH-RT")["components"]) >= HOUSEHOLD
