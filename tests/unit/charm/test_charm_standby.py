"""Several units: the leader polls, nobody else does; and whose the snap on a machine is."""

import json
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from charm_model import (
    HOST,
    Context,
    active,
    after_config_changed,
    blocked,
    context_of,
    polls,
    state,
)
from fake_snapd import FakeSnapd, Server
from ops import testing

import ownership
import sungather_snap

STANDBY = (
    "standby: {who} reads the inverter (for an inverter of its own: juju config sungather "
    "unit-inverters='{unit}: ADDRESS')"
)


class Machine:
    """A machine of its own: snapd, files, and the unit on it."""

    def __init__(self, directory: Path, charmcraft: dict[str, Any], number: int) -> None:
        self.directory = directory
        (directory / "snaps").mkdir(parents=True)
        self.snapd = FakeSnapd(directory / "snaps")
        self.context = context_of(charmcraft, unit_id=number)


class Fleet:
    """Units of one application on a machine each, told the same by Juju."""

    def __init__(self, machines: list[Machine], monkeypatch: pytest.MonkeyPatch) -> None:
        self.machines = machines
        self._monkeypatch = monkeypatch
        self.said: dict[str, str] = {}
        """The application's databag of the peer relation."""

    def on(self, number: int, event: str, *, leader: int) -> testing.State:
        """One event on one unit, while `leader` is the leader."""
        machine = self.machines[number]
        socket = str(machine.directory / "socket")
        own = machine.directory / "own"
        self._monkeypatch.setattr("charmlibs.snap._client._SOCKET_PATH", socket)
        self._monkeypatch.setattr("snapd_socket.SOCKET", socket)
        self._monkeypatch.setattr("process.run", machine.snapd.run)
        self._monkeypatch.setattr("health_timer.UNITS", machine.directory)
        self._monkeypatch.setattr(ownership, "DIRECTORY", own)
        self._monkeypatch.setattr(sungather_snap, "SET_KEYS", own / "set-keys")
        self._monkeypatch.setattr(sungather_snap, "DROP_IN", own / "juju-proxy.conf")
        self._monkeypatch.setattr(sungather_snap, "PROXY", own / "proxy")
        others: dict[int, dict[str, str]] = {
            n: {} for n in range(len(self.machines)) if n != number
        }
        peers = testing.PeerRelation("standby", peers_data=others, local_app_data=self.said)
        before = state(HOST, leader=number == leader, relations=[peers])
        on = machine.context.on
        emit = getattr(on, event)
        another = (number + 1) % len(self.machines)
        about_peers = event.startswith("relation")
        what = emit(peers, remote_unit=another) if about_peers else emit()
        out = machine.context.run(what, before)
        after = out.get_relation(peers.id)
        assert isinstance(after, testing.PeerRelation)
        self.said = dict(after.local_app_data)
        return out

    @property
    def polling(self) -> list[int]:
        return [n for n, one in enumerate(self.machines) if polls(one.snapd)]


