"""An iHomeManager has three ports with one client each: a taken one costs nobody the others."""

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from support import OPTIONS

from sungather import errors
from sungather.registers import Block, Space
from sungather.simulator import Faults, home_manager, serve
from sungather.simulator.device import device_named
from sungather.simulator.server import Server
from sungather.transports.factory import open_transport
from sungather.transports.modbus import ModbusTransport
from tests.real_parts import free_port

PLATE = Block(Space.INPUT, 8000, 7)


async def box(faults: Faults | None = None) -> Server:
    manager = home_manager(device_named("SH10RT", clock=lambda: datetime.now(UTC)))
    return await serve({247: manager}, faults=faults)


async def test_a_closed_port_is_passed_by() -> None:
    async with await box() as server:
        transport = ModbusTransport("127.0.0.1", free_port(), 5, (server.port,))
        assert (await transport.read(PLATE, 247))[0] == 0x072A
        assert transport.address.endswith(f":{server.port}")
        await transport.close()


@pytest.mark.parametrize("faults", [Faults(sessions=1), Faults(sessions=1, excess="reset")])
async def test_a_port_whose_one_client_is_another_is_passed_by(faults: Faults) -> None:
    async with await box(faults) as taken, await box() as free:
        _, other = await asyncio.open_connection("127.0.0.1", taken.port)
        await taken.until(lambda: taken.open == 1)
        transport = ModbusTransport("127.0.0.1", taken.port, 0.5, (free.port,))
        with pytest.raises((errors.Silent, errors.ConnectionLost)):
            await transport.read(PLATE, 247)
        assert (await transport.read(PLATE, 247))[0] == 0x072A
        await transport.close()
        other.close()
        await other.wait_closed()


async def test_a_port_that_has_answered_is_kept_through_silence() -> None:
    async with await box() as first, await box() as second:
        transport = ModbusTransport("127.0.0.1", first.port, 0.3, (second.port,))
        await transport.read(PLATE, 247)
        first.faults = Faults(silent=True)
        for _ in range(2):
            with pytest.raises(errors.Silent):
                await transport.read(PLATE, 247)
        first.faults = Faults()
        await transport.read(PLATE, 247)
        await transport.close()
        assert not second.requests


async def test_of_nothing_but_closed_ports_the_first_is_named() -> None:
    port = free_port()
    transport = ModbusTransport("127.0.0.1", port, 5, (free_port(), free_port()))
    for _ in range(2):
        with pytest.raises(errors.PortClosed, match=f"port {port} is closed.*iHomeManager"):
            await transport.read(PLATE, 247)


async def test_a_port_that_a_person_chose_is_the_only_one() -> None:
    async with await box() as server:
        options = replace(OPTIONS, port=free_port())
        transport = open_transport(options, {}, date.today)
        with pytest.raises(errors.PortClosed):
            await transport.read(PLATE, 247)
        assert not server.requests
