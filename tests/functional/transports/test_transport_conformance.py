"""One suite for all ways to a device: same device, same readings, same faults."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Protocol
from zoneinfo import ZoneInfo

import pytest
import support
from support import ManualClock

from sungather import errors
from sungather.device.inverter import Inverter
from sungather.reading import Path, Reading, State
from sungather.registers import Block, Space
from sungather.simulator import (
    Faults,
    LivingDevice,
    Server,
    SimulatedDevice,
    device_named,
    serve,
)
from sungather.simulator.certificate import throwaway_context
from sungather.simulator.encrypted import EncryptedServer
from sungather.simulator.frontend import FrontEnd, reads_from
from sungather.simulator.winet import Dongle, Firmware, WinetPort
from sungather.storage import Storage
from sungather.transports import Transport
from sungather.transports.modbus import ModbusTransport
from sungather.transports.sungrow import SungrowTransport
from sungather.transports.winet import WinetTransport

BLOCK = Block(Space.INPUT, 13000, 50)
REFUSED = Block(Space.INPUT, 9000, 10)
SHORT = 0.4
"""Seconds: the deadline of requests that are meant to stay unanswered."""


class Way(Protocol):
    """A served device and how to get at it."""

    name: str
    port: int
    path: Path

    def transport(self, timeout: float) -> Transport: ...

    def silence(self, silent: bool) -> None: ...

    def break_off(self, breaks: bool) -> None: ...

    async def stop(self) -> None: ...

    @property
    def open_connections(self) -> int: ...


class ModbusWay:
    """Plain Modbus/TCP on the device's LAN port."""

    name = "modbus"
    path = Path.CABLE

    def __init__(self, server: Server) -> None:
        self._server = server
        self.port = server.port

    def transport(self, timeout: float) -> Transport:
        return ModbusTransport("127.0.0.1", self.port, timeout)

    def silence(self, silent: bool) -> None:
        self._server.faults.silent = silent

    def break_off(self, breaks: bool) -> None:
        self._server.faults.close_every = 1 if breaks else 0

    async def stop(self) -> None:
        await self._server.close()

    @property
    def open_connections(self) -> int:
        return self._server.open


class SungrowWay:
    """Encrypted Modbus/TCP of an older dongle, here with everything a LAN port serves."""

    name = "sungrow"
    path = Path.CABLE

    def __init__(self, server: EncryptedServer) -> None:
        self._server = server
        self.port = server.port

    def transport(self, timeout: float) -> Transport:
        return SungrowTransport("127.0.0.1", self.port, timeout)

    def silence(self, silent: bool) -> None:
        self._server.faults.silent = silent

    def break_off(self, breaks: bool) -> None:
        self._server.faults.close_on_read = breaks

    async def stop(self) -> None:
        await _stop(self._server)

    @property
    def open_connections(self) -> int:
        return self._server.open_connections


class WinetWay:
    """The web API of a dongle."""

    name = "http"
    path = Path.DONGLE

    def __init__(self, port: WinetPort) -> None:
        self._server = port
        self.port = port.port

    def transport(self, timeout: float) -> Transport:
        return WinetTransport("127.0.0.1", self.port, timeout, memory={})

    def silence(self, silent: bool) -> None:
        self._server.dongle.faults.silent = silent

    def break_off(self, breaks: bool) -> None:
        self._server.dongle.faults.breaks_http = breaks

    async def stop(self) -> None:
        await _stop(self._server)

    @property
    def open_connections(self) -> int:
        return self._server.open_connections


async def _stop(server: FrontEnd) -> None:
    await server.__aexit__(None, None, None)


@pytest.fixture(scope="module")
def tls() -> ssl.SSLContext:
    return throwaway_context()


@pytest.fixture
def time() -> ManualClock:
    return ManualClock()


@pytest.fixture
def device(time: ManualClock) -> LivingDevice:
    """A hybrid whose clock stands still, so that all ways see the same moment."""
    return device_named("SH10RT", clock=time.local)


WAYS = ("modbus", "sungrow", "http, new firmware", "http, old firmware")


@pytest.fixture(params=WAYS)
async def way(
    request: pytest.FixtureRequest, device: LivingDevice, tls: ssl.SSLContext
) -> AsyncGenerator[Way]:
    """The device, served in each way in turn."""
    async with AsyncExitStack() as stack:
        yield await _served(request.param, stack, device, tls)


async def _served(
    name: str, stack: AsyncExitStack, device: LivingDevice, tls: ssl.SSLContext
) -> Way:
    reads = reads_from({1: device})
    match name:
        case "modbus":
            return ModbusWay(await stack.enter_async_context(await serve(device)))
        case "sungrow":
            return SungrowWay(await stack.enter_async_context(EncryptedServer(reads)))
        case "http, new firmware":
            port = WinetPort(Dongle(reads), tls=tls)
        case _:
            port = WinetPort(Dongle(reads, Firmware.WINET_S))
    return WinetWay(await stack.enter_async_context(port))


@pytest.fixture
async def transport(way: Way) -> AsyncGenerator[Transport]:
    """A transport with the patience of a real one."""
    made = way.transport(10.0)
    yield made
    await made.close()


