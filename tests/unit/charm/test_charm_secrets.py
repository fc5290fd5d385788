"""The user's secrets: the way to the snap, the troubles, and that they show nowhere."""

import json

import ops
import pytest
from charm_model import (
    CREDENTIALS,
    HOST,
    SECRET,
    Config,
    Context,
    active,
    after_config_changed,
    blocked,
    state,
    status,
)
from fake_snapd import FakeSnapd
from ops import testing

ID = CREDENTIALS.id
EXPORTS: dict[str, tuple[Config, dict[str, str], dict[str, str]]] = {
    "inverter-credentials": (
        {"connection-type": "http"},
        {"username": "user", "password": SECRET},
        {"inverter.username": "user", "inverter.password": SECRET},
    ),
    "mqtt-credentials": (
        {"enable-mqtt": True, "mqtt-host": "broker"},
        {"username": "user", "password": SECRET},
        {"mqtt.username": "user", "mqtt.password": SECRET},
    ),
    "influxdb-credentials": (
        {"enable-influxdb": True, "influxdb-url": "http://db:8086", "influxdb-bucket": "solar"},
        {"token": SECRET},
        {"influxdb.token": SECRET, "influxdb.username": "", "influxdb.password": ""},
    ),
    "pvoutput-credentials": (
        {"pvoutput-enabled": True},
        {"api-key": SECRET, "system-id": "12345"},
        {"pvoutput.api-key": SECRET, "pvoutput.system-id": "12345"},
    ),
    "notify-credentials": (
        {"enable-notify": True},
        {"url": f"https://ntfy.example/{SECRET}"},
        {"notify.url": f"https://ntfy.example/{SECRET}", "notify.token": ""},
    ),
}
"""Option -> what else must be set, the secret's content, and the snap's options for it."""


def with_secret(option: str, *secrets: testing.Secret) -> testing.State:
    return state(HOST | EXPORTS[option][0] | {option: ID}, *secrets)


@pytest.mark.parametrize("option", EXPORTS)
def test_each_secret_reaches_the_snap(context: Context, snapd: FakeSnapd, option: str) -> None:
    secret = testing.Secret(EXPORTS[option][1], id=ID)
    assert status(context, with_secret(option, secret)) == active()
    expected = EXPORTS[option][2]
    assert {key: snapd.options.get(key, "") for key in expected} == expected


def test_influxdb_takes_a_user_name_and_a_password_too(context: Context, snapd: FakeSnapd) -> None:
    after_config_changed(context, with_secret("influxdb-credentials", CREDENTIALS))
    assert snapd.options["influxdb.password"] == SECRET


def test_a_rotated_secret_reaches_the_snap(context: Context, snapd: FakeSnapd) -> None:
    after_config_changed(context, with_secret("inverter-credentials", CREDENTIALS))
    renewed = testing.Secret(
        CREDENTIALS.tracked_content,
        latest_content={"username": "user", "password": "12345"},
        id=ID,
    )
    context.run(context.on.secret_changed(renewed), with_secret("inverter-credentials", renewed))
    assert snapd.options["inverter.password"] == "12345"


def test_a_secret_that_is_taken_back_is_forgotten(context: Context, snapd: FakeSnapd) -> None:
    after_config_changed(context, with_secret("inverter-credentials", CREDENTIALS))
    after_config_changed(context, state(HOST))
    assert not snapd.options.get("inverter.password")


@pytest.mark.parametrize("option", EXPORTS)
def test_a_secret_that_does_not_exist_blocks_with_the_commands(
    context: Context, option: str
) -> None:
    name = option.removesuffix("-credentials")
    message = blocked(status(context, with_secret(option)))
    keys = " ".join(f"{key}=…" for key in EXPORTS[option][1])
    assert message == (
        f"the secret of {option} does not exist: juju add-secret {name} {keys}; "
        f"juju grant-secret {name} sungather; juju config sungather {option}=secret:ID."
    )


@pytest.mark.parametrize("option", EXPORTS)
def test_a_secret_that_is_not_granted_blocks_with_the_command(
    context: Context, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: ops.Secret, *, refresh: bool = False) -> dict[str, str]:
        raise ops.ModelError("ERROR permission denied")

    monkeypatch.setattr(ops.Secret, "get_content", refuse)
    message = blocked(status(context, with_secret(option, CREDENTIALS)))
    assert message == (f"the secret of {option} is not granted: juju grant-secret {ID} sungather.")


def test_a_secret_that_juju_does_not_give_for_another_reason_is_not_called_ungranted(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: ops.Secret, *, refresh: bool = False) -> dict[str, str]:
        raise ops.ModelError("ERROR connection is shut down")

    monkeypatch.setattr(ops.Secret, "get_content", fail)
    message = blocked(status(context, with_secret("mqtt-credentials", CREDENTIALS)))
    assert "cannot be read at the moment: ERROR connection is shut down" in message
    assert "grant" not in message


