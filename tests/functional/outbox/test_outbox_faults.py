"""The outbox against kill -9, a full disk and a million readings, in processes of their own."""

import asyncio
import json
import os
import random
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from sungather.outbox import Outbox, OutboxLimits
from tests.outbox_parts import NOON, Time, reading
from tests.real_parts import tool

ROUNDS = 30
_WRITER = """
import asyncio, sys
from datetime import datetime, timedelta, UTC
from pathlib import Path
from sungather.outbox import Outbox, OutboxLimits
from tests.outbox_parts import NOON, reading

async def deliver(feed, file):
    while True:
        records = await feed.batch(10)
        for record in records:
            file.write(f"{record.values['pv_power']}\\n")
        file.flush()
        await feed.ack(records)

async def main(path, delivered, number, each):
    outbox = await Outbox.open(Path(path), OutboxLimits(each_reading=each), ("a", "b"))
    with open(delivered, "a") as file:
        task = asyncio.create_task(deliver(outbox.feed("a"), file))
        while True:
            outbox.on_reading(reading(datetime.now(UTC), pv_power=number))
            await outbox.feed("b").notes()  # comes behind the reading, and commits nothing
            print(number, flush=True)
            number += 1

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), True))
"""


def _killed_at_random(path: Path, delivered: Path, first: int, chance: random.Random) -> int:
    """Run the writer, kill it somewhere; the last number that it said was safe."""
    with subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(path), str(delivered), str(first)],
        stdout=subprocess.PIPE,
        text=True,
    ) as writer:
        assert writer.stdout is not None
        last = first - 1
        for _ in range(chance.randint(1, 40)):
            line = writer.stdout.readline()
            assert line, f"the writer ended by itself: {writer.wait()}"
            last = int(line)
        # Not right after a line: anywhere within a commit.
        spin = chance.randint(0, 20_000)
        while spin:
            spin -= 1
        writer.kill()
        rest = writer.stdout.read().split()
        return int(rest[-1]) if rest and rest[-1].isdigit() else last


@asynccontextmanager
async def _opened(path: Path, *names: str) -> AsyncGenerator[Outbox]:
    outbox = await Outbox.open(path, OutboxLimits(), names)
    yield outbox
    await outbox.close()


async def _owed(outbox: Outbox, name: str) -> list[int]:
    found: list[int] = []
    feed = outbox.feed(name)
    while records := await feed.batch_now(1000):
        found += [int(str(record.values["pv_power"])) for record in records]
        await feed.ack(records)
    return found


async def test_a_kill_at_any_moment_loses_nothing_that_was_taken_and_doubles_nothing_kept(
    tmp_path: Path,
) -> None:
    chance = random.Random(20261123)
    path, delivered = tmp_path / "outbox.sqlite3", tmp_path / "delivered"
    safe: list[int] = []
    first = 0
    for _ in range(ROUNDS):
        last = await asyncio.to_thread(_killed_at_random, path, delivered, first, chance)
        safe += range(first, last + 1)
        # What was in flight may be there or not; the next run counts on behind it.
        first = last + 2
    async with _opened(path, "a", "b") as outbox:
        never_delivered = await _owed(outbox, "b")
        late = await _owed(outbox, "a")
    assert len(safe) > 100
    assert set(safe) <= set(never_delivered)
    assert never_delivered == sorted(set(never_delivered)), "each once, in order"
    assert len(set(never_delivered) - set(safe)) <= ROUNDS, "one in flight a kill"
    arrived = [int(text) for text in delivered.read_text().split()] + late
    assert set(safe) <= set(arrived)
    assert len(arrived) - len(set(arrived)) <= ROUNDS * 30, "a few come twice after a kill"