@pytest.fixture
async def hasty(way: Way) -> AsyncGenerator[Transport]:
    """A transport for what stays unanswered."""
    made = way.transport(SHORT)
    yield made
    await made.close()


async def scan(way: Way, storage: FilePath, time: ManualClock, level: int = 2) -> Reading:
    """One complete reading."""
    options = replace(support.OPTIONS, port=way.port, level=level, retries=1)
    inverter = Inverter(
        options, way.transport(10.0), Storage(storage), ZoneInfo("Europe/Berlin"), time.clock
    )
    try:
        return await inverter.scan(complete=True)
    finally:
        await inverter.close()


async def test_the_words_are_the_devices(transport: Transport, device: LivingDevice) -> None:
    for block in (BLOCK, Block(Space.INPUT, 4990, 13), Block(Space.HOLDING, 13050, 10)):
        expected = device.read(block.space, block.start - 1, block.count)
        assert list(await transport.read(block, 1)) == expected


async def test_the_widest_read_that_the_transport_promises_works(
    transport: Transport, device: LivingDevice
) -> None:
    block = Block(Space.INPUT, 13000, transport.widest)
    assert list(await transport.read(block, 1)) == device.read("input", 12999, block.count)


async def test_many_reads_keep_the_same_connections(transport: Transport, way: Way) -> None:
    await transport.read(BLOCK, 1)
    connects = transport.connects
    for _ in range(20):
        await transport.read(BLOCK, 1)
    assert transport.connects == connects
    assert way.open_connections == (2 if way.name == "http" else 1)
    assert transport.requests == 21


async def test_the_transport_says_its_name_as_the_options_do(
    transport: Transport, way: Way
) -> None:
    assert transport.name == way.name


async def test_an_address_that_the_device_has_not_is_refused_for_good(
    transport: Transport, way: Way
) -> None:
    if way.name == "http":
        with pytest.raises(errors.Busy):  # such failures pass now and then
            await transport.read(REFUSED, 1)
    with pytest.raises(errors.Refused):
        await transport.read(REFUSED, 1)
    assert len(await transport.read(BLOCK, 1)) == BLOCK.count


async def test_a_device_that_does_not_answer_is_silent_and_comes_back(
    hasty: Transport, way: Way
) -> None:
    await hasty.read(BLOCK, 1)
    way.silence(True)
    started = asyncio.get_running_loop().time()
    with pytest.raises(errors.Silent):
        await hasty.read(BLOCK, 1)
    assert asyncio.get_running_loop().time() - started >= SHORT * 0.9
    way.silence(False)
    assert len(await hasty.read(BLOCK, 1)) == BLOCK.count


async def test_a_device_that_was_silent_from_the_start_comes_back(
    hasty: Transport, way: Way
) -> None:
    way.silence(True)
    with pytest.raises(errors.Unreachable):
        await hasty.read(BLOCK, 1)
    way.silence(False)
    assert len(await hasty.read(BLOCK, 1)) == BLOCK.count


async def test_a_connection_that_breaks_off_is_lost_and_comes_back(
    transport: Transport, way: Way
) -> None:
    await transport.read(BLOCK, 1)
    way.break_off(True)
    with pytest.raises(errors.ConnectionLost):
        await transport.read(BLOCK, 1)
    way.break_off(False)
    assert len(await transport.read(BLOCK, 1)) == BLOCK.count


async def test_a_read_that_is_cancelled_leaves_nothing_that_a_later_one_could_mistake(
    transport: Transport, way: Way, device: LivingDevice
) -> None:
    await transport.read(BLOCK, 1)
    way.silence(True)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await transport.read(BLOCK, 1)
    way.silence(False)
    other = Block(Space.INPUT, 5000, 50)
    assert list(await transport.read(other, 1)) == device.read("input", 4999, 50)


async def test_a_closed_port_is_told_from_a_host_that_is_not_there(
    hasty: Transport, way: Way
) -> None:
    await way.stop()
    with pytest.raises(errors.PortClosed, match=str(way.port)):
        await hasty.read(BLOCK, 1)


@pytest.mark.parametrize("connection", ["modbus", "sungrow", "http"])
async def test_a_name_that_does_not_exist_is_said_so(connection: str) -> None:
    host = "no-such-inverter.invalid"
    transports: dict[str, Transport] = {
        "modbus": ModbusTransport(host, 502, 5.0),
        "sungrow": SungrowTransport(host, 502, 5.0),
        "http": WinetTransport(host, None, 5.0, memory={}),
    }
    with pytest.raises(errors.NameNotFound, match=host):
        await transports[connection].connect()


async def test_close_is_harmless_at_any_time_and_a_read_opens_again(
    transport: Transport, way: Way
) -> None:
    await transport.close()
    await transport.read(BLOCK, 1)
    await transport.close()
    await transport.close()
    assert len(await transport.read(BLOCK, 1)) == BLOCK.count


