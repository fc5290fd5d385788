"""The packed snap on a real snapd that enforces AppArmor: options, daemon, apps, health."""

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import option_texts
import pytest
from neighbours import Broker
from packing import Packed
from snap_machine import (
    COMMON,
    DATA,
    SERVICE,
    becomes_healthy,
    eventually,
    exporter,
    health,
    inverter_is_ok,
    main_pid,
    options,
    readings,
    set_alone,
    set_for_now,
    set_texts,
)
from vm import ADDRESS, HOST_ADDRESS, VirtualMachine

from sungather.options.all_options import OPTIONS
from sungather.options.values import text_of

SECRET = "hunter2-of-the-dongle"
SECRETS = tuple(row.key for row in OPTIONS if row.secret)
LARGEST = 12_000_000
"""Bytes of the packed snap."""
INVERTER = {"inverter.host": HOST_ADDRESS, "inverter.scan-interval": "2"}
REFUSING_PORT = "503"
IN_FORCE = f"""
import os, sys, time, urllib.request
while True:
    try:
        urllib.request.urlopen(f"http://localhost:{{sys.argv[1]}}/healthz")
        break
    except OSError:
        time.sleep(0.05)
print(time.time() - os.stat("{DATA}/sungather.yaml").st_mtime)
"""
"""Waits for the page on its new port, and says how long after the hook that is."""
READS_A_REGISTER = f"""
import socket
with socket.create_connection(("{ADDRESS}", 502), 60) as server:
    server.sendall(bytes.fromhex("000100000006 01 04 1387 0001"))
    assert server.recv(100)[7] == 4, "an exception: nothing is read yet"
"""
Figure = Callable[[str, object], None]


@pytest.fixture(scope="module")
def collecting(snapd: VirtualMachine, refused: Callable[[], list[str]]) -> VirtualMachine:
    """The daemon reads an inverter, whatever the tests before have left."""
    set_alone(snapd, INVERTER)
    readings(snapd)
    return snapd


@pytest.fixture(scope="module")
def publishing(collecting: VirtualMachine, broker: Broker) -> VirtualMachine:
    """It publishes to a broker too, with a password that came by `set-secret`."""
    account = {"mqtt.host": HOST_ADDRESS, "mqtt.username": broker.USER}
    set_texts(collecting, account | {"mqtt.enabled": "true"})
    becomes_healthy(collecting, "blocked", "mqtt: ")
    collecting.run("sungather.set-secret mqtt.password", given=f"{broker.PASSWORD}\n")
    becomes_healthy(collecting, "okay")
    return collecting


def test_the_snap_is_small(packed: Packed, record_property: Figure) -> None:
    size = packed.snap.result().stat().st_size
    record_property("figure", f"the snap: {size:,} bytes ({LARGEST:,})")
    assert size <= LARGEST


def test_after_installation_every_option_is_listed_and_the_daemon_waits_for_a_host(
    snapd: VirtualMachine,
) -> None:
    assert options(snapd).keys() == {row.key for row in OPTIONS}
    assert snapd.run(f"systemctl is-enabled {SERVICE}", check=False).stdout == "disabled\n"
    status, message = health(snapd)
    assert status == "blocked"
    assert "sudo snap set sungather inverter.host=" in message


def test_every_app_says_what_is_missing_before_there_is_a_host(snapd: VirtualMachine) -> None:
    for app in ("run-once", "readings", "test-connection", "get-inverter-info", "daemon"):
        answer = snapd.run(f"snap run sungather.{app} --format json", check=False)
        assert answer.returncode == 2, app
        assert not answer.stdout or "error" in json.loads(answer.stdout), app
        assert "inverter.host is missing" in answer.stderr, app


def test_discover_finds_the_inverter(snapd: VirtualMachine) -> None:
    answer = snapd.run("sungather.discover --format json")
    assert [one["host"] for one in json.loads(answer.stdout)["found"]] == [HOST_ADDRESS]
    assert snapd.run("sungather.discover --network 1.2.3.0/24", check=False).returncode == 2
    nobody = snapd.run("sungather.discover --network 10.77.0.8/29", check=False)
    assert nobody.returncode == 3


