"""The simulated port without faults, on raw sockets with frames packed by hand."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator

import pytest
from pymodbus.client import AsyncModbusTcpClient
from raw_modbus import NOON, Client, connect, hybrid, noon, refused

from sungather.simulator import ExceptionCode, Faults, Server, SimulatedDevice, device_named, serve


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with await serve(hybrid(), faults=Faults()) as running:
        yield running


@pytest.fixture
async def client(server: Server) -> AsyncIterator[Client]:
    async with await connect(server) as connected:
        yield connected


async def test_input_and_holding_registers_are_read_and_remembered(
    server: Server, client: Client
) -> None:
    assert (await client.words(5000, 3)) == [0x0E03, 100, 1]
    assert (await client.words(5000, 3, function=3)) == [2026, 6, 19]
    assert server.requests == [(1, "input", 5000, 3), (1, "holding", 5000, 3)]
    assert (server.connections, server.open) == (1, 1)


async def test_a_common_modbus_client_reads_it(server: Server) -> None:
    with_library = AsyncModbusTcpClient(server.host, port=server.port)
    await with_library.connect()
    answer = await with_library.read_input_registers(4989, count=10, device_id=1)
    assert struct.pack(">10H", *answer.registers).startswith(b"A2310715068\0")
    with_library.close()


async def test_several_clients_are_served_at_once(server: Server, client: Client) -> None:
    async with await connect(server) as other:
        client.ask(5000, 1)
        other.ask(5001, 1)
        assert (await other.frame())[3] == b"\x04\x02" + struct.pack(">H", 100)
        assert (await client.frame())[3] == b"\x04\x02" + struct.pack(">H", 0x0E03)
    assert server.connections == 2


@pytest.mark.parametrize("function", [1, 6, 16, 43])
async def test_other_functions_and_writes_are_refused(client: Client, function: int) -> None:
    assert await client.body(13050, 1, function=function) == refused(1, function)


@pytest.mark.parametrize(("start", "count"), [(5000, 0), (5000, 126), (5000, 0xFFFF)])
async def test_impossible_counts_are_refused(client: Client, start: int, count: int) -> None:
    assert await client.body(start, count) == refused(3)


async def test_a_block_beyond_the_last_address_is_refused() -> None:
    words = dict.fromkeys(range(1, 0x10001), 7)
    device = SimulatedDevice("everything", lambda: {"input": words})
    async with await serve(device) as server, await connect(server) as client:
        assert await client.words(0x10000, 1) == [7]
        assert await client.body(0x10000, 2) == refused(2)


async def test_a_read_of_another_length_is_refused(client: Client) -> None:
    client.writer.write(struct.pack(">HHHBB", 7, 0, 2, 1, 4))
    assert (await client.frame())[3] == refused(3)


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        struct.pack(">HHHBBHH", 1, 9, 6, 1, 4, 4999, 1),
        struct.pack(">HHHBBHH", 1, 0, 1, 1, 4, 4999, 1),
        struct.pack(">HHHBBHH", 1, 0, 255, 1, 4, 4999, 1),
    ],
    ids=["http", "protocol", "too short", "too long"],
)
async def test_what_is_not_modbus_closes_the_connection(client: Client, garbage: bytes) -> None:
    client.writer.write(garbage)
    assert await client.is_closed()


async def test_a_frame_in_two_pieces_is_one_request(client: Client) -> None:
    frame = struct.pack(">HHHBBHH", 9, 0, 6, 1, 4, 4999, 1)
    client.writer.write(frame[:5])
    await client.writer.drain()
    await asyncio.sleep(0)
    client.writer.write(frame[5:])
    assert (await client.frame())[0] == 9


async def test_latency_delays_a_reply(server: Server, client: Client) -> None:
    server.latency = 3600
    client.ask(5000, 1)
    assert await client.hears_nothing()


async def test_an_unknown_unit_is_refused_or_left_without_answer(
    server: Server, client: Client
) -> None:
    assert await client.body(5000, 1, unit=3) == refused(11)
    server.faults.unknown_unit = "silent"
    client.ask(5000, 1, unit=3)
    assert await client.hears_nothing()


async def test_devices_answer_on_their_units_and_faults_can_be_for_one() -> None:
    devices = {1: hybrid(), 2: device_named("SG10RT", clock=noon, begin=NOON)}
    faults = Faults(busy=9, busy_code=ExceptionCode.GATEWAY_PATH, units={2})
    async with await serve(devices, faults=faults) as server, await connect(server) as client:
        assert await client.body(5000, 1) == b"\x04\x02\x0e\x03"
        assert await client.body(5000, 1, unit=2) == refused(10)
        faults.busy = 0
        assert await client.body(5000, 1, unit=2) == b"\x04\x02\x24\x33"


async def test_fifty_inverters_in_one_process_answer() -> None:
    async with contextlib.AsyncExitStack() as stack:
        servers = [
            await stack.enter_async_context(
                await serve(device_named("SH10RT", clock=noon, begin=NOON, serial=f"A{n:010}"))
            )
            for n in range(50)
        ]
        clients = [await stack.enter_async_context(await connect(one)) for one in servers]
        answers = await asyncio.gather(*(client.words(4990, 10) for client in clients))
    serials = {struct.pack(">10H", *words)[:11].decode() for words in answers}
    assert serials == {f"A{n:010}" for n in range(50)}
