"""The packed charm on a real snapd: its dispatch, with stand-ins for Juju's hook tools."""

import json
from collections.abc import Generator
from typing import Any

import audit_log
import pytest
import yaml
from charm_unit import Dispatch, Model, Unit
from packing import ROOT, Packed
from vm import HOST_ADDRESS, VirtualMachine

SECRET = "swordfish-of-the-dongle"
URI = "secret:9m4e2mr0ui3e8a215n4g"
EVERY_CHANGE = "for n in $(snap changes | awk 'NR > 1 {print $1}'); do snap change $n; done"
SERVICE = "snap.sungather.daemon.service"


def defaults() -> dict[str, object]:
    options = yaml.safe_load((ROOT / "charmcraft.yaml").read_text())["config"]["options"]
    return {name: row["default"] for name, row in options.items() if "default" in row}


@pytest.fixture(scope="module")
def watched(machine: VirtualMachine) -> Generator[None]:
    """Every command line is recorded meanwhile."""
    machine.run("snap remove --purge sungather")
    with audit_log.recorded(machine):
        yield


@pytest.fixture(scope="module")
def unit(machine: VirtualMachine, packed: Packed, watched: None) -> Unit:
    """A unit of the packed charm, deployed with the packed snap as its resource."""
    snap = packed.snap.result()
    machine.put(snap)
    model = Model(defaults(), resources={"sungather-snap": f"/root/{snap.name}"})
    return Unit(machine, packed.charm.result(), model)


@pytest.fixture(scope="module")
def told() -> list[Dispatch]:
    """Every dispatch of this module."""
    return []


def options(machine: VirtualMachine) -> dict[str, Any]:
    return json.loads(machine.run("snap get -d sungather").stdout)


def test_installed_without_a_host_the_unit_is_blocked_and_says_what_to_do(
    unit: Unit, machine: VirtualMachine, told: list[Dispatch]
) -> None:
    told.append(unit.event("install"))
    told.append(unit.event("config-changed"))
    expected = "say where the inverter is: juju config sungather inverter-host=ADDRESS"
    assert told[-1].status == ("blocked", expected)
    assert "sungather" in machine.run("snap list").stdout


def test_with_a_host_and_the_credentials_the_unit_is_active(
    unit: Unit, machine: VirtualMachine, told: list[Dispatch]
) -> None:
    unit.model.config |= {"inverter-host": HOST_ADDRESS, "inverter-credentials": URI}
    unit.model.secrets[URI] = {"username": "user", "password": SECRET}
    unit.model.granted.append(URI)
    told.append(unit.event("config-changed"))
    assert told[-1].status == ("active", "")
    assert machine.run(f"systemctl is-active {SERVICE}").stdout == "active\n"
    assert options(machine)["inverter"]["password"] == SECRET


def test_an_event_with_nothing_to_change_changes_nothing(
    unit: Unit, machine: VirtualMachine, told: list[Dispatch]
) -> None:
    before = machine.run("snap changes | tail -n 2").stdout
    told.append(unit.event("update-status"))
    assert told[-1].status == ("active", "")
    assert machine.run("snap changes | tail -n 2").stdout == before


def test_a_wrong_value_blocks_the_unit_with_the_hooks_own_text(
    unit: Unit, machine: VirtualMachine, told: list[Dispatch]
) -> None:
    unit.model.config["inverter-port"] = 70000
    told.append(unit.event("config-changed"))
    expected = "inverter.port must be a port number from 1 to 65535, not 70000."
    assert told[-1].status == ("blocked", expected)
    assert options(machine)["inverter"]["port"] == "502"
    unit.model.config["inverter-port"] = 502
    told.append(unit.event("config-changed"))
    assert told[-1].status == ("active", "")


def test_a_secret_that_is_not_granted_blocks_the_unit_with_the_command(
    unit: Unit, told: list[Dispatch]
) -> None:
    unit.model.granted.clear()
    told.append(unit.event("config-changed"))
    unit.model.granted.append(URI)
    status, message = told[-1].status
    assert status == "blocked"
    assert "juju grant-secret" in message


def test_the_action_tells_how_the_connection_is(unit: Unit, told: list[Dispatch]) -> None:
    told.append(unit.action("test-connection"))
    assert told[-1].failure is None
    results = told[-1].results
    assert results["inverter.success"] == "true"
    assert results["inverter.model"] == "SH10RT"
    assert float(results["inverter.latency-ms.median"]) > 0


def test_the_secret_is_in_no_argument_log_status_or_result(
    unit: Unit, machine: VirtualMachine, told: list[Dispatch]
) -> None:
    assert SECRET not in json.dumps([one.calls for one in told])
    assert SECRET not in machine.run("journalctl --no-pager").stdout
    assert SECRET not in machine.run(EVERY_CHANGE).stdout
    machine.run("sh -c ': a command line with spaces'")
    seen = audit_log.command_lines(machine)
    assert "sh -c : a command line with spaces" in seen
    assert any(line.endswith("/src/charm.py") for line in seen)
    assert any(line.startswith("snap run sungather.test-connection") for line in seen)
    assert not [line for line in seen if SECRET in line]


def test_only_root_can_read_the_files_that_hold_the_secret(
    unit: Unit, machine: VirtualMachine
) -> None:
    search = "grep -rlFf - /var /etc /home /tmp /run 2>/dev/null"
    found = machine.run(search, check=False, given=SECRET)
    files = found.stdout.split()
    assert any(file.endswith("sungather.yaml") for file in files)
    for file in files:
        mode, owner = machine.run(f"stat -c '%a %U' {file}").stdout.split()
        assert (mode[-2:], owner) == ("00", "root"), file


def test_the_snap_goes_with_the_unit(
    unit: Unit, machine: VirtualMachine, told: list[Dispatch]
) -> None:
    told.append(unit.event("remove"))
    assert "sungather" not in machine.run("snap list").stdout
