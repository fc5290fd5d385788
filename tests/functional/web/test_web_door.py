"""The page's door: who is let in, who has to make way, and what a bug behind it costs."""

import asyncio
import json
import logging
import re
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest
from households import BERLIN, reading, running

from sungather.history.service import History
from sungather.options.all_options import WebOptions
from sungather.options.check import check
from sungather.web import WebServer, page
from sungather.web.http import HttpServer, Request, Response
from sungather.web.listener import Limits, limits_within
from tests.real_parts import free_port

SECURITY = Path(__file__).parents[3] / "SECURITY.md"


@asynccontextmanager
async def served(hosts: str = "", limits: Limits | None = None) -> AsyncGenerator[WebServer]:
    history = History(None, BERLIN)
    port = free_port()
    web = WebServer(
        WebOptions(address="127.0.0.1", port=port, hosts=hosts),
        history=history,
        services=list,
        timezone=BERLIN,
        limits=limits,
    )
    async with running(history, web):
        web.on_reading(reading(pv_power=1))
        await web.listening()
        yield web


async def head_of(web: WebServer, path: str, host: str = "here", source: str = "127.0.0.1") -> str:
    """The head of the answer; "" if there is none."""
    async with asyncio.timeout(20):
        try:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", web.port, local_addr=(source, 0)
            )
        except OSError:
            return ""
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        try:
            return (await reader.readuntil(b"\r\n\r\n")).decode()
        except (OSError, EOFError):
            return ""
        finally:
            writer.close()


async def status(web: WebServer, path: str, host: str = "here", source: str = "127.0.0.1") -> str:
    return (await head_of(web, path, host, source)).partition("\r\n")[0].partition(" ")[2][:3]


async def sit(
    web: WebServer, many: int, request: bytes, stack: AsyncExitStack
) -> list[socket.socket]:
    """Clients that send this, and never read."""
    loop = asyncio.get_running_loop()
    clients: list[socket.socket] = []
    for _ in range(many):
        client = stack.enter_context(socket.socket())
        client.setblocking(False)
        async with asyncio.timeout(20):
            await loop.sock_connect(client, ("127.0.0.1", web.port))
        if request:
            await loop.sock_sendall(client, request)
        clients.append(client)
    return clients


@pytest.mark.parametrize(
    "request_",
    [b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n", b"GET / HTTP/1.1\r\nX: ", b""],
    ids=["streams", "half a request", "nothing"],
)
async def test_four_hundred_that_sit_there_leave_the_page_open(request_: bytes) -> None:
    async with served() as web, AsyncExitStack() as stack:
        await sit(web, 400, request_, stack)
        for path in ("/healthz", "/metrics", "/"):
            assert await status(web, path) == "200", path


@pytest.mark.parametrize(("clients", "requests"), [(1, 300), (30, 10)])
async def test_requests_without_end_let_everything_else_work_between_any_two(
    clients: int, requests: int
) -> None:
    turns: list[int] = []
    turn = 0

    async def answer(_: Request) -> Response:
        turns.append(turn)
        return Response(b"ok")

    async def work() -> None:
        nonlocal turn
        while True:
            turn += 1
            await asyncio.sleep(0)

    server = HttpServer(answer)
    port = await server.start("127.0.0.1", 0)
    working = asyncio.create_task(work())
    async with AsyncExitStack() as stack, asyncio.timeout(60):
        for _ in range(clients):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            stack.callback(writer.close)
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * requests)
            stack.push_async_callback(reader.readexactly, 1000)
        while len(turns) < clients * requests:  # noqa: ASYNC110 (nothing tells)
            await asyncio.sleep(0.01)
    working.cancel()
    await server.stop()
    assert len(set(turns)) == len(turns)


