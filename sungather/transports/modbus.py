"""Modbus/TCP (`inverter.connection: modbus`, or inside TLS `modbus-tls`), over one connection.

Frames and PDUs are pymodbus's. The connection is asyncio's own, because three facts about these
devices need it: why a connect failed, that the socket was closed while an answer was awaited,
and that a dongle hands out answers meant for other clients.
"""

import asyncio
import contextlib
import logging
import random
import ssl
from collections.abc import Sequence

from pymodbus.exceptions import ModbusException
from pymodbus.framer import FramerSocket
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadInputRegistersRequest,
)

from sungather import errors
from sungather.registers import Block, Space
from sungather.transports import wire_address
from sungather.transports.connect import Streams, address, open_streams
from sungather.transports.tls_port import ONLY_ENCRYPTED, TlsPort, is_open

# Every dropped foreign answer would be an ERROR line; they are counted instead.
logging.getLogger("pymodbus").setLevel(logging.CRITICAL)

MODBUS_WIDEST = 125  # registers in one frame, Modbus application protocol V1.1b3, 6.3

_REQUESTS: dict[Space, type[ReadHoldingRegistersRequest]] = {
    Space.INPUT: ReadInputRegistersRequest,
    Space.HOLDING: ReadHoldingRegistersRequest,
}
_CONTENTION = {
    4: "device failure",
    5: "acknowledge",
    6: "device busy",
    10: "gateway path unavailable",
    11: "no answer behind the gateway",
}
_GATEWAY = (10, 11)
_PORT_CLOSED = (
    "Check inverter.port, and switch Modbus on in the inverter (installer menu: Local access → "
    "Communication; after a firmware update switch it off and on again), or open port 502, 503 or "
    "504 of an iHomeManager (iSolarCloud, with installer rights: Settings → Common → System "
    "parameters), with SSL off."
)
_KNOCK = 1.0
"""Seconds in which a further port must open: a host that is there says at once if it is closed."""


_KNOCK_AGAIN = 600.0
_TLS_CLOSED = "Check inverter.port: only newer firmware has encrypted Modbus, on port 516."


