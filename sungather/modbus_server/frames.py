"""Requests of Modbus/TCP clients, and what is sent back; pure. Frames and PDUs are pymodbus's."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from pymodbus.framer import FramerSocket
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersResponse,
    ReadInputRegistersResponse,
)

from sungather.registers import Block, Space

# What a client sends is answered with an exception; it is no trouble of ours to be logged.
logging.getLogger("pymodbus").setLevel(logging.CRITICAL)

_HEADER = 6
"""Bytes of the header that come before those which it counts."""
_SHORTEST, _LONGEST = 2, 254
_RESPONSES: dict[int, tuple[Space, type[ModbusPDU]]] = {
    3: (Space.HOLDING, ReadHoldingRegistersResponse),
    4: (Space.INPUT, ReadInputRegistersResponse),
}
_READ_BYTES = 5
"""Bytes of a PDU that asks for registers."""
_HIGHEST = 0x10000
_framer = FramerSocket(DecodePDU(is_server=True))


class ModbusException(IntEnum):
    """Exception codes (Modbus application protocol V1.1b3, 7)."""

    ILLEGAL_FUNCTION = 1
    ILLEGAL_ADDRESS = 2
    ILLEGAL_VALUE = 3
    BUSY = 6
    NO_SUCH_UNIT = 10
    """Gateway path unavailable."""
    NO_ANSWER = 11
    """Gateway target device failed to respond."""


class NotAFrame(Exception):
    """What came is no Modbus/TCP; there is nobody to answer."""


@dataclass(frozen=True, slots=True)
class ClientRequest:
    """One request of a client."""

    transaction: int
    unit: int
    function: int
    wanted: Block | None
    """The registers that it wants to read; None where `refusal` says why not."""
    refusal: int = 0

    def answer(self, words: Sequence[int]) -> bytes:
        """The frame with these words."""
        _, response = _RESPONSES[self.function]
        return self._frame(response(registers=list(words)))

    def exception(self, code: int) -> bytes:
        """The frame with this exception."""
        return self._frame(ExceptionResponse(self.function & 0x7F, code))

    def _frame(self, pdu: ModbusPDU) -> bytes:
        pdu.dev_id, pdu.transaction_id = self.unit, self.transaction
        return _framer.buildFrame(pdu)


def first_frame(received: bytes) -> bytes:
    """The first whole frame of what was received; nothing if it is not all there.

    Raises:
        NotAFrame: These are not the first bytes of one.
    """
    if len(received) < _HEADER:
        return b""
    length = int.from_bytes(received[4:6], "big")
    if received[2:4] != b"\0\0" or not _SHORTEST <= length <= _LONGEST:
        raise NotAFrame
    return received[: _HEADER + length] if len(received) >= _HEADER + length else b""


def parse_request(frame: bytes) -> ClientRequest:
    """What a whole frame asks for. All but reading registers is refused: nothing is written."""
    _, unit, transaction, pdu = _framer.decode(frame)
    function = pdu[0]
    if function not in _RESPONSES:
        refusal = ModbusException.ILLEGAL_FUNCTION
        return ClientRequest(transaction, unit, function, None, refusal)
    asked = _framer.decoder.decode(pdu) if len(pdu) == _READ_BYTES else None
    if asked is None or not asked.count:
        return ClientRequest(transaction, unit, function, None, ModbusException.ILLEGAL_VALUE)
    if asked.address + asked.count > _HIGHEST:
        return ClientRequest(transaction, unit, function, None, ModbusException.ILLEGAL_ADDRESS)
    space, _ = _RESPONSES[function]
    # Documented register numbers are one above the addresses on the wire.
    wanted = Block(space, asked.address + 1, asked.count)
    return ClientRequest(transaction, unit, function, wanted)
