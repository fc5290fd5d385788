"""Words for other programs: young, whole, shared, and never at the cost of the inverter."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path as FilePath
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_transport import ScriptedTransport, inverter_on, nobody_answers, silent_at
from support import OPTIONS, ManualClock, storage_in

from sungather import errors
from sungather.device import words_for_clients
from sungather.device.failed_reads import REFUSED, SILENT
from sungather.device.inverter import Inverter
from sungather.device.outside_budget import BUDGET, QUEUE, Hope
from sungather.device.sub_devices import SubDevices
from sungather.device.unit_words import UnitWords
from sungather.device.words_for_clients import INTEREST, WordSource
from sungather.reading import Path
from sungather.registers import Block, Space
from sungather.registers.catalogue import Tier, registers_for, starts_of_others
from sungather.registers.models import model_named
from sungather.simulator import device_named
from sungather.simulator.device import SimulatedDevice
from sungather.simulator.modbus import Answer
from sungather.simulator.sub_devices import battery
from sungather.transports.shared import SharedTransport

BATTERY_POWER = Block(Space.INPUT, 5214, 2)
"""A fast value of a hybrid."""
PV_TOTAL = Block(Space.INPUT, 13003, 2)
"""A slow one."""
SETTING = Block(Space.HOLDING, 13050, 1)
UNKNOWN = Block(Space.INPUT, 20001, 2)
"""Registers of no document that the scripted device gives."""


def strange(device: SimulatedDevice, *extra: int) -> SimulatedDevice:
    """The device with further input registers that nobody documented."""

    class Strange(SimulatedDevice):
        def read(self, space: str, wire_address: int, count: int) -> Answer:
            if wire_address + 1 in extra:
                return [wire_address + 1 + n for n in range(count)]
            return device.read(space, wire_address, count)

    return Strange("strange", dict)


class Home:
    """An inverter, what reads it, and what serves its words."""

    def __init__(self, storage: FilePath, time: ManualClock, level: int = 3) -> None:
        self.time = time
        living = device_named("SH10RT", clock=time.local)
        more = (20001, 20003, 20011, *range(21001, 21200, 2))
        self.transport = ScriptedTransport({1: strange(living, *more), 200: battery(living)})
        shared = SharedTransport(self.transport)
        self.inverter: Inverter = inverter_on(shared, storage, time, read_level=level)
        options = replace(OPTIONS, devices="battery:200")
        self.sub_devices = SubDevices(options, shared, storage_in(storage), time.clock, level)
        self.units = UnitWords(
            self.inverter, self.sub_devices, shared.for_another(), time.clock, 5.0
        )

    async def scan(self, after: float = 0.0) -> None:
        self.time.tick(after)
        reading = await self.inverter.scan()
        await self.sub_devices.scan(reading, self.inverter.device)
        self.transport.forget()

    @property
    def words(self) -> WordSource:
        source = self.units.on_unit(1)
        assert source is not None
        return source

    async def read(self, wanted: Block, after: float = 0.0) -> Sequence[int]:
        self.time.tick(after)
        return (await self.words.read(wanted))[0]

    def direct(self, wanted: Block) -> Answer:
        """What the device itself would answer."""
        return self.transport.units[1].read(wanted.space, wanted.start - 1, wanted.count)


def nobody_has(n: int) -> Block:
    """Register n of those that the scripted device gives, and no document knows."""
    return Block(Space.INPUT, 21001 + 2 * n, 1)


async def spend(home: Home) -> None:
    """Ask for as much outside the plan as may be asked for in a minute."""
    for n in range(Hope.UNKNOWN.value):
        await home.read(nobody_has(n))
    home.time.tick(6)
    for n in range(BUDGET - Hope.UNKNOWN.value):
        await home.read(nobody_has(n))


def behind(
    home: Home, path: Path, monkeypatch: pytest.MonkeyPatch, *, masked: bool = False
) -> None:
    """Have the inverter be reached that way."""
    assert home.inverter.device is not None
    reached = replace(home.inverter.device, path=path, masked=masked)
    monkeypatch.setattr(Inverter, "device", reached)


@pytest.fixture
async def home(tmp_path: FilePath) -> Home:
    made = Home(tmp_path, ManualClock())
    await made.scan()
    return made


async def test_words_are_the_devices_own_and_cost_it_nothing(home: Home) -> None:
    for wanted in (BATTERY_POWER, PV_TOTAL, SETTING, Block(Space.INPUT, 13000, 48)):
        words, asked = await home.words.read(wanted)
        assert words == home.direct(wanted)
        assert not asked
    assert home.transport.asked == []


async def test_what_is_too_old_is_read_again_in_our_own_block_once_for_all(home: Home) -> None:
    home.time.tick(6)
    found = await asyncio.gather(*(home.words.read(BATTERY_POWER) for _ in range(100)))
    assert all(asked for _, asked in found)
    ((_, block),) = home.transport.asked
    assert block.holds(BATTERY_POWER)
    assert block.count > BATTERY_POWER.count, "ours, with what others want of it"
    home.transport.forget()
    neighbour = Block(block.space, block.start, 1)
    await home.read(neighbour, after=4)
    await home.read(PV_TOTAL)
    assert home.transport.asked == [], "young enough; the slow one until its tier is due"


async def test_a_range_wider_than_the_transport_takes_is_asked_for_in_parts(home: Home) -> None:
    home.words._requester.transport.widest = 4  # pyright: ignore[reportPrivateUsage]
    assert await home.read(Block(Space.INPUT, 21001, 10)) == list(range(21001, 21011))
    asked = [(block.start, block.count) for _, block in home.transport.asked]
    assert asked == [(21001, 4), (21005, 4), (21009, 2)]


async def test_a_range_outside_the_plan_is_asked_for_as_it_is(home: Home) -> None:
    assert await home.read(UNKNOWN) == [20001, 20002]
    assert await home.read(UNKNOWN) == [20001, 20002]
    assert home.transport.asked == [(1, UNKNOWN)]
    await home.read(UNKNOWN, after=6)
    assert home.transport.asked == [(1, UNKNOWN)] * 2


@pytest.mark.parametrize(("path", "filler"), [(Path.CABLE, 0xFFFF), (Path.DONGLE, 0)])
async def test_filler_inside_a_larger_block_is_not_taken_for_a_value(
    path: Path, filler: int, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is found out once, and remembered; a real 0 is given, and believed from then on."""
    power, real = Block(Space.INPUT, 5036, 1), Block(Space.INPUT, 5035, 1)
    behind(home, path, monkeypatch)
    home.transport.replaced = {5036: filler, 5035: filler}
    home.transport.trouble = lambda block, unit: (
        errors.Refused("illegal data address") if block.start == power.start else None
    )
    await home.scan(after=30)
    for _ in range(2):
        with pytest.raises(errors.Refused):
            await home.read(power)
        assert await home.read(real) == [filler]
    assert sorted(home.transport.starts()) == [5035, 5036]


