"""The relation cos-agent (cos_agent v0): metrics, rules, dashboards and logs of this unit.

The collector is a subordinate on the same machine, so everything stands in the unit's databag.
"""

import json

import ops

import databag
import observability

ENDPOINT = "cos-agent"
LOG_SLOT = "sungather:logs"
"""Snap and slot through which the collector reads the log files."""


def publish(charm: ops.CharmBase, port: int | None) -> None:
    """Tell the collector what there is.

    Args:
        charm: the charm.
        port: where the metrics are; None on a unit that has none.
    """
    for relation in charm.model.relations[ENDPOINT]:
        if charm.unit in relation.data:
            databag.write(relation.data[charm.unit], {"config": _config(charm, port)})


def _config(charm: ops.CharmBase, port: int | None) -> str:
    us = observability.topology(charm)
    jobs = [observability.named_scrape_job(charm.app.name, f"localhost:{port}")] if port else []
    return json.dumps(
        {
            "metrics_alert_rules": observability.alert_rules(us, scraped=bool(jobs)),
            "log_alert_rules": {},
            "dashboards": list(observability.dashboards(charm.meta.name).values()),
            "metrics_scrape_jobs": jobs,
            "log_slots": [LOG_SLOT],
            "subordinate": None,
            "tracing_protocols": None,
        }
    )
