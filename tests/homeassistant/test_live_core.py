"""A live Home Assistant core takes our entities through a real broker."""

# Home Assistant is installed in an environment of its own, not where types are checked.
# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

pytest.importorskip("homeassistant", reason="tox -e homeassistant installs Home Assistant")

from homeassistant import auth, bootstrap, config_entries, core, loader, setup
from homeassistant.helpers import device_registry, entity_registry

from sungather.clock import Clock
from sungather.exporters.mqtt import Mqtt
from sungather.options.table import MqttOptions
from sungather.outbox import Outbox, OutboxLimits
from sungather.reading import ActiveFault, FaultReport, State
from tests.outbox_parts import reading, sub_device
from tests.plain_values import measurements
from tests.real_parts import Server, free_port, mosquitto, running

OPTIONS = MqttOptions(enabled=True, host="127.0.0.1")


def _configure(directory: Path, port: int) -> None:
    """A Home Assistant with nothing but the MQTT integration."""
    (directory / "configuration.yaml").write_text("homeassistant:\n")
    entry = {
        "entry_id": "mqtt", "version": 1, "minor_version": 2, "domain": "mqtt", "title": "broker",
        "data": {"broker": "127.0.0.1", "port": port}, "options": {}, "source": "user",
        "pref_disable_new_entities": False, "pref_disable_polling": False, "unique_id": None,
        "disabled_by": None, "created_at": "2026-01-01T00:00:00+00:00",
        "modified_at": "2026-01-01T00:00:00+00:00", "discovery_keys": {}, "subentries": [],
    }  # fmt: skip
    storage = directory / ".storage"
    storage.mkdir()
    (storage / "core.config_entries").write_text(
        json.dumps(
            {
                "version": 1,
                "minor_version": 5,
                "key": "core.config_entries",
                "data": {"entries": [entry]},
            }
        )
    )


@asynccontextmanager
async def home_assistant(directory: Path, port: int) -> AsyncGenerator[core.HomeAssistant]:
    _configure(directory, port)
    hass = core.HomeAssistant(str(directory))
    loader.async_setup(hass)
    hass.config_entries = config_entries.ConfigEntries(hass, {})
    # Not `async_setup_hass`: it insists on the frontend, which is another package.
    await bootstrap.async_load_base_functionality(hass)
    hass.auth = await auth.auth_manager_from_config(hass, [], [])
    web = {"server_host": ["127.0.0.1"], "server_port": free_port()}
    for domain, config in (("http", {"http": web}), ("mqtt", {})):
        assert await setup.async_setup_component(hass, domain, config)
    await hass.async_start()
    try:
        yield hass
    finally:
        await hass.async_stop(force=True)


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 (Home Assistant's states, not ours)
            await asyncio.sleep(0.05)


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
