"""The peer relation: the leader says that it polls, and the others wake up to stop.

Juju tells a unit that it became the leader, but not that it is no longer. A change of this
databag is what makes the former leader look again at once.
"""

import ops

import databag

ENDPOINT = "standby"
_KEY = "polling-unit"


def announce(charm: ops.CharmBase) -> None:
    """Say who polls: the leader."""
    relation = charm.model.get_relation(ENDPOINT)
    if relation is not None and charm.unit.is_leader():
        databag.write(relation.data[charm.app], {_KEY: charm.unit.name})


def polling_unit(charm: ops.CharmBase) -> str:
    """Who polls, as far as this unit knows; "" if it does not."""
    relation = charm.model.get_relation(ENDPOINT)
    return relation.data[charm.app].get(_KEY, "") if relation is not None else ""
