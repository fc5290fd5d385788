"""Each kind of box is read with nothing but its address, and `connection` where there is a choice.

The boxes have addresses of the loopback network of their own, and their real ports.
"""

import asyncio
import os
from contextlib import AsyncExitStack
from pathlib import Path as FilePath

import pytest

from sungather.daemon.assembly import open_pollers
from sungather.options.configuration import load
from sungather.reading import Path, State
from sungather.simulator import Faults, device_named, home_manager, logger, serve
from sungather.simulator.certificate import throwaway_context
from sungather.simulator.encrypted import EncryptedServer
from sungather.simulator.frontend import reads_from
from sungather.simulator.winet import Dongle, WinetPort

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="port 502 needs root")

NETWORK = f"127.66.{os.getpid() % 250 + 1}."
BOXES = {
    "inverter": ("modbus", "SH10RT", 1, Path.CABLE),
    "home manager": ("modbus", "iHomeManager", 247, Path.CABLE),
    "home manager, 503 only": ("modbus", "iHomeManager", 247, Path.CABLE),
    "logger or COM100": ("modbus", "Logger1000", 247, Path.CABLE),
    "slave of a cascade": ("modbus", "SH10RT", 2, Path.CABLE),
    "WiNet-S": ("modbus", "SH8.0RT", 1, Path.DONGLE),
    "WiNet-S, web": ("http", "SH8.0RT", 1, Path.DONGLE),
    "WiNet-S, encrypted": ("sungrow", "SH10RT", 1, Path.CABLE),
    "port 516": ("modbus-tls", "SH10RT", 1, Path.CABLE),
}
"""Connection, and what is to be read: model, unit and way."""
HOSTS = {box: f"{NETWORK}{number}" for number, box in enumerate(BOXES, 11)}


async def installed(stack: AsyncExitStack) -> None:
    """Serve all of the boxes; units that are not there are silent, as on real ones."""
    hybrid, string = device_named("SH10RT"), device_named("SG10RT")
    masked, behind = device_named("SH8.0RT", path="dongle"), device_named("SH8.0RT")
    tls, manager = throwaway_context(), home_manager(hybrid)
    silent = Faults(unknown_unit="silent")
    for box, devices, port in (
        ("inverter", {1: hybrid}, 502),
        ("home manager", {247: manager}, 502),
        ("home manager, 503 only", {247: manager}, 503),
        ("logger or COM100", {11: string, 12: string, 247: logger([string] * 2)}, 502),
        ("slave of a cascade", {2: hybrid}, 502),
        ("WiNet-S", {1: masked}, 502),
    ):
        server = await serve(devices, host=HOSTS[box], port=port, faults=silent)
        await stack.enter_async_context(server)
    await stack.enter_async_context(await serve(hybrid, host=HOSTS["port 516"], port=516, tls=tls))
    encrypted = EncryptedServer(reads_from({1: hybrid}), HOSTS["WiNet-S, encrypted"], 502)
    web = WinetPort(Dongle(reads_from({1: behind})), HOSTS["WiNet-S, web"], 443, tls)
    for front_end in (encrypted, web):
        await stack.enter_async_context(front_end)


async def read(box: str, directory: FilePath) -> tuple[str, str, int, Path]:
    settings = [f"inverter.host={HOSTS[box]}", f"storage.directory={directory}"]
    if BOXES[box][0] != "modbus":
        settings.append(f"inverter.connection={BOXES[box][0]}")
    async with open_pollers(load(None, settings, environment={})) as (poller,):
        reading = (await poller.scan())[0]
        assert reading.state is State.OK, (box, reading.problem)
        assert reading.values, box
        unit = poller.inverter.options.unit
        return reading.transport, reading.model, unit, reading.path


async def test_every_box_is_read_from_nothing_but_its_address(tmp_path: FilePath) -> None:
    async with AsyncExitStack() as stack:
        await installed(stack)
        found = await asyncio.gather(
            *(read(box, tmp_path / str(n)) for n, box in enumerate(BOXES))
        )
    assert dict(zip(BOXES, found, strict=True)) == BOXES
