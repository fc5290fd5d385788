"""Alert rules and dashboards: only metrics that exist, alerts that fire when they should."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from cosl import LZMABase64
from households import SERVICES, reading, silent

import observability
from sungather.reading import ActiveFault, FaultReport, State
from sungather.web.metrics import Metrics

US = {
    "model": "home",
    "model_uuid": "11111111-1111-4111-8111-111111111111",
    "application": "sungather",
    "unit": "sungather/0",
    "charm_name": "sungather",
}
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="needs promtool (Debian package prometheus)"
)
DASHBOARDS = sorted((observability.SOURCE / observability.DASHBOARDS).glob("*.json"))


@pytest.fixture(scope="module")
def exposed() -> set[str]:
    """Every metric that our rules and dashboards may name."""
    house = replace(reading(), faults=FaultReport((ActiveFault("inverter_alarm", "083 Fan 2"),)))
    barn = replace(reading("garage"), name="barn")
    shed = replace(silent(State.UNREACHABLE, message="Nobody is there."), name="shed")
    found: set[str] = set()
    for ones in ([house, shed], [barn]):
        metrics = Metrics()
        for one in ones:
            metrics.on_reading(one)
        text, _ = metrics.exposition(ones, SERVICES, "")
        found.update(re.findall(r"^(\w+)[{ ]", text.decode(), re.MULTILINE))
    return found


def named(expression: str) -> Iterator[str]:
    """Metrics that an expression names, each alternative of a pattern for itself."""
    for pattern in re.findall(r'__name__=~"([^"]+)"', expression):
        start, inside, end = re.fullmatch(r"(\w+)\((.+)\)(\w*)", pattern).groups()  # pyright: ignore[reportOptionalMemberAccess] (then the test fails)
        yield from (f"{start}{one}{end}" for one in inside.split("|"))
    without_texts = re.sub(r'"[^"]*"', "", expression)
    yield from re.findall(r"\bsungather_\w+", without_texts)


def rules() -> list[dict[str, Any]]:
    groups = observability.alert_rules(US)["groups"]
    return [rule for group in groups for rule in group["rules"]]


def expressions(dashboard: Path) -> list[str]:
    panels = json.loads(dashboard.read_text())["panels"]
    return [one["expr"] for panel in panels for one in panel.get("targets", [])]


def test_rules_name_only_metrics_that_are_exposed(exposed: set[str]) -> None:
    found = [name for rule in rules() for name in named(rule["expr"])]
    assert len(set(found)) > 8
    assert set(found) <= exposed


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda file: file.stem)
def test_dashboards_name_only_metrics_that_are_exposed(dashboard: Path, exposed: set[str]) -> None:
    found = [name for one in expressions(dashboard) for name in named(one)]
    assert len(set(found)) > 5
    assert set(found) <= exposed


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda file: file.stem)
def test_every_panel_has_a_place_a_title_and_the_chosen_data_source(dashboard: Path) -> None:
    content = json.loads(dashboard.read_text())
    (source, *inverter) = content["templating"]["list"]
    assert (source["name"], source["type"]) == ("prometheusds", "datasource")
    # The fleet's board is about sites, not about single inverters.
    assert bool(inverter) is (dashboard.stem != "sungather-fleet")
    assert all(one["query"]["query"] == "label_values(sungather_up, name)" for one in inverter)
    taken: set[tuple[int, int]] = set()
    for panel in content["panels"]:
        assert panel["title"]
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells
        for target in panel.get("targets", []):
            assert target["datasource"]["uid"] == "${prometheusds}"
    ids = [panel["id"] for panel in content["panels"]]
    assert len(ids) == len(set(ids))


def test_every_rule_is_about_this_application_alone() -> None:
    for rule in rules():
        assert "%%" not in rule["expr"]
        selectors = re.findall(r"\{[^}]*\}", rule["expr"])
        assert selectors
        assert all('juju_application="sungather"' in one for one in selectors)
        without_texts = re.sub(r'"[^"]*"', "", rule["expr"])
        assert not re.search(r"\b(sungather_\w+|up)\b(?!\{)", without_texts)
        assert rule["labels"]["juju_application"] == "sungather"
        assert rule["labels"]["juju_charm"] == "sungather"
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"].keys() >= {"summary", "description"}
        assert re.fullmatch(r"\d+[mh]", rule["for"]), "the interface's schema wants it"


def test_every_alert_and_legend_says_which_application_it_is_about() -> None:
    """At fifty sites every inverter may be called "inverter"."""
    ours = [rule for rule in rules() if rule["alert"].startswith("Sungather")]
    assert all("{{ $labels.juju_application }}" in one["annotations"]["summary"] for one in ours)
    for board in observability.dashboards("sungather").values():
        for panel in json.loads(LZMABase64.decompress(board))["panels"]:
            legends = [one.get("legendFormat", "") for one in panel.get("targets", [])]
            assert all("{{juju_application}}" in one for one in legends if "{{" in one)


def test_the_fleet_has_a_row_for_each_site() -> None:
    (file,) = [one for one in DASHBOARDS if one.stem == "sungather-fleet"]
    panels = json.loads(file.read_text())["panels"]
    (table,) = [one for one in panels if one["type"] == "table"]
    assert all("by (juju_model, juju_application)" in one["expr"] for one in table["targets"])
    (names,) = [one["options"] for one in table["transformations"] if one["id"] == "organize"]
    assert names["renameByName"]["juju_application"] == "Site"


def test_a_dashboard_of_a_later_charm_has_a_higher_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boards = tmp_path / "src" / observability.DASHBOARDS
    boards.mkdir(parents=True)
    (boards / "a.json").write_text('{"version": 1, "panels": []}')
    monkeypatch.setattr(observability, "SOURCE", tmp_path / "src")
    versions: list[int] = []
    for started in (None, "2026-11-25T10:00:00.000000Z", "2026-11-25T10:01:00.5Z"):
        if started:
            text = f"analysis:\n  attributes: []\ncharmcraft-started-at: '{started}'\n"
            (tmp_path / "manifest.yaml").write_text(text)
        content = LZMABase64.decompress(observability.dashboards("sungather")["a"])
        versions.append(json.loads(content)["version"])
    assert versions == sorted(set(versions))
    assert versions[0] == 1


def test_the_generic_rules_are_there_too() -> None:
    found = {rule["alert"]: rule["expr"] for rule in rules()}
    assert found["HostDown"].startswith("up{juju_model=")
    assert found["HostMetricsMissing"].startswith("absent(up{juju_model=")


def series(metric: str, values: str, **labels: str) -> dict[str, str]:
    topology = {
        "juju_model": "home",
        "juju_model_uuid": US["model_uuid"],
        "juju_application": "sungather",
        "juju_charm": "sungather",
    }
    inside = ",".join(f'{key}="{value}"' for key, value in (topology | labels).items())
    return {"series": f"{metric}{{{inside}}}", "values": values}


CASES: dict[str, tuple[list[dict[str, str]], str, bool]] = {
    "a fault in words": (
        [series("sungather_fault_info", "1x10", name="a", register="b", value="083 Fan")],
        "10m SungatherInverterFault",
        True,
    ),
    "the same fault in two registers": (
        [
            series("sungather_fault_info", "1x10", name="a", register="b", value="Fan"),
            series("sungather_fault_info", "1x10", name="a", register="c", value="Fan"),
        ],
        "10m SungatherInverterFault",
        True,
    ),
    "no fault": (
        [series("sungather_faults", "0x10", name="a")],
        "10m SungatherInverterFault",
        False,
    ),
    "unreachable when there was sun yesterday": (
        [
            series("sungather_inverter_state", "0x1440 1x60", name="a", state="unreachable"),
            series("sungather_pv_power_watts", "900x1440", name="a"),
        ],
        "1480m SungatherInverterUnreachable",
        True,
    ),
    "unreachable at an hour that was dark yesterday": (
        [
            series("sungather_inverter_state", "0x1440 1x60", name="a", state="unreachable"),
            series("sungather_pv_power_watts", "0x1440", name="a"),
        ],
        "1480m SungatherInverterUnreachable",
        False,
    ),
    "silent for a day": (
        [series("sungather_up", "1x10 0x2000", name="a")],
        "1900m SungatherInverterSilentForADay",
        True,
    ),
    "asleep for a night": (
        [series("sungather_up", "1x10 0x720 1x100", name="a")],
        "800m SungatherInverterSilentForADay",
        False,
    ),
    "busy": (
        [series("sungather_inverter_state", "1x30", name="a", state="busy")],
        "20m SungatherInverterUnusable",
        True,
    ),
    "an exporter that waits with readings": (
        [
            series("sungather_service_state", "1x60", service="mqtt", state="waiting"),
            series("sungather_service_queue_readings", "5+1x60", service="mqtt"),
        ],
        "40m SungatherExporterStuck",
        True,
    ),
    "an exporter that waits for its first reading": (
        [
            series("sungather_service_state", "1x60", service="mqtt", state="waiting"),
            series("sungather_service_queue_readings", "0x60", service="mqtt"),
        ],
        "40m SungatherExporterStuck",
        False,
    ),
    "an outbox that fills": (
        [series("sungather_service_queue_readings", "2100+2x200", service="mqtt")],
        "150m SungatherOutboxFilling",
        True,
    ),
    "an outbox that empties": (
        [series("sungather_service_queue_readings", "9000-2x200", service="mqtt")],
        "150m SungatherOutboxFilling",
        False,
    ),
    "readings given up": (
        [series("sungather_service_dropped_readings_total", "0x10 5x50", service="mqtt")],
        "30m SungatherReadingsLost",
        True,
    ),
    "a counter that falls": (
        [series("sungather_pv_energy_kwh_total", "1000+0.1x20 3+0.1x20", name="a")],
        "30m SungatherCounterBackwards",
        True,
    ),
    "a counter that is gone for an hour": (
        [series("sungather_pv_energy_kwh_total", "1000+0.1x20 _x60 1002+0.1x20", name="a")],
        "90m SungatherCounterBackwards",
        False,
    ),
    "of another application": (
        [
            {
                "series": 'sungather_fault_info{juju_application="solar",value="Fan"}',
                "values": "1x10",
            }
        ],
        "10m SungatherInverterFault",
        False,
    ),
}


@needs_promtool
@pytest.mark.parametrize("case", CASES)
def test_alerts_fire_when_they_should_and_else_not(case: str, tmp_path: Path) -> None:
    given, when, fires = CASES[case]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(observability.alert_rules(US)))
    time, alert = when.split()
    query = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) > bool 0'
    test = {
        "interval": "1m",
        "input_series": given,
        "promql_expr_test": [
            {
                "expr": query,
                "eval_time": time,
                "exp_samples": [{"labels": "{}", "value": 1}] if fires else [],
            }
        ],
    }
    content = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [test]}
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(content))
    assert PROMTOOL is not None
    command = [PROMTOOL, "test", "rules", "test.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_promtool_has_nothing_against_the_rules(tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump(observability.alert_rules(US)))
    assert PROMTOOL is not None
    command = [PROMTOOL, "check", "rules", "--lint-fatal", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
