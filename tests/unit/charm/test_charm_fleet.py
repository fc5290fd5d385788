"""Units with an inverter of their own, and standbys that could do better than the leader."""

import json
from pathlib import Path
from typing import Any

import pytest
from charm_model import HOST, Config, Context, active, blocked, context_of, polls, state
from fake_snapd import FakeSnapd
from ops import testing
from test_charm_standby import claim_of

import ownership
import unit_inverters
from charm import SungatherCharm
from extra_options import WrongOptionText

EACH = "sungather/0: 10.0.0.10\nsungather/1: {host: 10.0.0.11, connection: http, unit: 3}\n"
UNREACHABLE = {
    "status": "waiting",
    "message": "inverter is unreachable; sungather.test-connection says why",
    "code": "no-route",
    "timestamp": "2099-11-23T17:05:00+01:00",
}


def unit(
    charmcraft: dict[str, Any], number: int, config: Config, *, leader: bool, **more: Any
) -> testing.State:
    """The state of one unit after config-changed."""
    context = context_of(charmcraft, unit_id=number)
    return context.run(context.on.config_changed(), state(config, leader=leader, **more))


@pytest.mark.parametrize("leader", [True, False])
def test_a_unit_with_an_inverter_of_its_own_reads_it_whoever_leads(
    charmcraft: dict[str, Any], snapd: FakeSnapd, leader: bool
) -> None:
    broker = testing.Relation("mqtt")
    out = unit(charmcraft, 1, {"unit-inverters": EACH}, leader=leader, relations=[broker])
    assert polls(snapd)
    found = [snapd.options[f"inverter.{key}"] for key in ("host", "connection", "unit")]
    assert found == ["10.0.0.11", "http", "3"]
    # What the relation asks for covers it, and no other unit publishes there.
    assert snapd.options["mqtt.topic"] == "sungather/home/sungather/1"
    assert {one.port for one in out.opened_ports} == {8080}
    if leader:
        asked = json.loads(out.get_relation(broker.id).local_app_data["topic-permissions"])
        assert asked == [{"filter": "sungather/home/sungather/#", "access": "readwrite"}]


def test_a_machine_stands_for_the_unit_on_it(
    context: Context, snapd: FakeSnapd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUJU_MACHINE_ID", "2/lxd/0")
    config: Config = {"unit-inverters": "2/lxd/0: 10.0.0.12"}
    context.run(context.on.config_changed(), state(config, leader=False))
    assert (snapd.options["inverter.host"], polls(snapd)) == ("10.0.0.12", True)


def test_a_unit_that_is_not_named_stands_by_and_its_status_says_how_to_change_that(
    charmcraft: dict[str, Any], snapd: FakeSnapd
) -> None:
    out = unit(charmcraft, 2, HOST | {"unit-inverters": EACH}, leader=False)
    assert not polls(snapd)
    # A command that sets the option would take the inverters of the others away.
    assert "add a line to unit-inverters: sungather/2: ADDRESS" in out.unit_status.message
    assert "juju config" not in out.unit_status.message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- 10.0.0.1", "write UNIT: ADDRESS"),
        ("swordfish", "write UNIT: ADDRESS"),
        ("roof: swordfish", "write UNIT: ADDRESS"),
        ("sungather/0: [swordfish]", "write UNIT: ADDRESS"),
        ("sungather/0: {unit: 2}", "sungather/0 has no host."),
        ("sungather/0: ''", "sungather/0 has no host."),
        ("sungather/0: a\nsungather/0: swordfish", "sungather/0 is there twice."),
        ("sungather/0: {host: a, password: swordfish}", "the secret of inverter-credentials"),
        ("a: {", "unit-inverters: this is not YAML (line 1)"),
    ],
)
def test_a_map_that_cannot_be_used_is_told_without_its_values(text: str, words: str) -> None:
    with pytest.raises(WrongOptionText) as told:
        unit_inverters.parse(text)
    assert words in str(told.value)
    assert "swordfish" not in str(told.value)


