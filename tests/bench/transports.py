"""Figures of the three transports, each in a process of its own."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from sungather.simulator import device_named, serve
from sungather.simulator.certificate import throwaway_context
from sungather.simulator.encrypted import EncryptedServer
from sungather.simulator.frontend import reads_from
from sungather.simulator.winet import Dongle, WinetPort
from tests.bench.figures import Figure

CYCLES = 1000
READS = 3
"""Requests of one cycle."""


async def transports() -> list[Figure]:
    """CPU, memory, connections and file descriptors of encrypted Modbus and of the web API."""
    device = device_named("SH10RT")
    device.read("input", 4989, 10)
    reads = reads_from({1: device})
    renewing = Dongle(reads)
    renewing.faults.token_life = READS
    plain = await _client("modbus", await serve(device))
    encrypted = await _client("sungrow", EncryptedServer(reads))
    web = await _client("http", WinetPort(Dongle(reads), tls=throwaway_context()))
    renewed = await _client("http", WinetPort(renewing, tls=throwaway_context()))
    return [
        Figure("encrypted: connections", encrypted["connects"], 1),
        Figure("encrypted: CPU, as against plain", encrypted["cpu"] / plain["cpu"], 1.5, "×"),
        Figure("http: connections (one WebSocket, one HTTP)", web["connects"], 2),
        Figure("http: RSS above modbus", web["rss"] - plain["rss"], 6, "MB"),
        Figure("http: CPU a request", web["cpu"] / (CYCLES * READS) * 1000, None, "ms"),
        Figure(
            f"http: further file descriptors after {renewing.logins - 1} token renewals",
            renewed["descriptors"],
            0,
        ),
    ]


class _Served(Protocol):
    port: int


async def _client(
    connection: str, server: AbstractAsyncContextManager[_Served]
) -> dict[str, float]:
    async with server as served:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.bench.transport_client",
            connection,
            str(served.port),
            str(CYCLES),
            stdout=PIPE,
        )
        answer, _ = await process.communicate()
    return json.loads(answer)
