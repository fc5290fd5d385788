"""The web server over real sockets: what it answers, and whom it survives."""

import asyncio
import gzip
import json
import resource
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from http.client import HTTPResponse
from io import BytesIO
from typing import Any, cast

import jsonschema
import pytest
from households import BERLIN, NOW, TARIFF, Watch, household, reading, running, silent
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plain_values import measurements

from sungather.history.service import History
from sungather.options.all_options import WebOptions
from sungather.reading import ActiveFault, FaultReport, Reading, State, Value
from sungather.web import WebServer, live
from sungather.web.http import HttpServer, Limits, Request, Response
from tests.real_parts import free_port

Headers = dict[str, str]


def _open_pages(web: WebServer) -> int:
    return web._live.clients  # pyright: ignore[reportPrivateUsage]


class _Bytes:
    """What http.client wants of a socket."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, *_: object) -> BytesIO:
        return BytesIO(self._data)


async def exchange(port: int, data: bytes, *, ends: bool = False) -> bytes:
    """Everything that comes back, until the server closes; `ends`: no more will be sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        if ends:
            writer.write_eof()
        async with asyncio.timeout(20):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def get(
    port: int, path: str, method: str = "GET", **headers: str
) -> tuple[int, Headers, bytes]:
    lines = [f"{method} {path} HTTP/1.1", "Host: here", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    answer = HTTPResponse(
        cast(Any, _Bytes(await exchange(port, "\r\n".join([*lines, "", ""]).encode()))),
        method=method,
    )
    answer.begin()
    return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()


async def get_json(port: int, path: str) -> Any:
    status, headers, body = await get(port, path)
    assert (status, headers["content-type"]) == (200, "application/json")
    return json.loads(body)


async def get_text(port: int, path: str) -> str:
    return (await get(port, path))[2].decode()


@asynccontextmanager
async def page(*names: str, **more: Any) -> AsyncGenerator[tuple[int, WebServer, History]]:
    async with household(names or ("house",), **more) as (web, history, _):
        assert web.port is not None
        yield web.port, web, history


# What it answers


async def test_now_is_every_inverter_with_its_age_and_the_sum() -> None:
    async with page("house", "garage") as (port, web, _):
        web.on_reading(reading("garage", NOW - timedelta(seconds=8)))
        told = await get_json(port, "/api/v1/now")
        house, garage = told["inverters"]
        assert (house["name"], garage["age_s"]) == ("house", 8.0)
        powers = [one["values"]["pv_power"] for one in (house, garage)]
        assert told["sum"]["pv_power"] == sum(powers)
        assert told["sum_of"]["pv_power"] == ["house", "garage"]


async def test_an_overdue_reading_says_nothing_of_faults_anywhere() -> None:
    watch, grid = Watch(), FaultReport((ActiveFault("alarm_code_1", "10 Grid power outage"),))
    async with page(watch=watch) as (port, web, _):
        for faults, told in ((FaultReport(), "none"), (grid, "10 Grid power outage")):
            web.on_reading(replace(reading("house", watch.moment), faults=faults))
            (house,) = (await get_json(port, "/api/v1/now"))["inverters"]
            assert house["faults"]["text"] == told
            assert "\nsungather_faults{" in await get_text(port, "/metrics")
            watch.tick(3600)
            (house,) = (await get_json(port, "/api/v1/now"))["inverters"]
            assert house["faults"] == {
                "active": None,
                "text": "unknown: the newest reading is old",
            }
            assert "sungather_fault" not in await get_text(port, "/metrics")
            html = await get_text(port, "/")
            assert "Unknown: the newest reading is old." in html
            assert "No faults now" not in html


FED_IN: dict[str, Value] = {"grid_import_power": 0, "grid_export_power": 8000}
RESTS: dict[str, Value] = {"battery_charge_power": 0, "battery_discharge_power": 0}


def only(name: str, **values: Value) -> Reading:
    return replace(reading(name), measurements=measurements(values))


async def test_the_house_of_several_inverters_is_their_balance_and_says_whose_it_is() -> None:
    async with page() as (port, web, _):
        web.on_reading(only("house", pv_power=4000, **FED_IN, **RESTS))
        web.on_reading(only("garage", pv_power=5000))
        told = await get_json(port, "/api/v1/now")
        assert told["sum"]["house_power"] == 1000
        assert told["sum_of"]["grid_export_power"] == ["house"]
        assert told["sum_of"]["house_power"] == ["house", "garage"]
        metrics = await get_text(port, "/metrics")
        assert "\nsungather_plant_house_power_watts 1000\n" in metrics
        assert "\nsungather_plant_pv_power_watts 9000\n" in metrics
        html = await get_text(port, "/")
        assert "house uses 1.00" in html.replace("\u202f", " ").replace("\xa0", " ")
        assert (
            "Solar: house, garage · Battery: house · Grid: meter of house · "
            "House: balance of house, garage"
        ) in html
        web.on_reading(silent(State.UNREACHABLE, "garage"))
        told = await get_json(port, "/api/v1/now")
        assert told["sum"].keys() == {*FED_IN, *RESTS}
        assert "sungather_plant_house" not in await get_text(port, "/metrics")
        html = await get_text(port, "/")
        assert "Solar:" not in html
        assert "garage: Unreachable" in html


async def test_several_meters_make_no_sum_of_the_grid_until_one_of_them_counts() -> None:
    for meter, exported in (("auto", None), ("garage", 7900), ("all", 15900)):
        async with page(meter=meter) as (port, web, _):
            web.on_reading(only("house", pv_power=4000, **FED_IN))
            web.on_reading(only("garage", pv_power=5000, **{**FED_IN, "grid_export_power": 7900}))
            told = await get_json(port, "/api/v1/now")
            assert told["sum"].get("grid_export_power") == exported
            assert ("site.meter says which" in await get_text(port, "/")) is (meter == "auto")


async def test_a_silent_inverter_has_a_state_an_error_and_no_values() -> None:
    async with page() as (port, web, _):
        web.on_reading(silent(State.BUSY, kind="busy", message="Another client is connected."))
        (house,) = (await get_json(port, "/api/v1/now"))["inverters"]
        assert (house["state"], house["values"]) == ("busy", {})
        assert house["error"]["class"] == "busy"
        assert (await get_json(port, "/api/v1/now"))["sum"] == {}


async def test_history_has_a_days_samples_and_no_sample_in_a_gap() -> None:
    async with page() as (port, _, _):
        told = await get_json(port, "/api/v1/history?day=2026-06-18&inverter=house")
        assert (told["step"], told["end"] - told["start"]) == (300, 86400)
        local = {(one[0] - told["start"]) // 60: one for one in told["samples"]}
        assert 6 * 60 + 25 in local
        assert 6 * 60 + 35 not in local
        assert local[10 * 60 + 10][1:4] == ["unreachable", None, None]


async def test_health_tells_of_inverters_and_services() -> None:
    async with page() as (port, web, _):
        web.on_reading(silent(State.UNREACHABLE, kind="no-route", message="Nobody is there."))
        told = await get_json(port, "/api/v1/health")
        assert told["inverters"][0]["error"]["class"] == "no-route"
        states = {one["name"]: one["state"] for one in told["services"]}
        assert states == {
            "web": "ok",
            "history": "ok",
            "mqtt": "ok",
            "influxdb": "waiting",
            "modbus-server": "ok",
        }


@pytest.mark.parametrize(
    "path", ["/api/v1/now", "/api/v1/history", "/api/v1/health", "/api/v1/money"]
)
async def test_answers_are_what_the_openapi_document_promises(path: str) -> None:
    async with page("house", "garage", tariff=TARIFF) as (port, web, _):
        web.on_reading(silent(State.ASLEEP, "garage", message="Asleep until the sun is back."))
        document = await get_json(port, "/api/v1/openapi.json")
        answer = document["paths"][path]["get"]["responses"]["200"]
        schema = {**answer["content"]["application/json"]["schema"], **document}
        jsonschema.Draft202012Validator.check_schema(schema)
        jsonschema.validate(await get_json(port, path), schema)


async def test_every_path_of_the_openapi_document_is_there() -> None:
    async with page(tariff=TARIFF) as (port, _, _):
        document = await get_json(port, "/api/v1/openapi.json")
        for path in set(document["paths"]) - {"/events"}:
            assert (await get(port, path))[0] == 200, path


async def test_without_prices_there_is_no_money_and_it_is_said_which_option_to_set() -> None:
    async with page() as (port, _, _):
        status, _, body = await get(port, "/api/v1/money")
        assert status == 404
        assert b"tariff.import" in body
        assert b"sungather_bill" not in (await get(port, "/metrics"))[2]


async def test_healthz_says_that_the_program_lives() -> None:
    async with page() as (port, _, _):
        assert (await get(port, "/healthz"))[::2] == (200, b"ok\n")


@pytest.mark.parametrize(
    "path", ["/nothing", "/static/../server.py", "/static/%2e%2e/page.py", "/?inverter=barn"]
)
async def test_what_is_not_there_is_a_404(path: str) -> None:
    async with page() as (port, _, _):
        assert (await get(port, path))[0] == 404


@pytest.mark.parametrize("day", ["", "yesterday", "9999-01-01", "2026-02-30", "%00", "0001-01-01"])
async def test_a_day_that_is_none_is_answered_all_the_same(day: str) -> None:
    async with page() as (port, _, _):
        assert (await get(port, f"/?day={day}"))[0] == 200


async def test_head_has_the_headers_of_get_and_no_body() -> None:
    async with page() as (port, _, _):
        status, headers, body = await get(port, "/", "HEAD")
        assert (status, body) == (200, b"")
        assert int(headers["content-length"]) > 1000


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
async def test_nothing_can_be_changed(method: str) -> None:
    async with page() as (port, _, _):
        status, headers, _ = await get(port, "/", method)
        assert (status, headers["allow"]) == (405, "GET, HEAD")


async def test_everything_carries_the_security_headers() -> None:
    async with page() as (port, _, _):
        for path in ("/", "/api/v1/now", "/nothing", "/static/app.js"):
            _, headers, _ = await get(port, path)
            assert headers["content-security-policy"].startswith("default-src 'self';"), path
            assert headers["x-content-type-options"] == "nosniff"


async def test_gzip_is_for_those_who_ask_for_it() -> None:
    async with page() as (port, _, _):
        _, plain_headers, plain = await get(port, "/")
        _, headers, packed = await get(port, "/", Accept_Encoding="br, gzip")
        assert "content-encoding" not in plain_headers
        assert headers["content-encoding"] == "gzip"
        assert gzip.decompress(packed) == plain
        _, refused, _ = await get(port, "/", Accept_Encoding="gzip;q=0")
        assert "content-encoding" not in refused


async def test_files_may_be_kept_for_ever_and_values_never() -> None:
    async with page() as (port, _, _):
        assert "immutable" in (await get(port, "/static/style.css"))[1]["cache-control"]
        assert (await get(port, "/"))[1]["cache-control"] == "no-store"


async def test_one_connection_answers_many_requests() -> None:
    async with page() as (port, _, _):
        one = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
        last = b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        assert (await exchange(port, one * 20 + last)).count(b"ok\n") == 21


# The live stream


async def events(reader: asyncio.StreamReader) -> AsyncGenerator[dict[str, Any]]:
    """The events of a stream, whatever the chunks."""
    while line := await reader.readline():
        if line.startswith(b"data: {"):
            yield json.loads(line[6:])


@asynccontextmanager
async def stream(port: int) -> AsyncGenerator[AsyncGenerator[dict[str, Any]]]:
    """The events that an open page gets."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    writer.write(b"GET /events?inverter=house HTTP/1.1\r\nHost: a\r\n\r\n")
    try:
        yield events(reader)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 (what is waited for sets no event)
        await asyncio.sleep(0.01)


async def test_a_new_reading_reaches_an_open_page_at_once_and_only_what_changed() -> None:
    async with asyncio.timeout(20), page() as (port, web, _), stream(port) as told:
        whole = await anext(told)
        assert {"status", "flow", "totals", "values", "v-pv_power"} <= whole["parts"].keys()
        web.on_reading(reading(pv_power=4321))
        news = (await anext(told))["parts"]
        assert news["v-pv_power"] == "4321\u00a0W"
        assert "4.32" in news["flow"]
        assert "values" not in news, "the table's rows are the same"
        assert "v-grid_frequency" not in news, "nothing changed there"


async def test_a_page_that_opens_later_gets_everything() -> None:
    async with asyncio.timeout(20), page() as (port, web, _), stream(port) as early:
        await anext(early)
        web.on_reading(reading(pv_power=4321))
        await anext(early)
        async with stream(port) as late:
            assert {"status", "totals", "values"} <= (await anext(late))["parts"].keys()


async def test_a_page_that_opens_later_is_never_sent_what_is_older_than_itself() -> None:
    watch = Watch()
    async with asyncio.timeout(20), page(watch=watch) as (port, _, _), stream(port) as early:
        assert "Live" in (await anext(early))["parts"]["status"]
        watch.tick(600)
        async with stream(port) as late:
            assert "No news" in (await anext(late))["parts"]["status"]


async def test_an_open_page_is_told_that_a_reading_is_overdue_though_there_is_no_news(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live, "_HEARTBEAT", 0.05)
    watch = Watch()
    async with asyncio.timeout(20), page(watch=watch) as (port, _, _), stream(port) as told:
        assert "Live" in (await anext(told))["parts"]["status"]
        watch.tick(600)
        while not (parts := (await anext(told))["parts"]):
            continue
        assert "No news" in parts["status"]


async def test_a_table_with_other_rows_is_sent_whole() -> None:
    async with asyncio.timeout(20), page() as (port, web, _), stream(port) as told:
        await anext(told)
        web.on_reading(reading(backup_frequency=50.0))
        assert "backup_frequency" in (await anext(told))["parts"]["values"]


async def test_a_client_that_does_not_read_holds_nobody_up() -> None:
    async with asyncio.timeout(60), page() as (port, web, _):
        lazy = socket.create_connection(("127.0.0.1", port))
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with lazy:
            lazy.sendall(b"GET /events?inverter=house HTTP/1.1\r\nHost: a\r\n\r\n")
            async with stream(port) as told:
                await anext(told)
                for watts in range(30):
                    web.on_reading(reading(pv_power=watts, mode="x" * 50_000 + str(watts)))
                    news = (await anext(told))["parts"]
                    assert news["v-pv_power"] == f"{watts}\u00a0W"
            assert (await get(port, "/healthz"))[0] == 200


async def test_pages_that_are_closed_are_forgotten() -> None:
    async with asyncio.timeout(30), page() as (port, web, _):
        async with stream(port) as told:
            await anext(told)
            assert _open_pages(web) == 1

        def closed() -> bool:
            web.on_reading(reading())
            return _open_pages(web) == 0

        await until(closed)


# Whom it survives


def memory() -> int:
    """Peak resident memory of this process, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


async def test_two_hundred_silent_connections_cost_little_and_are_cut() -> None:
    limits = Limits(request_seconds=3.0)
    async with page(limits=limits) as (port, _, _):
        await get(port, "/")
        before = memory()
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(200)]
        status, _, _ = await get(port, "/")
        assert status == 200
        assert memory() - before < 8
        async with asyncio.timeout(30):
            for reader, writer in idle:
                assert await reader.read() == b""
                writer.close()


async def test_headers_that_trickle_are_cut() -> None:
    async with asyncio.timeout(30), page(limits=Limits(request_seconds=0.3)) as (port, _, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nX: ")
        assert await reader.read() == b""
        writer.close()


async def test_a_request_of_a_gigabyte_is_refused_with_memory_flat() -> None:
    async with page() as (port, _, _):
        await get(port, "/")
        before = memory()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1073741824\r\n\r\n")
        block = b"x" * 65536
        sent = 0
        try:
            while sent < 1 << 30:
                writer.write(block)
                await writer.drain()
                sent += len(block)
        except ConnectionError:
            pass
        assert sent < 1 << 28, "the connection was cut long before the end"
        writer.close()
        assert memory() - before < 8
        del reader
        assert (await get(port, "/healthz"))[0] == 200


async def test_a_head_without_end_is_refused() -> None:
    async with page() as (port, _, _):
        told = await exchange(port, b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 200_000)
        assert told == b"" or told.startswith(b"HTTP/1.1 431")


async def test_more_clients_than_allowed_are_turned_away_and_the_others_stay() -> None:
    async with (
        asyncio.timeout(30),
        page(limits=Limits(connections=3)) as (port, web, _),
        stream(port) as one,
        stream(port) as two,
        stream(port) as three,
    ):
        for told in (one, two, three):
            await anext(told)
        assert await exchange(port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") == b""
        web.on_reading(reading(pv_power=77))
        for told in (one, two, three):
            assert (await anext(told))["parts"]["v-pv_power"] == "77\u00a0W"


async def _echo(request: Request) -> Response:
    return Response(request.path.encode())


def _request(method: bytes, target: bytes, name: bytes, value: bytes, body: bytes) -> bytes:
    head = b"%s %s HTTP/1.1\r\nHost: a\r\n%s: %s\r\n\r\n" % (method, target, name, value)
    return head + body


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.one_of(
        st.binary(max_size=400),
        st.builds(
            _request,
            st.sampled_from([b"GET", b"POST", b"HEAD", b"PRI", b"get", b"", b"CONNECT"]),
            st.binary(max_size=60),
            st.sampled_from(
                [b"Content-Length", b"Transfer-Encoding", b"Expect", b"Upgrade", b"Host", b"X"]
            ),
            st.sampled_from([b"chunked", b"-1", b"99999999999999999999", b"100-continue", b"\xff"])
            | st.binary(max_size=30),
            st.binary(max_size=60),
        ),
    )
)
def test_whatever_bytes_come_the_server_goes_on(data: bytes) -> None:
    async def run() -> None:
        failures: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, what: failures.append(what))
        server = HttpServer(_echo)
        port = await server.start("127.0.0.1", 0)
        try:
            told = await exchange(port, data, ends=True)
            assert told == b"" or told.startswith((b"HTTP/1.1 ", b"HTTP/1.0 "))
            assert (await get(port, "/alive"))[2] == b"/alive"
        finally:
            await server.stop()
        assert not failures

    asyncio.run(run())


# Starting and stopping


async def test_a_taken_port_is_said_with_the_remedy_and_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("sungather.web.server._RETRY_SECONDS", 0.01)
    port = free_port()
    with socket.create_server(("127.0.0.1", port)) as other:
        history = History(None, BERLIN)
        web = WebServer(
            WebOptions(address="127.0.0.1", port=port),
            history=history,
            services=list,
            timezone=BERLIN,
        )
        async with asyncio.timeout(20), running(web):
            await until(lambda: web.health().state == "blocked")
            assert f"127.0.0.1:{port}" in web.health().message
            assert "web.port" in web.health().message
            other.close()
            assert await web.listening() == f"http://127.0.0.1:{port}/"
            assert web.health().state == "ok"
    assert [record.levelname for record in caplog.records].count("ERROR") == 1, "said once"


async def test_without_an_address_ipv4_and_ipv6_are_served() -> None:
    port = free_port()
    server = HttpServer(_echo)
    await server.start(None, port)
    try:
        for address in ("127.0.0.1", "::1"):
            reader, writer = await asyncio.open_connection(address, port)
            writer.write(b"GET /x HTTP/1.0\r\n\r\n")
            assert (await reader.read()).endswith(b"/x")
            writer.close()
    finally:
        await server.stop()


async def test_stopping_does_not_wait_for_open_pages() -> None:
    async with asyncio.timeout(10), page() as (port, _, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /events?inverter=house HTTP/1.1\r\nHost: a\r\n\r\n")
        assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
    writer.close()


async def test_without_any_reading_the_page_is_there_and_says_that_it_waits() -> None:
    async with household(()) as (web, _, _):
        assert web.port is not None
        _, _, body = await get(web.port, "/")
        assert b"Waiting for the inverter" in body
