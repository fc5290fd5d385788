"""A damaged history: what is odd is left out, what can be read stays, nothing stops."""

import asyncio
import random
import sqlite3
import threading
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import pytest
from households import BERLIN, NOW, Watch, reading, ready, running

from sungather import worker
from sungather.history.service import History
from sungather.history.store import HistoryFile

TODAY = date(2026, 6, 18)
STEPS = 150
FILE = "history.sqlite"


def opened(directory: Path) -> History:
    return History(directory / FILE, BERLIN, clock=Watch().clock, commit_seconds=3600)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A history of two inverters and some days."""
    directory = tmp_path_factory.mktemp("sound")

    async def fill() -> None:
        history = opened(directory)
        async with running(history):
            await ready(history)
            for step in range(STEPS, -1, -1):
                at = NOW - timedelta(minutes=30 * step)
                history.on_reading(reading(at=at, pv_power=1000 + step))
                history.on_reading(reading("garage", at=at, pv_power=10 + step))

    asyncio.run(fill())
    return (directory / FILE).read_bytes()


async def days_of(directory: Path) -> int:
    """Everything that the page asks; the number of samples of the last days."""
    history = opened(directory)
    async with running(history):
        async with asyncio.timeout(120):  # an emulated processor salvages for long
            while history.health().state != "ok":  # noqa: ASYNC110 (it tells nobody)
                await asyncio.sleep(0.001)
        history.on_reading(reading(at=NOW, pv_power=5))
        await history.commit()
        assert history.health().state == "ok"
        found = 0
        for days in range(5):
            day = await history.day(["house", "garage"], TODAY - timedelta(days=days))
            found += len(day.samples)
        history.totals("house")
        history.faults("house")
        return found


@pytest.mark.parametrize(
    "damage",
    [
        "update samples set state = 99",
        "update samples set state = 'x'",
        "update samples set readings = 'x'",
        "update samples set pv_power = 'much'",
        "update samples set time = 'noon' where time = (select max(time) from samples)",
        "update energies set day = 'x' || day",
        "update energies set day = cast(day || 'x' as blob) where flow = 1",
        "update energies set flow = 99 where flow = 1",
        "update energies set inverter = inverter + 76",
        "update energies set seen = 'x'",
        "update energies set seen = 9000000000000000000",
        "update energies set today = 'x', last = 'y'",
        "update energies set start_day = 'x'",
        "update energies set start = 'x'",
        "update inverters set name = cast(x'ff7d' as text) where id = 1",
        "insert into faults values (1, 'a', 'b', 'x', 'y')",
        "insert into faults values (99, 'a', 'b', 1, 2)",
        "insert into faults values (1, cast(x'ff' as text), 'b', 1, 2)",
        "pragma user_version = 0",
        "pragma user_version = 70000",
        "drop table faults",
    ],
)
async def test_what_no_release_ever_wrote_is_left_out(
    tmp_path: Path, sound: bytes, damage: str
) -> None:
    (tmp_path / FILE).write_bytes(sound)
    with closing(sqlite3.connect(tmp_path / FILE)) as file, file:
        file.execute(damage)
    found = await days_of(tmp_path)
    assert found >= (STEPS if "samples" not in damage else 1)
    assert await days_of(tmp_path) == found, "the next start is as good"


@pytest.mark.parametrize("seed", range(15))
async def test_flipped_bits_neither_stop_it_nor_take_the_rest_along(
    tmp_path: Path, sound: bytes, seed: int
) -> None:
    chance = random.Random(seed)
    content = bytearray(sound)
    for _ in range(chance.choice((1, 10))):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    (tmp_path / FILE).write_bytes(content)
    await days_of(tmp_path)
    await days_of(tmp_path)


async def test_a_salvage_that_takes_long_is_no_disk_that_hangs(
    tmp_path: Path, sound: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    salvage = HistoryFile.salvage

    def slowly(self: HistoryFile, old: sqlite3.Connection) -> int:
        go_on.wait(60)
        return salvage(self, old)

    monkeypatch.setattr(HistoryFile, "salvage", slowly)
    monkeypatch.setattr(worker, "HANGS_AFTER", 0.0)
    (tmp_path / FILE).write_bytes(bytes(4096) + sound[4096:])
    history = opened(tmp_path)
    async with running(history), asyncio.timeout(60):
        while "damaged file is being taken over" not in history.health().message:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        go_on.set()
        await ready(history)


async def test_a_history_that_has_lost_its_first_page_keeps_its_samples(
    tmp_path: Path, sound: bytes
) -> None:
    (tmp_path / FILE).write_bytes(bytes(4096) + sound[4096:])
    assert await days_of(tmp_path) >= STEPS
    assert (tmp_path / f"{FILE}.damaged").exists()


async def test_a_history_damaged_while_it_is_used_goes_on(tmp_path: Path, sound: bytes) -> None:
    (tmp_path / FILE).write_bytes(sound)
    history = opened(tmp_path)
    async with running(history):
        await ready(history)
        size = len(sound)
        with (tmp_path / FILE).open("r+b") as file:
            file.seek(4096)
            file.write(b"\xff" * (size - 4096))
        history._file.db.execute("PRAGMA shrink_memory")  # pyright: ignore[reportPrivateUsage]
        history.on_reading(reading(at=NOW, pv_power=7))
        await history.commit()
        assert history.health().state == "ok"
        day = await history.day(["house"], TODAY)
        assert day.samples
    assert (tmp_path / f"{FILE}.damaged").exists()


async def test_a_history_of_a_newer_release_is_left_alone_and_said(
    tmp_path: Path, sound: bytes
) -> None:
    (tmp_path / FILE).write_bytes(sound)
    with closing(sqlite3.connect(tmp_path / FILE)) as file:
        file.execute("PRAGMA user_version=2")
    history = opened(tmp_path)
    async with running(history):
        while history.health().state == "starting":  # noqa: ASYNC110 (it tells nobody)
            await asyncio.sleep(0.01)
        assert history.health().state == "waiting"
        assert "newer" in history.health().message
        history.on_reading(reading(at=NOW, pv_power=7))
    with closing(sqlite3.connect(tmp_path / FILE)) as file:
        assert file.execute("SELECT count(*) FROM samples").fetchone()[0] >= 2 * STEPS
    assert not (tmp_path / f"{FILE}.damaged").exists()
