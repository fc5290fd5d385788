"""What pretends to be a WiNet-S, and sends too much, too little at a time, or nonsense."""

import asyncio
import json
from contextlib import suppress
from typing import Any, cast

import pytest
from wsproto import ConnectionType, WSConnection, events

from sungather.transports import winet_messages
from sungather.transports.winet_messages import Splicer, result_of
from sungather.transports.winet_session import Credentials, WinetSession
from sungather.transports.winet_wire import LONGEST, WebSocket
from tests.support import OtherTask


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Lengths of the texts that were parsed."""
    lengths: list[int] = []
    real = winet_messages.parsed_json

    def counted(text: str) -> object:
        lengths.append(len(text))
        return real(text)

    monkeypatch.setattr(winet_messages, "parsed_json", counted)
    return lengths


@pytest.mark.parametrize("piece", ["}", '"}', "{", "[", " ", '"', "\\", "{}", '{"a":"}"}'])
def test_the_work_for_a_message_in_many_pieces_grows_with_its_length_alone(
    piece: str, parsed: list[int]
) -> None:
    splicer = Splicer()
    pieces = ['{"x":[', *[piece] * 20_000]
    with suppress(EOFError):
        for text in pieces:
            splicer.feed(text)
    assert sum(parsed) <= 2 * sum(map(len, pieces))


def test_a_message_of_single_characters_comes_out_whole() -> None:
    message = {"result_code": 1, "result_msg": 'a "}" \\ {[ '}
    splicer = Splicer()
    found = [splicer.feed(sign) for sign in json.dumps(message)]
    assert found == [None] * (len(found) - 1) + [message]


@pytest.mark.parametrize("piece", ["x" * 1000, "[" * 1000], ids=["text", "brackets"])
def test_a_message_in_pieces_without_end_is_given_up_at_the_same_bound(piece: str) -> None:
    splicer = Splicer()
    splicer.feed('{"x":["')
    for _ in range(LONGEST // len(piece) - 1):
        assert splicer.feed(piece) is None
    with pytest.raises(EOFError, match="too long"):
        splicer.feed(2 * piece)


def test_nesting_without_end_is_no_message() -> None:
    assert Splicer().feed('{"result_code":' + "[" * 10_000 + "]" * 10_000 + "}") is None


class _Writer:
    """The sending half of a connection to nowhere."""

    def __init__(self) -> None:
        self.sent = b""

    def write(self, data: bytes) -> None:
        """Take it."""
        self.sent += data

    async def drain(self) -> None:
        """Have it sent at once."""


async def flooded_with(frames: bytes) -> WebSocket:
    """An open WebSocket for which these bytes have arrived already; then it was closed."""
    reader, writer = asyncio.StreamReader(), _Writer()
    socket = WebSocket(cast(Any, (reader, writer)))
    opening = asyncio.create_task(socket.open("dongle", "/ws"))
    await asyncio.sleep(0)
    device = WSConnection(ConnectionType.SERVER)
    device.receive_data(writer.sent)
    reader.feed_data(device.send(events.AcceptConnection()))
    assert await opening
    reader.feed_data(frames)
    reader.feed_eof()
    return socket


@pytest.mark.parametrize(
    ("begin", "frame"),
    [(b"", b"\x89\x00"), (b"\x01\x00", b"\x00\x00"), (b"", b"\x81\x00"), (b"", b"\x81\x01{")],
    ids=["pings", "empty fragments", "empty messages", "messages of one byte"],
)
async def test_a_flood_of_tiny_frames_lets_others_work_in_between(
    begin: bytes, frame: bytes
) -> None:
    frames = begin + frame * 20_000
    socket = await flooded_with(frames)
    async with OtherTask() as other:
        with suppress(EOFError):
            while True:
                await socket.receive()
    assert other.turns >= len(frames) // 4096


async def test_a_message_without_end_is_given_up_at_its_bound() -> None:
    socket = await flooded_with(b"\x01\x00" + b"\x00\x01x" * (LONGEST + 1))
    with pytest.raises(EOFError, match="too long"):
        await socket.receive()


def test_what_the_device_says_is_one_line_without_our_secrets() -> None:
    answer = {"result_code": 7, "result_msg": "no\n\x1b[31mERROR pass-word " + "x" * 200}
    code, said = result_of(answer, ["pass-word"])
    assert code == 7
    assert said.startswith("no [31mERROR (secret) x")
    assert len(said) <= 80
    assert result_of({"result_msg": {"a": ["b"]}}) == (0, "")
    for code in (10**4000, -(10**4000), 1e999, "1", [1]):
        assert result_of({"result_code": code}) == (0, "")


async def test_the_words_of_a_dongle_that_hangs_up_are_one_line_without_our_secrets() -> None:
    reason = b"bye\n\x1b[31mERROR pass-word"
    socket = await flooded_with(bytes([0x88, len(reason) + 2]) + b"\x03\xe8" + reason)
    session = WinetSession(socket, Credentials("user", "pass-word"), "dongle")
    with pytest.raises(EOFError):
        await session.start()
    assert session.over == "bye [31mERROR (secret)"


async def test_a_dongle_that_hangs_up_with_our_token_does_not_have_it_shown() -> None:
    """It gave the token; whoever has it reads the dongle as we do."""
    greeting = json.dumps(
        {"result_code": 1, "result_data": {"service": "connect", "token": "to-ken"}}
    ).encode()
    reason = b"bye\n\x1b[31mERROR to-ken"
    socket = await flooded_with(
        bytes([0x81, len(greeting)])
        + greeting
        + bytes([0x88, len(reason) + 2])
        + (b"\x03\xe8" + reason)
    )
    session = WinetSession(socket, None, "dongle")
    with pytest.raises(EOFError):
        await session.start()
    assert session.over == "bye [31mERROR (secret)"
