"""From what snapd says of the daemon to the unit's status; pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import ops

import credentials
import snapd_state

OF_NO_DAEMON = frozenset({"no-inverter", "daemon-stopped", "daemon-ended", "daemon-options"})
"""Codes of what the snap says while no daemon runs. One that is active has not spoken since."""
_WORKING = frozenset({"asleep", "fault"})
"""An inverter that sleeps is as it should be; one that tells a fault is read all the same."""


_OPTIONS: Mapping[str, str] = {
    "web-blocked": "webserver-port",
    "modbus-server-blocked": "modbus-server-port",
}
"""Code of what the snap says -> the option of the charm that ends it."""
_TAKES_UP = timedelta(minutes=1)
"""How long the daemon may need with new options until it says how it is."""


def status(
    state: snapd_state.State, unit: str, reads: str, changed: datetime | None, now: datetime
) -> ops.StatusBase:
    """How the daemon is doing, since when and why.

    Args:
        state: what snapd says.
        unit: the unit's name, for the commands.
        reads: the models that are read; "" if not known.
        changed: when its options were changed last; None if never.
        now: the time.
    """
    if not state.active:
        return ops.WaitingStatus(
            f"the daemon does not stay up: juju exec --unit {unit} -- snap logs sungather"
        )
    since = f"since {state.since:%Y-%m-%d %H:%M} UTC" if state.since is not None else ""
    if state.health == "okay":
        return ops.ActiveStatus(f"reading {reads or 'the inverter'} {since}".rstrip())
    if state.health not in ("waiting", "blocked", "error") or state.code in OF_NO_DAEMON:
        return ops.WaitingStatus("the daemon is starting")
    if changed and state.since and state.since < changed and now - changed < _TAKES_UP:
        # What it said is about what it was told before.
        return ops.WaitingStatus("the daemon is applying its new options")
    message = state.message.replace(
        "sungather.test-connection", f"juju run {unit} test-connection"
    )
    details = ", ".join(filter(None, (state.code, since)))
    said = f"{message} ({details})" if details else message
    app = unit.partition("/")[0]
    if state.code in _OPTIONS:
        said += f": juju config {app} {_OPTIONS[state.code]}=PORT"
    elif state.code == "set-aside":
        said += f": {credentials.remedy(state.message, app)}"
    if state.code in _WORKING:
        return ops.ActiveStatus(said)
    if state.health == "waiting":
        return ops.WaitingStatus(said)
    return ops.BlockedStatus(said)


def undelivered(state: snapd_state.State, unit: str) -> str:
    """What keeps a daemon that only delivers from doing so; "" if nothing does.

    Args:
        state: what snapd says.
        unit: the unit's name, for the commands.
    """
    if not state.active:
        why = f"the daemon does not stay up: juju exec --unit {unit} -- snap logs sungather"
    elif state.health in ("waiting", "blocked", "error") and state.code not in OF_NO_DAEMON:
        why = state.message
    else:
        return ""
    return f"what this unit still owes is not delivered: {why}"


def in_trouble(state: snapd_state.State) -> str:
    """What keeps the daemon from its inverters, and since when; "" if nothing does."""
    if state.health not in ("waiting", "blocked") or state.code in (_WORKING | OF_NO_DAEMON):
        return ""
    return f"{state.code} {state.since or ''}"
