"""Figures of the packed snap on a real snapd, in the lab's machine; needs what the lab needs.

That machine is slow, so a figure stands beside what the same machine takes for the same without
us: `snap set` of a snap whose hook only restarts its service, and the same program outside of
any confinement.
"""

import json
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.figures import Figure

# The lab's modules are no package: pytest finds them by their directory, and so do we.
sys.path.insert(0, str(Path(__file__).parents[1] / "lab"))

if TYPE_CHECKING:
    from vm import VirtualMachine

_ROUNDS = 3
_STAND_IN = """
name: stand-in
version: "1"
summary: A service, and a hook that restarts it
description: For measurements only.
base: core24
confinement: strict
architectures: [amd64]
apps:
  daemon: {command: run, daemon: simple}
"""
_OPTIONS = "web.enabled=true inverter.host=10.77.0.1 inverter.scan-interval=1"
_PYTHON = "/snap/sungather/current/bin/python3 -I -m sungather"
_STATE = "/tmp/outside"
_UNIT = "snap.sungather.daemon"
_WAYS = (
    (
        "snap",
        f"systemctl start {_UNIT}; systemctl show --property MainPID --value {_UNIT}",
        "sungather.readings --format json",
        f"systemctl stop {_UNIT}",
    ),
    (
        "outside",
        f"rm -rf {_STATE}; STATE_DIRECTORY={_STATE} nohup {_PYTHON} run "
        f"{' '.join(f'--set {one}' for one in _OPTIONS.split())} >/dev/null 2>&1 & echo $!",
        f"STATE_DIRECTORY={_STATE} {_PYTHON} readings --format json",
        "kill PID",
    ),
)
"""Where it runs, how it is started (prints its process), asked and stopped (PID: that process)."""


async def snap() -> list[Figure]:
    """Size; from `snap set` to effect; from start to first reading; memory."""
    import packing
    import python312
    from neighbours import simulated_inverter
    from vm import VirtualMachine, image

    python = python312.find()
    if python is None:
        raise SystemExit(python312.MISSING)
    packing.install_debian_packages()
    with tempfile.TemporaryDirectory(prefix="sungather-bench-") as directory:
        packed = packing.pack_snap(Path(directory), python)
        size = Figure("snap, size (xz)", packed.stat().st_size / 1e6, 12, "MB")
        with VirtualMachine(image(python)) as machine, simulated_inverter(machine):
            machine.put(packed)
            machine.run(f"snap install --dangerous {packed.name}")
            return [size, _setting(machine, Path(directory)), *_starting(machine)]


def _stand_in(directory: Path) -> Path:
    """A packed snap whose configure hook does nothing but restart its service."""
    source = directory / "stand-in"
    (source / "meta/hooks").mkdir(parents=True)
    (source / "meta/snap.yaml").write_text(_STAND_IN)
    for name, words in (
        ("run", "sleep infinity"),
        ("meta/hooks/configure", "snapctl restart stand-in.daemon"),
    ):
        (source / name).write_text(f"#!/bin/sh\nexec {words}\n")
        (source / name).chmod(0o755)
    subprocess.run(["snap", "pack", source, directory], check=True, stdout=subprocess.DEVNULL)
    return directory / "stand-in_1_amd64.snap"


def _setting(machine: "VirtualMachine", directory: Path) -> Figure:
    """What our hook adds to a `snap set`, with the restart."""
    machine.put(_stand_in(directory))
    machine.run("snap install --dangerous stand-in_1_amd64.snap")
    machine.run(f"snap set sungather {_OPTIONS}")
    ours = min(
        _seconds(machine, f"snap set sungather inverter.level={2 - n % 2}") for n in range(_ROUNDS)
    )
    labs = min(_seconds(machine, f"snap set stand-in n={n}") for n in range(_ROUNDS))
    name = f"snap set → daemon runs with the options, beyond the lab's {labs:.1f} s"
    return Figure(name, ours - labs, 3, "s")


def _seconds(machine: "VirtualMachine", command: str) -> float:
    begun = time.monotonic()
    machine.run(command)
    return time.monotonic() - begun


def _starting(machine: "VirtualMachine") -> list[Figure]:
    """From the start of the process to its first reading, both by the machine's own clock."""
    machine.run("snap stop sungather")
    seconds: dict[str, float] = {}
    memory: dict[str, float] = {}
    for where, start, ask, stop in _WAYS:
        times: list[float] = []
        for _ in range(_ROUNDS):
            begun, pid = machine.run(f"date +%s.%N; {start}").stdout.split()
            times.append(_first_reading(machine, ask) - float(begun))
            memory[where] = _megabytes(machine, pid)
            machine.run(f"{stop.replace('PID', pid)}; tail --pid {pid} -f /dev/null")
        seconds[where] = min(times)
    by = f"by outside ({seconds['outside']:.1f} s, {memory['outside']:.0f} MB)"
    return [
        Figure(f"start → first reading, snap {by}", seconds["snap"] / seconds["outside"], 2, "×"),
        Figure(f"RSS, snap {by}", memory["snap"] / memory["outside"], 1.05, "×"),
    ]


def _first_reading(machine: "VirtualMachine", ask: str) -> float:
    """The time of the daemon's first reading, in seconds of the epoch."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        answer = machine.run(ask, check=False).stdout
        found = json.loads(answer)["inverters"][0] if answer else {"state": ""}
        if found["state"] == "ok":
            return datetime.fromisoformat(found["since"]).timestamp()
    raise SystemExit("no reading in the lab's machine")


def _megabytes(machine: "VirtualMachine", pid: str) -> float:
    return int(machine.run(f"awk '/^VmRSS/ {{print $2}}' /proc/{pid}/status").stdout) / 1024
