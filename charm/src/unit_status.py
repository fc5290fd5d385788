"""What can be seen of relations and daemon, for the unit's status, whether its steps succeeded."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import ops

import cos_agent
import daemon_status
import grafana_dashboard
import ingress
import metrics_endpoint
import standby
import sungather_snap
import troubles
import unit_inverters

if TYPE_CHECKING:
    from charm import SungatherCharm

NEED_PAGE = (cos_agent.ENDPOINT, metrics_endpoint.ENDPOINT, ingress.ENDPOINT)
"""The snap's page serves the metrics as well."""


def observed(charm: "SungatherCharm") -> Iterator[ops.StatusBase]:
    """All that is worth saying.

    Raises:
        SnapError: snapd does not say how the daemon is.
    """
    yield from _of_relations(charm)
    if not charm.polls:
        yield from _of_standby(charm)
    elif charm.owns_snap and not charm.names_inverter:
        yield ops.BlockedStatus(troubles.name_the_inverter(charm.app.name))
    elif charm.owns_snap and sungather_snap.is_installed() and sungather_snap.has_inverter():
        yield from _of_reader(charm)
    # Else a step has said why: there is no snap, or it has refused the options.


def _of_relations(charm: "SungatherCharm") -> Iterator[ops.StatusBase]:
    if not charm.settings.enable_webserver:
        for endpoint in NEED_PAGE:
            if charm.model.relations[endpoint]:
                yield ops.BlockedStatus(
                    f"the relation {endpoint} needs the page: "
                    f"juju config {charm.app.name} enable-webserver=true"
                )
    for refusal in (grafana_dashboard.problem(charm), metrics_endpoint.problem(charm)):
        if refusal:
            # A defect of this charm, which nobody can mend from here; the unit works.
            yield ops.ActiveStatus(" ".join(refusal.split()))


def _of_standby(charm: "SungatherCharm") -> Iterator[ops.StatusBase]:
    """Who reads, and whether what this unit still owes is on its way."""
    who = standby.polling_unit(charm) or "the leader"
    how = unit_inverters.remedy(charm.settings.unit_inverters, charm.unit.name)
    said = f"{who} reads the inverter" if who != standby.NOBODY else "the leader cannot read"
    yield ops.ActiveStatus(f"standby: {said} ({how})")
    if charm.owns_snap and sungather_snap.is_installed() and sungather_snap.delivers_only():
        state = sungather_snap.get_state()
        if trouble := daemon_status.undelivered(state, charm.unit.name):
            yield ops.WaitingStatus(trouble)


def _of_reader(charm: "SungatherCharm") -> Iterator[ops.StatusBase]:
    """How the daemon is that reads the inverters."""
    state = sungather_snap.get_state()
    changed = sungather_snap.options_set_at()
    now = datetime.now(UTC)
    yield daemon_status.status(state, charm.unit.name, charm.models(state), changed, now)
    leads, reads_for_all = charm.unit.is_leader(), not charm.own_inverter
    if leads and reads_for_all and (better := standby.who_reaches(charm)):
        yield ops.WaitingStatus(
            f"{better} reaches the inverter, this unit does not; to hand over: "
            f"juju run {charm.unit.name} backup; juju remove-unit {charm.unit.name}"
        )
    if url := ingress.url(charm):
        yield ops.ActiveStatus(f"page at {url}")
    if leads and not reads_for_all and charm.names_inverter_of_all:
        yield ops.ActiveStatus(
            "nobody reads inverter-host, nor inverters of extra-options, while this unit leads: "
            "name every inverter in unit-inverters"
        )
