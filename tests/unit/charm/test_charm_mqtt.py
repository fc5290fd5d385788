"""The relation mqtt: what is asked for, what is read, what a broker may get wrong."""

import json
from typing import Any

import pytest
from charm_model import HOST, SECRET, Config, Context, active, context_of, state
from fake_snapd import FakeSnapd
from hypothesis import given
from hypothesis import strategies as st
from ops import testing

import mqtt
from mqtt import Access, Permission

URI = "secret:cvh7kruupa1s46bqvuig"
PLAIN = {"host": "10.1.2.3", "port": 1883, "tls": False, "protocol": "mqtt"}
TLS = {"host": "10.1.2.3", "port": 8883, "tls": True, "protocol": "mqtt"}
CA = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
TOPICS = "sungather/home/sungather/#"
GRANTED = [{"filter": TOPICS, "access": "readwrite"}]
FULL: dict[str, Any] = {
    "endpoints": [PLAIN],
    "secret-user": URI,
    "granted-permissions": GRANTED,
    "client-id-prefix": None,
    "tls-ca": None,
    "mqtt-version": "5.0",
    "error": None,
}


def user(password: str = SECRET) -> testing.Secret:
    return testing.Secret({"username": "relation-7", "password": password}, id=URI)


def run(
    context: Context,
    bag: dict[str, Any],
    *secrets: testing.Secret,
    config: Config = HOST,
) -> tuple[testing.Relation, testing.State]:
    """The relation and the state after the broker has written `bag`."""
    written = {key: json.dumps(value) for key, value in bag.items()}
    relation = testing.Relation("mqtt", remote_app_name="mosquitto", remote_app_data=written)
    before = state(config, *secrets, relations=[relation])
    out = context.run(context.on.relation_changed(relation), before)
    after = out.get_relation(relation.id)
    assert isinstance(after, testing.Relation)
    return after, out


def test_the_leader_asks_for_the_topics_that_the_snap_uses(
    context: Context, snapd: FakeSnapd
) -> None:
    after, _ = run(context, {})
    asked = {key: json.loads(text) for key, text in after.local_app_data.items()}
    assert asked == {
        "topic-permissions": [{"filter": TOPICS, "access": "readwrite"}],
        "client-id-prefix": "sungather-",
        "requested-secrets": [{"field": "username"}, {"field": "password"}],
        "mtls-cert": None,
    }


@pytest.mark.parametrize("homeassistant", [False, True])
def test_applications_on_one_broker_share_no_topic_of_their_own(
    charmcraft: dict[str, Any], snapd: FakeSnapd, homeassistant: bool
) -> None:
    """Retained messages of two houses under one topic show each the other's values."""
    asked: list[set[str]] = []
    published: list[str] = []
    for app in ("north", "south"):
        relation = testing.Relation("mqtt")
        context = context_of(charmcraft, app_name=app)
        before = state(HOST | {"mqtt-homeassistant": homeassistant}, relations=[relation])
        out = context.run(context.on.relation_changed(relation), before)
        bag = out.get_relation(relation.id).local_app_data
        asked.append({one["filter"] for one in json.loads(bag["topic-permissions"])})
        published.append(snapd.options["mqtt.topic"])
        context.run(context.on.remove(), before)
    assert published == ["sungather/home/north", "sungather/home/south"]
    shared = {"homeassistant/device/#", "homeassistant/status"} if homeassistant else set[str]()
    assert asked == [{f"{topic}/#"} | shared for topic in published]


SENSORS = "mqtt.ha-sensors: '[{name: Power, sensor_type: sensor, register: a}]'"


@pytest.mark.parametrize(
    ("homeassistant", "extra", "topics"),
    [
        (False, "", set[str]()),
        (True, "", {"ha/device/#", "ha/status"}),
        (False, "mqtt.compatibility: sungather-0.5", {"SunGather/+"}),
        (False, "mqtt.compatibility-topic: solar/main", {"solar/main"}),
        (False, SENSORS, {"ha/+/+/config", "ha/status", "SunGather/+"}),
        (True, SENSORS, {"ha/+/+/config", "ha/status", "SunGather/+", "ha/device/#"}),
    ],
)
def test_every_topic_that_the_snap_uses_with_its_options_is_asked_for_and_no_other(
    context: Context, snapd: FakeSnapd, homeassistant: bool, extra: str, topics: set[str]
) -> None:
    """What it publishes it also reads: to keep apart from others, and to take it back."""
    config = HOST | {
        "mqtt-homeassistant": homeassistant,
        "mqtt-topic": "roof",
        "extra-options": f"mqtt.homeassistant-prefix: ha\n{extra}",
    }
    after, out = run(context, {}, config=config)
    asked = json.loads(after.local_app_data["topic-permissions"])
    assert {one["filter"] for one in asked} == topics | {"roof/#"}
    assert {one["access"] for one in asked if one["filter"] != "ha/status"} == {"readwrite"}
    assert {one["access"] for one in asked if one["filter"] == "ha/status"} <= {"read"}
    assert "waiting for mosquitto" in out.unit_status.message


