"""The relation ingress (ingress v2): the page behind haproxy or traefik."""

import json
import socket

import ops

import databag

ENDPOINT = "ingress"
_HIGHEST = 65534
"""The interface's own library refuses 65535."""


def publish(charm: ops.CharmBase, port: int) -> None:
    """Say where the page is; every value of the databags is JSON.

    That is said also while the page is off: one application with half a databag holds up haproxy
    for all. Every unit names its address, as the interface demands. A unit without a page fails
    the health check, so the proxy does not send anybody there.

    Args:
        charm: the charm.
        port: where the page is, or would be.
    """
    for relation in charm.model.relations[ENDPOINT]:
        binding = charm.model.get_binding(relation)
        address = binding.network.bind_address if binding else None
        # Without one null is right, and an empty text would hold up haproxy for all.
        ip = json.dumps(str(address) if address else None)
        unit = {"host": json.dumps(socket.getfqdn()), "ip": ip}
        databag.write(relation.data[charm.unit], unit)
        if charm.unit.is_leader():
            app = {
                "model": json.dumps(charm.model.name),
                "name": json.dumps(charm.app.name),
                "port": json.dumps(min(port, _HIGHEST)),
                "scheme": json.dumps("http"),
                # Every address of the page is relative, so it works below any path.
                "strip-prefix": json.dumps(True),
                "redirect-https": json.dumps(False),
                "healthcheck_params": json.dumps({"path": "/healthz", "interval": "10s"}),
            }
            databag.write(relation.data[charm.app], app)


def url(charm: ops.CharmBase) -> str:
    """Where the page is for people; "" as long as the proxy has not said."""
    for relation in charm.model.relations[ENDPOINT]:
        text = relation.data[relation.app].get("ingress", "") if relation.app else ""
        try:
            return str(json.loads(text)["url"])
        except (ValueError, KeyError, TypeError):
            continue
    return ""
