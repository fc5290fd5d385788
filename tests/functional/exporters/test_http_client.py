"""The HTTP client against servers of a few lines that misbehave to order."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from sungather import http_client
from sungather.errors import Blocked, Unavailable
from sungather.http_client import LONGEST_BODY, HttpClient, HttpConnection
from sungather.simulator.certificate import self_signed, server_context
from tests.real_parts import free_port
from tests.support import OtherTask

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """What a test's server has seen."""

    def __init__(self) -> None:
        self.url = ""
        self.connections = 0
        self.requests: list[bytes] = []
        self.gone = asyncio.Event()
        """A connection has ended."""
        self.writers: list[asyncio.StreamWriter] = []


@asynccontextmanager
async def serving(*answers: bytes | None, close_after: bool = False) -> AsyncGenerator[Server]:
    """Answers the requests in turn, over all connections; None: never.

    `close_after`: hang up when the next request has arrived on a connection that has had one.
    """
    seen = Server()
    left = list(answers)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.connections += 1
        seen.writers.append(writer)
        first = True
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                seen.requests.append(head)
                if close_after and not first:
                    break
                first = False
                answer = left.pop(0)
                if answer is not None:
                    writer.write(answer)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.transport.abort()
            seen.gone.set()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    seen.url = f"http://127.0.0.1:{port}"
    try:
        yield seen
    finally:
        for writer in seen.writers:
            writer.transport.abort()
        server.close()
        await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


async def test_a_second_answer_that_is_late_is_asked_for_once() -> None:
    async with serving(OK, None) as server:
        client = HttpClient(server.url, "PVOutput", 0.5)
        await client.request("POST", "/first")
        with pytest.raises(Unavailable, match="did not answer within"):
            await client.request("GET", "/second")
        await asyncio.wait_for(server.gone.wait(), 20)
        assert [head.split()[1] for head in server.requests] == [b"/first", b"/second"]
        assert server.connections == 1


async def test_nothing_is_sent_when_the_name_is_found_after_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving(OK) as server:
        looked_up = asyncio.Event()
        found = asyncio.Event()
        loop = asyncio.get_running_loop()
        usual = loop.getaddrinfo

        async def slow(*_: object, **__: object) -> object:
            looked_up.set()
            await found.wait()
            return await usual("127.0.0.1", int(server.url.rpartition(":")[2]))

        monkeypatch.setattr(loop, "getaddrinfo", slow)
        client = HttpClient("http://influx.example", "InfluxDB", 0.2)
        with pytest.raises(Unavailable, match="did not answer within"):
            await client.request("POST", "/write")
        assert looked_up.is_set()
        found.set()
        for _ in range(20):
            await asyncio.sleep(0)
        assert server.connections == 0


@pytest.mark.parametrize(
    ("method", "repeatable", "sent"),
    [("GET", False, 3), ("POST", True, 3), ("POST", False, 2)],
)
async def test_only_what_may_be_repeated_is_sent_again(
    method: str, repeatable: bool, sent: int
) -> None:
    async with serving(OK, OK, close_after=True) as server:
        client = HttpClient(server.url, "InfluxDB", 20)
        await client.request(method, "/", repeatable=repeatable)
        try:
            await client.request(method, "/", repeatable=repeatable)
        except Unavailable:
            assert sent == 2
        client.close()
        assert len(server.requests) == sent


async def test_a_connection_closed_while_idle_is_replaced_for_every_method() -> None:
    closing = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
    late = OK + b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"
    async with serving(closing, late, OK) as server:
        client = HttpClient(server.url, "PVOutput", 20)
        for _ in range(3):
            answer = await client.request("POST", "/")
            assert answer.status == 200
        client.close()
        assert (server.connections, len(server.requests)) == (3, 3)


@pytest.mark.parametrize("unasked", [b"", b"HTTP/1.1 408 Request Timeout\r\n\r\n"])
async def test_what_happened_while_idle_is_seen_before_anything_is_sent(unasked: bytes) -> None:
    async with serving(OK, OK) as server:
        client = HttpClient(server.url, "PVOutput", 20)
        await client.request("POST", "/")
        if unasked:
            server.writers[0].write(unasked)
        else:
            server.writers[0].transport.abort()
            await asyncio.wait_for(server.gone.wait(), 20)
        answer = await client.request("POST", "/")
        client.close()
        assert (answer.status, server.connections, len(server.requests)) == (200, 2, 2)


@pytest.mark.parametrize("status", [204, 301, 302, 401, 407, 429, 500])
async def test_every_status_is_an_answer(status: int) -> None:
    head = f"HTTP/1.1 {status} X\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"
    async with serving(head.encode()) as server:
        client = HttpClient(server.url, "InfluxDB", 20)
        assert (await client.request("GET", "/")).status == status
        client.close()
        assert len(server.requests) == 1


