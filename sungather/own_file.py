"""Files of the state directory: closed to other users, and never reached through a link."""

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def open_own(path: Path, flags: int) -> int:
    """Open a file for its owner alone; see `close_to_others`.

    Returns:
        The file descriptor.

    Raises:
        OSError: also when `path` is a symbolic link.
    """
    close_to_others(path)
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def close_to_others(path: Path) -> bool:
    """Take a file's modes for its group and others away.

    It is not opened for that: to close it again would take SQLite's locks away.

    Returns:
        Whether there is such a file.

    Raises:
        OSError: it is a symbolic link, or cannot be looked at.
    """
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return False
    if stat.S_ISLNK(mode):
        raise OSError(errno.ELOOP, "It is a symbolic link, which is not followed")
    if stat.S_ISREG(mode) and mode & _OTHERS:
        with suppress(OSError):  # somebody else's, or on a disk that knows no modes
            path.chmod(stat.S_IMODE(mode) & ~_OTHERS)
    return True


def is_same_file(path: Path, opened: os.stat_result | None) -> bool:
    """Whether `path` still leads to what was opened; yes, when the disk does not say."""
    try:
        found = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return opened is not None and os.path.samestat(found, opened)
