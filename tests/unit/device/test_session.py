"""How long values hold, when each tier is read again, and what a loss takes away."""

from dataclasses import replace
from pathlib import Path

import pytest
from scripted_transport import (
    ScriptedTransport,
    nobody_answers,
    register,
    silent_at,
    simple_device,
)
from support import OPTIONS, ManualClock, storage_in

from sungather import errors
from sungather.device import session
from sungather.device.identify import Identity
from sungather.device.requester import Requester
from sungather.device.session import Session
from sungather.registers import Block
from sungather.registers.catalogue import Register, Tier
from sungather.registers.device import Device

DEVICE = Device(0x0E00, "tester", "meter")
INTERVAL = 30.0
REGISTERS = (
    register("power", 100),
    register("level", 300),
    register("energy", 500, Tier.SLOW),
    register("version", 700, Tier.HOURLY),
)
WORDS = {100: 1, 300: 3, 500: 5, 700: 7}


class Bench:
    """A session with a device, and its scans."""

    def __init__(self, storage: Path, registers: tuple[Register, ...] = REGISTERS) -> None:
        self.time = ManualClock()
        self.words = dict(WORDS)
        self.transport = ScriptedTransport({1: simple_device(self.words)})
        clock = self.time.clock
        requester = Requester(self.transport, 1, 0, clock)
        identity = Identity(DEVICE, "A1", {}, "")
        options = replace(OPTIONS, scan_interval=INTERVAL)

        def chosen(device: Device, level: int) -> tuple[Register, ...]:
            return registers

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(session, "registers_for", chosen)
            self.session = Session(identity, requester, options, storage_in(storage), clock)

    async def asked_at(self, seconds: float, *, complete: bool = False) -> list[int]:
        """Scan at that time; first registers of the blocks that were asked."""
        self.time.tick(seconds - self.time.passed)
        self.transport.forget()
        await self.session.read(complete)
        return self.transport.starts()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_the_first_scan_reads_everything_and_later_ones_what_is_due(bench: Bench) -> None:
    assert await bench.asked_at(0) == [100, 300, 500, 700]
    assert await bench.asked_at(30) == [100, 300]
    assert await bench.asked_at(60) == [100, 300, 500]
    assert await bench.asked_at(90) == [100, 300]
    assert await bench.asked_at(3600) == [100, 300, 500, 700]


async def test_a_tier_is_read_half_a_scan_early_rather_than_half_a_scan_late(
    bench: Bench,
) -> None:
    await bench.asked_at(0)
    assert 500 not in await bench.asked_at(44)
    assert 500 in await bench.asked_at(46)


async def test_a_complete_scan_reads_everything_whatever_is_due(bench: Bench) -> None:
    await bench.asked_at(0)
    assert await bench.asked_at(1, complete=True) == [100, 300, 500, 700]


async def test_what_was_read_is_told_apart_from_what_still_holds(bench: Bench) -> None:
    fresh, trouble = await bench.session.read(False)
    assert (fresh, trouble) == ({"power", "level", "energy", "version"}, None)
    bench.time.tick(30)
    bench.words[100] = 11
    fresh, _ = await bench.session.read(False)
    assert fresh == {"power", "level"}
    assert bench.session.values() == {"power": 11, "level": 3, "energy": 5, "version": 7}


async def test_a_value_of_a_slower_tier_holds_for_two_of_its_periods_and_no_longer(
    bench: Bench,
) -> None:
    await bench.asked_at(0)
    bench.transport.trouble = silent_at(500)
    await bench.asked_at(149)
    assert bench.session.values()["energy"] == 5
    await bench.asked_at(151)
    assert "energy" not in bench.session.values()
    assert bench.session.values()["version"] == 7


async def test_a_value_of_every_scan_that_was_not_read_in_this_one_is_gone(bench: Bench) -> None:
    await bench.asked_at(0)
    bench.transport.trouble = silent_at(300)
    bench.time.tick(30)
    fresh, trouble = await bench.session.read(False)
    assert fresh == {"power"}
    assert isinstance(trouble, errors.Silent)
    assert bench.session.values() == {"power": 1, "energy": 5, "version": 7}


async def test_a_tier_that_was_not_read_to_its_end_is_read_again_at_the_next_scan(
    bench: Bench,
) -> None:
    bench.transport.trouble = silent_at(500)
    await bench.asked_at(0)
    bench.transport.trouble = silent_at()
    assert set(await bench.asked_at(30)) == {100, 300, 500, 700}
    assert bench.session.values()["energy"] == 5


