"""HTTP requests that can hang as long as they like without anybody waiting for them.

The standard library's client on a thread of its own: it is in memory anyway (2 MB; the asyncio
clients cost 5 to 16), and keeps its connection. Proxies that the environment names are used. The
deadline covers the whole exchange, so that a server that answers a byte a second is no better
than one that does not answer.
"""

import asyncio
import http.client
import socket
import ssl
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from sungather.exporters.delivery import Blocked, Unavailable
from sungather.worker import Worker

DEADLINE = 20.0
_LONGEST_ANSWER = 256 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text, whatever it is."""
        return self.body.decode("utf-8", "replace").strip()


class HttpServer:
    """One server, one connection at a time, kept open between requests."""

    def __init__(self, url: str, what: str, deadline: float = DEADLINE) -> None:
        parts = urlsplit(url)
        self._secure = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._secure else 80)
        host = f"[{self._host}]" if ":" in self._host else self._host
        self._authority = f"{host}:{self._port}"
        self._base = parts.path.rstrip("/")
        self._proxy = _proxy_of(parts.scheme, self._authority)
        self._what = f"{what} at {self._authority}"
        if self._proxy is not None:
            self._what += f" through the proxy {self._proxy.hostname}:{self._proxy.port or 80}"
        self._deadline = deadline
        self._worker: Worker | None = None
        self._connection: http.client.HTTPConnection | None = None

    async def request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """Send a request and read the whole answer.

        Raises Unavailable, in words, when there is no answer in time; Blocked when the
        certificate or a header cannot be used.
        """
        self._worker = self._worker or Worker("http")
        exchange = self._worker.call(
            self._exchange, method, self._base + path, dict(headers or {}), body
        )
        try:
            async with asyncio.timeout(self._deadline):
                return await exchange
        except TimeoutError:
            self.close()
            raise Unavailable(
                f"{self._what} did not answer within {self._deadline:.0f} seconds."
            ) from None
        except asyncio.CancelledError:
            self.close()
            raise
        except ssl.SSLCertVerificationError as error:
            raise Blocked(
                f"The certificate of {self._what} is not trusted: {error.verify_message}."
            ) from error
        except (OSError, http.client.HTTPException) as error:
            self._drop()
            raise Unavailable(f"{self._what} cannot be reached: {in_words(error)}.") from error
        except ValueError:
            # The text of this error quotes the header, which may be a secret.
            self._drop()
            raise Blocked(
                f"A token, user name or password for {self._what} has characters that cannot "
                "be sent in a request."
            ) from None

    def close(self) -> None:
        """Give up what is under way; the thread ends by itself."""
        self._drop()
        if self._worker is not None:
            self._worker.stop()
            self._worker = None

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        # Closing alone would leave the thread in its read; a shutdown wakes it up.
        channel = getattr(connection, "sock", None)
        if isinstance(channel, socket.socket):
            with suppress(OSError):
                channel.shutdown(socket.SHUT_RDWR)
        if connection is not None:
            connection.close()

    def _exchange(
        self, method: str, path: str, headers: dict[str, str], body: bytes | None
    ) -> Answer:
        used = self._connection is not None
        try:
            return self._try(method, path, headers, body)
        except (http.client.RemoteDisconnected, ConnectionError):
            self._drop()
            if not used:
                raise
        # The server has closed a connection that was idle: that is no trouble.
        return self._try(method, path, headers, body)

    def _connect(self) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        proxy = self._proxy
        if proxy is None:
            return kind(self._host, self._port, timeout=self._deadline)
        connection = kind(proxy.hostname or "", proxy.port or 80, timeout=self._deadline)
        if self._secure:
            connection.set_tunnel(self._host, self._port, _authorization(proxy))
        return connection

    def _try(self, method: str, path: str, headers: dict[str, str], body: bytes | None) -> Answer:
        connection = self._connection
        if connection is None:
            connection = self._connection = self._connect()
        if self._proxy is not None and not self._secure:
            # Plain HTTP asks the proxy for the whole address (RFC 9112 §3.2.2).
            path = f"http://{self._authority}{path}"
            headers = headers | _authorization(self._proxy)
        connection.request(method, path, body, headers)
        with connection.getresponse() as response:
            answer = Answer(
                response.status,
                {name.lower(): value for name, value in response.getheaders()},
                response.read(_LONGEST_ANSWER),
            )
            whole = response.isclosed() or not response.read(1)
        if not whole:
            connection.close()
            self._connection = None
        return answer


def _proxy_of(scheme: str, authority: str) -> SplitResult | None:
    """The proxy that the environment names (HTTPS_PROXY, NO_PROXY and so on), as curl does."""
    from urllib.request import getproxies, proxy_bypass

    url = getproxies().get(scheme, "")
    if not url or proxy_bypass(authority):
        return None
    return urlsplit(url if "://" in url else f"http://{url}")


def _authorization(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    who = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {b64encode(who.encode()).decode()}"}


def in_words(error: BaseException) -> str:
    """A network error as a person would say it."""
    if isinstance(error, socket.gaierror):
        return "its name cannot be resolved"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens on the port"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, http.client.HTTPException):
        return f"it does not answer as a web server does ({type(error).__name__})"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[0].lower() + error.strerror[1:]
    return str(error) or type(error).__name__


def retry_after(answer: Answer) -> float | None:
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
