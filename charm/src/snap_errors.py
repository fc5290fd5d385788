"""What can go wrong with snapd and the snap, named after what ends it. Knows no Juju."""

import contextlib
import subprocess
from collections.abc import Generator

from charmlibs import snap

_PASSES = ("change in progress", "too early for operation", "not yet seeded")
_NO_SQUASHFS = "cannot mount squashfs"


class SnapError(Exception):
    """snapd refuses; the message is its own."""


class TryLater(SnapError):
    """snapd is starting, busy or silent: it passes, and the next event tries again."""


class StoreSilent(TryLater):
    """The Store did not answer in time. It may come back, or never be reachable from here."""


class SnapdMissing(SnapError):
    """The machine has no snapd."""


class SquashfsUnsupported(SnapError):
    """The machine cannot mount snaps, as a container without FUSE."""


class NotInstallable(SnapError):
    """Neither the Store nor the file gave the snap."""


class OptionsRefused(SnapError):
    """The snap's configure hook refused the options; the message is the hook's own text."""


def from_text(message: str, usual: type[SnapError] = SnapError) -> SnapError:
    """The error that a message of snapd is about.

    Args:
        message: what snapd or the program snap said.
        usual: what it is if the message is none of those known here.
    """
    if any(words in message for words in _PASSES):
        return TryLater(f"snapd is not ready: {message}")
    if _NO_SQUASHFS in message:
        return SquashfsUnsupported(message)
    return usual(message)


@contextlib.contextmanager
def translated(usual: type[SnapError] = SnapError) -> Generator[None]:
    """Turn what charmlibs-snap and `process` raise into an error of this module.

    Args:
        usual: what a refusal of snapd is, unless its message says more.

    Raises:
        SnapError: or the subclass that fits.
    """
    try:
        yield
    except snap.SocketNotFoundError:
        raise SnapdMissing("snapd is missing") from None
    except (snap.ConnectionError, snap.TimeoutError) as error:
        raise TryLater(f"snapd does not answer: {error.message}") from None
    except subprocess.TimeoutExpired as error:
        command = " ".join(error.cmd)
        raise TryLater(f"not done within {error.timeout:g} s: {command}") from None
    except snap.Error as error:
        raise from_text(error.message, usual) from None
