"""A session at a WiNet-S: connect, login and device list over its WebSocket.

One request is outstanding at a time. Between request and answer the device sends notices, which
are sorted out here.
"""

import asyncio
import contextlib
import json
import logging
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import cast

from sungather import errors
from sungather.transports.winet_messages import Message, Splicer, data_of, result_of
from sungather.transports.winet_wire import WebSocket
from sungather.untrusted import fit_to_show

log = logging.getLogger(__name__)

SUCCESS = 1
SESSION_OVER = 100
"""Result code of the notice that ends a session."""
TOKEN_EXPIRED = 106
NOT_AUTHORISED = 401
LANGUAGE = "en_us"
PING_EVERY = 8.0
"""Seconds of quiet after which other clients send "ping"; without it some firmware hangs up."""
FACTORY_ACCOUNTS = {"user": "pw1111", "admin": "pw8888"}
"""The accounts that every dongle is delivered with; in the manufacturer's manuals."""
_LONGEST_NAME = 40
_LONGEST_TOKEN = 1024
_TOKENS_HIDDEN = 4
"""So many of the newest tokens are hidden where the device sends them back."""
_ALL_DEVICES = {"type": "0", "is_check_token": "0"}

DEFAULT_USER = "user"


class Generation(StrEnum):
    """Kinds of firmware, told apart by their answer to "connect"."""

    WINET_S = "WiNet-S"
    WINET_S2 = "WiNet-S2"
    WITH_LOGIN = "WiNet-S with login"
    """Firmware since August 2024, of either model."""


@dataclass(frozen=True, slots=True)
class ListedDevice:
    """A device that the dongle serves."""

    id: int
    """The unit under which its registers are asked for."""
    type: int
    """21 string inverter, 35 hybrid inverter, 44 battery, …"""
    code: int
    """Device type code, as register 5000 has it for an inverter."""
    serial: str
    model: str
    address: int
    """The device's own unit on the bus behind the dongle."""
    linked: bool
    """Whether the dongle hears the device."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """User name and password; see `account`."""

    username: str
    password: str


def account(username: str, password: str) -> Credentials:
    """The given account, with the factory's where parts are not set.

    Raises:
        LoginRefused: a user name that the factory does not know, without a password.
    """
    username = username or DEFAULT_USER
    if not password and username not in FACTORY_ACCOUNTS:
        raise errors.LoginRefused(
            f"inverter.username is {username}, but inverter.password is not set."
        )
    return Credentials(username, password or FACTORY_ACCOUNTS[username])


class Rejected(Exception):
    """The device answered a request with something other than success."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{message or 'no reason given'} (code {code})")
        self.code = code
        self.limit = "limit" in message.lower()
        """Too many sessions."""


