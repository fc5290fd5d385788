"""A damaged outbox loses what is damaged, and nothing else; and nothing stops for it."""

import asyncio
import random
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from sungather.outbox import Outbox
from tests.outbox_parts import NOON, Time, reading
from tests.unit.outbox.test_outbox import deliver_all, opened, powers

ROWS = 200
PAGE = 4096
FILE = "outbox.sqlite3"


def take(outbox: Outbox, time: Time, *figures: int) -> None:
    """Readings of about the size that they have: a few on a page."""
    for figure in figures:
        outbox.on_reading(reading(time.now, pv_power=figure, text="x" * 900))
        time.pass_by(seconds=30)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An outbox of `ROWS` readings that two exporters owe."""
    directory = tmp_path_factory.mktemp("sound")

    async def fill() -> None:
        async with opened(directory, "a", "b") as outbox:
            take(outbox, Time(), *range(ROWS))

    asyncio.run(fill())
    return (directory / FILE).read_bytes()


def rows_of_pages(content: bytes, pages: set[int]) -> set[int]:
    """Figures of the readings that touch any of these pages."""
    found: set[int] = set()
    for figure in range(ROWS):
        place = content.find(b'"pv_power":%d,' % figure)
        assert place >= 0
        # The page, and what stands before and behind it on the next ones.
        if {place // PAGE, (place + 900) // PAGE} & pages:
            found.add(figure)
    return found


async def left_of(directory: Path, content: bytes) -> tuple[list[object], list[object]]:
    """What two exporters still deliver from a file, with one reading more."""
    (directory / FILE).write_bytes(content)
    time = Time(NOON.replace(hour=20))
    async with opened(directory, "a", "b", time=time) as outbox:
        outbox.on_reading(reading(time.now, pv_power=-1))
        got = [powers(await deliver_all(outbox.feed(name))) for name in ("a", "b")]
        assert outbox.health().state == "ok"
        await outbox.flush()
    async with opened(directory, "a", "b", time=time) as outbox:
        assert outbox.health().state == "ok", "also at the next start"
        assert await deliver_all(outbox.feed("a")) == []
    return got[0], got[1]


@pytest.mark.parametrize("seed", range(40))
async def test_flipped_bits_lose_at_most_the_rows_of_the_pages_that_they_touch(
    tmp_path: Path, sound: bytes, seed: int
) -> None:
    chance = random.Random(seed)
    content = bytearray(sound)
    places = [chance.randrange(len(content)) for _ in range(chance.choice((1, 5, 20)))]
    for place in places:
        content[place] ^= 1 << chance.randrange(8)
    touched = rows_of_pages(sound, {place // PAGE for place in places})
    # The second page tells where the others are: each flip in it may hide two of those.
    hidden = 12 * sum(place // PAGE == 1 for place in places)
    for got in await left_of(tmp_path, bytes(content)):
        assert got[-1] == -1, "the new reading arrives, and last"
        assert len(set(range(ROWS)) - set(got) - touched) <= hidden


@pytest.mark.parametrize("page", [0, 1, 2, 4])
async def test_a_page_that_is_lost_takes_no_more_along_than_it_must(
    tmp_path: Path, sound: bytes, page: int
) -> None:
    """The first page tells where the tables are, the second where the readings are."""
    content = sound[: page * PAGE] + bytes(PAGE) + sound[(page + 1) * PAGE :]
    for got in await left_of(tmp_path, content):
        assert got[-1] == -1
        if page != 1:
            assert len(set(got)) >= ROWS * 0.9
    assert (tmp_path / f"{FILE}.damaged").exists()


@pytest.mark.parametrize("share", [0.99, 0.5])
async def test_a_file_that_is_cut_keeps_what_stands_before_the_cut(
    tmp_path: Path, sound: bytes, share: float
) -> None:
    for got in await left_of(tmp_path, sound[: int(len(sound) * share)]):
        assert len(got) >= ROWS * share * 0.85


_ENDED_WHILE_SALVAGING = """
import os, sys
from pathlib import Path
from sungather.outbox.store import OutboxFile

