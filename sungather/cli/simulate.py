"""`simulate`: an inverter that exists in software only, behind any of the three connections."""

import argparse
import asyncio
import contextlib
import sys
from collections.abc import Mapping

from sungather import errors
from sungather.daemon.assembly import until_stopped
from sungather.simulator import (
    Faults,
    LivingDevice,
    SimulatedDevice,
    device_named,
    from_capture,
    plant_named,
    serve,
)
from sungather.simulator.certificate import throwaway_context
from sungather.simulator.device import local_clock
from sungather.simulator.encrypted import EncryptedServer
from sungather.simulator.frontend import FrontEnd, reads_from
from sungather.simulator.plants import MANAGER_UNIT
from sungather.simulator.server import Server
from sungather.simulator.sub_devices import WallBox, battery
from sungather.simulator.switches import fault_list, faults_named
from sungather.simulator.winet import Dongle, Firmware, WinetPort

_BATTERY_BY_CABLE, _BATTERY_BY_DONGLE, _WALL_BOX = 200, 2, 3
"""Units of the sub-devices."""


async def simulate(chosen: argparse.Namespace) -> int:
    """Serve one simulated inverter until stopped.

    Raises:
        OptionsError: faults that do not go with the connection, or a port that is taken.
    """
    if "list" in chosen.fault:
        print(fault_list())
        return 0
    devices = _devices(chosen)
    named = devices.get(MANAGER_UNIT) or devices[1]
    faults = faults_named(chosen.fault)
    if not chosen.connection.startswith("modbus") and (chosen.fault or chosen.latency):
        raise errors.OptionsError(["--fault and --latency go with --connection modbus only."])
    async with contextlib.AsyncExitStack() as stack:
        try:
            listening = await _listen(devices, chosen, faults)
            server = await stack.enter_async_context(listening)
        except OSError as error:
            raise errors.OptionsError(
                [f"The port {chosen.port} of {chosen.host} cannot be opened: {error.strerror}."]
            ) from None
        connection = chosen.connection.removesuffix("-without-login")
        option = "" if connection == "modbus" else f" --set inverter.connection={connection}"
        print(
            f"A simulated {named.name} answers on {server.host}:{server.port}. Read it with\n"
            f"  sungather run-once --set inverter.host={server.host} "
            f"--set inverter.port={server.port}{option}\nStop it with Ctrl-C.",
            file=sys.stderr,
            flush=True,
        )
        await until_stopped(asyncio.Event().wait())
    return 0


def _devices(chosen: argparse.Namespace) -> Mapping[int, SimulatedDevice]:
    """What answers, by unit."""
    if chosen.capture:
        return with_sub_devices(from_capture(chosen.capture, dump=chosen.dump))
    if plant := plant_named(chosen.model, clock=local_clock, speed=chosen.speed):
        return plant
    return with_sub_devices(device_named(chosen.model, speed=chosen.speed, path=chosen.path))


async def _listen(
    devices: Mapping[int, SimulatedDevice], chosen: argparse.Namespace, faults: Faults
) -> Server | FrontEnd:
    """Open the port with the front end that `--connection` names."""
    match chosen.connection:
        case "modbus" | "modbus-tls":
            return await serve(
                devices,
                host=chosen.host,
                port=chosen.port,
                faults=faults,
                latency=chosen.latency / 1000,
                tls=throwaway_context() if chosen.connection == "modbus-tls" else None,
            )
        case "sungrow":
            return EncryptedServer(reads_from(devices), chosen.host, chosen.port)
        case "http":
            dongle = Dongle(reads_from(devices), Firmware.WITH_LOGIN)
            return WinetPort(dongle, chosen.host, chosen.port, throwaway_context())
        case _:
            dongle = Dongle(reads_from(devices), Firmware.WINET_S)
            return WinetPort(dongle, chosen.host, chosen.port)


def with_sub_devices(device: SimulatedDevice) -> dict[int, SimulatedDevice]:
    """The device on unit 1, and a battery and a wall box on their units where it can have them."""
    devices = {1: device}
    if isinstance(device, LivingDevice) and device.model.hybrid:
        dongle = device.path == "dongle"
        unit = _BATTERY_BY_DONGLE if dongle else _BATTERY_BY_CABLE
        devices[unit] = battery(device, path=device.path)
        if dongle:
            devices[_WALL_BOX] = WallBox()
    return devices
