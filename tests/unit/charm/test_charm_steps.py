"""Each step stands for itself: what one cannot do hides no other, and all of it is told."""

import json
from pathlib import Path

import ops
import pytest
from charm_model import (
    HOST,
    SECRET,
    Config,
    Context,
    active,
    after_config_changed,
    blocked,
    nobody_listens,
    polls,
    state,
    status,
    waiting,
)
from fake_snapd import FakeSnapd
from ops import testing

import ownership

ENDPOINTS = ("cos-agent", "metrics-endpoint", "grafana-dashboard", "ingress", "mqtt")
TROUBLES: dict[str, Config] = {
    "no host": {},
    "no secret": HOST | {"pvoutput-enabled": True},
    "a secret that is gone": HOST | {"mqtt-credentials": "secret:9m4e2mr0ui3e8a215n40"},
    "a refused value": HOST | {"log-level": "LOUD"},
    "no snap": HOST,
    "no snapd": HOST,
    "another's machine": HOST,
}


def in_trouble(
    trouble: str, snapd: FakeSnapd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Config:
    """The config of a unit that has this trouble, and the trouble itself."""
    if trouble == "no snap":
        snapd.store.clear()
    elif trouble == "no snapd":
        monkeypatch.setattr("charmlibs.snap._client._SOCKET_PATH", "/nowhere/snapd.socket")
    elif trouble == "another's machine":
        ownership.DIRECTORY.mkdir(exist_ok=True)
        entry = {"model": "m", "application": "solar", "home": str(tmp_path), "polls": True}
        (ownership.DIRECTORY / "m.solar-0.json").write_text(json.dumps(entry))
    return TROUBLES[trouble]


def bags(out: testing.State, relation: testing.Relation) -> dict[str, str]:
    """What we wrote, but for Juju's own keys."""
    after = out.get_relation(relation.id)
    assert isinstance(after, testing.Relation)
    own = {"egress-subnets", "ingress-address", "private-address"}
    found = {**after.local_app_data, **after.local_unit_data}
    return {key: text for key, text in found.items() if key not in own}


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_relation_that_is_made_in_any_trouble_gets_its_data(
    context: Context,
    snapd: FakeSnapd,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    trouble: str,
    endpoint: str,
) -> None:
    config = in_trouble(trouble, snapd, monkeypatch, tmp_path)
    relation = testing.Relation(endpoint)
    before = state(config, relations=[relation])
    out = context.run(context.on.relation_joined(relation, remote_unit=0), before)
    blocked(out.unit_status)
    if (endpoint, trouble) != ("mqtt", "another's machine"):
        assert bags(out, relation)


@pytest.mark.parametrize("trouble", [*TROUBLES, "no page"])
def test_haproxy_always_gets_a_whole_databag(
    context: Context,
    snapd: FakeSnapd,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    trouble: str,
) -> None:
    """A databag with half of it makes haproxy refuse the configuration of every application."""
    if trouble == "no page":
        config = HOST | {"enable-webserver": False}
    else:
        config = in_trouble(trouble, snapd, monkeypatch, tmp_path)
    relation = testing.Relation("ingress")
    before = state(config, relations=[relation])
    for event in (context.on.relation_created(relation), context.on.update_status()):
        out = context.run(event, before)
        found = {key: json.loads(text) for key, text in bags(out, relation).items()}
        assert (found["model"], found["name"], found["port"]) == ("home", "sungather", 8080)
        assert (bool(found["host"]), found["ip"]) == (True, "192.0.2.0")


def test_what_is_another_applications_is_not_scraped_as_ours(
    context: Context, snapd: FakeSnapd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = in_trouble("another's machine", snapd, monkeypatch, tmp_path)
    agent, prometheus = testing.Relation("cos-agent"), testing.Relation("metrics-endpoint")
    out = after_config_changed(context, state(config, relations=[agent, prometheus]))
    assert "8080" not in str(bags(out, agent))
    told = out.get_relation(prometheus.id)
    assert isinstance(told, testing.Relation)
    assert "prometheus_scrape_unit_address" not in told.local_unit_data
    assert "*:8080" in told.local_app_data["scrape_jobs"], "the other units' machines are ours"
    assert not out.opened_ports
    snapd.revision = "7"
    with pytest.raises(testing.ActionFailed, match="belongs to solar"):
        context.run(context.on.action("get-readings"), state(config))
    assert not snapd.commands


def test_all_that_is_wrong_is_told_at_once(context: Context, snapd: FakeSnapd) -> None:
    wrong: Config = {
        "mqtt-credentials": "secret:9m4e2mr0ui3e8a215n40",
        "log-level": "LOUD",
        "enable-webserver": False,
    }
    message = blocked(status(context, state(wrong, relations=[testing.Relation("cos-agent")])))
    for words in (
        "the secret of mqtt-credentials does not exist",
        "juju config sungather log-level=VALUE",
        "juju config sungather inverter-host=ADDRESS",
        "juju config sungather enable-webserver=true",
    ):
        assert message.count(words) == 1
    snapd.store.clear()
    snapd.revision = ""
    message = blocked(status(context, state({"extra-options": "[]"})))
    for words in ("cannot be installed", "write options as KEY: VALUE", "inverter-host=ADDRESS"):
        assert message.count(words) == 1


def test_an_event_that_the_charm_does_not_observe_hides_no_trouble(
    context: Context, snapd: FakeSnapd
) -> None:
    own = testing.Secret({"key": SECRET}, owner="unit")
    before = state({"log-level": "LOUD"}, own)
    out = context.run(context.on.secret_remove(own, revision=1), before)
    assert "log.level must be" in blocked(out.unit_status)


LEADS_NO_MORE: dict[str, Config] = {
    "nothing is wrong": {},
    "a refused value": {"log-level": "LOUD"},
    "extra-options that cannot be read": {"extra-options": "[]"},
    "a secret that is gone": {"mqtt-credentials": "secret:9m4e2mr0ui3e8a215n40"},
    "snapd is busy": {},
    "snapd is silent": {},
}


@pytest.mark.parametrize("trouble", LEADS_NO_MORE)
def test_a_former_leader_stops_whatever_is_wrong(
    context: Context,
    snapd: FakeSnapd,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    trouble: str,
) -> None:
    after_config_changed(context, state(HOST))
    assert snapd.running
    if trouble == "snapd is busy":
        snapd.under_way = "auto-connect"
    elif trouble == "snapd is silent":
        nobody_listens(monkeypatch, tmp_path)
    peer = testing.PeerRelation("standby", local_app_data={"polling-unit": "sungather/1"})
    before = state(HOST | LEADS_NO_MORE[trouble], leader=False, relations=[peer])
    context.run(context.on.relation_changed(peer, remote_unit=1), before)
    assert not polls(snapd)


def test_a_standby_whose_options_are_refused_does_not_read_when_the_snap_is_refreshed(
    context: Context, snapd: FakeSnapd
) -> None:
    """The snap's hook starts the daemon as long as its options name an inverter."""
    after_config_changed(context, state(HOST))
    wrong = state(HOST | {"log-level": "LOUD"}, leader=False)
    after_config_changed(context, wrong)
    assert snapd.options["inverter.host"]
    refreshed = state(HOST | {"log-level": "LOUD", "snap-revision": 8}, leader=False)
    context.run(context.on.upgrade_charm(), refreshed)
    assert (snapd.revision, polls(snapd)) == ("8", False)


@pytest.mark.parametrize("slip", [{"log-level": "LOUD"}, {"extra-options": "[]"}])
def test_a_new_leader_reads_whatever_is_wrong_with_its_options(
    context: Context, snapd: FakeSnapd, slip: Config
) -> None:
    """The former leader, who has the same config, stops: nobody would read."""
    after_config_changed(context, state(HOST, leader=False))
    assert not polls(snapd)
    out = context.run(context.on.leader_elected(), state(HOST | slip, leader=True))
    blocked(out.unit_status)
    assert polls(snapd)
    context.run(context.on.config_changed(), state(HOST | slip, leader=False))
    assert not polls(snapd)


def test_a_peer_databag_that_cannot_be_written_is_not_told_as_a_resource(
    context: Context, snapd: FakeSnapd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Juju runs the hook again."""

    def fails(*_: object) -> None:
        raise ops.ModelError("ERROR cannot write relation settings")

    monkeypatch.setattr("snap_pins.note", fails)
    with pytest.raises(testing.errors.UncaughtCharmError, match="relation settings"):
        after_config_changed(context, state(HOST))


def test_a_standby_that_does_not_get_rid_of_what_it_owes_says_so(
    context: Context, snapd: FakeSnapd
) -> None:
    """Whoever removes the unit would lose it."""
    standby = state(HOST, leader=False)
    assert context.run(context.on.config_changed(), standby).unit_status.name == "active"
    snapd.health = {
        "status": "blocked",
        "message": "mqtt: the broker refuses the password",
        "code": "mqtt-blocked",
        "timestamp": "2099-11-23T17:05:00+01:00",
    }
    out = context.run(context.on.update_status(), standby)
    assert "still owes is not delivered: mqtt: the broker" in waiting(out.unit_status)
    snapd.starts = snapd.running = False
    out = context.run(context.on.update_status(), standby)
    assert "snap logs sungather" in waiting(out.unit_status)


def test_a_standby_that_delivers_is_left_alone(context: Context, snapd: FakeSnapd) -> None:
    after_config_changed(context, state(HOST, leader=False))
    assert (snapd.running, polls(snapd)) == (True, False)
    changes, commands = list(snapd.changes), list(snapd.commands)
    context.run(context.on.update_status(), state(HOST, leader=False))
    assert (snapd.changes, snapd.commands) == (changes, commands)


def test_what_a_second_round_of_the_same_event_could_do_is_no_trouble_any_more(
    context: Context, snapd: FakeSnapd
) -> None:
    """As after a backup: the first round comes before it, the second after it."""
    with context(context.on.update_status(), state(HOST)) as manager:
        snapd.refusal = "too early for operation, device not yet seeded"
        manager.charm.reconcile()
        assert manager.charm.troubles
        snapd.refusal = ""
        manager.charm.reconcile()
        assert manager.charm.troubles == []
        assert manager.run().unit_status == active()
