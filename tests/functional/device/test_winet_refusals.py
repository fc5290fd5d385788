"""A WiNet-S says 301 to what it cannot read, now or ever; neither costs more than it must."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import support
from support import ManualClock, storage_in

from sungather.device.inverter import Inverter
from sungather.reading import State
from sungather.simulator import LivingDevice, device_named
from sungather.simulator.certificate import throwaway_context
from sungather.simulator.frontend import reads_from
from sungather.simulator.modbus import Answer, ExceptionCode, ModbusRequest
from sungather.simulator.winet import SH10RT, Dongle, WinetPort
from sungather.transports.winet import WinetTransport


class House:
    """A hybrid behind a dongle that cannot read input registers for which `fails` says so."""

    def __init__(self, device: LivingDevice) -> None:
        self._read = reads_from({1: device})
        self.fails: Callable[[int, int], bool] = lambda start, end: False
        self.asked: list[tuple[int, int]] = []

    def read(self, request: ModbusRequest) -> Answer:
        if request.space != "input":
            return self._read(request)
        start = request.wire + 1
        block = start, start + request.count - 1
        self.asked.append(block)
        return ExceptionCode.DEVICE_FAILURE if self.fails(*block) else self._read(request)


@pytest.fixture
def time() -> ManualClock:
    return ManualClock()


@pytest.fixture
def house(time: ManualClock) -> House:
    return House(device_named("SH10RT", clock=time.local))


@pytest.fixture
async def inverter(house: House, time: ManualClock, tmp_path: Path) -> AsyncGenerator[Inverter]:
    dongle = Dongle(house.read, devices=(SH10RT,))
    async with WinetPort(dongle, tls=throwaway_context()) as port:
        transport = WinetTransport("127.0.0.1", port.port, 5.0, memory={})
        options = replace(support.OPTIONS, port=port.port, level=2, retries=1)
        zone, storage = ZoneInfo("Europe/Berlin"), storage_in(tmp_path)
        made = Inverter(options, transport, storage, zone, time.clock)
        yield made
        await made.close()


@pytest.mark.parametrize("scans", [1, 2])
async def test_a_while_in_which_nothing_can_be_read_costs_nothing_after_it(
    inverter: Inverter, house: House, time: ManualClock, scans: int
) -> None:
    healthy = await inverter.scan(complete=True)
    assert (healthy.state, healthy.refused) == (State.OK, ())
    house.fails = lambda start, end: True
    for _ in range(scans):
        time.tick(30)
        await inverter.scan(complete=True)
    house.fails = lambda start, end: False
    time.tick(30)
    again = await inverter.scan(complete=True)
    assert (again.state, again.refused) == (State.OK, ())
    assert again.values.keys() >= healthy.values.keys()


async def test_a_start_while_nothing_can_be_read_costs_nothing_after_it(
    inverter: Inverter, house: House, time: ManualClock
) -> None:
    house.fails = lambda start, end: True
    first = await inverter.scan()
    assert (first.values, first.problem is not None) == ({}, True)
    house.fails = lambda start, end: False
    time.tick(30)
    again = await inverter.scan(complete=True)
    assert (again.state, again.refused) == (State.OK, ())
    assert "house_power" in again.values


@pytest.mark.parametrize("bad", [13023, 13009, 5017])
async def test_a_register_that_can_never_be_read_costs_only_itself(
    inverter: Inverter, house: House, time: ManualClock, bad: int
) -> None:
    house.fails = lambda start, end: start <= bad <= end
    await inverter.scan(complete=True)
    time.tick(30)
    first = await inverter.scan(complete=True)
    time.tick(30)
    house.asked.clear()
    settled = await inverter.scan(complete=True)
    assert (settled.state, settled.problem) == (State.OK, None)
    assert [bad in range(one.start, one.start + one.count) for one in settled.refused] == [True]
    assert not [block for block in house.asked if house.fails(*block)]
    assert settled.values.keys() == first.values.keys()
    house.fails = lambda start, end: False
    inverter.forget_refusals()
    assert (await inverter.scan(complete=True)).refused == ()


@pytest.mark.parametrize("each", [3, 5, 7])
async def test_failures_of_a_dongle_under_load_are_no_refusals(
    inverter: Inverter, house: House, time: ManualClock, each: int
) -> None:
    """Not of the firmware's texts either, which are asked after everything else, and alone."""
    healthy = await inverter.scan(complete=True)
    house.fails = lambda start, end: len(house.asked) % each == 0
    for _ in range(4):
        time.tick(30)
        await inverter.scan(complete=True)
    house.fails = lambda start, end: False
    time.tick(30)
    again = await inverter.scan(complete=True)
    assert (again.state, again.refused) == (State.OK, ())
    assert again.values.keys() >= healthy.values.keys()
