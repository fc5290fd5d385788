"""From what went wrong to the unit's status, with the command that ends it; pure."""

from collections.abc import Iterable, Iterator

import ops

import credentials
import extra_options
import ownership
import snap_errors

KNOWN = (
    ownership.OwnedByAnother,
    ownership.ReadByAnother,
    extra_options.WrongOptionText,
    snap_errors.SnapError,
)
"""The errors that have a status; any other is a defect of the charm."""


def status(error: Exception, app: str, unit: str) -> ops.StatusBase:
    """The status that an error of `KNOWN` asks for.

    Args:
        error: what went wrong.
        app: the application's name, for the commands.
        unit: the unit's name, likewise.
    """
    as_a_file = f"without internet: juju attach-resource {app} sungather-snap=FILE"
    on_the_machine = f"juju exec --unit {unit} -- apt-get install -y"
    match error:
        case ownership.OwnedByAnother():
            return ops.BlockedStatus(
                f"the sungather snap of this machine belongs to {error.application}: put further "
                f"inverters into its extra-options, or deploy {app} to another machine"
            )
        case ownership.ReadByAnother():
            return ops.BlockedStatus(
                f"{error.unit} reads another inverter with this machine's snap, and a machine has "
                f"one: give this unit a machine of its own (juju add-unit {app}; juju remove-unit "
                f"{unit})"
            )
        case snap_errors.OptionsRefused():
            return _blocked(f"{error} {credentials.remedy(str(error), app)}")
        case snap_errors.StoreSilent():
            return _waiting(f"{error} ({as_a_file})")
        case snap_errors.TryLater():
            return _waiting(str(error))
        case snap_errors.SnapdMissing():
            return _blocked(f"{error}: {on_the_machine} snapd")
        case snap_errors.SquashfsUnsupported():
            return _blocked(
                f"the machine cannot mount snaps: {on_the_machine} fuse3 squashfuse ({error})"
            )
        case snap_errors.NotInstallable():
            return _blocked(f"the snap cannot be installed: {error} ({as_a_file})")
        case snap_errors.SnapError():
            return _blocked(f"snapd: {error}")
        case _:
            return _blocked(str(error).replace("APPLICATION", app))


def name_the_inverter(app: str) -> str:
    """What to do while no inverter is named, for an application of this name."""
    return f"say where the inverter is: juju config {app} inverter-host=ADDRESS"


def combined(statuses: Iterable[ops.StatusBase]) -> Iterator[ops.StatusBase]:
    """One status of each kind, with all that is to be said.

    Juju shows the worst status alone, and a person wants to know of everything to repair at once.
    """
    found = list(statuses)
    for kind in dict.fromkeys(type(one) for one in found):
        messages = dict.fromkeys(one.message for one in found if type(one) is kind)
        separator = "; " if kind is ops.ActiveStatus else " | "
        yield kind(separator.join(filter(None, messages)))


def _blocked(message: str) -> ops.BlockedStatus:
    return ops.BlockedStatus(" ".join(message.split()))


def _waiting(message: str) -> ops.WaitingStatus:
    return ops.WaitingStatus(" ".join(message.split()))
