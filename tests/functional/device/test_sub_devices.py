"""Sub-devices, batteries and wall boxes: found once, read as devices of their own."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any

import pytest
import support
from support import ManualClock, storage_in

from sungather import errors
from sungather.answers import of_reading
from sungather.device.sub_devices import LOOK_AGAIN_AFTER, LOOK_FOR, PAUSE, SubDevices
from sungather.reading import Path, Reading, State
from sungather.registers.device import Device
from sungather.registers.models import model_named
from sungather.simulator import LivingDevice, Server, device_named, serve
from sungather.simulator.certificate import throwaway_context
from sungather.simulator.frontend import reads_from
from sungather.simulator.modbus import Answer, ExceptionCode
from sungather.simulator.server import Readable
from sungather.simulator.sub_devices import WallBox, battery
from sungather.simulator.winet import BATTERY, SH10RT, WALL_BOX, Dongle, WinetPort
from sungather.transports import Transport
from sungather.transports.modbus import ModbusTransport
from sungather.transports.winet import WinetTransport

HYBRID = replace(model_named("SH10RT"), path=Path.CABLE)
BY_DONGLE = replace(HYBRID, path=Path.DONGLE, masked=True)
BY_WEB = replace(HYBRID, path=Path.DONGLE)


class Home:
    """An inverter with sub-devices, and the reader of those."""

    def __init__(self, transport: Transport, storage: FilePath, time: ManualClock) -> None:
        self.transport = transport
        self.time = time
        self._storage = storage
        self.inverter = Reading("inverter", State.OK, time.clock.now(), serial="A2310715068")

    def sub_devices(self, **options: Any) -> SubDevices:
        """A new reader, as after a restart."""
        chosen = replace(support.OPTIONS, level=2, **options)
        return SubDevices(chosen, self.transport, storage_in(self._storage), self.time.clock)


@pytest.fixture
def time() -> ManualClock:
    return ManualClock()


@pytest.fixture
def hybrid(time: ManualClock) -> LivingDevice:
    return device_named("SH10RT", clock=time.local)


@pytest.fixture
async def lan(hybrid: LivingDevice) -> AsyncGenerator[Server]:
    """A hybrid with two batteries on its LAN port; it refuses to speak for other units."""
    units = {1: hybrid, 200: battery(hybrid), 201: battery(hybrid, "S2305170043")}
    async with await serve(units) as server:
        yield server


@pytest.fixture
async def home(lan: Server, tmp_path: FilePath, time: ManualClock) -> AsyncGenerator[Home]:
    transport = ModbusTransport("127.0.0.1", lan.port, 20)
    yield Home(transport, tmp_path, time)
    await transport.close()


@pytest.fixture
async def silent_home(lan: Server, tmp_path: FilePath, time: ManualClock) -> AsyncGenerator[Home]:
    """Units that are not there stay silent, as on real ones, and nobody waits for long."""
    lan.faults.unknown_unit = "silent"
    transport = ModbusTransport("127.0.0.1", lan.port, 0.3)
    yield Home(transport, tmp_path, time)
    await transport.close()


class Held:
    """A unit that answers one exception to everything, as long as `code` is set."""

    def __init__(self, code: ExceptionCode, device: Readable | None = None) -> None:
        self.code: ExceptionCode | None = code
        self._device = device

    def read(self, space: str, wire_address: int, count: int) -> Answer:
        if self.code is None and self._device is not None:
            return self._device.read(space, wire_address, count)
        return self.code or ExceptionCode.GATEWAY_TARGET


def units_asked(server: Server) -> list[int]:
    return [unit for unit, *_ in server.requests]


async def test_batteries_on_the_lan_port_are_devices_of_their_own(home: Home) -> None:
    first, second = await home.sub_devices().scan(home.inverter, HYBRID)
    assert (first.name, second.name) == ("inverter-battery-1", "inverter-battery-2")
    assert (first.serial, second.serial) == ("S2305170042", "S2305170043")
    assert first.state is State.OK
    assert (first.kind, first.via, first.model) == ("battery", "inverter", "SBR128")
    assert first.firmware == {"battery_bcu_firmware": "SBRBCU-S_22011.01.30"}
    assert of_reading(first).get("via") == "inverter"


async def test_a_battery_says_what_its_cells_and_modules_do(
    home: Home, hybrid: LivingDevice
) -> None:
    reading, _ = await home.sub_devices().scan(home.inverter, HYBRID)
    now, values = hybrid.now(), reading.values
    level = 100 * now.stored / (12_800 * 3600)
    assert values["battery_pack_level"] == pytest.approx(level, abs=0.1)
    assert values["battery_pack_health"] == 98
    assert values["battery_pack_total_charge"] == pytest.approx(
        now.lifetime.charge / 3_600_000, abs=0.1
    )
    current = values["battery_pack_current"]
    assert isinstance(current, float)
    assert (current > 0) == (now.flow.battery > 0)
    assert values["max_cell_voltage_position"] == "module 2, cell 6"
    assert values["max_module_temperature_position"] == "module 1"
    assert values["module_4_min_cell_voltage"] == pytest.approx(3.15, abs=0.26)
    assert values["module_1_serial_number"] == "EM032P00001S"
    assert reading.unit("max_cell_voltage") == "V"


async def test_modules_that_are_not_there_are_absent_not_zero(home: Home) -> None:
    reading, _ = await home.sub_devices().scan(home.inverter, HYBRID)
    assert "module_5_max_cell_voltage" in reading.absent
    assert "module_5_serial_number" in reading.absent
    assert not any(name.startswith("module_5") for name in reading.values)


async def test_devices_are_looked_for_once_even_across_restarts(home: Home, lan: Server) -> None:
    first = home.sub_devices()
    await first.scan(home.inverter, HYBRID)
    assert units_asked(lan).count(202) == 1
    await first.scan(home.inverter, HYBRID)
    after_restart = await home.sub_devices().scan(home.inverter, HYBRID)
    assert [reading.state for reading in after_restart] == [State.OK, State.OK]
    assert units_asked(lan).count(202) == 1
    assert 3 not in units_asked(lan), "a wall box is never on the LAN port"


@pytest.mark.parametrize("model", ["SH5.0RS", "SH15T"])
async def test_a_battery_on_unit_2_is_found_where_the_path_cannot_be_told(
    home: Home, lan: Server, hybrid: LivingDevice, model: str
) -> None:
    lan.devices.clear()
    lan.devices |= {1: hybrid, 2: battery(hybrid)}
    (reading,) = await home.sub_devices().scan(home.inverter, model_named(model))
    assert (reading.name, reading.serial) == ("inverter-battery-1", "S2305170042")


class Retold:
    """A battery that tells another serial number, and other words where they are given."""

    def __init__(self, device: Readable, serial: int, **replaced: int) -> None:
        self._device = device
        self._words = dict.fromkeys(range(10711, 10721), serial)
        self._words |= {int(at.lstrip("_")): word for at, word in replaced.items()}

    def read(self, space: str, wire_address: int, count: int) -> Answer:
        answer = self._device.read(space, wire_address, count)
        if isinstance(answer, ExceptionCode):
            return answer
        first = wire_address + 1
        return [self._words.get(at, word) for at, word in enumerate(answer, first)]


@pytest.mark.parametrize("serial", [0, 0xFFFF, 0x3030])
@pytest.mark.parametrize(
    ("units", "charged", "found"),
    [
        ((200, 201, 202), (1234, 2345, 3456), (200, 201, 202)),  # several, told apart by counters
        ((200, 201), (0, 0), (200, 201)),  # new ones, told apart by their places
        ((200, 201, 202), (1234, 1234, 1234), (200,)),  # one that answers on every unit
        ((2, 200), (1234, 1234), (2,)),  # one, on two units
        ((2, 200), (0, 0), (2,)),
        ((2, 200, 201), (1234, 1234, 2345), (2, 201)),
        ((2, 200, 201), (0, 0, 0), (2, 201)),
        ((2, 200), (1234, 2345), (2, 200)),
    ],
)
async def test_batteries_without_a_serial_number_are_told_apart_by_what_they_counted(
    home: Home,
    lan: Server,
    hybrid: LivingDevice,
    serial: int,
    units: tuple[int, ...],
    charged: tuple[int, ...],
    found: tuple[int, ...],
) -> None:
    lan.devices.clear()
    lan.devices[1] = hybrid
    for unit, counted in zip(units, charged, strict=True):
        one = Retold(battery(hybrid), serial, _10746=counted, _10747=0, _10748=0, _10749=0)
        lan.devices[unit] = one
    sub_devices = home.sub_devices()
    readings = await sub_devices.scan(home.inverter, model_named("SH15T"))
    assert len(readings) == len(found)
    assert all(sub_devices.on_unit(unit) is not None for unit in found)
    names = [f"inverter-battery-{n}" for n in range(1, len(found) + 1)]
    assert [one.name for one in readings] == names
    assert {(one.state, one.serial) for one in readings} == {(State.OK, "")}


@pytest.mark.parametrize("units", [(2, 200), (200, 201), (2, 200, 201)])
async def test_one_battery_on_several_units_is_one(
    home: Home, lan: Server, hybrid: LivingDevice, units: tuple[int, ...]
) -> None:
    lan.devices.clear()
    lan.devices |= {1: hybrid, **dict.fromkeys(units, battery(hybrid))}
    (reading,) = await home.sub_devices().scan(home.inverter, model_named("SH15T"))
    assert reading.serial == "S2305170042"


async def test_silence_of_unit_2_hides_no_battery_on_unit_200(
    silent_home: Home, lan: Server
) -> None:
    found = await silent_home.sub_devices().scan(silent_home.inverter, model_named("SH5.0RS"))
    assert [one.serial for one in found] == ["S2305170042", "S2305170043"]
    assert set(units_asked(lan)) == {2, 3, 200, 201, 202, 248}


async def test_what_is_looked_for_and_silent_costs_no_whole_timeout(
    lan: Server, tmp_path: FilePath, time: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of three silent units would cost two timeouts of an hour; now all of them are 9 s."""
    assert 3 * LOOK_FOR < 10
    monkeypatch.setattr("sungather.device.sub_devices.LOOK_FOR", 0.3)
    lan.faults.unknown_unit = "silent"
    transport = ModbusTransport("127.0.0.1", lan.port, 3600.0)
    home = Home(transport, tmp_path, time)
    async with asyncio.timeout(60):
        found = await home.sub_devices(retries=3).scan(home.inverter, model_named("SH5.0RS"))
    await transport.close()
    assert [one.serial for one in found] == ["S2305170042", "S2305170043"]


