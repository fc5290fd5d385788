"""Refused is not delivered: only what provably concerns a reading gives it up."""

import asyncio
import base64
import gzip
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from plain_values import measurements

from sungather.outbox import RejectedRecord
from tests.functional.exporters import test_export_pvoutput as pvoutput
from tests.functional.exporters.test_export_influxdb import (
    OPTIONS,
    Bench,
    bench,
    make_database,
    query_v1,
)
from tests.outbox_parts import Time, reading
from tests.real_parts import influxd, running
from tests.stand_ins import Reply, Request, site

PAGE = b"<!DOCTYPE html><html><head><title>Welcome</title></head><body>Log in</body></html>"
HTML = {"Content-Type": "text/html"}
V2 = replace(OPTIONS, version="2", token="t0ken-of-the-test")


def lines_of(request: Request) -> list[str]:
    return gzip.decompress(request.body).decode().splitlines()


def error(text: str, status: int = 400) -> Reply:
    return Reply(status, json.dumps({"code": "invalid", "message": text}).encode())


async def rejected(b: Bench) -> list[RejectedRecord]:
    return await b.delivery.rejected()


@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(400, b"Client sent an HTTP request to an HTTPS server.\n"), "https://"),
        (
            Reply(
                400,
                b"<html><head><title>400 The plain HTTP request was sent to HTTPS port</title>",
                HTML,
            ),
            "https://",
        ),
        (Reply(400, b"<html><body>400 Bad Request</body></html>", HTML), "proxy"),
        (Reply(400, b"no"), "check influxdb.url"),
        (Reply(413, b"<html>413 Request Entity Too Large</html>", HTML), "proxy"),
        (Reply(422, b"unprocessable"), "check influxdb.url"),
        (Reply(404, b"<html>404 Not Found</html>", HTML), "Check influxdb.url"),
        (Reply(200, PAGE, HTML), "login page"),
        (Reply(200, b'{"results":[{"error":"timeout"}]}'), "influxdb.url"),
        (Reply(204, b"", {**HTML, "Content-Length": "500"}), "login page"),
        (error("partial write: max-series-per-database limit exceeded: (10) dropped=1"), "limit"),
        (error("partial write: max-values-per-tag limit exceeded (1/1) dropped=1"), "limit"),
        (error("something that was never documented"), "never documented"),
    ],
)
async def test_an_answer_that_is_about_no_reading_keeps_them_all_and_says_what_helps(
    tmp_path: Path, reply: Reply, words: str, count: int
) -> None:
    broken = True

    def answer(_: Request) -> Reply:
        return reply if broken else Reply(204)

    with site(answer) as server:
        async with bench(tmp_path, replace(V2, url=server.url)) as b:
            for figure in range(count):
                # A reading may have several points.
                b.outbox.on_reading(reading(b.time.now, pv_power=figure, max_soc=90))
                b.time.pass_by(seconds=30)
            await b.naps.fell_asleep()
            for _ in range(2):  # what came one by one is tried again together
                b.naps.go_on()
                await b.naps.fell_asleep()
            health = b.delivery.health()
            assert (health.state, health.rejected, health.queue) == ("blocked", 0, count)
            assert words in health.message
            assert "<html" not in health.message
            assert b.naps.asked[-1] == 300.0
            broken = False
            b.naps.go_on()
            await b.drained()
            assert b.delivery.health().delivered == count
            assert b.delivery.health().state == "ok"


async def test_a_version_that_was_found_out_of_somebody_else_is_asked_for_again(
    tmp_path: Path,
) -> None:
    """A login page stands where InfluxDB 3 will be: nothing that was made of it holds longer."""
    there = False

    def answer(request: Request) -> Reply:
        if request.path == "/ping":
            version = {"X-Influxdb-Version": "3.0.0"} if there else {}
            return Reply(200, b"" if there else PAGE, version or HTML)
        if not there:
            return Reply(404, PAGE, HTML)
        return Reply(204) if request.path == "/api/v3/write_lp" else error("unknown", 404)

    with site(answer) as server:
        async with bench(tmp_path, replace(V2, version="auto", url=server.url)) as b:
            b.take(13)
            await b.naps.fell_asleep()
            there = True
            b.naps.go_on()
            await b.drained()
            assert b.delivery.health().delivered == 1


