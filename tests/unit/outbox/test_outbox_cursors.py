"""What is in an exporter's hands, comes again, or is dropped meanwhile, is counted once."""

import asyncio
import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from sungather.outbox import OutboxLimits
from tests.outbox_parts import NOON, Time
from tests.unit.outbox.test_outbox import deliver_all, opened, powers, take


async def test_what_is_sent_again_counts_in_the_size_of_a_batch(tmp_path: Path) -> None:
    time = Time()
    async with opened(tmp_path, time=time) as outbox:
        feed = outbox.feed("influxdb")
        take(outbox, time, *range(6))
        batch = await feed.batch(6)
        await feed.ack(batch, {record.id: "too odd" for record in batch})
        take(outbox, time, *range(6, 12))
        assert await feed.send_again() == 6
        assert powers(await feed.batch_now(4)) == [0, 1, 6, 7]


async def test_what_is_settled_for_good_outlives_a_kill_right_after_it(tmp_path: Path) -> None:
    time = Time()
    alive, after_a_refusal, after_a_note = (tmp_path / name for name in ("a", "b", "c"))
    async with opened(alive, time=time) as outbox:
        take(outbox, time, 1, 2, 3)
        feed = outbox.feed("influxdb")
        first, second, _ = await feed.batch(10)
        await feed.ack([first], {first.id: "field type conflict"})
        shutil.copytree(alive, after_a_refusal)
        await feed.ack([second], notes={"done": "yes"})
        shutil.copytree(alive, after_a_note)
    async with opened(after_a_refusal, time=time) as outbox:
        feed = outbox.feed("influxdb")
        assert [one.reason for one in await feed.rejected()] == ["field type conflict"]
        assert powers(await feed.batch_now(10)) == [2, 3]
    async with opened(after_a_note, time=time) as outbox:
        assert await outbox.feed("influxdb").notes() == {"done": "yes"}
        assert powers(await outbox.feed("influxdb").batch_now(10)) == [3]


async def test_what_was_delivered_is_written_down_at_each_flush(tmp_path: Path) -> None:
    time = Time()
    async with opened(tmp_path / "alive", time=time) as outbox:
        take(outbox, time, 1)
        await outbox.flush()
        assert powers(await deliver_all(outbox.feed("influxdb"))) == [1]
        await outbox.flush()
        shutil.copytree(tmp_path / "alive", tmp_path / "killed")
    async with opened(tmp_path / "killed", time=time) as outbox:
        assert await outbox.feed("influxdb").batch_now(10) == []


async def test_what_no_time_is_known_of_is_not_sent_again(tmp_path: Path) -> None:
    time = Time(NOON.replace(year=1970))
    async with opened(tmp_path, time=time, boot="first") as outbox:
        take(outbox, time, 1)
    time.set(NOON)
    async with opened(tmp_path, time=time, boot="second") as outbox:
        feed = outbox.feed("influxdb")
        assert await feed.batch_now(10) == []
        assert len(await feed.rejected()) == 1
        assert await feed.send_again() == 0


async def test_what_is_dropped_while_it_is_being_delivered_is_delivered(tmp_path: Path) -> None:
    time = Time()
    async with opened(tmp_path, time=time, limits=OutboxLimits(days=1)) as outbox:
        feed = outbox.feed("influxdb")
        take(outbox, time, 1, 2)
        batch = await feed.batch(10)
        time.pass_by(days=3)
        take(outbox, time, 3)
        await outbox.tick()
        await feed.ack(batch)
        stats = feed.stats()
        assert (stats.queue, stats.delivered, stats.dropped) == (1, 2, 0)
        assert powers(await deliver_all(feed)) == [3]


