"""The packed charm on a real snapd: its dispatch, with stand-ins for Juju's hook tools.

One unit's life, from install to remove; the tests build on each other.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import audit_log
import pytest
import yaml
from charm_unit import DEFAULTS, Dispatch, Model, Relation, Unit
from neighbours import Broker
from packing import Packed
from snap_machine import (
    COMMON,
    DAEMON_USER,
    SERVICE,
    becomes_healthy,
    main_pid,
    options,
    readings,
)
from vm import ADDRESS, HOST_ADDRESS, VirtualMachine

SECRET = "swordfish-of-the-dongle"
ROTATED = "marlin-of-the-dongle"
URI = "secret:9m4e2mr0ui3e8a215n4g"
BROKER_URI = "secret:cvh7kruupa1s46bqvuig"
NOWHERE = "10.77.0.9"
"""An address of the machine's network where nobody is."""
EVERY_CHANGE = "for n in $(snap changes | awk 'NR > 1 {print $1}'); do snap change $n; done"
LAST_CHANGE = "snap changes | grep -v '^$' | tail -n 1"


@pytest.fixture(scope="module")
def watched(machine: VirtualMachine, refused: Callable[[], list[str]]) -> Generator[None]:
    """Every command line is recorded meanwhile."""
    machine.run("snap remove --purge sungather")
    with audit_log.recorded(machine):
        yield


@pytest.fixture(scope="module")
def unit(machine: VirtualMachine, packed: Packed, watched: None) -> Unit:
    """A unit of the packed charm, deployed with the packed snap as its resource."""
    snap = packed.snap.result()
    machine.put(snap)
    model = Model(dict(DEFAULTS), resources={"sungather-snap": f"/root/{snap.name}"})
    model.relations["0"] = Relation("standby", "sungather", [])
    return Unit(machine, packed.charm.result(), model)


@pytest.fixture(scope="module")
def told() -> list[Dispatch]:
    """Every dispatch of this module."""
    return []


def fetched(machine: VirtualMachine, path: str) -> str:
    """What a neighbour of the machine is served."""
    url = f"http://{ADDRESS}:8080{path}"
    code = f"import urllib.request as u; print(u.urlopen({url!r}, timeout=60).read().decode())"
    command = machine.inside(sys.executable, "-c", code)
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_charm_is_small(packed: Packed) -> None:
    assert packed.charm.result().stat().st_size <= 10_000_000


def test_installed_without_a_host_the_unit_is_blocked_and_says_what_to_do(
    unit: Unit, machine: VirtualMachine, told: list[Dispatch]
) -> None:
    told.append(unit.event("install"))
    told.append(unit.event("config-changed"))
    expected = "say where the inverter is: juju config sungather inverter-host=ADDRESS"
    assert told[-1].status == ("blocked", expected)
    assert "sungather" in machine.run("snap list").stdout


def test_the_inverter_is_discovered_before_anybody_names_it(
    unit: Unit, told: list[Dispatch]
) -> None:
    told.append(unit.action("discover", network=f"{HOST_ADDRESS}/32"))
    assert told[-1].failure is None
    settings = f"inverter-host={HOST_ADDRESS} connection-type=modbus"
    assert told[-1].results["settings"] == settings


def test_with_a_host_and_the_credentials_the_unit_is_active_and_values_stand_on_the_page(
    unit: Unit, machine: VirtualMachine, told: list[Dispatch]
) -> None:
    unit.model.config |= {"inverter-host": HOST_ADDRESS, "inverter-credentials": URI}
    unit.model.secrets[URI] = {"username": "user", "password": SECRET}
    unit.model.granted.append(URI)
    told.append(unit.event("config-changed"))
    assert told[-1].status[0] in ("active", "waiting")
    assert machine.run(f"systemctl is-active {SERVICE}").stdout == "active\n"
    assert options(machine)["inverter.password"] == SECRET
    assert unit.model.ports == ["8080/tcp"]
    becomes_healthy(machine, "okay")
    told.append(unit.event("update-status"))
    assert told[-1].status[0] == "active"
    assert told[-1].status[1].startswith("reading SH10RT since 20")
    readings(machine)
    assert "SH10RT" in fetched(machine, "/")
    assert "sungather_battery_level_percent{" in fetched(machine, "/metrics")


def test_an_event_with_nothing_to_change_changes_nothing(
    unit: Unit, machine: VirtualMachine, told: list[Dispatch]
) -> None:
    before = machine.run(LAST_CHANGE).stdout
    for name in ("update-status", "config-changed"):
        told.append(unit.event(name))
        assert told[-1].status[0] == "active"
    assert machine.run(LAST_CHANGE).stdout == before


