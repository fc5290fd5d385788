"""The Modbus server on the loopback interface: real sockets, real clients, and hostile ones."""

import asyncio
import contextlib
import logging
import socket
import struct
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from math import inf
from pathlib import Path

import pytest
from pymodbus.client import AsyncModbusTcpClient
from raw_modbus import Client, refused
from support import ManualClock

from sungather.device.outside_budget import Hope
from sungather.modbus_server import server as modbus_server
from sungather.modbus_server.server import ModbusServer, ServedInverter
from sungather.options.all_options import ModbusServerOptions
from sungather.reading import State
from sungather.simulator import (
    LivingDevice,
    Server,
    SimulatedDevice,
    device_named,
    home_manager,
    plant_named,
    serve,
)
from sungather.simulator.certificate import throwaway_context
from sungather.simulator.encrypted import EncryptedServer
from sungather.simulator.frontend import reads_from
from sungather.simulator.sub_devices import battery
from sungather.simulator.winet import SH10RT, Dongle, Listing, WinetPort
from sungather.transports.modbus import ModbusTransport
from sungather.transports.sungrow import SungrowTransport
from sungather.transports.winet import WinetTransport
from tests.functional.modbus_server.sunspec_client import scanned
from tests.modbus_house import House, Poll, house, polls
from tests.real_parts import free_port

SH8RT = Listing(1, 35, 0x0E02, "A2123456788", "SH8.0RT", 1)
TIMEOUT = 1.5
"""Seconds after which the device counts as silent: longer than clients are kept waiting."""
WRITES = (
    (5, b"\x32\xf9\xff\x00"),
    (6, b"\x32\xf9\x00\xcc"),
    (15, b"\x32\xf9\x00\x01\x01\x01"),
    (16, b"\x32\xf9\x00\x01\x02\x00\xcc"),
    (22, b"\x32\xf9\x00\x00\x00\x01"),
    (23, b"\x32\xf9\x00\x01\x32\xf9\x00\x01\x02\x00\xcc"),
)
"""Function and data of writes to the battery's forced power, register 13050."""


@pytest.fixture
def time() -> ManualClock:
    return ManualClock()


@pytest.fixture
def still() -> LivingDevice:
    """A hybrid whose words never change, so that every answer can be told to be right."""
    return device_named("SH10RT", clock=ManualClock().local)


@pytest.fixture
async def device(still: LivingDevice) -> AsyncGenerator[Server]:
    async with await serve({1: still, 200: battery(still)}, port=free_port()) as running:
        yield running


@pytest.fixture
async def home(
    device: Server, still: LivingDevice, tmp_path: Path, time: ManualClock
) -> AsyncGenerator[House]:
    transport = ModbusTransport("127.0.0.1", device.port, TIMEOUT)
    clients = {"clients": 8}
    async with house(
        transport, tmp_path, time.clock, clients, devices="battery:200", retries=0
    ) as made:
        made.device = still
        await made.poller.scan()
        device.requests.clear()
        yield made


@pytest.fixture
async def client(home: House) -> AsyncGenerator[Client]:
    async with await home.client() as connected:
        yield connected


def exceptions(home: House) -> dict[int, int]:
    """How often each exception was the answer."""
    counts: Counter[int] = Counter()
    for one in home.server.health().clients:
        counts.update(one.exceptions)
    return dict(counts)


def direct(device: SimulatedDevice, function: int, start: int, count: int) -> bytes:
    """What the device itself answers to a read."""
    answer = device.read({3: "holding", 4: "input"}[function], start - 1, count)
    if isinstance(answer, int):
        return refused(answer, function)
    return bytes([function, 2 * count]) + struct.pack(f">{count}H", *answer)


