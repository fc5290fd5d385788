"""Encrypted Modbus/TCP of older WiFi dongles (`inverter.connection: sungrow`).

Ordinary Modbus/TCP whose frames are wrapped in AES-128-ECB. The device gives its half of the key
in clear to whoever asks, the other half is a constant of the manufacturer's app, and there is no
integrity check: this protects nothing, it is merely what the device speaks. A device without
encryption is read in plain Modbus on the same connection.
"""

import asyncio
from collections.abc import Callable
from datetime import date
from typing import Protocol

from Cryptodome.Cipher import AES
from pymodbus.pdu import ModbusPDU

from sungather.registers import Block
from sungather.transports.connect import Streams
from sungather.transports.modbus import ModbusTransport

ENCRYPTED_WIDEST = 100
"""Registers in one read: a frame's length is one byte here, so 125 do not fit."""

KEY_REQUEST = bytes.fromhex("686800000006F7040AE70008")
"""Input registers 2792–2799 of unit 247, always in clear."""
APP_KEY = b"Grow#0*2Sun68CbE"
"""The half of the key that the manufacturer's app holds; public."""

_MARK = KEY_REQUEST[:2]  # stands for the transaction id in every encrypted frame
_BLOCK = 16
_NO_KEYS = (b"\x00" * _BLOCK, b"\xff" * _BLOCK)


class Cipher(Protocol):
    """AES with a key, one direction as good as the other."""

    def encrypt(self, plaintext: bytes, /) -> bytes:
        """Whole blocks of 16 bytes."""
        ...

    def decrypt(self, ciphertext: bytes, /) -> bytes:
        """Whole blocks of 16 bytes."""
        ...


class _WrongKey(Exception):
    """A reply makes no sense after decryption: the device has changed its key."""


def session_cipher(device_key: bytes) -> Cipher:
    """The cipher from the 16 bytes that the device gave."""
    key = bytes(a ^ b for a, b in zip(device_key, APP_KEY, strict=True))
    # The stub leaves the counter mode's argument untyped; ECB has none.
    return AES.new(key, AES.MODE_ECB)  # pyright: ignore[reportUnknownMemberType]


def wrap(frame: bytes, cipher: Cipher) -> bytes:
    """A Modbus/TCP frame (at most 255 bytes) as it goes over the wire."""
    pad = _BLOCK - len(frame) % _BLOCK
    body = _MARK + frame[2:] + b"\xff" * pad
    return bytes((1, 0, len(frame), pad)) + cipher.encrypt(body)


class SungrowTransport(ModbusTransport):
    """One connection, encrypted if the device wants it; see `Transport`.

    `today` gives the local date: the device changes its key with the calendar day. Encrypted
    replies carry no transaction id, so one request is in flight at a time, and a connection on
    which an answer is still outstanding is never used again.
    """

    name = "sungrow"
    widest = ENCRYPTED_WIDEST

    def __init__(
        self, host: str, port: int, timeout: float, today: Callable[[], date] = date.today
    ) -> None:
        super().__init__(host, port, timeout)
        self._today = today
        self._key_day: date | None = None
        self._cipher: Cipher | None = None
        self._untried = False  # no reply could be decrypted with this key yet
        self._reconnects = False  # learned: the device wants a new connection for its key

    @property
    def encrypted(self) -> bool:
        """Whether the device answered with a key when it was last connected to."""
        return self._cipher is not None

    async def _open(self, deadline: float) -> Streams:
        if self._streams is not None and self._key_day == self._today():
            return self._streams
        await self.close()
        streams = await super()._open(deadline)
        self._key_day = self._today()
        self._cipher = None
        try:
            # Half of the time, so that a device that ignores the question can still be read.
            now = asyncio.get_running_loop().time()
            async with asyncio.timeout_at(now + (deadline - now) / 2):
                key = await self._ask_key(streams)
        except (TimeoutError, OSError, EOFError):
            await self.close()
            return await super()._open(deadline)
        except BaseException:
            await self.close()
            raise
        if key is None:
            return streams
        self._cipher = session_cipher(key)
        self._untried = not self._reconnects
        return await self._reopen(deadline) if self._reconnects else streams

    async def _reopen(self, deadline: float) -> Streams:
        """A new connection that goes on with the present key."""
        await self.close()
        return await super()._open(deadline)

    async def _ask_key(self, streams: Streams) -> bytes | None:
        """The device's half of the key; None when it has none."""
        reader, writer = streams
        writer.write(KEY_REQUEST)
        await writer.drain()
        while True:
            header = await reader.readexactly(6)
            self._check_header(header)
            body = await reader.readexactly(int.from_bytes(header[4:6], "big"))
            if header[:2] == _MARK:
                break
            self.foreign += 1
        # unit, function, byte count, key; an exception or an answer in brief is shorter
        key = body[3:]
        return key if len(key) == _BLOCK and key not in _NO_KEYS else None

    async def _exchange(self, streams: Streams, block: Block, unit: int) -> ModbusPDU:
        if self._cipher is None:
            return await super()._exchange(streams, block, unit)
        try:
            if self._untried:
                return await self._first_exchange(self._cipher, block, unit)
            return await self._encrypted(self._cipher, block, unit)
        except _WrongKey:
            return await self._with_new_key(block, unit)
        except asyncio.CancelledError:
            await self.close()
            raise

    async def _first_exchange(self, cipher: Cipher, block: Block, unit: int) -> ModbusPDU:
        """The first request with a key: some devices take it only on a new connection."""
        try:
            async with asyncio.timeout(self._timeout / 3):
                return await self._encrypted(cipher, block, unit)
        except (TimeoutError, OSError, EOFError):
            await self._reopen(self._deadline())
        answer = await self._encrypted(cipher, block, unit)
        self._reconnects = True
        return answer

    async def _with_new_key(self, block: Block, unit: int) -> ModbusPDU:
        """The device's day turned before ours: ask for the key again and repeat, once."""
        await self.close()
        streams = await self._open(self._deadline())
        if self._cipher is None:
            return await super()._exchange(streams, block, unit)
        try:
            return await self._encrypted(self._cipher, block, unit)
        except _WrongKey:
            raise EOFError("the answer cannot be decrypted") from None

    async def _encrypted(self, cipher: Cipher, block: Block, unit: int) -> ModbusPDU:
        if self._streams is None:
            raise EOFError
        reader, writer = self._streams
        request = self._request(block, unit)
        frame = self._framer.buildFrame(request)
        writer.write(wrap(frame, cipher))
        await writer.drain()
        _, _, length, pad = await reader.readexactly(4)
        size = length + pad
        if not size or size % _BLOCK:
            raise EOFError("the answer is neither encrypted nor Modbus")
        answer = cipher.decrypt(await reader.readexactly(size))[:length]
        if answer[:4] != _MARK + b"\0\0":
            raise _WrongKey
        parsed = self._parse(frame[:2] + answer[2:], request)
        if parsed is None:
            raise EOFError("the answer belongs to another request")
        self._untried = False
        return parsed
