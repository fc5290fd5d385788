"""The relation grafana-dashboard (grafana_dashboard v0): our dashboards, for Grafana."""

import hashlib
import json
from typing import cast

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
        refusal = _refusal(relation.data[relation.app].get("event", ""))
        if refusal:
            return f"{relation.app.name} refuses a dashboard: {refusal}"
    return ""


def _refusal(event: str) -> str:
    """The errors of an event as one text: `errors`, a list or a text, with or without `valid`."""
    try:
        answer: object = json.loads(event) if event else {}
    except ValueError:
        return ""
    if not isinstance(answer, dict):
        return ""
    told = cast("dict[str, object]", answer)
    errors = told.get("errors")
    ones = cast("list[object]", errors if isinstance(errors, list) else [errors] if errors else [])
    if not ones and told.get("valid") is False:
        return "no reason given"
    return "; ".join(_sentence(one) for one in ones)


def _sentence(error: object) -> str:
    if isinstance(error, dict):
        return ": ".join(str(part) for part in cast("dict[str, object]", error).values() if part)
    return str(error)


def _alternative_uid(charm_name: str, stem: str) -> str:
    return hashlib.shake_256(f"{charm_name}-file:{stem}".encode()).hexdigest(8)
