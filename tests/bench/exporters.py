"""Figures of the exporters, on a real broker and a real database."""

import asyncio
import contextlib
import statistics
import tempfile
import time
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

from sungather import control
from sungather.outbox import Outbox, OutboxLimits
from sungather.outbox.record import OutboxRow, body_of, milliseconds
from sungather.outbox.store import Changes, Cursor, OutboxFile
from sungather.reading import Reading
from sungather.simulator import device_named, serve
from tests.bench.daemon import Daemon, running_daemon
from tests.bench.figures import Figure, cpu_seconds, rss_megabytes
from tests.outbox_parts import Time, reading
from tests.plain_values import measurements
from tests.real_parts import Server, free_port, influxd, mosquitto, running

CYCLES = 60
"""Scans of one second for which a daemon is watched."""
QUEUE = 100_000
A_DAY = 2880
"""Readings of one inverter at 30 seconds."""
NOBODY = 1
"""A port at which nobody listens."""


async def _health(daemon: Daemon) -> dict[str, dict[str, Any]]:
    """Exporter -> its health."""
    return {one["name"]: one for one in (await _readings(daemon))["exporters"]}


async def _newest(daemon: Daemon) -> tuple[datetime, dict[str, datetime]]:
    """When the newest reading was taken, and each exporter's last success."""
    answer = await _readings(daemon)
    times = [one["time"] for key in ("inverters", "devices") for one in answer.get(key, ())]
    return (
        max(map(datetime.fromisoformat, times)),
        {
            one["name"]: datetime.fromisoformat(one["last_success"])
            for one in answer["exporters"]
            if one["last_success"]
        },
    )


async def _readings(daemon: Daemon) -> Any:
    return await control.ask_daemon(daemon.directory / control.SOCKET, "readings", [])


async def exporters() -> list[Figure]:
    """Memory, CPU, age at the acknowledgement, catching up, and bytes written."""
    with tempfile.TemporaryDirectory(prefix="sungather-bench-") as place:
        directory = Path(place)
        with running(mosquitto(directory)) as broker, running(influxd(directory)) as database:
            await asyncio.to_thread(_make_database, database)
            settings = _mqtt(broker.port), _influxdb(database.port)
            return [
                *await _cpu(*settings),
                *await _ages(*settings),
                *await _queued(),
                *await _catching_up(_influxdb(database.port)),
                *await _written(),
            ]


def _mqtt(port: int) -> dict[str, object]:
    return {"mqtt.enabled": "true", "mqtt.host": "127.0.0.1", "mqtt.port": port}


def _influxdb(port: int) -> dict[str, object]:
    return {
        "influxdb.enabled": "true",
        "influxdb.url": f"http://127.0.0.1:{port}",
        "influxdb.bucket": "solar",
        "influxdb.version": 1,
    }


def _make_database(server: Server) -> None:
    body = urlencode({"q": "CREATE DATABASE solar"}).encode()
    urlopen(f"http://127.0.0.1:{server.port}/query", body, 10).close()


async def _cpu(mqtt: Mapping[str, object], influxdb: Mapping[str, object]) -> list[Figure]:
    """What each adds to a daemon that only collects: all are watched at the same time."""
    console = {"console.enabled": "true"}
    none, *others = await asyncio.gather(*(_spent(one) for one in ({}, mqtt, influxdb, console)))
    return [
        Figure(f"CPU a reading, {name}, SH10RT level 1", spent - none, None, "ms")
        for name, spent in zip(("mqtt", "influxdb", "console"), others, strict=True)
    ]


async def _spent(settings: Mapping[str, object]) -> float:
    """Milliseconds of CPU a scan."""
    async with _daemon(settings) as daemon:
        await asyncio.sleep(5)
        used = cpu_seconds(daemon.pid)
        await asyncio.sleep(CYCLES)
        return (cpu_seconds(daemon.pid) - used) / CYCLES * 1000


async def _ages(mqtt: Mapping[str, object], influxdb: Mapping[str, object]) -> list[Figure]:
    """From the end of a scan to PUBACK and 204; and the memory of the same daemon."""
    ages: dict[str, list[float]] = {"mqtt": [], "influxdb": []}
    async with _daemon({**mqtt, **influxdb, **_page()}) as daemon:
        await asyncio.sleep(5)
        for _ in range(CYCLES):
            await asyncio.sleep(1)
            read, successes = await _newest(daemon)
            for name, found in ages.items():
                age = (successes[name] - read).total_seconds() * 1000
                # Below 0: the reading is so new that its acknowledgement is under way.
                if age >= 0:
                    found.append(age)
        memory = rss_megabytes(daemon.pid)
    figures = [Figure("RSS with page, MQTT and InfluxDB", memory, 40, "MB")]
    for name, acknowledgement in (("mqtt", "PUBACK"), ("influxdb", "204")):
        median = statistics.median(ages[name])
        figures += [
            Figure(f"age of a reading at {acknowledgement}, median", median, 100, "ms"),
            Figure(f"age of a reading at {acknowledgement}, worst", max(ages[name]), None, "ms"),
        ]
    return figures


