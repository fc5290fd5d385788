"""What the daemon keeps on this machine, taken out and put back; history and all. Knows no Juju.

snapd's own snapshots do the work: options, secrets, history and what is still owed, in one file.
"""

import pathlib
import re
import shutil

import process
import snap_errors
import sungather_snap

HOME = pathlib.Path("/home/ubuntu")
"""Where `juju scp` may fetch files; it comes as the user "ubuntu"."""
_SECONDS = 600
_SAVED = re.compile(r"^(\d+)\s", re.MULTILINE)
_IMPORTED = re.compile(r"#(\d+)")


def place(name: str) -> pathlib.Path:
    """Where a file of this name goes, so that whoever looks after the machine can fetch it."""
    return (HOME if HOME.is_dir() else pathlib.Path("/var/tmp")) / name  # noqa: S108


def hand_over(file: pathlib.Path) -> None:
    """Leave a file to the user who fetches it, and to no one else."""
    file.chmod(0o600)
    if file.is_relative_to(HOME):
        owner = HOME.stat()
        shutil.chown(file, owner.st_uid, owner.st_gid)


@snap_errors.translated()
def backup(file: pathlib.Path) -> None:
    """Save everything; the daemon is stopped meanwhile, and not started again.

    Raises:
        SnapError: snapd is not ready, or refuses.
    """
    sungather_snap.ensure_stopped()
    number = _number(_SAVED, _snap("save", sungather_snap.NAME))
    try:
        _snap("export-snapshot", number, str(file))
    finally:
        _snap("forget", number)
    hand_over(file)


@snap_errors.translated()
def restore(file: pathlib.Path) -> None:
    """Put back what was saved, in the place of all there is; the daemon is stopped.

    The options stay as they are now, whatever the file says.

    Raises:
        SnapError: snapd is not ready, or refuses; such as a file that is no snapshot.
    """
    number = _number(_IMPORTED, _snap("import-snapshot", str(file)))
    try:
        sungather_snap.ensure_stopped()
        options = sungather_snap.get_options()
        _snap("restore", number, sungather_snap.NAME)
        sungather_snap.put_back(options)
    finally:
        _snap("forget", number)


def _snap(*arguments: str) -> str:
    done = process.run("snap", *arguments, timeout=_SECONDS)
    if done.returncode:
        raise snap_errors.from_text(done.stderr.strip())
    return done.stdout


def _number(pattern: re.Pattern[str], said: str) -> str:
    found = pattern.search(said)
    if found is None:
        raise snap_errors.SnapError(f"this answer is not known: {said.strip()}")
    return found[1]
