"""One inverter, scan by scan, through a scripted transport: what is shown, and of whom."""

from pathlib import Path as FilePath
from typing import Any

import pytest
from scripted_transport import ScriptedTransport, inverter_on, nobody_answers, silent_at
from support import ManualClock, storage_in

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


def refuses_all(block: Block, unit: int) -> Exception:
    return errors.Refused("illegal data address")


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


@pytest.mark.parametrize("restarted", [False, True], ids=["running", "restarted"])
async def test_what_was_an_inverter_is_busy_while_it_refuses_to_say_who_it_is(
    transport: ScriptedTransport, tmp_path: FilePath, time: ManualClock, restarted: bool
) -> None:
    """It may be starting, or being updated; after an hour it is something else."""
    inverter = inverter_on(transport, tmp_path, time)
    whole = await inverter.scan()
    await lose(inverter, transport, time)
    if restarted:
        inverter = inverter_on(transport, tmp_path, time)
    transport.trouble = refuses_all
    for _ in range(3):
        assert (await inverter.scan()).state is State.BUSY
        time.tick(60)
    time.tick(3600)
    assert (await inverter.scan()).state is State.NOT_AN_INVERTER
    transport.trouble = silent_at()
    assert (await inverter.scan()).values.keys() >= whole.values.keys()


async def test_that_it_was_read_over_a_cable_outlives_a_restart(
    transport: ScriptedTransport, inverter: Inverter, tmp_path: FilePath, time: ManualClock
) -> None:
    """Who is found again at a dongle is not moved there then."""
    assert not inverter.cabled
    await inverter.scan()
    assert inverter.cabled
    await inverter.close()
    transport.trouble = lambda block, unit: errors.NoRoute("Nobody.")
    again = inverter_on(transport, tmp_path, time)
    await again.scan()
    assert again.cabled


@pytest.mark.parametrize("refused", [range(6100, 6101), range(4954, 5000)], ids=["path", "serial"])
async def test_who_it_is_is_asked_again_where_a_part_of_that_was_refused(
    transport: ScriptedTransport, inverter: Inverter, time: ManualClock, refused: range
) -> None:
    """A refusal that passes makes no dongle of a cable, and takes no serial number for good."""

    def refuses(block: Block, unit: int) -> Exception | None:
        lost = not set(refused).isdisjoint(range(block.start, block.end + 1))
        return errors.Refused("illegal data address") if lost else None

    transport.trouble = refuses
    before = await inverter.scan()
    assert (before.path, before.serial) != (Path.CABLE, "A2310715068")
    transport.trouble = silent_at()
    for _ in range(11):
        time.tick(30)
        await inverter.scan()
    after = inverter.newest
    assert (after.path, after.serial) == (Path.CABLE, "A2310715068")
    assert "daily_pv_energy_yields" in after.values


async def test_what_is_always_refused_is_asked_for_less_and_less(
    transport: ScriptedTransport, inverter: Inverter, time: ManualClock
) -> None:
    def refuses(block: Block, unit: int) -> Exception | None:
        return errors.Refused("illegal data address") if block.start == 6100 else None

    transport.trouble = refuses
    await inverter.scan()
    transport.forget()
    for _ in range(10 * 24):
        time.tick(360)
        await inverter.scan()
    assert transport.starts().count(6100) == 2, "after five minutes, and two hours after that"


async def test_what_never_said_who_it_is_is_no_inverter(
    transport: ScriptedTransport, inverter: Inverter
) -> None:
    transport.trouble = refuses_all
    assert (await inverter.scan()).state is State.NOT_AN_INVERTER


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


async def dusk(
    transport: ScriptedTransport, storage: FilePath, time: ManualClock, **options: Any
) -> Inverter:
    """A string inverter that has gone dark after a reading at night."""
    transport.units[1] = device_named("SG10RT", clock=time.local)
    inverter = inverter_on(transport, storage, time, **options)
    time.tick(NIGHT)
    assert (await inverter.scan()).state is State.OK
    time.tick(30)
    transport.trouble = nobody_answers
    return inverter