async def replay(
    home: House,
    time: ManualClock,
    seconds: int,
    scan_interval: int = 30,
    device: SimulatedDevice | None = None,
    unit: int = 1,
    or_else: Sequence[bytes] = (),
) -> int:
    """Let all programs ask for that long, each over a connection of its own; how often they did.

    Every answer must be what the device says, which stands still, or one of `or_else`.
    """
    answering = device or home.device
    served = [one for one in polls() if one.unit == unit]
    due = dict.fromkeys(served, 0.0)
    asked = 0

    async def turn(client: Client, now: Sequence[Poll]) -> None:
        for poll in now:
            asked = (poll.register, poll.count)
            body = await client.body(*asked, function=poll.function, unit=unit)
            assert body in (direct(answering, poll.function, *asked), *or_else), poll

    async with contextlib.AsyncExitStack() as stack:
        names = {one.client for one in served}
        clients = {name: await stack.enter_async_context(await home.client()) for name in names}
        for second in range(seconds):
            if second % scan_interval == 0:
                await home.poller.scan()
            now = [one for one, at in due.items() if at <= second]
            due |= {one: second + one.seconds if one.seconds else inf for one in now}
            asked += len(now)
            turns = (turn(clients[n], [p for p in now if p.client == n]) for n in clients)
            await asyncio.gather(*turns)
            time.tick(1)
    return asked


async def test_six_programs_at_once_get_what_the_device_says_and_cost_it_little(
    home: House, time: ManualClock, device: Server
) -> None:
    """Ten minutes of all that Home Assistant, evcc, openWB, openHAB and OpenEMS ask."""
    asked = await replay(home, time, 600)
    assert asked > 6000
    assert device.connections == 1
    assert exceptions(home).keys() == {2}, "registers that the model does not have"
    assert len(device.requests) <= 10 * (2 * 3 + 9) + 21 + 10 * 12 * 3 + 10 * 30


@pytest.mark.parametrize("listed", [SH10RT, SH8RT], ids=lambda one: one.model)
async def test_every_poll_of_ours_is_answered_over_a_dongle_without_modbus(
    listed: Listing, tmp_path: Path, time: ManualClock
) -> None:
    """Only the web API of the WiNet-S is there; programs speak Modbus all the same."""
    living = device_named(listed.model, clock=ManualClock().local, serial=listed.serial)
    dongle = Dongle(reads_from({1: living}), devices=(listed,))
    async with WinetPort(dongle, tls=throwaway_context()) as port:
        transport = WinetTransport("127.0.0.1", port.port, TIMEOUT, memory={})
        async with house(transport, tmp_path, time.clock, devices="none") as made:
            made.device = living
            assert await replay(made, time, 60) > 600
            assert exceptions(made).keys() <= {2}
            assert transport.connects == 2, "the session, and one for registers"


async def test_programs_for_hybrids_at_a_string_inverter_neither_flood_it_nor_keep_out_others(
    tmp_path: Path, time: ManualClock
) -> None:
    """It refuses most of what they ask, and is asked for that little by little.

    What only other kinds have by the documents is refused until then; some of it this one gives.
    """
    living = device_named("SG10RT", clock=ManualClock().local)
    async with await serve(living) as running:
        transport = ModbusTransport("127.0.0.1", running.port, TIMEOUT)
        async with house(transport, tmp_path, time.clock, devices="none", retries=0) as made:
            made.device = living
            refusals = (refused(2), refused(2, 3))
            await replay(made, time, 60, or_else=refusals)
            learning = len(running.requests)
            await replay(made, time, 600, or_else=refusals)
            assert len(running.requests) - learning <= 10 * (21 + Hope.FOREIGN.value)
            learned = len(running.requests)
            await replay(made, time, 60)
            assert len(running.requests) - learned <= 2 * 21
            assert exceptions(made).keys() == {2}


async def test_a_home_manager_serves_the_programs_that_know_it(
    still: LivingDevice, tmp_path: Path, time: ManualClock
) -> None:
    """On its own unit, whatever the option says; an inverter's unit is not its own."""
    manager = home_manager(still)
    async with await serve({247: manager}) as running:
        transport = ModbusTransport("127.0.0.1", running.port, TIMEOUT)
        async with house(transport, tmp_path, time.clock, devices="none", retries=0) as made:
            assert await replay(made, time, 120, device=manager, unit=247) > 100
            assert exceptions(made).keys() <= {2}
            async with await made.client() as client:
                assert await client.body(8001, 1, unit=1) == refused(10)
            assert running.connections == 1


async def test_a_logger_and_an_inverter_behind_it_have_a_port_each(
    tmp_path: Path, time: ManualClock
) -> None:
    units = plant_named("Logger1000", clock=ManualClock().local)
    async with await serve(units) as running:
        for unit, register in ((247, 8071), (2, 5031)):
            transport = ModbusTransport("127.0.0.1", running.port, TIMEOUT)
            storage = tmp_path / str(unit)
            async with house(transport, storage, time.clock, devices="none", unit=unit) as made:
                await made.poller.scan()
                async with await made.client() as client:
                    body = await client.body(register, 2, unit=unit)
                    assert body == direct(units[unit], 4, register, 2)
                    assert len(body) == 6