def test_a_wrong_value_blocks_the_unit_with_the_hooks_own_text(
    unit: Unit, machine: VirtualMachine, told: list[Dispatch]
) -> None:
    unit.model.config["inverter-port"] = 70000
    told.append(unit.event("config-changed"))
    status, message = told[-1].status
    assert status == "blocked"
    assert message.startswith("inverter.port must be a port number from 1 to 65535, not 70000.")
    assert not options(machine).get("inverter.port")
    unit.model.config["inverter-port"] = 0
    told.append(unit.event("config-changed"))
    assert told[-1].status[0] != "blocked"


def test_a_secret_that_is_not_granted_blocks_the_unit_with_the_command(
    unit: Unit, told: list[Dispatch]
) -> None:
    unit.model.granted.clear()
    told.append(unit.event("config-changed"))
    unit.model.granted.append(URI)
    command = f"juju grant-secret {URI} sungather"
    assert told[-1].status[0] == "blocked"
    assert command in told[-1].status[1]


def test_a_rotated_secret_reaches_the_snap(
    unit: Unit, machine: VirtualMachine, told: list[Dispatch]
) -> None:
    unit.model.secrets[URI] = {"username": "user", "password": ROTATED}
    told.append(unit.event("secret-changed", JUJU_SECRET_ID=URI))
    assert options(machine)["inverter.password"] == ROTATED


def test_extra_options_come_and_go(
    unit: Unit, machine: VirtualMachine, told: list[Dispatch]
) -> None:
    unit.model.config["extra-options"] = "inverter: {timeout: 7.5}"
    told.append(unit.event("config-changed"))
    assert options(machine)["inverter.timeout"] == "7.5"
    unit.model.config["extra-options"] = ""
    told.append(unit.event("config-changed"))
    assert str(options(machine)["inverter.timeout"]) == "10"


def test_every_action_about_the_inverter_answers(
    unit: Unit, machine: VirtualMachine, told: list[Dispatch]
) -> None:
    readings(machine)
    found: dict[str, dict[str, str]] = {}
    for name in ("test-connection", "get-inverter-info", "get-readings", "run-once"):
        told.append(unit.action(name))
        assert told[-1].failure is None, name
        found[name] = told[-1].results
    assert found["test-connection"]["inverter.success"] == "true"
    assert float(found["test-connection"]["inverter.latency-ms.median"]) > 0
    assert found["get-inverter-info"]["inverter.model"] == "SH10RT"
    values: dict[str, Any] = json.loads(found["get-readings"]["inverter.values"])
    assert 0 <= values["battery_level"] <= 100
    assert found["run-once"]["success"] == "true"
    assert found["run-once"]["summary"].startswith("inverter: SH10RT, ok, ")


def test_every_relation_gets_its_databag(
    unit: Unit, machine: VirtualMachine, told: list[Dispatch]
) -> None:
    for number, endpoint in enumerate(
        ("cos-agent", "metrics-endpoint", "grafana-dashboard", "ingress"), start=1
    ):
        unit.model.relations[str(number)] = Relation(endpoint, f"r{number}", [f"r{number}/0"])
        told.append(unit.relation_event(str(number), "joined"))
        assert told[-1].status[0] == "active", endpoint
    cos, prometheus, grafana, ingress = (unit.model.relations[n].data for n in "1234")
    assert json.loads(cos["sungather/0"]["config"])["log_slots"] == ["sungather:logs"]
    assert prometheus["sungather/0"]["prometheus_scrape_unit_address"] == ADDRESS
    assert json.loads(prometheus["sungather"]["scrape_jobs"])
    assert json.loads(grafana["sungather"]["dashboards"])["templates"]
    assert json.loads(ingress["sungather"]["port"]) == 8080
    assert fetched(machine, json.loads(ingress["sungather"]["healthcheck_params"])["path"])


def test_through_the_relation_mqtt_readings_reach_a_real_broker(
    unit: Unit, machine: VirtualMachine, told: list[Dispatch], broker: Broker
) -> None:
    endpoint = {"host": HOST_ADDRESS, "port": 1883, "tls": False, "protocol": "mqtt"}
    bag = {"endpoints": json.dumps([endpoint]), "secret-user": json.dumps(BROKER_URI)}
    unit.model.secrets[BROKER_URI] = {"username": broker.USER, "password": broker.PASSWORD}
    unit.model.granted.append(BROKER_URI)
    unit.model.relations["5"] = Relation("mqtt", "mosquitto", ["mosquitto/0"], {"mosquitto": bag})
    with broker.heard() as wait:
        told.append(unit.relation_event("5", "changed"))
        assert told[-1].status[0] == "active", told[-1].status
        wait(lambda topic, message: topic.endswith("/state") and "pv_power" in str(message))
    del unit.model.relations["5"]
    told.append(unit.event("config-changed"))
    assert options(machine)["mqtt.enabled"] in (False, "false")
    assert not options(machine).get("mqtt.password")