async def test_a_damaged_reading_takes_none_along_that_is_still_owed(tmp_path: Path) -> None:
    """What is behind it waits until what is before it has been acknowledged."""
    time = Time()
    async with opened(tmp_path, time=time) as outbox:
        take(outbox, time, 1, 2, 3)
    with closing(sqlite3.connect(tmp_path / "outbox.sqlite3")) as file, file:
        middle = "(SELECT min(id) + 1 FROM readings)"
        file.execute(f"UPDATE readings SET body = 'x' WHERE id = {middle}")
    async with opened(tmp_path, time=time) as outbox:
        feed = outbox.feed("influxdb")
        for _ in range(2):
            assert powers(await feed.batch_now(10))[0] == 1, "it was not acknowledged"
        assert powers(await deliver_all(feed)) == [1, 3]
        assert feed.stats().rejected == 1


@pytest.mark.parametrize("damage", ["name = 'roog'", "id = id + 500"])
async def test_no_reading_is_delivered_in_the_name_of_another(tmp_path: Path, damage: str) -> None:
    time = Time()
    async with opened(tmp_path, time=time) as outbox:
        take(outbox, time, 1)
    with closing(sqlite3.connect(tmp_path / "outbox.sqlite3")) as file, file:
        file.execute(f"UPDATE readings SET {damage}")
    async with opened(tmp_path, time=time) as outbox:
        feed = outbox.feed("influxdb")
        assert await feed.batch_now(10) == []
        assert feed.stats().rejected == 1


async def test_a_reading_that_comes_while_the_batch_is_fetched_is_noticed(tmp_path: Path) -> None:
    async with opened(tmp_path) as outbox:
        feed = outbox.feed("influxdb")
        fetching = asyncio.create_task(feed.batch_now(10))
        await asyncio.sleep(0)
        feed.notify()
        assert await fetching == []
        async with asyncio.timeout(20):
            await feed.wait()


async def test_what_was_delivered_within_the_minute_is_not_owed_after_a_restart(
    tmp_path: Path,
) -> None:
    """Its cursor is ahead of the newest reading on the disk, and is right all the same."""
    time, limits = Time(), OutboxLimits(each_reading=False)
    async with opened(tmp_path, time=time, limits=limits) as outbox:
        take(outbox, time, 1)
        await outbox.flush()
        take(outbox, time, 2)
        assert powers(await deliver_all(outbox.feed("influxdb"))) == [1, 2]
    async with opened(tmp_path, time=time, limits=limits) as outbox:
        assert await outbox.feed("influxdb").batch_now(10) == []
        take(outbox, time, 3)
        assert powers(await deliver_all(outbox.feed("influxdb"))) == [3]


async def test_a_clock_that_is_years_ahead_for_hours_drops_nothing(tmp_path: Path) -> None:
    """While nothing new is read, the newest reading says how old the others are."""
    time = Time()
    async with opened(tmp_path, time=time, limits=OutboxLimits(days=14)) as outbox:
        take(outbox, time, 1, 2)
    time.set(NOON.replace(year=2036))
    async with opened(tmp_path, time=time, limits=OutboxLimits(days=14), boot="another") as outbox:
        time.pass_by(hours=2)
        await outbox.tick()
        assert powers(await deliver_all(outbox.feed("influxdb"))) == [1, 2]


async def test_within_one_run_of_the_machine_no_reading_waits_for_a_clock_set_back(
    tmp_path: Path,
) -> None:
    time = Time()
    async with opened(tmp_path, time=time) as outbox:
        take(outbox, time, 1)
    time.set(NOON - timedelta(minutes=30))
    async with opened(tmp_path, time=time) as outbox:
        take(outbox, time, 2)
        assert powers(await deliver_all(outbox.feed("influxdb"))) == [1, 2]


async def test_a_clock_that_was_just_set_is_not_waited_for(tmp_path: Path) -> None:
    """Whoever set it knows better than the readings of the run before."""
    time = Time()
    async with opened(tmp_path, time=time, boot="first") as outbox:
        take(outbox, time, 1)
    time.set(NOON - timedelta(minutes=50))
    async with opened(tmp_path, time=time, boot="second") as outbox:
        take(outbox, time, 2)
        assert powers(await deliver_all(outbox.feed("influxdb"))) == [1]
        time.set(NOON - timedelta(minutes=40))
        assert powers(await deliver_all(outbox.feed("influxdb"))) == [2]