@pytest.mark.parametrize("version", ["1", "2", "3"])
@pytest.mark.parametrize("key", ["password", "token"])
async def test_what_the_server_was_told_in_confidence_is_not_shown_when_it_says_it_again(
    tmp_path: Path, key: str, version: str
) -> None:
    """As it went over the wire, too: name and password as one text."""
    secret = "s3cret-of-the-house"
    logins = {"password": {"token": "", "username": "sun", "password": secret}}
    login = logins.get(key, {"token": secret})
    with site(lambda request: error(f"no: {request.headers['authorization']}", 401)) as server:
        options = replace(V2, version=version, url=server.url, **login)
        encoded = base64.b64encode(f"sun:{secret}".encode()).decode()
        async with bench(tmp_path, options) as b:
            b.take(13)
            await b.naps.fell_asleep()
            assert b.delivery.health().state == "blocked"
            message = b.delivery.health().message
            assert not [one for one in (secret, "sun:", encoded) if one in message]


@pytest.mark.parametrize("status", [413, 422])
async def test_what_is_too_large_or_cannot_be_stored_is_given_up_alone(
    tmp_path: Path, status: int
) -> None:
    """InfluxDB's own answer to a request with one line is about this line."""
    with site(lambda _: error("request too large", status)) as server:
        async with bench(tmp_path, replace(V2, url=server.url)) as b:
            b.take(13)
            await b.drained()
            assert b.delivery.health().rejected == 1


def refusing(
    wanted: Callable[[str], bool], say: Callable[[str], str], status: int = 400
) -> tuple[list[str], Callable[[Request], Reply]]:
    """A version 2 that refuses the whole request for the first line that it does not like."""
    written: list[str] = []

    def answer(request: Request) -> Reply:
        lines = lines_of(request)
        if bad := [one for one in lines if not wanted(one)]:
            return error(say(bad[0]), status)
        written.extend(lines)
        return Reply(204)

    return written, answer


async def test_a_line_that_is_named_is_given_up_the_others_arrive_and_its_content_is_kept(
    tmp_path: Path,
) -> None:
    written, answer = refusing(
        lambda one: "pv_power=3.0" not in one and "pv_power=7.0" not in one,
        lambda one: f"unable to parse '{one}': invalid number",
    )
    with site(answer) as server:
        async with bench(tmp_path, replace(V2, url=server.url)) as b:
            b.take(*range(10))
            await b.drained()
            health = b.delivery.health()
            assert (health.delivered, health.rejected, health.state) == (8, 2, "ok")
            kept = await rejected(b)
    assert [one.values["pv_power"] for one in kept] == [3, 7]
    assert all("invalid number" in one.reason for one in kept)
    assert len(set(written)) == 8


@pytest.mark.parametrize(
    "limit", ["max-series-per-database limit exceeded: (10)", "max-values-per-tag limit exceeded"]
)
async def test_a_limit_of_the_database_gives_nothing_up_also_where_the_others_are_taken(
    tmp_path: Path, limit: str
) -> None:
    _, answer = refusing(
        lambda one: "pv_power=3.0" not in one, lambda _: f"partial write: {limit} dropped=1"
    )
    with site(answer) as server:
        async with bench(tmp_path, replace(V2, url=server.url)) as b:
            b.take(*range(10))
            await b.naps.fell_asleep()
            health = b.delivery.health()
            assert (health.state, health.rejected) == ("blocked", 0)
            assert "Raise this limit" in health.message


@pytest.mark.parametrize("status", [400, 413, 422])
@pytest.mark.parametrize("well", [False, True], ids=["for good", "for a moment"])
async def test_a_trouble_that_begins_within_a_batch_gives_nothing_up(
    tmp_path: Path, status: int, *, well: bool
) -> None:
    """Some were taken before, but what is refused after that is not refused for what it is."""
    taken = 0
    broken = True

    def answer(request: Request) -> Reply:
        nonlocal taken, broken
        lines = lines_of(request)
        if broken and (taken or len(lines) > 4):
            broken = not (well and len(lines) == 1 and "pv_power=7.0" in lines[0])
            return error("no", status)
        taken += 1
        return Reply(204)

    with site(answer) as server:
        async with bench(tmp_path, replace(V2, url=server.url)) as b:
            b.take(*range(8))
            if not well:
                await b.naps.fell_asleep()
                health = b.delivery.health()
                assert (health.state, health.rejected, health.queue) == ("blocked", 0, 8)
                broken = False
                b.naps.go_on()
            await b.drained()
            health = b.delivery.health()
            assert (health.state, health.rejected, health.delivered) == ("ok", 0, 8)


async def test_lines_that_are_each_named_are_all_given_up(tmp_path: Path) -> None:
    _, answer = refusing(lambda _: False, lambda one: f"unable to parse '{one}': bad timestamp")
    with site(answer) as server:
        async with bench(tmp_path, replace(V2, url=server.url)) as b:
            b.take(*range(4))
            await b.drained()
            assert b.delivery.health().rejected == 4