async def test_devices_are_looked_for_again_after_a_long_while(
    silent_home: Home, lan: Server, hybrid: LivingDevice
) -> None:
    await silent_home.sub_devices().scan(silent_home.inverter, HYBRID)
    silent_home.time.tick(LOOK_AGAIN_AFTER.total_seconds() + 1)
    hybrid.now()  # lives through the days now, not when asked
    await silent_home.sub_devices().scan(silent_home.inverter, HYBRID)
    assert units_asked(lan).count(202) == 2


async def test_another_inverter_at_the_address_has_other_devices(home: Home, lan: Server) -> None:
    sub_devices = home.sub_devices()
    await sub_devices.scan(home.inverter, HYBRID)
    del lan.devices[201]
    other = replace(home.inverter, serial="A2310715999")
    assert len(await sub_devices.scan(other, HYBRID)) == 1


async def test_none_asks_nothing(home: Home, lan: Server) -> None:
    assert await home.sub_devices(devices="none").scan(home.inverter, HYBRID) == ()
    assert lan.requests == []


async def test_a_list_names_what_is_read_and_nothing_else_is_looked_for(
    home: Home, lan: Server
) -> None:
    (reading,) = await home.sub_devices(devices="battery:201").scan(home.inverter, HYBRID)
    assert (reading.name, reading.serial) == ("inverter-battery-1", "S2305170043")
    assert set(units_asked(lan)) == {201}


