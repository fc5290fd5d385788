"""One inverter, scan by scan, through a scripted transport: what is shown, and of whom."""

from pathlib import Path as FilePath

import pytest
from scripted_transport import ScriptedTransport, inverter_on, nobody_answers, silent_at
from support import ManualClock

from sungather import errors
from sungather.device.identify import NAMEPLATE
from sungather.device.inverter import Inverter
from sungather.reading import Path, Reading, State
from sungather.registers import Block, Space
from sungather.simulator import device_named
from tests.plain_values import fresh

METER_POWER, LOAD = 5083, 5091
"""Of a string inverter, 32 bits, low word first."""
NIGHT = 12.5 * 3600
"""Seconds from the clock's noon until the sun has set."""
PV_TOTAL = Block(Space.INPUT, 13003, 2)
"""The lifetime counter of a hybrid's solar energy, 0.1 kWh, low word first."""


@pytest.fixture
def time() -> ManualClock:
    return ManualClock()


@pytest.fixture
def transport(time: ManualClock) -> ScriptedTransport:
    return ScriptedTransport({1: device_named("SH10RT", clock=time.local)})


@pytest.fixture
def inverter(transport: ScriptedTransport, tmp_path: FilePath, time: ManualClock) -> Inverter:
    return inverter_on(transport, tmp_path, time)


def count_of(transport: ScriptedTransport, kwh: float) -> None:
    """Have the lifetime counter of solar energy show this."""
    raw = round(kwh * 10)
    transport.replaced |= {PV_TOTAL.start: raw & 0xFFFF, PV_TOTAL.end: raw >> 16}


def another(transport: ScriptedTransport, time: ManualClock) -> None:
    """Put another inverter of the same model at the address."""
    transport.units[1] = device_named("SH10RT", clock=time.local, serial="A2310719999")


async def lose(inverter: Inverter, transport: ScriptedTransport, time: ManualClock) -> Reading:
    """A scan to which nobody answers."""
    transport.trouble = nobody_answers
    lost = await inverter.scan()
    transport.trouble = silent_at()
    time.tick(30)
    return lost


async def test_before_the_first_scan_nothing_is_claimed(
    inverter: Inverter, transport: ScriptedTransport
) -> None:
    assert (inverter.newest.state, inverter.newest.values) == (State.CONNECTING, {})
    assert transport.asked == []


async def test_a_good_scan_says_who_it_is_and_what_it_read(
    inverter: Inverter, transport: ScriptedTransport, time: ManualClock
) -> None:
    reading = await inverter.scan()
    assert inverter.newest is reading
    assert (reading.state, reading.problem) == (State.OK, None)
    assert (reading.name, reading.model, reading.family) == ("inverter", "SH10RT", "SH-RT")
    assert (reading.serial, reading.path) == ("A2310715068", Path.CABLE)
    assert (reading.kind, reading.via, reading.transport) == ("inverter", "", "modbus")
    assert reading.time == reading.since == time.clock.now()
    assert reading.requests == len(transport.asked)
    assert reading.values["pv_power"]
    assert reading.unit("pv_power") == "W"
    assert fresh(reading) == reading.values.keys()


async def test_a_later_scan_asks_for_what_is_due_and_not_who_it_is(
    inverter: Inverter, transport: ScriptedTransport, time: ManualClock
) -> None:
    first = await inverter.scan()
    transport.forget()
    time.tick(30)
    second = await inverter.scan()
    assert NAMEPLATE not in [block for _, block in transport.asked]
    assert 0 < second.requests == len(transport.asked) < first.requests
    assert second.values.keys() == first.values.keys()
    assert fresh(second) < second.values.keys()
    assert second.since == first.time


async def test_a_loss_leaves_no_value_but_the_name_of_what_was_there(
    inverter: Inverter, transport: ScriptedTransport, time: ManualClock
) -> None:
    known = await inverter.scan()
    time.tick(30)
    lost = await lose(inverter, transport, time)
    assert lost.state is State.UNREACHABLE
    assert not lost.measurements
    assert lost.problem is not None
    assert lost.problem.kind == "silent"
    assert (lost.model, lost.serial) == (known.model, known.serial)
    again = await lose(inverter, transport, time)
    assert again.since == lost.time, "the state began with the first of these scans"