@contextmanager
def _small_disk(directory: Path) -> Generator[Path]:
    """A file system of 1 MB in memory."""
    if os.geteuid() != 0:
        pytest.skip("mount needs root")
    place = directory / "disk"
    place.mkdir()
    mounted = subprocess.run(
        [tool("mount", "mount"), "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)],
        check=False,
        capture_output=True,
    )
    if mounted.returncode:
        pytest.skip("mount of a tmpfs is not allowed here")
    try:
        yield place
    finally:
        subprocess.run([tool("umount", "mount"), str(place)], check=True)


async def test_a_full_disk_means_memory_says_so_and_recovers_by_itself(tmp_path: Path) -> None:
    time = Time()
    with _small_disk(tmp_path) as disk:
        outbox = await Outbox.open(
            disk / "outbox.sqlite3", OutboxLimits(), ("influxdb",), time.clock, "boot"
        )
        filler = disk / "filler"
        await asyncio.to_thread(_fill, filler)
        for number in range(50):
            outbox.on_reading(reading(time.now, pv_power=number, text="x" * 3000))
            time.pass_by(seconds=30)
        await outbox.flush()
        health = outbox.health()
        assert health.state == "waiting"
        assert "full" in health.message
        feed = outbox.feed("influxdb")
        assert feed.stats().queue == 50
        records = await feed.batch(20)
        await feed.ack(records)
        await asyncio.to_thread(filler.unlink)
        await outbox.tick()
        assert outbox.health().state == "ok"
        await outbox.close()
        outbox = await Outbox.open(
            disk / "outbox.sqlite3", OutboxLimits(), ("influxdb",), time.clock, "boot"
        )
        assert await _owed(outbox, "influxdb") == list(range(20, 50))
        await outbox.close()


async def test_a_disk_that_is_read_only_means_memory_says_so_and_recovers_by_itself(
    tmp_path: Path,
) -> None:
    time = Time()
    with _small_disk(tmp_path) as disk:
        outbox = await Outbox.open(
            disk / "outbox.sqlite3", OutboxLimits(), ("influxdb",), time.clock, "boot"
        )
        outbox.on_reading(reading(time.now, pv_power=0))
        await outbox.close()
        await _remount(disk, "ro")
        outbox = await Outbox.open(
            disk / "outbox.sqlite3", OutboxLimits(), ("influxdb",), time.clock, "boot"
        )
        for number in range(1, 5):
            time.pass_by(seconds=30)
            outbox.on_reading(reading(time.now, pv_power=number))
        await outbox.flush()
        assert outbox.health().state == "waiting"
        assert outbox.feed("influxdb").stats().queue == 4
        await _remount(disk, "rw")
        await outbox.tick()
        assert outbox.health().state == "ok"
        assert await _owed(outbox, "influxdb") == list(range(5))
        await outbox.close()


async def _remount(disk: Path, how: str) -> None:
    words = [tool("mount", "mount"), "-o", f"remount,{how}", str(disk)]
    await asyncio.to_thread(subprocess.run, words, check=True)


def _fill(file: Path) -> None:
    with file.open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(b"\0" * 4096)
        except OSError:
            return


_MILLION = """
import asyncio, json, re, sys
from datetime import timedelta
from pathlib import Path
from sungather.clock import Clock
from sungather.exporters.delivery import Delivery
from sungather.outbox import Outbox, OutboxLimits
from tests.outbox_parts import Time

class Counter:
    batch = 500
    seen = 0
    def __init__(self): self.sizes = []; self.queues = []
    async def deliver(self, records):
        assert records[0].id == self.seen + 1
        self.seen = records[-1].id
        if self.seen % 100_000 < 500:
            # Pages of files come and go as the machine has room for them.
            status = Path("/proc/self/status").read_text()
            self.sizes.append(int(re.search(r"RssAnon:\\s+(\\d+) kB", status)[1]))
            self.queues.append(delivery.health().queue)
        return {}
    def close(self): pass

async def main(path):
    global delivery
    time = Time()
    time.pass_by(days=360)
    limits = OutboxLimits(days=3650, bytes=10**10)
    outbox = await Outbox.open(Path(path), limits, ("x",), time.clock, "boot")
    counter = Counter()
    delivery = Delivery("x", outbox.feed("x"), counter, time.clock)
    task = asyncio.create_task(delivery.run())
    await outbox.drained("x")
    task.cancel()
    await outbox.close()
    print(json.dumps([counter.seen, counter.sizes, counter.queues]))

asyncio.run(main(sys.argv[1]))
"""


async def test_a_million_readings_are_worked_off_in_flat_memory_with_progress_shown(
    tmp_path: Path,
) -> None:
    path = tmp_path / "outbox.sqlite3"
    await asyncio.to_thread(_store_a_million, path)
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _MILLION, str(path), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await worker.communicate()
    seen, sizes, queues = json.loads(out)
    assert seen == 1_000_000
    assert queues == sorted(queues, reverse=True)
    assert len(queues) == 10
    assert queues[0] > queues[-1]
    assert max(sizes) - sizes[0] < 4096, "kB"


def _store_a_million(path: Path) -> None:
    from sungather.outbox.record import OutboxRow, body_of, milliseconds
    from sungather.outbox.store import Changes, Cursor, OutboxFile

    store = OutboxFile(path)
    store.open()
    body = body_of(reading())
    start = milliseconds(NOON)
    step = round(timedelta(seconds=30).total_seconds() * 1000)
    for first in range(1, 1_000_001, 50_000):
        rows = [
            OutboxRow(n, "roof", "earlier", n * step, start + n * step, start + n * step, body)
            for n in range(first, first + 50_000)
        ]
        store.write(Changes(rows, {"x": Cursor(0)}))
    store.close()