async def test_a_zero_over_a_cable_costs_no_request(home: Home) -> None:
    """There filler is another word: at night a hundred values are 0."""
    home.transport.replaced = {5036: 0}
    await home.scan(after=30)
    assert await home.read(Block(Space.INPUT, 5036, 1)) == [0]
    assert home.transport.asked == []


async def test_what_a_path_masks_is_not_given_while_it_cannot_be_found_out(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong number is worse than none: with the budget spent it is "busy", and 0 afterwards."""
    behind(home, Path.DONGLE, monkeypatch, masked=True)
    doubtful = Block(Space.INPUT, 5036, 1)
    home.transport.replaced = {5036: 0}
    await home.scan(after=30)
    await spend(home)
    with pytest.raises(errors.Busy):
        await home.read(doubtful)
    await home.scan(after=61)
    assert await home.read(doubtful) == [0]


async def test_documents_are_believed_while_the_device_cannot_be_asked(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through a web API, say; but the device has the last word."""
    behind(home, Path.DONGLE, monkeypatch)
    doubtful = Block(Space.INPUT, 5036, 1)
    home.transport.replaced = {5036: 0}
    await home.scan(after=30)
    await spend(home)
    assert await home.read(doubtful) == [0]
    home.transport.trouble = lambda block, unit: (
        errors.Refused("illegal data address") if block.start == doubtful.start else None
    )
    await home.scan(after=61)
    with pytest.raises(errors.Refused):
        await home.read(doubtful)


async def test_a_refusal_is_the_devices_own_and_remembered(home: Home) -> None:
    wanted = Block(Space.INPUT, 30001, 2)
    for _ in range(3):
        with pytest.raises(errors.Refused) as refused:
            await home.read(wanted)
        assert refused.value.exception_code == 2
    assert home.transport.asked == [(1, wanted)]
    for times, seconds in enumerate((*REFUSED[:2], 10.0, REFUSED[1]), 2):
        with pytest.raises(errors.Refused):
            await home.read(wanted, after=seconds)
        assert len(home.transport.asked) == min(times, 3), "it is asked ever more seldom"


async def test_what_is_wanted_again_and_again_is_merged_and_then_forgotten(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    near = [UNKNOWN, Block(Space.INPUT, 20003, 1), Block(Space.INPUT, 20011, 1)]
    for _ in range(3):
        home.time.tick(10)
        for one in near:
            await home.read(one)
    assert all(map(home.words.is_wanted, near))
    told = "ask again and again for 2 input registers from 20001 on"
    assert len([one for one in caplog.messages if told in one]) == 1
    home.transport.forget()
    home.time.tick(10)
    for one in near:
        await home.read(one)
    assert home.transport.asked == [(1, Block(Space.INPUT, 20001, 11))], "one request for all"
    home.time.tick(INTEREST + 1)
    home.transport.forget()
    await home.read(UNKNOWN)
    assert home.transport.asked == [(1, UNKNOWN)]


async def test_what_may_not_be_merged_is_asked_for_alone(home: Home) -> None:
    """The device refuses what lies between two ranges that it gives."""
    near = [UNKNOWN, Block(Space.INPUT, 20011, 1)]
    home.transport.trouble = lambda block, unit: (
        errors.Refused("illegal data address") if block.start <= 20005 <= block.end else None
    )
    for _ in range(5):
        home.time.tick(10)
        for one in near:
            assert len(await home.read(one)) == one.count


async def test_reads_outside_the_plan_have_a_budget(home: Home) -> None:
    await spend(home)
    assert len(home.transport.asked) == BUDGET
    with pytest.raises(errors.Busy):
        await home.read(nobody_has(0), after=6)
    with pytest.raises(errors.Busy):
        await home.read(UNKNOWN)
    await home.read(PV_TOTAL)
    assert len(home.transport.asked) == BUDGET
    assert await home.read(UNKNOWN, after=61)


async def test_one_who_tries_all_registers_leaves_something_to_who_knows_them(home: Home) -> None:
    known = nobody_has(99)
    await home.read(known)
    home.time.tick(61)
    for n in range(Hope.UNKNOWN.value):
        await home.read(nobody_has(n))
    with pytest.raises(errors.Busy):
        await home.read(UNKNOWN)
    assert await home.read(known)


async def test_what_other_models_have_is_refused_at_once_and_asked_for_little_by_little(
    home: Home,
) -> None:
    """By the documents; but the device itself has the last word, and it may say otherwise."""
    foreign = [one for one in of_others() if isinstance(home.direct(one), int)][:40]
    assert len(foreign) == 40
    for expected in (Hope.FOREIGN.value, 2 * Hope.FOREIGN.value):
        for one in foreign:
            with pytest.raises(errors.Refused) as refused:
                await home.read(one)
            assert refused.value.exception_code == 2
        assert len(home.transport.asked) == expected
        home.time.tick(61)
    last = foreign[-1].start
    home.transport.units[1] = strange(home.transport.units[1], last)
    assert await home.read(foreign[-1]) == [last]
    home.time.tick(6)
    assert await home.read(foreign[-1]) == [last]


def of_others() -> list[Block]:
    """Input registers that by the documents other devices have, and the hybrid has not."""
    others = starts_of_others(replace(model_named("SH10RT"), path=Path.CABLE))
    return [Block(Space.INPUT, n, 1) for n in sorted(others[Space.INPUT])]


async def test_only_so_many_wait_outside_the_plan(home: Home) -> None:
    asked = [home.words.read(Block(Space.INPUT, 21001 + 2 * n, 1)) for n in range(QUEUE + 3)]
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert [isinstance(one, errors.Busy) for one in found] == [False] * QUEUE + [True] * 3


async def test_between_two_blocks_of_a_scan_there_is_one_outside_the_plan_at_most(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = home.transport.read

    async def slow(block: Block, unit: int) -> Sequence[int]:
        await asyncio.sleep(0)
        return await read(block, unit)

    monkeypatch.setattr(home.transport, "read", slow)
    home.time.tick(30)
    outside = [Block(Space.INPUT, 21001 + 2 * n, 1) for n in range(QUEUE)]
    scan = asyncio.create_task(home.inverter.scan(complete=True))
    await asyncio.gather(*map(home.words.read, outside), scan)
    asked = [block for _, block in home.transport.asked]
    first, last = (asked.index(one) for one in (outside[0], outside[-1]))
    assert {a in outside for a in asked[first : last + 1]} == {True, False}
    pairs = zip(asked[first : last + 1], asked[first + 1 : last + 1], strict=False)
    assert not any(a in outside and b in outside for a, b in pairs)


async def test_a_silent_device_is_said_within_a_second_and_asked_once(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.transport.trouble = nobody_answers
    assert await home.read(BATTERY_POWER, after=4), "still young"
    home.time.tick(2)
    for _ in range(5):
        with pytest.raises(errors.Silent):
            await home.read(BATTERY_POWER)
    assert len(home.transport.asked) == 2, "with one retry"
    await home.scan(after=30)
    for wanted in (BATTERY_POWER, PV_TOTAL, UNKNOWN):
        with pytest.raises(errors.Silent):
            await home.read(wanted)
    home.transport.trouble = silent_at()
    await home.scan(after=30)
    assert await home.read(BATTERY_POWER) == home.direct(BATTERY_POWER)
    assert await home.read(UNKNOWN)


async def test_nobody_waits_for_a_device_that_takes_its_time(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(words_for_clients, "PATIENCE", 0.01)
    answered = asyncio.Event()
    read = home.transport.read

    async def late(block: Block, unit: int) -> Sequence[int]:
        await answered.wait()
        return await read(block, unit)

    monkeypatch.setattr(home.transport, "read", late)
    home.time.tick(6)
    for _ in range(3):
        with pytest.raises(errors.Silent):
            await home.read(BATTERY_POWER)
    answered.set()
    await asyncio.gather(*(t for t in asyncio.all_tasks() if t is not asyncio.current_task()))
    assert await home.read(BATTERY_POWER) == home.direct(BATTERY_POWER)
    assert len(home.transport.asked) == 1, "the answer that came late is the one that is given"


async def test_a_read_that_is_never_answered_closes_the_door_for_a_while(home: Home) -> None:
    home.transport.trouble = silent_at(UNKNOWN.start)
    with pytest.raises(errors.Silent):
        await home.read(UNKNOWN)
    with pytest.raises(errors.Busy):
        await home.read(Block(Space.INPUT, 21001, 1))
    assert await home.read(BATTERY_POWER, after=6), "what is ours is read as ever"
    assert await home.read(Block(Space.INPUT, 21001, 1), after=SILENT[0])


async def test_one_silence_may_be_chance_and_two_in_a_row_are_not(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a 0 is to be told from filler: nobody waits ten minutes for a lost answer."""
    behind(home, Path.DONGLE, monkeypatch, masked=True)
    zero = Block(Space.INPUT, 5036, 1)
    home.transport.replaced = {5036: 0}
    await home.scan(after=30)
    home.transport.trouble = silent_at(zero.start)
    for seconds, asked in ((0, 1), (SILENT[0] - 1, 1), (1, 2), (SILENT[0], 2)):
        with pytest.raises(errors.Silent):
            await home.read(zero, after=seconds)
        assert home.transport.starts().count(zero.start) == asked
    home.transport.trouble = silent_at()
    assert await home.read(zero, after=SILENT[1]) == [0]


async def test_contention_is_told_as_such(home: Home) -> None:
    home.transport.trouble = lambda block, unit: errors.Busy("The device is busy.")
    with pytest.raises(errors.Busy):
        await home.read(UNKNOWN)


async def test_a_busy_device_is_asked_once_for_all_who_wait_and_again_after_a_moment(
    home: Home,
) -> None:
    """Each of the waiting asking for itself would keep a busy device busy."""
    home.transport.trouble = lambda block, unit: errors.Busy("The device is busy.")
    home.time.tick(6)
    asked = [home.words.read(BATTERY_POWER) for _ in range(32)]
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(one, errors.Busy) for one in found)
    once = len(home.transport.asked)
    assert len(set(home.transport.asked)) == 1
    with pytest.raises(errors.Busy):
        await home.read(BATTERY_POWER)
    assert len(home.transport.asked) == once
    home.transport.trouble = silent_at()
    assert await home.read(BATTERY_POWER, after=2)


async def test_another_inverter_is_not_mixed_with_the_one_before(home: Home) -> None:
    assert await home.read(Block(Space.INPUT, 13000, 48))
    home.transport.trouble = nobody_answers
    await home.scan(after=30)
    home.transport.trouble = silent_at()
    other = device_named("SG10RT", clock=home.time.local)
    home.transport.units[1] = other
    await home.scan(after=30)
    serial = Block(Space.INPUT, 4990, 10)
    assert await home.read(serial) == other.read("input", 4989, 10)
    for hybrids in (Block(Space.INPUT, 13000, 48), PV_TOTAL, BATTERY_POWER):
        with pytest.raises(errors.Refused):
            await home.read(hybrids)


async def test_sub_devices_have_their_units_and_the_inverter_those_that_mean_it(
    home: Home,
) -> None:
    inverter = home.units.on_unit(1)
    assert home.units.on_unit(0) is inverter
    assert home.units.on_unit(255) is inverter
    assert home.units.on_unit(2) is None
    pack = home.units.on_unit(200)
    assert pack is not None
    words, asked = await pack.read(Block(Space.INPUT, 10711, 10))
    assert words == home.transport.units[200].read("input", 10710, 10)
    assert not asked
    assert pack.reader.session is not None
    fast = next(o.block for o in pack.reader.session.read_registers if o.tier is Tier.FAST)
    home.time.tick(6)
    words, asked = await pack.read(fast)
    assert words == home.transport.units[200].read("input", fast.start - 1, fast.count)
    assert asked
    assert {unit for unit, _ in home.transport.asked} == {200}


async def test_holding_registers_are_spared_through_a_dongle(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = Block(Space.HOLDING, 20001, 1)
    assert home.inverter.device is not None
    assert home.inverter.device.path is Path.CABLE
    await home.read(wanted)
    await home.read(wanted, after=6)
    assert len(home.transport.asked) == 2
    behind(home, Path.DONGLE, monkeypatch)
    await home.read(wanted, after=50)
    assert len(home.transport.asked) == 2
    await home.read(wanted, after=11)
    assert len(home.transport.asked) == 3


class Counting(SimulatedDevice):
    """Every answer shows another moment: all its words but the nameplate's are one number."""

    def __init__(self, device: SimulatedDevice) -> None:
        super().__init__("counting", dict)
        self.device = device
        self.answers = 0

    def read(self, space: str, wire_address: int, count: int) -> Answer:
        answer = self.device.read(space, wire_address, count)
        if not isinstance(answer, list):
            return answer
        self.answers += 1
        numbers = range(wire_address + 1, wire_address + 1 + count)
        return [
            w if 4950 <= n <= 5002 else self.answers for n, w in zip(numbers, answer, strict=True)
        ]


_VALUES = [
    one.block
    for one in registers_for(replace(model_named("SH10RT"), path=Path.CABLE), 3)
    if one.count > 1 and not 4900 <= one.address <= 5002
]


def _near(value: Block, before: int, count: int) -> Block:
    return Block(value.space, max(1, value.start + before), count)


_RANGES = st.builds(
    _near,
    st.sampled_from(_VALUES),
    st.integers(-20, 2),
    st.integers(1, 100),
)
_STEPS = st.tuples(st.sampled_from([0.0, 1.0, 4.0, 6.0, 30.0]), st.booleans(), _RANGES)


@settings(max_examples=40)
@given(steps=st.lists(_STEPS, min_size=1, max_size=12))
def test_no_value_is_torn_whatever_is_asked_and_when(
    steps: list[tuple[float, bool, Block]],
) -> None:
    async def live() -> None:
        with TemporaryDirectory() as storage:
            home = Home(FilePath(storage), ManualClock())
            counting = Counting(device_named("SH10RT", clock=home.time.local))
            home.transport.units[1] = counting
            await home.inverter.scan()
            for seconds, scan, wanted in steps:
                home.time.tick(seconds)
                if scan:
                    await home.inverter.scan()
                try:
                    words = await home.read(wanted)
                except (errors.Refused, errors.Busy):
                    continue
                assert len(words) == wanted.count
                for value in _VALUES:
                    if wanted.holds(value):
                        at = value.start - wanted.start
                        assert len(set(words[at : at + value.count])) == 1, value
            await home.inverter.close()

    asyncio.run(live())
