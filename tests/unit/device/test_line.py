"""One connection, many units: turns, what a connection bears, and what does not answer."""

import asyncio
import heapq
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from scripted_transport import ScriptedTransport, inverter_on
from support import ManualClock

from sungather import errors
from sungather.daemon import assembly
from sungather.device.identify import identify_sub_device
from sungather.device.line import LONGEST_REST, Demand, Line
from sungather.options.configuration import Configuration, load
from sungather.options.devices import SubDeviceKind, units_of
from sungather.reading import Path as Way
from sungather.reading import Reading, State
from sungather.registers import Block, Space
from sungather.registers.catalogue import registers_for
from sungather.registers.models import model_named
from sungather.service import SimpleService
from sungather.simulator import device_named, logger
from sungather.simulator.device import LivingDevice, SimulatedDevice
from sungather.site import summed
from sungather.storage import MemoryStorage

BEHIND = range(1, 31)
REPLY = 0.25
"""Seconds that a logger takes for an answer."""
SILENCE = 10.0


class Bus(ScriptedTransport):
    """A logger's connection: each answer takes its time, and one request is under way."""

    def __init__(self, units: dict[int, SimulatedDevice], time: ManualClock) -> None:
        super().__init__(units)
        self.time = time
        self.latest = 0
        self.under_way = 0

    async def read(self, block: Block, unit: int) -> Sequence[int]:
        assert unit != 0, "that speaks to all"
        self.under_way += 1
        assert self.under_way == 1
        await asyncio.sleep(0)
        try:
            answer = await super().read(block, unit)
        except errors.Silent:
            self.time.tick(SILENCE)
            raise
        finally:
            self.under_way -= 1
        self.time.tick(REPLY)
        return answer


class Sleepers:
    """Sleeps on a clock that jumps to the next one who wakes, when nobody has work."""

    def __init__(self, time: ManualClock) -> None:
        self._time = time
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []
        self._number = 0

    async def sleep(self, seconds: float) -> None:
        self._number += 1
        over = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (self._time.passed + seconds, self._number, over))
        await over

    async def until(self, end: float) -> None:
        while self._time.passed < end:
            before = -1.0
            while before != self._time.passed:  # as long as somebody asks for something
                before = self._time.passed
                for _ in range(400):
                    await asyncio.sleep(0)
                while self._waiting and self._waiting[0][0] <= self._time.passed:
                    heapq.heappop(self._waiting)[2].set_result(None)
                    before = -1.0
            self._time.tick(max(0.0, self._waiting[0][0] - self._time.passed))


class Kept(SimpleService):
    name = "kept"

    def __init__(self) -> None:
        self.readings: list[Reading] = []

    def on_reading(self, reading: Reading) -> None:
        if reading.state is not State.CONNECTING:
            self.readings.append(reading)

    def of(self, name: str) -> list[Reading]:
        return [one for one in self.readings if one.name == name]


def plant(time: ManualClock, model: str) -> dict[int, SimulatedDevice]:
    inverters: list[LivingDevice] = [
        device_named(model, clock=time.local, meter=False, serial=f"A22{unit:08}")
        for unit in BEHIND
    ]
    return {247: logger(inverters), **dict(zip(BEHIND, inverters, strict=True))}


def options(tmp_path: Path, units: str, level: int = 1) -> Configuration:
    file = tmp_path / "sungather.yaml"
    file.write_text(
        f"inverters: {{plant: {{host: 192.0.2.1, units: '{units}', scan-interval: 60, "
        f"level: {level}}}}}\nsite: {{timezone: Europe/Berlin}}\n"
        f"storage: {{directory: {tmp_path}}}\n"
    )
    return load(file, (), environment={})


async def watched(
    bus: Bus, configuration: Configuration, minutes: float, monkeypatch: pytest.MonkeyPatch
) -> tuple[Kept, float]:
    """What a daemon reads of a logger in that time, and when it began."""

    def opened(*_: object) -> Bus:
        return bus

    monkeypatch.setattr(assembly, "open_transport", opened)
    kept, sleepers, begin = Kept(), Sleepers(bus.time), bus.time.passed
    found = assembly.pollers(
        configuration, [kept], bus.time.clock, MemoryStorage(), sleepers.sleep
    )
    tasks = [asyncio.create_task(poller.run()) for poller in found]
    await sleepers.until(begin + 60 * minutes)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return kept, begin


