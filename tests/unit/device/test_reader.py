"""One reader for every device: who it is, what it says, and what is forgotten after a loss."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path as FilePath
from zoneinfo import ZoneInfo

import pytest
import support
from support import ManualClock

from sungather import errors
from sungather.device.identify import identify_sub_device
from sungather.device.inverter import Inverter
from sungather.device.reader import DeviceReader
from sungather.options.devices import SubDeviceKind
from sungather.reading import Path, State
from sungather.registers import Block
from sungather.registers.derive import Derivation
from sungather.registers.models import model_named
from sungather.simulator import LivingDevice, device_named
from sungather.simulator.device import SimulatedDevice
from sungather.simulator.sub_devices import battery
from sungather.storage import Storage
from tests.plain_values import fresh


class Wire:
    """A transport that ends in a simulated device; `trouble` is met by every request."""

    name = "modbus"
    widest = 125
    connects = 0

    def __init__(self, device: SimulatedDevice) -> None:
        self.device = device
        self.trouble: errors.InverterError | None = None
        self.refused: set[int] = set()
        """Registers that no block may contain."""
        self.asked: list[Block] = []
        self.requests = 0

    async def connect(self) -> None: ...

    async def close(self) -> None: ...

    async def read(self, block: Block, unit: int) -> Sequence[int]:
        self.asked.append(block)
        self.requests += 1
        if self.trouble is not None:
            raise self.trouble
        answer = self.device.read(block.space, block.start - 1, block.count)
        block_refused = not self.refused.isdisjoint(range(block.start, block.end + 1))
        if block_refused or not isinstance(answer, list):
            raise errors.Refused("illegal data address")
        return answer


@pytest.fixture
def time() -> ManualClock:
    return ManualClock()


@pytest.fixture
def hybrid(time: ManualClock) -> LivingDevice:
    return device_named("SH10RT", clock=time.local)


@pytest.fixture
def wire(hybrid: LivingDevice) -> Wire:
    """To a battery of that hybrid."""
    return Wire(battery(hybrid))


@pytest.fixture
def storage(tmp_path: FilePath) -> Storage:
    return Storage(tmp_path)


@pytest.fixture
def pack(wire: Wire, time: ManualClock, storage: Storage) -> DeviceReader:
    return pack_of(wire, time, storage)


def pack_of(wire: Wire, time: ManualClock, storage: Storage) -> DeviceReader:
    inverter = replace(model_named("SH10RT"), path=Path.CABLE)
    identify = partial(
        identify_sub_device,
        kind=SubDeviceKind.BATTERY,
        unit=200,
        inverter=inverter,
        connection="modbus",
    )
    options = replace(support.OPTIONS, name="pack", unit=200, level=2)
    return DeviceReader(options, wire, identify, storage, time.clock, "battery", "inverter")


def test_a_reader_is_connecting_before_its_first_scan(pack: DeviceReader) -> None:
    newest = pack.newest
    assert (newest.state, newest.kind, newest.via) == (State.CONNECTING, "battery", "inverter")
    assert pack.device is None


async def test_a_reading_says_who_what_and_how_much_was_asked(
    pack: DeviceReader, wire: Wire
) -> None:
    reading = await pack.scan()
    assert (reading.name, reading.state, reading.model) == ("pack", State.OK, "SBR128")
    assert fresh(reading) == reading.values.keys()
    assert reading.requests == wire.requests
    assert pack.newest is reading


async def test_who_it_is_is_asked_once_and_again_after_a_loss(
    pack: DeviceReader, wire: Wire
) -> None:
    await pack.scan()
    plate = wire.asked[0]
    await pack.scan()
    assert wire.asked.count(plate) == 1
    wire.trouble = errors.Silent("no answer")
    lost = await pack.scan()
    assert (lost.state, lost.measurements) == (State.UNREACHABLE, {})
    assert (lost.model, lost.serial) == ("SBR128", "S2305170042"), "what it was is still known"
    wire.trouble = None
    assert (await pack.scan()).state is State.OK
    assert wire.asked.count(plate) == 2


@pytest.mark.parametrize("trouble", [errors.Silent("…"), errors.ConnectionLost("…")])
async def test_a_device_that_stays_silent_is_asked_once_a_scan(
    pack: DeviceReader, wire: Wire, trouble: errors.InverterError
) -> None:
    """Each further try may open another of the few sessions that it has none left of."""
    await pack.scan()
    wire.trouble = trouble
    await pack.scan()
    wire.asked.clear()
    await pack.scan()
    assert len(wire.asked) == 1
    wire.trouble = None
    assert (await pack.scan()).state is State.OK


@pytest.mark.parametrize("trouble", [errors.Silent("…"), errors.ConnectionLost("…")])
async def test_retries_end_with_the_first_silent_scan_and_return_with_the_device(
    time: ManualClock,
    hybrid: LivingDevice,
    tmp_path: FilePath,
    trouble: errors.InverterError,
) -> None:
    wire, storage = Wire(battery(hybrid)), Storage(tmp_path)
    identify = partial(
        identify_sub_device,
        kind=SubDeviceKind.BATTERY,
        unit=200,
        inverter=replace(model_named("SH10RT"), path=Path.CABLE),
        connection="modbus",
    )
    options = replace(support.OPTIONS, name="pack", unit=200, retries=2)
    pack = DeviceReader(options, wire, identify, storage, time.clock, "battery", "inverter")
    requests: list[int] = []
    for now in (trouble, trouble, trouble, None, trouble):
        wire.trouble = now
        requests.append((await pack.scan()).requests)
    assert requests[:3] == [3, 1, 1]
    assert requests[4] == 3, "the scan before was answered"


async def test_the_state_begins_when_it_changes(pack: DeviceReader, time: ManualClock) -> None:
    first = await pack.scan()
    time.tick(30)
    second = await pack.scan()
    time.tick(30)
    left_out = pack.leave_out(State.UNREACHABLE, None)
    assert first.since == second.since == first.time
    assert (left_out.since, left_out.values) == (time.clock.now(), {})


async def test_another_device_at_the_address_is_another_device(
    pack: DeviceReader, wire: Wire, hybrid: LivingDevice
) -> None:
    await pack.scan()
    wire.trouble = errors.ConnectionLost("gone")
    await pack.scan()
    wire.trouble, wire.device = None, battery(hybrid, "S2305170043")
    assert (await pack.scan()).serial == "S2305170043"


async def test_what_a_person_has_forgotten_to_be_refused_is_asked_for_again(
    pack: DeviceReader, wire: Wire, time: ManualClock, storage: Storage
) -> None:
    await pack.scan()
    wire.refused = {wire.asked[-1].end}
    assert (await pack.scan(complete=True)).refused
    wire.refused = set()
    assert (await pack.scan(complete=True)).refused, "it is remembered"
    pack.forget_refusals()
    after_a_restart = pack_of(wire, time, storage)
    assert (await after_a_restart.scan(complete=True)).refused == ()
    assert (await pack.scan(complete=True)).refused == ()


async def test_something_else_on_the_unit_is_the_wrong_unit(
    pack: DeviceReader, wire: Wire
) -> None:
    zeros = {"input": dict.fromkeys(range(10710, 10760), 0)}
    wire.device = SimulatedDevice("something else", lambda: zeros)
    reading = await pack.scan()
    assert (reading.state, reading.problem and reading.problem.kind) == (
        State.MISCONFIGURED,
        "wrong-unit",
    )


async def test_a_nameplate_refused_as_a_whole_is_read_in_part(
    pack: DeviceReader, wire: Wire
) -> None:
    wire.refused = {10710}
    reading = await pack.scan()
    assert (reading.state, reading.serial, reading.model) == (State.OK, "S2305170042", "battery")


async def test_a_nameplate_refused_in_all_parts_is_no_device(
    pack: DeviceReader, wire: Wire
) -> None:
    wire.refused = {10710, 10720}
    reading = await pack.scan()
    assert (reading.problem and reading.problem.kind) == "refused"
    assert wire.requests == 2


@pytest.mark.parametrize("serial", ["", "A0000000000", "that of the device"])
async def test_counters_are_forgotten_for_another_serial_number_only(
    serial: str,
    hybrid: LivingDevice,
    time: ManualClock,
    tmp_path: FilePath,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def inverter() -> Inverter:
        zone, storage = ZoneInfo("Europe/Berlin"), support.storage_in(tmp_path)
        return Inverter(support.OPTIONS, Wire(hybrid), storage, zone, time.clock)

    before = inverter()
    await before.scan()
    await before.close()
    if serial in ("", "A0000000000"):
        storage = support.storage_in(tmp_path)
        saved = storage.load("inverter-inverter")
        storage.save("inverter-inverter", saved | {"serial": serial})
    forgotten: list[Derivation] = []

    def forget(derivation: Derivation) -> None:
        forgotten.append(derivation)

    monkeypatch.setattr(Derivation, "forget", forget)
    assert (await inverter().scan()).state is State.OK
    assert len(forgotten) == (serial == "A0000000000")