async def test_a_quoted_line_that_was_never_sent_gives_nothing_up(tmp_path: Path) -> None:
    """As where a proxy has thrown away the header that says that the body is compressed."""
    with site(lambda _: error("unable to parse '\x1f\x8b\x08': missing fields")) as server:
        async with bench(tmp_path, replace(V2, url=server.url)) as b:
            b.take(*range(4))
            await b.naps.fell_asleep()
            assert b.delivery.health().state == "blocked"
            assert b.delivery.health().rejected == 0


async def test_a_server_that_names_ever_new_fields_is_asked_a_few_times_and_left_alone(
    tmp_path: Path,
) -> None:
    def conflict(name: str) -> Reply:
        return error(
            f'partial write: field type conflict: input field "{name}" on measurement "sungather" '
            "is type float, already exists as type string dropped=1"
        )

    numbers = iter(range(10**6))
    with site(lambda _: conflict(f"field_{next(numbers)}")) as server:
        async with bench(tmp_path, replace(V2, url=server.url)) as b:
            b.take(1, 2)
            await b.naps.fell_asleep()
            health = b.delivery.health()
            assert (health.state, health.rejected, health.queue) == ("blocked", 0, 2)
            assert "was not sent" in health.message
            assert len(server.requests) <= 2

    def first_field(request: Request) -> Reply:
        found = re.search(r"[ ,](figure_\d+)=", lines_of(request)[0])
        return conflict(found[1]) if found else Reply(204)

    with site(first_field) as server:
        async with bench(tmp_path / "own", replace(V2, url=server.url)) as b:
            values = {f"figure_{number}": 1.5 for number in range(40)} | {"pv_power": 5}
            b.outbox.on_reading(replace(reading(), measurements=measurements(values)))
            await b.naps.fell_asleep()
            assert b.delivery.health().state == "waiting"
            assert len(server.requests) < 12
            for _ in range(6):
                b.naps.go_on()
            await b.drained()
            assert b.naps.asked[:4] == [1, 2, 4, 8], "each time longer"
            assert b.delivery.health().delivered == 1, "with the one field that is left"


async def test_a_database_that_holds_every_field_with_another_type_gives_nothing_up(
    tmp_path: Path,
) -> None:
    def conflict(request: Request) -> Reply:
        found = re.search(r" (\w+)=", lines_of(request)[0])
        assert found is not None
        return error(
            f'partial write: field type conflict: input field "{found[1]}" on measurement "x" is '
            "type float, already exists as type string dropped=1"
        )

    with site(conflict) as server:
        async with bench(tmp_path, replace(V2, url=server.url)) as b:
            b.take(1, 2)
            await b.naps.fell_asleep()
            health = b.delivery.health()
            assert (health.state, health.rejected, health.queue) == ("blocked", 0, 2)
            assert "influxdb.measurement" in health.message


async def test_influxdb_1_refuses_what_its_retention_has_passed_and_takes_the_rest(
    tmp_path: Path,
) -> None:
    with running(influxd(tmp_path)) as server:
        url = f"http://127.0.0.1:{server.port}"
        await asyncio.to_thread(make_database, server.port)
        policy = "CREATE RETENTION POLICY short ON solar DURATION 1h REPLICATION 1 DEFAULT"
        body = urlencode({"q": policy}).encode()
        await asyncio.to_thread(lambda: urlopen(f"{url}/query", body, 10).close())
        async with bench(tmp_path, replace(OPTIONS, url=url)) as b:
            now = datetime.now(UTC)
            b.time.set(now - timedelta(hours=5))
            b.take(1, 2, 3)
            await b.outbox.flush()
            await b.drained()
            assert b.delivery.health().rejected == 3
            assert all("retention" in one.reason for one in await rejected(b))
            for figure in (4, 5):
                b.outbox.on_reading(reading(now + timedelta(seconds=figure), pv_power=figure))
            await b.drained()
        rows = await asyncio.to_thread(query_v1, server.port, "SELECT pv_power FROM sungather")
        assert [row[1] for row in rows] == [4, 5]


async def test_influxdb_1_at_its_own_limit_of_series_keeps_everything(tmp_path: Path) -> None:
    with running(influxd(tmp_path, data="max-series-per-database = 1")) as server:
        await asyncio.to_thread(make_database, server.port)
        url = f"http://127.0.0.1:{server.port}"
        async with bench(tmp_path, replace(OPTIONS, url=url)) as b:
            b.take(1)
            await b.drained()
            for name in ("east", "west"):
                b.outbox.on_reading(reading(b.time.now, name, pv_power=2))
            await b.naps.fell_asleep()
            health = b.delivery.health()
            assert (health.state, health.rejected, health.queue) == ("blocked", 0, 2)
            assert "limit" in health.message


