"""A home manager or a logger at an inverter's address: found, read in few requests, remembered."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from scripted_transport import ScriptedTransport, inverter_on
from support import ManualClock

from sungather import errors
from sungather.reading import State
from sungather.simulator import device_named, home_manager, logger, stranger
from sungather.simulator.device import SimulatedDevice
from sungather.simulator.modbus import Answer


def home(time: ManualClock) -> SimulatedDevice:
    return home_manager(device_named("SH10RT", clock=time.local))


def plant(time: ManualClock) -> SimulatedDevice:
    return logger([device_named("SG10RT", clock=time.local)])


class Changed(SimulatedDevice):
    """A device some of whose input registers hold other words."""

    def __init__(self, of: SimulatedDevice, words: Mapping[int, int]) -> None:
        super().__init__(of.name, dict)
        self._of = of
        self._others = words

    def read(self, space: str, wire_address: int, count: int) -> Answer:
        answer = self._of.read(space, wire_address, count)
        if not isinstance(answer, list):
            return answer
        return [self._others.get(wire_address + 1 + n, word) for n, word in enumerate(answer)]


@pytest.fixture
def time() -> ManualClock:
    """An afternoon on which the battery is full and power goes to the grid."""
    clock = ManualClock()
    clock.tick(4 * 3600)
    return clock


@pytest.mark.parametrize(
    "trouble",
    [
        lambda: errors.Silent("Nothing."),
        lambda: errors.UnitSilent("Exception 11."),
        lambda: errors.Busy("Exception 6."),
        lambda: errors.ConnectionLost("Broken off."),
        lambda: errors.Refused("illegal data address"),
    ],
)
@pytest.mark.parametrize("unit", [1, 247])
@pytest.mark.parametrize(("box", "model"), [(home, "iHomeManager"), (plant, "Logger1000")])
async def test_it_is_found_also_when_a_persons_unit_is_1(
    tmp_path: Path,
    time: ManualClock,
    box: Callable[[ManualClock], SimulatedDevice],
    model: str,
    unit: int,
    trouble: Callable[[], Exception],
) -> None:
    transport = ScriptedTransport({247: box(time)})
    transport.trouble = lambda block, asked: trouble() if asked != 247 else None
    reading = await inverter_on(transport, tmp_path, time, unit=unit).scan()
    assert (reading.state, reading.model, reading.is_inverter) == (State.OK, model, False)
    assert sum(asked == 1 for asked, _ in transport.asked) <= 6


async def test_a_full_scan_of_a_home_manager_takes_six_requests_at_most(
    tmp_path: Path, time: ManualClock
) -> None:
    transport = ScriptedTransport({247: home(time)})
    manager = inverter_on(transport, tmp_path, time, unit=247, level=2)
    await manager.scan()
    full = await manager.scan(complete=True)
    time.tick(1)
    assert (full.requests, (await manager.scan()).requests) == (6, 3)
    assert full.measurements["grid_export_power"].value
    assert (full.serial, full.kind) == ("", "home-manager")


async def test_a_home_manager_without_the_undocumented_registers_costs_no_more(
    tmp_path: Path, time: ManualClock
) -> None:
    known = home(time)

    def words() -> dict[str, dict[int, int]]:
        blocks = ((8000, 7), (8145, 35), (8318, 15), (8552, 13))
        return {
            "input": {
                first + n: word
                for first, count in blocks
                for n, word in enumerate(_words(known, first, count))
            }
        }

    transport = ScriptedTransport({247: SimulatedDevice("old", words, hole=None)})
    manager = inverter_on(transport, tmp_path, time, unit=247, level=2)
    for _ in range(4):
        await manager.scan(complete=True)
    reading = await manager.scan(complete=True)
    assert reading.requests <= 6
    assert reading.number("house_power") is not None


def _words(device: SimulatedDevice, first: int, count: int) -> list[int]:
    answer = device.read("input", first - 1, count)
    assert isinstance(answer, list)
    return answer


@pytest.mark.parametrize("options", [{}, {"unit": 247}])
async def test_after_a_restart_it_is_asked_at_once_where_it_was(
    tmp_path: Path, time: ManualClock, options: dict[str, Any]
) -> None:
    transport = ScriptedTransport({247: home(time)})
    before = inverter_on(transport, tmp_path, time, **options)
    await before.scan()
    await before.close()
    transport.forget()
    again = inverter_on(transport, tmp_path, time, **options)
    assert (again.newest.kind, again.newest.is_inverter) == ("home-manager", False)
    assert (await again.scan()).state is State.OK
    assert {unit for unit, _ in transport.asked} == {247}


async def test_silence_of_a_home_manager_is_never_sleep(tmp_path: Path, time: ManualClock) -> None:
    transport = ScriptedTransport({247: home(time)})
    manager = inverter_on(transport, tmp_path, time)
    await manager.scan()
    time.tick(12 * 3600)
    transport.trouble = lambda block, unit: errors.Silent("Nothing.")
    reading = await manager.scan()
    assert (reading.state, reading.family) == (State.UNREACHABLE, "ems")


async def test_an_inverter_that_comes_to_its_place_is_found_again(
    tmp_path: Path, time: ManualClock
) -> None:
    transport = ScriptedTransport({247: home(time)})
    reader = inverter_on(transport, tmp_path, time)
    await reader.scan()
    transport.units.clear()
    transport.units[1] = device_named("SH10RT", clock=time.local)
    transport.trouble = lambda block, unit: errors.UnitSilent("") if unit != 1 else None
    readings = [await reader.scan() for _ in range(3)]
    reading = readings[-1]
    assert (reading.model, reading.is_inverter, reading.kind) == ("SH10RT", True, "inverter")


async def test_a_known_inverter_that_falls_silent_is_not_taken_for_another_box(
    tmp_path: Path, time: ManualClock
) -> None:
    transport = ScriptedTransport({1: device_named("SH10RT", clock=time.local)})
    inverter = inverter_on(transport, tmp_path, time)
    await inverter.scan()
    transport.trouble = lambda block, unit: errors.Silent("Nothing.")
    for _ in range(4):
        await inverter.scan()
    assert {unit for unit, _ in transport.asked} == {1}


async def test_what_never_answers_is_asked_on_247_now_and_then_only(
    tmp_path: Path, time: ManualClock
) -> None:
    transport = ScriptedTransport({})
    inverter = inverter_on(transport, tmp_path, time)
    for _ in range(10):
        await inverter.scan()
        time.tick(30)
    assert [unit for unit, _ in transport.asked].count(247) == 1


@pytest.mark.parametrize("options", [{"unit": 2}, {"unit": 11}])
async def test_a_unit_that_a_person_chose_is_no_home_manager(
    tmp_path: Path, time: ManualClock, options: dict[str, Any]
) -> None:
    transport = ScriptedTransport({247: home(time)})
    reading = await inverter_on(transport, tmp_path, time, **options).scan()
    assert reading.state is State.UNREACHABLE


async def test_a_stranger_stays_a_stranger(tmp_path: Path, time: ManualClock) -> None:
    transport = ScriptedTransport({1: stranger(), 247: stranger()})
    reading = await inverter_on(transport, tmp_path, time).scan()
    assert reading.state is State.NOT_AN_INVERTER


async def test_faulty_devices_are_told_as_a_fault(tmp_path: Path, time: ManualClock) -> None:
    transport = ScriptedTransport({247: Changed(home(time), {8006: 2})})
    reading = await inverter_on(transport, tmp_path, time, unit=247).scan()
    assert reading.faults is not None
    assert reading.faults.text == "2 connected devices have a fault"


async def test_figures_that_contradict_each_other_are_left_out_with_a_sentence(
    tmp_path: Path, time: ManualClock
) -> None:
    box = home(time)
    low, _ = _words(box, 8157, 2)
    reversed_grid = {8157: 0x10000 - low, 8158: 0}
    transport = ScriptedTransport({247: Changed(box, reversed_grid)})
    reading = await inverter_on(transport, tmp_path, time, unit=247).scan()
    assert reading.problem is not None
    assert "do not add up" in reading.problem.message
    assert not {"grid_power", "grid_import_power", "house_power"} & reading.measurements.keys()
    assert "battery_charge_power" in reading.measurements