@pytest.mark.parametrize("encrypted", [False, True])
async def test_a_hybrid_that_reads_some_apart_is_served_by_cable_and_encrypted(
    encrypted: bool, tmp_path: Path, time: ManualClock
) -> None:
    """All programs at once get what the device itself would say, over one connection."""
    living = device_named("SH8.0RT", clock=ManualClock().local)
    units = {1: living}
    async with EncryptedServer(reads_from(units)) if encrypted else await serve(units) as running:
        kind = SungrowTransport if encrypted else ModbusTransport
        transport = kind("127.0.0.1", running.port, TIMEOUT)
        async with house(transport, tmp_path, time.clock, devices="none", retries=0) as made:
            made.device = living
            assert await replay(made, time, 60) > 600
            assert exceptions(made).keys() <= {2}
            assert running.connections == 1
            assert not encrypted or (
                isinstance(transport, SungrowTransport) and transport.encrypted
            )


async def test_answers_carry_the_requests_own_numbers(home: House, client: Client) -> None:
    """Also where several requests come in one segment."""
    asked = [client.ask(13001, 2, unit=unit) for unit in (1, 0, 255, 1)]
    frames = [await client.frame() for _ in asked]
    assert [(tid, unit) for tid, _, unit, _ in frames] == list(
        zip(asked, (1, 0, 255, 1), strict=True)
    )


async def test_sub_devices_are_served_and_other_units_do_not_exist(
    home: House, client: Client, device: Server
) -> None:
    words = device.devices[200].read("input", 10710, 10)
    assert isinstance(words, list)
    body = await client.body(10711, 10, unit=200)
    assert body[2:] == struct.pack(">10H", *words)
    for absent in (7, 247):
        assert await client.body(5001, 1, unit=absent) == refused(10)


@pytest.mark.parametrize(("function", "data"), WRITES)
async def test_a_write_is_refused_and_never_reaches_the_device(
    function: int, data: bytes, client: Client, device: Server
) -> None:
    client.writer.write(struct.pack(">HHHBB", 7, 0, 2 + len(data), 1, function) + data)
    tid, _, unit, body = await client.frame()
    assert (tid, unit, body) == (7, 1, refused(1, function))
    assert device.requests == []


@pytest.mark.parametrize("function", [0, 1, 2, 7, 8, 43, 127])
async def test_what_is_no_read_of_registers_is_an_illegal_function(
    function: int, client: Client
) -> None:
    client.writer.write(struct.pack(">HHHBBHH", 9, 0, 6, 1, function, 0, 1))
    assert (await client.frame())[3] == refused(1, function)


@pytest.mark.parametrize(
    ("start", "count", "code"), [(5001, 0, 3), (5001, 126, 3), (65536, 2, 2), (30001, 1, 2)]
)
async def test_impossible_ranges_are_refused(
    start: int, count: int, code: int, client: Client
) -> None:
    assert await client.body(start, count) == refused(code)


@pytest.mark.parametrize(
    "junk",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        struct.pack(">HHHBB", 1, 1, 6, 1, 4),
        struct.pack(">HHH", 1, 0, 1) + b"\1",
        struct.pack(">HHH", 1, 0, 255) + bytes(255),
        bytes(range(256)) * 8,
    ],
)
async def test_what_is_no_modbus_is_cut_off_without_a_word(
    junk: bytes, home: House, client: Client
) -> None:
    async with await home.client() as hostile:
        hostile.writer.write(junk)
        assert await hostile.is_closed()
    assert await client.words(13001, 1)


async def test_half_a_request_is_not_waited_for_and_keeps_nobody(
    home: House, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modbus_server, "_FRAME_WITHIN", 0.05)
    monkeypatch.setattr(modbus_server, "_LOOK", 0.05)
    async with await home.client() as hostile:
        hostile.writer.write(b"\0\1\0\0\0\6\1\4")
        assert await client.words(13001, 1)
        assert await hostile.is_closed()


async def test_one_who_asks_nothing_is_let_go_at_last(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modbus_server, "_IDLE", 0.05)
    async with await home.client() as idle:
        assert await idle.is_closed()


