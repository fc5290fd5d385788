"""The charm's alert rules and dashboards, as the COS relations carry them.

cosl is imported where it is used: it takes longer to load than an idle event takes in all, and
most events have nothing to publish.
"""

import hashlib
import json
import pathlib
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import ops
import yaml

SOURCE = pathlib.Path(__file__).parent
DASHBOARDS = "grafana_dashboards"
RULES = "prometheus_alert_rules"
_PLACEHOLDER = "%%juju_topology%%"


def topology(charm: ops.CharmBase) -> dict[str, str]:
    """Who we are: model, model_uuid, application, unit, charm_name."""
    return {
        "model": charm.model.name,
        "model_uuid": charm.model.uuid,
        "application": charm.app.name,
        "unit": charm.unit.name,
        "charm_name": charm.meta.name,
    }


def scrape_job(target: str) -> dict[str, Any]:
    """The scrape job of the page's metrics; `target` is "HOST:PORT"."""
    return {"metrics_path": "/metrics", "static_configs": [{"targets": [target]}]}


def named_scrape_job(application: str, target: str) -> dict[str, Any]:
    """The same with the name that cos_agent wants: it tells jobs of several charms apart."""
    job = scrape_job(target)
    text = json.dumps(job, sort_keys=True).encode()
    digest = hashlib.blake2b(text, digest_size=4).hexdigest()
    return job | {"job_name": f"{application}_default_{digest}"}


def alert_rules(us: Mapping[str, str], *, scraped: bool = True) -> dict[str, Any]:
    """{"groups": […]}: our rules and the generic ones, about this application alone.

    Args:
        us: see `topology`.
        scraped: whether there is a scrape job. Without one the generic rules, which ask whether
            scraping works, would fire for ever.
    """
    from cosl import JujuTopology
    from cosl.rules import Rules, generic_alert_groups

    about = JujuTopology.from_dict(dict(us))
    found = Rules(query_type="promql", topology=about)
    ours = [yaml.safe_load(file.read_text()) for file in sorted((SOURCE / RULES).glob("*.yaml"))]
    generic = [dict(generic_alert_groups.application_rules)] if scraped else []
    for rules in (*ours, *generic):
        # Without the cos-tool program cosl puts no labels into expressions, so that is done here.
        labelled = _about(rules, about.alert_expression_str)
        found.add(labelled, group_name_prefix=about.identifier)
    return found.as_dict()


def dashboards(charm_name: str) -> dict[str, str]:
    """Stem of the file -> the dashboard, compressed, with identifier and tag."""
    from cosl import DashboardPath40UID, LZMABase64

    found: dict[str, str] = {}
    for file in sorted((SOURCE / DASHBOARDS).glob("*.json")):
        content = json.loads(file.read_text())
        path = f"src/{DASHBOARDS}/{file.name}"
        content["uid"] = DashboardPath40UID.generate(charm_name, path)
        content["tags"] = [*content.get("tags", []), f"charm: {charm_name}"]
        for target in (one for panel in content["panels"] for one in panel.get("targets", [])):
            legend = target.get("legendFormat", "")
            if legend.startswith("{{") and "juju_" not in legend:
                # At fifty sites every inverter may be called "inverter".
                target["legendFormat"] = f"{{{{juju_application}}}} {legend}"
        # Of two charms that bring the same dashboard Grafana shows the higher version.
        content["version"] = _packed_at()
        found[file.stem] = LZMABase64.compress(json.dumps(content))
    return found


def _packed_at() -> int:
    """When this charm was packed, in minutes since 1970; 1 for one that was not."""
    manifest = SOURCE.parent / "manifest.yaml"
    text = manifest.read_text() if manifest.exists() else ""
    found = re.search(r"^charmcraft-started-at: '?([^'\n]+)'?$", text, re.MULTILINE)
    return int(datetime.fromisoformat(found[1]).timestamp() // 60) if found else 1


def _about(rules: dict[str, Any], labels: str) -> dict[str, Any]:
    """The rules with the labels of the application in every expression."""
    for group in rules["groups"]:
        for rule in group["rules"]:
            expression = re.sub(r"\bup\b(?!\{)", f"up{{{_PLACEHOLDER}}}", rule["expr"])
            rule["expr"] = expression.replace(_PLACEHOLDER, labels)
    return rules