async def test_there_are_only_so_many_streams_of_one_address_and_in_all() -> None:
    limits = Limits(connections=50, of_one_address=40, streams=5, streams_of_one_address=3)
    async with served(limits=limits) as web, AsyncExitStack() as stack:

        async def stream(source: str) -> str:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", web.port, local_addr=(source, 0)
            )
            stack.callback(writer.close)
            writer.write(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
            return (await reader.readuntil(b"\r\n\r\n")).decode()

        heads = [await stream("127.0.0.1") for _ in range(4)]
        heads += [await stream("127.0.0.2") for _ in range(3)]
        assert [head[9:12] for head in heads] == ["200"] * 3 + ["503"] + ["200"] * 2 + ["503"]
        assert "retry-after" in heads[3].lower()
        assert await status(web, "/") == "200"


async def test_one_address_leaves_room_for_the_others() -> None:
    """Although all that it has is in use, so that nothing of it makes way."""
    limits = Limits(connections=10, of_one_address=6, streams=30, streams_of_one_address=30)
    async with served(limits=limits) as web, AsyncExitStack() as stack, asyncio.timeout(60):
        heads: list[bytes] = []
        for _ in range(12):
            reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
            stack.callback(writer.close)
            writer.write(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
            with suppress(OSError):
                heads.append(await reader.read(100))
        assert [head[9:12] for head in heads if head] == [b"200"] * 6
        assert await status(web, "/", source="127.0.0.2") == "200"


async def test_a_stream_that_ends_gives_its_room_back() -> None:
    async with served(limits=Limits(streams=1)) as web:
        for _ in range(3):
            async with asyncio.timeout(20):
                while await status(web, "/events") != "200":
                    web.on_reading(reading(pv_power=2))  # it is noticed with the next event
                    await asyncio.sleep(0.05)


@pytest.mark.parametrize("descriptors", [0, 64, 100, 256, 1024, 1 << 20])
def test_limits_leave_file_descriptors_for_polling(descriptors: int) -> None:
    limits = limits_within(descriptors)
    assert 8 <= limits.connections <= 400
    assert limits.connections <= max(8, descriptors - 40)
    assert limits.streams_of_one_address < limits.of_one_address < limits.connections
    assert limits.streams < limits.connections


_WITH_FEW_DESCRIPTORS = """
import asyncio, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
from sungather.history.service import History
from sungather.options.all_options import WebOptions
from sungather.web import WebServer
from zoneinfo import ZoneInfo

async def main():
    zone = ZoneInfo("Europe/Berlin")
    web = WebServer(WebOptions(address="127.0.0.1", port=int(sys.argv[1])),
        history=History(None, zone), services=list, timezone=zone)
    task = asyncio.create_task(web.run())
    await web.listening()
    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        files = [open("/dev/null") for _ in range(16)]  # what polling needs
        for file in files:
            file.close()
        print("polled", flush=True)

asyncio.run(main())
"""


async def test_with_64_file_descriptors_polling_goes_on_and_the_log_stays_small() -> None:
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _WITH_FEW_DESCRIPTORS, str(port)),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    async with AsyncExitStack() as stack, asyncio.timeout(60):
        assert await process.stdout.readline() == b"ready\n"
        for _ in range(150):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            stack.callback(writer.close)
        for _ in range(20):
            process.stdin.write(b"\n")
            assert await process.stdout.readline() == b"polled\n"
        process.kill()
    _, errors = await process.communicate()
    assert len(errors) < 2000, errors


async def test_running_out_of_descriptors_is_said_once_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    loop = asyncio.get_running_loop()
    real, fails = loop.sock_accept, 5

    async def accept(listener: socket.socket) -> object:
        nonlocal fails
        if fails:
            fails -= 1
            raise OSError(24, "Too many open files")
        return await real(listener)

    monkeypatch.setattr(loop, "sock_accept", accept)
    monkeypatch.setattr("sungather.web.listener._PAUSE", 0.0)
    async with served() as web:
        assert await status(web, "/healthz") == "200"
    said = [one for one in caplog.records if one.levelno >= logging.WARNING]
    assert len(said) == 1
    assert said[0].exc_info is None


async def test_only_the_hosts_that_are_named_are_answered() -> None:
    async with served("Solar.home.arpa, 192.168.1.5, fd00::5") as web:
        for host in ("solar.home.arpa", "SOLAR.home.arpa:8080", "192.168.1.5", "[fd00::5]:80"):
            assert await status(web, "/", host) == "200", host
        for host in ("evil.example", "solar.home.arpa.evil.example", "", "192.168.1.50", "[::1]"):
            for path in ("/", "/api/v1/now", "/static/app.js", "/metrics", "/events"):
                assert await status(web, path, host) == "421", (host, path)


async def test_without_names_all_hosts_are_answered() -> None:
    async with served() as web:
        assert await status(web, "/", "evil.example") == "200"


async def test_what_the_security_page_says_of_host_names_is_true() -> None:
    page = " ".join(SECURITY.read_text("utf-8").split())
    assert "**Any host name is answered by default.**" in page
    async with served(WebOptions().hosts) as web:
        assert await status(web, "/", "evil.example") == "200"
    example = re.search(r"Who minds names the hosts .* in `web\.hosts`: .*? such as `(.+?)`", page)
    assert example is not None
    assert not check({"web.hosts": example[1]}, need_inverter=False).problems
    async with served(example[1]) as web:
        for host in example[1].split(", "):
            assert await status(web, "/", host) == "200", host
        assert await status(web, "/", "evil.example") == "421"


async def test_nobody_else_may_frame_the_page_and_vary_is_said_once() -> None:
    async with served() as web:
        assert "frame-ancestors 'self'" in await head_of(web, "/")
        for path in ("/static/app.js", "/metrics", "/"):
            head = (await head_of(web, path)).lower()
            assert head.count("accept-encoding") == 1, path


async def test_a_bug_in_drawing_a_page_costs_that_page_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: object) -> object:
        raise RuntimeError("a bug")

    async with served() as web:
        reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
        writer.write(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
        await reader.readuntil(b"data: ")
        with monkeypatch.context() as patch:
            patch.setattr(page, "parts", broken)
            for watts in range(20):
                web.on_reading(reading(pv_power=watts))
                await asyncio.sleep(0.01)
                assert await status(web, "/healthz") == "200"
                assert await status(web, "/api/v1/now") == "200"
            assert web.health().state == "ok"
            assert await status(web, "/events") == "200"
            assert await status(web, "/") == "500"
        assert await status(web, "/") == "200"
        web.on_reading(reading(pv_power=77))
        async with asyncio.timeout(20):
            while True:
                line = await reader.readline()
                if line.startswith(b"data: ") and "77" in json.dumps(json.loads(line[6:])):
                    break
        writer.close()
    said = [one for one in caplog.records if one.exc_info]
    asked = [one for one in said if one.args == ("/",)]
    assert len(asked) == 1
    assert 1 <= len(said) - len(asked) <= 2  # once a page; the second one was opened meanwhile