def test_the_models_proxy_is_in_the_daemons_environment(
    unit: Unit, machine: VirtualMachine, told: list[Dispatch]
) -> None:
    proxy = "http://proxy.home:3128"
    told.append(unit.event("config-changed", JUJU_CHARM_HTTPS_PROXY=proxy))
    environment = machine.run(f"cat /proc/{main_pid(machine)}/environ").stdout
    assert f"HTTPS_PROXY={proxy}" in environment.split("\0")
    # Every user may ask systemd, and the address of a proxy may hold a password.
    assert "proxy.home" not in machine.run(f"systemctl show {SERVICE}").stdout
    told.append(unit.event("config-changed"))
    environment = machine.run(f"cat /proc/{main_pid(machine)}/environ").stdout
    assert "HTTPS_PROXY" not in environment


def test_a_unit_that_loses_the_leadership_stops_polling_and_stays_ready(
    unit: Unit, machine: VirtualMachine, told: list[Dispatch]
) -> None:
    unit.model.leader = False
    unit.model.relations["0"].data["sungather"] = {"polling-unit": "sungather/1"}
    told.append(unit.relation_event("0", "changed"))
    assert told[-1].status[1].startswith("standby: sungather/1 reads the inverter")
    assert options(machine)["outbox.deliver-only"] in (True, "true")
    told.append(unit.action("test-connection"))
    assert (told[-1].failure, told[-1].results["standby"]) == (None, "true")
    assert unit.model.ports == []
    unit.model.leader = True
    told.append(unit.event("leader-elected"))
    assert options(machine)["outbox.deliver-only"] in (False, "false")
    assert unit.model.relations["0"].data["sungather"] == {"polling-unit": "sungather/0"}


def test_energies_of_each_day_come_as_a_file(
    unit: Unit, machine: VirtualMachine, told: list[Dispatch]
) -> None:
    readings(machine)
    told.append(unit.action("export-history", days=7))
    assert told[-1].failure is None
    file = told[-1].results["file"]
    assert told[-1].results["fetch"] == f"juju scp sungather/0:{file} ."
    assert machine.run(f"head -n 1 {file}").stdout.startswith("day,")
    assert machine.run(f"stat -c %a {file}").stdout == "600\n"


def test_a_backup_brings_back_what_was_kept_and_the_daemon_goes_on(
    unit: Unit, machine: VirtualMachine, told: list[Dispatch]
) -> None:
    kept = f"{COMMON}/kept-{unit.name.replace('/', '-')}"
    machine.run(f"touch {kept}")
    told.append(unit.action("backup"))
    assert told[-1].failure is None
    file = told[-1].results["file"]
    assert machine.run(f"stat -c %a {file}").stdout == "600\n"
    before = options(machine)
    machine.run(f"rm {kept}")
    told.append(unit.action("restore", file=file))
    assert (told[-1].failure, told[-1].results["restored"]) == (None, file)
    machine.run(f"rm {kept} {file}")
    assert options(machine) == before
    assert "sungather" not in machine.run("snap saved").stdout
    assert readings(machine)


def test_another_file_is_a_refresh_and_the_options_stay(
    unit: Unit, machine: VirtualMachine, packed: Packed, told: list[Dispatch], tmp_path: Path
) -> None:
    newer = _other_version(packed.snap.result(), tmp_path)
    machine.put(newer)
    before = options(machine)
    unit.model.resources["sungather-snap"] = f"/root/{newer.name}"
    told.append(unit.event("upgrade-charm"))
    assert ["application-version-set", "--", "99.9"] in told[-1].calls
    assert options(machine) == before
    assert readings(machine)


def test_without_a_store_the_installed_snap_goes_on(
    unit: Unit, machine: VirtualMachine, told: list[Dispatch]
) -> None:
    file = unit.model.resources["sungather-snap"]
    # An empty file means the Store.
    unit.model.resources["sungather-snap"] = "/dev/null"
    told.append(unit.event("upgrade-charm"))
    unit.model.resources["sungather-snap"] = file
    status, message = told[-1].status
    assert status == "blocked"
    assert message.startswith("the snap stays as it is, because it cannot be refreshed: ")
    assert machine.run(f"systemctl is-active {SERVICE}").stdout == "active\n"


def test_a_resource_that_cannot_be_fetched_changes_nothing(
    unit: Unit, machine: VirtualMachine, told: list[Dispatch]
) -> None:
    file = unit.model.resources.pop("sungather-snap")
    told.append(unit.event("upgrade-charm"))
    unit.model.resources["sungather-snap"] = file
    status, message = told[-1].status
    assert status == "waiting"
    assert message.startswith("the resource sungather-snap cannot be fetched: ")
    assert machine.run(f"systemctl is-active {SERVICE}").stdout == "active\n"