async def test_a_listed_device_is_not_found_a_second_time(home: Home, lan: Server) -> None:
    reader = home.sub_devices(devices="battery:201,battery")
    first, second = await reader.scan(home.inverter, HYBRID)
    assert (first.name, first.serial) == ("inverter-battery-1", "S2305170043")
    assert (second.name, second.serial) == ("inverter-battery-2", "S2305170042")
    plates = [unit for unit, *block in lan.requests if block == ["input", 10710, 21]]
    assert sorted(plates) == [200, 201, 202]


async def test_a_listed_device_that_is_not_there_is_reported_and_left_alone_for_a_while(
    silent_home: Home, lan: Server
) -> None:
    sub_devices = silent_home.sub_devices(devices="battery:202")
    (reading,) = await sub_devices.scan(silent_home.inverter, HYBRID)
    assert reading.state is State.UNREACHABLE
    assert reading.problem is not None
    asked = len(lan.requests)
    silent_home.time.tick(PAUSE / 2)
    await sub_devices.scan(silent_home.inverter, HYBRID)
    assert len(lan.requests) == asked
    silent_home.time.tick(PAUSE)
    await sub_devices.scan(silent_home.inverter, HYBRID)
    assert len(lan.requests) > asked


async def test_a_battery_that_falls_silent_shows_no_old_values_and_comes_back(
    silent_home: Home, lan: Server
) -> None:
    sub_devices = silent_home.sub_devices()
    await sub_devices.scan(silent_home.inverter, HYBRID)
    lan.faults.silent_on = {"input": range(10710, 10900)}
    silent_home.time.tick(30)
    first, _ = await sub_devices.scan(silent_home.inverter, HYBRID)
    assert (first.state, first.values) == (State.UNREACHABLE, {})
    assert first.serial == "S2305170042"
    lan.faults.silent_on = {}
    silent_home.time.tick(PAUSE)
    first, _ = await sub_devices.scan(silent_home.inverter, HYBRID)
    assert first.state is State.OK
    assert "battery_pack_level" in first.values