def on_time(readings: Sequence[Reading], minutes: int, time: ManualClock, begin: float) -> bool:
    """Whether there is a good reading in every interval."""
    start = time.clock.now().timestamp() - time.passed + begin
    slots = [int((one.time.timestamp() - start) // 60) for one in readings]
    return slots == list(range(len(slots))) and len(slots) >= minutes


@pytest.mark.parametrize(("model", "level"), [("SG10RT", 1), ("SG10RT", 2), ("SH10RT", 2)])
async def test_thirty_units_at_60_seconds_with_slow_replies_are_never_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str, level: int
) -> None:
    time = ManualClock()
    bus = Bus(plant(time, model), time)
    kept, begin = await watched(bus, options(tmp_path, "1-30,247", level), 8, monkeypatch)
    for unit in (*BEHIND, 247):
        readings = kept.of(f"plant-{unit}")
        assert {one.state for one in readings} == {State.OK}
        assert on_time(readings, 8, time, begin), f"unit {unit} is late"
    assert bus.connects == 1


async def test_all_that_is_asked_for_is_still_read_in_turn_when_the_connection_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = ManualClock()
    bus = Bus(plant(time, "SH10RT"), time)
    kept, _ = await watched(bus, options(tmp_path, "1-30", 2), 8, monkeypatch)
    for unit in BEHIND:
        newest = kept.of(f"plant-{unit}")[-1].values
        assert {"pv_power", "total_pv_generation", "internal_temperature"} <= newest.keys()


async def test_units_that_are_not_there_cost_the_others_no_scan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = ManualClock()
    units = plant(time, "SG10RT")
    del units[7]
    bus = Bus(units, time)
    kept, begin = await watched(bus, options(tmp_path, "1-30"), 6, monkeypatch)
    assert all(on_time(kept.of(f"plant-{u}"), 6, time, begin) for u in BEHIND if u != 7)
    assert {one.state for one in kept.of("plant-7")} <= {State.UNREACHABLE, State.BUSY}
    assert len(kept.of("plant-7")) >= 6  # it is said in every scan, asked or not


def failed(name: str, took: float) -> Reading:
    time = ManualClock().clock.now()
    return Reading(name, State.UNREACHABLE, time, requests=1, duration_ms=took * 1000)


def test_silent_units_have_a_quarter_of_the_time_together_and_are_not_forgotten() -> None:
    time = ManualClock()
    line = Line(time.clock, 30)
    line.note(failed("a", 10))
    time.tick(39)
    assert line.rests("a")
    time.tick(1)
    assert not line.rests("a")
    for unit in range(30):
        line.note(failed(str(unit), 10))
    time.tick(LONGEST_REST - 1)
    assert line.rests("29")
    time.tick(1)
    assert not line.rests("29")
    line.note(replace(failed("29", 1), state=State.OK))
    alone = Line(time.clock)
    alone.note(failed("a", 10))
    assert not alone.rests("a")  # a single one has pauses of its own


def test_what_is_not_fast_gives_way_where_a_connection_is_full() -> None:
    time = ManualClock()
    line = Line(time.clock, 30)
    line.note(replace(failed("a", 1), state=State.OK, requests=4))
    line.want("a", Demand(3 / 60, 5 / 60))
    assert line.stretch == pytest.approx(2.5 / (0.8 / 0.25 - 1.5))
    assert line.want("b", Demand(3 / 60, 1 / 60)) == pytest.approx(1 / 30)
    assert line.stretch == 1.0
    assert Line(time.clock).stretch == 1.0


async def test_behind_a_logger_nothing_is_asked_that_it_does_not_forward(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = ManualClock()
    bus = Bus(plant(time, "SH10RT"), time)
    kept, _ = await watched(bus, options(tmp_path, "1,2", level=3), 4, monkeypatch)
    blocks = [one for unit, one in bus.asked if unit < 247 and one.space is Space.INPUT]
    asked = {n for one in blocks for n in range(one.start, one.end + 1)}
    assert asked
    assert not asked & {4952, 4953, *range(6100, 6827), *range(13066, 13080)}
    assert {unit for unit, _ in bus.asked} == {1, 2, 247}  # no search for batteries
    assert {str(one.path) for one in kept.readings} == {"logger"}
    assert not any(one.refused for one in kept.readings)
    assert sum(unit == 247 for unit, _ in bus.asked) == 1


def test_through_a_logger_the_map_has_no_history_and_no_protocol_version() -> None:
    device = replace(model_named("SH10RT"), path=Way.LOGGER)
    names = {one.name for one in registers_for(device, 3)}
    assert {"pv_power_of_today", "protocol_version", "battery_alarm"}.isdisjoint(names)
    assert "protocol_version" in {
        one.name for one in registers_for(replace(device, path=Way.CABLE), 3)
    }


async def test_a_logger_beside_its_inverters_counts_in_their_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = ManualClock()
    bus = Bus(plant(time, "SG10RT"), time)
    kept, _ = await watched(bus, options(tmp_path, "1-3,247"), 2, monkeypatch)
    newest = {one.name: one for one in kept.readings}
    assert [one.name for one in summed(newest.values())] == ["plant-247"]


async def test_unit_1_of_several_is_no_logger_when_it_is_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At night all inverters are: the logger would be taken for one of them."""
    time = ManualClock()
    units = plant(time, "SG10RT")
    del units[1]
    kept, _ = await watched(Bus(units, time), options(tmp_path, "1,2"), 2, monkeypatch)
    assert {one.state for one in kept.of("plant-1")} == {State.UNREACHABLE}


async def test_the_slave_of_a_cluster_is_found_at_its_own_address(
    tmp_path: Path,
) -> None:
    time = ManualClock()
    slave = device_named("SH10RT", clock=time.local, serial="A2310715999")
    transport = ScriptedTransport({3: slave})
    inverter = inverter_on(transport, tmp_path, time)
    reading = await inverter.scan()
    assert (reading.state, reading.serial) == (State.OK, "A2310715999")
    await inverter.close()
    transport.forget()
    assert (await inverter_on(transport, tmp_path, time).scan()).state is State.OK
    assert {unit for unit, _ in transport.asked} == {3}


async def test_the_second_inverter_on_unit_2_is_not_taken_for_a_battery() -> None:
    slave = device_named("SH10RT", serial="A2310715999")

    async def read(block: Block) -> Sequence[int]:
        if block.start == 5000:
            answer = slave.read("input", 4999, 1)
            assert isinstance(answer, list)
            return answer
        return [0x4141] * block.count  # whatever stands there: it looks like a serial number

    with pytest.raises(errors.WrongUnit, match="another inverter"):
        await identify_sub_device(read, SubDeviceKind.BATTERY, 2, model_named("SH10RT"), "modbus")


@pytest.mark.parametrize(
    ("text", "units"),
    [("1-3,21", (1, 2, 3, 21)), (" 5 , 4-5", (5, 4)), ("247", (247,)), ("", ())],
)
def test_units_are_numbers_and_ranges(text: str, units: tuple[int, ...]) -> None:
    assert units_of(text) == units


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0-5", "Unit 0 speaks to all"),
        ("0", "Unit 0 speaks to all"),
        ("248", "from 1 to 247"),
        ("5-1", "from low to high"),
        ("one", "written as 1-10"),
        ("1-", "written as 1-10"),
        ("1-61", "at most 60"),
    ],
)
def test_other_units_are_refused_with_the_reason(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        units_of(text)


def test_units_make_an_inverter_each_and_the_same_twice_is_said(tmp_path: Path) -> None:
    configuration = options(tmp_path, "1,2")
    assert [(one.name, one.unit) for one in configuration.inverters] == [
        ("plant-1", 1),
        ("plant-2", 2),
    ]
    file = tmp_path / "twice.yaml"
    file.write_text("inverters: {a: {host: h, units: '1,2'}, b: {host: H, unit: 2}}")
    assert any("a-2 and b are the same" in one for one in load(file, (), environment={}).warnings)
    file.write_text("inverters: {a: {host: h, units: '1,2'}, a-2: {host: g}}")
    with pytest.raises(errors.OptionsError, match="a-2: the option units"):
        load(file, (), environment={})