async def test_after_a_loss_the_device_is_asked_who_it_is_and_everything_is_read(
    inverter: Inverter, transport: ScriptedTransport, time: ManualClock
) -> None:
    first = await inverter.scan()
    await lose(inverter, transport, time)
    transport.forget()
    back = await inverter.scan()
    assert [block for _, block in transport.asked].count(NAMEPLATE) == 1
    assert back.state is State.OK
    assert fresh(back) == back.values.keys() == first.values.keys()


@pytest.mark.parametrize("restart", [False, True])
async def test_the_counters_of_one_inverter_are_not_held_against_another(
    transport: ScriptedTransport, tmp_path: FilePath, time: ManualClock, restart: bool
) -> None:
    """The other one has counted less: that is no counter that lies."""
    inverter = inverter_on(transport, tmp_path, time)
    count_of(transport, 5000)
    assert (await inverter.scan()).values["pv_energy_total"] == 5000
    await lose(inverter, transport, time)
    if restart:
        await inverter.close()
        inverter = inverter_on(transport, tmp_path, time)
    another(transport, time)
    count_of(transport, 100)
    reading = await inverter.scan()
    assert reading.serial == "A2310719999"
    assert reading.values["pv_energy_total"] == 100


@pytest.mark.parametrize("restart", [False, True])
async def test_the_counters_of_the_same_inverter_are_remembered_over_a_loss(
    transport: ScriptedTransport, tmp_path: FilePath, time: ManualClock, restart: bool
) -> None:
    inverter = inverter_on(transport, tmp_path, time)
    count_of(transport, 5000)
    await inverter.scan()
    await lose(inverter, transport, time)
    if restart:
        await inverter.close()
        inverter = inverter_on(transport, tmp_path, time)
    count_of(transport, 100)
    reading = await inverter.scan()
    assert reading.state is State.OK
    assert "pv_energy_total" not in reading.values, "a counter does not fall"


async def test_a_counter_that_cannot_be_is_left_out_and_named(
    inverter: Inverter, transport: ScriptedTransport, time: ManualClock
) -> None:
    count_of(transport, 5000)
    assert not (await inverter.scan()).impossible
    count_of(transport, 70000)
    time.tick(60)
    reading = await inverter.scan()
    assert "pv_energy_total" not in reading.values
    assert reading.impossible == ("total_pv_generation",)
    count_of(transport, 5000)
    time.tick(60)
    assert (await inverter.scan()).values["pv_energy_total"] == 5000


async def test_another_inverter_at_the_address_is_shown_with_its_own_values_alone(
    inverter: Inverter, transport: ScriptedTransport, time: ManualClock
) -> None:
    """A string inverter after a hybrid: nothing of a battery is left."""
    assert "battery_level" in (await inverter.scan()).values
    await lose(inverter, transport, time)
    transport.units[1] = device_named("SG10RT", clock=time.local)
    reading = await inverter.scan()
    assert reading.model.startswith("SG10RT")
    assert "battery_level" not in {*reading.values, *reading.absent}


async def test_a_scan_that_ends_early_keeps_what_was_read_and_says_why(
    inverter: Inverter, transport: ScriptedTransport, time: ManualClock
) -> None:
    await inverter.scan()
    transport.forget()
    time.tick(30)
    await inverter.scan()
    last = transport.starts()[-1]
    transport.trouble = silent_at(last)
    time.tick(30)
    reading = await inverter.scan()
    assert reading.state is State.OK
    assert reading.problem is not None
    assert reading.problem.kind == "silent"
    assert reading.values
    transport.forget()
    await inverter.scan()
    assert NAMEPLATE not in [block for _, block in transport.asked], "it was not lost"


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (errors.NoRoute(""), State.UNREACHABLE),
        (errors.Busy(""), State.BUSY),
        (errors.NotModbus(""), State.NOT_AN_INVERTER),
        (errors.WrongUnit(""), State.MISCONFIGURED),
        (errors.LoginRefused(""), State.MISCONFIGURED),
    ],
)
async def test_trouble_is_a_reading_with_the_state_and_the_kind_of_the_error(
    inverter: Inverter,
    transport: ScriptedTransport,
    error: errors.InverterError,
    state: State,
) -> None:
    transport.trouble = lambda block, unit: error
    reading = await inverter.scan()
    assert reading.state is state
    assert reading.problem is not None
    assert reading.problem.kind == error.kind
    assert (reading.model, reading.serial) == ("", "")