async def test_nothing_behind_an_inverter_in_trouble_is_asked(home: Home, lan: Server) -> None:
    sub_devices = home.sub_devices()
    await sub_devices.scan(home.inverter, HYBRID)
    asked = len(lan.requests)
    silent = replace(home.inverter, state=State.UNREACHABLE)
    first, _ = await sub_devices.scan(silent, HYBRID)
    assert (first.state, first.values) == (State.UNREACHABLE, {})
    assert len(lan.requests) == asked


async def test_a_string_inverter_is_not_asked_for_batteries(home: Home, lan: Server) -> None:
    inverter = replace(model_named("SG10RT"), path=Path.CABLE)
    assert await home.sub_devices().scan(home.inverter, inverter) == ()
    assert lan.requests == []


async def test_what_is_found_is_said_once(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "sungather")
    sub_devices = home.sub_devices()
    for _ in range(3):
        await sub_devices.scan(home.inverter, HYBRID)
    said = [line for line in caplog.messages if line.startswith("Behind inverter")]
    assert said == ["Behind inverter: SBR128 S2305170042", "Behind inverter: SBR128 S2305170043"]


@pytest.mark.parametrize("code", [ExceptionCode.GATEWAY_PATH, ExceptionCode.GATEWAY_TARGET])
async def test_a_unit_that_a_gateway_cannot_reach_is_asked_in_one_scan_only(
    code: ExceptionCode,
    home: Home,
    lan: Server,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "sungather")
    lan.devices[202] = Held(code)
    sub_devices = home.sub_devices(retries=1)
    readings = [await sub_devices.scan(home.inverter, HYBRID) for _ in range(4)]
    assert units_asked(lan).count(202) == 2, "with one retry, and never again"
    assert [one.state for scan in readings for one in scan] == [State.OK] * 8
    assert len([line for line in caplog.messages if line.startswith("Behind")]) == 2
    asked = units_asked(lan).count(202)
    await home.sub_devices().scan(home.inverter, HYBRID)
    assert units_asked(lan).count(202) == asked, "also not after a restart"


