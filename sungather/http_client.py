"""HTTP/1.1 as a client, on asyncio and h11: for exporters and the WiNet-S dongle.

One deadline covers a whole exchange, from the look-up of the name to the last byte. Nothing is
sent twice but a request whose repetition changes nothing. Redirects and refusals are answers.
"""

import asyncio
import functools
import os
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import h11

from sungather.errors import Blocked, Unavailable
from sungather.http_proxy import Proxy, proxy_for
from sungather.untrusted import fit_to_show, told_in

DEADLINE = 20.0
"""Seconds that an exchange may take."""
LONGEST_BODY = 256 * 1024
_LONGEST_HEAD = 64 * 1024
_LONGEST_IDLE = 60.0
"""Seconds after which a router between may have forgotten the connection without a word."""
_CHUNK = 16384
_OTHER_NAME = (62, 64)
"""OpenSSL's codes for a certificate of another name, or another IP address."""

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    cut: bool = False
    """Whether the body was longer than what is taken."""

    @property
    def text(self) -> str:
        """The body as text, whatever it is."""
        return self.body.decode("utf-8", "replace").strip()

    @property
    def is_web_page(self) -> bool:
        """Whether it is meant for a person's browser: a login page, a proxy's error."""
        kind = self.headers.get("content-type", "").lower()
        return "html" in kind or self.body.lstrip()[:1] == b"<"


class HttpConnection:
    """One open connection, for one exchange after the other. Deadlines are the caller's."""

    def __init__(self, streams: Streams, host: str, longest: int = LONGEST_BODY) -> None:
        self._reader, self._writer = streams
        self._host = host
        self._longest = longest
        self._protocol = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LONGEST_HEAD)
        self._last_used = 0.0
        self.heard = False
        """Whether anything came back for the last request."""

    @property
    def is_kept(self) -> bool:
        """Whether the other side lets another request follow, and has sent nothing unasked."""
        unasked, ended = self._protocol.trailing_data
        return self._protocol.our_state is h11.IDLE and not unasked and not ended

    async def is_idle(self) -> bool:
        """Whether it can take another request: open, finished, and without unasked-for bytes."""
        idle = asyncio.get_running_loop().time() - self._last_used
        if not self.is_kept or idle > _LONGEST_IDLE:
            return False
        for _ in range(2):  # the loop looks at its sockets, then reads them
            await asyncio.sleep(0)
        try:
            async with asyncio.timeout(0):
                await self._reader.read(1)
        except TimeoutError:
            return True
        except OSError:
            pass
        return False

    async def exchange(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes = b""
    ) -> HttpAnswer:
        """Send a request and read its answer.

        Raises:
            ValueError: a header or the target has characters that cannot be sent; nothing was.
            EOFError: the other side closed, or does not answer in HTTP.
            OSError: the connection broke.
        """
        self.heard = False
        fields = {"Host": self._host, "Accept-Encoding": "identity", **headers}
        if body or method == "POST":
            fields["Content-Length"] = str(len(body))
        send = self._protocol.send
        try:
            request = h11.Request(
                method=method,
                target=target,
                headers=[
                    (name.encode("ascii"), value.encode("latin-1"))
                    for name, value in fields.items()
                ],
            )
        except h11.LocalProtocolError as error:
            raise ValueError(str(error)) from None
        parts = [send(request), send(h11.Data(data=body)), send(h11.EndOfMessage())]
        # Not drained: a server may answer, and close, before it has read everything.
        self._writer.write(b"".join(part or b"" for part in parts))
        try:
            return await self._answer(tunnel=method == "CONNECT")
        except h11.RemoteProtocolError as error:
            # The library quotes what came, which may be what we have sent.
            said = fit_to_show(str(error), told_in(target, headers))
            raise EOFError(f"it does not answer as a web server does ({said})") from None

    async def _answer(self, *, tunnel: bool) -> HttpAnswer:
        head: h11.Response | None = None
        body = bytearray()
        while len(body) <= self._longest:
            event = self._protocol.next_event()
            if event is h11.NEED_DATA:
                # What has arrived is read without a pause: a flood would let nobody else work.
                await asyncio.sleep(0)
                data = await self._reader.read(_CHUNK)
                self.heard = self.heard or bool(data)
                if not data and head is None:
                    raise EOFError("it closed the connection without an answer")
                self._protocol.receive_data(data)
            elif isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif not isinstance(event, h11.InformationalResponse):
                break
            if tunnel and head is not None:
                break
        if head is None:
            raise EOFError("it closed the connection without an answer")
        cut = len(body) > self._longest
        states = self._protocol.our_state, self._protocol.their_state
        if not cut and states == (h11.DONE, h11.DONE):
            self._protocol.start_next_cycle()
        self._last_used = asyncio.get_running_loop().time()
        return HttpAnswer(
            head.status_code,
            {name.decode("ascii"): value.decode("latin-1") for name, value in head.headers},
            bytes(body[: self._longest]),
            cut,
        )

    def close(self) -> None:
        """Close it at once: a server that has gone silent would keep a polite close waiting."""
        self._writer.transport.abort()