async def test_whoever_tests_the_connection_at_night_is_told_the_wall(
    transport: ScriptedTransport, tmp_path: FilePath, time: ManualClock
) -> None:
    inverter = await dusk(transport, tmp_path, time)
    assert (await inverter.scan()).state is State.ASLEEP
    answer = await inverter.test()
    assert answer["error"] == {"class": "silent", "message": "No answer."}


@pytest.mark.parametrize(
    ("options", "state"),
    [
        ({}, State.ASLEEP),
        ({"host": "192.168.1.11"}, State.UNREACHABLE),
        ({"port": 503}, State.UNREACHABLE),
        ({"unit": 2}, State.UNREACHABLE),
    ],
)
async def test_dusk_explains_silence_after_a_restart_but_not_that_of_another_address(
    transport: ScriptedTransport,
    tmp_path: FilePath,
    time: ManualClock,
    options: dict[str, Any],
    state: State,
) -> None:
    await (await dusk(transport, tmp_path, time)).close()
    assert (await inverter_on(transport, tmp_path, time, **options).scan()).state is state


async def test_the_night_rule_of_an_earlier_build_is_taken_over(
    transport: ScriptedTransport, tmp_path: FilePath, time: ManualClock
) -> None:
    await (await dusk(transport, tmp_path, time)).close()
    storage = storage_in(tmp_path)
    saved = storage.load("inverter-inverter")
    saved["dusk"] = saved.pop("night_rule")
    storage.save("inverter-inverter", saved)
    assert (await inverter_on(transport, tmp_path, time).scan()).state is State.ASLEEP


async def test_a_gateway_that_is_awake_explains_nothing_and_blames_no_unit_at_night(
    transport: ScriptedTransport, tmp_path: FilePath, time: ManualClock
) -> None:
    """A logger answers that there is no answer; an hour of that by day is a wrong unit."""
    inverter = await dusk(transport, tmp_path, time)
    transport.trouble = lambda block, unit: errors.UnitSilent("")
    for _ in range(10):
        assert (await inverter.scan()).state is State.ASLEEP
        time.tick(600)


async def test_dusk_of_one_inverter_does_not_explain_the_silence_of_another(
    transport: ScriptedTransport, tmp_path: FilePath, time: ManualClock
) -> None:
    inverter = await dusk(transport, tmp_path, time)
    assert (await inverter.scan()).state is State.ASLEEP
    transport.units[1] = device_named("SG10RT", clock=time.local, serial="A2310719999")
    transport.trouble = lambda block, unit: None if block == NAMEPLATE else errors.Silent("")
    assert (await inverter.scan()).state is State.UNREACHABLE


async def test_sleep_ends_with_the_night_also_across_a_restart(
    transport: ScriptedTransport, tmp_path: FilePath, time: ManualClock
) -> None:
    inverter = await dusk(transport, tmp_path, time)
    time.tick(15.5 * 3600)
    await inverter.close()
    inverter = inverter_on(transport, tmp_path, time)
    assert (await inverter.scan()).state is State.ASLEEP
    time.tick(3600)
    assert (await inverter.scan()).state is State.UNREACHABLE


async def test_a_night_is_learned_and_known_after_a_restart(
    transport: ScriptedTransport, tmp_path: FilePath, time: ManualClock
) -> None:
    """From 22:30 to 05:30, UTC: the next day it is no night at 08:00."""
    inverter = await dusk(transport, tmp_path, time)
    for _ in range(14):
        assert (await inverter.scan()).state is State.ASLEEP
        time.tick(1800)
    transport.trouble = lambda block, unit: None
    assert (await inverter.scan()).values["pv_power"]
    time.tick(2.5 * 3600)
    transport.replaced = {5031: 0, 5032: 0}
    assert (await inverter.scan()).values["pv_power"] == 0
    await inverter.close()
    inverter = inverter_on(transport, tmp_path, time)
    transport.trouble = nobody_answers
    assert (await inverter.scan()).state is State.UNREACHABLE


