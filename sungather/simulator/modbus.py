"""Modbus/TCP as a server sees it: strict in what it takes, pure, without sockets."""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

HEADER = struct.Struct(">HHHB")
"""Transaction id, protocol (0), length of what follows this field, unit."""

SPACES = {3: "holding", 4: "input"}
"""The two functions that are answered; everything else, writes too, is refused."""

WIDEST = 125
"""Most registers that one Modbus reply can carry."""


class ExceptionCode(IntEnum):
    """Modbus exceptions that Sungrow devices and their dongles are known to send."""

    ILLEGAL_FUNCTION = 1
    ILLEGAL_ADDRESS = 2
    ILLEGAL_VALUE = 3
    DEVICE_FAILURE = 4
    ACKNOWLEDGE = 5
    DEVICE_BUSY = 6
    MEMORY_PARITY = 8
    GATEWAY_PATH = 10
    GATEWAY_TARGET = 11


Answer = list[int] | ExceptionCode
"""Words of a block, or why there are none."""


class Readable(Protocol):
    """What a server serves: `SimulatedDevice`, or anything with words."""

    def read(self, space: str, wire_address: int, count: int) -> Answer:
        """Words of a block, or why there are none."""
        ...


class ForeignFrame(Exception):
    """What came is no Modbus/TCP frame; a server can only close the connection."""


@dataclass(frozen=True, slots=True)
class ModbusRequest:
    """One frame from a client. `problem` tells why it cannot be a read that we answer."""

    transaction: int
    unit: int
    function: int
    wire: int = 0
    count: int = 0
    problem: ExceptionCode | None = None

    @property
    def space(self) -> str:
        """Either "input" or "holding"; a request with a problem has none."""
        return SPACES[self.function]

    @property
    def start(self) -> int:
        """First register, documented number."""
        return self.wire + 1


def body_length(header: bytes) -> int:
    """Bytes that follow the 7 bytes of `header`.

    Raises:
        ForeignFrame: The header belongs to another protocol.
    """
    _, protocol, length, _ = HEADER.unpack(header)
    if protocol != 0 or not 2 <= length <= 254:
        raise ForeignFrame
    return length - 1


def parse_request(header: bytes, body: bytes) -> ModbusRequest:
    """The request in a frame whose header passed `body_length`."""
    transaction, _, _, unit = HEADER.unpack(header)
    function = body[0]
    if function not in SPACES:
        problem = ExceptionCode.ILLEGAL_FUNCTION
        return ModbusRequest(transaction, unit, function, problem=problem)
    if len(body) != 5:
        problem = ExceptionCode.ILLEGAL_VALUE
        return ModbusRequest(transaction, unit, function, problem=problem)
    wire, count = struct.unpack(">HH", body[1:])
    problem = None
    if not 1 <= count <= WIDEST:
        problem = ExceptionCode.ILLEGAL_VALUE
    elif wire + count > 0x10000:
        problem = ExceptionCode.ILLEGAL_ADDRESS
    return ModbusRequest(transaction, unit, function, wire, count, problem)


def words_reply(
    request: ModbusRequest, words: Sequence[int], transaction: int | None = None
) -> bytes:
    """A reply with `words`, under the request's transaction id unless told another."""
    data = struct.pack(f">{len(words)}H", *words)
    body = bytes([request.function, len(data)]) + data
    tid = request.transaction if transaction is None else transaction
    return HEADER.pack(tid, 0, len(body) + 1, request.unit) + body


def exception_reply(request: ModbusRequest, code: ExceptionCode) -> bytes:
    """A reply that refuses the request."""
    body = bytes([request.function | 0x80, code])
    return HEADER.pack(request.transaction, 0, len(body) + 1, request.unit) + body


def reply(request: ModbusRequest, answer: Answer) -> bytes:
    """A well-formed reply with words or with an exception."""
    if isinstance(answer, ExceptionCode):
        return exception_reply(request, answer)
    return words_reply(request, answer)


def answer_frame(frame: bytes, read: Callable[[ModbusRequest], Answer]) -> bytes:
    """The reply to one whole frame, for front ends with a wrapping of their own.

    Raises:
        ForeignFrame: `frame` is no whole Modbus/TCP frame.
    """
    header, body = frame[: HEADER.size], frame[HEADER.size :]
    if len(header) < HEADER.size or body_length(header) != len(body):
        raise ForeignFrame
    request = parse_request(header, body)
    return reply(request, read(request) if request.problem is None else request.problem)