async def test_one_who_never_reads_is_dropped_and_holds_up_nobody(
    home: House, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modbus_server, "_UNREAD", 0.1)
    monkeypatch.setattr(modbus_server, "_keep_alive", narrow)
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # full soon
    one.setblocking(False)
    await asyncio.get_running_loop().sock_connect(one, ("127.0.0.1", home.port))
    _, writer = await asyncio.open_connection(sock=one, limit=1024)
    request = struct.pack(">HHHBBHH", 1, 0, 6, 1, 4, 12999, 48)
    async with asyncio.timeout(120):
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(request * 500)
                await writer.drain()
                await client.words(13001, 1)
    assert writer.transport.is_closing()
    assert await client.words(13001, 1)


def narrow(channel: socket.socket) -> None:
    """Have the kernel keep little of what a client does not read, so that it is full soon."""
    channel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)


async def test_a_thousand_connections_shut_out_nobody_else(home: House, client: Client) -> None:
    """They all come from one address; the program that is there stays, and is answered."""
    crowd: list[asyncio.StreamWriter] = []
    for _ in range(1000):
        _, writer = await asyncio.open_connection("127.0.0.1", home.port)
        crowd.append(writer)
    assert await client.words(13001, 1)
    assert sum(one.connections for one in home.server.health().clients) <= 8
    other = await asyncio.open_connection("127.0.0.1", home.port, local_addr=("127.0.0.2", 0))
    async with Client(*other) as elsewhere:
        assert await elsewhere.words(13001, 1), "a place was made for another address"
    assert await client.words(13001, 1), "the quiet ones made way, not who asks"
    for writer in crowd:
        writer.transport.abort()