def test_every_wrong_value_is_named_at_once_and_nothing_is_stored(snapd: VirtualMachine) -> None:
    before = options(snapd)
    answer = set_texts(snapd, option_texts.wrong(), check=False)
    assert answer.returncode != 0
    said = " ".join(answer.stderr.split())
    assert [row.key for row in OPTIONS if f"{row.key} must be" not in said] == []
    assert option_texts.SECRET not in said
    assert options(snapd) == before


def test_a_mistyped_key_is_told_the_nearest_one_and_no_secret_is_echoed(
    snapd: VirtualMachine,
) -> None:
    before = options(snapd)
    wrong = {
        "inverter.prot": "502",
        "inverter.password": SECRET,
        "extra": "1",
        "inverter.level": "7",
    }
    answer = set_texts(snapd, wrong | {"mqtt.tls": SECRET}, check=False)
    assert answer.returncode != 0
    assert "option inverter.prot: did you mean inverter.port?" in answer.stderr
    assert "inverter.level must be a whole number from 1 to 3, not 7." in answer.stderr
    assert "option extra" in answer.stderr
    assert SECRET not in answer.stderr
    assert options(snapd) == before
    assert snapd.run(f"grep {SECRET} /var/snap/sungather -r", check=False).returncode == 1


def test_an_export_that_lacks_something_is_refused_with_what_it_lacks(
    snapd: VirtualMachine,
) -> None:
    wanted = {f"{name}.enabled": "true" for name in ("mqtt", "influxdb", "pvoutput")}
    answer = set_texts(snapd, wanted, check=False)
    assert answer.returncode != 0
    for key in ("mqtt.host", "influxdb.url", "influxdb.bucket", "pvoutput.api-key"):
        assert f"{key} is missing" in answer.stderr
    assert options(snapd)["mqtt.enabled"] == "false"


def test_what_the_confinement_would_let_fail_is_refused_at_once(snapd: VirtualMachine) -> None:
    wrong = {"web.port": "80", "storage.directory": "/home", "mqtt.tls.ca": "/home/visitor/ca.pem"}
    answer = set_texts(snapd, wrong, check=False)
    assert answer.returncode != 0
    for key in wrong:
        assert key in answer.stderr
    assert f"{COMMON}/" in answer.stderr


def test_every_option_can_be_set_and_reaches_the_program(
    snapd: VirtualMachine, tmp_path: Path
) -> None:
    texts = option_texts.right(tmp_path, COMMON)
    assert texts.keys() == {row.key for row in OPTIONS}
    set_texts(snapd, texts)
    stored = options(snapd)
    assert {key: as_typed(stored[key]) for key in texts} == texts
    answer = json.loads(snapd.run("sungather check-config --format json").stdout)
    in_force = {key: text_of(value) for key, value in answer["options"].items()}
    assert in_force == {k: "(secret)" if k in SECRETS else text for k, text in texts.items()}
    snapd.run(f"snap unset sungather {' '.join(texts)}")
    assert options(snapd) == {row.key: text_of(row.unset) for row in OPTIONS}