async def test_contention_leaves_a_unit_open_and_what_was_found_is_kept(
    home: Home, lan: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "sungather")
    sub_devices = home.sub_devices()
    held = Held(ExceptionCode.DEVICE_BUSY, lan.devices[201])
    lan.devices[201] = held
    (first,) = await sub_devices.scan(home.inverter, HYBRID)
    asked = len(lan.requests)
    held.code = None
    both = await sub_devices.scan(home.inverter, HYBRID)
    assert [one.serial for one in both] == [first.serial, "S2305170043"]
    again = units_asked(lan)[asked:]
    assert again[:2] == [201, 202], "the first battery is not asked again who it is"
    assert len([line for line in caplog.messages if line.startswith("Behind")]) == 2


async def test_contention_that_lasts_ends_the_search_after_three_scans(
    home: Home, lan: Server
) -> None:
    sub_devices = home.sub_devices()
    lan.devices[201] = Held(ExceptionCode.DEVICE_BUSY, lan.devices[201])
    for _ in range(5):
        assert len(await sub_devices.scan(home.inverter, HYBRID)) == 1
    assert units_asked(lan).count(201) == 3


async def test_a_device_has_its_kind_and_inverter_before_it_has_answered(home: Home) -> None:
    sub_devices = home.sub_devices(devices="battery:200")
    silent = replace(home.inverter, state=State.UNREACHABLE)
    await sub_devices.scan(home.inverter, HYBRID)
    (reading,) = await sub_devices.scan(silent, HYBRID)
    assert (reading.kind, reading.via, reading.values) == ("battery", "inverter", {})


def test_a_wrong_list_is_wrong_options(tmp_path: FilePath, time: ManualClock) -> None:
    home = Home(ModbusTransport("127.0.0.1", 1, 1.0), tmp_path, time)
    with pytest.raises(errors.OptionsError, match=r"inverter\.devices: 'heatpump'"):
        home.sub_devices(devices="heatpump")


WAYS = [("modbus", BY_DONGLE), ("http", BY_WEB)]


@pytest.mark.parametrize(("connection", "device"), WAYS)
async def test_battery_and_wall_box_behind_a_dongle(
    connection: str,
    device: Device,
    hybrid: LivingDevice,
    tmp_path: FilePath,
    time: ManualClock,
) -> None:
    wall_box = WallBox()
    wall_box.power = 11_000
    masked = connection == "modbus"
    path = "dongle" if masked else "cable"
    units = {1: hybrid, 2: battery(hybrid, path=path), 3: wall_box}
    async with AsyncExitStack() as stack:
        transport: Transport
        if masked:
            server = await stack.enter_async_context(await serve(units))
            transport = ModbusTransport("127.0.0.1", server.port, 5.0)
        else:
            dongle = Dongle(reads_from(units), devices=(SH10RT, BATTERY, WALL_BOX))
            port = WinetPort(dongle, tls=throwaway_context())
            await stack.enter_async_context(port)
            transport = WinetTransport("127.0.0.1", port.port, 5.0, memory={})
        home = Home(transport, tmp_path, time)
        pack, charger = await home.sub_devices(retries=1).scan(home.inverter, device)
        await transport.close()
    assert (pack.name, pack.state) == ("inverter-battery-1", State.OK)
    assert pack.values["battery_pack_health"] == 98
    assert ("max_cell_voltage" in pack.values) is not masked, "cells are refused by its Modbus"
    assert not pack.refused
    assert (charger.name, charger.state) == ("inverter-charger-1", State.OK)
    assert (charger.kind, charger.model) == ("charger", "AC22E-01")
    assert charger.values["charger_power"] == 11_000
    assert charger.values["charger_status"] == "Charging"
    assert charger.values["charger_total_energy"] == 280.557
    assert charger.values["charger_session_start"] == "2026-09-08 17:56:15"
    assert "charger_session_end" not in charger.values
    assert charger.values["charger_output_current"] == 15.1
