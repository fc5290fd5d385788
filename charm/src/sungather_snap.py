"""The sungather snap on this machine: install it, set its options, run its apps. Knows no Juju."""

import filecmp
import json
import logging
import os
import pathlib
import re
import subprocess
from collections.abc import Mapping
from typing import Any, cast

from charmlibs import snap

NAME = "sungather"
SERVICE = "daemon"
SNAP_FILES = pathlib.Path("/var/lib/snapd/snaps")
"""Where snapd keeps its copy of every installed snap's file."""

# At DEBUG this library logs whole requests, and ops hands log lines to a hook tool as arguments:
# secrets would be seen in the list of processes.
logging.getLogger("charmlibs.snap").setLevel(logging.INFO)

# snapd puts several lines of a hook between lines of dashes, and a single one in its own line.
_HOOK_TEXT = re.compile(
    r'\(run hook "configure": (?:\s*-----\n(?P<lines>.*)\n-----|(?P<line>.*))\)$', re.DOTALL
)


class SnapError(Exception):
    """The snap cannot be brought to where it should be; the message says why."""


class NotInstallable(SnapError):
    """The snap could not be installed."""


class OptionsRefused(SnapError):
    """The snap's configure hook refused the options; the message is the hook's own text."""


class AppFailed(SnapError):
    """One of the snap's apps gave no result."""


def ensure_installed(file: pathlib.Path | None) -> bool:
    """Install the snap if it is not there, or if `file` is another one. True if it did.

    Args:
        file: the snap as a file; None for the Snap Store.

    Raises:
        NotInstallable: neither the Store nor the file gave the snap.
    """
    revision = _revision()
    if file is None:
        return revision is None and _install_from_store()
    kept = SNAP_FILES / f"{NAME}_{revision}.snap"
    if revision is not None and kept.exists() and filecmp.cmp(file, kept, shallow=False):
        return False
    done = _run("snap", "install", "--dangerous", str(file), timeout=600)
    if done.returncode:
        raise NotInstallable(done.stderr.strip())
    return True


def ensure_options(wanted: Mapping[str, str]) -> bool:
    """Set the options that differ from `wanted`, all in one change. True if there were any.

    Args:
        wanted: option -> text; an empty text unsets the option.

    Raises:
        OptionsRefused: the configure hook refused them; nothing is stored.
    """
    present = _flat(snap.get(NAME))
    changed = {k: v or None for k, v in wanted.items() if present.get(k, "") != v}
    if not changed:
        return False
    try:
        snap.set(NAME, changed)
    except snap.ChangeError as error:
        found = _HOOK_TEXT.search(error.message)
        said = (found["lines"] or found["line"]) if found else error.message
        raise OptionsRefused(said) from None
    return True


def ensure_running() -> bool:
    """Start the daemon if it is stopped. True if it was."""
    if _run("systemctl", "is-active", "--quiet", f"snap.{NAME}.{SERVICE}").returncode == 0:
        return False
    snap.start(NAME, SERVICE, enable=True)
    return True


def get_version() -> str:
    """The version of the installed snap."""
    return snap.list_one(NAME).version


def test_connection() -> list[dict[str, Any]]:
    """What the app `test-connection` says of each inverter (see the README, "Commands").

    Raises:
        AppFailed: it gave no result; the message is what it said.
    """
    try:
        done = _run("snap", "run", f"{NAME}.test-connection", "--format", "json", timeout=120)
    except subprocess.TimeoutExpired:
        raise AppFailed("no answer from the snap's test-connection within 120 s") from None
    try:
        return json.loads(done.stdout)["inverters"]
    except (ValueError, KeyError):
        raise AppFailed(done.stderr.strip() or f"exit code {done.returncode}") from None


def ensure_removed() -> None:
    """Remove the snap with all that it stored."""
    snap.remove(NAME, purge=True)


def _revision() -> str | None:
    try:
        return snap.list_one(NAME).revision
    except snap.NotInstalledError:
        return None


def _install_from_store() -> bool:
    try:
        snap.install(NAME)
        # The charm decides when a new version comes, not snapd's own timer.
        snap.hold(NAME)
    except snap.Error as error:
        raise NotInstallable(error.message) from None
    return True


def _flat(tree: Mapping[str, Any], above: str = "") -> dict[str, str]:
    """Nested options as dotted key -> text."""
    flat: dict[str, str] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            flat |= _flat(cast("dict[str, Any]", value), f"{above}{name}.")
        else:
            flat[above + name] = value if isinstance(value, str) else json.dumps(value)
    return flat


def _run(*command: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    # Juju's dispatch points these two into the charm; a snap's Python must not see them.
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONPATH", "LD_LIBRARY_PATH")
    }
    return subprocess.run(  # noqa: S603 (fixed commands, no shell)
        command, capture_output=True, text=True, timeout=timeout, env=environment, check=False
    )
