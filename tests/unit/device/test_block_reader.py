"""What of a plan is asked, in which order, how often, and what a device's silence costs."""

from collections.abc import Iterable
from pathlib import Path

import pytest
from scripted_transport import ScriptedTransport, Trouble, register, silent_at, simple_device
from support import ManualClock, storage_in

from sungather import errors
from sungather.device.block_reader import BlockReader, Gathered
from sungather.device.identify import Identity
from sungather.device.requester import Requester
from sungather.registers import Block, Space
from sungather.registers.catalogue import Register
from sungather.registers.device import Device
from sungather.registers.refusals import FAILING, WAITS

IN = Space.INPUT
DEVICE = Device(0x0E00, "tester", "meter")
FIRST, SECOND, THIRD = (register(f"r{n}", n) for n in (100, 300, 500))
TEXTS, MORE_TEXTS = register("texts", 700, group="texts"), register("more", 900, group="more")
EVERYTHING = (FIRST, SECOND, THIRD, TEXTS, MORE_TEXTS)


@pytest.fixture
def time() -> ManualClock:
    return ManualClock()


@pytest.fixture
def transport() -> ScriptedTransport:
    return ScriptedTransport({1: simple_device({one.address: one.address for one in EVERYTHING})})


class Bench:
    """Makes block readers for one device, as a restart does."""

    def __init__(self, transport: ScriptedTransport, storage: Path, time: ManualClock) -> None:
        self.transport, self.time = transport, time
        self._storage = storage

    def reader(
        self,
        registers: Iterable[Register] = EVERYTHING,
        retries: int = 0,
        widest: int = 100,
        firmware: str = "V1",
        serial: str = "A1",
        name: str = "inverter",
    ) -> BlockReader:
        asking = Requester(self.transport, 1, retries, self.time.clock)
        storage = storage_in(self._storage)
        identity = Identity(DEVICE, serial, {}, firmware)
        clock = self.time.clock
        return BlockReader(asking, identity, registers, widest, storage, clock, name)


@pytest.fixture
def bench(transport: ScriptedTransport, tmp_path: Path, time: ManualClock) -> Bench:
    return Bench(transport, tmp_path, time)


def refused_at(*starts: int) -> Trouble:
    """Refused are blocks that begin there."""
    return lambda block, unit: errors.Refused("") if block.start in starts else None


def read(gathered: Gathered) -> set[int]:
    return set(gathered.words.get(IN, {}))


async def test_whether_the_device_is_still_itself_is_asked_of_another_block(
    bench: Bench, transport: ScriptedTransport
) -> None:
    """The block that is refused is also the one that was given last."""
    wanted = frozenset((FIRST, SECOND, THIRD))
    reader = bench.reader(wanted)
    await reader.read(wanted)
    transport.trouble = refused_at(500)
    gathered = await reader.read(frozenset({THIRD}))
    assert (read(gathered), gathered.failure) == (set(), None)


async def test_all_registers_are_read_those_apart_last(
    bench: Bench, transport: ScriptedTransport
) -> None:
    gathered = await bench.reader().read(EVERYTHING)
    assert read(gathered) == {100, 300, 500, 700, 900}
    assert gathered.words[IN][300] == 300
    assert gathered.failure is None
    assert transport.starts()[:3] == [100, 300, 500]
    assert sorted(transport.starts()[3:]) == [700, 900]


async def test_a_silence_ends_the_scan_and_keeps_what_was_read_before_it(
    bench: Bench, transport: ScriptedTransport
) -> None:
    transport.trouble = silent_at(300)
    gathered = await bench.reader(retries=2).read(EVERYTHING)
    assert read(gathered) == {100}
    assert isinstance(gathered.failure, errors.Silent)
    assert transport.starts() == [100, 300, 300, 300]


@pytest.mark.parametrize("error", [errors.NoRoute, errors.NotModbus])
async def test_any_other_trouble_ends_the_scan_too(
    bench: Bench, transport: ScriptedTransport, error: type[errors.InverterError]
) -> None:
    transport.trouble = lambda block, unit: error("") if block.start == 300 else None
    gathered = await bench.reader().read(EVERYTHING)
    assert (read(gathered), type(gathered.failure)) == ({100}, error)


