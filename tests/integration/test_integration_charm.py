"""The charm on a real Juju 3.6 or later, with the charms that it is made for.

NOT RUN where there is no controller; `tox -e integration` runs it where there is one. The same
steps, but for Juju itself, run in the lab (tests/lab/test_lab_charm.py).
"""

import json
import urllib.request
from pathlib import Path

import jubilant
import pytest

pytestmark = pytest.mark.juju
APP = "sungather"
UNIT = f"{APP}/0"
DASHED = {"username": "user", "password": "swordfish"}


def test_deployed_without_a_host_it_is_blocked_and_says_what_to_do(
    juju: jubilant.Juju, charm: Path, snap: Path
) -> None:
    juju.deploy(charm, APP, resources={"sungather-snap": str(snap)})
    status = juju.wait(lambda now: jubilant.all_blocked(now, APP))
    message = status.apps[APP].units[UNIT].workload_status.message
    assert message == f"say where the inverter is: juju config {APP} inverter-host=ADDRESS"


def test_with_a_host_values_stand_on_the_page(juju: jubilant.Juju, inverter: str) -> None:
    juju.config(APP, {"inverter-host": inverter, "inverter-port": 5020})
    status = juju.wait(lambda now: jubilant.all_active(now, APP))
    assert status.apps[APP].version
    address = status.apps[APP].units[UNIT].public_address
    with urllib.request.urlopen(f"http://{address}:8080/api/v1/now", timeout=30) as answer:
        (now,) = json.load(answer)["inverters"]
    assert now["model"] == "SH10RT"


@pytest.mark.parametrize("action", ["test-connection", "get-inverter-info", "get-readings"])
def test_actions_about_the_inverter_answer(juju: jubilant.Juju, action: str) -> None:
    results = juju.run(UNIT, action).results
    assert results["inverter"]["model"] == "SH10RT"


def test_run_once_succeeds(juju: jubilant.Juju) -> None:
    assert juju.run(UNIT, "run-once").results["success"] == "true"


def test_a_secret_is_asked_for_granted_and_rotated(juju: jubilant.Juju) -> None:
    secret = juju.add_secret("dongle", DASHED)
    juju.config(APP, {"inverter-credentials": secret})
    status = juju.wait(lambda now: jubilant.all_blocked(now, APP))
    message = status.apps[APP].units[UNIT].workload_status.message
    assert "juju grant-secret" in message
    juju.grant_secret("dongle", APP)
    juju.wait(lambda now: jubilant.all_active(now, APP))
    juju.update_secret("dongle", DASHED | {"password": "marlin"})

    def rotated(_: jubilant.Status) -> bool:
        found = juju.exec("snap get sungather inverter.password", unit=UNIT)
        return found.stdout.strip() == "marlin"

    juju.wait(rotated)


def test_a_second_unit_stands_by(juju: jubilant.Juju) -> None:
    juju.add_unit(APP)
    juju.wait(lambda now: len(now.apps[APP].units) == 2 and jubilant.all_active(now, APP))
    messages = [one.workload_status.message for one in juju.status().apps[APP].units.values()]
    assert sum(message.startswith("standby: ") for message in messages) == 1
    juju.remove_unit(f"{APP}/1")
    juju.wait(lambda now: len(now.apps[APP].units) == 1)


# The collector for machines takes metrics, rules and dashboards also over the network, in the
# place of Prometheus and Grafana, whose charms are for Kubernetes.
COLLECTOR, COLLECTOR_CONFIG = "opentelemetry-collector", "/etc/otelcol/config.d"
RELATIONS = [
    (COLLECTOR, "2/stable", "cos-agent", "cos-agent"),
    (COLLECTOR, "2/stable", "metrics-endpoint", "metrics-endpoint"),
    (COLLECTOR, "2/stable", "grafana-dashboard", "grafana-dashboards-consumer"),
    ("haproxy", "2.8/edge", "ingress", "ingress"),
]


@pytest.mark.parametrize(("other", "channel", "endpoint", "theirs"), RELATIONS)
def test_it_relates_to_the_charms_for_machines(
    juju: jubilant.Juju, other: str, channel: str, endpoint: str, theirs: str
) -> None:
    if other not in juju.status().apps:
        # A subordinate has the base of the unit that it goes to.
        juju.deploy(other, channel=channel, base="ubuntu@24.04")
    juju.integrate(f"{APP}:{endpoint}", f"{other}:{theirs}")
    juju.wait(
        lambda now: jubilant.all_active(now, APP) and jubilant.all_agents_idle(now, APP, other),
        error=lambda now: jubilant.any_error(now, APP, other),
    )
    databag = json.loads(juju.cli("show-unit", UNIT, "--format", "json"))[UNIT]
    related = {one["endpoint"] for one in databag["relation-info"]}
    assert endpoint in related


def test_the_collector_scrapes_this_unit_once_beside_itself_and_once_over_the_network(
    juju: jubilant.Juju,
) -> None:
    address = juju.status().apps[APP].units[UNIT].public_address

    def scraped(_: jubilant.Status) -> bool:
        found = juju.exec(f"cat {COLLECTOR_CONFIG}/*", unit=UNIT).stdout
        return "localhost:8080" in found and f"{address}:8080" in found

    juju.wait(scraped)


def test_removed_it_takes_the_snap_along(juju: jubilant.Juju) -> None:
    juju.remove_application(APP)
    juju.wait(lambda now: APP not in now.apps)