async def test_what_was_given_up_is_sent_again_on_request_and_leaves_the_list_when_taken(
    tmp_path: Path,
) -> None:
    repaired = False
    written: list[str] = []

    def answer(request: Request) -> Reply:
        lines = lines_of(request)
        bad = [one for one in lines if "pv_power=3.0" in one and not repaired]
        if bad:
            return error(f"unable to parse '{bad[0]}': invalid number")
        written.extend(lines)
        return Reply(204)

    with site(answer) as server:
        async with bench(tmp_path, replace(V2, url=server.url)) as b:
            b.take(*range(5))
            await b.drained()
            assert len(await rejected(b)) == 1
        async with bench(tmp_path, replace(V2, url=server.url)) as b:
            (before,) = await rejected(b)
            assert before.values == {"pv_power": 3, "run_state": "Run"}
            assert await b.delivery.send_again() == 1
            b.take(10)
            await b.drained()
            assert [one.id for one in await rejected(b)] == [before.id], "refused once more"
            assert b.delivery.health().rejected == 1
            repaired = True
            assert await b.delivery.send_again() == 1
            async with asyncio.timeout(20):
                while await rejected(b):  # noqa: ASYNC110 (the outbox tells nobody of this)
                    await asyncio.sleep(0.01)
            health = b.delivery.health()
            assert (health.rejected, health.delivered, health.queue) == (0, 6, 0)
    assert sum("pv_power=3.0" in line for line in written) == 1


PVOUTPUT_FOREIGN = [
    Reply(200, PAGE, HTML),
    Reply(200, b"welcome, please, log in"),
    Reply(200, b""),
    Reply(400, b"<html><body>400 Bad Request</body></html>", HTML),
    Reply(400, b"Bad request 400: Something that was never documented"),
    Reply(404, b"<html>404 Not Found: energy value too high</html>", HTML),
    Reply(401, b"<html>proxy login</html>", HTML),
    Reply(302, b"", {"Location": "/login"}),
]


@pytest.mark.parametrize("reply", PVOUTPUT_FOREIGN)
async def test_pvoutput_gives_nothing_up_for_words_that_are_not_pvoutputs(
    tmp_path: Path, reply: Reply
) -> None:
    async with pvoutput.bench(tmp_path) as b:
        await b.round()
        b.org.says = reply
        await b.read(10.5)
        assert await b.round() == 300.0
        health = b.exporter.health()
        assert (health.state, health.rejected, health.queue) == ("blocked", 0, 2)
        assert "proxy" in health.message
        assert "<html" not in health.message
        await b.round()
        health = b.exporter.health()
        assert (health.state, health.delivered, health.rejected) == ("ok", 2, 0)


async def test_pvoutput_sends_again_what_its_answer_leaves_out(tmp_path: Path) -> None:
    async with pvoutput.bench(tmp_path) as b:
        await b.round()
        b.org.says = Reply(200, b"20260621,14:00,1")
        await b.read(10.5)
        await b.round()
        health = b.exporter.health()
        assert (health.delivered, health.rejected, health.queue) == (1, 0, 1)
        assert health.state == "waiting"
        await b.round()
        assert b.exporter.health().delivered == 2


async def test_pvoutput_keeps_what_it_gives_up_and_sends_it_again_on_request(
    tmp_path: Path,
) -> None:
    time = Time()
    org = pvoutput.PvoutputOrg(time)
    async with pvoutput.bench(tmp_path, org=org) as b:
        await b.read(5)
        await b.read(5.5, power=666)
        await b.round()
    async with pvoutput.bench(tmp_path, org=org) as b:
        (kept,) = await b.exporter.rejected()
        assert (kept.name, kept.values["v2"]) == ("interval", 666)
        assert b.exporter.health().rejected == 1, "also after a restart"
        b.exporter._ready.clear()  # pyright: ignore[reportPrivateUsage]
        assert await b.exporter.send_again() == 1
        assert (b.exporter.health().rejected, b.exporter.health().queue) == (0, 1)
    async with pvoutput.bench(tmp_path, org=org) as b:
        assert b.exporter.health().queue == 1, "that is on the disk as well"
        await b.round()
        assert b.exporter.health().rejected == 1, "PVOutput refuses it once more"