@pytest.mark.parametrize("trouble", [errors.Silent, errors.ConnectionLost])
async def test_a_group_that_breaks_off_sessions_is_asked_once_and_ends_no_scan(
    bench: Bench, transport: ScriptedTransport, trouble: type[errors.InverterError]
) -> None:
    broken = min(TEXTS, MORE_TEXTS, key=lambda one: one.group)
    transport.trouble = lambda block, unit: trouble("") if block.start == broken.address else None
    gathered = await bench.reader(retries=3).read(EVERYTHING)
    assert transport.starts().count(broken.address) == 1, "another try would cost a session"
    assert read(gathered) == {100, 300, 500, 700, 900} - {broken.address}
    assert gathered.failure is None


@pytest.mark.parametrize("retries", [0, 1])
async def test_contention_that_passes_costs_a_group_nothing(
    bench: Bench, transport: ScriptedTransport, retries: int
) -> None:
    """A busy device has not broken off a session, so it is no proof against what was asked."""
    reader = bench.reader(retries=retries)
    await reader.read(EVERYTHING)
    busy = iter([errors.Busy("")] * (1 + retries))
    for _ in range(3):
        transport.trouble = lambda block, unit: next(busy, None) if block.start == 700 else None
        await reader.read(EVERYTHING)
    assert read(await reader.read(EVERYTHING)) == {100, 300, 500, 700, 900}
    assert reader.refusals == ()


async def test_a_group_is_given_up_after_one_silence_others_after_several(
    bench: Bench, transport: ScriptedTransport
) -> None:
    broken = min(TEXTS, MORE_TEXTS, key=lambda one: one.group)
    reader = bench.reader()
    transport.trouble = silent_at(broken.address, 100)
    for _ in range(2):
        await reader.read(EVERYTHING)
    assert transport.starts().count(broken.address) == 1
    assert [(one.start, one.reason) for one in reader.refusals] == [
        (broken.address, "no answer, or the connection is closed")
    ]
    await reader.read(EVERYTHING)
    assert {one.start for one in reader.refusals} == {100, broken.address}


async def test_silence_of_a_group_alone_is_the_silence_of_the_device(
    bench: Bench, transport: ScriptedTransport
) -> None:
    transport.trouble = silent_at(700)
    gathered = await bench.reader([TEXTS]).read([TEXTS])
    assert isinstance(gathered.failure, errors.Silent)
    assert read(gathered) == set()


async def test_what_stayed_silent_is_asked_last_so_that_the_others_are_read(
    bench: Bench, transport: ScriptedTransport
) -> None:
    plain = (FIRST, SECOND, THIRD)
    reader = bench.reader(plain)
    transport.trouble = silent_at(100)
    assert read(await reader.read(plain)) == set()
    transport.forget()
    assert read(await reader.read(plain)) == {300, 500}
    assert transport.starts() == [300, 500, 100]


async def test_a_device_that_answers_nothing_incriminates_no_register(
    bench: Bench, transport: ScriptedTransport
) -> None:
    reader = bench.reader()
    transport.trouble = lambda block, unit: errors.Silent("")
    for _ in range(10):
        await reader.read(EVERYTHING)
    transport.trouble = lambda block, unit: None
    assert read(await reader.read(EVERYTHING)) == {100, 300, 500, 700, 900}
    assert reader.refusals == ()


async def test_a_refused_register_costs_no_other_and_is_not_asked_again_after_a_restart(
    bench: Bench, transport: ScriptedTransport
) -> None:
    missing = register("missing", 301)
    wanted = (*EVERYTHING, missing)
    transport.trouble = lambda block, unit: (
        errors.Refused("illegal data address")
        if block.holds(Block(IN, 301, 1)) and block.start > 100
        else None
    )
    gathered = await bench.reader(wanted).read(wanted)
    assert read(gathered) == {100, 300, 500, 700, 900}
    assert gathered.failure is None
    transport.forget()
    again = bench.reader(wanted)
    assert read(await again.read(wanted)) == {100, 300, 500, 700, 900}
    assert not [block for _, block in transport.asked if block.holds(Block(IN, 301, 1))]
    assert [(one.start, one.reason) for one in again.refusals] == [(301, "illegal data address")]


async def test_another_firmware_is_asked_for_everything(
    bench: Bench, transport: ScriptedTransport
) -> None:
    transport.trouble = lambda block, unit: errors.Refused("") if block.start == 300 else None
    await bench.reader().read(EVERYTHING)
    transport.trouble = lambda block, unit: None
    assert read(await bench.reader(firmware="V2").read(EVERYTHING)) == {100, 300, 500, 700, 900}


