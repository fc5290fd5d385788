"""A live Home Assistant core takes our entities through a real broker."""

# Home Assistant is installed in an environment of its own, not where types are checked.
# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false

import asyncio
import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import aiomqtt
import pytest

pytest.importorskip("homeassistant", reason="tox -e homeassistant installs Home Assistant")

from homeassistant import core
from homeassistant.helpers import device_registry, entity_registry

from sungather.clock import Clock
from sungather.exporters.mqtt import Mqtt
from sungather.money import Balance, CountedTime, SiteMoney
from sungather.options.all_options import MqttOptions
from sungather.outbox import Outbox, OutboxLimits
from sungather.reading import ActiveFault, FaultReport, State
from tests.homeassistant.live_core import home_assistant, until
from tests.mqtt_parts import at, bench
from tests.outbox_parts import reading, sub_device
from tests.plain_values import measurements
from tests.real_parts import Server, mosquitto, running

OPTIONS = MqttOptions(enabled=True, host="127.0.0.1")


async def _run(hass: core.HomeAssistant, server: Server, tmp_path: Path) -> None:
    outbox = await Outbox.open(tmp_path / "outbox.sqlite3", OutboxLimits(), ("mqtt",))
    options = replace(OPTIONS, port=server.port)
    mqtt = Mqtt(options, outbox.feed("mqtt"), Clock(), ZoneInfo("UTC"), {"roof": {}})
    task = asyncio.create_task(mqtt.run())
    try:
        now = Clock().now()
        one = reading(
            now, pv_power=4821, pv_energy_total=12.5, system_state="Running", run_state="ON",
            max_cell_voltage=3.2072,
            units={"pv_power": "W", "pv_energy_total": "kWh", "max_cell_voltage": "V"},
        )  # fmt: skip
        for service in (outbox, mqtt):
            service.on_reading(one)

        def found(name: str, platform: str = "sensor") -> Any:
            known = entity_registry.async_get(hass).async_get_entity_id(
                platform, "mqtt", f"sungather_A223098765_{name}"
            )
            return hass.states.get(known) if known else None

        def state(name: str, platform: str = "sensor") -> str:
            shown = found(name, platform)
            return shown.state if shown else ""

        await until(lambda: state("pv_power") == "4821")
        assert state("pv_energy_total") == "12.5"
        assert state("system_state") == "Running"
        assert state("connection") == "ok"
        energy = found("pv_energy_total").attributes
        assert energy["device_class"] == "energy"
        assert energy["state_class"] == "total_increasing"
        assert energy["unit_of_measurement"] == "kWh"

        isolation = ActiveFault("fault_code", "39 Low system insulation resistance")
        for faults, shown in (
            (FaultReport((isolation,)), "on"),
            (FaultReport(unknown="not read yet"), "unknown"),
            (FaultReport(), "off"),
        ):
            mqtt.on_reading(replace(one, faults=faults))
            await until(lambda shown=shown: state("fault", "binary_sensor") == shown)
            told = found("fault", "binary_sensor").attributes
            assert told["device_class"] == "problem"
            assert told["faults"] == faults.text

        registry = entity_registry.async_get(hass)
        entries = {entry.unique_id: entry for entry in registry.entities.values()}
        cell = entries["sungather_A223098765_max_cell_voltage"]
        assert cell.disabled_by == "integration", "it is there, for who enables it"
        assert cell.entity_category == "diagnostic"
        assert entries["sungather_A223098765_pv_power"].original_icon == "mdi:solar-power"

        battery = sub_device(now)
        for service in (outbox, mqtt):
            service.on_reading(battery)

        def device(serial: str) -> Any:
            # Later versions refuse to look one up by its identifiers alone.
            known = ("mqtt", f"sungather_{serial}")
            registry = device_registry.async_get(hass)
            devices = device_registry.async_entries_for_config_entry(registry, "mqtt")
            return next((found for found in devices if known in found.identifiers), None)

        await until(lambda: device(battery.serial))
        assert device(battery.serial).via_device_id == device(one.serial).id

        less = replace(one, measurements=measurements({"pv_power": 5}))
        mqtt.on_reading(less)
        await until(lambda: state("pv_power") == "5")
        assert state("pv_energy_total") == "unknown", "absent is never 0"

        mqtt.on_reading(reading(now, state=State.ASLEEP))
        await until(lambda: state("connection") == "asleep")
        await until(lambda: state("pv_power") == "0")
        assert state("pv_energy_total") == "unknown", "the last reading did not have it"
        assert state("system_state") == "unknown"
        mqtt.on_reading(replace(one, time=now))
        await until(lambda: state("pv_power") == "4821")
        mqtt.on_reading(reading(now, state=State.ASLEEP))
        await until(lambda: state("pv_power") == "0")
        assert state("pv_energy_total") == "12.5", "it stands still at night"
        assert state("system_state") == "asleep"
        mqtt.on_reading(reading(now, state=State.UNREACHABLE))
        await until(lambda: state("pv_power") == "unavailable")
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await outbox.close()


