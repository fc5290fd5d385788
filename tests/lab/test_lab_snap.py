"""The packed snap on a real snapd that enforces AppArmor: options, daemon, app, confinement."""

import json
import time
from collections.abc import Callable
from typing import Any

import audit_log
import pytest
from packing import Packed
from vm import HOST_ADDRESS, VirtualMachine

from sungather.options import OPTIONS

SECRET = "hunter2-of-the-dongle"
SERVICE = "snap.sungather.daemon.service"


@pytest.fixture(scope="module")
def snapd(machine: VirtualMachine, packed: Packed) -> VirtualMachine:
    """The machine with the snap freshly installed."""
    snap = packed.snap.result()
    machine.put(snap)
    machine.run(f"snap install --dangerous {snap.name}")
    return machine


def options(machine: VirtualMachine) -> dict[str, Any]:
    return json.loads(machine.run("snap get -d sungather").stdout)


def eventually(machine: VirtualMachine, command: str, wanted: Callable[[Any], bool]) -> Any:
    """The JSON that an app answers, as soon as it is as wanted."""
    deadline = time.monotonic() + 60
    while True:
        answer = machine.run(command, check=False)
        found = json.loads(answer.stdout) if answer.stdout else None
        if found is not None and wanted(found):
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{command} still says {answer.stdout}{answer.stderr}")
        time.sleep(0.5)


def test_after_installation_every_option_is_listed_and_the_daemon_waits_for_a_host(
    snapd: VirtualMachine,
) -> None:
    listed = options(snapd)
    for row in OPTIONS:
        place = listed
        for part in row.key.split("."):
            place = place[part]
    assert snapd.run(f"systemctl is-enabled {SERVICE}", check=False).stdout == "disabled\n"


def test_wrong_options_are_refused_with_the_hooks_text_and_nothing_is_stored(
    snapd: VirtualMachine,
) -> None:
    before = options(snapd)
    wrong = f"inverter.prot=502 inverter.level=7 inverter.password={SECRET} extra=1"
    answer = snapd.run(f"snap set sungather {wrong}", check=False)
    assert answer.returncode != 0
    assert "option inverter.prot: did you mean inverter.port?" in answer.stderr
    assert "inverter.level must be a whole number from 1 to 3, not 7." in answer.stderr
    assert "option extra" in answer.stderr
    assert SECRET not in answer.stderr
    assert options(snapd) == before
    assert snapd.run(f"grep {SECRET} /var/snap/sungather -r", check=False).returncode == 1


def test_a_password_like_a_number_stays_what_was_typed(snapd: VirtualMachine) -> None:
    snapd.run("snap set sungather inverter.password=1e5")
    file = "/var/snap/sungather/current/sungather.yaml"
    assert '  password: "1e5"\n' in snapd.run(f"cat {file}").stdout
    assert snapd.run(f"stat -c '%a %U' {file}").stdout == "600 root\n"
    snapd.run("snap unset sungather inverter.password")


def test_the_daemon_reads_the_inverter_once_it_has_a_host(snapd: VirtualMachine) -> None:
    snapd.run(f"snap set sungather inverter.host={HOST_ADDRESS} inverter.scan-interval=2")
    answer = eventually(
        snapd, "sungather readings --format json", lambda a: a["inverters"][0]["state"] == "ok"
    )
    (inverter,) = answer["inverters"]
    assert inverter["model"] == "SH10RT"
    assert 0 <= inverter["values"]["battery_level"] <= 100


def test_the_app_answers_through_the_daemons_only_session(snapd: VirtualMachine) -> None:
    """The simulated inverter has a single session, and the daemon holds it."""
    answer = snapd.run("sungather.test-connection --format json")
    (inverter,) = json.loads(answer.stdout)["inverters"]
    assert inverter["success"], inverter
    assert inverter["latency_ms"]["median"] > 0


def test_apparmor_is_enforced_on_the_daemon(snapd: VirtualMachine) -> None:
    pid = snapd.run(f"systemctl show --property MainPID --value {SERVICE}").stdout.strip()
    profile = snapd.run(f"cat /proc/{pid}/attr/current").stdout
    assert profile == "snap.sungather.daemon (enforce)\n"


def test_what_is_not_the_snaps_is_refused_to_the_daemons_profile(snapd: VirtualMachine) -> None:
    with audit_log.recorded(snapd):
        for file in ("/root/.ssh/authorized_keys", "/proc/1/environ"):
            answer = snapd.run(f"snap run --shell sungather.daemon -c 'cat {file}'", check=False)
            assert answer.returncode != 0
            assert "Permission denied" in answer.stderr
            profile = 'profile="snap.sungather.daemon"'
            denials = audit_log.denials(snapd)
            assert [x for x in denials if profile in x and f'name="{file}"' in x], denials


def test_without_a_host_the_daemon_stops(snapd: VirtualMachine) -> None:
    snapd.run("snap unset sungather inverter.host")
    assert snapd.run(f"systemctl is-active {SERVICE}", check=False).stdout == "inactive\n"
    assert snapd.run(f"systemctl is-enabled {SERVICE}", check=False).stdout == "disabled\n"
    answer = snapd.run("sungather.test-connection --format json", check=False)
    assert answer.returncode == 2
    assert "inverter.host is missing" in answer.stderr
