"""Reads through one transport and prints what that cost: CONNECTION PORT CYCLES."""

import asyncio
import json
import os
import sys
import time
from datetime import date
from pathlib import Path

from sungather.options.configuration import load
from sungather.registers import Block, Space
from sungather.transports.factory import open_transport
from tests.bench.figures import rss_megabytes

BLOCKS = (
    Block(Space.INPUT, 13000, 100),
    Block(Space.INPUT, 5000, 50),
    Block(Space.INPUT, 13001, 40),
)


def descriptors() -> int:
    """Open files and sockets of this process."""
    return len(list(Path("/proc/self/fd").iterdir()))


async def main(connection: str, port: str, cycles: int) -> None:
    """Read all blocks `cycles` times over one transport."""
    texts = ["inverter.host=127.0.0.1", f"inverter.port={port}"]
    (options,) = load(None, [*texts, f"inverter.connection={connection}"]).inverters
    transport = open_transport(options, {}, date.today)
    for block in BLOCKS:
        await transport.read(block, 1)
    open_before, used_before = descriptors(), time.process_time()
    for _ in range(cycles):
        for block in BLOCKS:
            await transport.read(block, 1)
    print(
        json.dumps(
            {
                "cpu": time.process_time() - used_before,
                "rss": rss_megabytes(os.getpid()),
                "connects": transport.connects,
                "descriptors": descriptors() - open_before,
            }
        )
    )
    await transport.close()


asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