@pytest.mark.parametrize("leader", [True, False])
def test_a_slip_in_the_map_makes_no_unit_stop_or_start_reading(
    context: Context, snapd: FakeSnapd, leader: bool
) -> None:
    for good in (EACH, ""):
        config = HOST | {"unit-inverters": good}
        before = context.run(context.on.config_changed(), state(config, leader=leader))
        read = polls(snapd), snapd.options["inverter.host"]
        wrong = state(
            HOST | {"unit-inverters": "a: {", "level": 2},
            leader=leader,
            stored_states=before.stored_states,
        )
        out = context.run(context.on.config_changed(), wrong)
        assert blocked(out.unit_status) == "unit-inverters: this is not YAML (line 1)."
        assert (polls(snapd), snapd.options["inverter.host"]) == read
        assert snapd.options["inverter.level"] == "2"


def test_an_action_goes_by_the_map_as_it_is_now(context: Context, snapd: FakeSnapd) -> None:
    """It may come before config-changed."""
    snapd.app_answers["readings"] = {"inverters": []}
    config: Config = {"unit-inverters": "sungather/0: 10.0.0.10"}
    context.run(context.on.action("get-readings"), state(config, leader=False))
    assert (snapd.options["inverter.host"], polls(snapd)) == ("10.0.0.10", True)


@pytest.mark.parametrize("now", [True, False])
def test_a_standbys_answer_to_another_trouble_counts_no_more(
    charmcraft: dict[str, Any], snapd: FakeSnapd, now: bool
) -> None:
    snapd.health = UNREACHABLE
    alone = testing.PeerRelation("standby", peers_data={1: {}})
    out = unit(charmcraft, 0, HOST, leader=True, relations=[alone])
    trouble = out.get_relation(alone.id).local_app_data["trouble"] if now else "port-closed"
    answer = json.dumps({"to": trouble, "reaches": True})
    both = testing.PeerRelation("standby", peers_data={1: {"own-way": answer}})
    out = unit(charmcraft, 0, HOST, leader=True, relations=[both])
    assert ("sungather/1 reaches the inverter" in out.unit_status.message) is now


@pytest.mark.parametrize("reaches", [True, False])
def test_a_leader_in_trouble_is_told_of_a_standby_that_reaches_the_inverter(
    charmcraft: dict[str, Any], snapd: FakeSnapd, reaches: bool
) -> None:
    snapd.health = UNREACHABLE
    alone = testing.PeerRelation("standby", peers_data={1: {}})
    out = unit(charmcraft, 0, HOST, leader=True, relations=[alone])
    asked = dict(out.get_relation(alone.id).local_app_data)
    assert "no-route" in asked["trouble"]
    snapd.app_answers["test-connection"] = {"inverters": [{"name": "a", "success": reaches}]}
    peers = testing.PeerRelation("standby", peers_data={0: {}}, local_app_data=asked)
    out = unit(charmcraft, 1, HOST, leader=False, relations=[peers])
    told = out.get_relation(peers.id)
    assert isinstance(told, testing.PeerRelation)
    tests = [one for one in snapd.commands if "sungather.test-connection" in one]
    assert len(tests) == 1
    unit(charmcraft, 1, HOST, leader=False, relations=[told])
    assert [one for one in snapd.commands if "sungather.test-connection" in one] == tests
    both = testing.PeerRelation(
        "standby", peers_data={1: told.local_unit_data}, local_app_data=asked
    )
    out = unit(charmcraft, 0, HOST, leader=True, relations=[both])
    words = (
        "sungather/1 reaches the inverter, this unit does not; to hand over: juju run sungather/0 "
    )
    words += "backup; juju remove-unit sungather/0"
    assert (words in out.unit_status.message) is reaches
    snapd.health = {}
    out = unit(charmcraft, 0, HOST, leader=True, relations=[both])
    assert out.unit_status == active()


@pytest.mark.parametrize(("number", "leader"), [(2, False), (0, True)])
def test_a_unit_that_reads_its_own_inverter_is_not_told_of_the_leaders_trouble(
    charmcraft: dict[str, Any], snapd: FakeSnapd, number: int, leader: bool
) -> None:
    """And a leader that has got one of its own asks nobody any more."""
    trouble = "no-route 2026-12-01T10:00:00Z"
    reached = json.dumps({"to": trouble, "reaches": True})
    peers = testing.PeerRelation(
        "standby", local_app_data={"trouble": trouble}, peers_data={1: {"own-way": reached}}
    )
    own = HOST | {"unit-inverters": f"sungather/{number}: 10.0.0.12"}
    out = unit(charmcraft, number, own, leader=leader, relations=[peers])
    assert "remove-unit" not in out.unit_status.message
    if leader:
        assert not out.get_relation(peers.id).local_app_data.get("trouble")


