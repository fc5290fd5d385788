"""Who is known to be there before anybody is connected to."""

import asyncio
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sungather import errors, mdns
from sungather.device.neighbours import Announced, announced, by_hardware_address, sungrows
from sungather.mdns import DnsRecord, Message, Question, name_of, parsed, written
from sungather.registers import Block, Space
from sungather.simulator.mdns import answer
from sungather.transports.modbus import ModbusTransport

QUERY = b"\x12\x34" + bytes(10)
DONGLE = answer(QUERY, "192.168.1.9", code=0x0E0D, serial="A2280800001", model="SH8.0RT")


def test_a_dongle_tells_model_and_serial_number_of_its_inverter() -> None:
    assert announced(DONGLE, "192.168.1.9") == Announced(
        "192.168.1.9", "WiNet-S", "SH8.0RT", "A2280800001"
    )


def test_the_case_of_an_instance_does_not_matter_and_others_are_left_alone() -> None:
    http = name_of("_http._tcp.local")

    def said(label: str) -> Announced | None:
        record = DnsRecord(http, mdns.PTR, target=(label, *http))
        return announced(written(Message(records=(record,), is_answer=True)), "10.0.0.1")

    assert said("WINET-WEBSERVER 2") == Announced("10.0.0.1")
    assert said("Printer of winet-webserver.example") is None


def test_texts_of_strangers_are_short_and_printable() -> None:
    evil = answer(QUERY, "10.0.0.1", code=1, serial="\x1b[31m" + "A" * 99, model="\n")
    found = announced(evil, "10.0.0.1")
    assert found is not None
    assert found.serial.isprintable()
    assert len(found.serial) <= 40
    assert found.model == ""


@given(st.binary(max_size=200))
def test_any_packet_is_a_message_or_none(data: bytes) -> None:
    try:
        parsed(data)
    except ValueError:
        return


@given(st.integers(0, len(DONGLE) - 1), st.integers(0, 255))
def test_a_packet_with_a_wrong_byte_ends_nothing(at: int, byte: int) -> None:
    announced(DONGLE[:at] + bytes([byte]) + DONGLE[at + 1 :], "10.0.0.1")


def test_a_name_that_points_to_itself_ends() -> None:
    with pytest.raises(ValueError, match="nowhere"):
        parsed(bytes([0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xC0, 12, 0, 12, 0, 1]))


def test_what_is_written_is_read_again() -> None:
    instance = ("Sun.Gather", *name_of("_http._tcp.local"))
    message = Message(
        (Question(name_of("_http._tcp.local"), mdns.PTR, unicast=True),),
        (
            DnsRecord(name_of("_http._tcp.local"), mdns.PTR, target=instance),
            DnsRecord(instance, mdns.SRV, target=("host", "local"), port=8080),
            DnsRecord(instance, mdns.TXT, texts=("path=/", "version=1")),
            DnsRecord(("host", "local"), mdns.A, address="192.168.1.2"),
        ),
        is_answer=True,
        number=7,
    )
    assert parsed(written(message)) == message


def _neighbour(address: str, hardware: str) -> bytes:
    """As rtnetlink(7) has it: header, ndmsg, NDA_DST, NDA_LLADDR padded to four bytes."""
    body = struct.pack("=BBHiHBB", socket.AF_INET, 0, 0, 2, 2, 0, 1)
    body += struct.pack("=HH", 8, 1) + socket.inet_aton(address)
    if hardware:
        body += struct.pack("=HH", 10, 2) + bytes.fromhex(hardware) + b"\0\0"
    return struct.pack("=IHHII", 16 + len(body), 28, 2, 1, 0) + body


def test_neighbours_of_sungrow_are_known_by_their_hardware_address() -> None:
    part = (
        _neighbour("192.168.1.7", "ac199f000001")
        + _neighbour("192.168.1.8", "001122334455")
        + _neighbour("192.168.1.9", "")  # asked for in vain
        + _neighbour("192.168.1.10", "ac199f000002")
    )
    assert sungrows(part) == {"192.168.1.7", "192.168.1.10"}


@given(st.binary(max_size=200))
def test_no_list_of_neighbours_holds_up_or_raises(part: bytes) -> None:
    sungrows(part)
    sungrows(_neighbour("192.168.1.7", "ac199f000001")[:-3] + part)


def test_the_kernel_tells_its_neighbours() -> None:
    assert isinstance(by_hardware_address(), set)


async def test_an_echo_is_called_an_echo() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(100))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        transport = ModbusTransport("127.0.0.1", port, 5)
        with pytest.raises(errors.NotModbus, match="own request, an echo"):
            await transport.read(Block(Space.INPUT, 4990, 10), 1)
        await transport.close()
