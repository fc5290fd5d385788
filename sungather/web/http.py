"""HTTP/1.1 for a page and an API that are only ever read.

h11 speaks the protocol, and `listener.py` lets the clients in. Nothing that a client sends, or
leaves unsent, holds up anybody else or takes more than a few kilobytes.
"""

import asyncio
import contextlib
import logging
import zlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs, unquote

import h11

from sungather.web.listener import BUFFER, Guest, Limits, Listener, limits_of_this_process

__all__ = ["Handler", "HttpServer", "Limits", "Request", "Response", "gzip", "takes_gzip"]

log = logging.getLogger(__name__)

_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'; "
        "object-src 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_COMPRESS_FROM: Final = 1000
_LOOK_LONGEST: Final = 64
"""Buffers of an unwanted body that are read before the connection is cut."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request without its body: nothing here needs one."""

    method: str
    path: str
    """Decoded, without the query."""
    query: Mapping[str, str]
    """The last value of each name."""
    headers: Mapping[str, str]
    """Names in lower case."""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer, whole or as a stream."""

    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    stream: AsyncGenerator[bytes] | None = None
    """Sent as it comes, until it ends or the client leaves; `body` is not used then."""


Handler = Callable[[Request], Awaitable[Response]]


class HttpServer:
    """Serves `handler` on one port."""

    def __init__(self, handler: Handler, limits: Limits | None = None) -> None:
        self._handler = handler
        self.limits = limits or limits_of_this_process()
        self._listener = Listener(self._serve, self.limits)
        self._turn = asyncio.Lock()

    async def start(self, address: str | None, port: int) -> int:
        """Listen; without an address on all, IPv4 and IPv6. Returns the port; raises OSError."""
        return await self._listener.open(address, port)

    async def stop(self) -> None:
        """Close the port and every connection."""
        await self._listener.close()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, guest: Guest
    ) -> None:
        try:
            await _Client(reader, writer, guest, self).talk()
        except (OSError, TimeoutError, h11.RemoteProtocolError) as error:
            log.debug("a web client went: %s", type(error).__name__)
        except Exception:
            log.exception("a web request failed")

    async def answer(self, request: Request, guest: Guest) -> Response:
        """What `handler` answers, if the request is one that can be answered."""
        # One a turn of the loop, also of those who send many at once: everything else goes on.
        async with self._turn:
            await asyncio.sleep(0)
        if request.method not in ("GET", "HEAD"):
            return Response(
                b"Only GET and HEAD: nothing can be changed here.\n",
                status=405,
                headers={"Allow": "GET, HEAD"},
            )
        try:
            response = await self._handler(request)
        except Exception:
            log.exception("the web request %r failed", request.path)
            return _plain(500, "This page failed; the log says more.")
        if response.stream is None or request.method == "HEAD" or self._listener.may_stream(guest):
            return response
        await response.stream.aclose()
        busy = _plain(
            503, "Too many pages are open; this one works, but does not update by itself."
        )
        return replace(busy, headers={"Retry-After": "30"})


class _Client:
    """One connection."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        guest: Guest,
        server: HttpServer,
    ) -> None:
        self._reader = reader
        self._writer = writer
        writer.transport.set_write_buffer_limits(0)  # drained means: sent
        self._guest = guest
        self._server = server
        self._limits = server.limits

    async def talk(self) -> None:
        """Answer one request after the other."""
        limits = self._limits
        async with asyncio.timeout(limits.request_seconds):
            data = await self._reader.read(limits.header_bytes)
        # Made now, not at connect: a connection that stays silent costs next to nothing.
        http = h11.Connection(h11.SERVER, max_incomplete_event_size=limits.header_bytes)
        http.receive_data(data)
        while True:
            try:
                async with asyncio.timeout(limits.request_seconds):
                    request = await self._next_request(http)
            except h11.RemoteProtocolError as error:
                if http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                    refusal = _plain(error.error_status_hint, "This is not an HTTP request.")
                    await self._send(http, None, refusal)
                    await self._finish()
                return
            if request is None:
                return
            self._guest.waits = False
            response = await self._server.answer(request, self._guest)
            await self._send(http, request, response)
            self._guest.waits, self._guest.streams = True, False
            if http.our_state is not h11.DONE or http.their_state is not h11.DONE:
                break
            http.start_next_cycle()
        await self._finish()

    async def _next_request(self, http: h11.Connection) -> Request | None:
        """The next request; None when the client has closed."""
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                http.receive_data(await self._reader.read(self._limits.header_bytes))
            elif isinstance(event, h11.Request):
                if not _has_body(event):
                    http.next_event()
                return _request(event)
            else:
                return None

    async def _send(
        self, http: h11.Connection, request: Request | None, response: Response
    ) -> None:
        headers = _HEADERS | dict(response.headers)
        headers["Content-Type"] = response.content_type
        headers["Date"] = formatdate(usegmt=True)
        headers.setdefault("Cache-Control", "no-store")
        if http.their_state is not h11.DONE:
            headers["Connection"] = "close"
        body = response.body
        if response.stream is None:
            if request is not None and "Content-Encoding" not in headers:
                body = _compressed(request, body, headers)
            if response.status != 304:
                headers["Content-Length"] = str(len(body))
        start = h11.Response(
            status_code=response.status,
            reason=HTTPStatus(response.status).phrase,
            headers=list(headers.items()),
        )
        self._write(http, start)
        head_only = request is not None and request.method == "HEAD"
        if response.stream is not None:
            async with contextlib.aclosing(response.stream) as stream:
                if not head_only:
                    await self._drain()
                    async for part in stream:
                        self._write(http, h11.Data(data=part))
                        await self._drain()
        elif body and not head_only and response.status != 304:
            self._write(http, h11.Data(data=body))
        self._write(http, h11.EndOfMessage())
        await self._drain()

    def _write(self, http: h11.Connection, event: h11.Event) -> None:
        data = http.send(event)
        if data:
            self._writer.write(data)

    async def _drain(self) -> None:
        async with asyncio.timeout(self._limits.write_seconds):
            await self._writer.drain()

    async def _finish(self) -> None:
        """Close so that the client gets the answer, even while it still sends a body."""
        if self._writer.can_write_eof():
            self._writer.write_eof()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                for _ in range(_LOOK_LONGEST):
                    if not await self._reader.read(BUFFER):
                        break


