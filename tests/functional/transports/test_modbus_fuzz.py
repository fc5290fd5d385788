"""Whatever bytes come from the other side, the transport ends in words or in one of our errors."""

import asyncio
import struct
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sungather import errors
from sungather.registers import Block, Space
from sungather.transports.modbus import ModbusTransport

BLOCK = Block(Space.INPUT, 5000, 3)
Reply = Callable[[bytes], bytes]


def talk(reply: Reply) -> list[int] | errors.InverterError:
    """Ask once a device that answers with `reply(request)` and closes the connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(reply(await reader.readexactly(12)))
            await writer.drain()
        except (OSError, EOFError):
            pass
        finally:
            writer.close()

    async def ask() -> list[int] | errors.InverterError:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            transport = ModbusTransport("127.0.0.1", port, timeout=5)
            try:
                return list(await transport.read(BLOCK, unit=1))
            except errors.InverterError as error:
                return error
            finally:
                await transport.close()

    return asyncio.run(ask())


def framed(request: bytes, pdu: bytes) -> bytes:
    """A frame that belongs to the request."""
    return request[:4] + struct.pack(">H", len(pdu) + 1) + request[6:7] + pdu


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_end_in_an_error_of_ours(noise: bytes) -> None:
    answer = talk(lambda request: noise)
    assert isinstance(answer, errors.InverterError)


@pytest.mark.parametrize("length", [0, 1, 261, 60_000, 65_535])
def test_a_frame_longer_than_any_is_not_waited_for(length: int) -> None:
    answer = talk(lambda request: request[:4] + struct.pack(">H", length) + b"\1\4")
    assert isinstance(answer, errors.NotModbus)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=253))
def test_any_pdu_in_a_right_frame_ends_in_words_or_an_error(pdu: bytes) -> None:
    answer = talk(lambda request: framed(request, pdu))
    if not isinstance(answer, errors.InverterError):
        assert len(answer) == BLOCK.count
        assert pdu[0] == 4


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 0xFFFF), min_size=3, max_size=3), st.binary(max_size=40))
def test_words_behind_foreign_frames_are_found(words: list[int], foreign: bytes) -> None:
    pdu = bytes([4, 6]) + struct.pack(">3H", *words)

    def reply(request: bytes) -> bytes:
        other = bytes([request[0] ^ 0x55]) + request[1:]
        return framed(other, b"\4" + foreign) + framed(request, pdu)

    assert talk(reply) == words