@pytest.mark.filterwarnings("default")
async def test_a_live_home_assistant_shows_values_absence_and_sleep(tmp_path: Path) -> None:
    directory = tmp_path / "config"
    directory.mkdir()
    with running(mosquitto(tmp_path)) as server:
        async with home_assistant(directory, server.port) as hass:
            await _run(hass, server, tmp_path)


@pytest.mark.filterwarnings("default")
async def test_a_live_home_assistant_shows_what_energy_costs_and_since_when_it_counts(
    tmp_path: Path,
) -> None:
    directory = tmp_path / "config"
    directory.mkdir()
    day = Balance(days=1, cost=2.0, revenue=2.5, at_grid_prices=4.0)
    begin = datetime(2026, 6, 21, tzinfo=ZoneInfo("Europe/Berlin"))
    with running(mosquitto(tmp_path)) as server:
        async with home_assistant(directory, server.port) as hass:
            options = replace(OPTIONS, client_id="house")
            async with bench(tmp_path, at(server, options), priced=True) as b:

                def found(name: str) -> Any:
                    known = entity_registry.async_get(hass).async_get_entity_id(
                        "sensor", "mqtt", f"sungather_money_house_{name}"
                    )
                    return hass.states.get(known) if known else None

                b.mqtt.money.take(SiteMoney("EUR", {"today": CountedTime(begin, day)}))
                await until(lambda: found("bill_today") and found("bill_today").state == "-0.5")
                bill = found("bill_today").attributes
                assert bill["device_class"] == "monetary"
                assert bill["state_class"] == "total"
                assert bill["unit_of_measurement"] == "EUR"
                assert datetime.fromisoformat(bill["last_reset"]) == begin
                assert found("saving_today").state == "4.5"
                assert found("battery_saving_today") is None
                b.mqtt.money.take(SiteMoney("EUR", {}))
                await until(lambda: found("bill_today").state == "unknown")


OLD_SERIAL = "A223098765"
OLD_SENSORS = """
- {name: Daily Generation, sensor_type: sensor, register: daily_power_yields,
   device_class: energy, state_class: total_increasing, icon: "mdi:solar-power"}
- {name: Daily Export to Grid, sensor_type: sensor, register: daily_export_to_grid,
   device_class: energy, state_class: total_increasing,
   value_template: "{{ value_json.daily_export_to_grid | round(2) }}",
   last_reset_value_template: "{{ value_json.last_reset }}"}
- {name: Power State, sensor_type: binary_sensor, register: run_state, device_class: running,
   payload_on: "ON", payload_off: "OFF"}
"""