class WinetSession:
    """One session over one WebSocket, whose opening handshake is done.

    Without credentials it goes as far as it can without a login.

    `connected` is called when the other side has shown to be a WiNet-S, before any login.
    """

    def __init__(
        self,
        socket: WebSocket,
        credentials: Credentials | None,
        host: str,
        ping_every: float = PING_EVERY,
        connected: Callable[[], None] | None = None,
    ) -> None:
        self.token = ""
        self._tokens: deque[str] = deque(maxlen=_TOKENS_HIDDEN)
        """The newest ones, from the moment at which they arrive."""
        self.generation = Generation.WINET_S
        self.devices: tuple[ListedDevice, ...] = ()
        self.over = ""
        """Why the session cannot be used any more; "" while it can."""
        self.rival = False
        """The device ended the session, and not because it lasted too long."""
        self.logged_in = False
        self._socket = socket
        self._connected = connected
        self._account = credentials
        self._host = host
        self._ping_every = ping_every
        self._splicer = Splicer()
        self._waiting: tuple[str, asyncio.Future[Message]] | None = None
        self._listener = asyncio.create_task(self._listen())

    @property
    def secrets(self) -> tuple[str, ...]:
        """What the device knows of us, and could send back."""
        return (self._account.password if self._account else "", self.token, *self._tokens)

    async def start(self) -> None:
        """Connect, log in if this firmware wants that, and ask which devices there are.

        Raises:
            Busy: there are too many sessions.
            NotSungrow: this is a stranger.
            LoginRefused: the account is wrong, or locked.
            EOFError: the session ended.
        """
        await self.renew()
        if self._account is None and self.generation is Generation.WITH_LOGIN:
            return
        try:
            await self._list_devices()
        except Rejected as error:
            refused = error.code in (TOKEN_EXPIRED, NOT_AUTHORISED)
            if self.logged_in or self._account is None or not refused:
                raise self._busy(error) from None
            await self._login(self._account)
            await self.refresh_devices()

    async def renew(self) -> None:
        """Get a token that the register requests take; errors as of `start`."""
        await self._connect()
        wanted = self.generation is Generation.WITH_LOGIN or self.logged_in
        if wanted and self._account is not None:
            await self._login(self._account)

    async def refresh_devices(self) -> None:
        """Ask again which devices there are.

        Raises:
            Busy: there are too many sessions.
            EOFError: the session ended.
        """
        try:
            await self._list_devices()
        except Rejected as error:
            raise self._busy(error) from None

    async def _connect(self) -> None:
        self.token = ""
        try:
            data = await self.request("connect")
        except Rejected as error:
            raise self._busy(error) from None
        token = _name(data.get("token"), longest=_LONGEST_TOKEN)
        if not token:
            raise errors.NotSungrow(
                f"{self._host} answers, but not as a WiNet-S dongle. Check inverter.host."
            )
        self.token = token
        if "forceModifyPasswd" in data:
            self.generation = Generation.WITH_LOGIN
        elif "ip" in data:
            self.generation = Generation.WINET_S2
        if self._connected is not None:
            self._connected()

    async def _login(self, credentials: Credentials) -> None:
        user, password = credentials.username, credentials.password
        try:
            data = await self.request("login", username=user, passwd=password)
        except Rejected as error:
            if error.limit:
                raise self._busy(error) from None
            raise errors.LoginRefused(
                f"{self._host} refused to log {user} in: {error}. Check inverter.username and "
                f"inverter.password; they are those of the dongle's web page."
            ) from None
        self.logged_in = True
        self.token = _name(data.get("token"), longest=_LONGEST_TOKEN) or self.token

    async def _list_devices(self) -> None:
        data = await self.request("devicelist", **_ALL_DEVICES)
        entries = data.get("list")
        found = cast(list[object], entries) if isinstance(entries, list) else []
        listed = (
            _listed_device(cast(Message, one), self.secrets)
            for one in found
            if isinstance(one, dict)
        )
        self.devices = tuple(device for device in listed if device is not None)

    async def request(self, service: str, **fields: str) -> Message:
        """`result_data` of the answer.

        Raises:
            Rejected: the answer is no success.
            EOFError: the session ended.
        """
        if self.over:
            raise EOFError(self.over)
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting = service, answer
        message = {"lang": LANGUAGE, "token": self.token, "service": service, **fields}
        try:
            await self._socket.send(json.dumps(message, separators=(",", ":")))
            result = await answer
        finally:
            self._waiting = None
        code, reason = result_of(result, self.secrets)
        if code != SUCCESS:
            raise Rejected(code, reason)
        return data_of(result)

    def device(self, unit: int) -> ListedDevice | None:
        """The device to ask for a unit: by the dongle's numbers, else by the device's own."""
        by_id = (one for one in self.devices if one.id == unit)
        by_address = (one for one in self.devices if one.address == unit)
        return next(by_id, None) or next(by_address, None)

    async def close(self) -> None:
        """End the session."""
        self._listener.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._listener
        self._end("closed")
        await self._socket.close()

    def _busy(self, error: Rejected) -> errors.Busy:
        return errors.Busy(
            f"{self._host} gives no session: {error}. Log out of the dongle's web page and "
            f"close other programs that read it; it is tried again."
        )

    async def _listen(self) -> None:
        """Take everything that the device sends, and keep the session awake."""
        try:
            while True:
                try:
                    async with asyncio.timeout(self._ping_every):
                        text = await self._socket.receive()
                except TimeoutError:
                    await self._socket.send("ping")
                    continue
                answer = self._splicer.feed(text)
                if answer is not None:
                    self._take(answer)
        except (OSError, EOFError) as error:
            self._end(fit_to_show(str(error), self.secrets) or "the device closed the session")

    def _take(self, answer: Message) -> None:
        if token := _name(data_of(answer).get("token"), longest=_LONGEST_TOKEN):
            # Whoever waits for it goes on later than what has arrived right behind it.
            self._tokens.append(token)
        code, reason = result_of(answer, self.secrets)
        service = data_of(answer).get("service")
        timed_out = "login timeout" in reason.lower()
        if timed_out or (code == SESSION_OVER and service in ("notice", None)):
            log.debug("%s ended the session: %s (code %d)", self._host, reason, code)
            self.rival = not timed_out
            self._end(reason or "the device ended the session")
        elif service == "notice" or self._waiting is None:
            log.debug("%s sent a notice: %s (code %d)", self._host, reason, code)
        elif service in (self._waiting[0], None) and not self._waiting[1].done():
            self._waiting[1].set_result(answer)

    def _end(self, why: str) -> None:
        self.over = self.over or why
        if self._waiting is not None and not self._waiting[1].done():
            self._waiting[1].set_exception(EOFError(self.over))


def _listed_device(entry: Message, secrets: Iterable[str]) -> ListedDevice | None:
    numbers = [_number(entry.get(key)) for key in ("dev_id", "dev_type", "dev_code")]
    if numbers[0] < 0:
        return None
    return ListedDevice(
        id=numbers[0],
        type=numbers[1],
        code=numbers[2],
        serial=_name(entry.get("dev_sn"), secrets),
        model=_name(entry.get("dev_model"), secrets),
        address=_number(entry.get("phys_addr")),
        linked=_number(entry.get("link_status", 1)) != 0,
    )


def _number(value: object) -> int:
    """A number that some firmware writes as text; -1 if it is none."""
    try:
        return int(value) if isinstance(value, int | str) else -1
    except ValueError:
        return -1


def _name(value: object, secrets: Iterable[str] = (), longest: int = _LONGEST_NAME) -> str:
    """A short text of one line; "" for anything else."""
    text = value.strip() if isinstance(value, str) else ""
    return text if text == fit_to_show(text, secrets, longest) else ""
