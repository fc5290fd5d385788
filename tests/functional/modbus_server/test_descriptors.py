"""A crowd of Modbus clients on a machine that gives few file descriptors."""

import asyncio
import resource
import sys
from contextlib import suppress
from pathlib import Path
from subprocess import PIPE

from sungather.simulator import device_named, serve
from tests.real_parts import free_port

LONG = 60.0


def few() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))


async def test_with_64_file_descriptors_polling_goes_on_and_the_log_stays_small(
    tmp_path: Path,
) -> None:
    port = free_port()
    async with await serve(device_named("SH10RT")) as inverter:
        options = {
            "inverter.host": "127.0.0.1",
            "inverter.port": inverter.port,
            "inverter.scan-interval": 1,
            "web.address": "127.0.0.1",
            "web.port": free_port(),
            "modbus-server.enabled": "true",
            "modbus-server.address": "127.0.0.1",
            "modbus-server.port": port,
            "modbus-server.clients": 256,
            "storage.directory": tmp_path / "state",
        }
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "sungather", "run"),
            *(f"--set={name}={value}" for name, value in options.items()),
            stderr=PIPE,
            preexec_fn=few,
        )
        saying = asyncio.create_task(process.communicate())
        writers: list[asyncio.StreamWriter] = []

        async def come() -> None:
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(5):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                writers.append(writer)

        async def read(more: int) -> None:
            wanted = len(inverter.requests) + more
            while len(inverter.requests) < wanted:  # noqa: ASYNC110 (nothing tells)
                await asyncio.sleep(0.05)

        try:
            async with asyncio.timeout(LONG):
                await read(20)
                while not writers:
                    await come()
                for _ in range(3):
                    await asyncio.gather(*(come() for _ in range(100)))
                    await read(5)
        finally:
            process.kill()
            _, said = await saying
            for writer in writers:
                writer.close()
        assert b"Traceback" not in said
        assert len(said) < 3000, said
