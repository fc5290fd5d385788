"""Every fault of the simulated port, seen on raw sockets with frames packed by hand."""

import struct
from collections.abc import AsyncIterator

import pytest
from raw_modbus import NOON, Client, connect, hybrid, noon, refused

from sungather.simulator import (
    ABSURD_CLOCK,
    HTTP_SERVER,
    METER_LOST,
    ExceptionCode,
    Faults,
    Server,
    device_named,
    serve,
    stranger,
)
from tests.real_parts import free_port


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with await serve(hybrid(), port=free_port(), faults=Faults()) as running:
        yield running


@pytest.fixture
async def client(server: Server) -> AsyncIterator[Client]:
    async with await connect(server) as connected:
        yield connected


# Refusals


async def test_no_block_may_start_on_a_hole_of_the_first_kind(
    server: Server, client: Client
) -> None:
    server.faults.cannot_start = {"input": range(5741, 5747)}
    assert await client.body(5741, 6) == refused(2)
    inside = await client.words(5737, 12)
    assert inside[0] in range(4990, 5010)
    assert inside[4:10] == [0] * 6
    assert inside[10] > 0


async def test_no_block_may_contain_a_hole_of_the_second_kind(
    server: Server, client: Client
) -> None:
    server.faults.cannot_contain = {"input": {5020}}
    server.faults.refusal = ExceptionCode.DEVICE_FAILURE
    assert await client.body(5019, 2) == refused(4)
    assert len(await client.words(5019, 1)) == 1
    assert len(await client.words(5021, 4)) == 4
    assert len(await client.words(5000, 20)) == 20
    assert await client.words(5000, 1, function=3) == [2026]


async def test_a_block_wider_than_the_device_takes_is_refused(
    server: Server, client: Client
) -> None:
    server.faults.widest = 50
    assert await client.body(5000, 51) == refused(2)
    assert len(await client.words(5000, 50)) == 50


@pytest.mark.parametrize("code", [4, 5, 6, 10, 11])
async def test_contention_passes_after_some_requests(
    server: Server, client: Client, code: int
) -> None:
    server.faults.busy, server.faults.busy_code = 2, ExceptionCode(code)
    answers = [await client.body(5001, 1) for _ in range(3)]
    assert answers == [refused(code), refused(code), b"\x04\x02\x00\x64"]


# Values


async def test_an_absurd_clock_and_a_lost_meter_can_be_shown(
    server: Server, client: Client
) -> None:
    server.faults.words = {**ABSURD_CLOCK, **METER_LOST}
    assert await client.words(5000, 3, function=3) == [2026, 255, 19]
    assert await client.words(5601, 2) == [0xFFFF, 0x7FFF]
    assert await client.words(5000, 2) == [0x0E03, 100]


# Frames


@pytest.mark.parametrize("start", [2613, 2629])
@pytest.mark.parametrize("count", [11, 15, 20])
async def test_some_texts_are_answered_as_15_registers_whatever_was_asked(
    client: Client, start: int, count: int
) -> None:
    asked = client.ask(start, count)
    tid, length, _, body = await client.frame()
    assert (tid, length) == (asked, 33)
    assert body[1] == 2 * count
    assert len(body[2:]) == 30
    assert (await client.words(5001, 1)) == [100]


async def test_a_short_reply_has_a_word_too_few(server: Server, client: Client) -> None:
    server.faults.short = "fewer-words"
    client.ask(5000, 3)
    _, length, _, body = await client.frame()
    assert (length, body[:2], len(body)) == (7, b"\x04\x04", 6)


async def test_a_cut_off_reply_ends_before_its_length(server: Server, client: Client) -> None:
    server.faults.short = "cut-off"
    client.ask(5000, 3)
    head = await client.reader.readexactly(12)
    assert struct.unpack(">H", head[4:6]) == (9,)
    assert await client.hears_nothing()


async def test_a_split_reply_is_whole_in_the_end(server: Server, client: Client) -> None:
    server.faults.split = True
    pieces: list[bytes] = []
    client.ask(5000, 20)
    while sum(map(len, pieces)) < 49:
        pieces.append(await client.reader.read(100))
    assert len(pieces) > 3
    assert struct.unpack(">HHH", b"".join(pieces)[:6]) == (client.tid, 0, 43)


async def test_a_reply_meant_for_another_client_comes_first(
    server: Server, client: Client
) -> None:
    server.faults.foreign = "before"
    asked = client.ask(5001, 1)
    foreign, ours = await client.frame(), await client.frame()
    assert foreign[0] != asked
    assert foreign[3] == b"\x04\x02\x5a\x5a"
    assert (ours[0], ours[3]) == (asked, b"\x04\x02\x00\x64")


async def test_a_reply_may_have_transaction_id_0(server: Server, client: Client) -> None:
    server.faults.foreign = "zero"
    client.ask(5001, 1)
    tid, _, _, body = await client.frame()
    assert (tid, body) == (0, b"\x04\x02\x00\x64")


