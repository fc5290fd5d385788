"""In the snap: what is where, giving up root, and what belongs to the user that is left.

AppArmor leaves a snap's root without the right to pass over file modes. So the files belong to
`snap_daemon` and to root's group, which may read them: hooks, and snaps on the slot `logs`, run as
root. Nobody else may do anything.

A container has a part of the kernel's user numbers, often 65536, and that user's is not in it.
There the daemon stays the container's root, confined by snapd, and files stay root's.
"""

import errno
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

USER = 584788
"""Number of the user `snap_daemon`, the same on every machine (snapd's system-usernames). Its
successor `_daemon_` came with snapd 2.61, and Debian 12 has 2.57."""
GROUP = USER
"""Number of its group."""
STATE = "state"
"""Directory of outbox, history and the control socket below $SNAP_COMMON."""
LOGS = "logs"
"""Directory of the log files below $SNAP_COMMON; the slot of this name shares it."""
SUPPORT = "support"
"""Directory of support bundles below $SNAP_COMMON."""
ROOT_GROUP = 0
_DIRECTORY = stat.S_ISGID | 0o750
"""Set-group-ID: what is made in it gets root's group as well."""
_UMASK = 0o027


def in_snap(environment: Mapping[str, str] | None = None) -> bool:
    """Whether this is the snap, and not a program started from within another snap."""
    names = os.environ if environment is None else environment
    return names.get("SNAP_NAME") == "sungather"


def instance() -> str:
    """The name under which snapd knows this snap; parallel instances have names of their own."""
    return os.environ.get("SNAP_INSTANCE_NAME", "sungather")


def on_host(text: str) -> str:
    """The same text with paths as they are outside of the snap, for people.

    Within a parallel instance snapd shows its directories under the snap's own name.
    """
    return text.replace("/var/snap/sungather/", f"/var/snap/{instance()}/") if in_snap() else text


def logs_directory() -> Path | None:
    """Where log files belong: in the snap alone, elsewhere the journal or the shell has them."""
    return Path(os.environ["SNAP_COMMON"], LOGS) if in_snap() else None


def drop_root() -> str:
    """Become `snap_daemon` for good, if this is root in the snap; else nothing happens.

    What must be read as root, the file of options, is read before. The value says why root had
    to stay root; it is empty as a rule.
    """
    if not in_snap() or os.geteuid() != 0:
        return ""
    os.umask(_UMASK)
    # The order matters: groups can only be changed by root. snapd allows just this way.
    os.setgroups([])
    try:
        os.setresgid(GROUP, GROUP, GROUP)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return (
            f"This container has no user {USER} (snap_daemon), so the daemon goes on as the "
            "container's root. A wider range of user numbers (idmap) changes that."
        )
    os.setresuid(USER, USER, USER)
    return ""


def let_read(path: Path) -> None:
    """Have the daemon's user read a file of root's, and nobody else. Run as root."""
    # The mode first: of a file of a strange group it takes a right that AppArmor refuses (fsetid).
    path.chmod(0o640)
    _chown(path, -1, GROUP)


def prepare(common: Path) -> None:
    """Make the daemon's directories in $SNAP_COMMON, and give all that is in there to it.

    $SNAP_COMMON itself cannot be given away: AppArmor lets nobody change it. Costs one look a
    file if nothing is to be done. Run as root.
    """
    for name in (STATE, LOGS, SUPPORT):
        (common / name).mkdir(exist_ok=True)
    for parent, directories, files in os.walk(common):
        for name in (*directories, *files):
            # The daemon may remove files meanwhile.
            with suppress(FileNotFoundError):
                _give(Path(parent, name))


def _give(path: Path) -> None:
    found = path.lstat()
    if (found.st_uid, found.st_gid) == (USER, ROOT_GROUP):
        return
    # Modes first: afterwards the file is not ours any more.
    if found.st_uid == os.geteuid() and not stat.S_ISLNK(found.st_mode):
        path.chmod(_mode(found.st_mode))
    _chown(path, USER, ROOT_GROUP)


def _chown(path: Path, user: int, group: int) -> None:
    """Give a file away, unless this container has no such user."""
    try:
        os.chown(path, user, group, follow_symlinks=False)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise


def _mode(mode: int) -> int:
    if stat.S_ISDIR(mode):
        return _DIRECTORY
    return stat.S_IMODE(mode) & ~0o007 | 0o040
