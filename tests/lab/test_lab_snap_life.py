"""The packed snap through its life: restarts, refresh, revert, reboot, power cut, removal."""

import contextlib
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from neighbours import Broker
from snap_machine import (
    COMMON,
    SERVICE,
    becomes_healthy,
    eventually,
    exporter,
    frozen,
    health,
    main_pid,
    options,
    set_alone,
    set_texts,
)
from vm import HOST_ADDRESS, VirtualMachine

KEPT = "the label of this installation"


@pytest.fixture(scope="module")
def collecting(
    snapd: VirtualMachine, broker: Broker, refused: Callable[[], list[str]]
) -> VirtualMachine:
    """The daemon reads an inverter every second and delivers to the broker."""
    account = {"mqtt.host": HOST_ADDRESS, "mqtt.username": broker.USER, "mqtt.enabled": "true"}
    inverter = {"inverter.host": HOST_ADDRESS, "inverter.scan-interval": "1"}
    password = {"mqtt.password": broker.PASSWORD}
    set_alone(snapd, account | password | inverter | {"mqtt.client-id": KEPT})
    snapd.run("snap start --enable sungather")
    return snapd


@pytest.fixture(autouse=True)
def all_there(collecting: VirtualMachine, broker: Broker) -> None:
    """A test that failed has left neither the machine nor the broker down."""
    collecting.ensure_running()
    broker.start()


def delivering(machine: VirtualMachine) -> Any:
    def delivered(answer: Any) -> bool:
        mqtt = exporter(answer, "mqtt")
        return mqtt["state"] == "ok" and mqtt["delivered"] > 0 and mqtt["queue"] == 0

    return eventually(machine, "sungather.readings --format json", delivered)


def owing(machine: VirtualMachine, count: int) -> set[float]:
    """Without a broker: the times of readings that are owed, as seen until so many are."""
    seen: set[float] = set()

    def enough(answer: Any) -> bool:
        queue = exporter(answer, "mqtt")["queue"]
        if queue:  # else the newest one was delivered just before the broker went
            seen.update(moment(one["time"]) for one in answer["inverters"] if one["state"] == "ok")
        return queue >= count

    eventually(machine, "sungather.readings --format json", enough)
    return seen


def revision(machine: VirtualMachine) -> str:
    return machine.run("readlink /snap/sungather/current").stdout.strip()


def moment(text: str) -> float:
    return round(datetime.fromisoformat(text).timestamp(), 3)


def hears_all(broker: Broker, machine: VirtualMachine, owed: set[float]) -> None:
    """The broker is there again and gets every reading, old or new."""
    missing = set(owed)

    def all_came(topic: str, values: Any) -> bool:
        if topic.endswith(("/state", "/history")):
            missing.discard(moment(values["time"]))
        return not missing

    with contextlib.ExitStack() as listening:
        with frozen(machine):  # what is owed is not retained: it may come only to a listener
            wait = listening.enter_context(broker.heard())
        wait(all_came)
    delivering(machine)


def test_the_daemon_stops_starts_and_restarts_in_time(collecting: VirtualMachine) -> None:
    delivering(collecting)
    collecting.run("snap stop sungather")
    assert collecting.run(f"systemctl show --property Result --value {SERVICE}").stdout == (
        "success\n"
    )
    answer = collecting.run("sungather.readings --format json", check=False)
    assert answer.returncode == 3
    assert "No daemon is running" in answer.stderr
    assert health(collecting) == ("blocked", "stopped: sudo snap start --enable sungather")
    assert collecting.run("sungather.run-once --format json").returncode == 0
    collecting.run("snap start sungather")
    delivering(collecting)
    collecting.run("snap restart sungather")
    delivering(collecting)


def test_a_killed_daemon_comes_back_by_itself(collecting: VirtualMachine) -> None:
    before = main_pid(collecting)
    collecting.run(f"kill -9 {before}")
    delivering(collecting)
    assert main_pid(collecting) not in ("0", before)


def test_a_refresh_leaves_the_daemon_disabled_and_sets_a_refused_value_aside(
    collecting: VirtualMachine,
) -> None:
    collecting.run("snap stop --disable sungather")
    # As an older version may have taken it: `snapctl set` runs no hook.
    collecting.run("cd / && snap run --shell sungather -c 'snapctl set inverter.level=9'")
    collecting.run("snap install --dangerous sungather.snap")
    set_texts(collecting, {"inverter.retries": "2"})
    assert collecting.run("snap services sungather.daemon").stdout.split()[-3:-1] == [
        "disabled",
        "inactive",
    ]
    assert health(collecting)[0] == "blocked"
    collecting.run("snap start --enable sungather")
    delivering(collecting)
    becomes_healthy(collecting, "blocked", "inverter.level is refused since a refresh")
    set_texts(collecting, {"inverter.level": "1"})
    becomes_healthy(collecting, "okay")


def test_a_refresh_and_a_revert_keep_options_outbox_and_history(
    collecting: VirtualMachine, broker: Broker
) -> None:
    before = revision(collecting)
    broker.stop()
    owed = owing(collecting, 3)
    collecting.run("snap install --dangerous sungather.snap")
    assert revision(collecting) != before
    owed |= owing(collecting, 4)
    assert options(collecting)["mqtt.client-id"] == KEPT
    collecting.run("snap revert sungather")
    assert revision(collecting) == before
    owed |= owing(collecting, 5)
    assert options(collecting)["mqtt.client-id"] == KEPT
    assert collecting.run(f"ls {COMMON}/state/history.sqlite").returncode == 0
    hears_all(broker, collecting, owed)


def test_after_a_reboot_the_daemon_collects_again(collecting: VirtualMachine) -> None:
    collecting.restart()
    delivering(collecting)


def test_a_power_cut_loses_nothing(collecting: VirtualMachine, broker: Broker) -> None:
    broker.stop()
    owed = owing(collecting, 8)
    collecting.restart(power_cut=True)
    # The inverter's only session is still held by what was cut, but what was read is there.
    hears_all(broker, collecting, owed)


def test_in_all_this_nothing_was_refused_to_the_snap(refused: Callable[[], list[str]]) -> None:
    assert refused() == []


def test_without_a_host_the_daemon_stops_and_says_what_to_do(collecting: VirtualMachine) -> None:
    collecting.run("snap unset sungather inverter.host")
    assert collecting.run(f"systemctl is-active {SERVICE}", check=False).stdout == "inactive\n"
    assert collecting.run(f"systemctl is-enabled {SERVICE}", check=False).stdout == "disabled\n"
    assert "inverter.host=" in becomes_healthy(collecting, "blocked")


def test_a_removal_with_purge_leaves_nothing(collecting: VirtualMachine) -> None:
    collecting.run("snap remove --purge sungather")
    found = collecting.run("ls -d /var/snap/sungather /snap/sungather", check=False)
    assert found.stdout == ""
    assert "sungather" not in collecting.run("snap saved").stdout
    assert "sungather" not in collecting.run("ps axww -o args; systemctl list-unit-files").stdout
