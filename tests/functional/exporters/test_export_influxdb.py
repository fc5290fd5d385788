"""InfluxDB: real servers where Debian has them, strict stand-ins for versions 2 and 3."""

import asyncio
import gzip
import json
import re
import socket
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from sungather.exporters.delivery import Delivery
from sungather.exporters.influxdb import Influxdb
from sungather.options.all_options import InfluxdbOptions
from sungather.outbox import Outbox, OutboxLimits
from sungather.outbox.record import milliseconds
from sungather.reading import Value
from sungather.simulator.certificate import self_signed
from tests.outbox_parts import NOON, Time, reading
from tests.plain_values import measurements
from tests.real_parts import influxd, running, victoria_metrics
from tests.stand_ins import Reply, Request, site

OPTIONS = InfluxdbOptions(
    enabled=True,
    url="",
    version="auto",
    org="home",
    bucket="solar",
    token="",
    username="",
    password="",
    measurement="sungather",
    tags="",
    history=False,
    tls_ca="",
    tls_insecure=False,
    include="",
    exclude="",
)
SECRET = "t0ken-that-nobody-may-see"


class Naps:
    """Stands in for asyncio.sleep between tries: counts the seconds, and waits for `go`."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self._go = asyncio.Semaphore(0)
        self._asleep = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.asked.append(seconds)
        self._asleep.set()
        await self._go.acquire()

    async def fell_asleep(self) -> None:
        await asyncio.wait_for(self._asleep.wait(), 20)

    def go_on(self) -> None:
        self._asleep.clear()
        self._go.release()


class Bench:
    """An outbox and one delivery into InfluxDB."""

    def __init__(self, outbox: Outbox, delivery: Delivery, naps: Naps, time: Time) -> None:
        self.outbox, self.delivery, self.naps, self.time = outbox, delivery, naps, time

    def take(self, *figures: float) -> None:
        for figure in figures:
            one = reading(self.time.now, pv_power=figure, run_state="Run")
            self.outbox.on_reading(one)
            self.delivery.on_reading(one)
            self.time.pass_by(seconds=30)

    async def drained(self) -> None:
        await asyncio.wait_for(self.outbox.drained("influxdb"), 20)


@asynccontextmanager
async def bench(
    tmp_path: Path, options: InfluxdbOptions, deadline: float = 5.0
) -> AsyncGenerator[Bench]:
    time = Time()
    outbox = await Outbox.open(
        tmp_path / "outbox.sqlite3", OutboxLimits(), ("influxdb",), time.clock, "boot"
    )
    naps = Naps()
    delivery = Delivery(
        "influxdb",
        outbox.feed("influxdb"),
        Influxdb(options, UTC, deadline),
        time.clock,
        naps.sleep,
    )
    task = asyncio.create_task(delivery.run())
    try:
        yield Bench(outbox, delivery, naps, time)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await outbox.close()


def get(url: str, **query: str) -> bytes:
    with urlopen(f"{url}?{urlencode(query)}", timeout=10) as answer:
        return bytes(answer.read())


def query_v1(port: int, statement: str) -> list[list[object]]:
    url = f"http://127.0.0.1:{port}/query"
    answer = json.loads(get(url, db="solar", q=statement, epoch="ms"))
    return answer["results"][0].get("series", [{"values": []}])[0]["values"]


def make_database(port: int) -> None:
    body = urlencode({"q": "CREATE DATABASE solar"}).encode()
    urlopen(f"http://127.0.0.1:{port}/query", body, 10).close()


async def test_influxdb_1_holds_every_reading_with_its_own_time_and_tags(tmp_path: Path) -> None:
    with running(influxd(tmp_path)) as server:
        await asyncio.to_thread(make_database, server.port)
        options = replace(OPTIONS, url=f"http://127.0.0.1:{server.port}")
        async with bench(tmp_path, options) as b:
            b.take(100, 200.5)
            await b.drained()
            rows = await asyncio.to_thread(
                query_v1, server.port, "SELECT pv_power, run_state, serial, model FROM sungather"
            )
            noon = int(NOON.timestamp() * 1000)
            assert rows == [
                [noon, 100, "Run", "A223098765", "SH10RT"],
                [noon + 30_000, 200.5, "Run", "A223098765", "SH10RT"],
            ]
            assert b.delivery.health().state == "ok"


async def test_influxdb_1_killed_and_started_again_misses_nothing(tmp_path: Path) -> None:
    server = influxd(tmp_path)
    with running(server):
        await asyncio.to_thread(make_database, server.port)
        options = replace(OPTIONS, url=f"http://127.0.0.1:{server.port}")
        async with bench(tmp_path, options) as b:
            b.take(1)
            await b.drained()
            server.kill()
            b.take(*range(2, 500))
            await b.naps.fell_asleep()
            assert b.delivery.health().state == "waiting"
            assert b.delivery.health().queue == 498
            await asyncio.to_thread(server.start)
            b.naps.go_on()
            await b.drained()
            rows = await asyncio.to_thread(query_v1, server.port, "SELECT pv_power FROM sungather")
            assert [row[1] for row in rows] == list(range(1, 500))


async def test_influxdb_1_with_a_field_of_another_type_loses_the_field_not_the_reading(
    tmp_path: Path,
) -> None:
    with running(influxd(tmp_path)) as server:
        await asyncio.to_thread(make_database, server.port)
        # Types are compared within one shard, which is a week.
        wrong = f"sungather run_state=1i {milliseconds(NOON)}000000".encode()
        url = f"http://127.0.0.1:{server.port}"
        await asyncio.to_thread(lambda: urlopen(f"{url}/write?db=solar", wrong, 10).close())
        async with bench(tmp_path, replace(OPTIONS, url=url)) as b:
            b.take(*range(5))
            await b.drained()
            rows = await asyncio.to_thread(query_v1, server.port, "SELECT pv_power FROM sungather")
            assert [row[1] for row in rows] == list(range(5))
            assert b.delivery.health().rejected == 0


async def test_influxdb_1_without_the_database_blocks_and_keeps_everything(
    tmp_path: Path,
) -> None:
    with running(influxd(tmp_path)) as server:
        options = replace(OPTIONS, url=f"http://127.0.0.1:{server.port}")
        async with bench(tmp_path, options) as b:
            b.take(1, 2)
            await b.naps.fell_asleep()
            assert b.delivery.health().state == "blocked"
            assert "influxdb.bucket" in b.delivery.health().message
            await asyncio.to_thread(make_database, server.port)
            b.naps.go_on()
            await b.drained()
            rows = await asyncio.to_thread(query_v1, server.port, "SELECT pv_power FROM sungather")
            assert len(rows) == 2


async def test_victoriametrics_takes_the_same_readings_as_version_2(tmp_path: Path) -> None:
    with running(victoria_metrics(tmp_path)) as server:
        url = f"http://127.0.0.1:{server.port}"
        async with bench(tmp_path, replace(OPTIONS, url=url, version="2", token="any")) as b:
            b.time.set(NOON)
            b.take(100, 200.5)
            await b.drained()

        def stored() -> list[tuple[int, float]]:
            get(f"{url}/internal/force_flush")
            match = 'sungather_pv_power{serial="A223098765"}'
            out = get(f"{url}/api/v1/export", **{"match[]": match}).decode()
            points = [json.loads(text) for text in out.splitlines()]
            return [
                pair
                for point in points
                for pair in zip(point["timestamps"], point["values"], strict=True)
            ]

        noon = int(NOON.timestamp() * 1000)
        assert await asyncio.to_thread(stored) == [(noon, 100), (noon + 30_000, 200.5)]


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("localhost", {}, "give influxdb.tls.ca this certificate"),
        ("localhost", {"tls_ca": "certificate"}, ""),
        ("localhost", {"tls_insecure": True}, ""),
        ("elsewhere", {"tls_ca": "certificate"}, "Write influxdb.url with a name that stands in"),
        ("elsewhere", {"tls_insecure": True}, ""),
        ("localhost", {"tls_ca": "/no/such/file"}, "influxdb.tls.ca cannot be read"),
    ],
)
async def test_influxdb_1_with_a_certificate_of_its_own_is_written_to_if_the_options_say_so(
    tmp_path: Path, name: str, given: dict[str, str | bool], words: str
) -> None:
    certificate, key = self_signed(tmp_path, name)
    secure = (
        f'https-enabled = true\nhttps-certificate = "{certificate}"\nhttps-private-key = "{key}"'
    )
    with running(influxd(tmp_path, http=secure)) as server:
        url = f"https://localhost:{server.port}"
        body = urlencode({"q": "CREATE DATABASE solar"}).encode()
        blind = ssl._create_unverified_context()  # pyright: ignore[reportPrivateUsage]
        await asyncio.to_thread(lambda: urlopen(f"{url}/query", body, 10, context=blind).close())
        tls = {
            key: certificate.read_text() if text == "certificate" else text
            for key, text in given.items()
        }
        async with bench(tmp_path, replace(OPTIONS, url=url, **tls)) as b:
            b.take(1)
            if not words:
                await b.drained()
                assert b.delivery.health().delivered == 1
                return
            await b.naps.fell_asleep()
            health = b.delivery.health()
            assert health.state == "blocked"
            assert words in health.message


async def test_influxdb_1_takes_the_inverters_history_and_drops_what_its_retention_has_passed(
    tmp_path: Path,
) -> None:
    with running(influxd(tmp_path)) as server:
        url = f"http://127.0.0.1:{server.port}"
        await asyncio.to_thread(make_database, server.port)
        policy = "CREATE RETENTION POLICY short ON solar DURATION 30d REPLICATION 1 DEFAULT"
        body = urlencode({"q": policy}).encode()
        await asyncio.to_thread(lambda: urlopen(f"{url}/query", body, 10).close())
        async with bench(tmp_path, replace(OPTIONS, url=url, history=True)) as b:
            b.time.set(datetime.now(UTC))
            one = reading(b.time.now)
            arrays: dict[str, Value] = {
                "pv_power": 1,
                "daily_pv_energy_yields": [float(day) for day in range(1, 32)],
                "yearly_pv_energy_yields": [float(year) for year in range(2015, 2035)],
            }
            b.outbox.on_reading(replace(one, measurements=measurements(arrays)))
            await b.drained()
            health = b.delivery.health()
            assert (health.delivered, health.rejected, health.state) == (1, 0, "ok")
        days = await asyncio.to_thread(
            query_v1, server.port, "SELECT daily_pv_energy_yields FROM sungather_history"
        )
        years = await asyncio.to_thread(
            query_v1, server.port, "SELECT yearly_pv_energy_yields FROM sungather_history"
        )
        fields = await asyncio.to_thread(query_v1, server.port, "SHOW FIELD KEYS FROM sungather")
    today = datetime.now(UTC).day
    assert [row[1] for row in days] == list(range(max(1, today - 29), today + 1))
    assert len(years) <= 1
    assert fields == [["pv_power", "float"]]


async def test_only_the_values_that_are_wanted_are_written(tmp_path: Path) -> None:
    with running(influxd(tmp_path)) as server:
        await asyncio.to_thread(make_database, server.port)
        options = replace(OPTIONS, url=f"http://127.0.0.1:{server.port}", include="pv_*")
        async with bench(tmp_path, replace(options, exclude="*_today")) as b:
            b.outbox.on_reading(reading(run_state="Run"))
            b.outbox.on_reading(reading(pv_power=1, pv_energy_today=2, run_state="Run"))
            await b.drained()
            fields = await asyncio.to_thread(query_v1, server.port, "SHOW FIELD KEYS")
            assert fields == [["pv_power", "float"]]
            health = b.delivery.health()
            assert (health.delivered, health.rejected, health.state) == (2, 0, "ok")


_POINT = re.compile(rb"sungather,kind=inverter,model=SH10RT,name=roof,serial=A223098765 .+ \d{13}")


def strict(version: str, written: list[bytes]) -> Callable[[Request], Reply]:
    """InfluxDB 2 or 3, as far as the documents describe writing."""

    def answer(request: Request) -> Reply:
        if request.path == "/ping":
            return Reply(204, headers={"X-Influxdb-Version": f"v{version}.1.0"})
        token = {"2": f"Token {SECRET}", "3": f"Bearer {SECRET}"}[version]
        if request.headers.get("authorization") != token:
            return Reply(401, b'{"code":"unauthorized","message":"unauthorized access"}')
        query = {
            "2": {"org": "home", "bucket": "solar", "precision": "ms"},
            "3": {"db": "solar", "precision": "millisecond", "accept_partial": "true"},
        }[version]
        path = {"2": "/api/v2/write", "3": "/api/v3/write_lp"}[version]
        if (request.method, request.path, request.query) != ("POST", path, query):
            return Reply(404, b'{"code":"not found","message":"bucket not found"}')
        if request.headers.get("content-encoding") != "gzip":
            return Reply(400, b'{"code":"invalid","message":"not gzip"}')
        lines = gzip.decompress(request.body).splitlines()
        bad = [number for number, text in enumerate(lines, 1) if not _POINT.fullmatch(text)]
        bad += [number for number, text in enumerate(lines, 1) if b"pv_power=13.0" in text]
        if bad and version == "2":
            return Reply(400, b'{"code":"invalid","message":"unable to parse a line"}')
        written.extend(text for n, text in enumerate(lines, 1) if n not in bad)
        if bad:
            data = [
                {"original_line": "…", "line_number": n, "error_message": "unlucky"} for n in bad
            ]
            error = {"error": "partial write of line protocol occurred", "data": data}
            return Reply(400, json.dumps(error).encode())
        return Reply(204)

    return answer


@pytest.mark.parametrize("version", ["2", "3"])
async def test_versions_2_and_3_are_found_out_and_one_bad_line_takes_nobody_along(
    tmp_path: Path, version: str
) -> None:
    written: list[bytes] = []
    with site(strict(version, written)) as server:
        async with bench(tmp_path, replace(OPTIONS, url=server.url, token=SECRET)) as b:
            b.take(*range(40))
            await b.drained()
            health = b.delivery.health()
            assert (health.delivered, health.rejected) == (39, 1)
    powers = {int(found[1]) for t in written if (found := re.search(rb"pv_power=(\d+)\.0", t))}
    assert powers == set(range(40)) - {13}


async def test_what_a_server_understands_but_refuses_is_set_aside_and_takes_nobody_along(
    tmp_path: Path,
) -> None:
    """Version 2 answers 422 for points that it cannot keep, older than its retention say."""
    written: list[bytes] = []
    well = strict("2", written)

    def answer(request: Request) -> Reply:
        reply = well(request)
        return replace(reply, status=422) if reply.status == 400 else reply

    with site(answer) as server:
        async with bench(tmp_path, replace(OPTIONS, url=server.url, token=SECRET)) as b:
            b.take(*range(40))
            await b.drained()
            health = b.delivery.health()
            assert (health.delivered, health.rejected) == (39, 1)


@pytest.mark.parametrize(
    ("status", "headers", "state", "wait"),
    [
        (401, {}, "blocked", 300.0),
        (403, {}, "blocked", 300.0),
        (404, {}, "blocked", 300.0),
        (302, {"Location": "/elsewhere"}, "blocked", 300.0),
        (429, {"Retry-After": "17"}, "waiting", 17.0),
        (500, {}, "waiting", 1.0),
        (503, {"Retry-After": "120"}, "waiting", 120.0),
    ],
)
async def test_a_refusal_keeps_everything_waits_as_asked_and_never_shows_the_token(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    status: int,
    headers: dict[str, str],
    state: str,
    wait: float,
) -> None:
    written: list[bytes] = []
    well = strict("2", written)
    replies = [Reply(status, b'{"message":"not now"}', headers)]

    def answer(request: Request) -> Reply:
        if request.path != "/ping" and replies:
            return replies.pop()
        return well(request)

    caplog.set_level("DEBUG")
    with site(answer) as server:
        async with bench(tmp_path, replace(OPTIONS, url=server.url, token=SECRET)) as b:
            b.take(1, 2, 3)
            await b.naps.fell_asleep()
            assert b.delivery.health().state == state
            assert b.naps.asked == [wait]
            assert "not now" in b.delivery.health().message
            assert SECRET not in b.delivery.health().message + caplog.text
            b.naps.go_on()
            await b.drained()
            assert b.delivery.health().state == "ok"
    assert len(written) == 3


@pytest.mark.parametrize("kind", ["hangs", "trickles", "speaks another protocol", "closes"])
async def test_a_server_that_hangs_or_trickles_is_given_up_and_tried_again(
    tmp_path: Path, kind: str
) -> None:
    written: list[bytes] = []
    well = strict("2", written)
    bad = [True]

    def answer(request: Request) -> Reply | None:
        if not bad:
            return well(request)
        return Reply(200, trickle=True) if kind == "trickles" else None

    listener = socket.create_server(("127.0.0.1", 0))

    def other(stop: object) -> None:
        peer, _ = listener.accept()
        if kind != "closes":
            peer.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
        peer.close()

    with site(answer) as server, listener:
        own = kind in ("hangs", "trickles")
        url = server.url if own else f"http://127.0.0.1:{listener.getsockname()[1]}"
        served = None if own else asyncio.create_task(asyncio.to_thread(other, None))
        options = replace(OPTIONS, url=url, version="2", token=SECRET)
        async with bench(tmp_path, options, deadline=0.3) as b:
            b.take(1)
            await b.naps.fell_asleep()
            health = b.delivery.health()
            assert (health.state, health.queue) == ("waiting", 1)
            bad.clear()
            if own:
                for _ in range(50):  # a busy machine may need more than one try
                    b.naps.go_on()
                await b.drained()
                assert len(written) == 1
        if served is not None:
            await served


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://no-such-host.invalid:8086", "cannot be resolved"),
        ("http://127.0.0.1:1", "nothing listens"),
    ],
)
async def test_a_name_that_is_gone_or_a_server_that_is_down_at_start_is_waited_for_in_words(
    tmp_path: Path, url: str, words: str
) -> None:
    async with bench(tmp_path, replace(OPTIONS, url=url)) as b:
        b.take(1)
        await b.naps.fell_asleep()
        assert b.delivery.health().state == "waiting"
        assert words in b.delivery.health().message


async def test_waits_grow_to_a_minute_while_the_server_is_down(tmp_path: Path) -> None:
    async with bench(tmp_path, replace(OPTIONS, url="http://127.0.0.1:1")) as b:
        b.take(1)
        for _ in range(8):
            await b.naps.fell_asleep()
            b.naps.go_on()
        await b.naps.fell_asleep()
        assert b.naps.asked[:8] == [1, 2, 4, 8, 16, 32, 60, 60]


async def test_a_token_that_cannot_be_sent_is_not_quoted(tmp_path: Path) -> None:
    options = replace(OPTIONS, url="http://127.0.0.1:1", version="2", token="päss\nword")
    with site(strict("2", [])) as server:
        async with bench(tmp_path, replace(options, url=server.url)) as b:
            b.take(1)
            await b.naps.fell_asleep()
            assert b.delivery.health().state == "blocked"
            assert "päss" not in b.delivery.health().message


async def test_three_days_of_readings_are_caught_up_complete(
    tmp_path: Path,
) -> None:
    with running(influxd(tmp_path)) as server:
        await asyncio.to_thread(make_database, server.port)
        options = replace(OPTIONS, url=f"http://127.0.0.1:{server.port}")
        count = 3 * 2880
        figures = {f"figure_{number}": 100.5 + number for number in range(40)}
        full = replace(reading(), measurements=measurements(figures))
        async with bench(tmp_path, replace(options, url="http://127.0.0.1:1")) as b:
            for number in range(count):
                b.outbox.on_reading(replace(full, time=NOON + timedelta(seconds=30 * number)))
                if number % 1000 == 999:  # the disk gets its turn, as it would in three days
                    await b.outbox.flush()
            await b.outbox.flush()
        async with bench(tmp_path, options) as b:
            await asyncio.wait_for(b.outbox.drained("influxdb"), 60)
        rows = await asyncio.to_thread(
            query_v1, server.port, "SELECT count(figure_39) FROM sungather"
        )
        assert rows[0][1] == count
