"""The web API of a WiNet-S dongle (`inverter.connection: http`), old firmware and new.

A session over a WebSocket gives a token; with it registers are read by HTTP. Firmware since
August 2024 does both over TLS on port 443 and wants a login, older firmware has a WebSocket on
port 8082 and HTTP on port 80. Which one it is is found out by trying, and remembered.
"""

import asyncio
import contextlib
import logging
import ssl
import time
from collections.abc import AsyncGenerator, Callable, MutableMapping, Sequence
from urllib.parse import urlencode

from sungather import errors
from sungather.http_client import HttpAnswer, HttpConnection
from sungather.registers import Block, Space
from sungather.transports.certificate_pin import Trust
from sungather.transports.connect import Streams, address, open_streams
from sungather.transports.winet_endpoints import ENDPOINT, Endpoint, endpoints, words_of
from sungather.transports.winet_messages import Message, data_of, message_of, result_of
from sungather.transports.winet_session import (
    DEFAULT_USER,
    LANGUAGE,
    NOT_AUTHORISED,
    PING_EVERY,
    SUCCESS,
    TOKEN_EXPIRED,
    Generation,
    ListedDevice,
    WinetSession,
    account,
)
from sungather.transports.winet_wire import LONGEST, WebSocket

log = logging.getLogger(__name__)

WINET_WIDEST = 100
"""Registers in one request: no limit is documented, 100 is what every device takes."""

RIVAL_PAUSE = 5.0
"""Seconds in which a session that another client has ended is not taken back."""

_ACCEPT = {"Accept": "application/json"}
_WEB_SOCKET = "/ws/home/overview"
_LEAVES_OPEN = (errors.Busy, errors.Refused, errors.Silent, errors.WrongUnit)
"""Errors after which the session is as good as before; for silence on the wire it was closed."""
_CLOSED = "Check inverter.host: the web interface of a WiNet-S listens there."