@pytest.mark.parametrize(
    ("model", "error", "state"),
    [
        ("SG10RT", errors.Silent(""), State.ASLEEP),
        ("SG10RT", errors.NoRoute(""), State.ASLEEP),
        ("SG10RT", errors.NameNotFound(""), State.UNREACHABLE),
        ("SG10RT", errors.Busy(""), State.BUSY),
        ("SH10RT", errors.Silent(""), State.UNREACHABLE),
    ],
)
async def test_silence_after_dusk_is_the_sleep_of_a_string_inverter_and_nothing_else_is(
    transport: ScriptedTransport,
    tmp_path: FilePath,
    time: ManualClock,
    model: str,
    error: errors.InverterError,
    state: State,
) -> None:
    transport.units[1] = device_named(model, clock=time.local)
    inverter = inverter_on(transport, tmp_path, time)
    time.tick(NIGHT)
    dark = await inverter.scan()
    assert (dark.state, dark.values["pv_power"]) == (State.OK, 0)
    time.tick(30)
    transport.trouble = lambda block, unit: error
    reading = await inverter.scan()
    assert (reading.state, reading.values) == (state, {})


async def test_silence_by_day_is_no_sleep(
    transport: ScriptedTransport, tmp_path: FilePath, time: ManualClock
) -> None:
    transport.units[1] = device_named("SG10RT", clock=time.local)
    inverter = inverter_on(transport, tmp_path, time)
    assert (await inverter.scan()).state is State.OK
    assert (await lose(inverter, transport, time)).state is State.UNREACHABLE


def turned(transport: ScriptedTransport) -> None:
    """Have the meter count much more into the grid than the inverter generates."""
    transport.replaced |= {METER_POWER: 0x10000 - 20000, METER_POWER + 1: 0xFFFF}
    transport.replaced |= {LOAD: 0, LOAD + 1: 0}


@pytest.mark.parametrize("alone", [True, False])
async def test_a_meter_that_says_what_cannot_be_is_told_unless_others_feed_in_behind_it(
    alone: bool, tmp_path: FilePath, time: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    transport = ScriptedTransport({1: device_named("SG10RT", clock=time.local)})
    inverter = inverter_on(transport, tmp_path, time)
    if not alone:
        neighbour = inverter_on(transport, tmp_path / "neighbour", time)
        await neighbour.scan()
        inverter.others = [neighbour]
    assert (await inverter.scan()).problem is None
    assert (await inverter.test())["warning"] is None
    turned(transport)
    time.tick(30)
    reading = await inverter.scan()
    assert reading.state is State.OK
    assert "house_power" not in reading.values
    assert reading.values["grid_export_power"] == 20000
    told = await inverter.test()
    if not alone:
        assert (reading.problem, told["warning"], caplog.messages) == (None, None, [])
        return
    assert reading.problem is not None
    assert reading.problem.kind == errors.MeterWrong.kind
    assert told["success"]
    assert told["warning"] == {"class": "meter-wrong", "message": reading.problem.message}
    time.tick(30)
    await inverter.scan()
    assert caplog.messages == [f"inverter: {reading.problem.message}"], "once"


async def test_a_test_before_the_first_scan_reads_for_its_warning(
    tmp_path: FilePath, time: ManualClock
) -> None:
    transport = ScriptedTransport({1: device_named("SG10RT", clock=time.local)})
    turned(transport)
    inverter = inverter_on(transport, tmp_path, time)
    assert (await inverter.test())["warning"]
