"""Home Assistant's own Modbus integration reads a hundred sensors through our server."""

# Home Assistant is installed in an environment of its own, not where types are checked.
# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false

import asyncio
import inspect
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("homeassistant", reason="tox -e homeassistant installs Home Assistant")

from homeassistant import auth, bootstrap, config_entries, core, loader, setup
from homeassistant.components.modbus import modbus
from pymodbus.client import AsyncModbusTcpClient

from sungather.registers.catalogue import Tier, registers_for
from sungather.registers.models import model_named
from sungather.simulator import LivingDevice, device_named, serve
from sungather.simulator.certificate import throwaway_context
from sungather.simulator.frontend import reads_from
from sungather.simulator.winet import SH10RT, Dongle, WinetPort
from sungather.transports.modbus import ModbusTransport
from sungather.transports.winet import WinetTransport
from tests.modbus_house import house

SECONDS = 60
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
async def home_assistant(directory: Path) -> AsyncGenerator[core.HomeAssistant]:
    (directory / "configuration.yaml").write_text("homeassistant:\n")
    hass = core.HomeAssistant(str(directory))
    loader.async_setup(hass)
    hass.config_entries = config_entries.ConfigEntries(hass, {})
    await bootstrap.async_load_base_functionality(hass)
    hass.auth = await auth.auth_manager_from_config(hass, [], [])
    hass.config.skip_pip = True  # it would want a pymodbus of its own version
    await hass.async_start()
    try:
        yield hass
    finally:
        await hass.async_stop(force=True)


async def test_a_package_of_a_hundred_sensors_has_none_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a minute, over a cable and over a dongle that has nothing but its web API."""
    read = inspect.signature(AsyncModbusTcpClient.read_input_registers)
    if "slave" not in read.parameters:  # pymodbus has renamed it; this release says it the old way
        monkeypatch.setattr(modbus, "ATTR_SLAVE", "device_id")
    device = device_named("SH10RT")
    sensors = package(device)
    assert len(sensors) == 100
    async with AsyncExitStack() as stack:
        cable = await stack.enter_async_context(await serve(device))
        dongle = Dongle(reads_from({1: device}), devices=(SH10RT,))
        winet = await stack.enter_async_context(WinetPort(dongle, tls=throwaway_context()))
        hubs: list[dict[str, Any]] = []
        for name, transport in (
            ("cable", ModbusTransport("127.0.0.1", cable.port, 5.0)),
            ("dongle", WinetTransport("127.0.0.1", winet.port, 5.0, memory={})),
        ):
            (tmp_path / name).mkdir()
            made = await stack.enter_async_context(
                house(transport, tmp_path / name, devices="none", scan_interval=10.0)
            )
            await made.poller.scan()
            polling = asyncio.create_task(made.poller.run())
            stack.callback(polling.cancel)
            hubs.append(hub(name, made.port, sensors))
        (tmp_path / "core").mkdir()
        hass = await stack.enter_async_context(home_assistant(tmp_path / "core"))
        assert await setup.async_setup_component(hass, "modbus", {"modbus": hubs})
        trouble: Counter[str] = Counter()
        for _ in range(SECONDS):
            await asyncio.sleep(1)
            states = hass.states.async_all("sensor")
            trouble.update(one.entity_id for one in states if one.state == "unavailable")
        assert not trouble
        assert len(states) == 200
        assert not [one.entity_id for one in states if one.state == "unknown"]
        assert cable.connections == 1
