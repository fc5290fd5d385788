"""The relation metrics-endpoint (prometheus_scrape v0): Prometheus scrapes the page's metrics."""

import json
import socket

import ops

import databag
import observability

ENDPOINT = "metrics-endpoint"


def publish(charm: ops.CharmBase, port: int | None, *, serves: bool) -> None:
    """Tell Prometheus where the metrics are.

    Args:
        charm: the charm.
        port: where the page is; None while it is off.
        serves: whether this unit has anything to scrape. A standby names no address.
    """
    for relation in charm.model.relations[ENDPOINT]:
        here = _here(charm, relation) if serves and port else ("", "", "", "")
        names = ("address", "name", "path", "fqdn")
        databag.write(
            relation.data[charm.unit],
            {f"prometheus_scrape_unit_{n}": t for n, t in zip(names, here, strict=True)},
        )
        if charm.unit.is_leader():
            us = observability.topology(charm)
            # An asterisk is every unit that has named its address.
            jobs = [observability.scrape_job(f"*:{port}")] if port else []
            databag.write(
                relation.data[charm.app],
                {
                    "scrape_jobs": json.dumps(jobs),
                    "scrape_metadata": json.dumps(us),
                    "alert_rules": json.dumps(observability.alert_rules(us, scraped=bool(jobs))),
                },
            )


def problem(charm: ops.CharmBase) -> str:
    """What Prometheus has against our rules or jobs; "" if nothing."""
    for relation in charm.model.relations[ENDPOINT]:
        refusal = databag.refusal(relation.data[relation.app].get("event", ""))
        if refusal:
            return f"{relation.app.name} refuses alert rules or scrape jobs: {refusal}"
    return ""


def _here(charm: ops.CharmBase, relation: ops.Relation) -> tuple[str, str, str, str]:
    binding = charm.model.get_binding(relation)
    address = str((binding.network.bind_address if binding else None) or "")
    # Prometheus puts the port right behind it.
    target = f"[{address}]" if ":" in address else address
    return (target, charm.unit.name, "", socket.getfqdn())
