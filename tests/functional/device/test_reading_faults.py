"""Each thing that inverters and their dongles do wrong, and what becomes of it."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import support
from support import ManualClock

from sungather.device.inverter import Inverter
from sungather.reading import Path as DevicePath
from sungather.reading import State
from sungather.simulator import (
    ABSURD_CLOCK,
    HTTP_SERVER,
    METER_LOST,
    ExceptionCode,
    Faults,
    LivingDevice,
    Server,
    device_named,
    serve,
    stranger,
)
from tests.real_parts import free_port

Make = Callable[..., Inverter]

DAY = datetime(2026, 6, 21, 12, 0)
NIGHT = datetime(2026, 6, 21, 1, 0)
AT_NIGHT = ManualClock(NIGHT.replace(tzinfo=UTC)).clock
"""For readers: silence is sleep at night only."""
BY_DAY = ManualClock().clock


def hybrid(begin: datetime = DAY, path: str = "cable") -> LivingDevice:
    return device_named("SH10RT", begin=begin, path=path)


def string_inverter(begin: datetime = DAY) -> LivingDevice:
    return device_named("SG10RT", begin=begin)


@pytest.fixture
async def server() -> AsyncGenerator[Server]:
    async with await serve(hybrid()) as running:
        yield running


@pytest.fixture
async def inverter_at(tmp_path: Path) -> AsyncGenerator[Make]:
    """Makes readers of a port, and closes them at the end."""
    made: list[Inverter] = []

    def make(port: int, storage: Path = tmp_path, **options: Any) -> Inverter:
        made.append(support.inverter_at(port, storage, **options))
        return made[-1]

    yield make
    for one in made:
        await one.close()


@pytest.fixture
def inverter(server: Server, inverter_at: Make) -> Inverter:
    return inverter_at(server.port, timeout=1.5)


async def test_a_healthy_inverter_gives_a_complete_reading_over_one_connection(
    server: Server, inverter: Inverter
) -> None:
    reading = await inverter.scan()
    again = await inverter.scan(complete=True)
    assert reading.state is State.OK
    assert (reading.model, reading.family, reading.path) == ("SH10RT", "SH-RT", DevicePath.CABLE)
    assert len(reading.serial) == 11
    assert reading.values.keys() == again.values.keys()
    assert not reading.refused
    assert server.connections == 1


async def test_a_refused_register_costs_only_itself_and_is_asked_once(
    server: Server, inverter: Inverter
) -> None:
    healthy = await inverter.scan(complete=True)
    server.faults.cannot_contain = {"input": range(13023, 13024)}
    learning = await inverter.scan(complete=True)
    server.requests.clear()
    settled = await inverter.scan(complete=True)
    lost = healthy.values.keys() - settled.values.keys()
    assert "battery_level" in lost
    assert learning.state is settled.state is State.OK
    assert learning.values.keys() == settled.values.keys()
    assert [(r.space, r.start, r.count) for r in settled.refused] == [("input", 13023, 1)]
    assert not any(start <= 13023 < start + n for _, _, start, n in server.requests)


@pytest.mark.parametrize("code", [4, 6])
async def test_a_register_that_always_fails_costs_only_itself_in_the_first_scan(
    server: Server, inverter_at: Make, code: int
) -> None:
    healthy = await inverter_at(server.port).scan(complete=True)
    server.faults.cannot_contain = {"input": range(13023, 13024)}
    server.faults.refusal = ExceptionCode(code)
    inverter = inverter_at(server.port, retries=1)
    reading = await inverter.scan(complete=True)
    assert (reading.state, reading.problem) == (State.OK, None)
    lost = {"battery_level"}
    assert healthy.values.keys() - reading.values.keys() == lost
    server.requests.clear()
    assert healthy.values.keys() - (await inverter.scan(complete=True)).values.keys() == lost
    assert not any(start <= 13023 < start + n for _, _, start, n in server.requests)


@pytest.mark.parametrize("code", [1, 2, 3])
async def test_a_moment_in_which_everything_is_refused_costs_nothing_after_it(
    server: Server, inverter_at: Make, code: int
) -> None:
    inverter = inverter_at(server.port)
    healthy = await inverter.scan(complete=True)
    server.faults.cannot_contain = {"input": range(65537), "holding": range(65537)}
    server.faults.refusal = ExceptionCode(code)
    server.requests.clear()
    assert not (await inverter.scan(complete=True)).values
    assert len(server.requests) <= 3, "nothing is taken apart meanwhile"
    server.faults.cannot_contain = {}
    for _ in "ab":
        reading = await inverter.scan(complete=True)
        assert (reading.values.keys(), reading.refused) == (healthy.values.keys(), ())
        inverter = inverter_at(server.port)


async def test_a_device_that_takes_narrow_blocks_only_is_read_in_more_of_them(
    server: Server, inverter: Inverter
) -> None:
    healthy = await inverter.scan(complete=True)
    server.faults.widest = 60
    narrow = await inverter.scan(complete=True)
    server.requests.clear()
    settled = await inverter.scan(complete=True)
    scalars = {name for name, value in healthy.values.items() if not isinstance(value, list)}
    assert scalars <= narrow.values.keys() & settled.values.keys()
    assert max(n for _, _, _, n in server.requests) <= 60


async def test_what_was_learned_survives_a_restart(server: Server, inverter_at: Make) -> None:
    server.faults.cannot_contain = {"input": range(13023, 13024)}
    first = inverter_at(server.port)
    await first.scan()
    await first.close()
    server.requests.clear()
    second = inverter_at(server.port)
    await second.scan()
    await second.close()
    assert not any(start <= 13023 < start + n for _, _, start, n in server.requests)


async def test_a_padded_frame_is_read_like_any_other(server: Server, inverter_at: Make) -> None:
    inverter = inverter_at(server.port, level=3)
    reading = await inverter.scan()
    assert "firmware_version_3" in reading.values


async def test_a_frame_in_single_bytes_is_put_together(server: Server, inverter: Inverter) -> None:
    server.faults.split = True
    assert (await inverter.scan()).state is State.OK


async def test_an_answer_for_another_client_is_dropped(server: Server, inverter: Inverter) -> None:
    honest = await inverter.scan(complete=True)
    server.faults.foreign = "before"
    reading = await inverter.scan(complete=True)
    assert reading.state is State.OK
    assert reading.values.keys() == honest.values.keys()


@pytest.mark.parametrize("short", ["fewer-words", "cut-off"])
async def test_a_short_frame_is_never_taken_for_values(
    server: Server, inverter: Inverter, short: str
) -> None:
    await inverter.scan()
    server.faults.short = short  # pyright: ignore[reportAttributeAccessIssue]
    reading = await inverter.scan()
    assert reading.state is State.UNREACHABLE
    assert not reading.values
    server.faults.short = ""
    assert (await inverter.scan()).state is State.OK


async def test_a_late_answer_is_not_taken_for_the_next_one(
    server: Server, inverter: Inverter
) -> None:
    await inverter.scan()
    server.faults.late_by_one = True
    assert (await inverter.scan()).state is State.UNREACHABLE
    server.faults.late_by_one = False
    reading = await inverter.scan(complete=True)
    assert reading.state is State.OK
    assert reading.values["battery_level"] == (await inverter.scan()).values["battery_level"]


async def test_a_silent_inverter_costs_retries_plus_one_timeouts_and_no_more(
    server: Server, inverter_at: Make
) -> None:
    inverter = inverter_at(server.port, timeout=1.0, retries=2)
    await inverter.scan()
    server.faults.silent = True
    server.requests.clear()
    reading = await inverter.scan(complete=True)
    assert reading.state is State.UNREACHABLE
    assert reading.problem is not None
    assert reading.problem.kind == "silent"
    assert len(server.requests) == 3


async def test_a_silent_inverter_delays_no_other(
    server: Server, tmp_path: Path, inverter_at: Make
) -> None:
    async with await serve(hybrid(), faults=Faults(silent=True)) as dead:
        silent = inverter_at(dead.port, tmp_path / "a", timeout=30.0)
        waiting = asyncio.create_task(silent.scan())
        other = inverter_at(server.port, tmp_path / "b")
        assert (await other.scan()).state is State.OK
        assert not waiting.done()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def test_a_block_that_closes_the_session_is_found_out_and_left_alone(
    server: Server, inverter: Inverter
) -> None:
    server.faults.close_on = {"input": (5214,)}
    for _ in range(7):
        await inverter.scan(complete=True)
    reading = await inverter.scan(complete=True)
    assert reading.state is State.OK
    assert any(refused.start == 5214 for refused in reading.refused)
    connections = server.connections
    again = await inverter.scan(complete=True)
    assert "load_power_hybrid" in again.values
    assert server.connections == connections


async def test_firmware_texts_that_end_the_session_are_asked_last_and_once(
    server: Server, inverter_at: Make
) -> None:
    server.faults.close_on = {"input": (13250, 13265, 13280)}
    inverter = inverter_at(server.port, level=2)
    first = await inverter.scan()
    await inverter.scan()
    server.requests.clear()
    third = await inverter.scan(complete=True)
    assert first.state is third.state is State.OK
    assert first.values["battery_level"]
    assert not any(start in (13250, 13265, 13280) for _, _, start, _ in server.requests)


async def test_a_closed_connection_is_opened_again_within_the_scan(
    server: Server, inverter_at: Make
) -> None:
    inverter = inverter_at(server.port, retries=1)
    await inverter.scan()
    server.faults.close_every = 3
    reading = await inverter.scan(complete=True)
    assert reading.state is State.OK
    assert reading.problem is None


async def test_no_session_left_is_told_as_silence_with_the_likely_cause(
    server: Server, tmp_path: Path, inverter_at: Make
) -> None:
    server.faults.sessions = 1
    first = inverter_at(server.port, tmp_path / "a")
    await first.scan()
    second = inverter_at(server.port, tmp_path / "b", timeout=0.5)
    reading = await second.scan()
    assert reading.state is State.UNREACHABLE
    assert reading.problem is not None
    assert "other program" in reading.problem.message
    await first.close()
    await second.close()


@pytest.mark.parametrize("code", [4, 5, 6, 10, 11])
async def test_contention_is_tried_again(server: Server, inverter_at: Make, code: int) -> None:
    inverter = inverter_at(server.port, retries=3)
    await inverter.scan()
    server.faults.busy, server.faults.busy_code = 2, ExceptionCode(code)
    assert (await inverter.scan()).state is State.OK


async def test_lasting_contention_is_busy(server: Server, inverter: Inverter) -> None:
    server.faults.busy = 1000
    reading = await inverter.scan()
    assert reading.state is State.BUSY
    assert reading.problem is not None
    assert reading.problem.kind == "busy"


async def test_an_hour_of_gateway_errors_is_a_wrong_unit(
    server: Server, inverter_at: Make
) -> None:
    time = ManualClock()
    inverter = inverter_at(server.port, clock=time.clock, unit=7)
    assert (await inverter.scan()).state is State.BUSY
    time.tick(3601)
    reading = await inverter.scan()
    assert reading.state is State.MISCONFIGURED
    assert reading.problem is not None
    assert "inverter.unit" in reading.problem.message


async def test_a_masking_dongle_shows_no_zeros_for_what_is_not_there(inverter_at: Make) -> None:
    async with await serve(hybrid(path="dongle")) as server:
        inverter = inverter_at(server.port, level=2)
        reading = await inverter.scan()
        assert reading.path is DevicePath.DONGLE
        assert reading.state is State.OK
        missing = {"mppt_3_voltage", "meter2_total_power", "grid_state", "pv_power_of_today"}
        assert not missing & reading.values.keys()
        assert reading.values["battery_level"]


async def test_a_string_inverter_that_goes_dark_after_dusk_is_asleep_and_wakes_in_one_scan(
    inverter_at: Make,
) -> None:
    async with await serve(string_inverter(NIGHT), port=free_port()) as server:
        inverter = inverter_at(server.port, clock=AT_NIGHT)
        assert (await inverter.scan()).state is State.OK
        await server.go_dark()
        asleep = await inverter.scan()
        assert asleep.state is State.ASLEEP
        assert not asleep.values
        await server.wake()
        assert (await inverter.scan()).state is State.OK


async def test_sleep_is_still_known_after_a_restart(inverter_at: Make) -> None:
    async with await serve(string_inverter(NIGHT), port=free_port()) as server:
        evening = inverter_at(server.port, clock=AT_NIGHT)
        await evening.scan()
        await evening.close()
        await server.go_dark()
        night = inverter_at(server.port, clock=AT_NIGHT)
        assert (await night.scan()).state is State.ASLEEP


async def test_a_string_inverter_that_goes_dark_at_noon_is_unreachable(inverter_at: Make) -> None:
    async with await serve(string_inverter(DAY), port=free_port()) as server:
        inverter = inverter_at(server.port)
        await inverter.scan()
        await server.go_dark()
        assert (await inverter.scan()).state is State.UNREACHABLE


async def test_a_hybrid_is_never_asleep_by_silence_alone(inverter_at: Make) -> None:
    async with await serve(hybrid(NIGHT), port=free_port()) as server:
        inverter = inverter_at(server.port)
        await inverter.scan()
        await server.go_dark()
        assert (await inverter.scan()).state is State.UNREACHABLE


async def test_zeros_of_a_sleeping_inverter_behind_a_dongle_are_not_values(
    inverter_at: Make,
) -> None:
    device = device_named("SG5.0RS", begin=NIGHT)
    async with await serve(device, faults=Faults(night="stale")) as server:
        inverter = inverter_at(server.port, clock=AT_NIGHT, smart_meter="false")
        reading = await inverter.scan()
        assert reading.state is State.ASLEEP
        assert not reading.values


async def test_zeros_at_noon_are_a_failed_grid_and_no_sleep(inverter_at: Make) -> None:
    async with await serve(device_named("SG5.0RS", begin=DAY)) as server:
        inverter = inverter_at(server.port)
        assert (await inverter.scan()).values["pv_power"]
        server.faults.night = "stale"
        for _ in range(2):
            reading = await inverter.scan(complete=True)
            assert reading.state is State.OK
            assert reading.values["phase_a_voltage"] == 0


async def test_the_latency_of_an_inverter_that_refuses_its_device_type_is_measured(
    server: Server, inverter_at: Make
) -> None:
    inverter = inverter_at(server.port)
    server.faults.cannot_start = {"input": {5000}}
    answer = await inverter.test()
    assert answer["success"]
    assert answer["latency_ms"]


async def test_an_absurd_clock_costs_nothing_but_the_clock(
    server: Server, inverter_at: Make
) -> None:
    inverter = inverter_at(server.port, level=2)
    healthy = await inverter.scan(complete=True)
    server.faults.words = ABSURD_CLOCK
    reading = await inverter.scan(complete=True)
    assert healthy.values.keys() - reading.values.keys() == {"device_clock"}


async def test_a_refused_clock_costs_nothing_but_the_clock(
    server: Server, inverter_at: Make
) -> None:
    inverter = inverter_at(server.port, level=2)
    healthy = await inverter.scan(complete=True)
    server.faults.cannot_contain = {"holding": range(5000, 5006)}
    reading = await inverter.scan(complete=True)
    assert healthy.values.keys() - reading.values.keys() == {"device_clock"}


async def test_a_lost_meter_is_absent_and_not_zero(inverter_at: Make) -> None:
    async with await serve(string_inverter(), faults=Faults(words=METER_LOST)) as server:
        inverter = inverter_at(server.port)
        reading = await inverter.scan()
        assert "meter_power" in reading.absent
        assert not {"grid_import_power", "grid_export_power"} & reading.values.keys()


async def test_what_does_not_speak_modbus_is_not_an_inverter(inverter_at: Make) -> None:
    async with await serve(hybrid(), faults=Faults(banner=HTTP_SERVER)) as server:
        inverter = inverter_at(server.port)
        reading = await inverter.scan()
        assert reading.state is State.NOT_AN_INVERTER
        assert reading.problem is not None
        assert reading.problem.kind == "not-modbus"


@pytest.mark.parametrize("zeros", [True, False])
async def test_a_modbus_device_of_another_make_is_not_a_sungrow(
    inverter_at: Make, zeros: bool
) -> None:
    async with await serve(stranger(zeros=zeros)) as server:
        inverter = inverter_at(server.port)
        reading = await inverter.scan()
        assert reading.state is State.NOT_AN_INVERTER
        assert reading.problem is not None
        assert reading.problem.kind == "not-a-sungrow"


async def test_a_closed_port_is_told_as_such(inverter_at: Make) -> None:
    async with await serve(hybrid(), port=free_port()) as server:
        port = server.port
    reading = await inverter_at(port, clock=BY_DAY).scan()
    assert reading.state is State.UNREACHABLE
    assert reading.problem is not None
    assert reading.problem.kind == "port-closed"


async def test_an_unknown_name_is_told_as_such(inverter_at: Make) -> None:
    inverter = inverter_at(502, host="no-such-inverter.invalid")
    reading = await inverter.scan()
    assert reading.state is State.UNREACHABLE
    assert reading.problem is not None
    assert reading.problem.kind == "name-not-found"


async def test_an_inverter_that_is_off_at_the_start_is_waited_for(inverter_at: Make) -> None:
    async with await serve(hybrid(), port=free_port()) as server:
        await server.go_dark()
        inverter = inverter_at(server.port)
        assert (await inverter.scan()).state is State.UNREACHABLE
        await server.wake()
        assert (await inverter.scan()).state is State.OK


async def test_another_inverter_behind_the_same_address_is_noticed(inverter_at: Make) -> None:
    async with await serve(hybrid(), port=free_port()) as server:
        inverter = inverter_at(server.port)
        before = await inverter.scan()
        await server.go_dark()
        await inverter.scan()
        server.devices[1] = device_named("SH8.0RT", begin=DAY)
        await server.wake()
        after = await inverter.scan()
        assert (before.model, after.model) == ("SH10RT", "SH8.0RT")
        assert before.serial != after.serial


async def test_an_unlisted_code_is_read_as_far_as_its_answers_tell(
    server: Server, inverter_at: Make
) -> None:
    server.faults.words = {"input": {5000: 0x0EEE}}
    inverter = inverter_at(server.port, Path("/nonexistent"))
    reading = await inverter.scan()
    assert reading.model == "unknown (0x0EEE)"
    assert reading.family == "SH"
    assert reading.values["battery_level"]


async def test_a_value_from_a_rarely_read_register_stays_while_its_twin_is_absent(
    server: Server, inverter_at: Make
) -> None:
    time = ManualClock()
    server.faults.words = {"holding": {13087: 0xFFFF}}
    inverter = inverter_at(server.port, clock=time.clock, level=3)
    first = await inverter.scan()
    time.tick(60)
    second = await inverter.scan()
    assert first.values["export_power_limitation"] == second.values["export_power_limitation"]


async def test_an_old_value_is_dropped_when_its_block_stays_away(
    server: Server, inverter_at: Make
) -> None:
    time = ManualClock()
    inverter = inverter_at(server.port, clock=time.clock, timeout=1.0)
    await inverter.scan()
    server.faults.close_on = {"holding": range(65536)}
    time.tick(60)
    kept = await inverter.scan()
    time.tick(151)
    dropped = await inverter.scan()
    assert "start_stop" in kept.values
    assert not kept.measurements["start_stop"].fresh
    assert dropped.state is State.OK
    assert "start_stop" not in dropped.values