async def _queued() -> list[Figure]:
    """Memory of a daemon that cannot get rid of anything."""
    settings = {**_mqtt(NOBODY), **_influxdb(NOBODY), **_page()}
    async with _daemon(settings, owed_by=("mqtt", "influxdb")) as daemon:
        await asyncio.sleep(5)
        early = rss_megabytes(daemon.pid)
        await asyncio.sleep(CYCLES)
        late = rss_megabytes(daemon.pid)
        queue = (await _health(daemon))["influxdb"]["queue"]
    return [
        Figure("readings in the queue of both", queue, QUEUE, at_least=True),
        Figure("RSS with that queue", late, 48, "MB"),
        Figure(f"RSS that {CYCLES} further readings add to it", late - early, 1, "MB"),
    ]


async def _catching_up(influxdb: Mapping[str, object]) -> list[Figure]:
    """How fast a queue is delivered, and the most memory meanwhile."""
    most = 0.0
    async with _daemon({**influxdb, **_page()}, owed_by=("influxdb",)) as daemon:
        before = (await _health(daemon))["influxdb"]["queue"]
        begun = time.monotonic()
        queue = before
        while queue > QUEUE // 100:
            await asyncio.sleep(0.25)
            most = max(most, rss_megabytes(daemon.pid))
            queue = (await _health(daemon))["influxdb"]["queue"]
        rate = (before - queue) / (time.monotonic() - begun)
    return [
        Figure("catching up, readings a second into InfluxDB", rate, 2000, at_least=True),
        Figure("RSS while catching up", most, 48, "MB"),
    ]


async def _written() -> list[Figure]:
    """What a day costs an SD card, by the kernel's count of this process."""
    figures: list[Figure] = []
    for mode, each_reading in (("reading", True), ("minute", False)):
        for delivered in (True, False):
            written = await _written_a_day(each_reading, delivered)
            where = "delivered at once" if delivered else "nobody takes them"
            name = f"written a day at 30 s, a commit a {mode}, {where}"
            figures.append(Figure(name, written / 1e6, None, "MB"))
    return figures


async def _written_a_day(each_reading: bool, delivered: bool) -> float:
    count = A_DAY // 4
    clock = Time(datetime.now(UTC))
    with tempfile.TemporaryDirectory(prefix="sungather-bench-") as directory:
        outbox = await Outbox.open(
            Path(directory) / "outbox.sqlite3",
            OutboxLimits(each_reading=each_reading),
            ("influxdb",),
            clock.clock,
            "boot",
        )
        feed = outbox.feed("influxdb")
        before = _write_bytes()
        for number in range(count):
            outbox.on_reading(_full(clock.now))
            if delivered:
                await feed.ack(await feed.batch(100))
            clock.pass_by(seconds=30)
            # As the outbox's own `run` does it every ten seconds.
            await outbox.tick(write=each_reading or number % 2 == 1)
        written = _write_bytes() - before
        await outbox.close()
    return written / count * A_DAY


def _write_bytes() -> int:
    for line in Path("/proc/self/io").read_text().splitlines():
        if line.startswith("write_bytes:"):
            return int(line.split()[1])
    raise ValueError("the kernel does not count")


def _full(moment: datetime) -> Reading:
    """A reading of 40 values."""
    values = {f"some_figure_of_an_inverter_{n}": 100.5 + n for n in range(40)}
    return replace(reading(moment), measurements=measurements(values))


def _store_queue(file: Path, owed_by: tuple[str, ...]) -> None:
    """An outbox in which 100,000 readings of the last days wait."""
    store = OutboxFile(file)
    store.open()
    body = body_of(_full(datetime.now(UTC)))
    start = milliseconds(datetime.now(UTC) - timedelta(seconds=10 * QUEUE))
    rows = [
        OutboxRow(n, "roof", "earlier", n * 10_000, start + n * 10_000, start + n * 10_000, body)
        for n in range(1, QUEUE + 1)
    ]
    store.write(Changes(rows, {name: Cursor(0) for name in owed_by}))
    store.close()


def _page() -> dict[str, object]:
    return {"web.enabled": "true", "web.address": "127.0.0.1", "web.port": free_port()}


@contextlib.asynccontextmanager
async def _daemon(
    settings: Mapping[str, object], owed_by: tuple[str, ...] = ()
) -> AsyncGenerator[Daemon]:
    def owe(directory: Path) -> None:
        if owed_by:
            _store_queue(directory / "outbox.sqlite3", owed_by)

    async with await serve(device_named("SH10RT")) as server:
        own = {
            "inverter.host": server.host,
            "inverter.port": server.port,
            "inverter.scan-interval": 1,
        }
        async with running_daemon({**own, **settings}, owe) as daemon:
            yield daemon
