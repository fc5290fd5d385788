"""The encrypted port of an older WiFi dongle, in front of simulated devices.

Written from the description of the wire, not from the transport that reads it, so that a mistake
in one does not cancel itself out in the other.
"""

import asyncio
import secrets
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from Cryptodome.Cipher import AES

from sungather.simulator.frontend import FrontEnd
from sungather.simulator.modbus import Answer, ModbusRequest, answer_frame

_KEY_QUESTION = struct.pack(">BBHH", 247, 4, 2791, 8)
_PUBLIC_HALF = b"Grow#0*2Sun68CbE"


class KeyAnswer(StrEnum):
    """What comes back when a client asks for the key."""

    KEY = "key"
    ZEROS = "zeros"
    ONES = "ones"
    EXCEPTION = "exception"
    SHORT = "short"
    SILENCE = "silence"
    CLOSE = "close"


class OldKey(StrEnum):
    """What a request gets that is encrypted with the key of another day."""

    GARBAGE = "garbage"
    SILENCE = "silence"
    CLOSE = "close"


@dataclass
class EncryptedFaults:
    """Switches of the simulated dongle; they may be turned while it runs."""

    key_answer: KeyAnswer = KeyAnswer.KEY
    """Anything but KEY: a device without encryption, which speaks plain Modbus."""
    new_connection: bool = False
    """Encrypted requests are answered only on a connection that did not ask for the key."""
    ignores_same_connection: bool = False
    """With `new_connection`: such requests are left unanswered instead of cut off."""
    old_key: OldKey = OldKey.GARBAGE
    silent: bool = False
    """No request for registers is answered any more."""
    close_on_read: bool = False
    """Every request for registers is met with a closed connection."""
    foreign_before_key: bool = False
    """An answer meant for another client comes before the key."""
    noise: bytes = b""
    """Sent instead of an answer."""


class EncryptedServer(FrontEnd):
    """A dongle that passes requests on to `read`.

    `async with EncryptedServer(read) as server:` listens on `server.port`.
    """

    def __init__(
        self,
        read: Callable[[ModbusRequest], Answer],
        host: str = "127.0.0.1",
        port: int = 0,
        faults: EncryptedFaults | None = None,
    ) -> None:
        super().__init__(host, port)
        self.read = read
        self.faults = faults or EncryptedFaults()
        self.key_questions = 0
        self.encrypted_requests = 0
        self._half = secrets.token_bytes(16)

    def new_day(self) -> None:
        """Change the key, as the device does with the calendar day."""
        self._half = secrets.token_bytes(16)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one client until it or a fault ends the connection."""
        asked_for_key = False
        while True:
            start = await reader.readexactly(4)
            if start[:2] == b"\x01\x00" and self.faults.key_answer is KeyAnswer.KEY:
                sealed = await reader.readexactly(start[2] + start[3])
                answer = self._encrypted_answer(sealed, start[2], asked_for_key)
            else:
                size = await reader.readexactly(2)
                pdu = await reader.readexactly(int.from_bytes(size, "big"))
                if pdu == _KEY_QUESTION:
                    asked_for_key = True
                    answer = self._key_answer(start[:2])
                elif self.faults.key_answer is KeyAnswer.KEY:
                    answer = b""  # whoever does not encrypt is not heard
                else:
                    answer = self._plain_answer(start + size + pdu)
            if answer is None:
                return
            writer.write(answer)
            await writer.drain()

    def _key_answer(self, transaction: bytes) -> bytes | None:
        self.key_questions += 1
        key = b"\xf7\x04\x10" + self._half
        body = {
            KeyAnswer.KEY: key,
            KeyAnswer.ZEROS: b"\xf7\x04\x10" + bytes(16),
            KeyAnswer.ONES: b"\xf7\x04\x10" + b"\xff" * 16,
            KeyAnswer.EXCEPTION: b"\xf7\x84\x02",
            KeyAnswer.SHORT: b"\xf7\x04\x02\x12\x34",
            KeyAnswer.SILENCE: b"",
            KeyAnswer.CLOSE: None,
        }[self.faults.key_answer]
        if not body:
            return body
        foreign = _mbap(b"\x12\x34", b"\x01\x04\x02\x00\x07")
        before = foreign if self.faults.foreign_before_key else b""
        return before + _mbap(transaction, body)

    def _encrypted_answer(self, sealed: bytes, length: int, asked_for_key: bool) -> bytes | None:
        if self.faults.new_connection and asked_for_key:
            return b"" if self.faults.ignores_same_connection else None
        half = zip(self._half, _PUBLIC_HALF, strict=True)
        # The stub leaves the counter mode's argument untyped; ECB has none.
        cipher = AES.new(bytes(a ^ b for a, b in half), AES.MODE_ECB)  # pyright: ignore[reportUnknownMemberType]
        frame = cipher.decrypt(sealed)[:length]
        self.encrypted_requests += 1
        if frame[:4] != b"\x68\x68\x00\x00":
            if self.faults.old_key is OldKey.GARBAGE:
                return b"\x01\x00\x0c\x04" + secrets.token_bytes(16)
            return None if self.faults.old_key is OldKey.CLOSE else b""
        answer = self._plain_answer(frame)
        if not answer or self.faults.noise:
            return answer
        pad = 16 - len(answer) % 16
        sealed = cipher.encrypt(answer + b"\xff" * pad)
        return bytes([1, 0, len(answer), pad]) + sealed

    def _plain_answer(self, frame: bytes) -> bytes | None:
        if self.faults.noise:
            return self.faults.noise
        if self.faults.close_on_read:
            return None
        return b"" if self.faults.silent else answer_frame(frame, self.read)


def _mbap(transaction: bytes, body: bytes) -> bytes:
    return transaction + bytes([0, 0, 0, len(body)]) + body