@pytest.mark.parametrize(
    ("seconds", "model", "kind", "said"),
    [
        (NIGHT, "SG10RT", "probably-asleep", "The inverter is unreachable, probably asleep; it "),
        (NIGHT, "auto", "probably-asleep", "If it has no battery, it is probably asleep; it "),
        (NIGHT, "SH10RT", "silent", "No answer."),
        (0, "SG10RT", "silent", "No answer."),
        (0, "auto", "silent", "No answer."),
    ],
)
async def test_silence_from_the_first_start_in_the_dark_is_probably_sleep(
    transport: ScriptedTransport,
    tmp_path: FilePath,
    time: ManualClock,
    seconds: float,
    model: str,
    kind: str,
    said: str,
) -> None:
    time.tick(seconds)
    transport.trouble = nobody_answers
    inverter = inverter_on(transport, tmp_path, time, model=model)
    reading = await inverter.scan()
    assert reading.state is State.UNREACHABLE
    assert reading.problem is not None
    assert reading.problem.kind == kind
    assert said in reading.problem.message
    assert reading.problem.message.endswith("No answer."), "the wall is named, too"
    assert (await inverter.test())["error"] == {"class": "silent", "message": "No answer."}


async def test_a_battery_that_is_remembered_never_sleeps(
    transport: ScriptedTransport, tmp_path: FilePath, time: ManualClock
) -> None:
    inverter = inverter_on(transport, tmp_path, time)
    await inverter.scan()
    await inverter.close()
    time.tick(NIGHT)
    transport.trouble = nobody_answers
    reading = await inverter_on(transport, tmp_path, time).scan()
    assert reading.problem is not None
    assert reading.problem.kind == "silent"


def asleep_behind_a_dongle(meter: int) -> dict[int, int]:
    """What an SG5.0RS behind a WiNet-S answers at night: 0, but for its meter and its counters."""
    zeros = dict.fromkeys([*range(5004, 5100), *range(5145, 5150)], 0)
    return zeros | {5038: 0x1400, 5083: meter, 5095: 62785, 5096: 3, 5099: 45753, 5100: 1}


async def test_the_meter_of_a_sleeping_inverter_is_read_on(
    transport: ScriptedTransport, tmp_path: FilePath, time: ManualClock
) -> None:
    transport.units[1] = device_named("SG5.0RS", clock=time.local)
    inverter = inverter_on(transport, tmp_path, time)
    time.tick(NIGHT)
    for watts, counted in ((705, 45753), (754, 45755)):
        transport.replaced = asleep_behind_a_dongle(watts) | {5099: counted}
        reading = await inverter.scan(complete=True)
        assert reading.state is State.OK
        expected = {"pv_power": 0, "grid_import_power": watts, "house_power": watts}
        assert {name: reading.values.get(name) for name in expected} == expected
        assert reading.values["total_import_energy"] == (65536 + counted) / 10
        assert not {"phase_a_voltage", "grid_frequency"} & reading.values.keys()
        time.tick(60)
    transport.trouble = nobody_answers
    assert (await inverter.scan()).state is State.ASLEEP


async def test_a_grid_that_fails_in_an_afternoon_is_no_sleep(
    transport: ScriptedTransport, tmp_path: FilePath, time: ManualClock
) -> None:
    """No place is known, and no night was learned: by the clock alone it might be dark."""
    transport.units[1] = device_named("SG5.0RS", clock=time.local)
    inverter = inverter_on(transport, tmp_path, time, smart_meter="false")
    time.tick(4 * 3600)
    assert (await inverter.scan()).values["pv_power"] != 0
    time.tick(60)
    transport.replaced = asleep_behind_a_dongle(0)
    for _ in range(3):
        assert (await inverter.scan()).state is State.OK
        time.tick(60)


async def test_what_a_sleeping_inverter_counted_yesterday_is_not_todays(
    transport: ScriptedTransport, tmp_path: FilePath, time: ManualClock
) -> None:
    """It keeps its counter until it wakes; its own clock, which level 1 does not show, tells."""
    transport.units[1] = device_named("SG5.0RS", clock=time.local)
    inverter = inverter_on(transport, tmp_path, time)
    # In Berlin midnight is 12 hours after the clock's noon; the device is on UTC.
    for hours, today in ((12.5, 20.0), (13.9, 20.0), (14.1, 0.0), (16, 0.0)):
        transport.replaced = asleep_behind_a_dongle(700 + round(hours)) | {5003: 200}
        del transport.replaced[5004], transport.replaced[5005]  # the clock has them, too
        time.tick(hours * 3600 - time.passed)
        reading = await inverter.scan(complete=True)
        assert reading.values.get("daily_power_yields") == today
        assert "device_clock" not in reading.values


