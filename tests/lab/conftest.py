"""The lab: one virtual machine, the packed snap and the packed charm for the whole run."""

import contextlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import packing
import pytest
import python312
from vm import HOST_ADDRESS, VirtualMachine, image


@pytest.fixture(scope="session")
def python() -> Path:
    """A CPython 3.12, after everything else that the lab needs is there too."""
    if os.geteuid() != 0:
        pytest.skip("the lab needs root: it builds a disk image and makes a network namespace")
    if platform.machine() != "x86_64" or shutil.which("apt-get") is None:
        pytest.skip("the lab needs Debian or Ubuntu on x86-64 (apt-get, User-mode Linux)")
    found = python312.find()
    if found is None:
        pytest.skip(python312.MISSING)
    packing.install_debian_packages()
    return found


@pytest.fixture(scope="session")
def packed(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[packing.Packed]:
    """The snap and the charm, packed while the machine starts."""
    with ThreadPoolExecutor(1) as worker:
        yield packing.Packed(
            worker.submit(packing.pack_snap, tmp_path_factory.mktemp("snap"), python),
            worker.submit(packing.pack_charm, tmp_path_factory.mktemp("charm"), python),
        )


@pytest.fixture(scope="session")
def machine(python: Path, packed: packing.Packed) -> Generator[VirtualMachine]:
    """The virtual machine, with nothing of ours installed, and a simulated inverter beside it."""
    with VirtualMachine(image(python)) as running, simulated_inverter(running):
        yield running


@contextlib.contextmanager
def simulated_inverter(machine: VirtualMachine) -> Generator[None]:
    """A simulated SH10RT on port 502 of the machine's only neighbour, with a single session."""
    command = [sys.executable, "-m", "sungather", "simulate", "--model", "SH10RT"]
    address = ["--host", HOST_ADDRESS, "--port", "502", "--fault", "sessions=1"]
    inside = machine.inside(*command, *address)
    with subprocess.Popen(inside, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        if "answers on" not in first:
            raise AssertionError(f"no simulated inverter: {first}{process.stderr.read()}")
        yield
        process.terminate()