def as_typed(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


@pytest.mark.parametrize("typed", ["12345", "1e5", "true"])
def test_a_password_like_something_else_stays_what_was_typed(
    snapd: VirtualMachine, typed: str
) -> None:
    set_texts(snapd, {"inverter.password": typed})
    assert f'  password: "{typed}"\n' in snapd.run(f"cat {DATA}/sungather.yaml").stdout


def test_the_daemon_reads_the_inverter_once_it_has_a_host(collecting: VirtualMachine) -> None:
    (inverter,) = readings(collecting)["inverters"]
    assert inverter["model"] == "SH10RT"
    assert 0 <= inverter["values"]["battery_level"] <= 100
    becomes_healthy(collecting, "okay")


def test_an_unreachable_inverter_waits_and_says_where_to_look(collecting: VirtualMachine) -> None:
    refusing = {"inverter.port": REFUSING_PORT, "inverter.timeout": "1", "inverter.retries": "0"}
    with set_for_now(collecting, refusing):
        becomes_healthy(collecting, "waiting", "test-connection")
        for app in ("run-once", "readings", "test-connection"):
            answer = collecting.run(f"sungather.{app} --format json", check=False)
            assert answer.returncode == 3, app
    becomes_healthy(collecting, "okay")


def test_a_page_without_its_port_is_told_until_it_has_one(collecting: VirtualMachine) -> None:
    collecting.run("systemd-run --unit=other python3 -m http.server 8090")
    try:
        with set_for_now(collecting, {"web.port": "8090"}):
            becomes_healthy(collecting, "blocked", "web: The page cannot listen on *:8090")
        becomes_healthy(collecting, "okay")
    finally:
        collecting.run("systemctl stop other")


def test_a_daemon_that_hangs_holds_up_neither_commands_nor_a_refresh(
    collecting: VirtualMachine,
) -> None:
    pid = main_pid(collecting)
    collecting.run(f"kill -STOP {pid}")
    try:
        answer = collecting.run("sungather.readings", check=False, timeout=60)
        assert answer.returncode == 3
        assert "sudo snap restart sungather." in answer.stderr
        collecting.run("snap run --hook=pre-refresh sungather", timeout=60)
    finally:
        collecting.run(f"kill -CONT {pid}")
    readings(collecting)


def test_a_snapshot_that_is_restored_is_what_the_running_daemon_goes_on_with(
    collecting: VirtualMachine,
) -> None:
    saved = collecting.run("snap save sungather").stdout.splitlines()[-1].split()[0]
    collecting.run(f"snap restore {saved} && snap forget {saved}")

    def has_let_go(answer: Any) -> bool:
        opened = collecting.run(f"ls -l /proc/{main_pid(collecting)}/fd").stdout
        return inverter_is_ok(answer) and "(deleted)" not in opened

    eventually(collecting, "sungather.readings --format json", has_let_go)


def test_the_daemon_publishes_to_a_broker_with_a_password_from_set_secret(
    publishing: VirtualMachine, broker: Broker
) -> None:
    with broker.heard() as wait:
        wait(lambda topic, values: topic.endswith("/state") and "pv_power" in values)
    becomes_healthy(publishing, "okay")


def test_set_secret_asks_on_the_terminal_and_shows_nothing(snapd: VirtualMachine) -> None:
    terminal = "script --quiet --return --command 'sungather.set-secret influxdb.token' /dev/null"
    wrong = snapd.run(f"(sleep 8; echo {SECRET}) | {terminal}")
    assert "influxdb.token:" in wrong.stdout
    assert SECRET not in wrong.stdout + wrong.stderr
    assert options(snapd)["influxdb.token"] == SECRET


def test_a_wrong_secret_is_refused_and_not_shown(snapd: VirtualMachine) -> None:
    answer = snapd.run("sungather.set-secret mqtt.password", given=f"{SECRET}\a\n", check=False)
    assert answer.returncode == 2
    assert "mqtt.password must be" in answer.stderr
    assert SECRET not in answer.stdout + answer.stderr


@pytest.mark.parametrize("app", ["run-once", "readings", "test-connection", "get-inverter-info"])
def test_the_app_answers_through_the_daemons_only_session(
    collecting: VirtualMachine, app: str
) -> None:
    """The simulated inverter has a single session, and the daemon holds it."""
    answer = eventually(collecting, f"sungather.{app} --format json", bool)
    assert [one["model"] for one in answer["inverters"]] == ["SH10RT"]
    assert collecting.run(f"sungather.{app}").stdout


def test_the_support_bundle_has_what_a_bug_report_needs_and_no_secret(
    publishing: VirtualMachine, broker: Broker
) -> None:
    file = publishing.run("sungather.support-bundle").stdout.strip()
    assert file.startswith(f"{COMMON}/support/")
    text = publishing.run(f"cat {file}").stdout
    for part in (
        "SNAP_REVISION",
        '"mqtt.host": "10.77.0.1"',
        "pv_power",
        "inverter is ok",
        "sqlite",
    ):
        assert part in text, part
    assert broker.PASSWORD not in text
    serial = readings(publishing)["inverters"][0]["serial"]
    assert serial
    assert serial not in text


def test_twenty_options_one_straight_after_another_are_in_force_without_a_restart(
    publishing: VirtualMachine, record_property: Figure
) -> None:
    process = main_pid(publishing)

    def in_force_on(port: int) -> str:
        seconds = publishing.run(f"python3 - {port}", given=IN_FORCE, timeout=90).stdout
        return f"{float(seconds):.2f} s"

    def delivers(answer: Any) -> bool:
        return inverter_is_ok(answer) and exporter(answer, "mqtt")["state"] == "ok"

    first = {"mqtt.topic": "topic", "inverter.retries": "0", "web.port": "8099"}
    with set_for_now(publishing, first):
        alone = in_force_on(8099)
        for number in range(20):
            wanted = {"inverter.retries": str(number % 2), "mqtt.topic": f"topic-{number}"}
            set_texts(publishing, wanted | {"web.port": str(8100 + number)})
        last = in_force_on(8119)
        record_property("figure", f"in force: one {alone}, the twentieth of twenty {last} (3 s)")
        assert publishing.run(f"systemctl is-enabled {SERVICE}").stdout == "enabled\n"
        assert main_pid(publishing) == process, "taken up by the process that was there"
        eventually(publishing, "sungather.readings --format json", delivers)
        log = publishing.run(f"cat {COMMON}/logs/sungather.log").stdout
        assert "the options have changed" in log
        assert options(publishing)["mqtt.topic"] == "topic-19"


def test_a_port_that_takes_root_restarts_the_daemon_once(collecting: VirtualMachine) -> None:
    with set_for_now(collecting, {"modbus-server.enabled": "true", "inverter.retries": "2"}):
        before = restarts(collecting)
        set_texts(collecting, {"modbus-server.port": "502"})
        command = collecting.inside(sys.executable, "-c", READS_A_REGISTER)
        answered = f"until {shlex.join(command)}; do sleep 0.5; done"
        subprocess.run(["sh", "-c", answered], capture_output=True, timeout=120, check=True)
        assert restarts(collecting) == before + 1
        process = main_pid(collecting)
        with set_for_now(collecting, {"web.port": "8101"}):
            collecting.run("python3 - 8101", given=IN_FORCE, timeout=90)
        assert main_pid(collecting) == process
    becomes_healthy(collecting, "okay")


def restarts(machine: VirtualMachine) -> int:
    """How often systemd has started the daemon again by itself."""
    return int(machine.run(f"systemctl show --property NRestarts --value {SERVICE}").stdout)


def test_a_parallel_instance_lives_beside_the_first_and_names_itself(
    collecting: VirtualMachine,
) -> None:
    two = "sungather_two"
    collecting.run("snap set system experimental.parallel-instances=true")
    collecting.run(f"snap install --dangerous sungather.snap --name {two}")
    try:
        assert f"sudo snap set {two} inverter.host=" in health(collecting, two)[1]
        wrong = collecting.run(f"{two}.readings", check=False)
        assert f"/var/snap/{two}/" in wrong.stderr
        refusing = f"inverter.host={HOST_ADDRESS} inverter.port={REFUSING_PORT}"
        collecting.run(f"snap set {two} {refusing} inverter.timeout=1 web.port=8102")
        becomes_healthy(collecting, "waiting", f"{two}.test-connection", snap=two)
        readings(collecting)
    finally:
        collecting.run(f"snap remove --purge {two}")


def test_in_all_this_nothing_was_refused_to_the_snap(refused: Callable[[], list[str]]) -> None:
    """What is done in normal life is what the snap may do."""
    assert refused() == []