@pytest.mark.parametrize(("serial", "twins"), [("A1", "A2"), ("", "")])
async def test_what_a_device_refuses_is_not_held_against_its_twin(
    bench: Bench, transport: ScriptedTransport, serial: str, twins: str
) -> None:
    """Two batteries of one model and firmware behind one inverter; one of them is broken."""
    transport.trouble = refused_at(300)
    await bench.reader(serial=serial, name="inverter-battery-1").read(EVERYTHING)
    transport.trouble = refused_at()
    twin = bench.reader(serial=twins, name="inverter-battery-2")
    assert read(await twin.read(EVERYTHING)) == {100, 300, 500, 700, 900}


async def test_what_is_refused_is_asked_again_after_minutes_then_hours_then_days(
    bench: Bench, transport: ScriptedTransport, time: ManualClock
) -> None:
    """Across restarts; and whenever it is given again, it is read from then on."""
    transport.trouble = refused_at(300)
    await bench.reader().read(EVERYTHING)
    for wait in (*WAITS, WAITS[-1]):
        time.tick(wait.total_seconds())
        transport.forget()
        assert 300 not in read(await bench.reader().read(EVERYTHING))
        assert 300 not in transport.starts(), wait
        time.tick(1)
        assert 300 not in read(await bench.reader().read(EVERYTHING))
        assert 300 in transport.starts(), wait
    transport.trouble = lambda block, unit: None
    time.tick(WAITS[-1].total_seconds() + 1)
    reader = bench.reader()
    assert 300 in read(await reader.read(EVERYTHING))
    assert reader.refusals == ()


async def test_a_register_that_was_read_is_asked_again_soon_whatever_else_is_refused(
    bench: Bench, transport: ScriptedTransport, time: ManualClock
) -> None:
    transport.trouble = refused_at(300)
    await bench.reader().read(EVERYTHING)
    for wait in WAITS:
        time.tick(wait.total_seconds() + 1)
        await bench.reader().read(EVERYTHING)
    reader = bench.reader()
    transport.trouble = refused_at(300, 500)
    assert 500 not in read(await reader.read(EVERYTHING))
    transport.trouble = refused_at(300)
    time.tick(WAITS[0].total_seconds() + 1)
    assert read(await reader.read(EVERYTHING)) == {100, 500, 700, 900}


@pytest.mark.parametrize("known", [True, False], ids=["read before", "first scan"])
@pytest.mark.parametrize("reason", ["illegal function", "illegal data address", "I18N (code 301)"])
async def test_while_nearly_everything_is_refused_nothing_is_learned(
    bench: Bench, transport: ScriptedTransport, known: bool, reason: str
) -> None:
    reader = bench.reader()
    if known:
        await reader.read(EVERYTHING)
    transport.trouble = lambda block, unit: errors.Refused(reason)
    gathered = await reader.read(EVERYTHING)
    assert read(gathered) == set()
    assert isinstance(gathered.failure, errors.Busy) is known
    transport.trouble = lambda block, unit: None
    for one in (reader, bench.reader()):
        assert read(await one.read(EVERYTHING)) == {100, 300, 500, 700, 900}
        assert one.refusals == ()


async def test_a_refusal_that_has_passed_before_the_diagnosis_ends_is_not_learned(
    bench: Bench, transport: ScriptedTransport
) -> None:
    """Every second request is refused, as by a gateway that is starting."""
    reader = bench.reader()
    await reader.read(EVERYTHING)
    refuse = iter([False, True, False, True, False, True, False, True] * 9)
    transport.trouble = lambda block, unit: errors.Refused("") if next(refuse) else None
    await reader.read(EVERYTHING)
    transport.trouble = lambda block, unit: None
    assert read(await reader.read(EVERYTHING)) == {100, 300, 500, 700, 900}


async def test_a_device_that_really_refuses_nearly_everything_is_believed_in_the_end(
    bench: Bench, transport: ScriptedTransport
) -> None:
    reader = bench.reader()
    transport.trouble = lambda block, unit: errors.Refused("") if block.start != 100 else None
    for _ in range(4):
        assert read(await reader.read(EVERYTHING)) <= {100}
    transport.forget()
    assert read(await reader.read(EVERYTHING)) == {100}
    assert transport.starts() == [100]


