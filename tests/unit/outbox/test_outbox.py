"""The outbox: nothing is lost, nothing comes twice, whatever happens to disk and clock."""

import asyncio
import os
import random
import shutil
import sqlite3
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sungather import outbox as outbox_module
from sungather import worker
from sungather.outbox import Feed, Outbox, OutboxLimits, Record
from sungather.outbox.limits import MEMORY_ROWS
from sungather.outbox.record import OutboxRow, body_of, milliseconds
from sungather.outbox.store import Changes, Cursor, OutboxFile
from sungather.reading import Measurement, State, rfc3339
from sungather.sqlite_file import DamagedError
from tests.outbox_parts import NOON, Time, reading, sub_device
from tests.support import Hang


@asynccontextmanager
async def opened(
    path: Path,
    *exporters: str,
    time: Time | None = None,
    limits: OutboxLimits | None = None,
    boot: str = "boot",
) -> AsyncGenerator[Outbox]:
    outbox = await Outbox.open(
        path / "outbox.sqlite3",
        limits or OutboxLimits(),
        exporters or ("influxdb",),
        (time or Time()).clock,
        boot,
    )
    try:
        yield outbox
    finally:
        await outbox.close()


async def deliver_all(feed: Feed, limit: int = 100) -> list[Record]:
    """Take and accept everything that is owed."""
    delivered: list[Record] = []
    while batch := await feed.batch_now(limit):
        await feed.ack(batch)
        delivered.extend(batch)
    return delivered


def powers(records: list[Record]) -> list[object]:
    return [record.values["pv_power"] for record in records]


def take(outbox: Outbox, time: Time, *figures: int) -> None:
    for figure in figures:
        outbox.on_reading(reading(time.now, pv_power=figure))
        time.pass_by(seconds=30)


async def test_a_reading_arrives_at_every_exporter_once_with_model_serial_and_time(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path, "influxdb", "mqtt") as outbox:
        outbox.on_reading(reading(pv_power=4821, mppt=[1.5, None], run="Run"))
        for name in ("influxdb", "mqtt"):
            (record,) = await deliver_all(outbox.feed(name))
            assert (record.name, record.model, record.serial) == ("roof", "SH10RT", "A223098765")
            assert record.time == NOON
            assert record.values == {"pv_power": 4821, "mppt": [1.5, None], "run": "Run"}
            assert await outbox.feed(name).batch_now(10) == []


