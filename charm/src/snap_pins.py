"""Which revision of the snap the units have: what the leader got first, noted with its charm.

It is noted in the peer relation, so that a unit that is added later gets the same, and an
application that goes back to an earlier charm goes back to that charm's snap.
"""

import functools
import hashlib
import json
import pathlib
import platform

import ops

import databag
import standby

SOURCE = pathlib.Path(__file__).parent
_KEY = "snap-revisions"
_MOST = 20


def can_be_noted(charm: ops.CharmBase) -> bool:
    """Whether this unit is the one that notes revisions: the leader, once there are peers."""
    return charm.unit.is_leader() and charm.model.get_relation(standby.ENDPOINT) is not None


def noted(charm: ops.CharmBase, channel: str) -> str:
    """The revision that belongs to this charm and channel; "" while there is none."""
    return _all(charm).get(_name(channel), "")


def note(charm: ops.CharmBase, channel: str, revision: str) -> None:
    """Note the revision for all units, if this is the unit to do so."""
    relation = charm.model.get_relation(standby.ENDPOINT)
    if relation is None or not charm.unit.is_leader() or noted(charm, channel) == revision:
        return
    others = {name: one for name, one in _all(charm).items() if name != _name(channel)}
    kept = [*others.items(), (_name(channel), revision)][-_MOST:]
    databag.write(relation.data[charm.app], {_KEY: json.dumps(dict(kept))})


def _all(charm: ops.CharmBase) -> dict[str, str]:
    """What the leaders have noted, oldest first."""
    relation = charm.model.get_relation(standby.ENDPOINT)
    return json.loads(relation.data[charm.app].get(_KEY, "{}")) if relation is not None else {}


def _name(channel: str) -> str:
    # In the Store each architecture has revisions of its own.
    return f"{charm_digest()} {channel} {platform.machine()}"


@functools.cache
def charm_digest() -> str:
    """What tells this charm from another: a digest of its own files.

    Juju's revision would not do. A file that is deployed again gets another one each time.
    """
    digest = hashlib.sha256()
    for file in sorted(SOURCE.rglob("*")):
        if file.suffix in (".py", ".json", ".yaml"):
            digest.update(f"{file.relative_to(SOURCE)}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:16]
