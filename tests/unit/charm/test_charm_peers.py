"""Our databags beside those of the libraries that other charms are made of, as recorded.

`recorded_peers` says what the records hold.
"""

import json
from pathlib import Path
from typing import Any, cast

import pytest
from charm_model import HOST, READS, Context, active, state
from fake_snapd import FakeSnapd
from ops import testing
from recorded_peers import RECORDED, SITUATIONS, plain, related, small_charm

ENDPOINTS = {
    "cos-agent": "cos_agent",
    "metrics-endpoint": "prometheus_scrape",
    "grafana-dashboard": "grafana_dashboard",
    "ingress": "ingress",
}
"""Our endpoint -> the interface, after which its record is named."""
LABELS = (
    'juju_model="home", juju_model_uuid="11111111-1111-4111-8111-111111111111", '
    'juju_application="sungather"'
)


def record(name: str) -> dict[str, Any]:
    return json.loads((RECORDED / f"{name}.json").read_text())


@pytest.fixture(autouse=True)
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_charm(tmp_path, monkeypatch)


@pytest.mark.parametrize("name", [*ENDPOINTS.values(), "mqtt"])
def test_a_record_says_which_library_it_is_of(name: str) -> None:
    told = record(name)
    assert told["library"]
    assert told["version"]
    assert told["from"]


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_we_write_what_the_real_other_side_has_read(
    context: Context, snapd: FakeSnapd, endpoint: str, situation: str
) -> None:
    app, unit, _ = related(context, endpoint, situation)
    ours = record(ENDPOINTS[endpoint])["situations"][situation]["ours"]
    assert {"app": plain(app), "unit": plain(unit)} == ours


def without_our_own(value: Any) -> Any:
    """Without what we add knowingly: the dashboards' version, and labels that cos-tool adds."""
    if isinstance(value, dict):
        parts = cast("dict[str, Any]", value).items()
        kept = {key: without_our_own(part) for key, part in parts}
        return {k: part for k, part in kept.items() if k != "version" or "panels" not in kept}
    if isinstance(value, list):
        return [without_our_own(part) for part in cast("list[Any]", value)]
    if not isinstance(value, str):
        return value
    return value.replace(f"up{{{LABELS}}}", "up").replace(LABELS, "")


@pytest.mark.parametrize("endpoint", ["cos-agent", "metrics-endpoint", "grafana-dashboard"])
def test_the_real_library_writes_the_same_for_the_same_charm(
    context: Context, snapd: FakeSnapd, endpoint: str
) -> None:
    app, unit, _ = related(context, endpoint, "reads")
    theirs = record(ENDPOINTS[endpoint])["theirs"]
    assert {"app": without_our_own(plain(app)), "unit": plain_unit(unit)} == theirs


def plain_unit(unit: dict[str, str]) -> Any:
    return without_our_own(plain(unit))


def test_the_real_ingress_library_writes_the_same_but_for_what_is_usual(
    context: Context, snapd: FakeSnapd
) -> None:
    """It leaves out two values that are as everybody takes them when they are absent."""
    app, unit, _ = related(context, "ingress", "reads")
    usual = {"scheme": "http", "redirect-https": False}
    theirs = record("ingress")["theirs"]
    assert (plain(app), plain(unit)) == (theirs["app"] | usual, theirs["unit"])


def test_the_collector_finds_job_rules_logs_and_dashboards_in_ours() -> None:
    found = {name: one["read"] for name, one in record("cos_agent")["situations"].items()}
    assert [one["errors"] for one in found.values()] == [[], [], []]
    (job,) = found["reads"]["metrics_jobs"]
    (target,) = job["static_configs"]
    assert target["targets"] == ["localhost:8080"]
    assert target["labels"]["juju_unit"] == "sungather/0"
    assert found["reads"]["alerts"] == ["Fault", "HostDown", "HostMetricsMissing"]
    for name in ("standby", "page off"):
        assert (found[name]["metrics_jobs"], found[name]["alerts"]) == ([], ["Fault"])
    for one in found.values():
        assert one["log_slots"] == ["sungather:logs"]
        assert [title for title, _, _ in one["dashboards"]] == ["Small"]


def test_prometheus_finds_one_target_also_beside_a_standby() -> None:
    told = record("prometheus_scrape")
    for read in (told["situations"]["reads"]["read"], told["two units"]["read"]):
        (job,) = read["jobs"]
        (target,) = job["static_configs"]
        assert target["targets"] == ["192.0.2.0:8080"]
        assert read["alerts"] == ["Fault", "HostDown", "HostMetricsMissing"]
    off = told["situations"]["page off"]["read"]
    assert (off["jobs"], off["alerts"]) == ([], ["Fault"])
    assert told["situations"]["standby"]["read"] == {"jobs": [], "alerts": []}


def test_grafana_finds_the_dashboard_and_adds_its_dropdowns() -> None:
    for name in ("reads", "page off"):
        read = record("grafana_dashboard")["situations"][name]["read"]
        (board,) = read["dashboards"]
        assert (board["dashboard_title"], board["charm"]) == ("Small", "sungather")
        assert {"juju_model", "juju_application", "juju_unit"} <= set(board["dropdowns"])


@pytest.mark.parametrize(("situation", "servers"), [("reads", 1), ("page off", 1), ("standby", 2)])
def test_haproxy_makes_a_backend_of_ours_in_every_situation(situation: str, servers: int) -> None:
    (backend,) = record("ingress")["situations"][situation]["read"]["haproxy"]
    assert backend["strip_prefix"] is True
    assert [(one["hostname_or_ip"], one["port"]) for one in backend["servers"]] == [
        ("192.0.2.0", 8080)
    ] * servers