def _plain(status: int, text: str) -> Response:
    return Response(f"{text}\n".encode(), status=status)


def _has_body(request: h11.Request) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in request.headers
    )


def _request(event: h11.Request) -> Request:
    target = event.target.decode("ascii", "replace")
    path, _, query = target.partition("?")
    return Request(
        method=event.method.decode("ascii"),
        path=unquote(path, errors="replace"),
        query={name: values[-1] for name, values in _query(query).items()},
        headers={name.decode(): value.decode("latin-1") for name, value in event.headers},
    )


def _query(text: str) -> dict[str, list[str]]:
    try:
        return parse_qs(text, errors="replace", max_num_fields=20)
    except ValueError:
        return {}


def _compressed(request: Request, body: bytes, headers: dict[str, str]) -> bytes:
    varies = filter(None, (headers.get("Vary"), "Accept-Encoding"))
    headers["Vary"] = ", ".join(dict.fromkeys(varies))
    if len(body) < _COMPRESS_FROM or not takes_gzip(request):
        return body
    headers["Content-Encoding"] = "gzip"
    return gzip(body)


def takes_gzip(request: Request) -> bool:
    """Whether the client accepts gzip."""
    accepted = weights(request.headers.get("accept-encoding", ""))
    return accepted.get("gzip", accepted.get("*", 0.0)) > 0


def weights(header: str) -> dict[str, float]:
    """What a header such as Accept names, in lower case, with the highest weight of each."""
    found: dict[str, float] = {}
    for part in header.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        weight = 1.0
        for parameter in parameters:
            if parameter.replace(" ", "").startswith("q="):
                try:
                    weight = float(parameter.partition("=")[2])
                except ValueError:
                    weight = 0.0
        found[name] = max(found.get(name, 0.0), weight)
    return found


def gzip(body: bytes, level: int = 6) -> bytes:
    """`body` in gzip format."""
    packer = zlib.compressobj(level, wbits=31)
    return packer.compress(body) + packer.flush()
