"""The packed snap on the snapd of Debian 12, which Raspberry Pi OS 12 has too.

These come last: the machine's own snapd has to go.
"""

from collections.abc import Generator

import pytest
from neighbours import simulated_inverter
from packing import Packed
from snap_machine import (
    DAEMON_USER,
    becomes_healthy,
    main_pid,
    options,
    readings,
    set_texts,
)
from vm import HOST_ADDRESS, VirtualMachine

PORT = 1502


@pytest.fixture(scope="module")
def debian_12(machine: VirtualMachine, packed: Packed) -> Generator[VirtualMachine]:
    """snapd 2.57 with the snap installed, as if nothing of ours had ever been there."""
    # The newer one, which is there as a snap too, would take its place.
    machine.run("snap remove --purge sungather; echo SNAP_REEXEC=0 >>/etc/environment")
    drop_in = "/etc/systemd/system/snapd.service.d"
    machine.run(f"mkdir -p {drop_in}")
    machine.write(f"{drop_in}/old.conf", "[Service]\nEnvironment=SNAP_REEXEC=0\n")
    machine.run("dpkg -i --force-downgrade,confold /opt/old-snapd.deb")
    machine.run("systemctl daemon-reload && systemctl restart snapd")
    machine.log_in_anew()
    versions = dict(line.split()[:2] for line in machine.run("snap version").stdout.splitlines())
    assert versions["snap"].startswith("2.57")
    assert versions["snapd"].startswith("2.57")
    machine.put(packed.snap.result())
    machine.run("mv sungather_*.snap sungather.snap && snap install --dangerous sungather.snap")
    # An inverter of its own: the only session of the other may still be that of a power cut.
    with simulated_inverter(machine, PORT):
        yield machine


def test_the_snap_collects_and_is_not_root(debian_12: VirtualMachine) -> None:
    chosen = {"inverter.host": HOST_ADDRESS, "inverter.port": str(PORT)}
    set_texts(debian_12, chosen | {"inverter.scan-interval": "2"})
    readings(debian_12)
    becomes_healthy(debian_12, "okay")
    status = debian_12.run(f"cat /proc/{main_pid(debian_12)}/status").stdout
    fields = dict(line.split(":", 1) for line in status.splitlines())
    assert fields["Uid"].split() == [DAEMON_USER] * 4


def test_options_are_in_force_without_a_restart(debian_12: VirtualMachine) -> None:
    pid = main_pid(debian_12)
    for number in range(6):
        set_texts(debian_12, {"inverter.retries": str(number % 2), "web.port": f"{8081 + number}"})
    fetch = "import urllib.request as one; one.urlopen('http://localhost:8086/healthz')"
    debian_12.run(f'timeout 60 sh -c "until python3 -c \\"{fetch}\\" 2>&1; do sleep 1; done"')
    assert main_pid(debian_12) == pid


def test_a_refresh_leaves_the_daemon_disabled(debian_12: VirtualMachine) -> None:
    debian_12.run("snap stop --disable sungather")
    debian_12.run("snap install --dangerous sungather.snap")
    services = debian_12.run("snap services sungather.daemon").stdout
    assert services.split()[-3:-1] == ["disabled", "inactive"]
    assert options(debian_12)["inverter.host"] == HOST_ADDRESS
    debian_12.run("snap start --enable sungather")
    readings(debian_12)