async def test_what_a_device_begins_to_refuse_is_gone_with_that_scan(bench: Bench) -> None:
    await bench.asked_at(0)
    del bench.words[500]
    await bench.asked_at(60)
    assert "energy" not in bench.session.values()
    assert [one.start for one in bench.session.refusals()] == [500]


async def test_what_was_refused_is_asked_again_whatever_is_due(bench: Bench) -> None:
    """A refusal that passes costs a value of the hourly tier minutes, and not an hour."""
    del bench.words[700]
    assert "version" not in (await bench.session.read(True))[0]
    bench.words[700] = 7
    assert 700 not in await bench.asked_at(270)
    assert 700 in await bench.asked_at(330)


async def test_what_becomes_absent_is_no_value_and_comes_back(bench: Bench) -> None:
    await bench.asked_at(0)
    bench.words[500] = 0xFFFF
    await bench.asked_at(60)
    assert "energy" not in bench.session.values()
    assert bench.session.absent() == ("energy",)
    bench.words[500] = 6
    await bench.asked_at(120)
    assert bench.session.values()["energy"] == 6
    assert bench.session.absent() == ()


async def test_a_name_is_absent_only_when_all_its_registers_are(tmp_path: Path) -> None:
    """The second register is of a slower tier: it was not asked, so it says nothing new."""
    bench = Bench(tmp_path, (register("energy", 100), register("energy", 500, Tier.SLOW)))
    bench.words[100] = 0xFFFF
    await bench.asked_at(0)
    assert bench.session.values() == {"energy": 5}
    assert await bench.asked_at(30) == [100]
    assert bench.session.values() == {"energy": 5}
    assert bench.session.absent() == ()


async def test_after_a_loss_nothing_old_is_shown_and_everything_is_read_anew(
    bench: Bench,
) -> None:
    await bench.asked_at(0)
    bench.session.forget_values()
    assert bench.session.values() == {}
    assert await bench.asked_at(1) == [100, 300, 500, 700]


async def test_a_scan_that_reads_nothing_tells_why(bench: Bench) -> None:
    bench.transport.trouble = nobody_answers
    with pytest.raises(errors.Silent):
        await bench.session.read(False)


async def test_a_device_that_refuses_everything_is_said_to_refuse(bench: Bench) -> None:
    def refuses(block: Block, unit: int) -> Exception:
        return errors.Refused("illegal data address")

    bench.transport.trouble = refuses
    with pytest.raises(errors.Refused):
        await bench.session.read(False)


TWICE = (
    register("power", 100),
    register("current", 500, Tier.SLOW),
    register("current", 300),
)


async def test_a_name_with_registers_in_two_tiers_has_one_of_them_while_it_answers(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path, TWICE)
    shown: list[object] = []
    for scan in range(8):
        bench.words[300] = 30 + scan
        await bench.asked_at(30 * scan)
        shown.append(bench.session.values()["current"])
    assert shown == [30 + scan for scan in range(8)], "never 5, which the slow register has"
    bench.words[300] = 0xFFFF
    await bench.asked_at(240)
    assert bench.session.values()["current"] == 5
    await bench.asked_at(270)
    assert bench.session.values()["current"] == 5, "the slow register's value holds"
    bench.words[300] = 31
    await bench.asked_at(300)
    assert bench.session.values()["current"] == 31


async def test_a_name_in_two_tiers_holds_for_two_periods_of_the_slower_one(
    tmp_path: Path,
) -> None:
    """And what was to be read, but was not, is not said to be absent."""
    bench = Bench(tmp_path, TWICE)
    bench.words[300] = 0xFFFF
    await bench.asked_at(0)
    bench.transport.trouble = silent_at(500)
    for seconds in (44, 149):
        await bench.asked_at(seconds)
        assert bench.session.values()["current"] == 5
        assert bench.session.absent() == ()
    await bench.asked_at(151)
    assert "current" not in bench.session.values()


async def test_units_are_those_of_values_that_still_hold(tmp_path: Path) -> None:
    power, energy = register("power", 100), register("energy", 500, Tier.SLOW)
    bench = Bench(tmp_path, (replace(power, unit="W"), replace(energy, unit="kWh")))
    await bench.asked_at(0)
    assert bench.session.units() == {"power": "W", "energy": "kWh"}
    bench.words[500] = 0xFFFF
    await bench.asked_at(60)
    assert bench.session.units() == {"power": "W"}