async def test_a_sleeping_inverter_without_a_meter_has_no_values(
    transport: ScriptedTransport, tmp_path: FilePath, time: ManualClock
) -> None:
    transport.units[1] = device_named("SG5.0RS", clock=time.local)
    inverter = inverter_on(transport, tmp_path, time)
    time.tick(NIGHT)
    transport.replaced = dict.fromkeys(range(5004, 5260), 0)
    reading = await inverter.scan()
    assert (reading.state, reading.values) == (State.ASLEEP, {})


async def test_more_may_be_read_than_is_published(
    transport: ScriptedTransport, tmp_path: FilePath, time: ManualClock
) -> None:
    """Other programs want every word; exporters get what the level says."""
    plain = await inverter_on(transport, tmp_path / "plain", time).scan()
    deep = inverter_on(transport, tmp_path / "deep", time, read_level=3)
    reading = await deep.scan()
    assert reading.requests > plain.requests
    assert (reading.values, reading.absent) == (plain.values, plain.absent)
    assert deep.session is not None
    assert {one.level for one in deep.session.read_registers} == {1, 2, 3}


async def test_words_of_before_a_loss_are_forgotten(
    inverter: Inverter, transport: ScriptedTransport, time: ManualClock
) -> None:
    """Behind the address another device may answer: its words are not mixed with those of old."""
    await inverter.scan()
    assert inverter.session is not None
    inverter.words.add(Block(Space.INPUT, 1, 1), [1], time.passed)
    await lose(inverter, transport, time)
    assert inverter.session is None
    another(transport, time)
    await inverter.scan()
    assert inverter.session is not None
    assert inverter.words.starts_at(Space.INPUT, NAMEPLATE.start)
    assert not inverter.words.starts_at(Space.INPUT, 1)


async def test_a_sleeping_inverter_whose_scan_ends_early_is_asleep_all_the_same(
    transport: ScriptedTransport, tmp_path: FilePath, time: ManualClock
) -> None:
    transport.units[1] = device_named("SG10RT", clock=time.local)
    transport.replaced = dict.fromkeys([*range(5004, 5150)], 0) | {5038: 0x1400}
    inverter = inverter_on(transport, tmp_path, time, smart_meter="false")
    time.tick(NIGHT)
    assert (await inverter.scan()).state is State.ASLEEP
    transport.forget()
    time.tick(60)
    await inverter.scan()
    transport.trouble = silent_at(transport.starts()[-1])
    time.tick(60)
    reading = await inverter.scan()
    assert reading.state is State.ASLEEP
    assert reading.problem is not None
    assert reading.problem.kind == "asleep"


@pytest.mark.parametrize("level", [1, 2, 3])
async def test_no_coarser_register_stands_in_for_one_that_is_read_another_time(
    tmp_path: FilePath, time: ManualClock, level: int
) -> None:
    """5004 counts in kWh; 5144 in 0.1 kWh, and its block is not answered this time."""
    transport = ScriptedTransport({1: device_named("SG10RT", clock=time.local)})
    transport.replaced = {5004: 1234, 5005: 0, 5144: 12345, 5145: 0}
    inverter = inverter_on(transport, tmp_path, time, level=level)
    assert (await inverter.scan()).values["total_power_yields"] == 1234.5
    time.tick(60)
    transport.forget()
    transport.trouble = silent_at(5071, 5081)  # the blocks up to 5151
    reading = await inverter.scan()
    assert reading.problem is not None
    assert any(block.start <= 5004 <= block.end < 5144 for _, block in transport.asked)
    assert reading.values["total_power_yields"] == 1234.5
    assert not reading.impossible
