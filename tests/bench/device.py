"""A simulated SH10RT in a process of its own: prints its port, serves until it is terminated.

Within the measuring process it would compete with the daemon for the same moments.
"""

import asyncio
import contextlib
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator

from sungather.simulator import device_named, serve


@contextlib.asynccontextmanager
async def device_apart() -> AsyncGenerator[int]:
    """The port of such a device."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", __name__, stdout=PIPE)
    try:
        if process.stdout is None:
            raise ValueError("the device's port is needed")
        yield int(await process.stdout.readline())
    finally:
        process.terminate()
        await process.wait()


async def _serve() -> None:
    async with await serve(device_named("SH10RT")) as server:
        print(server.port, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve())
