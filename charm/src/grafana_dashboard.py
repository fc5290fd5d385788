"""The relation grafana-dashboard (grafana_dashboard v0): our dashboards, for Grafana."""

import hashlib
import json

import ops

import databag
import observability

ENDPOINT = "grafana-dashboard"


def publish(charm: ops.CharmBase) -> None:
    """Hand over the dashboards; only the leader may."""
    relations = charm.model.relations[ENDPOINT]
    if not relations or not charm.unit.is_leader():
        return
    us = observability.topology(charm)
    templates = {
        f"file:{stem}": {
            "charm": charm.meta.name,
            "content": content,
            "juju_topology": {k: us[k] for k in ("model", "model_uuid", "application", "unit")},
            "inject_dropdowns": True,
            "dashboard_alt_uid": _alternative_uid(charm.meta.name, stem),
        }
        for stem, content in observability.dashboards(charm.meta.name).items()
    }
    text = json.dumps(templates, sort_keys=True)
    identity = hashlib.sha256(text.encode()).hexdigest()
    for relation in relations:
        databag.write(
            relation.data[charm.app],
            {"dashboards": json.dumps({"templates": templates, "uuid": identity})},
        )


def problem(charm: ops.CharmBase) -> str:
    """What Grafana has against our dashboards; "" if nothing."""
    for relation in charm.model.relations[ENDPOINT]:
        refusal = databag.refusal(relation.data[relation.app].get("event", ""))
        if refusal:
            return f"{relation.app.name} refuses a dashboard: {refusal}"
    return ""


def _alternative_uid(charm_name: str, stem: str) -> str:
    return hashlib.shake_256(f"{charm_name}-file:{stem}".encode()).hexdigest(8)