def old_messages(topic: str) -> dict[str, dict[str, Any]]:
    """What SunGather 0.5 left at the broker: retained discovery, seen with its version 0.5.2."""
    device = {
        "name": "Sungrow SH10RT", "manufacturer": "Sungrow", "model": "SH10RT",
        "identifiers": OLD_SERIAL, "via_device": "SunGather",
        "connections": [["address", "192.0.2.1"]],
    }  # fmt: skip
    return {
        f"homeassistant/sensor/{OLD_SERIAL}_daily_generation/config": {
            "state_topic": topic, "value_template": "{{ value_json.daily_power_yields }}",
            "device_class": "energy", "icon": "mdi:solar-power", "name": "Daily Generation",
            "state_class": "total_increasing",
            "unique_id": f"sungather_daily_generation_{OLD_SERIAL}",
            "unit_of_measurement": "kWh", "device": device,
        },
        f"homeassistant/binary_sensor/{OLD_SERIAL}_power_state/config": {
            "state_topic": topic, "value_template": "{{ value_json.run_state }}",
            "device_class": "running", "name": "Power State", "payload_off": "OFF",
            "payload_on": "ON", "unique_id": f"sungather_power_state_{OLD_SERIAL}",
            "device": device,
        },
    }  # fmt: skip


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("topic", ["", "solar/{serial_number}"])
async def test_entities_of_sungather_0_5_live_on_with_their_identities(
    topic: str, tmp_path: Path
) -> None:
    directory = tmp_path / "config"
    directory.mkdir()
    state_topic = topic or f"SunGather/{OLD_SERIAL}"
    with running(mosquitto(tmp_path)) as server:
        async with (
            aiomqtt.Client("127.0.0.1", server.port) as before,
            home_assistant(directory, server.port) as hass,
        ):
            for where, message in old_messages(state_topic).items():
                await before.publish(where, json.dumps(message), 1, retain=True)
            registry = entity_registry.async_get(hass)

            def entry(name: str) -> Any:
                wanted = f"sungather_{name}_{OLD_SERIAL}"
                return next((e for e in registry.entities.values() if e.unique_id == wanted), None)

            def value(name: str) -> str:
                found = hass.states.get(entry(name).entity_id) if entry(name) else None
                return found.state if found else ""

            await until(lambda: value("daily_generation"))
            async with asyncio.timeout(60):
                # It is not retained, and Home Assistant subscribes a moment later.
                while value("daily_generation") != "20.0":
                    await before.publish(state_topic, '{"daily_power_yields": 20.0}')
                    await asyncio.sleep(0.1)
            old = {name: entry(name).id for name in ("daily_generation", "power_state")}
            kept = entry("daily_generation").entity_id
            outbox = await Outbox.open(tmp_path / "outbox.sqlite3", OutboxLimits(), ("mqtt",))
            options = replace(
                OPTIONS, port=server.port, homeassistant=False, compatibility="sungather-0.5",
                compatibility_topic=topic, ha_sensors=OLD_SENSORS,
            )  # fmt: skip
            settings = {"roof": {"host": "192.0.2.1"}}
            mqtt = Mqtt(options, outbox.feed("mqtt"), Clock(), ZoneInfo("UTC"), settings)
            task = asyncio.create_task(mqtt.run())
            try:
                one = reading(
                    Clock().now(), daily_power_yields=21.5, daily_export_to_grid=1.239,
                    start_stop="Stop", run_state="OFF",
                )  # fmt: skip
                for service in (outbox, mqtt):
                    service.on_reading(one)
                await until(lambda: value("daily_generation") == "21.5")
                await until(lambda: value("power_state") == "off")
                await until(lambda: value("daily_export_to_grid") == "1.24")
                assert {name: entry(name).id for name in old} == old, "the very same entities"
                assert entry("daily_generation").entity_id == kept
                attributes = hass.states.get(kept).attributes
                assert attributes["state_class"] == "total_increasing"
                assert attributes["unit_of_measurement"] == "kWh"
                ours = [e for e in registry.entities.values() if e.platform == "mqtt"]
                assert len(ours) == 3, "none of ours beside them"
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                await outbox.close()