async def test_connect_opens_what_the_next_read_uses(transport: Transport, way: Way) -> None:
    await transport.connect()
    await transport.connect()
    await transport.read(BLOCK, 1)
    assert way.open_connections == (2 if way.name == "http" else 1)


async def test_a_complete_scan_gives_the_same_values_on_every_way(
    device: LivingDevice, tls: ssl.SSLContext, tmp_path: FilePath, time: ManualClock
) -> None:
    readings: dict[str, Reading] = {}
    async with AsyncExitStack() as stack:
        for name in WAYS:
            way = await _served(name, stack, device, tls)
            readings[name] = await scan(way, tmp_path / name, time)
            assert readings[name].state is State.OK, readings[name].problem
            assert readings[name].path is way.path
    first = readings[WAYS[0]]
    assert len(first.values) > 100
    for reading in readings.values():
        assert reading.values == first.values
        assert all(reading.unit(name) == first.unit(name) for name in first.values)
        assert reading.absent == first.absent


@pytest.mark.parametrize("model", ["SH10RT", "SH8.0RT"])
async def test_a_dongles_modbus_hides_values_but_makes_none_up(
    model: str, tmp_path: FilePath, time: ManualClock
) -> None:
    device = device_named(model, clock=time.local)
    masked = device_named(model, clock=time.local, path="dongle")
    async with AsyncExitStack() as stack:
        lan = ModbusWay(await stack.enter_async_context(await serve(device)))
        server = await stack.enter_async_context(await serve(masked))
        true = await scan(lan, tmp_path / "lan", time)
        seen = await scan(ModbusWay(server), tmp_path / "dongle", time)
    past_days = {(start, count) for _, _, start, count in server.requests if 6000 < start < 6900}
    assert past_days == {(6100, 1)}, "that tells the way; the rest is known not to be forwarded"
    assert not [one for one in seen.refused if 6000 < one.start < 6900]
    assert seen.state is State.OK
    assert seen.path is Path.DONGLE
    assert seen.values.keys() <= true.values.keys()
    wrong = {
        name: (value, true.values[name])
        for name, value in seen.values.items()
        if value != true.values[name] and name != "protocol_version"  # the dongle's own
    }
    assert wrong == {}


async def test_padded_split_and_foreign_frames_do_not_change_the_words(
    device: LivingDevice,
) -> None:
    async with await serve(device, faults=Faults(split=True, foreign="before")) as server:
        transport = ModbusTransport("127.0.0.1", server.port, 10.0)
        words = await transport.read(BLOCK, 1)
        await transport.close()
    assert list(words) == device.read("input", 12999, 50)


# Words of one SH8.0RT-20 read in three ways within a minute, on a night in January 2024:
# documented register, LAN port, dongle's Modbus (None: refused), web API.
MEASURED: Mapping[int, tuple[int, int | None, int]] = {
    5000: (3602, 3602, 3602),
    5001: (80, 80, 80),
    5002: (1, 1, 1),
    5008: (335, 335, 335),
    5015: (0xFFFF, 0, 0xFFFF),
    5016: (0xFFFF, 0, 0xFFFF),
    5019: (2307, 2301, 2302),
    5020: (2315, 2317, 2315),
    5021: (2312, 2315, 2311),
    5036: (500, 5003, 500),
    5148: (5003, None, 5003),
    5639: (960, None, 960),
    6100: (0xFFFF, None, 0xFFFF),
    13039: (96, 960, 96),
}
SERIAL = dict(zip(range(4990, 5000), [0x4132] * 5 + [0x4100] + [0] * 4, strict=True))


async def test_one_inverter_read_in_three_ways_gives_one_truth(
    tls: ssl.SSLContext, tmp_path: FilePath, time: ManualClock
) -> None:
    def seen(column: int) -> SimulatedDevice:
        words = SERIAL | {n: row[column] for n, row in MEASURED.items()}
        hole = 0 if column == 1 else 0xFFFF  # what stands for a value that is not there
        refused = {n for n, word in words.items() if word is None}
        known = {n: words.get(n) or hole for n in range(2500, 14000) if n not in refused}
        image = {"input": known, "holding": known}
        return SimulatedDevice("SH8.0RT-20", lambda: image, refused={"input": refused})

    async with AsyncExitStack() as stack:
        lan = ModbusWay(await stack.enter_async_context(await serve(seen(0))))
        dongle = ModbusWay(await stack.enter_async_context(await serve(seen(1))))
        port = WinetPort(Dongle(reads_from({1: seen(2)})), tls=tls)
        web = WinetWay(await stack.enter_async_context(port))
        readings = [
            await scan(way, tmp_path / f"{n}", time) for n, way in enumerate((lan, dongle, web))
        ]
    assert [one.path for one in readings] == [Path.CABLE, Path.DONGLE, Path.DONGLE]
    for reading in readings:
        assert reading.state is State.OK, reading.problem
        assert reading.values["grid_frequency"] == pytest.approx(50.03, abs=0.05)
        assert reading.values["battery_capacity"] == 9.6
        assert reading.values["phase_a_voltage"] == pytest.approx(230.5, abs=0.5)
        assert "mppt_3_voltage" not in reading.values
