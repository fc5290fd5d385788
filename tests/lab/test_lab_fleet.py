"""A small fleet on two machines with a real snapd each, one broker, an inverter for each house.

Two applications, then two units of one; the tests build on each other.
"""

import contextlib
import json
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from charm_unit import DEFAULTS, HookFailed, Model, Relation, Unit
from neighbours import Broker, simulated_inverter
from packing import Packed
from snap_machine import COMMON, eventually, exporter, frozen, main_pid, options, readings
from vm import HOST_ADDRESS, VirtualMachine, image

SOUTHS_INVERTER = 1502
BROKER_URI = "secret:cvh7kruupa1s46bqvuig"
OWED = 3
SNAPDS_OWN = "/var/lib/snapd/state.json"


@pytest.fixture(scope="module")
def second(machine: VirtualMachine, python: Path) -> Generator[VirtualMachine]:
    """Another machine, with nothing of ours, and another inverter beside it."""
    with (
        VirtualMachine(image(python), beside=machine) as running,
        simulated_inverter(machine, SOUTHS_INVERTER),
    ):
        yield running


@pytest.fixture(scope="module")
def resource(machine: VirtualMachine, second: VirtualMachine, packed: Packed) -> str:
    """The snap on both machines, as Juju hands it out."""
    snap = packed.snap.result()
    machine.run("snap remove --purge sungather")
    for one in (machine, second):
        one.put(snap)
    return f"/root/{snap.name}"


def model(resource: str, port: int, *, leader: bool = True) -> Model:
    """What Juju's controller knows of a unit that publishes to the broker."""
    house = {"inverter-host": HOST_ADDRESS, "inverter-port": port, "scan-interval": 2}
    found = Model(DEFAULTS | house, leader=leader, resources={"sungather-snap": resource})
    endpoint = {"host": HOST_ADDRESS, "port": 1883, "tls": False, "protocol": "mqtt"}
    bag = {"endpoints": json.dumps([endpoint]), "secret-user": json.dumps(BROKER_URI)}
    found.secrets[BROKER_URI] = {"username": Broker.USER, "password": Broker.PASSWORD}
    found.granted.append(BROKER_URI)
    found.relations["0"] = Relation("standby", "", [])
    found.relations["1"] = Relation("mqtt", "mosquitto", ["mosquitto/0"], {"mosquitto": bag})
    return found


@pytest.fixture(scope="module")
def north(machine: VirtualMachine, packed: Packed, resource: str) -> Unit:
    """The only unit of an application."""
    return Unit(machine, packed.charm.result(), model(resource, 502), "north/0")


@pytest.fixture(scope="module")
def south(second: VirtualMachine, packed: Packed, resource: str) -> Unit:
    """The only unit of another one."""
    known = model(resource, SOUTHS_INVERTER)
    return Unit(second, packed.charm.result(), known, "south/0")


@pytest.fixture(scope="module")
def spare(second: VirtualMachine, packed: Packed, resource: str) -> Unit:
    """The second unit of the first application, on the machine that another one has left."""
    known = model(resource, 502, leader=False)
    return Unit(second, packed.charm.result(), known, "north/1")


def place(topic: str) -> str:
    """The application that a topic belongs to: it begins with sungather/MODEL/APPLICATION."""
    start, known, application, *_ = topic.split("/")
    assert (start, known) == ("sungather", "lab"), topic
    return application


def test_two_applications_publish_to_one_broker_each_under_a_topic_of_its_own(
    north: Unit, south: Unit, broker: Broker
) -> None:
    seen: dict[str, set[str]] = {"north": set(), "south": set()}

    def both(topic: str, message: Any) -> bool:
        if topic.endswith("/state"):
            seen[place(topic)].add(message["serial"])
        return all(seen.values())

    broker.start()
    with broker.heard() as wait:
        with ThreadPoolExecutor(2) as threads:
            installed = [threads.submit(unit.event, "install") for unit in (north, south)]
        for one in installed:
            assert one.result().status[0] in ("active", "waiting"), one.result().status
        wait(both)
    assert north.event("update-status").status[0] == "active"


def test_a_removal_that_fails_once_is_tried_again_until_nothing_is_left(
    south: Unit, second: VirtualMachine
) -> None:
    held = f"{COMMON}/held"
    second.run(f"mkdir {held} && mount -t tmpfs held {held}")
    south.event("stop")
    with pytest.raises(HookFailed, match="SnapError: cannot perform"):
        south.event("remove")
    assert main_pid(second) == "0"
    second.run(f"umount {held}")
    assert south.event("remove").status == ("maintenance", "removed")
    south.vanishes()
    assert "sungather" not in second.run("snap list").stdout
    left = second.run("ls -A /var/lib/sungather-charm /var/snap").stdout
    assert not {"set-keys", "proxy", "sungather"} & set(left.split())
    found = second.run(
        "grep -rlFf - /var /etc /home /tmp /run 2>/dev/null", check=False, given=Broker.PASSWORD
    )
    assert set(found.stdout.split()) <= {SNAPDS_OWN}
    # snapd's record of what was done, which it forgets by and by; none of its options are left.
    kept = json.loads(second.run(f"cat {SNAPDS_OWN}").stdout)
    assert {k for k, one in kept.items() if Broker.PASSWORD in json.dumps(one)} <= {"tasks"}


def test_a_standby_takes_over_and_what_was_owed_comes_from_the_unit_that_owes_it(
    north: Unit, spare: Unit, machine: VirtualMachine, second: VirtualMachine, broker: Broker
) -> None:
    assert spare.event("install").status[1].startswith("standby: ")
    assert options(second)["outbox.deliver-only"] in (True, "true")
    broker.stop()

    def owes(answer: Any) -> bool:
        return exporter(answer, "mqtt")["queue"] >= OWED

    eventually(machine, "sungather.readings --format json", owes)
    last = readings(machine)["inverters"][0]["time"]
    spare.model.leader, north.model.leader = True, False
    spare.event("leader-elected")
    said = spare.model.relations["0"].data["north"]
    north.model.relations["0"].data["north"] = said
    assert north.relation_event("0", "changed").status[1].startswith("standby: north/1 reads")
    assert options(machine)["outbox.deliver-only"] in (True, "true")
    # The inverter has a single session: the other has let go of it.
    readings(second)
    late: set[str] = set()
    states: set[str] = set()

    def all_of_it(topic: str, message: Any) -> bool:
        assert place(topic) == "north"
        if topic.endswith("/history") and message["time"] <= last:
            late.add(message["time"])
        if topic.endswith("/state"):
            states.add(message["time"])
        return len(late) >= OWED and any(one > last for one in states)

    with contextlib.ExitStack() as listening:
        with frozen(machine), frozen(second):
            wait = listening.enter_context(broker.heard())
        wait(all_of_it)
    assert min(states) > last, "a standby speaks for nobody"


def test_both_units_go_and_leave_nothing(
    north: Unit, spare: Unit, machine: VirtualMachine, second: VirtualMachine
) -> None:
    for unit, where in ((spare, second), (north, machine)):
        assert unit.goes().status == ("maintenance", "removed")
        assert "sungather" not in where.run("snap list").stdout
