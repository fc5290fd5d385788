"""A daemon in a process of its own, as figures watch it."""

import contextlib
import os
import sys
import tempfile
from asyncio import create_subprocess_exec
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Daemon:
    """A `sungather run` that has had its first reading."""

    pid: int
    directory: Path
    """Where it keeps its state."""


@contextlib.asynccontextmanager
async def running_daemon(
    settings: Mapping[str, object], prepare: Callable[[Path], None] = lambda _: None
) -> AsyncGenerator[Daemon]:
    """Run it with these options, without the page unless they have it.

    Args:
        settings: key -> value, as for `--set`.
        prepare: is given the directory before the daemon starts.
    """
    with tempfile.TemporaryDirectory(prefix="sungather-bench-") as directory:
        prepare(Path(directory))
        own = {"storage.directory": directory, "web.enabled": "false", **settings}
        process = await create_subprocess_exec(
            *(sys.executable, "-I", "-m", "sungather", "run"),
            *(f"--set={key}={value}" for key, value in own.items()),
            stdout=DEVNULL,
            stderr=PIPE,
            env={**os.environ, "TZ": "Europe/Berlin"},
        )
        try:
            if process.stderr is None:
                raise ValueError("the daemon's log is needed")
            async for line in process.stderr:
                if b" is ok" in line:
                    break
            else:
                raise ValueError("the daemon ended")
            yield Daemon(process.pid, Path(directory))
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.communicate()
