"""A simulated WiNet-S dongle: its web API in front of simulated devices, old firmware and new.

Both servers are here on any number of ports: a WebSocket for sessions and HTTP for registers.
"""

import asyncio
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from ssl import SSLContext
from typing import cast
from urllib.parse import parse_qs, urlsplit

import h11
import wsproto
from wsproto import events

from sungather.simulator.frontend import FrontEnd
from sungather.simulator.modbus import Answer, ExceptionCode, ModbusRequest

SESSION_PATH = "/ws/home/overview"
REGISTERS_PATH = "/device/getParam"
_FUNCTIONS = {"0": 4, "1": 3}

Message = dict[str, object]


class Firmware(StrEnum):
    """Generations, as their answer to "connect" tells them apart."""

    WINET_S = "winet-s"
    WINET_S2 = "winet-s2"
    WITH_LOGIN = "with-login"


@dataclass(frozen=True, slots=True)
class Listing:
    """A device in the dongle's list."""

    id: int
    type: int
    code: int
    serial: str
    model: str
    address: int

    def entry(self, linked: bool) -> Message:
        """As the device list shows it."""
        return {
            "id": self.id, "dev_id": self.id, "dev_code": self.code, "dev_type": self.type,
            "dev_procotol": 2, "inv_type": 0, "dev_sn": self.serial,
            "dev_name": f"{self.model}(COM1-{self.address:03})", "dev_model": self.model,
            "port_name": "COM1", "phys_addr": str(self.address), "logc_addr": str(self.id),
            "link_status": int(linked), "init_status": 1, "dev_special": "0", "list": [],
        }  # fmt: skip


SH10RT = Listing(1, 35, 0x0E03, "A2123456789", "SH10RT", 1)
BATTERY = Listing(2, 44, 0x20E8, "S2123456789", "SBR096", 200)
WALL_BOX = Listing(3, 48, 0x3F80, "C2123456789", "AC22E-01", 3)


class Cut(StrEnum):
    """How long messages are cut into pieces."""

    WHOLE = "whole"
    FRAMES = "frames"
    """Parts of one WebSocket message."""
    MESSAGES = "messages"
    """WebSocket messages of their own, none of which is JSON by itself."""


@dataclass
class WinetFaults:
    """Switches of the simulated dongle; they may be turned while it runs."""

    token_life: int | None = None
    """Register requests that a token is good for."""
    session_limit: int | None = None
    notices: int = 0
    """Notices pushed before every answer."""
    cut: Cut = Cut.WHOLE
    renews_in_place: bool = True
    """Whether a session may connect again; otherwise the dongle hangs up on it."""
    closes_http: bool = False
    """The connection is closed after every answer, without having said so."""
    breaks_http: bool = False
    """The connection is closed instead of an answer."""
    silent: bool = False
    silent_services: frozenset[str] = frozenset()
    linked: bool = True
    """Whether the dongle hears the devices behind it."""
    failing_reads: int = 0
    """So many reads fail before they work again."""
    body: bytes | None = None
    """Sent instead of every answer to a register request."""
    status: int = 200


