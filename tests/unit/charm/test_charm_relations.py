"""What the charm writes to its relations, key by key as the interfaces want it."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from charm_model import HOST, READS, Config, Context, active, blocked, state
from cosl import DashboardPath40UID, LZMABase64
from fake_snapd import FakeSnapd
from ops import testing

NAMES = {"sungather-household", "sungather-collector", "sungather-fleet"}


def related(
    context: Context, endpoint: str, config: Config = HOST, *, leader: bool = True, **more: Any
) -> testing.Relation:
    """The relation after an event about it."""
    relation = testing.Relation(endpoint, **more)
    before = state(config, leader=leader, relations=[relation])
    out = context.run(context.on.relation_joined(relation, remote_unit=0), before)
    after = out.get_relation(relation.id)
    assert isinstance(after, testing.Relation)
    return after


def keys(bag: Any) -> set[str]:
    """The keys of a databag but for those that Juju itself writes."""
    return set(bag) - {"egress-subnets", "ingress-address", "private-address"}


def test_the_collector_on_the_machine_gets_all_in_the_units_databag(
    context: Context, snapd: FakeSnapd
) -> None:
    after = related(context, "cos-agent", HOST | {"webserver-port": 8090})
    assert keys(after.local_app_data) == set()
    assert keys(after.local_unit_data) == {"config"}
    told = json.loads(after.local_unit_data["config"])
    assert told.keys() == {
        *("metrics_alert_rules", "log_alert_rules", "dashboards", "metrics_scrape_jobs"),
        *("log_slots", "subordinate", "tracing_protocols"),
    }
    (job,) = told["metrics_scrape_jobs"]
    assert re.fullmatch(r"sungather_default_[0-9a-f]{8}", job.pop("job_name"))
    assert job == {
        "metrics_path": "/metrics",
        "static_configs": [{"targets": ["localhost:8090"]}],
    }
    groups = told["metrics_alert_rules"]["groups"]
    assert {one["name"][:24] for one in groups} == {"home_11111111_sungather_"}
    assert told["log_slots"] == ["sungather:logs"]
    assert (told["log_alert_rules"], told["subordinate"], told["tracing_protocols"]) == (
        {},
        None,
        None,
    )


def test_dashboards_carry_their_identifier_and_the_name_of_the_charm(
    context: Context, snapd: FakeSnapd
) -> None:
    after = related(context, "cos-agent")
    boards = json.loads(after.local_unit_data["config"])["dashboards"]
    found = [json.loads(LZMABase64.decompress(one)) for one in boards]
    assert {DashboardPath40UID.is_valid(one["uid"]) for one in found} == {True}
    assert len({one["uid"] for one in found}) == len(NAMES)
    assert all("charm: sungather" in one["tags"] for one in found)


def test_a_standby_has_nothing_to_scrape_beside_it(context: Context, snapd: FakeSnapd) -> None:
    after = related(context, "cos-agent", leader=False)
    assert json.loads(after.local_unit_data["config"])["metrics_scrape_jobs"] == []


def test_prometheus_gets_jobs_from_the_application_and_addresses_from_units(
    context: Context, snapd: FakeSnapd
) -> None:
    after = related(context, "metrics-endpoint")
    app = {key: json.loads(text) for key, text in after.local_app_data.items()}
    assert app.keys() == {"scrape_jobs", "scrape_metadata", "alert_rules"}
    assert app["scrape_jobs"] == [
        {"metrics_path": "/metrics", "static_configs": [{"targets": ["*:8080"]}]}
    ]
    assert app["scrape_metadata"] == {
        "model": "home",
        "model_uuid": "11111111-1111-4111-8111-111111111111",
        "application": "sungather",
        "unit": "sungather/0",
        "charm_name": "sungather",
    }
    assert app["alert_rules"]["groups"]
    unit = after.local_unit_data
    assert unit["prometheus_scrape_unit_address"] == "192.0.2.0"
    assert unit["prometheus_scrape_unit_name"] == "sungather/0"
    assert unit["prometheus_scrape_unit_fqdn"]
    assert keys(unit) <= {
        f"prometheus_scrape_unit_{part}" for part in ("address", "name", "path", "fqdn")
    }


def test_a_standby_gives_prometheus_no_address(context: Context, snapd: FakeSnapd) -> None:
    after = related(context, "metrics-endpoint", leader=False)
    assert keys(after.local_unit_data) == set()
    assert keys(after.local_app_data) == set()


def test_grafana_gets_templates_in_the_applications_databag(
    context: Context, snapd: FakeSnapd
) -> None:
    after = related(context, "grafana-dashboard")
    told = json.loads(after.local_app_data["dashboards"])
    assert told.keys() == {"templates", "uuid"}
    assert told["templates"].keys() == {f"file:{name}" for name in NAMES}
    for template in told["templates"].values():
        assert template.keys() == {
            *("charm", "content", "juju_topology", "inject_dropdowns", "dashboard_alt_uid"),
        }
        assert re.fullmatch(r"[0-9a-f]{16}", template["dashboard_alt_uid"])
        assert json.loads(LZMABase64.decompress(template["content"]))["panels"]
        assert template["juju_topology"].keys() == {"model", "model_uuid", "application", "unit"}


def test_the_same_dashboards_are_the_same_text(context: Context, snapd: FakeSnapd) -> None:
    first = related(context, "grafana-dashboard").local_app_data["dashboards"]
    assert related(context, "grafana-dashboard").local_app_data["dashboards"] == first


@pytest.mark.parametrize(
    ("event", "message"),
    [
        # As the library of grafana-k8s writes it: errors alone.
        (
            '{"errors": [{"dashboard_id": "file:a", "error": "Format error"}]}',
            "grafana refuses a dashboard: file:a: Format error",
        ),
        (
            '{"errors": [{"dashboard_id": "a", "error": "x"}, "y"]}',
            "grafana refuses a dashboard: a: x; y",
        ),
        ('{"valid": false, "errors": "no title"}', "grafana refuses a dashboard: no title"),
        ('{"valid": false, "errors": []}', "grafana refuses a dashboard: no reason given"),
        ('{"valid": true, "errors": []}', ""),
        ('{"errors": []}', ""),
        ("{}", ""),
        ("[]", ""),
        ("not JSON", ""),
    ],
)
def test_what_grafana_has_against_a_dashboard_is_in_the_status(
    context: Context, snapd: FakeSnapd, event: str, message: str
) -> None:
    relation = testing.Relation(
        "grafana-dashboard", remote_app_name="grafana", remote_app_data={"event": event}
    )
    out = context.run(context.on.relation_changed(relation), state(HOST, relations=[relation]))
    assert out.unit_status == active(*filter(None, [message]))


@pytest.mark.parametrize("endpoint", ["cos-agent", "metrics-endpoint"])
@pytest.mark.parametrize("page", [True, False])
def test_whether_scraping_works_is_asked_only_where_something_is_scraped(
    context: Context, snapd: FakeSnapd, endpoint: str, page: bool
) -> None:
    after = related(context, endpoint, HOST | {"enable-webserver": page})
    told: dict[str, Any]
    if endpoint == "cos-agent":
        told = json.loads(after.local_unit_data["config"])
        jobs, rules = told["metrics_scrape_jobs"], told["metrics_alert_rules"]
    else:
        told = {key: json.loads(text) for key, text in after.local_app_data.items()}
        jobs, rules = told["scrape_jobs"], told["alert_rules"]
    names = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    assert "SungatherInverterFault" in names
    assert bool(jobs) is page
    assert ({"HostDown", "HostMetricsMissing"} <= names) is page
    assert page or not {"HostDown", "HostMetricsMissing"} & names


@pytest.mark.parametrize(
    ("address", "target"), [("192.0.2.7", "192.0.2.7"), ("fd00:10::5", "[fd00:10::5]")]
)
def test_an_ipv6_address_stands_in_brackets_before_the_port(
    context: Context, snapd: FakeSnapd, address: str, target: str
) -> None:
    relation = testing.Relation("metrics-endpoint")
    network = testing.Network(
        "metrics-endpoint", [testing.BindAddress([testing.Address(address)])]
    )
    before = state(HOST, relations=[relation], networks={network})
    out = context.run(context.on.relation_joined(relation, remote_unit=0), before)
    unit = out.get_relation(relation.id).local_unit_data
    assert unit["prometheus_scrape_unit_address"] == target


def test_the_proxy_gets_every_value_as_json(context: Context, snapd: FakeSnapd) -> None:
    after = related(context, "ingress", HOST | {"webserver-port": 8090})
    app = {key: json.loads(text) for key, text in after.local_app_data.items()}
    assert app == {
        "model": "home",
        "name": "sungather",
        "port": 8090,
        "scheme": "http",
        "strip-prefix": True,
        "redirect-https": False,
        "healthcheck_params": {"path": "/healthz", "interval": "10s"},
    }
    assert keys(after.local_unit_data) == {"host", "ip"}
    assert json.loads(after.local_unit_data["ip"]) == "192.0.2.0"


def test_the_address_that_the_proxy_gives_is_in_the_status(
    context: Context, snapd: FakeSnapd
) -> None:
    for answer, message in [
        ({"ingress": '{"url": "https://home/sungather"}'}, "; page at https://home/sungather"),
        ({"ingress": "not JSON"}, ""),
        ({}, ""),
    ]:
        relation = testing.Relation("ingress", remote_app_data=answer)
        before = state(HOST, relations=[relation])
        out = context.run(context.on.relation_changed(relation), before)
        assert out.unit_status == testing.ActiveStatus(f"{READS}{message}")


@pytest.mark.parametrize("endpoint", ["cos-agent", "metrics-endpoint", "ingress"])
def test_a_relation_that_needs_the_page_says_how_to_enable_it(
    context: Context, snapd: FakeSnapd, endpoint: str
) -> None:
    relation = testing.Relation(endpoint)
    before = state(HOST | {"enable-webserver": False}, relations=[relation])
    out = context.run(context.on.config_changed(), before)
    assert blocked(out.unit_status) == (
        f"the relation {endpoint} needs the page: juju config sungather enable-webserver=true"
    )
    assert "8080" not in str(out.get_relation(relation.id).local_unit_data)


def test_an_event_with_nothing_new_writes_nothing(
    context: Context, snapd: FakeSnapd, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoints = ("cos-agent", "metrics-endpoint", "grafana-dashboard", "ingress")
    relations = [testing.Relation(name) for name in endpoints]
    out = context.run(context.on.config_changed(), state(HOST, relations=relations))
    written: list[str] = []

    def note(self: Any, key: str, text: str) -> None:
        written.append(key)

    monkeypatch.setattr("ops.RelationDataContent.__setitem__", note)
    context.run(context.on.update_status(), replace(out))
    assert written == []


@pytest.mark.parametrize("endpoint", ["cos-agent", "metrics-endpoint", "ingress", "mqtt"])
def test_a_relation_can_break_at_any_time(
    context: Context, snapd: FakeSnapd, endpoint: str
) -> None:
    relation = testing.Relation(endpoint)
    out = context.run(context.on.relation_broken(relation), state(HOST, relations=[relation]))
    assert out.unit_status == active()


def test_every_endpoint_has_a_description_and_says_whether_it_is_optional(
    charmcraft: dict[str, Any],
) -> None:
    for side in ("provides", "requires"):
        for row in charmcraft[side].values():
            assert row["description"].endswith(".")
            assert row["optional"] is True
    assert charmcraft["peers"]["standby"]["description"].endswith(".")


def test_the_charms_own_work_can_be_traced(charmcraft: dict[str, Any]) -> None:
    assert charmcraft["requires"]["charm-tracing"]["interface"] == "tracing"
    assert charmcraft["requires"]["charm-tracing"]["limit"] == 1
    assert charmcraft["requires"]["receive-ca-cert"]["interface"] == "certificate_transfer"


# The library within ops-tracing reads a field in a way that pydantic 2.11 deprecates.
@pytest.mark.filterwarnings("ignore:Accessing the 'model_fields' attribute")
def test_the_server_of_traces_is_asked_for_the_protocol_that_ops_speaks(
    context: Context, snapd: FakeSnapd
) -> None:
    relation = testing.Relation("charm-tracing")
    out = context.run(context.on.relation_changed(relation), state(HOST, relations=[relation]))
    after = out.get_relation(relation.id)
    assert isinstance(after, testing.Relation)
    assert json.loads(after.local_app_data["receivers"]) == ["otlp_http"]