async def test_what_a_program_forgot_to_close_makes_way_for_others_on_its_machine(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Home Assistant and evcc on one machine are one address."""
    forgotten = [await asyncio.open_connection("127.0.0.1", home.port) for _ in range(8)]
    async with Client(*forgotten.pop()) as youngest:
        assert await youngest.words(13001, 1)
        async with await home.client() as turned_away:
            assert await turned_away.is_closed(), "they may ask yet"
        monkeypatch.setattr(modbus_server, "_MAKES_WAY", 0.0)
        async with await home.client() as another:
            assert await another.words(13001, 1)
            assert await youngest.words(13001, 1), "the one that has been quiet for longest went"
    assert await Client(*forgotten[0]).is_closed()
    for _, writer in forgotten:
        writer.transport.abort()


async def test_only_clients_of_the_networks_are_let_in(
    device: Server, tmp_path: Path, time: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    transport = ModbusTransport("127.0.0.1", device.port, TIMEOUT)
    networks = {"networks": "192.168.0.0/16, 127.0.0.2/32"}
    async with house(transport, tmp_path, time.clock, networks, devices="none") as made:
        await made.poller.scan()
        for _ in range(2):
            async with await made.client() as stranger:
                assert await stranger.is_closed()
        friend = await asyncio.open_connection("127.0.0.1", made.port, local_addr=("127.0.0.2", 0))
        async with Client(*friend) as let_in:
            assert await let_in.words(13001, 1)
    refusals = [one for one in caplog.messages if "127.0.0.1" in one]
    assert len(refusals) == 1, "said once"
    assert "modbus-server.networks" in refusals[0]


async def test_what_the_device_is_asked_for_programs_is_counted(
    home: House, client: Client, device: Server, time: ManualClock
) -> None:
    time.tick(6)
    await client.words(13008, 2)
    await client.words(13008, 2)
    await client.body(39999, 1)
    assert home.server.health().asked == {"inverter": len(device.requests)} == {"inverter": 2}
    (traffic,) = home.server.health().clients
    assert (traffic.requests, traffic.from_cache, traffic.passed_on) == (3, 1, 1)


async def test_pymodbus_as_home_assistant_uses_it(home: House, still: LivingDevice) -> None:
    """One connection that is kept, exceptions that are answers, and no second try."""
    client = AsyncModbusTcpClient("127.0.0.1", port=home.port, timeout=5, retries=3)
    assert await client.connect()
    try:
        for register, count in ((13008, 2), (5017, 2), (13022, 1), (4990, 10)):
            answer = await client.read_input_registers(register - 1, count=count, device_id=1)
            assert answer.registers == still.read("input", register - 1, count)
        assert (await client.read_input_registers(39999, count=1)).exception_code == 2
        assert (await client.write_register(13049, 2)).exception_code == 1
        assert client.connected
    finally:
        client.close()
    (traffic,) = home.server.health().clients
    assert (traffic.requests, traffic.exceptions) == (6, {1: 1, 2: 1})


async def test_a_foreign_frame_from_the_device_shifts_nobodys_answers(
    home: House, client: Client, device: Server, time: ManualClock, still: LivingDevice
) -> None:
    """The fault after which a proxy that passes bytes on is one answer behind for ever."""
    for foreign in ("before", "zero", ""):
        device.faults.foreign = foreign
        for start, count in ((13008, 2), (5214, 2), (13022, 1), (5017, 2)):
            time.tick(6)
            body = await client.body(start, count)
            exact = direct(still, 4, start, count)
            assert body in (exact, refused(11)), "never a wrong number"
        device.faults.foreign = ""
        time.tick(30)
        await home.poller.scan()
        assert await client.body(13008, 2) == direct(still, 4, 13008, 2)


async def test_all_answers_late_by_one_give_no_wrong_number(
    home: House, client: Client, device: Server, time: ManualClock, still: LivingDevice
) -> None:
    device.faults.late_by_one = True
    for start, count in ((13008, 2), (5214, 2), (13022, 1)):
        time.tick(6)
        body = await client.body(start, count)
        assert body in (direct(still, 4, start, count), refused(11))


async def test_silence_is_said_within_a_second_over_a_connection_that_stays(
    home: House, device: Server, time: ManualClock
) -> None:
    """And one scan after it is back, all is as before."""
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(await home.client()) for _ in range(5)]
        device.faults.silent = True
        assert await clients[0].words(13008, 2), "still young enough"
        time.tick(6)
        bodies = await asyncio.gather(*(one.body(13008, 2) for one in clients))
        assert bodies == [refused(11)] * 5
        assert len(device.requests) == 1, "one request for all of them"
        time.tick(30)
        (reading, *_) = await home.poller.scan()
        assert reading.state is State.UNREACHABLE
        await device.until(lambda: len(device.requests) == 3)  # the last try of before
        before = len(device.requests)
        assert {await one.body(13003, 2) for one in clients} == {refused(11)}
        assert len(device.requests) == before, "it is not asked until a scan finds it"
        device.faults.silent = False
        time.tick(30)
        await home.poller.scan()
        assert [await one.words(13008, 2) for one in clients]
    assert exceptions(home) == {11: 10}


async def test_a_server_that_stops_leaves_no_request_behind(
    device: Server, tmp_path: Path, time: ManualClock
) -> None:
    """Otherwise it would open a second connection beside that of the next collector."""
    transport = ModbusTransport("127.0.0.1", device.port, TIMEOUT)
    async with house(transport, tmp_path, time.clock, devices="none") as made:
        await made.poller.scan()
        asked = len(device.requests)
        device.faults.silent = True
        time.tick(6)
        async with await made.client() as client:
            client.ask(13008, 2)
            await device.until(lambda: len(device.requests) > asked)
    await device.until(lambda: device.open == 0)
    rest = [one for one in asyncio.all_tasks() if "_fetch" in repr(one.get_coro())]
    await asyncio.gather(*rest, return_exceptions=True)
    assert (device.connections, device.open) == (1, 0)
    assert len(device.requests) == asked + 1


async def test_an_inverter_that_went_dark_at_night_is_told_and_comes_back(
    tmp_path: Path, time: ManualClock
) -> None:
    string = device_named("SG10RT", clock=time.local)
    async with await serve(string, port=free_port()) as running:
        transport = ModbusTransport("127.0.0.1", running.port, TIMEOUT)
        async with house(transport, tmp_path, time.clock, retries=0) as made:
            time.tick(12.5 * 3600)
            await made.poller.scan()
            async with await made.client() as client:
                assert await client.words(5031, 2)
                await running.go_dark()
                time.tick(30)
                (reading, *_) = await made.poller.scan()
                assert reading.state is State.ASLEEP
                assert await client.body(5031, 2) == refused(11)
                await running.wake()
                time.tick(8 * 3600)
                await made.poller.scan()
                assert await client.words(5031, 2)


async def test_another_serial_number_at_the_address_is_another_inverter(
    home: House, client: Client, device: Server, time: ManualClock
) -> None:
    other = device_named("SH10RT", clock=time.local, serial="A2310719999")
    await device.go_dark()
    time.tick(30)
    await home.poller.scan()
    device.devices[1] = other
    await device.wake()
    time.tick(30)
    await home.poller.scan()
    assert await client.body(4990, 10) == direct(other, 4, 4990, 10)


@pytest.mark.parametrize(
    ("model", "sunspec", "shown"),
    [
        ("SG10RT", "true", True),
        ("SH10RT", "true", False),
        ("SH10RT", "hybrids", True),
        ("SG10RT", "false", False),
    ],
)
async def test_sunspec_is_shown_where_it_was_asked_for(
    model: str, sunspec: str, shown: bool, tmp_path: Path, time: ManualClock
) -> None:
    async with await serve(device_named(model, clock=time.local)) as running:
        transport = ModbusTransport("127.0.0.1", running.port, TIMEOUT)
        wanted = {"sunspec": sunspec}
        async with house(transport, tmp_path, time.clock, wanted, devices="none") as made:
            await made.poller.scan()
            async with await made.client() as client:
                body = await client.body(40001, 2, function=3, unit=126)
                assert body == (b"\x03\x04SunS" if shown else refused(10, 3))
                if not shown:
                    return
                number = await client.body(40071, 1, function=3, unit=126)
                assert number == b"\x03\x02\0\x67", "three phases"
                assert await client.body(40001, 2, unit=126) == refused(2)
                assert await client.body(39999, 2, function=3, unit=126) == refused(2, 3)
                time.tick(200)
                assert await client.body(40001, 2, function=3, unit=126) == refused(11, 3)


async def test_a_sunspec_client_finds_the_models_and_their_values(
    tmp_path: Path, time: ManualClock
) -> None:
    """The SunSpec Alliance's own client, with its own definitions of the models."""
    time.tick(3 * 3600)
    async with await serve(device_named("SG10RT", clock=time.local)) as running:
        transport = ModbusTransport("127.0.0.1", running.port, TIMEOUT)
        wanted = {"sunspec": "true"}
        async with house(transport, tmp_path, time.clock, wanted, devices="none", level=2) as made:
            (reading, *_) = await made.poller.scan()
            told = await asyncio.to_thread(scanned, made.port)
    values = reading.values
    common, inverter, nameplate = (told[number] for number in (1, 103, 120))
    assert (common["Mn"], common["Md"], common["SN"]) == ("Sungrow", "SG10RT", reading.serial)
    shown = {
        "W": "total_active_power",
        "DCW": "total_dc_power",
        "Hz": "grid_frequency",
        "PhVphA": "phase_a_voltage",
        "AphC": "phase_c_current",
        "TmpCab": "internal_temperature",
    }
    assert {one: inverter[one] for one in shown} == {one: values[n] for one, n in shown.items()}
    energy = reading.number("total_power_yields")
    assert energy
    assert inverter["WH"] == pytest.approx(energy * 1000)
    rest = {name for name, value in nameplate.items() if value is not None and name != "Pad"}
    assert rest == {"ID", "L", "DERTyp", "WRtg", "WRtg_SF"}, "what is not known is not implemented"
    assert nameplate["WRtg"] == 10_000


async def test_a_port_that_is_taken_is_said_and_tried_again(
    device: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modbus_server, "_RETRY_SECONDS", 0.05)
    port = free_port()
    taken = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", port)
    options = ModbusServerOptions(enabled=True, address="127.0.0.1")
    serving = ModbusServer(options, [ServedInverter("roof", port, NoUnits(), lambda: None, 30.0)])
    complaints = Complaints()
    logging.getLogger(modbus_server.__name__).addHandler(complaints)
    running = asyncio.create_task(serving.run())
    await complaints.come.wait()
    assert serving.health().state == "blocked"
    assert f"127.0.0.1:{port}" in serving.health().message
    taken.close()
    await taken.wait_closed()
    assert await serving.listening() == {"roof": port}
    assert serving.health().state == "ok"
    logging.getLogger(modbus_server.__name__).removeHandler(complaints)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


class Complaints(logging.Handler):
    """Notices that something was logged."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.come = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        """Take note."""
        self.come.set()


class NoUnits:
    """An inverter behind which nothing was found."""

    requests = 0

    def on_unit(self, unit: int) -> None:
        """There is no unit."""

    def close(self) -> None:
        """Nothing is asked of it."""
