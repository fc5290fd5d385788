"""An inverter that has another address is found again by its serial number, if that is wanted."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, cast

import pytest
from support import OPTIONS, ManualClock

from sungather import errors
from sungather.daemon.assembly import pollers
from sungather.daemon.dongle_memory import DongleMemories
from sungather.daemon.find_again import WAITS, FindAgain, FoundPlace
from sungather.device.inverter import Inverter
from sungather.options.all_options import InverterOptions
from sungather.options.configuration import load
from sungather.reading import Path as Way
from sungather.reading import Reading, State
from sungather.storage import Storage
from tests.outbox_parts import NOON

ROOF = replace(OPTIONS, name="roof", host="192.0.2.10", find_again=True)
BARN = replace(OPTIONS, name="barn", host="192.0.2.11", find_again=True)


@dataclass
class Read:
    """Stands for an inverter that is read."""

    options: InverterOptions
    serial: str = ""
    state: State = State.UNREACHABLE
    cabled: bool = False

    @property
    def newest(self) -> Reading:
        return Reading(self.options.name, self.state, NOON)


@dataclass
class House:
    """A network, and who is looked for in it."""

    storage: Storage
    there: dict[str, str] = field(default_factory=dict[str, str])
    """Serial number -> address."""
    path: Way = Way.UNKNOWN
    trouble: Exception | None = None
    looks: int = 0
    moves: int = 0
    time: ManualClock = field(default_factory=ManualClock)

    def watching(self, *inverters: Read) -> FindAgain:
        given = [one.options for one in inverters]
        found = FindAgain(given, self.storage, self.time.clock, self._move, self._look)
        found.inverters = cast(Sequence[Inverter], inverters)
        return found

    def _move(self) -> None:
        self.moves += 1

    async def _look(self, networks: Sequence[IPv4Network]) -> dict[str, FoundPlace]:
        self.looks += 1
        if self.trouble is not None:
            raise self.trouble
        return {serial: FoundPlace(host, self.path) for serial, host in self.there.items()}

    async def passes(self, watch: FindAgain, seconds: float) -> None:
        for _ in range(int(seconds // 10)):
            await watch.round()
            self.time.tick(10)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(Storage(tmp_path))


def hosts(directory: Path, **inverters: dict[str, Any]) -> dict[str, str]:
    """Where each is read, with what is written down in the directory."""
    settings = [f"storage.directory={directory}"]
    settings += [
        f"inverters.{name}.{key}={value}"
        for name, options in inverters.items()
        for key, value in options.items()
    ]
    found = pollers(load(None, settings, environment={}))
    return {one.inverter.options.name: one.inverter.options.host for one in found}


async def test_where_it_is_found_it_is_read_until_its_host_is_another(
    house: House, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    house.there = {"A1": "192.0.2.77"}
    watch = house.watching(Read(ROOF, "A1"), Read(BARN, "B2", State.OK))
    await house.passes(watch, WAITS[0] - 20)
    assert (house.looks, house.moves) == (0, 0)
    await house.passes(watch, 40)
    assert (house.looks, house.moves) == (1, 1)
    assert "roof (A1) was at 192.0.2.10 and is found at 192.0.2.77" in caplog.text
    await house.storage.close()
    roof = {"host": "192.0.2.10", "find-again": "true"}
    barn = {"host": "192.0.2.11", "find-again": "true"}
    assert hosts(tmp_path, roof=roof, barn=barn) == {"roof": "192.0.2.77", "barn": "192.0.2.11"}
    assert hosts(tmp_path, roof=roof | {"host": "192.0.2.12"}) == {"roof": "192.0.2.12"}
    assert hosts(tmp_path, roof=roof | {"find-again": "false"}) == {"roof": "192.0.2.10"}


@pytest.mark.parametrize(
    "roof",
    [
        Read(replace(ROOF, find_again=False), "A1"),
        Read(ROOF, "A1", State.ASLEEP),
        Read(ROOF, "A1", State.BUSY),
        Read(ROOF, "A1", State.CONNECTING),
        Read(ROOF),
    ],
    ids=["not wanted", "asleep", "busy", "connecting", "nobody knows who it is"],
)
async def test_nobody_else_is_looked_for(house: House, roof: Read) -> None:
    await house.passes(house.watching(roof), 7200)
    assert house.looks == 0


async def test_a_stranger_at_its_address_is_a_reason_to_look(house: House) -> None:
    house.there = {"A1": "192.0.2.77"}
    await house.passes(house.watching(Read(ROOF, "A1", State.NOT_AN_INVERTER)), WAITS[0] + 20)
    assert house.moves == 1


async def test_in_vain_it_is_looked_for_ever_more_rarely_and_all_at_once(house: House) -> None:
    house.there = {"C3": "192.0.2.77", "A1": "192.0.2.10"}
    watch = house.watching(Read(ROOF, "A1"), Read(BARN, "B2"))
    await house.passes(watch, 24 * 3600)
    assert house.moves == 0
    assert 24 <= house.looks <= 25


async def test_one_that_answers_in_between_begins_anew(house: House) -> None:
    roof = Read(ROOF, "A1")
    watch = house.watching(roof)
    for _ in range(20):
        await house.passes(watch, WAITS[0] - 20)
        roof.state = State.OK
        await house.passes(watch, 10)
        roof.state = State.UNREACHABLE
    assert house.looks == 0


async def test_a_look_that_fails_is_said_and_tried_again(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.trouble = errors.OptionsError(["No network."])
    watch = house.watching(Read(ROOF, "A1"))
    await house.passes(watch, WAITS[0] + 20)
    assert "Looking for roof failed" in caplog.text
    house.trouble, house.there = OSError("Too many open files"), {"A1": "192.0.2.77"}
    await house.passes(watch, WAITS[1])
    house.trouble = None
    await house.passes(watch, WAITS[2])
    assert house.moves == 1


@pytest.mark.parametrize(
    ("cabled", "there", "moves"),
    [
        (True, Way.CABLE, 1),
        (False, Way.DONGLE, 1),
        (False, Way.CABLE, 1),
        (True, Way.DONGLE, 0),
    ],
)
async def test_cable_and_dongle_are_found_again_but_a_dongle_replaces_no_cable(
    house: House, cabled: bool, there: Way, moves: int, caplog: pytest.LogCaptureFixture
) -> None:
    house.there, house.path = {"A1": "192.0.2.77"}, there
    await house.passes(house.watching(Read(ROOF, "A1", cabled=cabled)), WAITS[0] + 20)
    assert house.moves == moves
    assert ("Its dongle is at 192.0.2.77" in caplog.text) is (moves == 0)


async def test_at_the_new_address_the_old_certificate_is_asked_for(house: House) -> None:
    """Whoever names a serial number must not get the password of the dongle."""
    web = replace(ROOF, connection="http", port=None)
    DongleMemories(house.storage).of(web)["certificate"] = "aa"
    house.there = {"A1": "192.0.2.77"}
    await house.passes(house.watching(Read(web, "A1")), WAITS[0] + 20)
    moved = DongleMemories(house.storage).of(replace(web, host="192.0.2.77"))
    assert moved["certificate"] == "aa"
