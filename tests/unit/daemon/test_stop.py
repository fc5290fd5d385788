"""A stop: at any moment, whatever hangs."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sungather.daemon import assembly
from sungather.options.configuration import load

MOMENTS = {
    "while modules are loaded": """
class Stop:
    def find_spec(self, name, path=None, target=None):
        if name == "sungather.daemon.assembly":
            os.kill(os.getpid(), signal.SIGTERM)
sys.meta_path.insert(0, Stop())
""",
    "before the loop handles signals": """
from sungather.daemon import assembly
real = assembly.leave_threads_behind
def stop():
    os.kill(os.getpid(), signal.SIGTERM)
    real()
assembly.leave_threads_behind = stop
""",
    "while the outbox is opened": """
import asyncio
from sungather.daemon import assembly
async def stop(configuration):
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.sleep(60)
assembly.open_exporters = stop
""",
}


@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS.keys())
def test_a_daemon_that_is_stopped_before_it_has_begun_ends_well(
    moment: str, tmp_path: Path
) -> None:
    program = f"""
import os, signal, sys
from sungather.cli.command_line import main
{moment}
sys.exit(main(["run", "--set=inverter.host=127.0.0.1", "--set=web.enabled=false",
    "--set=storage.directory={tmp_path}"]))
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, timeout=60, check=False
    )
    assert (ended.returncode, b"Traceback" in ended.stderr) == (0, False), ended.stderr


async def test_one_deadline_holds_for_services_and_outbox_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[float] = []

    async def close(within: float) -> None:
        left.append(within)

    async def open_exporters(_: object) -> object:
        return SimpleNamespace(services=(), close=close)

    ended = asyncio.Event()

    async def hang(_: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        while not ended.is_set():
            try:
                await ended.wait()
            except asyncio.CancelledError:
                continue

    monkeypatch.setattr(assembly, "open_exporters", open_exporters)
    monkeypatch.setattr(cast(Any, assembly).Collector, "run", hang)
    monkeypatch.setattr(assembly, "leave_threads_behind", lambda: None)
    settings = ["inverter.host=127.0.0.1", "web.enabled=false", f"storage.directory={tmp_path}"]
    await assembly.run(load(None, settings))
    ended.set()
    (within,) = left
    assert 0 < within <= 0.51, "a second and a half of two were spent"
