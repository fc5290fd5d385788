"""A home with all kinds of devices, served until stdin closes; for tests in a network namespace.

Then it prints, as JSON, how many connections each host and port has seen.
"""

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from ssl import SSLContext

from sungather.simulator import (
    HTTP_SERVER,
    Faults,
    Server,
    device_named,
    home_manager,
    logger,
    serve,
    stranger,
)
from sungather.simulator.certificate import throwaway_context
from sungather.simulator.encrypted import EncryptedServer
from sungather.simulator.frontend import FrontEnd, reads_from
from sungather.simulator.mdns import Announcer
from sungather.simulator.winet import Dongle, Firmware, WinetPort

PREFIX = "10.66.0."


async def serve_home(stack: AsyncExitStack, tls: SSLContext) -> list[Server | FrontEnd]:
    """Hosts .11 to .22, on their real ports."""
    hybrid = device_named("SH10RT")
    behind_dongle = device_named("SH8.0RT", path="dongle")
    string_inverter = device_named("SG10RT")
    slave = device_named("SH10RT", serial="A2310715999")
    for device in (hybrid, behind_dongle, string_inverter, slave):
        device.read("input", 4989, 1)  # lives through its first days now, not when asked
    new = Dongle(reads_from({1: behind_dongle}))
    old = Dongle(reads_from({1: string_inverter}), Firmware.WINET_S)
    front_ends: list[FrontEnd] = [
        WinetPort(new, f"{PREFIX}12", 443, tls),
        WinetPort(old, f"{PREFIX}13", 8082),
        WinetPort(old, f"{PREFIX}13", 80),
        EncryptedServer(reads_from({1: string_inverter}), f"{PREFIX}14", 502),
    ]
    for front_end in front_ends:
        await stack.enter_async_context(front_end)
    silent, web_server = Faults(silent=True), Faults(banner=HTTP_SERVER)
    servers = [
        await serve(hybrid, host=f"{PREFIX}11", port=502),
        await serve(behind_dongle, host=f"{PREFIX}12", port=502),
        await serve(stranger(), host=f"{PREFIX}15", port=502),
        await serve(hybrid, host=f"{PREFIX}16", port=502, faults=web_server),
        await serve(hybrid, host=f"{PREFIX}17", port=502, faults=silent),
        await serve(
            {2: slave}, host=f"{PREFIX}18", port=502, faults=Faults(unknown_unit="silent")
        ),
    ]
    gone = Faults(unknown_unit="silent")
    servers += [
        await serve({247: home_manager(hybrid)}, host=f"{PREFIX}19", port=503, faults=gone),
        await serve(
            {1: string_inverter, 2: string_inverter, 247: logger([string_inverter] * 2)},
            host=f"{PREFIX}20",
            port=502,
            faults=Faults(silent=True, units=frozenset({1, 2})),
        ),
        await serve(hybrid, host=f"{PREFIX}22", port=516, tls=tls),
    ]
    echo = await asyncio.start_server(_echo, f"{PREFIX}21", 502)
    await stack.enter_async_context(echo)
    announcer = Announcer(f"{PREFIX}12", code=0x0E0D, serial="A2280800001", model="SH8.0RT")
    await announcer.listen()
    stack.callback(announcer.close)
    for server in servers:
        await stack.enter_async_context(server)
    return [*front_ends, *servers]


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1000):
        writer.write(data)
    writer.close()


async def main() -> None:
    async with AsyncExitStack() as stack:
        everything = await serve_home(stack, throwaway_context())
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)
        print(json.dumps({f"{one.host}:{one.port}": one.connections for one in everything}))


if __name__ == "__main__":
    asyncio.run(main())
