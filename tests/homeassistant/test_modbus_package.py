"""Home Assistant's own Modbus integration reads a hundred sensors through our server."""

# Home Assistant is installed in an environment of its own, not where types are checked.
# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false

import asyncio
import inspect
import os
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

pytest.importorskip("homeassistant", reason="tox -e homeassistant installs Home Assistant")

from homeassistant import setup
from homeassistant.components.modbus import modbus
from homeassistant.helpers import entity_registry
from pymodbus.client import AsyncModbusTcpClient

from sungather.clock import Clock
from sungather.exporters.mqtt import Mqtt
from sungather.options.all_options import MqttOptions
from sungather.outbox import Outbox, OutboxLimits
from sungather.registers.catalogue import Tier, registers_for
from sungather.registers.models import model_named
from sungather.service import Service
from sungather.simulator import LivingDevice, device_named, serve
from sungather.simulator.certificate import throwaway_context
from sungather.simulator.frontend import reads_from
from sungather.simulator.winet import SH10RT, Dongle, WinetPort
from sungather.transports.modbus import ModbusTransport
from sungather.transports.winet import WinetTransport
from tests.homeassistant.live_core import home_assistant, until
from tests.modbus_house import house
from tests.real_parts import Server, mosquitto, running

SECONDS = int(os.environ.get("HOME_ASSISTANT_SECONDS", "60"))
SERIALS = {"cable": "A2230987650", "dongle": "A2230987651"}
FEWEST = 20
"""Sensors of ours that each inverter has at least."""
_TYPES = {"u16": "uint16", "s16": "int16", "u32": "uint32", "s32": "int32"}
_EVERY = {Tier.FAST: 10, Tier.SLOW: 60}


def package(device: LivingDevice, count: int = 100) -> list[dict[str, Any]]:
    """Sensors as people have them: one register each, low word first, fast ones every 10 s."""
    numbers = sorted(
        (r for r in registers_for(model_named("SH10RT"), 3) if r.kind in _TYPES and not r.group),
        key=lambda one: (one.tier is not Tier.FAST, one.block),
    )
    given = [r for r in numbers if isinstance(device.read(r.space, r.address - 1, r.count), list)]
    return [
        {
            "name": f"{one.name} {one.address}",
            "unique_id": f"{one.space}-{one.address}-{one.name}",
            "slave": 1,
            "address": one.address - 1,
            "input_type": str(one.space),
            "data_type": _TYPES[one.kind],
            "scan_interval": _EVERY.get(one.tier, 600),
            **({"swap": "word"} if one.count == 2 else {}),
        }
        for one in given[:count]
    ]


def hub(name: str, port: int, sensors: list[dict[str, Any]]) -> dict[str, Any]:
    own = [
        {**one, "name": f"{name} {one['name']}", "unique_id": f"{name}-{one['unique_id']}"}
        for one in sensors
    ]
    where = {"type": "tcp", "host": "127.0.0.1", "port": port, "timeout": 30}
    return {"name": name, **where, "sensors": own}


@asynccontextmanager
async def published(broker: Server, directory: Path) -> AsyncGenerator[list[Service]]:
    """Services that publish readings for Home Assistant, as the daemon's MQTT export does."""
    outbox = await Outbox.open(directory / "outbox.sqlite3", OutboxLimits(), ("mqtt",))
    options = MqttOptions(enabled=True, host="127.0.0.1", port=broker.port)
    names = {name: {} for name in SERIALS}
    mqtt = Mqtt(options, outbox.feed("mqtt"), Clock(), ZoneInfo("UTC"), names)
    task = asyncio.create_task(mqtt.run())
    try:
        yield [outbox, mqtt]
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await outbox.close()


@pytest.mark.filterwarnings("default")
async def test_a_package_of_a_hundred_sensors_has_none_unavailable_beside_our_entities(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a minute, over a cable and over a dongle that has nothing but its web API."""
    read = inspect.signature(AsyncModbusTcpClient.read_input_registers)
    if "slave" not in read.parameters:  # pymodbus has renamed it; this release says it the old way
        monkeypatch.setattr(modbus, "ATTR_SLAVE", "device_id")
    for name in (*SERIALS, "core"):
        (tmp_path / name).mkdir()
    devices = {name: device_named("SH10RT", serial=serial) for name, serial in SERIALS.items()}
    sensors = package(devices["cable"])
    assert len(sensors) == 100
    async with AsyncExitStack() as stack:
        broker = stack.enter_context(running(mosquitto(tmp_path)))
        services = await stack.enter_async_context(published(broker, tmp_path))
        cable = await stack.enter_async_context(await serve(devices["cable"]))
        listed = replace(SH10RT, serial=SERIALS["dongle"])
        dongle = Dongle(reads_from({1: devices["dongle"]}), devices=(listed,))
        winet = await stack.enter_async_context(WinetPort(dongle, tls=throwaway_context()))
        transports = {
            "cable": ModbusTransport("127.0.0.1", cable.port, 5.0),
            "dongle": WinetTransport("127.0.0.1", winet.port, 5.0, memory={}),
        }
        hubs: list[dict[str, Any]] = []
        for name, transport in transports.items():
            options = {"name": name, "devices": "none", "scan_interval": 10.0}
            made = await stack.enter_async_context(
                house(transport, tmp_path / name, services=services, **options)
            )
            await made.poller.scan()
            polling = asyncio.create_task(made.poller.run())
            stack.callback(polling.cancel)
            hubs.append(hub(name, made.port, sensors))
        hass = await stack.enter_async_context(home_assistant(tmp_path / "core", broker.port))
        assert await setup.async_setup_component(hass, "modbus", {"modbus": hubs})

        def states_of(platform: str) -> list[Any]:
            registry = entity_registry.async_get(hass)
            return [
                one
                for one in hass.states.async_all("sensor")
                if (entry := registry.async_get(one.entity_id)) and entry.platform == platform
            ]

        await until(lambda: len(states_of("mqtt")) >= 2 * FEWEST)
        await until(lambda: not any(one.state == "unavailable" for one in states_of("mqtt")))
        trouble: Counter[str] = Counter()
        changed: set[str] = set()
        for _ in range(SECONDS):
            before = {one.entity_id: one.state for one in hass.states.async_all("sensor")}
            await asyncio.sleep(1)
            states = hass.states.async_all("sensor")
            trouble.update(one.entity_id for one in states if one.state == "unavailable")
            changed.update(o.entity_id for o in states if before.get(o.entity_id) != o.state)
        assert not trouble
        read = states_of("modbus")
        assert len(read) == 200
        assert not [one.entity_id for one in read if one.state == "unknown"]
        for platform in ("modbus", "mqtt"):
            assert any(o.entity_id in changed for o in states_of(platform)), "they are alive"
        assert cable.connections == 1