def test_who_leads_with_an_inverter_of_its_own_is_told_that_nobody_reads_the_other_one(
    charmcraft: dict[str, Any], snapd: FakeSnapd
) -> None:
    own: Config = {"unit-inverters": "sungather/0: 10.0.0.12"}
    out = unit(charmcraft, 0, HOST | own, leader=True)
    assert "nobody reads inverter-host" in out.unit_status.message
    assert "nobody reads" not in unit(charmcraft, 0, own, leader=True).unit_status.message


def test_an_app_that_fails_in_json_ends_no_hook(
    charmcraft: dict[str, Any], snapd: FakeSnapd
) -> None:
    failed = {"error": {"class": "daemon", "message": "No daemon is running."}}
    snapd.app_answers |= {"readings": failed, "test-connection": failed}
    peers = testing.PeerRelation(
        "standby", local_app_data={"trouble": "no-route x"}, peers_data={0: {}}
    )
    out = unit(charmcraft, 1, HOST, leader=False, relations=[peers])
    assert "own-way" not in out.get_relation(peers.id).local_unit_data
    assert unit(charmcraft, 0, HOST, leader=True).unit_status.name == "active"


def inverters_of(snapd: FakeSnapd) -> dict[str, str]:
    """The options that say where inverters are."""
    found = snapd.options.items()
    return {k: text for k, text in found if k.startswith("inverter") and k.endswith(".host")}


def test_further_inverters_are_the_leaders_and_no_unit_reads_them_beside_it(
    charmcraft: dict[str, Any], snapd: FakeSnapd
) -> None:
    extra: Config = {"extra-options": "inverters.garage.host: 10.0.0.20"}
    own: Config = {"unit-inverters": "sungather/1: 10.0.0.11"}
    unit(charmcraft, 1, HOST | extra | own, leader=False)
    assert inverters_of(snapd) == {"inverter.host": "10.0.0.11"}
    out = unit(charmcraft, 1, extra | own, leader=True)
    assert "nor inverters of extra-options, while this unit leads" in out.unit_status.message
    unit(charmcraft, 0, HOST | extra | own, leader=True)
    further = {"inverters.inverter.host": "192.168.1.10", "inverters.garage.host": "10.0.0.20"}
    assert {key: text for key, text in inverters_of(snapd).items() if text} == further


def test_two_units_of_one_machine_do_not_take_turns_with_its_snap(
    charmcraft: dict[str, Any],
    snapd: FakeSnapd,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    # The directory of the testing charm goes with each event; a unit's stays.
    def me(self: SungatherCharm) -> ownership.Unit:
        return ownership.Unit("m", self.unit.name, tmp_path)

    monkeypatch.setattr(SungatherCharm, "_me", me)
    config = HOST | {"unit-inverters": "sungather/1: 10.0.0.11"}
    changes: set[int] = set()
    for _ in range(2):
        assert unit(charmcraft, 0, config, leader=True).unit_status == active()
        out = unit(charmcraft, 1, config, leader=False)
        assert "sungather/0 reads another inverter with this machine" in blocked(out.unit_status)
        assert "juju add-unit sungather" in out.unit_status.message
        assert snapd.options["inverter.host"] == "192.168.1.10"
        changes.add(len(snapd.changes))
    assert len(changes) == 1


def test_a_leader_whose_machine_is_anothers_is_not_told_as_the_reader(
    charmcraft: dict[str, Any], snapd: FakeSnapd, tmp_path: Path
) -> None:
    claim_of("solar", tmp_path, polls=True)
    peers = testing.PeerRelation("standby")
    out = unit(charmcraft, 0, HOST, leader=True, relations=[peers])
    blocked(out.unit_status)
    told = out.get_relation(peers.id)
    assert isinstance(told, testing.PeerRelation)
    (ownership.DIRECTORY / "solar.json").unlink()
    peers = testing.PeerRelation("standby", local_app_data=dict(told.local_app_data))
    out = unit(charmcraft, 1, HOST, leader=False, relations=[peers])
    assert "standby: the leader cannot read" in out.unit_status.message