class WinetTransport:
    """One session and one HTTP connection to a dongle; see `Transport`.

    `memory` holds what must survive a restart (the trusted certificate, the endpoint that worked)
    for this host alone; the caller puts it on disk. `requests` counts register requests only.
    Without `login` a session tells what answers, but firmware that wants a login gives no more.
    """

    name = "http"
    widest = WINET_WIDEST

    def __init__(
        self,
        host: str,
        port: int | None,
        timeout: float,
        *,
        memory: MutableMapping[str, str],
        username: str = "",
        password: str = "",
        ca: str = "",
        login: bool = True,
        ping_every: float = PING_EVERY,
        rival_pause: float = RIVAL_PAUSE,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.connects = 0
        self.requests = 0
        self._host = host
        self._port = port
        self._timeout = timeout
        self._memory = memory
        self._trust = Trust(ca, memory)
        self._username = username
        self._password = password
        self._login = login
        self._ping_every = ping_every
        self._rival_pause = rival_pause
        self._now = now
        self._endpoint: Endpoint | None = None
        self._session: WinetSession | None = None
        self._http: HttpConnection | None = None
        self._quiet_until = 0.0
        self._failed: set[tuple[Block, int]] = set()
        self._said_factory = False

    @property
    def generation(self) -> Generation | None:
        """What answers; None while there is no session."""
        return self._session.generation if self._session else None

    @property
    def devices(self) -> Sequence[ListedDevice]:
        """What the dongle serves; empty while there is no session."""
        return self._session.devices if self._session else ()

    async def connect(self) -> None:
        """Open a session unless one is open."""
        async with self._deadline() as deadline:
            await self._opened(deadline)

    async def read(self, block: Block, unit: int) -> Sequence[int]:
        """Read one block; one deadline covers session, request and the renewal of a token.

        A read that the dongle reports as failed is `Busy` the first time, for such failures
        come and go, and `Refused` when the same block fails the next time too.

        Raises:
            Unreachable: there is no session, or it ended; `Silent` if the dongle answers, but the
                device behind it does not.
            Busy: too many sessions, another client, or the first failure of a block.
            Refused: the block failed again.
        """
        async with self._deadline() as deadline:
            session = await self._opened(deadline)
            code, reason, data = await self._ask(session, block, unit, deadline)
            if code in (TOKEN_EXPIRED, NOT_AUTHORISED):
                session = await self._renewed(session, deadline)
                code, reason, data = await self._ask(session, block, unit, deadline)
            if code != SUCCESS:
                raise await self._failure(session, block, unit, code, reason)
            self._failed.discard((block, unit))
            return words_of(data.get("param_value"), block.count)

    async def close(self) -> None:
        """End the session and close both connections; harmless when closed."""
        http, self._http = self._http, None
        session, self._session = self._session, None
        if http is not None:
            http.close()
        if session is not None:
            await session.close()

    @contextlib.asynccontextmanager
    async def _deadline(self) -> AsyncGenerator[float, None]:
        """One deadline for everything inside, and a connection only with its questions answered.

        An answer that comes after its question was given up could be taken for the next one's.
        """
        deadline = asyncio.get_running_loop().time() + self._timeout
        try:
            async with asyncio.timeout_at(deadline):
                yield deadline
        except TimeoutError:
            await self.close()
            raise errors.Silent(
                f"{self._host} accepts connections, but did not answer a request to its web "
                f"interface within {self._timeout:g} s. It may be busy or restarting; close "
                f"other programs and browsers that use it."
            ) from None
        except (OSError, EOFError) as error:
            await self.close()
            raise errors.ConnectionLost(
                f"{self._host} broke off a request to its web interface"
                f"{f' ({error})' if str(error) else ''}. It serves few clients at a time; close "
                f"other programs and browsers that use it."
            ) from error
        except errors.InverterError as error:
            if not isinstance(error, _LEAVES_OPEN):
                await self.close()
            raise
        except asyncio.CancelledError:
            await self.close()
            raise

    async def _opened(self, deadline: float) -> WinetSession:
        """The session, a new one if need be."""
        clock = asyncio.get_running_loop().time
        session = self._session
        if session is not None and not session.over:
            return session
        if session is not None:
            await self.close()
            if session.rival:
                self._quiet_until = clock() + self._rival_pause
        if clock() < self._quiet_until:
            raise errors.Busy(
                f"Another client, such as the dongle's web page in a browser, has taken over "
                f"the session at {self._host}. Close it; it is tried again."
            )
        return await self._new_session(deadline)

    async def _new_session(self, deadline: float) -> WinetSession:
        clock = asyncio.get_running_loop().time
        candidates = endpoints(self._port, self._memory.get(ENDPOINT, ""), self._trust.wanted)
        troubles: list[errors.InverterError] = []
        for tried, endpoint in enumerate(candidates):
            share = clock() + (deadline - clock()) / (len(candidates) - tried)
            try:
                async with asyncio.timeout_at(share):
                    return await self._start(endpoint, share)
            except (errors.Unreachable, errors.NotSungrow) as error:
                troubles.append(error)
            except (OSError, EOFError) as error:  # a timeout, too
                where = address(self._host, endpoint.socket_port)
                troubles.append(errors.Silent(f"{where} does not answer like a WiNet-S. {error}"))
            except BaseException:
                await self.close()
                raise
            await self.close()
        raise self._worst(troubles, candidates)

    def _worst(
        self, troubles: Sequence[errors.InverterError], tried: Sequence[Endpoint]
    ) -> errors.InverterError:
        """The trouble that tells most: anything is more telling than a closed port."""
        telling = [one for one in troubles if not isinstance(one, errors.PortClosed)]
        if telling:
            return telling[0]
        ports = " and ".join(str(endpoint.socket_port) for endpoint in tried)
        return errors.PortClosed(
            f"{self._host} is there, but port {ports} is closed. {_CLOSED}"
            if len(tried) == 1
            else f"{self._host} is there, but its ports {ports} are closed. {_CLOSED}"
        )

    async def _start(self, endpoint: Endpoint, deadline: float) -> WinetSession:
        credentials = account(self._username, self._password) if self._login else None
        socket = WebSocket(await self._connect(endpoint, endpoint.socket_port, deadline))
        where = address(self._host, endpoint.socket_port)
        try:
            accepted = await socket.open(where, _WEB_SOCKET)
        except BaseException:
            await socket.close()
            raise
        if not accepted:
            await socket.close()
            raise errors.NotSungrow(
                f"{where} has a web server, but not that of a WiNet-S dongle. Check "
                f"inverter.host and inverter.port."
            )
        self._endpoint = endpoint
        self._session = session = WinetSession(
            socket, credentials, where, self._ping_every, lambda: self._trust.accept(self._host)
        )
        await session.start()
        if self._memory.get(ENDPOINT) != str(endpoint):
            self._memory[ENDPOINT] = str(endpoint)
        if session.logged_in and not self._password and not self._said_factory:
            self._said_factory = True
            log.info(
                "Logged in to %s with the factory account %s, for inverter.password is not set",
                self._host,
                self._username or DEFAULT_USER,
            )
        return session

    async def _connect(self, endpoint: Endpoint, port: int, deadline: float) -> Streams:
        """A connection to the device we know, before anything is sent over it."""
        tls = self._trust.context() if endpoint.tls else None
        try:
            streams = await open_streams(self._host, port, deadline, _CLOSED, tls)
        except ssl.SSLCertVerificationError:
            raise self._trust.untrusted(self._host) from None
        except ssl.SSLError as error:
            raise errors.ConnectionLost(
                f"{address(self._host, port)} is open, but TLS with it failed ({error.reason})."
            ) from None
        self.connects += 1
        try:
            if tls is not None:
                self._trust.check(streams[1].get_extra_info("ssl_object"), self._host)
        except BaseException:
            streams[1].transport.abort()
            raise
        return streams

    async def _renewed(self, session: WinetSession, deadline: float) -> WinetSession:
        """A session with a new token: over the same WebSocket, else over a new one."""
        if not session.over:
            clock = asyncio.get_running_loop().time
            try:
                async with asyncio.timeout_at(clock() + (deadline - clock()) / 2):
                    await session.renew()
            except (OSError, EOFError):
                if not session.over:
                    await self.close()
            else:
                return session
        return await self._opened(deadline)

    async def _ask(
        self, session: WinetSession, block: Block, unit: int, deadline: float
    ) -> tuple[int, str, Message]:
        """Result code, message and data of one request for registers."""
        device = session.device(unit)
        if device is None:
            listed = ", ".join(f"{one.id} ({one.model})" for one in session.devices)
            raise errors.WrongUnit(
                f"The dongle at {self._host} serves no unit {unit}; it lists "
                f"{listed or 'no device at all'}."
            )
        target = "/device/getParam?" + urlencode(
            {
                "dev_id": device.id,
                "dev_type": device.type,
                "dev_code": device.code,
                "type": 3,
                "param_addr": block.start,
                "param_num": block.count,
                "param_type": 0 if block.space is Space.INPUT else 1,
                "token": session.token,
                "lang": LANGUAGE,
                "time123456": int(self._now()),
            }
        )
        self.requests += 1
        http = await self._get(target, deadline)
        if http.status in (401, 403):
            return NOT_AUTHORISED, f"HTTP {http.status}", {}
        if http.status != 200:
            return 0, f"HTTP {http.status}", {}
        if http.cut:
            raise EOFError("the answer is too long")
        answer = message_of(http.text)
        if answer is None:
            raise EOFError("the answer is not JSON")
        return *result_of(answer, session.secrets), data_of(answer)

    async def _get(self, target: str, deadline: float) -> HttpAnswer:
        """GET over the kept connection; over a new one if the device has closed that one."""
        kept = self._http
        if kept is not None:
            try:
                if await kept.is_idle():
                    return await kept.exchange("GET", target, _ACCEPT)
            except (OSError, EOFError):
                if kept.heard:
                    raise
            self._http = None
            kept.close()
        endpoint = self._endpoint
        if endpoint is None:
            raise EOFError
        streams = await self._connect(endpoint, endpoint.http_port, deadline)
        where = address(self._host, endpoint.http_port)
        self._http = HttpConnection(streams, where, LONGEST)
        return await self._http.exchange("GET", target, _ACCEPT)

    async def _failure(
        self, session: WinetSession, block: Block, unit: int, code: int, reason: str
    ) -> errors.InverterError:
        if code in (TOKEN_EXPIRED, NOT_AUTHORISED):
            return errors.Busy(
                f"{self._host} does not accept its own new session ({reason}, code {code}): "
                f"another client uses it. Close the dongle's web page and other programs."
            )
        if not code or (block, unit) not in self._failed:  # no code: HTTP itself failed
            self._failed.add((block, unit))
            return errors.Busy(
                f"{self._host} could not read registers {block.start}–{block.end} "
                f"({reason}, code {code}). It is tried again."
            )
        await session.refresh_devices()
        device = session.device(unit)
        if device is not None and not device.linked:
            return errors.Silent(
                f"The dongle at {self._host} answers, but the device behind it (unit {unit}, "
                f"{device.model}) does not: it is switched off, or sleeps until the sun is back."
            )
        return errors.Refused(f"{reason} (code {code})")
