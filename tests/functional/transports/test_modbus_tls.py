"""Modbus inside TLS on port 516: read, pinned, and reported without a serial number."""

import asyncio
import socket
import ssl
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from support import OPTIONS, daytime_zone

from sungather import errors
from sungather.daemon.assembly import pollers
from sungather.options.configuration import load
from sungather.registers import Block, Space
from sungather.simulator import device_named, serve
from sungather.simulator.certificate import self_signed, server_context, throwaway_context
from sungather.simulator.server import Server
from sungather.storage import MemoryStorage
from sungather.transports import modbus, tls_port
from sungather.transports.factory import open_transport
from sungather.transports.modbus import ModbusTransport
from sungather.transports.tls_port import MET
from sungather.transports.winet_endpoints import PIN

SERIAL = Block(Space.INPUT, 4990, 10)


async def box(tls: ssl.SSLContext | None = None) -> Server:
    return await serve(device_named("SH10RT"), tls=tls or throwaway_context())


async def read(server: Server, memory: dict[str, str], ca: str = "") -> None:
    options = replace(OPTIONS, port=server.port, connection="modbus-tls", tls_ca=ca)
    transport = open_transport(options, memory, date.today)
    try:
        assert len(await transport.read(SERIAL, 1)) == 10
    finally:
        await transport.close()


async def test_registers_are_read_and_the_first_certificate_is_trusted_from_then_on() -> None:
    memory: dict[str, str] = {}
    async with await box() as server:
        await read(server, memory)
        assert server.requests == [(1, "input", 4990, 10)]
    assert PIN in memory
    async with await box() as impostor:
        with pytest.raises(errors.CertificateChanged):
            await read(impostor, memory)
        assert impostor.requests == []  # nothing was sent to it


async def test_whoever_has_never_spoken_modbus_is_not_trusted() -> None:
    memory: dict[str, str] = {}

    async def web_server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    other = await asyncio.start_server(web_server, "127.0.0.1", 0, ssl=throwaway_context())
    async with other:
        options = replace(OPTIONS, port=other.sockets[0].getsockname()[1], connection="modbus-tls")
        transport = open_transport(options, memory, date.today)
        with pytest.raises((errors.NotModbus, errors.TlsRefused)):
            await transport.read(SERIAL, 1)
        await transport.close()
    assert PIN not in memory
    assert "TLSv1" in memory[MET]


async def test_a_certificate_of_ones_own_is_compared_with(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    async with await box(server_context(certificate, key)) as server:
        await read(server, {}, certificate.read_text())
    async with await box() as other:
        with pytest.raises(errors.CertificateUntrusted):
            await read(other, {}, certificate.read_text())


async def test_plain_modbus_on_the_port_is_said_and_not_spoken() -> None:
    async with await serve(device_named("SH10RT")) as plain:
        with pytest.raises((errors.TlsRefused, errors.ConnectionLost, errors.NoRoute)):
            await asyncio.wait_for(read(plain, {}), 10)
        assert plain.requests == []


async def test_a_device_that_wants_a_certificate_of_ours_is_named(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    wants = server_context(certificate, key)
    wants.verify_mode = ssl.CERT_REQUIRED
    wants.load_verify_locations(certificate)
    memory: dict[str, str] = {}
    async with await box(wants) as server:
        with pytest.raises(errors.TlsRefused, match="certificate"):
            await read(server, memory)
    assert "required" in memory[MET] or "closed without an answer" in memory[MET]


async def test_what_was_met_can_be_pasted_into_an_issue(tmp_path: Path) -> None:
    async with await box() as server:
        configuration = load(
            None,
            [
                "inverter.host=127.0.0.1",
                f"inverter.port={server.port}",
                "inverter.connection=modbus-tls",
                f"site.timezone={daytime_zone()}",
                f"storage.directory={tmp_path}",
            ],
        )
        (poller,) = pollers(configuration, storage=MemoryStorage())
        answer = await poller.test()
        await poller.inverter.close()
    report = answer.get("report", "")
    assert answer["success"]
    assert "TLSv1" in report
    assert "certificate of" in report
    assert "SH10RT" in report
    assert "result: read" in report
    assert answer["serial"]
    assert answer["serial"] not in report


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


async def test_502_closed_and_516_open_is_said_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with await box() as server:
        looks: list[str] = []

        async def at_the_servers(host: str) -> bool:
            looks.append(host)
            return await tls_port.is_open(host, server.port)

        monkeypatch.setattr(modbus, "is_open", at_the_servers)
        transport = ModbusTransport("127.0.0.1", closed_port(), 5, (closed_port(),))
        for _ in range(2):
            with pytest.raises(errors.PortClosed, match=r"516 is open.*SSL off.*modbus-tls"):
                await transport.read(SERIAL, 1)
        assert looks == ["127.0.0.1"]  # once, not at every scan
        assert server.requests == []