@pytest.mark.parametrize(
    ("option", "content", "lacks"),
    [
        ("inverter-credentials", {"username": "user"}, "password"),
        ("inverter-credentials", {"username": "", "password": "x"}, "username"),
        ("mqtt-credentials", {"password": "x"}, "username"),
        ("influxdb-credentials", {"username": "user"}, "token or password"),
        ("pvoutput-credentials", {"key": "x"}, "api-key and system-id"),
        ("notify-credentials", {"token": "x"}, "url"),
    ],
)
def test_a_secret_without_a_key_blocks_with_the_command(
    context: Context, option: str, content: dict[str, str], lacks: str
) -> None:
    half = testing.Secret(content, id=ID)
    message = blocked(status(context, with_secret(option, half)))
    keys = " ".join(f"{key}=…" for key in EXPORTS[option][1])
    assert message == (f"the secret of {option} has no {lacks}: juju update-secret {ID} {keys}.")


def test_all_troubles_with_secrets_are_told_at_once(context: Context) -> None:
    both: Config = {"inverter-credentials": ID, "mqtt-credentials": "secret:9m4e2mr0ui3e8a215n40"}
    message = blocked(status(context, state(HOST | both)))
    assert "inverter-credentials" in message
    assert "mqtt-credentials" in message


@pytest.mark.parametrize("option", EXPORTS)
def test_a_secret_that_goes_bad_keeps_what_hangs_on_it_and_nothing_else(
    context: Context, snapd: FakeSnapd, option: str
) -> None:
    good = testing.Secret(EXPORTS[option][1], id=ID)
    after_config_changed(context, with_secret(option, good))
    gone = HOST | EXPORTS[option][0] | {option: ID, "level": 2, "inverter-host": "192.168.1.99"}
    assert option in blocked(status(context, state(gone)))
    assert snapd.options["inverter.host"] == "192.168.1.99"
    assert snapd.options["inverter.level"] == "2"
    expected = EXPORTS[option][2]
    assert {key: snapd.options.get(key, "") for key in expected} == expected
    after_config_changed(context, state(HOST))
    assert not any(snapd.options.get(key) for key in expected)


SWITCHES = {
    "mqtt-credentials": "enable-mqtt",
    "influxdb-credentials": "enable-influxdb",
    "pvoutput-credentials": "pvoutput-enabled",
    "notify-credentials": "enable-notify",
}


@pytest.mark.parametrize("option", SWITCHES)
def test_an_export_is_not_switched_on_while_its_secret_is_bad_but_off(
    context: Context, snapd: FakeSnapd, option: str
) -> None:
    enabled = f"{option.removesuffix('-credentials')}.enabled"
    assert option in blocked(status(context, with_secret(option)))
    assert (snapd.options[enabled], snapd.running) == ("false", True)
    after_config_changed(context, with_secret(option, testing.Secret(EXPORTS[option][1], id=ID)))
    assert snapd.options[enabled] == "true"
    after_config_changed(context, with_secret(option))
    assert snapd.options[enabled] == "true"
    off = HOST | EXPORTS[option][0] | {option: ID, SWITCHES[option]: False}
    after_config_changed(context, state(off))
    assert snapd.options[enabled] == "false"


def test_further_inverters_keep_their_credentials_while_the_secret_is_bad(
    context: Context, snapd: FakeSnapd
) -> None:
    content = {"username": "user", "password": "a", "garage-username": "u", "garage-password": "b"}
    config = HOST | {"inverter-credentials": ID, "extra-options": "inverters.garage.host: barn"}
    after_config_changed(context, state(config, testing.Secret(content, id=ID)))
    blocked(status(context, state(config | {"level": 2})))
    assert snapd.options["inverters.inverter.password"] == "a"
    assert snapd.options["inverters.garage.password"] == "b"
    assert snapd.options["inverters.inverter.level"] == "2"


def test_secrets_of_further_inverters_stand_in_the_same_secret(
    context: Context, snapd: FakeSnapd
) -> None:
    content = {"username": "user", "password": "a", "garage-username": "u", "garage-password": "b"}
    secret = testing.Secret(content, id=ID)
    config = HOST | {"inverter-credentials": ID, "extra-options": "inverters.garage.host: barn"}
    assert status(context, state(config, secret)) == active()
    assert snapd.options["inverters.inverter.password"] == "a"
    assert snapd.options["inverters.garage.password"] == "b"


def written(context: Context, out: testing.State) -> str:
    """Everything that the charm told Juju."""
    related = [r for r in out.relations if isinstance(r, testing.Relation)]
    bags = [(r.local_app_data, r.local_unit_data) for r in related]
    told = (bags, out.unit_status, out.app_status, out.workload_version, context.action_results)
    return repr((told, context.juju_log))


@pytest.mark.parametrize("option", EXPORTS)
def test_a_secret_shows_in_no_log_line_status_result_databag_or_command(
    context: Context, snapd: FakeSnapd, option: str
) -> None:
    endpoints = ("cos-agent", "metrics-endpoint", "grafana-dashboard", "ingress")
    relations = [testing.Relation(name) for name in endpoints]
    snapd.app_answers["test-connection"] = {"inverters": []}
    for text in (SECRET, f"{SECRET}\x07"):
        content = {k: text if v == SECRET else v for k, v in EXPORTS[option][1].items()}
        secret = testing.Secret(content, id=ID)
        before = state(HOST | EXPORTS[option][0] | {option: ID}, secret, relations=relations)
        assert SECRET not in written(context, after_config_changed(context, before))
        if text == SECRET:
            assert SECRET in json.dumps(snapd.options)
            out = context.run(context.on.action("test-connection"), before)
            assert SECRET not in written(context, out)
    assert any(line.level == "DEBUG" for line in context.juju_log)
    assert SECRET not in repr(snapd.commands)
