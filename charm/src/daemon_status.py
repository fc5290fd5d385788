"""From what snapd says of the daemon to the unit's status; pure."""

import ops

import snapd_state

NO_INVERTER = "no-inverter"
"""What the snap said before it was told of an inverter; the daemon has not spoken since."""
_WORKING = frozenset({"asleep", "fault"})
"""An inverter that sleeps is as it should be; one that tells a fault is read all the same."""


def status(state: snapd_state.State, unit: str) -> ops.StatusBase:
    """How the daemon is doing, since when and why.

    Args:
        state: what snapd says.
        unit: the unit's name, for the commands.
    """
    if not state.active:
        return ops.WaitingStatus(
            f"the daemon does not stay up: juju exec --unit {unit} -- snap logs sungather"
        )
    if state.health not in ("waiting", "blocked", "error"):
        return ops.ActiveStatus()
    if state.code == NO_INVERTER:
        return ops.WaitingStatus("the daemon is starting")
    message = state.message.replace(
        "sungather.test-connection", f"juju run {unit} test-connection"
    )
    details = [state.code] if state.code else []
    if state.since is not None:
        details.append(f"since {state.since:%Y-%m-%d %H:%M} UTC")
    said = f"{message} ({', '.join(details)})" if details else message
    if state.code in _WORKING:
        return ops.ActiveStatus(said)
    if state.health == "waiting":
        return ops.WaitingStatus(said)
    return ops.BlockedStatus(said)
