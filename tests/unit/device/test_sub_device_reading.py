"""What is behind an inverter, scan by scan, through the inverter's own scripted transport."""

from pathlib import Path as FilePath

import pytest
from scripted_transport import (
    ScriptedTransport,
    Trouble,
    inverter_on,
    nobody_answers,
    silent_at,
    sub_devices_on,
)
from support import ManualClock

from sungather import errors
from sungather.device.sub_devices import PAUSE
from sungather.reading import Reading, State
from sungather.registers import Block
from sungather.simulator import LivingDevice, device_named
from sungather.simulator.sub_devices import battery
from tests.plain_values import fresh


class House:
    """A hybrid with a battery on unit 200, and the readers of both, as a poller uses them."""

    def __init__(self, storage: FilePath) -> None:
        self.time = ManualClock()
        self.hybrid: LivingDevice = device_named("SH10RT", clock=self.time.local)
        self.transport = ScriptedTransport({1: self.hybrid, 200: battery(self.hybrid)})
        self._inverter = inverter_on(self.transport, storage, self.time)
        self._sub_devices = sub_devices_on(
            self.transport, storage, self.time, devices="battery:200", level=2
        )

    async def scan(self) -> tuple[Reading, Reading]:
        """The readings of the inverter and of its battery; half a minute passes."""
        self.transport.forget()
        reading = await self._inverter.scan()
        (behind,) = await self._sub_devices.scan(reading, self._inverter.device)
        self.time.tick(30)
        return reading, behind


def only_unit(unit: int, error: Exception) -> Trouble:
    return lambda block, asked: error if asked == unit else None


@pytest.fixture
def house(tmp_path: FilePath) -> House:
    return House(tmp_path)


async def test_a_battery_is_a_device_of_its_own_over_the_inverters_connection(
    house: House,
) -> None:
    inverter, behind = await house.scan()
    assert (behind.name, behind.kind, behind.via) == ("inverter-battery-1", "battery", "inverter")
    assert (behind.state, behind.serial, behind.model) == (State.OK, "S2305170042", "SBR128")
    assert behind.values["battery_pack_level"]
    assert all(one.fresh for one in behind.measurements.values())
    assert behind.requests == len(house.transport.starts(200))
    assert inverter.requests == len(house.transport.starts(1))
    assert house.transport.connects == 1


async def test_trouble_with_a_battery_costs_the_inverter_no_value(house: House) -> None:
    before, _ = await house.scan()
    house.transport.trouble = only_unit(200, errors.Silent("No answer."))
    inverter, behind = await house.scan()
    assert (inverter.state, inverter.problem) == (State.OK, None)
    assert inverter.values.keys() == before.values.keys()
    assert (behind.state, behind.values) == (State.UNREACHABLE, {})
    assert behind.faults is None, "it would tell none if it answered"
    assert behind.problem is not None
    assert behind.problem.kind == "silent"
    assert behind.serial == "S2305170042", "whose trouble it is"


async def test_a_battery_that_is_silent_is_left_alone_for_a_while_then_asked_who_it_is(
    house: House,
) -> None:
    await house.scan()
    house.transport.trouble = only_unit(200, errors.Silent("No answer."))
    await house.scan()
    silent_since = house.time.passed - 30
    house.transport.trouble = silent_at()
    house.transport.units[200] = battery(house.hybrid, "S2305179999")
    while house.time.passed < silent_since + PAUSE:
        _, behind = await house.scan()
        assert house.transport.starts(200) == []
        assert (behind.state, behind.values) == (State.UNREACHABLE, {})
    _, behind = await house.scan()
    assert (behind.state, behind.serial) == (State.OK, "S2305179999")
    assert all(one.fresh for one in behind.measurements.values())


async def test_with_the_inverter_in_trouble_nothing_behind_it_is_asked_or_shown(
    house: House,
) -> None:
    await house.scan()
    house.transport.trouble = nobody_answers
    inverter, behind = await house.scan()
    assert house.transport.starts(200) == []
    assert behind.state is inverter.state is State.UNREACHABLE
    assert not behind.measurements
    assert behind.problem == inverter.problem
    house.transport.trouble = silent_at()
    assert (await house.scan())[1].state is State.OK


async def test_what_a_scan_did_not_read_is_not_called_fresh(house: House) -> None:
    _, first = await house.scan()
    _, second = await house.scan()
    assert second.values.keys() == first.values.keys()
    assert fresh(second) < second.values.keys()
    assert second.since == first.time


async def test_a_scan_of_a_battery_that_ends_early_keeps_what_it_read(house: House) -> None:
    await house.scan()
    house.time.tick(3600)
    await house.scan()
    first, *_, last = house.transport.starts(200)
    assert first != last

    def trouble(block: Block, unit: int) -> Exception | None:
        return errors.Silent("No answer.") if (unit, block.start) == (200, last) else None

    house.transport.trouble = trouble
    house.time.tick(3600)
    _, behind = await house.scan()
    assert behind.state is State.OK
    assert behind.problem is not None
    assert behind.values


async def test_what_a_battery_cannot_show_is_left_out_and_counted(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    name = "battery_pack_total_charge"
    _, before = await house.scan()
    house.time.tick(60)
    house.transport.replaced = {10747: 1}  # a torn high word
    _, behind = await house.scan()
    assert name in before.values
    assert name not in behind.values
    assert behind.impossible == (name,)
    assert behind.state is State.OK
    assert f"inverter-battery-1: {name} is" in caplog.text
    house.time.tick(60)
    house.transport.replaced = {}
    _, again = await house.scan()
    assert again.values[name] == pytest.approx(before.number(name), abs=0.5)