@pytest.mark.parametrize("port", [1, 8080, 65534, 65535])
def test_a_port_that_the_snap_takes_the_real_provider_takes_too(
    context: Context, snapd: FakeSnapd, port: int
) -> None:
    taken = {int(one) for one, good in record("ingress")["ports"].items() if good}
    relation = testing.Relation("ingress")
    before = state(HOST | {"webserver-port": port}, relations=[relation])
    out = context.run(context.on.config_changed(), before)
    said = json.loads(out.get_relation(relation.id).local_app_data["port"])
    assert said in taken | {8080}
    assert port == 65535 or said == port


def test_a_unit_without_an_address_says_so_as_the_real_provider_takes_it(
    context: Context, snapd: FakeSnapd
) -> None:
    relation = testing.Relation("ingress")
    nowhere = testing.Network("ingress", [])
    before = state(HOST, relations=[relation], networks={nowhere})
    out = context.run(context.on.config_changed(), before)
    said = out.get_relation(relation.id).local_unit_data["ip"]
    assert record("ingress")["addresses"] == {
        '"192.0.2.0"': True,
        '"fd00:10::5"': True,
        "null": True,
        '""': False,
    }
    assert said == "null"


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_what_the_real_other_side_writes_back_is_understood(
    context: Context, snapd: FakeSnapd, endpoint: str
) -> None:
    back = record(ENDPOINTS[endpoint])["situations"]["reads"]["back"]
    # The collector is a subordinate, and answers in its unit's databag.
    where = "remote_units_data" if endpoint == "cos-agent" else "remote_app_data"
    given = {where: {0: back} if endpoint == "cos-agent" else back}
    _, _, out = related(context, endpoint, "reads", **given)
    page = "; page at https://proxy.home/home-sungather" if endpoint == "ingress" else ""
    assert out.unit_status == testing.ActiveStatus(f"{READS}{page}")


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [
        ("grafana-dashboard", "remote refuses a dashboard: file:small: Corrupt input data"),
        (
            "metrics-endpoint",
            "remote refuses alert rules or scrape jobs: error validating /tmp/rules: group "
            '"sungather", rule 1: unknown metric; Command ',
        ),
    ],
)
def test_a_refusal_as_the_real_library_writes_it_is_in_the_status(
    context: Context, snapd: FakeSnapd, endpoint: str, words: str
) -> None:
    back = record(ENDPOINTS[endpoint])["refused"]["back"]
    _, _, out = related(context, endpoint, "reads", remote_app_data=back)
    assert isinstance(out.unit_status, testing.ActiveStatus)
    assert out.unit_status.message.startswith(words)


MQTT_ASKED = {
    "default": HOST,
    "for Home Assistant": HOST | {"mqtt-homeassistant": True},
    "as SunGather 0.5": HOST | {"extra-options": "mqtt.compatibility: sungather-0.5"},
}


@pytest.mark.parametrize("name", MQTT_ASKED)
def test_the_broker_reads_all_that_we_ask_for(
    context: Context, snapd: FakeSnapd, name: str
) -> None:
    relation = testing.Relation("mqtt")
    out = context.run(
        context.on.relation_changed(relation, remote_unit=0),
        state(MQTT_ASKED[name], relations=[relation]),
    )
    ours = plain(dict(out.get_relation(relation.id).local_app_data))
    told = record("mqtt")["asked"][name]
    assert ours == told["ours"]
    assert in_any_order(ours) == in_any_order(told["read"])


def in_any_order(bag: dict[str, Any]) -> dict[str, Any]:
    """The broker keeps sets, so their order is its own."""
    found: dict[str, Any] = {}
    for key, value in bag.items():
        ones = cast("list[Any]", value if isinstance(value, list) else [value])
        found[key] = sorted(json.dumps(one, sort_keys=True) for one in ones)
    return found


@pytest.mark.parametrize(
    ("name", "port", "words"),
    [
        ("granted", "1883", ""),
        ("encrypted", "8883", ""),
        ("less granted", "1883", "mosquitto grants no read access to sungather/home/sungather/#"),
        ("refused", "", 'mosquitto: topic filter "#" is not permitted'),
        ("refused later", "1883", "mosquitto: no room"),
        ("no endpoint yet", "", "waiting for mosquitto to say where the MQTT broker is"),
    ],
)
def test_the_brokers_answer_is_followed(
    context: Context, snapd: FakeSnapd, name: str, port: str, words: str
) -> None:
    answer = record("mqtt")["answers"][name]
    secrets = [
        testing.Secret(content, id="secret:cvh7kruupa1s46bqvuig") for content in answer["secrets"]
    ]
    relation = testing.Relation("mqtt", remote_app_name="mosquitto", remote_app_data=answer["bag"])
    out = context.run(
        context.on.relation_changed(relation, remote_unit=0),
        state(HOST, *secrets, relations=[relation]),
    )
    if not port:
        assert snapd.options["mqtt.enabled"] == "false"
    else:
        found = [snapd.options[f"mqtt.{key}"] for key in ("host", "port", "username", "password")]
        assert found == ["10.1.2.3", port, "relation-7", "hunter2-of-the-broker"]
    encrypted = snapd.options.get("mqtt.tls.enabled") == "true"
    assert encrypted is (name == "encrypted")
    if words:
        assert words in out.unit_status.message
    else:
        assert out.unit_status == active()
