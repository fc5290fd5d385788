"""The lab: a virtual machine for each worker, the packed snap and the packed charm for all."""

import os
import platform
import shutil
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import audit_log
import packing
import pytest
import python312
from neighbours import Broker, simulated_inverter
from snap_machine import VISITOR
from vm import VirtualMachine, image


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
    # Nobody's machine gets packages that were not asked for; in CI they are.
    if os.environ.get("CI") == "true":
        packing.install_debian_packages()
    elif not packing.debian_packages_are_there():
        wanted = " ".join(packing.DEBIAN_PACKAGES)
        pytest.skip(f"the lab needs more packages: apt-get install {wanted}")
    return found


@pytest.fixture(scope="session")
def packed(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[packing.Packed]:
    """The snap and the charm, packed while the machine starts."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with ThreadPoolExecutor(2) as threads:
        yield packing.Packed(
            threads.submit(packing.once, shared / "snap", packing.pack_snap, python),
            threads.submit(packing.once, shared / "charm", packing.pack_charm, python),
        )


@pytest.fixture(scope="session")
def machine(python: Path, packed: packing.Packed) -> Generator[VirtualMachine]:
    """The virtual machine, with nothing of ours installed, and a simulated inverter beside it."""
    with VirtualMachine(image(python)) as running, simulated_inverter(running):
        running.run("systemctl enable --now auditd")
        yield running


@pytest.fixture(scope="module")
def refused(machine: VirtualMachine) -> Callable[[], list[str]]:
    """What has been refused to our snap since the first test of the module, a line each."""
    before = len(audit_log.refused(machine))
    return lambda: audit_log.refused(machine)[before:]


@pytest.fixture(scope="session")
def snapd(machine: VirtualMachine, packed: packing.Packed) -> VirtualMachine:
    """The machine with the packed snap freshly installed, and an ordinary user."""
    snap = packed.snap.result()
    machine.put(snap)
    machine.run(
        f"snap remove --purge sungather; useradd --create-home --shell /bin/sh {VISITOR} && "
        f"cp -r /root/.ssh /home/{VISITOR}/ && chown -R {VISITOR}: /home/{VISITOR}/.ssh"
    )
    machine.run(f"mv {snap.name} sungather.snap && snap install --dangerous sungather.snap")
    return machine


@pytest.fixture(scope="session")
def broker(machine: VirtualMachine, tmp_path_factory: pytest.TempPathFactory) -> Generator[Broker]:
    """A broker beside the machine."""
    broker = Broker(machine, tmp_path_factory.mktemp("broker"))
    broker.start()
    yield broker
    broker.stop()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests have measured: `record_property("figure", …)`."""
    for report in terminalreporter.getreports("passed"):
        for name, text in report.user_properties:
            if name == "figure" and report.when == "call":
                terminalreporter.write_line(str(text))