@dataclass
class Dongle:
    """What all ports of a dongle share: sessions, tokens, devices and faults."""

    read: Callable[[ModbusRequest], Answer]
    firmware: Firmware = Firmware.WITH_LOGIN
    devices: Sequence[Listing] = (SH10RT,)
    accounts: Mapping[str, str] = field(
        default_factory=lambda: {"user": "pw1111", "admin": "pw8888"}
    )
    faults: WinetFaults = field(default_factory=WinetFaults)
    logins: int = 0
    asked: list[Mapping[str, str]] = field(default_factory=list[Mapping[str, str]])
    """Query parameters of all register requests."""
    pinged: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by a "ping"."""
    path: str = SESSION_PATH
    """Where the WebSocket is."""
    sessions: set["DongleSession"] = field(default_factory=set["DongleSession"])
    tokens: dict[str, int] = field(default_factory=dict[str, int])
    """Valid tokens, with the requests made with each."""

    def new_token(self, good: bool) -> str:
        """A token; `good` if registers may be read with it."""
        token = secrets.token_hex(16)
        if good:
            self.tokens[token] = 0
        return token

    def registers(self, query: Mapping[str, str]) -> Message:
        """The answer to one request for registers."""
        self.asked.append(query)
        token = query.get("token", "")
        life = self.faults.token_life
        if token not in self.tokens or (life is not None and self.tokens[token] >= life):
            self.tokens.pop(token, None)
            return {"result_code": 106, "result_msg": "I18N_COMMON_TOKEN_EXPIRED"}
        self.tokens[token] += 1
        words = self._words(query)
        if isinstance(words, ExceptionCode):
            return {"result_code": 301, "result_msg": "I18N_COMMON_READ_FAILED"}
        data = b"".join(word.to_bytes(2, "big") for word in words)
        text = "".join(f"{byte:02X} " for byte in data)
        return {"result_code": 1, "result_msg": "success", "result_data": {"param_value": text}}

    def _words(self, query: Mapping[str, str]) -> Answer:
        if self.faults.failing_reads:
            self.faults.failing_reads -= 1
            return ExceptionCode.DEVICE_FAILURE
        known = any(device.id == int(query["dev_id"]) for device in self.devices)
        if not self.faults.linked or not known:
            return ExceptionCode.GATEWAY_TARGET
        function = _FUNCTIONS[query["param_type"]]
        wire, count = int(query["param_addr"]) - 1, int(query["param_num"])
        return self.read(ModbusRequest(0, int(query["dev_id"]), function, wire, count))

    async def end_sessions(self, reason: str, code: int = 100) -> None:
        """Tell all sessions that they are over, and take their tokens away."""
        self.tokens.clear()
        for session in list(self.sessions):
            await session.push(reason, code)


class WinetPort(FrontEnd):
    """One port of a dongle, with both of its servers; with TLS if given a context."""

    def __init__(
        self,
        dongle: Dongle,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: SSLContext | None = None,
    ) -> None:
        super().__init__(host, port)
        self.dongle = dongle
        self._tls = tls

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a WebSocket or HTTP requests, as the first one wants it."""
        first = await reader.readexactly(1)
        if not first.isalpha():
            return  # no HTTP: a client that wants TLS on a port without
        head = first + await reader.readuntil(b"\r\n\r\n")
        if b"upgrade: websocket" not in head.lower():
            await self._serve_http(head, reader, writer)
            return
        session = DongleSession(self.dongle, writer)
        try:
            await session.serve(head, reader)
        finally:
            self.dongle.sessions.discard(session)

    async def _serve_http(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        protocol = h11.Connection(h11.SERVER)
        protocol.receive_data(head)
        target = ""
        while True:
            event = protocol.next_event()
            if event is h11.NEED_DATA:
                protocol.receive_data(await reader.read(65536))
            elif isinstance(event, h11.Request):
                target = event.target.decode("ascii")
            elif isinstance(event, h11.EndOfMessage):
                faults = self.dongle.faults
                answer = self._answer(target)
                if faults.silent:
                    continue
                if faults.breaks_http:
                    return
                response = h11.Response(
                    status_code=faults.status,
                    headers=[("Content-Length", str(len(answer))), ("Server", "WiNet")],
                )
                for part in (response, h11.Data(data=answer), h11.EndOfMessage()):
                    writer.write(protocol.send(part) or b"")
                await writer.drain()
                if faults.closes_http:
                    return
                protocol.start_next_cycle()
            elif isinstance(event, h11.ConnectionClosed):
                return

    def _answer(self, target: str) -> bytes:
        url = urlsplit(target)
        if url.path != REGISTERS_PATH:
            return b"<html>WiNet</html>"
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        answer = self.dongle.registers(query)
        body = self.dongle.faults.body
        return json.dumps(answer).encode() if body is None else body


class DongleSession:
    """One client's session, from the WebSocket's opening to its end."""

    def __init__(self, dongle: Dongle, writer: asyncio.StreamWriter) -> None:
        self._dongle = dongle
        self._writer = writer
        self._protocol = wsproto.WSConnection(wsproto.ConnectionType.SERVER)

    async def serve(self, head: bytes, reader: asyncio.StreamReader) -> None:
        """Answer until one side ends the session."""
        data = head
        while data:
            self._protocol.receive_data(data)
            for event in self._protocol.events():
                if not await self._take(event):
                    return
            data = await reader.read(65536)

    async def push(self, reason: str, code: int) -> None:
        """Send a notice."""
        await self._send_json(
            {"result_code": code, "result_msg": reason, "result_data": {"service": "notice"}}
        )

    async def _take(self, event: events.Event) -> bool:
        """Handle one event; False ends the session."""
        match event:
            case events.Request():
                if event.target != self._dongle.path:
                    await self._send(events.RejectConnection(status_code=404))
                    return False
                await self._send(events.AcceptConnection())
            case events.CloseConnection():
                await self._send(event.response())
                return False
            case events.TextMessage(data="ping"):
                self._dongle.pinged.set()
                await self._send(events.TextMessage(data="pong"))
            case events.TextMessage():
                return await self._answer(cast(Mapping[str, str], json.loads(event.data)))
            case _:
                pass
        return True

    async def _answer(self, message: Mapping[str, str]) -> bool:
        dongle, faults = self._dongle, self._dongle.faults
        service = message["service"]
        if faults.silent or service in faults.silent_services:
            return True
        again = self in dongle.sessions
        if service == "connect" and again and not faults.renews_in_place:
            return False
        for number in range(faults.notices):
            await self.push(f"notice {number}", 1)
        result = self._result(service, message)
        if isinstance(result, str):
            code = 106 if "token" in result else 100 if "limit" in result else 201
            await self._send_json(
                {"result_code": code, "result_msg": result, "result_data": {"service": service}}
            )
        else:
            data = {"service": service, **result}
            await self._send_json({"result_code": 1, "result_msg": "success", "result_data": data})
        return True

    def _result(self, service: str, message: Mapping[str, str]) -> Message | str:
        """`result_data` but for the service, or what went wrong."""
        dongle, faults = self._dongle, self._dongle.faults
        with_login = dongle.firmware is Firmware.WITH_LOGIN
        if service == "connect":
            others = len(dongle.sessions - {self})
            if faults.session_limit is not None and others >= faults.session_limit:
                return "normal user limit"
            dongle.sessions.add(self)
            result: Message = {"token": dongle.new_token(good=not with_login), "uid": 1}
            if dongle.firmware is not Firmware.WINET_S:
                result["ip"] = "192.0.2.7"
            if with_login:
                result["forceModifyPasswd"] = 0
            return result
        if service == "login":
            if dongle.accounts.get(message["username"]) != message["passwd"]:
                return "I18N_COMMON_LOGIN_FAILED"
            dongle.logins += 1
            return {"token": dongle.new_token(good=True), "uid": 1}
        if message["token"] not in dongle.tokens:
            return "invalid token"
        entries = [device.entry(faults.linked) for device in dongle.devices]
        return {"list": entries, "count": len(entries)}

    async def _send_json(self, message: Message) -> None:
        text = json.dumps(message)
        third = len(text) // 3
        parts = (text[:third], text[third : 2 * third], text[2 * third :])
        match self._dongle.faults.cut:
            case Cut.WHOLE:
                await self._send(events.TextMessage(data=text))
            case Cut.MESSAGES:
                for part in parts:
                    await self._send(events.TextMessage(data=part))
            case Cut.FRAMES:
                for part in parts:
                    last = part is parts[-1]
                    await self._send(events.TextMessage(data=part, message_finished=last))

    async def _send(self, event: events.Event) -> None:
        self._writer.write(self._protocol.send(event))
        await self._writer.drain()
