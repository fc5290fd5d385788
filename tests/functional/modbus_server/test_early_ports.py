"""Ports that take root are opened before root is given up, and kept as long as they are wanted."""

import asyncio
import errno
import os
import socket
import sys

import pytest

from sungather.modbus_server import early_ports
from sungather.modbus_server.server import ModbusServer, ServedInverter
from sungather.options.all_options import ModbusServerOptions
from sungather.privileges import USER
from tests.real_parts import free_port

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may open such a port")


async def _greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"served")
    await writer.drain()
    writer.close()


async def reached(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return False
    writer.close()
    return True


async def test_a_port_serves_one_server_after_the_other_until_nobody_wants_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(early_ports, "FIRST_FREE", 0x10000)
    port = free_port()
    taken = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", port)
    early_ports.open_early("127.0.0.1", [port])
    assert early_ports.opened("127.0.0.1", port) == [], "it is left to the server to say why"
    assert not early_ports.lacks("127.0.0.1", [port]), "one more start would not help"
    early_ports.close_others("127.0.0.1", [])
    assert early_ports.lacks("127.0.0.1", [port]), "it is wanted anew"
    taken.close()
    await taken.wait_closed()
    early_ports.open_early("127.0.0.1", [port])
    for _ in range(2):
        (listener,) = early_ports.opened("127.0.0.1", port)
        server = await asyncio.start_server(_greet, sock=listener)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read() == b"served"
        writer.close()
        server.close()
    early_ports.close_others("127.0.0.1", [port])
    assert await reached(port), "the options still want it"
    early_ports.close_others("127.0.0.1", [])
    assert not await reached(port)


async def test_without_ipv6_the_other_addresses_are_opened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    create = socket.create_server

    def without_ipv6(where: tuple[str, int], *, family: int, backlog: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        return create(where, family=family, backlog=backlog)

    monkeypatch.setattr(early_ports, "FIRST_FREE", 0x10000)
    monkeypatch.setattr(socket, "create_server", without_ipv6)
    early_ports.open_early("", [0])
    (listener,) = early_ports.opened("", 0)
    listener.close()
    early_ports.close_others("", [])


async def test_ports_that_everybody_may_open_are_left_alone() -> None:
    early_ports.open_early("127.0.0.1", [5502])
    assert early_ports.opened("127.0.0.1", 5502) == []


async def test_a_port_that_takes_root_is_told_with_the_command_of_this_instance(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def not_root(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setenv("SNAP_INSTANCE_NAME", "sungather_two")
    monkeypatch.setattr(asyncio, "start_server", not_root)
    options = ModbusServerOptions(enabled=True, address="127.0.0.1", port=502)
    served = ServedInverter("roof", 502, NoUnits(), lambda: None, 30.0)
    server = ModbusServer(options, [served])
    running = asyncio.create_task(server.run())
    async with asyncio.timeout(30):
        while server.health().state == "starting":  # noqa: ASYNC110 (another task tries)
            await asyncio.sleep(0)
    running.cancel()
    assert "sudo snap restart sungather_two." in server.health().message


class NoUnits:
    """Serves nothing."""

    requests = 0

    def on_unit(self, unit: int) -> None:
        """No such unit."""

    def close(self) -> None:
        """Nothing to do."""


SERVES = f"""
import asyncio, os, socket, sys
from sungather.modbus_server.early_ports import open_early
from sungather.modbus_server.server import ModbusServer, ServedInverter
from sungather.options.all_options import ModbusServerOptions

class NoUnits:
    requests = 0

    def on_unit(self, unit):
        return None

    def close(self):
        pass

async def serve():
    options = ModbusServerOptions(enabled=True, address="127.0.0.1", port=502)
    served = ServedInverter("roof", 502, NoUnits(), lambda: None, 30.0)
    server = ModbusServer(options, [served])
    running = asyncio.create_task(server.run())
    while server.health().state == "starting":
        await asyncio.sleep(0)
    print(server.ports, os.geteuid(), server.health().state, server.health().message)
    running.cancel()

taken = socket.create_server(("127.0.0.1", 502)) if "taken" in sys.argv else None
open_early("127.0.0.1", [502])
os.setresuid(*({USER},) * 3)
asyncio.run(serve())
"""


async def serves(*words: str) -> str:
    """What is told in a network of its own, so that the port is free."""
    lo = 'ip link set lo up && exec "$@"'
    process = await asyncio.create_subprocess_exec(
        *("unshare", "--net", "sh", "-c", lo, "sh", sys.executable, "-c", SERVES, *words),
        stdout=asyncio.subprocess.PIPE,
    )
    told, _ = await process.communicate()
    return told.decode().strip()


@AS_ROOT
async def test_who_has_given_up_root_serves_on_port_502() -> None:
    assert await serves() == f"{{'roof': 502}} {USER} ok"


@AS_ROOT
async def test_that_another_has_the_port_is_told_and_not_that_root_is_missing() -> None:
    told = await serves("taken")
    assert told.startswith(f"{{}} {USER} blocked")
    assert ": Address already in use. " in told
    assert "stop what uses it" in told
    assert "sudo snap restart sungather." in told