def test_secrets_are_in_no_argument_log_status_result_or_databag(
    unit: Unit, machine: VirtualMachine, told: list[Dispatch]
) -> None:
    secrets = (SECRET, ROTATED, Broker.PASSWORD)
    bags = [one.data for one in unit.model.relations.values()]
    shown = [
        json.dumps([one.calls for one in told]),
        json.dumps(bags),
        machine.run("journalctl --no-pager").stdout,
        machine.run(EVERY_CHANGE).stdout,
        machine.run("cat /var/lib/sungather-charm/*").stdout,
    ]
    assert not [one for one in shown for secret in secrets if secret in one]
    machine.run("sh -c ': a command line with spaces'")
    seen = audit_log.command_lines(machine)
    assert "sh -c : a command line with spaces" in seen
    assert any(line.endswith("/src/charm.py") for line in seen)
    assert any(line.startswith("snap run sungather.test-connection") for line in seen)
    assert not [line for line in seen for secret in secrets if secret in line]


def test_only_root_and_the_daemon_can_read_the_files_that_hold_the_secret(
    unit: Unit, machine: VirtualMachine
) -> None:
    # The model stands in a file of the stand-ins for Juju's tools.
    search = "grep -rlFf - /var /etc /home /tmp /run 2>/dev/null"
    found = machine.run(search, check=False, given=ROTATED)
    files = found.stdout.split()
    assert any(file.endswith("sungather.yaml") for file in files)
    for file in files:
        mode, owner = machine.run(f"stat -c '%a %u' {file}").stdout.split()
        assert mode[-1] == "0", file
        assert owner in ("0", DAEMON_USER), file


def test_in_all_this_nothing_was_refused_to_the_snap(
    unit: Unit, refused: Callable[[], list[str]]
) -> None:
    assert refused() == []


def test_a_second_application_on_the_machine_is_blocked_and_leaves_no_trace(
    unit: Unit, machine: VirtualMachine, packed: Packed
) -> None:
    before = machine.run(LAST_CHANGE).stdout
    model = Model(DEFAULTS | {"inverter-host": NOWHERE}, resources=dict(unit.model.resources))
    second = Unit(machine, packed.charm.result(), model, "solar/0")
    status, message = second.event("install").status
    assert status == "blocked"
    assert message.startswith("the sungather snap of this machine belongs to sungather: put")
    second.goes()
    assert machine.run(LAST_CHANGE).stdout == before
    assert options(machine)["inverter.host"] == HOST_ADDRESS


def test_an_unreachable_inverter_makes_the_unit_wait_and_say_since_when(
    unit: Unit, machine: VirtualMachine, told: list[Dispatch]
) -> None:
    unit.model.config["inverter-host"] = NOWHERE
    told.append(unit.event("config-changed"))
    becomes_healthy(machine, "waiting", "is unreachable")
    told.append(unit.event("update-status"))
    status, message = told[-1].status
    assert status == "waiting"
    assert "juju run sungather/0 test-connection" in message
    assert "since 20" in message


def test_the_timer_wakes_juju_for_a_change_of_health_and_for_nothing_else(
    unit: Unit, machine: VirtualMachine
) -> None:
    def looked() -> list[str]:
        machine.run("systemctl start sungather-health-sungather-0.service")
        return machine.run("cat /root/juju/woken").stdout.splitlines()

    assert (
        machine.run("systemctl is-active sungather-health-sungather-0.timer").stdout == "active\n"
    )
    before = looked()
    assert "-u sungather/0 JUJU_DISPATCH_PATH=hooks/update-status" in before[-1]
    assert looked() == before
    machine.run(f"systemctl stop {SERVICE}")
    assert looked() == [*before, before[-1]]
    unit.event("update-status")


def test_the_snap_goes_with_the_unit_also_while_the_inverter_hangs(
    unit: Unit, machine: VirtualMachine
) -> None:
    assert unit.goes().status == ("maintenance", "removed")
    assert "sungather" not in machine.run("snap list").stdout
    left = machine.run("ls /var/lib/sungather-charm /var/snap").stdout
    assert "sungather-0" not in left
    assert machine.run("ls -d /var/snap/sungather", check=False).returncode != 0


def _other_version(snap: Path, directory: Path) -> Path:
    """The same snap as version 99.9."""
    content = directory / "content"
    subprocess.run(["unsquashfs", "-q", "-n", "-d", content, snap], check=True)
    meta = content / "meta/snap.yaml"
    known = yaml.safe_load(meta.read_text())
    meta.write_text(yaml.safe_dump(known | {"version": "99.9"}, sort_keys=False))
    newer = directory / "newer.snap"
    layout = ["-noappend", "-no-xattrs", "-no-fragments", "-all-root", "-comp", "gzip"]
    subprocess.run(["mksquashfs", content, newer, *layout], check=True, stdout=subprocess.DEVNULL)
    return newer