def test_the_relation_wins_over_the_options(context: Context, snapd: FakeSnapd) -> None:
    config = HOST | {"enable-mqtt": True, "mqtt-host": "elsewhere", "mqtt-port": 1}
    _, out = run(context, FULL, user(), config=config)
    assert out.unit_status == active()
    found = {key: text for key, text in snapd.options.items() if key.startswith("mqtt.")}
    assert found["mqtt.enabled"] == "true"
    assert (found["mqtt.host"], found["mqtt.port"]) == ("10.1.2.3", "1883")
    assert (found["mqtt.username"], found["mqtt.password"]) == ("relation-7", SECRET)


def test_the_relation_wins_over_the_extra_options(context: Context, snapd: FakeSnapd) -> None:
    """A client id of the operator's own would be refused by a broker that reserves a prefix."""
    config = HOST | {"extra-options": "mqtt.client-id: own\nmqtt.homeassistant-prefix: house"}
    _, out = run(context, FULL | {"client-id-prefix": "sungather-"}, user(), config=config)
    assert out.unit_status == active()
    assert snapd.options["mqtt.client-id"] == "sungather-sungather-0"
    assert snapd.options["mqtt.homeassistant-prefix"] == "house"


def test_an_encrypted_endpoint_is_preferred_with_the_brokers_authority(
    context: Context, snapd: FakeSnapd
) -> None:
    run(context, FULL | {"endpoints": [PLAIN, TLS], "tls-ca": CA}, user())
    assert snapd.options["mqtt.port"] == "8883"
    assert snapd.options["mqtt.tls.enabled"] == "true"
    assert snapd.options["mqtt.tls.ca"] == CA


def test_the_client_id_starts_with_the_reserved_prefix(context: Context, snapd: FakeSnapd) -> None:
    run(context, FULL | {"client-id-prefix": "sungather-"}, user())
    assert snapd.options["mqtt.client-id"] == "sungather-sungather-0"


def test_a_password_that_the_broker_changes_reaches_the_snap(
    context: Context, snapd: FakeSnapd
) -> None:
    run(context, FULL, user())
    renewed = testing.Secret(
        user().tracked_content, latest_content=user("new").tracked_content, id=URI
    )
    written = {key: json.dumps(value) for key, value in FULL.items()}
    relation = testing.Relation("mqtt", remote_app_data=written)
    before = state(HOST, renewed, relations=[relation])
    context.run(context.on.secret_changed(renewed), before)
    assert snapd.options["mqtt.password"] == "new"


def test_without_the_relation_everything_of_it_is_forgotten(
    context: Context, snapd: FakeSnapd
) -> None:
    run(context, FULL | {"endpoints": [TLS], "tls-ca": CA, "client-id-prefix": "x"}, user())
    relation = testing.Relation("mqtt")
    context.run(context.on.relation_broken(relation), state(HOST, relations=[relation]))
    found = {k: v for k, v in snapd.options.items() if k.startswith("mqtt.") and v}
    assert found["mqtt.enabled"] == "false"
    assert found["mqtt.tls.enabled"] == "false"
    assert not found.keys() & {"mqtt.host", "mqtt.password", "mqtt.tls.ca", "mqtt.client-id"}


@pytest.mark.parametrize(
    ("bag", "words"),
    [
        ({}, "waiting for mosquitto to say where the MQTT broker is"),
        (dict.fromkeys(FULL), "waiting for mosquitto to say where the MQTT broker is"),
        (FULL | {"endpoints": [PLAIN | {"protocol": "websockets"}]}, "waiting for mosquitto"),
        (FULL | {"endpoints": [PLAIN | {"protocol": "carrier pigeon"}]}, "waiting for"),
        (FULL | {"endpoints": [PLAIN | {"port": 0}]}, "waiting for mosquitto"),
        (FULL | {"error": {"message": "no room", "code": "strange"}}, "mosquitto: no room"),
        (FULL | {"error": {"code": "permission-denied"}}, "mosquitto: permission-denied"),
        (FULL | {"endpoints": [PLAIN | {"host": " x"}]}, "does not know"),
        (FULL | {"endpoints": [PLAIN | {"host": "x" * 256}]}, "does not know"),
        (FULL | {"client-id-prefix": "a\nb"}, "does not know"),
        (FULL | {"granted-permissions": [{"filter": "x" * 513}]}, "does not know"),
        (FULL | {"granted-permissions": [{"filter": "a\u0000"}]}, "does not know"),
        (FULL | {"endpoints": "everywhere"}, "does not know"),
        (FULL | {"secret-user": "secret:cvh7kruupa1s46bqvui0"}, "cannot be read yet"),
    ],
)
def test_a_broker_that_gives_nothing_usable_leaves_mqtt_off_and_is_told(
    context: Context, snapd: FakeSnapd, bag: dict[str, Any], words: str
) -> None:
    _, out = run(context, bag, user())
    assert isinstance(out.unit_status, testing.WaitingStatus)
    assert words in out.unit_status.message
    assert snapd.options["mqtt.enabled"] == "false"
    assert snapd.running


