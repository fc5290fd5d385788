"""Exporters behind a proxy that the environment names. The proxy is a stand-in of two answers."""

import base64
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from sungather.errors import Unavailable
from sungather.http_client import HttpClient

WITH_PASSWORD = f"Basic {base64.b64encode(b'site:p@ss').decode()}"


@contextmanager
def proxy(answer: bytes) -> Generator[tuple[int, list[bytes]]]:
    """A proxy that gives one answer to everybody: its port, and the requests it got."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with listening.accept()[0] as client:
                client.settimeout(5)
                asked.append(client.recv(65536))
                client.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        port: int = listening.getsockname()[1]
        yield port, asked
        thread.join(5)


@pytest.fixture(autouse=True)
def no_other_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


async def test_plain_http_asks_the_proxy_for_the_whole_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with proxy(b"HTTP/1.1 204 No Content\r\n\r\n") as (port, asked):
        monkeypatch.setenv("HTTP_PROXY", f"http://site:p%40ss@127.0.0.1:{port}")
        client = HttpClient("http://influx.example:8086", "InfluxDB")
        answer = await client.request("POST", "/write?db=solar", body=b"x")
        client.close()
    assert answer.status == 204
    head = asked[0].decode()
    assert head.startswith("POST http://influx.example:8086/write?db=solar HTTP/1.1\r\n")
    assert "\r\nHost: influx.example:8086\r\n" in head
    assert f"\r\nProxy-Authorization: {WITH_PASSWORD}\r\n" in head


async def test_https_goes_through_a_tunnel_and_a_refusal_names_the_proxy_without_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    with proxy(refusal) as (port, asked):
        monkeypatch.setenv("https_proxy", f"http://site:p%40ss@127.0.0.1:{port}")
        client = HttpClient("https://pvoutput.example", "PVOutput")
        with pytest.raises(Unavailable) as raised:
            await client.request("GET", "/service/r2/getstatus.jsp", {"X-Key": "secret"})
    head = asked[0].decode()
    assert head.startswith("CONNECT pvoutput.example:443 HTTP/1.")
    assert f"Proxy-Authorization: {WITH_PASSWORD}" in head
    assert "secret" not in head
    assert "407" in str(raised.value)
    assert f"through the proxy 127.0.0.1:{port}" in str(raised.value)
    assert "p@ss" not in str(raised.value)
    assert "p%40ss" not in str(raised.value)


async def test_no_proxy_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    with proxy(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") as (port, asked):
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
        client = HttpClient(f"http://127.0.0.1:{port}", "InfluxDB")
        assert (await client.request("GET", "/ping")).body == b"ok"
        client.close()
    assert asked[0].startswith(b"GET /ping HTTP/1.1\r\n")