@pytest.fixture
def fleet(
    tmp_path: Path, charmcraft: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Generator[Fleet]:
    """Three units."""
    machines = [Machine(tmp_path / str(n), charmcraft, n) for n in range(3)]
    with ExitStack() as running:
        for one in machines:
            running.enter_context(Server(one.directory / "socket", one.snapd))
        yield Fleet(machines, monkeypatch)


def test_only_the_leader_polls_and_the_others_are_ready(fleet: Fleet) -> None:
    statuses = [fleet.on(n, "config_changed", leader=0).unit_status for n in range(3)]
    assert fleet.polling == [0]
    assert statuses[1] == testing.ActiveStatus(
        STANDBY.format(who="sungather/0", unit="sungather/1")
    )
    for one in fleet.machines:
        assert one.snapd.revision == "7"
        assert one.snapd.options["web.port"] == "8080"


def test_a_new_leader_polls_and_its_word_stops_the_former_one(fleet: Fleet) -> None:
    for number in range(3):
        fleet.on(number, "config_changed", leader=0)
    fleet.on(1, "leader_elected", leader=1)
    assert fleet.said["polling-unit"] == "sungather/1"
    for number in (0, 2):
        fleet.on(number, "relation_changed", leader=1)
    assert fleet.polling == [1]


def test_nobody_that_knows_of_the_new_leader_polls_beside_it(fleet: Fleet) -> None:
    """Whatever comes first: each unit that has had any event with the new leader is right."""
    for number in range(3):
        fleet.on(number, "config_changed", leader=0)
    for number, event in [(0, "update_status"), (2, "config_changed"), (1, "leader_elected")]:
        fleet.on(number, event, leader=1)
        assert set(fleet.polling) <= {1}
    assert fleet.polling == [1]


def test_a_leader_that_departs_stops_before_another_is_elected(fleet: Fleet) -> None:
    for number in range(3):
        fleet.on(number, "config_changed", leader=0)
    fleet.on(0, "relation_departed", leader=0)
    fleet.on(0, "stop", leader=0)
    assert fleet.polling == []
    fleet.on(2, "leader_elected", leader=2)
    fleet.on(0, "remove", leader=2)
    fleet.on(1, "relation_departed", leader=2)
    assert fleet.polling == [2]
    assert fleet.machines[0].snapd.revision == ""


def test_a_standby_that_departs_disturbs_nobody(fleet: Fleet) -> None:
    for number in range(3):
        fleet.on(number, "config_changed", leader=0)
    fleet.on(2, "stop", leader=0)
    fleet.on(2, "remove", leader=0)
    fleet.on(0, "relation_departed", leader=0)
    assert fleet.polling == [0]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where another unit's charm lives on the same machine."""
    directory = tmp_path / "unit-other-0"
    directory.mkdir()
    return directory


def claim_of(application: str, home: Path, *, polls: bool) -> Path:
    ownership.DIRECTORY.mkdir(exist_ok=True)
    file = ownership.DIRECTORY / f"{application}.json"
    entry = {
        "model": "11111111-1111-4111-8111-111111111111",
        "application": application,
        "unit": f"{application}/7",
        "home": str(home),
        "polls": polls,
        "own_inverter": False,
    }
    file.write_text(json.dumps(entry))
    return file


def test_a_second_application_on_the_machine_is_blocked_and_touches_nothing(
    context: Context, snapd: FakeSnapd, home: Path
) -> None:
    claim_of("solar", home, polls=True)
    message = blocked(after_config_changed(context, state(HOST)).unit_status)
    assert message == (
        "the sungather snap of this machine belongs to solar: put further inverters into its "
        "extra-options, or deploy sungather to another machine"
    )
    context.run(context.on.stop(), state(HOST))
    context.run(context.on.remove(), state(HOST))
    assert (snapd.changes, snapd.commands) == ([], [])


def test_an_application_that_went_without_a_word_owns_nothing(
    context: Context, snapd: FakeSnapd, home: Path
) -> None:
    claim_of("solar", home, polls=True)
    home.rmdir()
    assert after_config_changed(context, state(HOST)).unit_status == active()


def test_a_standby_beside_the_polling_unit_leaves_their_snap_alone(
    context: Context, snapd: FakeSnapd, home: Path
) -> None:
    after_config_changed(context, state(HOST))
    claim_of("sungather", home, polls=True)
    changes = list(snapd.changes)
    out = context.run(context.on.update_status(), state(HOST, leader=False))
    assert out.unit_status == testing.ActiveStatus(
        STANDBY.format(who="the leader", unit="sungather/0")
    )
    assert (snapd.changes, snapd.running) == (changes, True)


def test_the_snap_stays_until_the_last_unit_on_the_machine_goes(
    context: Context, snapd: FakeSnapd, home: Path
) -> None:
    after_config_changed(context, state(HOST))
    other = claim_of("sungather", home, polls=False)
    context.run(context.on.remove(), state(HOST))
    assert snapd.revision == "7"
    other.unlink()
    after_config_changed(context, state(HOST))
    context.run(context.on.remove(), state(HOST))
    assert snapd.revision == ""