async def test_a_body_beyond_the_bound_is_cut_and_the_connection_given_up() -> None:
    endless = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (2 * LONGEST_BODY)
    async with serving(endless) as server:
        client = HttpClient(server.url, "InfluxDB", 20)
        answer = await client.request("GET", "/")
        assert (len(answer.body), answer.cut) == (LONGEST_BODY, True)
        await asyncio.wait_for(server.gone.wait(), 20)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 200 OK\r\n" + b"X-Filler: y\r\n" * 20_000, "web server"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000, "web server"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "web server"),
    ],
)
async def test_what_is_no_answer_is_said_in_words(answer: bytes, words: str) -> None:
    async with serving(answer) as server:
        client = HttpClient(server.url, "InfluxDB", 20)
        with pytest.raises(Unavailable, match=words):
            await client.request("GET", "/")


async def test_a_token_in_the_address_is_not_shown_when_it_comes_back() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readuntil(b"\r\n\r\n"))
        writer.close()

    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        port: int = server.sockets[0].getsockname()[1]
        client = HttpClient(f"http://127.0.0.1:{port}", "The dongle", 20)
        with pytest.raises(Unavailable, match="web server") as raised:
            await client.request("GET", "/device/getParam?dev_id=1&token=a-token-of%3Dours")
        assert "a-token-of" not in str(raised.value)
        assert "(secret)" in str(raised.value)


async def test_an_answer_byte_by_byte_has_one_deadline() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nX: ")
        while not writer.is_closing():
            writer.write(b"y")
            await asyncio.sleep(0.01)

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    client = HttpClient(f"http://127.0.0.1:{port}", "InfluxDB", 0.5)
    with pytest.raises(Unavailable):
        await client.request("GET", "/")
    server.close()
    await asyncio.sleep(0.05)


async def test_a_closed_port_of_a_name_with_two_addresses_is_said_in_words() -> None:
    client = HttpClient(f"http://localhost:{free_port()}", "InfluxDB", 20)
    with pytest.raises(Unavailable, match="nothing listens on the port"):
        await client.request("GET", "/")


async def test_a_header_that_cannot_be_sent_is_not_quoted() -> None:
    async with serving(OK) as server:
        client = HttpClient(server.url, "InfluxDB", 20)
        for secret in ("line\r\nbreak", "snow\u2603man"):
            with pytest.raises(Blocked) as raised:
                await client.request("GET", "/", {"Authorization": secret})
            assert secret not in str(raised.value)
        assert server.requests == []


@pytest.mark.parametrize("known", [True, False])
async def test_https_through_a_tunnel_sends_the_secret_only_to_a_server_that_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    certificate, key = self_signed(tmp_path)
    trusting = ssl.create_default_context(cafile=str(certificate) if known else None)
    trusting.check_hostname = False
    monkeypatch.setattr(http_client, "tls_context", lambda: trusting)
    heard: list[bytes] = []
    long = b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"x" * 200_000

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                heard.append(head)
                writer.write(long)
        except (asyncio.IncompleteReadError, OSError):
            writer.transport.abort()

    async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        onward, back = await asyncio.open_connection("127.0.0.1", inner)
        await asyncio.gather(_copy(reader, back), _copy(onward, writer))

    asked: list[bytes] = []
    context = server_context(certificate, key)
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    inner: int = server.sockets[0].getsockname()[1]
    proxy = await asyncio.start_server(tunnel, "127.0.0.1", 0)
    port: int = proxy.sockets[0].getsockname()[1]
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")
    client = HttpClient("https://pvoutput.example", "PVOutput", 20)
    if known:
        for _ in range(2):
            got = await client.request("POST", "/x", {"X-Key": "secret"})
            assert len(got.body) == 200_000
        assert len(heard) == 2
        assert b"Host: pvoutput.example\r\n" in heard[0]
    else:
        with pytest.raises(Blocked, match="not trusted"):
            await client.request("POST", "/x", {"X-Key": "secret"})
        assert heard == []
    assert len(asked) == 1
    assert b"secret" not in asked[0]
    client.close()
    server.close()
    proxy.close()
    await asyncio.sleep(0.05)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    writer.transport.abort()


class _Nowhere:
    """A writer whose bytes nobody gets."""

    def write(self, data: bytes) -> None:
        """Lose them."""


@pytest.mark.parametrize(
    ("head", "part"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1;e=f\r\na\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["chunks of one byte", "to be continued"],
)
async def test_a_flood_of_tiny_parts_lets_others_work_in_between(head: bytes, part: bytes) -> None:
    flood = head + part * 20_000
    reader = asyncio.StreamReader()
    reader.feed_data(flood)
    reader.feed_eof()
    connection = HttpConnection((reader, cast(Any, _Nowhere())), "here")
    async with OtherTask() as other:
        with pytest.raises(EOFError):
            await connection.exchange("GET", "/", {})
    assert other.turns >= len(flood) // 16384