LATER: list[tuple[dict[str, Any], str]] = [
    (FULL | {"error": {"message": "no", "code": "permission-denied"}}, "mosquitto: no"),
    ({"error": {"code": "broker-unavailable"}}, "mosquitto: broker-unavailable"),
    (FULL | {"endpoints": []}, "waiting for mosquitto"),
    (FULL | {"secret-user": None}, "waiting for mosquitto"),
    ({}, "waiting for mosquitto"),
    (FULL | {"endpoints": "everywhere"}, "does not know"),
    (FULL | {"secret-user": "secret:cvh7kruupa1s46bqvui0"}, "cannot be read yet"),
]


@pytest.mark.parametrize(("bag", "words"), LATER)
def test_a_connection_that_works_outlives_what_the_broker_says_later(
    context: Context, snapd: FakeSnapd, bag: dict[str, Any], words: str
) -> None:
    run(context, FULL | {"client-id-prefix": "x"}, user())
    before = {key: text for key, text in snapd.options.items() if key.startswith("mqtt.")}
    _, out = run(context, bag | {"client-id-prefix": "x"}, user(), config=HOST | {"level": 2})
    assert isinstance(out.unit_status, testing.WaitingStatus)
    assert words in out.unit_status.message
    assert {k: text for k, text in snapd.options.items() if k.startswith("mqtt.")} == before
    assert snapd.options["inverter.level"] == "2"
    relation = testing.Relation("mqtt")
    context.run(context.on.relation_broken(relation), state(HOST, relations=[relation]))
    assert snapd.options["mqtt.enabled"] == "false"
    assert not snapd.options.get("mqtt.password")


def test_a_password_that_is_changed_while_a_request_is_refused_is_taken(
    context: Context, snapd: FakeSnapd
) -> None:
    run(context, FULL, user())
    run(context, FULL | {"error": {"code": "permission-denied"}}, user("new"))
    assert (snapd.options["mqtt.enabled"], snapd.options["mqtt.password"]) == ("true", "new")


@pytest.mark.parametrize("content", [{"username": "u"}, {"username": " u", "password": "p"}])
def test_a_secret_that_is_not_as_agreed_is_not_used(
    context: Context, snapd: FakeSnapd, content: dict[str, str]
) -> None:
    _, out = run(context, FULL, testing.Secret(content, id=URI))
    assert "cannot be read yet" in out.unit_status.message


def test_unknown_accesses_are_read_and_lacking_ones_are_told(
    context: Context, snapd: FakeSnapd
) -> None:
    narrow = [
        {"filter": TOPICS, "access": "write"},
        {"filter": TOPICS, "access": "paint"},
    ]
    _, out = run(context, FULL | {"granted-permissions": narrow}, user())
    assert out.unit_status == active(f"mosquitto grants no read access to {TOPICS}")
    assert snapd.options["mqtt.enabled"] == "true"


@pytest.mark.parametrize(
    ("wide", "narrow", "covered"),
    [
        ("#", "a/b", True),
        ("a/#", "a", True),
        ("a/#", "a/b/#", True),
        ("a/+", "a/b", True),
        ("a/+", "a/+", True),
        ("+/#", "a/#", True),
        ("a/+", "a/#", False),
        ("a/b", "a/+", False),
        ("a", "a/b", False),
        ("a/b", "a", False),
        ("a/b/#", "a/#", False),
        ("", "a", False),
    ],
)
def test_filters_cover_what_they_match(wide: str, narrow: str, covered: bool) -> None:
    assert mqtt.covers(wide, narrow) is covered


def test_without_word_of_grants_nothing_is_lacking() -> None:
    wanted = {"a/#": Access.READWRITE}
    assert mqtt.lacks(wanted, None) == []
    assert mqtt.lacks(wanted, ()) == ["read access to a/#", "write access to a/#"]
    both = (
        Permission(filter="a/#", access=Access.READ),
        Permission(filter="#", access=Access.WRITE),
    )
    assert mqtt.lacks(wanted, both) == []


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["host", "port", "filter", "access", "tls"]), inner)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*FULL, "new"]), ANYTHING), st.text(max_size=10))
def test_no_databag_makes_the_reader_fail(bag: dict[str, Any], broken: str) -> None:
    mqtt.parse({key: json.dumps(value) for key, value in bag.items()})
    mqtt.parse({"endpoints": broken})