@pytest.mark.parametrize("first", [100, 300, 500])
async def test_a_register_that_always_fails_costs_only_itself(
    bench: Bench, transport: ScriptedTransport, first: int
) -> None:
    """Exceptions 4 and 6 are contention elsewhere, but here they are how one register is."""
    wanted = (*EVERYTHING, register("beside", 302))
    transport.units[1] = simple_device(dict.fromkeys([302, *range(100, 910)], 1))
    failing = Block(IN, first, 1)
    transport.trouble = lambda block, unit: errors.Busy("") if block.holds(failing) else None
    reader = bench.reader(wanted)
    gathered = await reader.read(wanted)
    assert {100, 300, 302, 500, 700, 900} - {first} <= read(gathered)
    assert (first in read(gathered), gathered.failure) == (False, None)
    transport.forget()
    await reader.read(wanted)
    assert not [block for _, block in transport.asked if block.holds(failing)]
    assert [(one.start, one.count, one.reason) for one in reader.refusals] == [(first, 1, FAILING)]


async def test_a_busy_device_incriminates_no_register(
    bench: Bench, transport: ScriptedTransport
) -> None:
    reader = bench.reader()
    await reader.read(EVERYTHING)
    transport.trouble = lambda block, unit: errors.Busy("")
    for _ in range(10):
        assert isinstance((await reader.read(EVERYTHING)).failure, errors.Busy)
    transport.trouble = lambda block, unit: None
    assert read(await reader.read(EVERYTHING)) == {100, 300, 500, 700, 900}
    assert reader.refusals == ()


@pytest.mark.parametrize("trouble", [errors.Silent, errors.ConnectionLost])
async def test_an_endlessly_bad_block_costs_that_block_within_two_scans(
    bench: Bench, transport: ScriptedTransport, trouble: type[errors.InverterError]
) -> None:
    plain = (FIRST, SECOND, THIRD)
    reader = bench.reader(plain, retries=3)
    transport.trouble = lambda block, unit: trouble("") if block.start == 100 else None
    await reader.read(plain)
    transport.forget()
    gathered = await reader.read(plain)
    assert (read(gathered), gathered.failure) == ({300, 500}, None)
    assert transport.starts() == [300, 500, 100], "last, and only once"
    await reader.read(plain)
    transport.forget()
    await reader.read(plain)
    assert transport.starts() == [300, 500]


async def test_what_stayed_silent_is_asked_again_last_once_and_alone(
    bench: Bench, transport: ScriptedTransport, time: ManualClock
) -> None:
    plain = (FIRST, SECOND, THIRD)
    reader = bench.reader(plain, retries=3)
    transport.trouble = silent_at(100)
    for _ in range(4):
        await reader.read(plain)
    transport.forget()
    time.tick(WAITS[0].total_seconds() + 1)
    gathered = await reader.read(plain)
    assert (read(gathered), gathered.failure) == ({300, 500}, None)
    assert transport.starts() == [300, 500, 100]
    await reader.read(plain)
    transport.trouble = silent_at()
    time.tick(WAITS[1].total_seconds() + 1)
    for _ in range(2):
        assert read(await reader.read(plain)) == {100, 300, 500}
    assert reader.refusals == ()


@pytest.mark.parametrize(("of_transport", "of_options"), [(10, 100), (100, 10)])
async def test_no_block_is_wider_than_transport_and_options_allow(
    tmp_path: Path, time: ManualClock, of_transport: int, of_options: int
) -> None:
    numbers = range(100, 140)
    registers = [register(f"r{n}", n) for n in numbers]
    transport = ScriptedTransport({1: simple_device(dict.fromkeys(numbers, 1))}, of_transport)
    reader = Bench(transport, tmp_path, time).reader(registers, widest=of_options)
    assert read(await reader.read(registers)) == set(numbers)
    assert [block.count for _, block in transport.asked] == [10] * 4


async def test_a_loss_in_the_middle_of_a_diagnosis_is_told_and_what_was_found_is_kept(
    bench: Bench, transport: ScriptedTransport
) -> None:
    wanted = (FIRST, register("beside", 102))

    def trouble(block: Block, unit: int) -> Exception | None:
        if block.count > 1:
            return errors.Refused("illegal data address")
        return errors.Silent("") if block.start == 102 else None

    transport.trouble = trouble
    gathered = await bench.reader(wanted).read(wanted)
    assert read(gathered) == {100}
    assert isinstance(gathered.failure, errors.Silent)


