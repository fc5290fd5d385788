"""What clients send: every frame is answered with its own numbers, whatever is in it."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sungather.modbus_server.frames import NotAFrame, first_frame, parse_request
from sungather.registers import Block, Space

_NUMBERS = st.integers(0, 0xFFFF)


def framed(pdu: bytes, transaction: int = 1, unit: int = 1) -> bytes:
    return struct.pack(">HHHB", transaction, 0, len(pdu) + 1, unit) + pdu


@pytest.mark.parametrize(("function", "space"), [(3, Space.HOLDING), (4, Space.INPUT)])
def test_addresses_on_the_wire_are_one_below_the_documented_numbers(
    function: int, space: Space
) -> None:
    asked = parse_request(framed(struct.pack(">BHH", function, 12999, 48), 7, 247))
    assert asked.wanted == Block(space, 13000, 48)
    assert asked.answer([1, 0xFFFF]) == framed(bytes([function, 4, 0, 1, 255, 255]), 7, 247)


@given(
    pdu=st.binary(min_size=1, max_size=253),
    transaction=_NUMBERS,
    unit=st.integers(0, 255),
    more=st.binary(max_size=300),
)
def test_whatever_is_asked_is_answered_with_the_requests_own_numbers(
    pdu: bytes, transaction: int, unit: int, more: bytes
) -> None:
    frame = framed(pdu, transaction, unit)
    assert first_frame(frame + more) == frame
    for end in range(len(frame)):
        assert first_frame(frame[:end]) == b"", "the rest of it is waited for"
    asked = parse_request(frame)
    assert (asked.wanted is None) == bool(asked.refusal)
    answer = asked.exception(asked.refusal or 11)
    assert answer == framed(bytes([pdu[0] | 0x80, asked.refusal or 11]), transaction, unit)


@given(
    function=st.sampled_from([3, 4]), start=_NUMBERS, count=_NUMBERS, more=st.binary(max_size=2)
)
def test_only_ranges_that_there_can_be_are_read(
    function: int, start: int, count: int, more: bytes
) -> None:
    asked = parse_request(framed(struct.pack(">BHH", function, start, count) + more))
    if more or not 1 <= count <= 125:
        assert asked.refusal == 3
    elif start + count > 0x10000:
        assert asked.refusal == 2
    else:
        assert asked.wanted is not None
        assert (asked.wanted.start, asked.wanted.count) == (start + 1, count)


@given(header=st.binary(min_size=6, max_size=6))
def test_what_is_no_header_is_told_without_waiting_for_more(header: bytes) -> None:
    length = int.from_bytes(header[4:], "big")
    if header[2:4] == b"\0\0" and 2 <= length <= 254:
        assert len(first_frame(header + bytes(300))) == 6 + length
    else:
        with pytest.raises(NotAFrame):
            first_frame(header)