OutboxFile.salvage = lambda *_: os._exit(9)
OutboxFile(Path(sys.argv[1]), lambda: None, lambda: None).open()
"""


@pytest.mark.parametrize("times", [1, 2])
async def test_a_process_that_is_ended_while_it_salvages_loses_nothing_of_it(
    tmp_path: Path, sound: bytes, times: int
) -> None:
    """On a slow card it takes longer than a stop waits."""
    content = sound[: 4 * PAGE] + bytes(PAGE) + sound[5 * PAGE :]
    (tmp_path / FILE).write_bytes(content)
    for _ in range(times):
        words = "-c", _ENDED_WHILE_SALVAGING, str(tmp_path / FILE)
        ended = await asyncio.create_subprocess_exec(sys.executable, *words)
        assert await ended.wait() == 9
    async with opened(tmp_path, "a", "b", time=Time(NOON.replace(hour=20))) as outbox:
        for name in ("a", "b"):
            assert len(await deliver_all(outbox.feed(name))) >= ROWS * 0.9
    async with opened(tmp_path, "a", time=Time(NOON.replace(hour=21))) as outbox:
        assert await deliver_all(outbox.feed("a")) == [], "once"
    assert (tmp_path / f"{FILE}.damaged").exists()
    assert not (tmp_path / f"{FILE}.damaged-2").exists(), "the new one was sound"


@pytest.mark.parametrize("while_used", [False, True])
async def test_a_kill_after_a_salvage_without_cursors_loses_nothing_that_is_owed(
    tmp_path: Path, sound: bytes, *, while_used: bool
) -> None:
    file, killed = tmp_path / FILE, tmp_path / "killed"
    content = sound[: 2 * PAGE] + bytes(PAGE) + sound[3 * PAGE :]
    file.write_bytes(sound if while_used else content)
    killed.mkdir()
    async with opened(tmp_path, "a", "b") as outbox:
        if while_used:
            file.write_bytes(content)
            await is_found_damaged(outbox)
        assert (tmp_path / f"{FILE}.damaged").exists()
        for one in files(tmp_path):
            shutil.copy(one, killed)
    async with opened(killed, "a", "b") as outbox:
        for name in ("a", "b"):
            assert powers(await deliver_all(outbox.feed(name))) == list(range(ROWS))


async def test_notes_outlive_a_file_of_which_nothing_can_be_read(tmp_path: Path) -> None:
    async with opened(tmp_path, "a") as outbox:
        await outbox.feed("a").ack([], notes={"client": "house"})
        for file in files(tmp_path):
            file.write_bytes(bytes(file.stat().st_size))
        await is_found_damaged(outbox)
    async with opened(tmp_path, "a") as outbox:
        assert await outbox.feed("a").notes() == {"client": "house"}


def files(directory: Path) -> list[Path]:
    """The outbox, its logs, and what was set aside."""
    return list(directory.glob(f"{FILE}*"))


async def is_found_damaged(outbox: Outbox) -> None:
    """The thread of an outbox meets damage."""
    error = sqlite3.DatabaseError("malformed")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    await outbox._worker.call(outbox._ledger._failed, error)  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize("number", [2**63 - 1, 2**62, 2**54])
async def test_an_id_that_cannot_be_ends_neither_storing_nor_delivery(
    tmp_path: Path, sound: bytes, number: int
) -> None:
    (tmp_path / FILE).write_bytes(sound)
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        db.execute(
            "UPDATE readings SET id = ? WHERE id = (SELECT max(id) FROM readings)", (number,)
        )
        db.commit()
    for got in await left_of(tmp_path, (tmp_path / FILE).read_bytes()):
        assert got == [*range(ROWS - 1), -1]


async def test_a_log_beside_an_empty_file_is_not_thrown_away(tmp_path: Path) -> None:
    time, killed = Time(), tmp_path / "killed"
    killed.mkdir()
    async with opened(tmp_path, time=time) as outbox:
        take(outbox, time, *range(20))
        await outbox.flush()
        for one in files(tmp_path):
            shutil.copy(one, killed)
    (killed / FILE).write_bytes(b"")
    async with opened(killed, time=time) as outbox:
        assert powers(await deliver_all(outbox.feed("influxdb"))) == list(range(20))
    assert (killed / f"{FILE}.damaged-wal").exists()


@pytest.mark.parametrize(
    ("change", "is_other"),
    [
        ("ALTER TABLE readings ADD COLUMN more TEXT", True),
        ("ALTER TABLE notes RENAME COLUMN key TO name", True),
        ("DROP TABLE rejected", True),
        ("CREATE TABLE somebodys (text TEXT)", False),
        ("ANALYZE", False),
    ],
)
async def test_tables_that_are_not_ours_are_set_aside_and_what_they_hold_arrives(
    tmp_path: Path, sound: bytes, change: str, *, is_other: bool
) -> None:
    (tmp_path / FILE).write_bytes(sound)
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        db.execute(change)
        db.commit()
    for got in await left_of(tmp_path, (tmp_path / FILE).read_bytes()):
        assert got == [*range(ROWS), -1]
    assert (tmp_path / f"{FILE}.damaged").exists() == is_other


GARBAGE: list[tuple[str, str]] = [
    ("readings", "name = cast(x'ff7d' as text)"),
    ("readings", "boot = cast(x'ff7d' as text)"),
    ("readings", "time_ms = 'noon'"),
    ("readings", "time_ms = 9223372036854775807"),
    ("readings", "time_ms = -5"),
    ("readings", "read_ms = 1.5"),
    ("readings", "mono_ms = 'x'"),
    ("readings", "body = 'text'"),
    ("readings", "body = 17"),
    ("readings", "body = x'7b22ff7d'"),
    ("readings", "body = cast('[1]' as blob)"),
    ("readings", """body = cast('{"m":"a","s":"b","v":[1]}' as blob)"""),
    ("readings", """body = cast('{"m":"a","s":"b","v":{"x":NaN}}' as blob)"""),
    ("readings", """body = cast('{"m":"a","s":"b","v":{"x":{"y":1}}}' as blob)"""),
]


@pytest.mark.parametrize("where", [3, ROWS - 1])
@pytest.mark.parametrize(("table", "damage"), GARBAGE)
async def test_a_row_that_cannot_be_read_back_is_set_aside_and_the_others_arrive(
    tmp_path: Path, sound: bytes, table: str, damage: str, where: int
) -> None:
    (tmp_path / FILE).write_bytes(sound)
    with closing(sqlite3.connect(tmp_path / FILE)) as file, file:
        first = file.execute("SELECT min(id) FROM readings").fetchone()[0]
        file.execute(f"UPDATE {table} SET {damage} WHERE id = ?", (first + where,))
    time = Time(NOON.replace(hour=20))
    async with opened(tmp_path, "a", "b", time=time, boot="later") as outbox:
        outbox.on_reading(reading(time.now, pv_power=-1))
        for name in ("a", "b"):
            feed = outbox.feed(name)
            assert powers(await deliver_all(feed)) == [*(set(range(ROWS)) - {where}), -1]
            assert (feed.stats().rejected, feed.stats().queue) == (1, 0)
            (kept,) = await feed.rejected()
            assert kept.id == first + where
        assert outbox.health().state == "ok"
    assert not (tmp_path / f"{FILE}.damaged").exists()


@pytest.mark.parametrize(
    "damage",
    ["position = 'x'", "position = 9000000000000000000", "position = -1", "delivered = 'x'",
     "rejected = 1.5", "dropped = 'many'"],
)  # fmt: skip
async def test_a_cursor_that_cannot_be_right_delivers_again_rather_than_not_at_all(
    tmp_path: Path, sound: bytes, damage: str
) -> None:
    (tmp_path / FILE).write_bytes(sound)
    with closing(sqlite3.connect(tmp_path / FILE)) as file, file:
        file.execute(f"UPDATE exporters SET {damage} WHERE name = 'a'")
    async with opened(tmp_path, "a", "b", time=Time(NOON.replace(hour=20))) as outbox:
        for name in ("a", "b"):
            assert powers(await deliver_all(outbox.feed(name))) == list(range(ROWS))


async def test_a_row_number_far_ahead_hides_nothing_that_comes_after_it(
    tmp_path: Path, sound: bytes
) -> None:
    (tmp_path / FILE).write_bytes(sound)
    with closing(sqlite3.connect(tmp_path / FILE)) as file, file:
        file.execute(f"UPDATE readings SET id = {2**62} WHERE id = (SELECT max(id) FROM readings)")
    for got in await left_of(tmp_path, (tmp_path / FILE).read_bytes()):
        assert set(got) >= {*range(ROWS - 1), -1}


@pytest.mark.parametrize("late", [20, 1], ids=["first page in the log", "first page not there"])
async def test_what_is_only_in_the_log_of_a_damaged_file_is_saved_too(
    tmp_path: Path, late: int
) -> None:
    time = Time()
    killed = tmp_path / "killed"
    killed.mkdir()
    async with opened(tmp_path, time=time) as outbox:
        take(outbox, time, *range(21))
        await outbox.flush()
        await outbox._worker.call(checkpointed, outbox)  # pyright: ignore[reportPrivateUsage]
        take(outbox, time, *range(21, 21 + late))
        await outbox.flush()
        for suffix in ("", "-wal"):
            shutil.copy(tmp_path / f"{FILE}{suffix}", killed)
    content = bytearray((killed / FILE).read_bytes())
    content[:16] = b"no header at all"
    (killed / FILE).write_bytes(content)
    async with opened(killed, time=time) as outbox:
        got = powers(await deliver_all(outbox.feed("influxdb")))
    assert got == list(range(21 + late))


def checkpointed(outbox: Outbox) -> None:
    """Everything is in the file itself, and the log empty."""
    ledger = outbox._ledger  # pyright: ignore[reportPrivateUsage]
    ledger._file.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()  # pyright: ignore[reportPrivateUsage]


async def test_a_file_damaged_while_it_is_used_is_salvaged_and_counts_what_is_lost(
    tmp_path: Path,
) -> None:
    time = Time()
    async with opened(tmp_path, time=time) as outbox:
        take(outbox, time, *range(3 * ROWS))
        await outbox.flush()
        feed = outbox.feed("influxdb")
        await feed.ack(await feed.batch_now(100))
        ledger = outbox._ledger  # pyright: ignore[reportPrivateUsage]
        for pragma in ("wal_checkpoint(TRUNCATE)", "shrink_memory"):
            await outbox._worker.call(  # pyright: ignore[reportPrivateUsage]
                lambda: ledger._file.db.execute(f"PRAGMA {pragma}").fetchall()  # noqa: B023  # pyright: ignore[reportPrivateUsage]
            )
        with (tmp_path / FILE).open("r+b") as file:
            file.seek(PAGE * 44)
            file.write(b"\xff" * PAGE * 2)
        take(outbox, time, 5001)
        got = powers(await deliver_all(feed))
        assert got[-1] == 5001
        assert 3 * ROWS - 100 - 20 < len(got) < 3 * ROWS - 100
        stats = feed.stats()
        assert (stats.queue, outbox.health().state) == (0, "ok")
        assert stats.dropped == 3 * ROWS + 1 - stats.delivered > 0
    assert (tmp_path / f"{FILE}.damaged").exists()


async def test_notes_and_what_was_rejected_survive_a_salvage(tmp_path: Path) -> None:
    time = Time()
    async with opened(tmp_path, time=time) as outbox:
        take(outbox, time, 1, 2)
        feed = outbox.feed("influxdb")
        batch = await feed.batch_now(2)
        await feed.ack(batch, {batch[0].id: "too odd"}, {"a note": "1"})
    content = bytearray((tmp_path / FILE).read_bytes())
    content[:16] = b"no header at all"
    (tmp_path / FILE).write_bytes(content)
    async with opened(tmp_path, time=time) as outbox:
        feed = outbox.feed("influxdb")
        (kept,) = await feed.rejected()
        assert (kept.reason, kept.values["pv_power"]) == ("too odd", 1)
        assert await feed.notes() == {"a note": "1"}
        assert await deliver_all(feed) == [], "its cursor as well"
