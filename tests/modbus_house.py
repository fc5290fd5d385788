"""An inverter's reader with the Modbus server in front, and the polls of well-known programs."""

import asyncio
import contextlib
import csv
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sungather.clock import Clock
from sungather.daemon.assembly import EVERYTHING
from sungather.daemon.collector import Poller
from sungather.device.inverter import Inverter
from sungather.device.sub_devices import SubDevices
from sungather.device.unit_words import UnitWords
from sungather.modbus_server.server import ModbusServer, ServedInverter
from sungather.options.all_options import ModbusServerOptions
from sungather.service import Service
from sungather.simulator import device_named
from sungather.transports import Transport
from sungather.transports.shared import SharedTransport
from tests.raw_modbus import Client
from tests.support import OPTIONS, storage_in


@dataclass(frozen=True, slots=True)
class Poll:
    """What one program asks again and again; register as documented."""

    client: str
    unit: int
    function: int
    register: int
    count: int
    seconds: float
    """Between two times; 0 for once, at its start."""


def polls() -> list[Poll]:
    """What six programs ask Sungrow devices, from their published sources."""
    with Path(__file__).with_name("modbus_polls.csv").open(encoding="ascii") as lines:
        return [
            Poll(
                row["client"],
                int(row["unit"]),
                int(row["function"]),
                int(row["register"]),
                int(row["count"]),
                float(row["seconds"]),
            )
            for row in csv.DictReader(lines)
        ]


class House:
    """All that is between a device and the programs that read it."""

    def __init__(self, poller: Poller, server: ModbusServer) -> None:
        self.poller = poller
        self.server = server
        self.port = 0
        self.device = device_named("SH10RT")
        """The device at the other end, where a test says so."""

    async def client(self) -> Client:
        """A new connection, as a program's."""
        return Client(*await asyncio.open_connection("127.0.0.1", self.port))


@contextlib.asynccontextmanager
async def house(
    transport: Transport,
    storage: Path,
    clock: Clock | None = None,
    server: Mapping[str, Any] | None = None,
    services: Sequence[Service] = (),
    **options: Any,
) -> AsyncGenerator[House]:
    """Serve the inverter behind `transport`, before its first scan.

    `services` get its readings, too.
    """
    clock = clock or Clock()
    chosen = replace(OPTIONS, **options)
    shared = SharedTransport(transport)
    store, zone = storage_in(storage), ZoneInfo("Europe/Berlin")
    inverter = Inverter(chosen, shared, store, zone, clock, read_level=EVERYTHING)
    sub_devices = SubDevices(chosen, shared, store, clock, EVERYTHING)
    wanted = ModbusServerOptions(enabled=True, address="127.0.0.1", **(server or {}))
    words = UnitWords(inverter, sub_devices, shared.for_another(), clock, wanted.max_age)
    served = ServedInverter("inverter", 0, words, lambda: inverter.device, chosen.scan_interval)
    serving = ModbusServer(wanted, [served], clock)
    poller = Poller(inverter, sub_devices, (serving, *services), clock)
    running = asyncio.create_task(serving.run())
    made = House(poller, serving)
    try:
        made.port = (await serving.listening())["inverter"]
        yield made
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await transport.close()