async def test_a_refusal_is_an_answer_and_clears_a_block_of_its_silence(
    bench: Bench, transport: ScriptedTransport
) -> None:
    """One that was silent before is given up the sooner."""
    plain = (FIRST, SECOND, THIRD)
    reader = bench.reader(plain)
    await reader.read(plain)
    transport.trouble = silent_at(100)
    await reader.read(plain)
    refusals = iter([errors.Refused("illegal data address")])
    transport.trouble = lambda block, unit: next(refusals, None) if block.start == 100 else None
    await reader.read(plain)
    transport.trouble = silent_at(100)
    gathered = await reader.read(plain)
    assert isinstance(gathered.failure, errors.Silent), "it is a first silence again"
    transport.trouble = silent_at()
    assert read(await reader.read(plain)) == {100, 300, 500}
    assert reader.refusals == ()


async def test_what_a_person_has_forgotten_is_suspected_of_nothing(
    bench: Bench, transport: ScriptedTransport
) -> None:
    plain = (FIRST, SECOND, THIRD)
    reader = bench.reader(plain, retries=2)
    transport.trouble = silent_at(500)
    await reader.read(plain)
    reader.forget()
    transport.forget()
    gathered = await reader.read(plain)
    assert isinstance(gathered.failure, errors.Silent)
    assert transport.starts() == [100, 300, 500, 500, 500]


async def test_doubts_of_a_device_that_was_itself_in_between_do_not_add_up(
    bench: Bench, transport: ScriptedTransport
) -> None:
    """A restart of the inverter now and then is not how it is."""
    reader = bench.reader()
    for _ in range(4):
        transport.trouble = lambda block, unit: errors.Refused("illegal data address")
        for _ in range(2):
            await reader.read(EVERYTHING)
        transport.trouble = lambda block, unit: None
        for _ in range(2):
            assert read(await reader.read(EVERYTHING)) == {100, 300, 500, 700, 900}
        assert reader.refusals == ()


async def test_a_device_known_to_refuse_nearly_everything_is_not_doubted_again(
    tmp_path: Path, time: ManualClock
) -> None:
    wanted = [register(f"r{n}", n) for n in range(100, 1100, 100)]
    transport = ScriptedTransport({1: simple_device({100: 1})})
    reader = Bench(transport, tmp_path, time).reader(wanted)
    for _ in range(4):
        await reader.read(wanted)
    assert len(reader.refusals) == 9
    time.tick(WAITS[0].total_seconds() + 1)
    assert read(await reader.read(wanted)) == {100}
    transport.forget()
    assert read(await reader.read(wanted)) == {100}
    assert transport.starts() == [100], "asked again once, not until it is believed once more"


@pytest.mark.parametrize(("count", "believed"), [(8, True), (9, False)])
async def test_failures_of_a_few_fields_are_theirs_those_of_many_are_the_devices(
    tmp_path: Path, time: ManualClock, count: int, believed: bool
) -> None:
    wanted = [register(f"r{n}", n) for n in (*range(100, 140), *range(300, 300 + count))]
    transport = ScriptedTransport({1: simple_device({one.address: 1 for one in wanted})})
    transport.trouble = lambda block, unit: errors.Busy("") if block.start >= 300 else None
    reader = Bench(transport, tmp_path, time).reader(wanted)
    gathered = await reader.read(wanted)
    assert read(gathered) == set(range(100, 140))
    assert (gathered.failure is None) is believed
    assert bool(reader.refusals) is believed


async def test_a_confirmation_that_cannot_be_had_confirms_nothing(
    bench: Bench, transport: ScriptedTransport
) -> None:
    plain = (FIRST, SECOND, THIRD)
    reader = bench.reader(plain)
    await reader.read(plain)
    silences = [errors.Silent("No answer.")] * 2
    answers = iter([errors.Refused("illegal data address"), *silences])
    transport.trouble = lambda block, unit: next(answers, None) if block.start == 300 else None
    await reader.read(plain)
    transport.trouble = silent_at()
    assert read(await reader.read(plain)) == {100, 300, 500}
    assert reader.refusals == ()