async def test_a_late_reply_comes_before_that_of_the_next_request(
    server: Server, client: Client
) -> None:
    server.faults.late_by_one = True
    first = client.ask(5000, 1)
    assert await client.hears_nothing()
    second = client.ask(5001, 1)
    assert (await client.frame())[0] == first
    server.faults.late_by_one = False
    third = client.ask(5002, 1)
    assert [(await client.frame())[0] for _ in range(2)] == [second, third]


async def test_a_delayed_reply_does_not_hold_up_later_ones(server: Server, client: Client) -> None:
    server.faults.late = 0.02
    late = client.ask(5000, 1)
    await server.until(lambda: len(server.requests) == 1)
    server.faults.late = 0.0
    prompt = client.ask(5001, 1)
    assert [(await client.frame())[0] for _ in range(2)] == [prompt, late]


# Connections


async def test_a_block_can_close_the_connection(server: Server, client: Client) -> None:
    server.faults.close_on = {"input": {13250, 13265, 13280}}
    assert len(await client.words(5000, 3)) == 3
    client.ask(13250, 15)
    assert await client.is_closed()


async def test_a_block_can_stay_silent_before_the_connection_closes(
    server: Server, client: Client
) -> None:
    server.faults.close_on, server.faults.close_after = {"input": {13250}}, 0.1
    client.ask(13250, 15)
    assert await client.hears_nothing()
    assert await client.is_closed()


async def test_every_third_request_can_close_the_connection(
    server: Server, client: Client
) -> None:
    server.faults.close_every = 3
    for _ in range(2):
        await client.words(5000, 1)
    client.ask(5000, 1)
    assert await client.is_closed()


async def test_silence_is_for_all_blocks_or_for_some(server: Server, client: Client) -> None:
    server.faults.silent_on = {"input": {13250}}
    client.ask(13250, 15)
    assert await client.hears_nothing()
    assert await client.words(5001, 1) == [100]
    server.faults.silent = True
    client.ask(5001, 1)
    assert await client.hears_nothing()
    assert len(server.requests) == 3


async def test_a_connection_too_many_is_accepted_and_never_answered(
    server: Server, client: Client
) -> None:
    server.faults.sessions = 1
    assert await client.words(5001, 1) == [100]
    async with await connect(server) as excess:
        excess.ask(5001, 1)
        assert await excess.hears_nothing()
    assert await client.words(5001, 1) == [100]


async def test_a_connection_too_many_can_be_reset(server: Server, client: Client) -> None:
    server.faults.sessions, server.faults.excess = 1, "reset"
    assert await client.words(5001, 1) == [100]
    async with await connect(server) as excess:
        assert await excess.is_closed()


async def test_closed_sessions_come_back_after_a_quiet_time() -> None:
    seconds = [0.0]
    faults = Faults(sessions=1, recovery=90, excess="reset")
    async with await serve(hybrid(), faults=faults, monotonic=lambda: seconds[0]) as server:
        async with await connect(server) as first:
            assert await first.words(5001, 1) == [100]
        await server.until(lambda: server.open == 0)
        for passing in (80, 80):  # each try starts the quiet time anew
            seconds[0] += passing
            async with await connect(server) as again:
                assert await again.is_closed()
        seconds[0] += 91
        async with await connect(server) as later:
            assert await later.words(5001, 1) == [100]


async def test_a_web_server_answers_with_its_banner(server: Server, client: Client) -> None:
    server.faults.banner = HTTP_SERVER
    client.ask(5000, 1)
    assert await client.reader.read() == HTTP_SERVER


async def test_a_modbus_device_of_another_make_has_no_serial_number() -> None:
    async with await serve(stranger()) as server, await connect(server) as client:
        assert await client.body(4990, 10) == refused(2)
        assert await client.words(1, 2) == [2301, 2302]


# Night


async def test_at_night_a_dark_inverter_has_no_port_until_it_wakes(
    server: Server, client: Client
) -> None:
    await server.go_dark()
    assert await client.is_closed()
    with pytest.raises(ConnectionRefusedError):
        await connect(server)
    await server.wake()
    async with await connect(server) as again:
        assert await again.words(5001, 1) == [100]


async def test_a_dark_inverter_behind_an_open_port_answers_nothing(
    server: Server, client: Client
) -> None:
    server.faults.night = "dark"
    client.ask(5000, 1)
    assert await client.hears_nothing()
    server.faults.night = ""
    assert await client.words(5001, 1) == [100]


async def test_a_string_inverter_that_stays_up_shows_zeros_after_sunset_only() -> None:
    moment = [noon()]
    device = device_named("SG5.0RS", clock=lambda: moment[0], begin=NOON, path="dongle")
    faults = Faults(night="stale", after_sunset=True)
    async with await serve(device, faults=faults) as server, await connect(server) as client:
        assert (await client.words(5019, 1))[0] > 2200
        moment[0] = moment[0].replace(day=20, hour=1)
        assert await client.words(5019, 1) == [0]
        assert await client.words(5036, 1) == [0]
        assert (await client.words(5003, 1))[0] > 50
        moment[0] = moment[0].replace(hour=11)
        assert (await client.words(5019, 1))[0] > 2200
