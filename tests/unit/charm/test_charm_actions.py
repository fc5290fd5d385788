"""Actions: the apps' JSON as results, failures in sentences."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from charm_model import HOST, Config, Context, after_config_changed, blocked, polls, state, status
from fake_snapd import FakeSnapd
from ops import testing

import extra_options

TESTED = {
    "name": "inverter",
    "success": True,
    "latency_ms": {"min": 1.0, "median": 2.5, "max": 4.0},
    "model": "SH10RT",
    "error": None,
}
READING = {
    "name": "inverter",
    "state": "ok",
    "model": "SH10RT",
    "serial": "A123",
    "firmware": {"ARM": "SAPPHIRE-H_01"},
    "time": "2026-11-23T16:05:00.000Z",
    "values": {"pv_power": 3210, "battery_level": 55.5},
    "units": {"pv_power": "W", "battery_level": "%"},
    "requests": 4,
    "duration_ms": 120.5,
    "age_s": 3.2,
}
UNREACHABLE = {
    "state": "unreachable",
    "error": {"class": "no-route", "message": "Nobody answers at 192.168.1.10."},
}


def run(context: Context, snapd: FakeSnapd, action: str, app: str, answer: Any) -> dict[str, Any]:
    snapd.app_answers[app] = answer
    context.run(context.on.action(action), state(HOST))
    assert context.action_results is not None
    return context.action_results


def test_a_tested_connection_is_told_with_dashed_keys(context: Context, snapd: FakeSnapd) -> None:
    results = run(context, snapd, "test-connection", "test-connection", {"inverters": [TESTED]})
    assert results == {
        "inverter": {
            "name": "inverter",
            "success": "true",
            "latency-ms": {"min": "1.0", "median": "2.5", "max": "4.0"},
            "model": "SH10RT",
        }
    }


def test_run_once_tells_success_and_a_summary(context: Context, snapd: FakeSnapd) -> None:
    results = run(context, snapd, "run-once", "run-once", {"inverters": [READING]})
    assert results == {
        "success": "true",
        "summary": "inverter: SH10RT, ok, 2 values in 4 requests",
    }


def test_the_info_of_an_inverter_is_told_under_its_name(
    context: Context, snapd: FakeSnapd
) -> None:
    info = {"name": "roof", "nominal_power_kw": 10.0, "firmware": {"ARM": "x"}, "battery": None}
    results = run(context, snapd, "get-inverter-info", "get-inverter-info", {"inverters": [info]})
    assert results == {
        "roof": {"name": "roof", "nominal-power-kw": "10.0", "firmware": {"arm": "x"}}
    }


def test_readings_are_told_as_one_json_text(context: Context, snapd: FakeSnapd) -> None:
    answer = {"inverters": [READING], "exporters": []}
    results = run(context, snapd, "get-readings", "readings", answer)
    told = results["inverter"]
    assert json.loads(told["values"]) == READING["values"]
    assert json.loads(told["units"]) == READING["units"]
    assert (told["state"], told["age-s"]) == ("ok", "3.2")


@pytest.mark.parametrize(
    ("action", "app", "shape"),
    [
        ("run-once", "run-once", READING | {"values": {}}),
        ("get-inverter-info", "get-inverter-info", READING),
        ("get-readings", "readings", READING | {"values": {}}),
        ("test-connection", "test-connection", TESTED | {"success": False}),
    ],
)
def test_an_inverter_without_an_answer_fails_the_action_with_the_cause(
    context: Context, snapd: FakeSnapd, action: str, app: str, shape: dict[str, Any]
) -> None:
    with pytest.raises(testing.ActionFailed) as failed:
        run(context, snapd, action, app, {"inverters": [shape | UNREACHABLE]})
    assert failed.value.message == "inverter: Nobody answers at 192.168.1.10."
    assert context.action_results


def test_an_inverter_that_sleeps_fails_no_action(context: Context, snapd: FakeSnapd) -> None:
    asleep = READING | {"state": "asleep", "values": {}, "error": UNREACHABLE["error"]}
    results = run(context, snapd, "run-once", "run-once", {"inverters": [asleep]})
    assert results["success"] == "true"


def test_an_app_that_fails_fails_the_action_with_its_words(
    context: Context, snapd: FakeSnapd
) -> None:
    snapd.app_answers["readings"] = "sungather: The daemon does not answer.\n"
    with pytest.raises(testing.ActionFailed) as failed:
        context.run(context.on.action("get-readings"), state(HOST))
    assert failed.value.message == "sungather: The daemon does not answer."


def test_an_action_on_a_blocked_unit_fails_with_what_blocks_it(context: Context) -> None:
    with pytest.raises(testing.ActionFailed) as failed:
        context.run(context.on.action("test-connection"), state())
    assert failed.value.message.startswith("say where the inverter is")


COMPLAINTS = [
    ("misconfigured", "inverter needs other options; sungather.test-connection says which"),
    ("busy", "inverter is busy: another client holds its connection"),
    ("mqtt-blocked", "mqtt: The broker refuses the password"),
    ("web-blocked", "web: The page cannot listen on *:8080"),
]
ACTIONS = [
    ("run-once", "run-once"),
    ("get-inverter-info", "get-inverter-info"),
    ("test-connection", "test-connection"),
    ("get-readings", "readings"),
]


@pytest.mark.parametrize(("action", "app"), ACTIONS)
@pytest.mark.parametrize(("code", "message"), COMPLAINTS, ids=[code for code, _ in COMPLAINTS])
def test_an_inverter_that_is_unwell_can_be_asked(
    context: Context, snapd: FakeSnapd, action: str, app: str, code: str, message: str
) -> None:
    snapd.health = {"status": "blocked", "message": message, "code": code}
    told = blocked(status(context, state(HOST)))
    if "juju run" in told:
        assert "juju run sungather/0 test-connection" in told
    assert run(context, snapd, action, app, {"inverters": [READING]})


@pytest.mark.parametrize(
    "config",
    [{"enable-webserver": False}, {"log-level": "LOUD"}, {"extra-options": "[]"}],
    ids=lambda config: next(iter(config)),
)
@pytest.mark.parametrize(("action", "app"), ACTIONS)
def test_what_is_wrong_with_other_things_keeps_no_action_from_running(
    context: Context, snapd: FakeSnapd, action: str, app: str, config: Config
) -> None:
    after_config_changed(context, state(HOST))
    snapd.app_answers[app] = {"inverters": [READING]}
    before = state(HOST | config, relations=[testing.Relation("cos-agent")])
    blocked(context.run(context.on.action(action), before).unit_status)
    assert context.action_results


def test_an_action_without_the_snap_fails_with_what_is_wrong(
    context: Context, snapd: FakeSnapd
) -> None:
    snapd.store.clear()
    for action in ("test-connection", "discover"):
        with pytest.raises(testing.ActionFailed) as failed:
            context.run(context.on.action(action), state(HOST))
        assert failed.value.message.startswith("the snap cannot be installed: snap not found")


@pytest.mark.parametrize("action", ["run-once", "get-readings"])
def test_what_only_the_leader_has_a_standby_refers_to_the_leader(
    context: Context, action: str
) -> None:
    with pytest.raises(testing.ActionFailed) as failed:
        context.run(context.on.action(action), state(HOST, leader=False))
    assert f"juju run sungather/leader {action}" in failed.value.message


@pytest.mark.parametrize("action", ["test-connection", "get-inverter-info"])
def test_a_standby_tries_its_own_way_and_says_that_it_is_one(
    context: Context, snapd: FakeSnapd, action: str
) -> None:
    snapd.app_answers[action] = {"inverters": [TESTED]}
    context.run(context.on.action(action), state(HOST, leader=False))
    assert context.action_results is not None
    assert context.action_results["standby"] == "true"
    assert context.action_results["inverter"]["success"] == "true"
    # It knows where the inverter is, and does not poll it.
    assert snapd.options["inverter.host"] == "192.168.1.10"
    assert not polls(snapd)


def test_the_newest_snap_is_taken_by_the_leader_and_noted_for_all(
    context: Context, snapd: FakeSnapd, snap_file: Path
) -> None:
    peers = testing.PeerRelation("standby")
    before = after_config_changed(context, state(HOST, relations=[peers]))
    snapd.store["latest/stable"] = "8"
    out = context.run(context.on.action("refresh-snap"), before)
    assert context.action_results == {"before": "7", "after": "8"}
    assert '"8"' in out.get_relation(peers.id).local_app_data["snap-revisions"]
    context.run(context.on.update_status(), out)
    assert snapd.revision == "8"
    for wrong, words in [
        (state(HOST, leader=False), "juju run sungather/leader refresh-snap"),
        (state(HOST | {"snap-revision": 8}), "juju config sungather snap-revision=0"),
        (state(HOST, file=snap_file), "juju attach-resource sungather sungather-snap=FILE"),
    ]:
        with pytest.raises(testing.ActionFailed) as failed:
            context.run(context.on.action("refresh-snap"), wrong)
        assert words in failed.value.message


FOUND = {
    "networks": ["10.0.0.0/24"],
    "found": [{"host": "10.0.0.9", "connection": "modbus", "model": "SH10RT"}],
    "options": "inverter:\n  host: 10.0.0.9\n",
}


def test_discover_works_before_any_inverter_is_named(context: Context, snapd: FakeSnapd) -> None:
    snapd.app_answers["discover"] = FOUND
    context.run(context.on.action("discover", params={"network": "10.0.0.0/24"}), state())
    assert snapd.commands[-1][-2:] == ("--network", "10.0.0.0/24")
    assert context.action_results is not None
    settings = "inverter-host=10.0.0.9 connection-type=modbus"
    assert context.action_results["settings"] == settings
    assert json.loads(context.action_results["found"]) == FOUND["found"]


@pytest.mark.parametrize(
    ("unit", "extra", "setting"),
    [
        (1, "", ""),
        (247, "", " extra-options='inverter.unit: 247'"),
        (2, "log.times: false", " extra-options='log.times: false\ninverter.unit: 2'"),
        (2, "{log.times: false}", " extra-options='log.times: "),
        (2, "inverter:\n  unit: 2", ""),
        (1, "inverter.unit: 2", " extra-options='inverter.unit: "),
    ],
)
def test_what_discover_says_can_be_pasted_with_the_unit_and_loses_no_other_option(
    context: Context, snapd: FakeSnapd, unit: int, extra: str, setting: str
) -> None:
    found = {"host": "10.0.0.9", "connection": "modbus", "model": "SH10RT", "unit": unit}
    snapd.app_answers["discover"] = FOUND | {"found": [found]}
    context.run(context.on.action("discover"), state({"extra-options": extra}))
    assert context.action_results is not None
    told = context.action_results["settings"]
    assert told.startswith(f"inverter-host=10.0.0.9 connection-type=modbus{setting}")
    assert setting or told.endswith("=modbus")
    # As a shell and then the charm take it.
    config = dict(word.split("=", 1) for word in shlex.split(told))
    known, pasted = (
        extra_options.parse(text) for text in (extra, config.get("extra-options", extra))
    )
    assert pasted.get("inverter.unit", "1") == str(unit)
    assert known.keys() <= pasted.keys()
    assert pasted.get("log.times") == known.get("log.times")


@pytest.mark.parametrize("text", ["[", "a: [1]", "inverter.host: x"])
def test_extra_options_that_cannot_be_used_are_no_part_of_what_is_pasted(text: str) -> None:
    assert extra_options.with_option(text, "inverter.unit", "1", "1") == text
    assert extra_options.with_option(text, "inverter.unit", "2", "1") == "inverter.unit: 2"


def test_only_a_large_network_is_waited_for_for_long(context: Context, snapd: FakeSnapd) -> None:
    snapd.slow = ("snap",)
    for action, seconds in (("discover", 580), ("test-connection", 120)):
        with pytest.raises(testing.ActionFailed) as failed:
            context.run(context.on.action(action), state(HOST))
        assert f"no answer from sungather.{action} within {seconds} s" in failed.value.message


def test_a_discovery_that_finds_nothing_fails_and_says_where_it_looked(
    context: Context, snapd: FakeSnapd
) -> None:
    snapd.app_answers["discover"] = FOUND | {"found": [], "options": ""}
    with pytest.raises(testing.ActionFailed) as failed:
        context.run(context.on.action("discover"), state())
    assert failed.value.message == "no Sungrow device answers in 10.0.0.0/24"


def test_every_action_refuses_parameters_that_it_does_not_know(charmcraft: dict[str, Any]) -> None:
    assert all(row["additionalProperties"] is False for row in charmcraft["actions"].values())


@pytest.mark.parametrize(
    "action", ["run-once", "get-readings", "test-connection", "get-inverter-info", "discover"]
)
def test_an_app_that_fails_in_json_is_told_in_its_words(
    context: Context, snapd: FakeSnapd, action: str
) -> None:
    app = "readings" if action == "get-readings" else action
    snapd.app_answers[app] = {"error": {"class": "daemon", "message": "No daemon is running."}}
    with pytest.raises(testing.ActionFailed) as failed:
        context.run(context.on.action(action), state(HOST))
    assert failed.value.message == "No daemon is running."