class HttpClient:
    """One server, one connection and one request at a time; the connection is kept."""

    def __init__(
        self,
        url: str,
        what: str,
        deadline: float = DEADLINE,
        *,
        trust: Callable[[], ssl.SSLContext] | None = None,
        options: str = "",
    ) -> None:
        """A client of the server at `url`, which sentences call `what`.

        Args:
            url: with http or https.
            what: such as "InfluxDB".
            deadline: seconds that an exchange may take.
            trust: makes the TLS context, in a thread; the machine's authorities by default.
            options: the group whose `tls.ca` and `url` sentences name; "" if it has none.
        """
        self._trust = trust
        self._options = options
        parts = urlsplit(url)
        self._secure = parts.scheme == "https"
        self._host = parts.hostname or ""
        usual = 443 if self._secure else 80
        self._port = parts.port or usual
        host = f"[{self._host}]" if ":" in self._host else self._host
        self._authority = f"{host}:{self._port}"
        self._host_header = host if self._port == usual else self._authority
        self._base = parts.path.rstrip("/")
        self._what = f"{what} at {self._authority}"
        self._deadline = deadline
        self._connection: HttpConnection | None = None
        self._proxy: Proxy | None = None
        self._unusable = ""
        try:
            self._proxy = proxy_for(parts.scheme, self._host, self._port, os.environ)
        except ValueError as error:
            self._unusable = str(error)
        if self._proxy is not None:
            self._what += f" through the proxy {self._proxy.host}:{self._proxy.port}"

    async def request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        repeatable: bool = False,
    ) -> HttpAnswer:
        """Send a request and read the whole answer.

        `repeatable`: to do it twice is the same as once, as with every GET. Only such a request
        is sent again when the server closes a kept connection instead of answering.

        Raises:
            Unavailable: no answer in time, in words.
            Blocked: the certificate, a header or the proxy cannot be used.
        """
        if self._unusable:
            raise Blocked(self._unusable)
        again = repeatable or method == "GET"
        timer = asyncio.timeout(self._deadline)
        try:
            async with timer:
                return await self._exchange(method, path, headers or {}, body, again)
        except ssl.SSLCertVerificationError as error:
            raise Blocked(
                f"The certificate of {self._what} is not trusted: {error.verify_message}."
                f"{self._advice(error)}"
            ) from error
        except (OSError, EOFError) as error:
            if timer.expired():
                raise Unavailable(
                    f"{self._what} did not answer within {self._deadline:.0f} seconds."
                ) from None
            raise Unavailable(f"{self._what} cannot be reached: {in_words(error)}.") from error
        except ValueError:
            # The text of this error quotes the header, which may be a secret.
            raise Blocked(
                f"A token, user name or password for {self._what} has characters that cannot "
                "be sent in a request."
            ) from None

    def _advice(self, error: ssl.SSLCertVerificationError) -> str:
        if not self._options:
            return ""
        if error.verify_code in _OTHER_NAME:
            return f" Write {self._options}.url with a name that stands in it."
        return (
            f" If it is your own, give {self._options}.tls.ca this certificate, or that of the "
            "authority that signed it."
        )

    def close(self) -> None:
        """Let go of the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    async def _exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, again: bool
    ) -> HttpAnswer:
        path = self._base + path
        if self._proxy is not None and not self._secure:
            # Plain HTTP asks the proxy for the whole address (RFC 9112 §3.2.2).
            path = f"http://{self._authority}{path}"
            headers = {**headers, **self._proxy.headers}
        kept, self._connection = self._connection, None
        if kept is not None:
            try:
                if await kept.is_idle():
                    return await self._try(kept, method, path, headers, body)
            except (OSError, EOFError):
                if kept.heard or not again:
                    raise
            kept.close()
        return await self._try(await self._connect(), method, path, headers, body)

    async def _try(
        self,
        connection: HttpConnection,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
    ) -> HttpAnswer:
        try:
            answer = await connection.exchange(method, path, headers, body)
        except BaseException:
            connection.close()
            raise
        if connection.is_kept:
            self._connection = connection
        else:
            connection.close()
        return answer

    async def _connect(self) -> HttpConnection:
        trust = self._trust or tls_context
        context = await asyncio.to_thread(trust) if self._secure else None
        proxy = self._proxy
        if proxy is None:
            streams = await dial(self._host, self._port, context)
            return HttpConnection(streams, self._host_header)
        outer = await asyncio.to_thread(tls_context) if proxy.secure else None
        streams = await dial(proxy.host, proxy.port, outer)
        if context is not None:
            try:
                await self._tunnel(streams, proxy, context)
            except BaseException:
                streams[1].transport.abort()
                raise
        return HttpConnection(streams, self._host_header)

    async def _tunnel(self, streams: Streams, proxy: Proxy, context: ssl.SSLContext) -> None:
        to_proxy = HttpConnection(streams, self._authority)
        answer = await to_proxy.exchange("CONNECT", self._authority, proxy.headers)
        if not 200 <= answer.status < 300:
            raise EOFError(f"the proxy answered {answer.status}")
        await streams[1].start_tls(context, server_hostname=self._host)


async def dial(host: str, port: int, tls: ssl.SSLContext | None = None) -> Streams:
    """Connect to the first address of a name that answers.

    asyncio's own way has one text for the errors of all addresses; this gives the last error.

    Raises:
        OSError: none answers, or the handshake fails (`ssl.SSLError`).
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    last: OSError | None = None
    for family, kind, protocol, _, where in found:
        channel = socket.socket(family, kind, protocol)
        try:
            channel.setblocking(False)
            await loop.sock_connect(channel, where)
            name = host if tls else None
            return await asyncio.open_connection(sock=channel, ssl=tls, server_hostname=name)
        except ssl.SSLError:
            channel.close()
            raise
        except OSError as error:
            channel.close()
            last = error
        except BaseException:
            channel.close()
            raise
    raise last or OSError(f"{host} has no address")


@functools.cache
def tls_context() -> ssl.SSLContext:
    """The machine's certificate authorities; made once, for that takes time and memory."""
    return ssl.create_default_context()


def in_words(error: BaseException) -> str:
    """A network error as a person would say it."""
    if isinstance(error, socket.gaierror):
        return "its name cannot be resolved"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens on the port"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[0].lower() + error.strerror[1:]
    return str(error) or type(error).__name__


def retry_after(answer: HttpAnswer) -> float | None:
    """Seconds that the server asks to wait (RFC 9110 §10.2.3), at most an hour."""
    text = answer.headers.get("retry-after", "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return min(float(text), 3600.0)
    from datetime import UTC, datetime
    from email.utils import parsedate_to_datetime

    try:
        wait = (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError):
        return None
    return min(max(wait, 0.0), 3600.0)