async def test_a_device_behind_an_inverter_is_known_as_such_after_a_restart(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as outbox:
        outbox.on_reading(sub_device())
        outbox.on_reading(reading())
    async with opened(tmp_path) as outbox:
        battery, inverter = await deliver_all(outbox.feed("influxdb"))
    assert (battery.kind, battery.via, battery.values) == ("battery", "roof", {"soc": 64.5})
    assert (inverter.kind, inverter.via) == ("inverter", "")


@given(st.datetimes(datetime(2026, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))
def test_every_destination_is_told_the_same_millisecond(moment: datetime) -> None:
    stamp = datetime.fromtimestamp(milliseconds(moment) / 1000, UTC)
    assert rfc3339(stamp + timedelta(microseconds=100)) == rfc3339(moment)


async def test_only_what_the_scan_read_is_stored_and_a_state_without_values_is_not(
    tmp_path: Path,
) -> None:
    from dataclasses import replace

    async with opened(tmp_path) as outbox:
        outbox.on_reading(reading(state=State.ASLEEP))
        one = reading(pv_power=1)
        older = {"serial_number": Measurement("A22", fresh=False)}
        outbox.on_reading(replace(one, measurements={**one.measurements, **older}))
        outbox.on_reading(replace(one, measurements=older))
        outbox.on_reading(reading(pv_power=float("nan"), house_power=3.5))
        first, second = await deliver_all(outbox.feed("influxdb"))
        assert first.values == {"pv_power": 1}
        assert second.values == {"house_power": 3.5}


async def test_an_exporter_waits_for_the_next_reading(tmp_path: Path) -> None:
    async with opened(tmp_path) as outbox:
        waiting = asyncio.create_task(outbox.feed("influxdb").batch(10))
        await asyncio.sleep(0)
        outbox.on_reading(reading(pv_power=7))
        assert powers(await asyncio.wait_for(waiting, 5)) == [7]


async def test_what_is_kept_comes_again_and_what_is_rejected_is_set_aside_with_its_reason(
    tmp_path: Path,
) -> None:
    time = Time()
    async with opened(tmp_path, time=time) as outbox:
        feed = outbox.feed("influxdb")
        take(outbox, time, 1, 2, 3, 4)
        batch = await feed.batch(10)
        await feed.ack(batch[:2], {batch[0].id: "field type conflict"})
        assert powers(await feed.batch(10)) == [3, 4]
        assert feed.stats().delivered == 1
        assert feed.stats().rejected == 1
        assert feed.stats().queue == 2
    with sqlite3.connect(tmp_path / "outbox.sqlite3") as file:
        kept = file.execute("SELECT exporter, id, reason FROM rejected").fetchall()
    file.close()
    assert kept == [("influxdb", batch[0].id, "field type conflict")]


async def test_a_batch_that_is_settled_twice_does_not_bring_back_what_came_after_it(
    tmp_path: Path,
) -> None:
    time = Time()
    async with opened(tmp_path, time=time) as outbox:
        feed = outbox.feed("influxdb")
        take(outbox, time, 1, 2, 3)
        first = await feed.batch(1)
        await feed.ack(first)
        await feed.ack(await feed.batch(1))
        await feed.ack(first)
        assert powers(await feed.batch(10)) == [3]


async def test_every_commit_waits_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a power cut would show: SQLite asks the disk at every commit (synchronous=FULL)."""
    connections: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def kept(*arguments: Any, **more: Any) -> sqlite3.Connection:
        connections.append(connect(*arguments, **more))
        return connections[-1]

    monkeypatch.setattr(sqlite3, "connect", kept)
    async with opened(tmp_path) as outbox:
        outbox.on_reading(reading())
        await outbox.flush()
        found = [one.execute("PRAGMA synchronous").fetchone() for one in connections]
        assert found == [(2,)]


async def test_a_restart_goes_on_where_each_exporter_was(tmp_path: Path) -> None:
    time = Time()
    async with opened(tmp_path, "fast", "slow", time=time) as outbox:
        take(outbox, time, 1, 2, 3)
        assert powers(await deliver_all(outbox.feed("fast"))) == [1, 2, 3]
    async with opened(tmp_path, "fast", "slow", time=time) as outbox:
        take(outbox, time, 4)
        assert powers(await deliver_all(outbox.feed("fast"))) == [4]
        assert powers(await deliver_all(outbox.feed("slow"))) == [1, 2, 3, 4]
        assert outbox.feed("fast").stats().delivered == 4


async def test_ids_are_never_used_twice_even_when_everything_was_delivered_and_deleted(
    tmp_path: Path,
) -> None:
    time = Time()
    seen: list[int] = []
    for _ in range(3):
        async with opened(tmp_path, time=time) as outbox:
            take(outbox, time, *range(100))
            seen += [record.id for record in await deliver_all(outbox.feed("influxdb"))]
    assert len(seen) == len(set(seen)) == 300
    assert seen == sorted(seen)


async def test_a_new_exporter_starts_with_the_present_and_one_that_went_holds_nothing_back(
    tmp_path: Path,
) -> None:
    time = Time()
    async with opened(tmp_path, "influxdb", time=time) as outbox:
        take(outbox, time, 1)
    async with opened(tmp_path, "mqtt", time=time) as outbox:
        take(outbox, time, 2)
        assert powers(await deliver_all(outbox.feed("mqtt"))) == [2]
    async with opened(tmp_path, "influxdb", "mqtt", time=time) as outbox:
        assert await deliver_all(outbox.feed("influxdb")) == []


async def test_one_exporter_dead_for_three_days_gets_all_of_it_while_the_other_goes_on(
    tmp_path: Path,
) -> None:
    time = Time()
    limits = OutboxLimits(each_reading=False)
    async with opened(tmp_path, "alive", "dead", time=time, limits=limits) as outbox:
        scans = 3 * 24 * 120
        for start in range(0, scans, 720):
            take(outbox, time, *range(start, start + 720))
            assert powers(await deliver_all(outbox.feed("alive"), 1000)) == list(
                range(start, start + 720)
            )
            await outbox.tick()
        assert outbox.feed("dead").stats().queue == scans
        late = await deliver_all(outbox.feed("dead"), 500)
        assert powers(late) == list(range(scans))
        assert [record.time for record in late] == [
            NOON + timedelta(seconds=30 * number) for number in range(scans)
        ]
        assert outbox.health().dropped == 0


async def test_a_full_outbox_thins_out_the_oldest_counts_it_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    time = Time()
    limits = OutboxLimits(bytes=400_000)
    async with opened(tmp_path, "alive", "dead", time=time, limits=limits) as outbox:
        text = "x" * 1000
        for number in range(2000):
            outbox.on_reading(reading(time.now, pv_power=number, text=text))
            time.pass_by(seconds=30)
            await deliver_all(outbox.feed("alive"))
        await outbox.flush()
        figures = outbox.feed("dead").stats()
        assert outbox.feed("alive").stats().dropped == 0
        assert figures.dropped > 1000
        assert figures.queue == 2000 - figures.dropped
        assert "thinned out" in caplog.text
        assert outbox.health().dropped == figures.dropped
        late = powers(await deliver_all(outbox.feed("dead")))
        assert len(late) == figures.queue
        assert late[-100:] == list(range(1900, 2000)), "the newest are complete"
        assert late == sorted(late, key=lambda figure: int(str(figure)))
    assert (tmp_path / "outbox.sqlite3").stat().st_size < 800_000


async def test_a_full_outbox_thins_out_each_inverter_alike(tmp_path: Path) -> None:
    time = Time()
    async with opened(tmp_path, time=time, limits=OutboxLimits(bytes=200_000)) as outbox:
        for number in range(1000):
            name = ("east", "west")[number % 2]
            outbox.on_reading(reading(time.now, name, pv_power=number, text="x" * 1000))
            await outbox.flush()
            time.pass_by(seconds=15)
        assert outbox.health().dropped > 500
        left = Counter(one.name for one in await deliver_all(outbox.feed("influxdb")))
    assert left["east"] == pytest.approx(left["west"], rel=0.2)


async def test_readings_older_than_the_limit_are_dropped_and_counted(tmp_path: Path) -> None:
    time = Time()
    async with opened(tmp_path, time=time, limits=OutboxLimits(days=14)) as outbox:
        take(outbox, time, 1, 2)
        time.pass_by(days=15)
        take(outbox, time, 3)
        await outbox.tick()
        assert powers(await deliver_all(outbox.feed("influxdb"))) == [3]
        assert outbox.feed("influxdb").stats().dropped == 2


@pytest.mark.parametrize(
    "damage", [b"this is not a database, but long enough" * 300, b"\0" * 9000]
)
async def test_a_damaged_file_is_set_aside_and_a_new_one_begun(
    tmp_path: Path, damage: bytes
) -> None:
    (tmp_path / "outbox.sqlite3").write_bytes(damage)
    async with opened(tmp_path) as outbox:
        outbox.on_reading(reading(pv_power=5))
        assert powers(await deliver_all(outbox.feed("influxdb"))) == [5]
        assert outbox.health().state == "ok"
    assert (tmp_path / "outbox.sqlite3.damaged").read_bytes() == damage


async def test_a_file_damaged_in_its_middle_is_set_aside_while_running_and_counted(
    tmp_path: Path,
) -> None:
    time = Time()
    async with opened(tmp_path, time=time) as outbox:
        for number in range(2000):
            outbox.on_reading(reading(pv_power=number, text="x" * 1000))
    file = tmp_path / "outbox.sqlite3"
    async with opened(tmp_path, time=time) as outbox:
        size = file.stat().st_size
        with file.open("r+b") as stream:
            stream.seek(8192)
            stream.write(os.urandom(size - 8192))
        feed = outbox.feed("influxdb")
        await deliver_all(feed)
        take(outbox, time, 5000, 5001)
        assert powers(await deliver_all(feed))[-1] == 5001
        assert outbox.health().state == "ok"
        figures = feed.stats()
        assert figures.delivered + figures.dropped + figures.rejected == 2002
    assert (tmp_path / "outbox.sqlite3.damaged").exists()


async def test_a_file_of_a_newer_release_is_left_alone_and_the_daemon_goes_on_in_memory(
    tmp_path: Path,
) -> None:
    time = Time()
    async with opened(tmp_path, time=time) as outbox:
        take(outbox, time, 1, 2)
    set_version(tmp_path, 2)
    async with opened(tmp_path, time=time) as outbox:
        take(outbox, time, 3)
        assert powers(await deliver_all(outbox.feed("influxdb"))) == [3]
        health = outbox.health()
        assert health.state == "blocked", "only a person can decide which release it is to be"
        assert "another release, a newer one" in health.message
        assert "kept in memory" in health.message
    assert set_aside(tmp_path) == []
    set_version(tmp_path, 1)
    async with opened(tmp_path, time=time) as outbox:
        assert powers(await deliver_all(outbox.feed("influxdb"))) == [1, 2]


def set_version(directory: Path, number: int) -> None:
    with closing(sqlite3.connect(directory / "outbox.sqlite3")) as file:
        file.execute(f"PRAGMA user_version={number}")


async def test_a_directory_that_cannot_be_made_means_memory_and_recovers_by_itself(
    tmp_path: Path,
) -> None:
    (tmp_path / "state").write_text("a file where the directory should be")
    time = Time()
    async with opened(tmp_path / "state", time=time) as outbox:
        take(outbox, time, 1)
        await outbox.flush()
        assert outbox.health().state == "waiting"
        assert "kept in memory" in outbox.health().message
        (tmp_path / "state").unlink()
        take(outbox, time, 2)
        await outbox.flush()
        assert outbox.health().state == "ok"
        assert outbox.health().message == ""
    async with opened(tmp_path / "state", time=time) as outbox:
        assert powers(await deliver_all(outbox.feed("influxdb"))) == [1, 2]


@pytest.mark.parametrize("silent", [False, True], ids=["another reading", "no reading"])
async def test_a_directory_removed_just_before_the_end_loses_nothing_either(
    silent: bool, tmp_path: Path
) -> None:
    time, state = Time(), tmp_path / "state"
    async with opened(state, time=time) as outbox:
        take(outbox, time, 1, 2)
        await outbox.flush()
        shutil.rmtree(state)
        if not silent:
            take(outbox, time, 3)
    async with opened(state, time=time) as outbox:
        expected = [1, 2] if silent else [1, 2, 3]
        assert powers(await deliver_all(outbox.feed("influxdb"))) == expected


@pytest.mark.parametrize("silent", [False, True], ids=["another reading", "no reading"])
async def test_a_directory_removed_while_running_loses_nothing_that_is_owed(
    silent: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    time = Time()
    state = tmp_path / "state"
    async with opened(state, time=time) as outbox:
        take(outbox, time, 1, 2)
        await outbox.flush()
        shutil.rmtree(state)
        if not silent:
            take(outbox, time, 3)
        await outbox.tick()
        assert outbox.health().state == "ok"
        assert "made anew" in caplog.text
    async with opened(state, time=time) as outbox:
        expected = [1, 2] if silent else [1, 2, 3]
        assert powers(await deliver_all(outbox.feed("influxdb"))) == expected


async def test_a_directory_removed_for_good_is_said_and_delivery_goes_on(tmp_path: Path) -> None:
    time = Time()
    state = tmp_path / "state"
    async with opened(state, time=time) as outbox:
        take(outbox, time, 1)
        await outbox.flush()
        shutil.rmtree(state)
        state.touch()
        await outbox.tick()
        assert outbox.health().state == "waiting"
        take(outbox, time, 2)
        await outbox.tick()
        assert powers(await deliver_all(outbox.feed("influxdb"))) == [1, 2]
        state.unlink()
        await outbox.tick()
        assert outbox.health().state == "ok"


async def test_a_disk_that_comes_back_late_brings_what_earlier_runs_still_owed(
    tmp_path: Path,
) -> None:
    time = Time()
    async with opened(tmp_path / "state", time=time) as outbox:
        take(outbox, time, 1, 2)
    (tmp_path / "state").rename(tmp_path / "elsewhere")
    (tmp_path / "state").write_text("not mounted")
    async with opened(tmp_path / "state", time=time) as outbox:
        take(outbox, time, 3)
        await outbox.flush()
        (tmp_path / "state").unlink()
        (tmp_path / "elsewhere").rename(tmp_path / "state")
        take(outbox, time, 4)
        assert powers(await deliver_all(outbox.feed("influxdb"))) == [1, 2, 3, 4]


async def test_a_second_process_does_not_deliver_from_the_same_outbox(tmp_path: Path) -> None:
    async with opened(tmp_path) as first:
        first.on_reading(reading(pv_power=1))
        await first.flush()
        async with opened(tmp_path) as second:
            assert "locked" in second.health().message
            assert await second.feed("influxdb").batch_now(10) == []
        assert powers(await deliver_all(first.feed("influxdb"))) == [1]


async def test_memory_is_bounded_when_there_is_no_disk_for_days(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    time = Time()
    async with opened(tmp_path / "state", time=time) as outbox:
        for start in range(0, 3 * MEMORY_ROWS, 1000):
            take(outbox, time, *range(start, start + 1000))
            await outbox.flush()
        figures = outbox.feed("influxdb").stats()
        assert figures.queue <= MEMORY_ROWS
        assert figures.dropped == 3 * MEMORY_ROWS - figures.queue
        assert powers(await deliver_all(outbox.feed("influxdb")))[-1] == 3 * MEMORY_ROWS - 1


async def test_memory_is_bounded_while_a_disk_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(outbox_module, "MEMORY_ROWS", 50)
    time, hang = Time(), Hang()
    async with opened(tmp_path, time=time) as outbox:
        hanging = outbox._worker.call(hang)  # pyright: ignore[reportPrivateUsage]
        await hang.begins()
        take(outbox, time, *range(60))
        assert outbox.health().dropped == 10
        assert caplog.text.count("readings are left out") == 1
        assert outbox.health().state == "ok"
        monkeypatch.setattr(worker, "HANGS_AFTER", 0.0)
        assert outbox.health().state == "waiting"
        assert "does not answer" in outbox.health().message
        hang.end()
        assert await hanging
        await outbox.flush()
        assert powers(await deliver_all(outbox.feed("influxdb"))) == list(range(50))


async def test_minute_mode_loses_at_most_the_minute_that_a_power_cut_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sungather.outbox._TICK", 0.01)
    monkeypatch.setattr("sungather.outbox._MINUTE", 0.03)
    time = Time()
    async with opened(tmp_path, time=time, limits=OutboxLimits(each_reading=False)) as outbox:
        log = tmp_path / "outbox.sqlite3-wal"
        await outbox.flush()
        before = log.stat().st_size
        take(outbox, time, 1, 2)
        task = asyncio.create_task(outbox.run())
        async with asyncio.timeout(10):
            while log.stat().st_size == before:  # noqa: ASYNC110 (a file has no event)
                await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        take(outbox, time, 3)
        after = tmp_path / "after"
        after.mkdir()
        for suffix in ("", "-wal"):
            shutil.copy(tmp_path / f"outbox.sqlite3{suffix}", after)
    async with opened(after, time=time) as found:
        assert powers(await deliver_all(found.feed("influxdb"))) == [1, 2]


async def test_minute_mode_writes_nothing_for_readings_delivered_within_the_minute(
    tmp_path: Path,
) -> None:
    time = Time()
    async with opened(tmp_path, time=time, limits=OutboxLimits(each_reading=False)) as outbox:
        log = tmp_path / "outbox.sqlite3-wal"
        await outbox.flush()
        before = log.stat().st_size
        take(outbox, time, 1, 2)
        assert powers(await deliver_all(outbox.feed("influxdb"))) == [1, 2]
        assert log.stat().st_size == before
        take(outbox, time, 3)
        await outbox.tick(write=False)
        assert log.stat().st_size == before
        await outbox.tick()
        assert log.stat().st_size > before


async def test_a_clock_set_forward_re_stamps_what_waits_in_memory_and_on_disk(
    tmp_path: Path,
) -> None:
    time = Time(now=NOON.replace(year=1970))
    async with opened(tmp_path, time=time) as outbox:
        take(outbox, time, 1, 2)
        assert await outbox.feed("influxdb").batch_now(10) == [], "1970 never leaves the house"
        time.set(NOON)
        take(outbox, time, 3)
        records = await deliver_all(outbox.feed("influxdb"))
        assert powers(records) == [1, 2, 3]
        assert [record.time for record in records] == [
            NOON - timedelta(seconds=60), NOON - timedelta(seconds=30), NOON,
        ]  # fmt: skip


async def test_a_process_restart_before_the_clock_is_set_loses_no_stamp(tmp_path: Path) -> None:
    time = Time(now=NOON.replace(year=1970))
    async with opened(tmp_path, time=time) as outbox:
        take(outbox, time, 1)
    time.pass_by(hours=1)
    time.set(NOON)
    async with opened(tmp_path, time=time) as outbox:
        (record,) = await deliver_all(outbox.feed("influxdb"))
        assert record.time == NOON - timedelta(hours=1, seconds=30)


async def test_a_reading_of_a_run_that_never_knew_the_time_is_set_aside_not_sent(
    tmp_path: Path,
) -> None:
    time = Time(now=NOON.replace(year=1970))
    async with opened(tmp_path, time=time, boot="first") as outbox:
        take(outbox, time, 1)
    time.set(NOON)
    async with opened(tmp_path, time=time, boot="second") as outbox:
        take(outbox, time, 2)
        assert powers(await deliver_all(outbox.feed("influxdb"))) == [2]
        assert outbox.feed("influxdb").stats().rejected == 1


async def test_many_readings_of_such_a_run_are_skipped_with_one_line_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    never_set = milliseconds(NOON.replace(year=1970))
    body = body_of(reading())
    file = OutboxFile(tmp_path / "outbox.sqlite3")
    file.open()
    rows = [
        OutboxRow(n, "roof", "first", n, never_set + n, never_set + n, body)
        for n in range(1, 60_001)
    ]
    file.write(Changes(rows, {"influxdb": Cursor(0)}))
    file.close()
    time = Time()
    async with opened(tmp_path, time=time, boot="second") as outbox:
        take(outbox, time, 2)
        feed = outbox.feed("influxdb")
        (record,) = await feed.batch_now(50)
        assert record.values == {"pv_power": 2}
        await feed.ack([record])
        stats = feed.stats()
        assert (stats.queue, stats.delivered, stats.rejected) == (0, 1, 60_000)
    errors = [entry.getMessage() for entry in caplog.records if entry.levelname == "ERROR"]
    assert len(errors) == 1
    assert "60000" in errors[0]
    async with opened(tmp_path, time=time, boot="second") as outbox:
        assert outbox.feed("influxdb").stats().rejected == 60_000, "not skipped a second time"
    with closing(sqlite3.connect(tmp_path / "outbox.sqlite3")) as kept:
        assert kept.execute("SELECT count(*) FROM rejected").fetchone() == (1000,)


async def test_what_was_skipped_is_skipped_once_even_if_nothing_else_happens(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    time = Time(now=NOON.replace(year=1970))
    async with opened(tmp_path, time=time, boot="first") as outbox:
        take(outbox, time, 1, 2)
    time.set(NOON)
    for _ in range(2):
        async with opened(tmp_path, time=time, boot="second") as outbox:
            assert await outbox.feed("influxdb").batch_now(10) == []
            assert outbox.feed("influxdb").stats().rejected == 2
    assert caplog.text.count("cannot be delivered") == 1


async def test_a_disk_that_damages_every_file_is_not_tried_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(*_: object) -> None:
        raise DamagedError("every page is wrong")

    time = Time()
    async with opened(tmp_path, time=time) as outbox:
        with monkeypatch.context() as patch:
            patch.setattr(OutboxFile, "write", damaged)
            take(outbox, time, 1)
            await outbox.feed("influxdb").notes()  # comes behind the reading
        assert len(set_aside(tmp_path)) <= 2
        await outbox.flush()
        assert powers(await deliver_all(outbox.feed("influxdb"))) == [1], "still in memory"


def set_aside(directory: Path) -> list[Path]:
    return list(directory.glob("*.damaged*[!l]"))


async def test_a_machine_that_starts_with_the_time_of_its_shutdown_waits_for_the_time_servers(
    tmp_path: Path,
) -> None:
    time = Time()
    async with opened(tmp_path, time=time, boot="first") as outbox:
        take(outbox, time, 1)
        await deliver_all(outbox.feed("influxdb"))
    late = Time(now=NOON - timedelta(hours=1))
    async with opened(tmp_path, time=late, boot="second") as outbox:
        take(outbox, late, 2)
        assert await outbox.feed("influxdb").batch_now(10) == []
        late.set(NOON + timedelta(hours=5))
        (record,) = await deliver_all(outbox.feed("influxdb"))
        assert record.time == NOON + timedelta(hours=5, seconds=-30)


async def test_the_newest_reading_outlives_its_delivery_to_tell_the_next_start_how_late_it_is(
    tmp_path: Path,
) -> None:
    time = Time()
    async with opened(tmp_path, time=time, boot="first") as outbox:
        take(outbox, time, *range(200))
        assert len(await deliver_all(outbox.feed("influxdb"))) == 200
    late = Time(now=NOON)
    async with opened(tmp_path, time=late, boot="second") as outbox:
        take(outbox, late, 2)
        assert await outbox.feed("influxdb").batch_now(10) == []


async def test_what_a_clock_that_is_set_after_hours_has_stamped_is_stamped_anew(
    tmp_path: Path,
) -> None:
    time = Time(now=NOON.replace(year=1970))
    async with opened(tmp_path, time=time) as outbox:
        take(outbox, time, 1)
        time.pass_by(hours=20)
        assert await outbox.feed("influxdb").batch_now(10) == []
        time.set(NOON)
        (record,) = await deliver_all(outbox.feed("influxdb"))
        assert record.time == NOON - timedelta(hours=20, seconds=30)
        assert outbox.feed("influxdb").stats().rejected == 0


async def test_without_time_servers_the_wait_ends(tmp_path: Path) -> None:
    time = Time()
    async with opened(tmp_path, time=time, boot="first") as outbox:
        take(outbox, time, 1)
    late = Time(now=NOON - timedelta(days=1))
    async with opened(tmp_path, time=late, boot="second") as outbox:
        take(outbox, late, 2)
        late.pass_by(minutes=11)
        assert powers(await deliver_all(outbox.feed("influxdb"))) == [1, 2]


async def test_a_clock_set_back_neither_doubles_nor_reorders_what_waits(tmp_path: Path) -> None:
    time = Time()
    async with opened(tmp_path, time=time) as outbox:
        take(outbox, time, 1, 2)
        await outbox.flush()
        time.set(time.now - timedelta(minutes=10))
        take(outbox, time, 3, 4)
        records = await deliver_all(outbox.feed("influxdb"))
        assert powers(records) == [1, 2, 3, 4]
        stamps = [record.time for record in records]
        assert stamps == sorted(set(stamps))
        assert stamps[0] == NOON - timedelta(minutes=10)


async def test_notes_survive_a_restart_and_come_with_the_cursor_in_one_step(
    tmp_path: Path,
) -> None:
    time = Time()
    async with opened(tmp_path, "pvoutput", time=time) as outbox:
        take(outbox, time, 1)
        feed = outbox.feed("pvoutput")
        await feed.ack(await feed.batch(10), notes={"a": "1", "b": "2"})
        await feed.ack([], notes={"a": None})
    async with opened(tmp_path, "pvoutput", time=time) as outbox:
        assert await outbox.feed("pvoutput").notes() == {"b": "2"}
        assert await deliver_all(outbox.feed("pvoutput")) == []


@settings(max_examples=40, deadline=None)
@given(
    script=st.lists(
        st.one_of(
            st.integers(1, 40).map(lambda count: ("take", count)),
            st.tuples(st.sampled_from(["a", "b"]), st.integers(1, 60)),
            st.just(("restart", 0)),
            st.just(("tick", 0)),
        ),
        max_size=25,
    ),
    each_reading=st.booleans(),
)
async def test_whatever_the_order_of_events_every_exporter_gets_every_reading_once_in_order(
    tmp_path_factory: pytest.TempPathFactory,
    script: list[tuple[str, int]],
    each_reading: bool,
) -> None:
    directory = tmp_path_factory.mktemp("outbox")
    time = Time()
    limits = OutboxLimits(each_reading=each_reading)
    taken = 0
    got: dict[str, list[object]] = {"a": [], "b": []}
    chance = random.Random(1)

    async def start() -> Outbox:
        return await Outbox.open(
            directory / "outbox.sqlite3", limits, ("a", "b"), time.clock, "boot"
        )

    outbox = await start()
    for what, count in [*script, ("restart", 0), ("a", 10_000), ("b", 10_000)]:
        match what:
            case "take":
                take(outbox, time, *range(taken, taken + count))
                taken += count
            case "restart":
                await outbox.close()
                outbox = await start()
            case "tick":
                await outbox.tick()
            case _:
                feed = outbox.feed(what)
                batch = await feed.batch_now(count)
                accepted = batch if count == 10_000 else batch[: chance.randint(0, len(batch))]
                await feed.ack(accepted)
                got[what] += powers(accepted)
    for name in got:
        assert outbox.feed(name).stats().queue == 0
    await outbox.close()
    assert got == {"a": list(range(taken)), "b": list(range(taken))}
