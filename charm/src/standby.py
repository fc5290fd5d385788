"""The peer relation: who polls, who wakes up to stop, and who could do better.

Juju tells a unit that it became the leader, but not that it is no longer. A change of this
databag is what makes the former leader look again at once. In the same way a leader that is in
trouble with its inverter asks the standbys whether they reach it.
"""

import json

import ops

import databag

ENDPOINT = "standby"
NOBODY = "nobody"
"""Who polls, while the leader cannot."""
_KEY = "polling-unit"
_TROUBLE = "trouble"
_ANSWER = "own-way"


def announce(charm: ops.CharmBase, *, reads: bool) -> None:
    """Say who polls: the leader, unless its machine's snap is another's."""
    _write(charm, {_KEY: charm.unit.name if reads else NOBODY})


def ask(charm: ops.CharmBase, trouble: str) -> None:
    """Say what keeps the leader from its inverters; "" for nothing."""
    _write(charm, {_TROUBLE: trouble})


def unanswered(charm: ops.CharmBase) -> str:
    """The leader's trouble that this unit has not answered yet; "" if there is none."""
    relation = charm.model.get_relation(ENDPOINT)
    if relation is None:
        return ""
    trouble = relation.data[charm.app].get(_TROUBLE, "")
    return trouble if trouble != _answer(relation, charm.unit).get("to") else ""


def answer(charm: ops.CharmBase, trouble: str, *, reaches: bool) -> None:
    """Say whether this unit reaches the inverters that the leader has trouble with."""
    relation = charm.model.get_relation(ENDPOINT)
    if relation is not None:
        text = json.dumps({"to": trouble, "reaches": reaches})
        databag.write(relation.data[charm.unit], {_ANSWER: text})


def who_reaches(charm: ops.CharmBase) -> str:
    """A standby that reaches what the leader does not; "" if none has said so."""
    relation = charm.model.get_relation(ENDPOINT)
    trouble = relation.data[charm.app].get(_TROUBLE, "") if relation is not None else ""
    if relation is None or not trouble:
        return ""
    said = {unit.name: _answer(relation, unit) for unit in relation.units}
    found = [name for name, one in said.items() if one == {"to": trouble, "reaches": True}]
    return min(found, default="")


def polling_unit(charm: ops.CharmBase) -> str:
    """Who polls, or `NOBODY`, as far as this unit knows; "" if it does not."""
    relation = charm.model.get_relation(ENDPOINT)
    return relation.data[charm.app].get(_KEY, "") if relation is not None else ""


def _write(charm: ops.CharmBase, texts: dict[str, str]) -> None:
    relation = charm.model.get_relation(ENDPOINT)
    if relation is not None and charm.unit.is_leader():
        databag.write(relation.data[charm.app], texts)


def _answer(relation: ops.Relation, unit: ops.Unit) -> dict[str, object]:
    return json.loads(relation.data[unit].get(_ANSWER, "{}"))