class ModbusTransport:
    """One Modbus/TCP connection; see `Transport` for what the methods promise."""

    name = "modbus"
    widest = MODBUS_WIDEST

    def __init__(
        self,
        host: str,
        port: int,
        timeout: float,
        further: Sequence[int] = (),
        tls: TlsPort | None = None,
    ) -> None:
        """`further` ports are tried while the first is closed, or nothing has answered there.

        `tls`: the frames go through TLS.
        """
        if tls is not None:
            self.name = "modbus-tls"
        self._tls = tls
        self._knock_at = 0.0
        """When a closed port is next a reason to look at that of encrypted Modbus."""
        self._tls_is_open = False
        """Whether that one was open then."""
        self.connects = 0
        self.requests = 0
        self.foreign = 0
        """Answers dropped because they belong to another client."""
        self._host = host
        self._first = port
        self._ports = [port, *further]
        """The one that is used comes first."""
        self._answered = False
        """Whether anything was ever answered on that port."""
        self._timeout = timeout
        self._framer = FramerSocket(DecodePDU(is_server=False))
        # A dongle can hand us the answer to somebody else's request: clients that all count
        # from 1 would believe it.
        self._transaction = random.randrange(1, 0xFFFF)  # noqa: S311 (not for secrecy)
        self._streams: Streams | None = None

    @property
    def address(self) -> str:
        """Host and port as messages name them."""
        return address(self._host, self._ports[0])

    async def connect(self) -> None:
        """Open the connection unless it is open."""
        await self._open(self._deadline())

    async def read(self, block: Block, unit: int) -> Sequence[int]:
        """Read one block; one deadline covers connecting, sending and the answer.

        Raises:
            Unreachable: nobody listens, or one of its kinds: `Silent`, `ConnectionLost`,
                `NotModbus`; the connection is closed.
            Busy: exceptions 4, 5, 6, 10 and 11.
            Refused: any other exception.
        """
        deadline = self._deadline()
        streams = await self._open(deadline)
        try:
            async with asyncio.timeout_at(deadline):
                answer = await self._exchange(streams, block, unit)
            self._answered = True
            if self._tls is not None:
                told = f"exception {answer.exception_code}" if answer.isError() else "words"
                self._tls.answered(f"unit {unit}, register {block.start}: {told}", self._host)
            return self._registers(answer, block)
        except ssl.SSLError as error:
            await self.close()
            if self._tls is None:
                raise
            raise self._tls.refused(error, self._host) from None
        except TimeoutError:
            where = self.address
            await self.close()
            raise errors.Silent(
                f"{where} accepts connections, but did not answer a Modbus request "
                f"within {self._timeout:g} s. Check that Modbus is enabled in the inverter "
                f"(installer menu: Local access → Communication), that the unit id {unit} is "
                f"right, and that no other program uses the connection."
            ) from None
        except (OSError, EOFError, ModbusException) as error:
            where, known = self.address, self._answered
            await self.close()
            if self._tls is not None and not known:
                raise self._tls.refused(error, self._host) from None
            raise errors.ConnectionLost(
                f"{where} broke off while it was asked for registers "
                f"{block.start}–{block.end}{f' ({error})' if str(error) else ''}. The inverter "
                f"accepts very few clients at a time; close other programs that read it."
            ) from error
        except errors.NotModbus:
            await self.close()
            raise

    async def close(self) -> None:
        """Close the connection; harmless when closed.

        Where nothing was ever answered, another port is next: an iHomeManager takes one client
        on each of its own.
        """
        if self._streams is None:
            return
        _, writer = self._streams
        self._streams = None
        if not self._answered:
            self._ports.append(self._ports.pop(0))
        # abort, not close: a device that has gone silent would keep a polite close waiting.
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self._timeout

    async def _open(self, deadline: float) -> Streams:
        if self._streams is not None:
            return self._streams
        first_error: errors.Unreachable | None = None
        for port in self._ports:
            is_first = port == self._first
            knock = asyncio.get_running_loop().time() + _KNOCK
            patience = deadline if is_first else min(deadline, knock)
            try:
                self._streams = await self._open_port(port, patience)
            except errors.Unreachable as error:
                if not is_first:
                    continue
                if not isinstance(error, errors.PortClosed | errors.ConnectionLost):
                    raise  # nobody is there
                first_error = error
            else:
                break
        else:
            if isinstance(first_error, errors.PortClosed) and await self._only_encrypted():
                there = str(first_error).partition(". ")[0]
                raise errors.PortClosed(f"{there}. {ONLY_ENCRYPTED}")
            raise first_error or errors.Unreachable(f"Nothing answers at {self.address}.")
        at = self._ports.index(port)
        self._answered = self._answered and not at
        self._ports = [*self._ports[at:], *self._ports[:at]]
        self.connects += 1
        return self._streams

    async def _open_port(self, port: int, deadline: float) -> Streams:
        if self._tls is None:
            return await open_streams(self._host, port, deadline, _PORT_CLOSED)
        try:
            context = self._tls.context()
            streams = await open_streams(self._host, port, deadline, _TLS_CLOSED, context)
        except ssl.SSLError as error:
            raise self._tls.refused(error, self._host) from None
        try:
            self._tls.check(streams[1].get_extra_info("ssl_object"), self._host)
        except errors.InverterError:
            streams[1].transport.abort()
            raise
        return streams

    async def _only_encrypted(self) -> bool:
        """Whether the usual port is closed and that of encrypted Modbus open; rarely looked at."""
        now = asyncio.get_running_loop().time()
        if self._tls is not None or len(self._ports) == 1:
            return False
        if now >= self._knock_at:
            self._knock_at = now + _KNOCK_AGAIN
            self._tls_is_open = await is_open(self._host)
        return self._tls_is_open

    def _request(self, block: Block, unit: int) -> ModbusPDU:
        """The next request, counted and with its transaction id."""
        self._transaction = self._transaction % 0xFFFF + 1
        self.requests += 1
        return _REQUESTS[block.space](
            address=wire_address(block.start),
            count=block.count,
            dev_id=unit,
            transaction_id=self._transaction,
        )

    async def _exchange(self, streams: Streams, block: Block, unit: int) -> ModbusPDU:
        """Send one request and wait for the answer that belongs to it."""
        reader, writer = streams
        request = self._request(block, unit)
        asked = self._framer.buildFrame(request)
        writer.write(asked)
        await writer.drain()
        pending = b""
        while True:
            received = await reader.read(4096)
            if not received:
                raise EOFError
            pending += received
            while len(pending) >= FramerSocket.MIN_SIZE:
                self._check_header(pending)
                length = 6 + int.from_bytes(pending[4:6], "big")
                if len(pending) < length:
                    break
                frame, pending = pending[:length], pending[length:]
                if frame == asked:
                    raise errors.NotModbus(
                        f"{self.address} answers with our own request, an echo: it is no inverter "
                        "but perhaps a gateway with nothing behind it. Check inverter.host."
                    )
                answer = self._parse(frame, request)
                if answer is not None:
                    return answer

    def _check_header(self, pending: bytes) -> None:
        """Refuse what cannot be a Modbus/TCP frame before waiting for the rest of it."""
        length = int.from_bytes(pending[4:6], "big")
        if pending[2:4] != b"\0\0" or not 2 <= length <= 260:
            raise errors.NotModbus(
                f"{self.address} is open, but what answers does not speak Modbus. Check "
                f"inverter.host and inverter.port (Modbus is 502 on nearly every inverter)."
            )

    def _parse(self, frame: bytes, request: ModbusPDU) -> ModbusPDU | None:
        """The answer to `request`, or None for a frame that belongs to somebody else."""
        if int.from_bytes(frame[:2], "big") != request.transaction_id:
            self.foreign += 1
            return None
        _, answer = self._framer.handleFrame(frame, request.dev_id, request.transaction_id)
        if answer is None or answer.function_code & 0x7F != request.function_code:
            self.foreign += 1
            return None
        return answer

    def _registers(self, answer: ModbusPDU, block: Block) -> Sequence[int]:
        if isinstance(answer, ExceptionResponse):
            code = answer.exception_code
            if code in _CONTENTION:
                error = errors.UnitSilent if code in _GATEWAY else errors.Busy
                raise error(
                    f"{self.address} is busy (Modbus exception {code}, {_CONTENTION[code]}): "
                    f"another program is reading the inverter, or inverter.unit is wrong. "
                    f"Close the other program, or wait: it is tried again."
                )
            raise errors.Refused(errors.Refused.REASONS.get(code, f"Modbus exception {code}"))
        if len(answer.registers) < block.count:
            raise EOFError(f"answered {len(answer.registers)} of {block.count} registers")
        return answer.registers[: block.count]
