"""The sungather snap on this machine: install it, set its options, let it run. Knows no Juju."""

import contextlib
import filecmp
import json
import logging
import pathlib
import re
from collections.abc import Mapping
from typing import Any, cast

from charmlibs import snap

import programs
import snapd_state

NAME = "sungather"
SERVICE = "daemon"
SNAP_FILES = pathlib.Path("/var/lib/snapd/snaps")
"""Where snapd keeps its copy of every installed snap's file."""
SET_KEYS = pathlib.Path("/var/lib/sungather-charm/set-keys")
"""The options that were set, without values: what is no longer wanted is to be unset."""
DROP_IN = pathlib.Path(f"/etc/systemd/system/snap.{NAME}.{SERVICE}.service.d/juju-proxy.conf")
"""Where the daemon's environment is added to."""

logger = logging.getLogger(__name__)
# At DEBUG this library logs whole requests, and ops hands log lines to a hook tool as arguments:
# secrets would be seen in the list of processes.
logging.getLogger("charmlibs.snap").setLevel(logging.INFO)

# snapd puts several lines of a hook between lines of dashes, and a single one in its own line.
_HOOK_TEXT = re.compile(
    r'\(run hook "configure": (?:\s*-----\n(?P<lines>.*)\n-----|(?P<line>.*))\)$', re.DOTALL
)


class NotInstallable(Exception):
    """The snap could not be installed, or not be changed for another; the message says why."""


class OptionsRefused(Exception):
    """The snap's configure hook refused the options; the message is the hook's own text."""


def is_installed() -> bool:
    """Whether any revision of the snap is there."""
    return _installed() is not None


def get_version() -> str:
    """The version of the installed snap."""
    return snap.list_one(NAME).version


def ensure_installed(file: pathlib.Path | None, channel: str, *, update: bool) -> bool:
    """Have the snap from where it is wanted. True if that changed anything; options stay.

    Args:
        file: the snap as a file; None for the Snap Store.
        channel: channel of the Store, such as "latest/stable".
        update: whether to take what is newest in the channel.

    Raises:
        NotInstallable: neither the Store nor the file gave the snap.
    """
    try:
        return _from_file(file) if file is not None else _from_store(channel, update=update)
    except (snap.APIError, snap.TimeoutError) as error:
        raise NotInstallable(error.message) from None


def ensure_options(wanted: Mapping[str, str]) -> bool:
    """Set what differs from `wanted` and unset what vanished, in one change. True if any did.

    Args:
        wanted: option -> text; an empty text unsets the option.

    Raises:
        OptionsRefused: the configure hook refused them; nothing is stored.
    """
    present = _flat(snap.get(NAME))
    before = set(SET_KEYS.read_text().split()) if SET_KEYS.exists() else set[str]()
    after = {key for key, text in wanted.items() if text}
    changed: dict[str, str | None] = {
        key: text or None for key, text in wanted.items() if present.get(key, "") != text
    }
    inverters = {_inverter(key) for key in wanted}
    for key in {*before, *present} - wanted.keys():
        if _inverter(key) not in inverters:
            # With every option of it, also those that the hook wrote.
            changed[f"inverters.{_inverter(key)}"] = None
        elif key in before:
            changed[key] = None
    if changed:
        _note(before | after)
        try:
            snap.set(NAME, changed)
        except snap.ChangeError as error:
            found = _HOOK_TEXT.search(error.message)
            said = (found["lines"] or found["line"]) if found else error.message
            raise OptionsRefused(said) from None
    if before != after:
        _note(after)
    return bool(changed)


def ensure_running() -> snapd_state.State:
    """Start the daemon if it is stopped; how it is doing then."""
    state = snapd_state.look(NAME, SERVICE)
    if state.active:
        return state
    logger.warning("the daemon was stopped and is started again")
    snap.start(NAME, SERVICE, enable=True)
    return snapd_state.look(NAME, SERVICE)


def ensure_stopped() -> None:
    """Stop the daemon, until somebody wants it to run."""
    # Without snapd there is no snap.
    with contextlib.suppress(snap.SocketNotFoundError):
        if is_installed():
            snap.stop(NAME, SERVICE, disable=True)


def is_busy(message: str) -> bool:
    """Whether snapd refuses because another change of the snap is under way: that passes."""
    return "change in progress" in message


def ensure_proxy(proxy: Mapping[str, str]) -> bool:
    """Give the daemon these environment variables. True if they were others before."""
    lines = [f'Environment="{name}={_unit_text(value)}"' for name, value in sorted(proxy.items())]
    text = "\n".join(["[Service]", *lines, ""]) if lines else ""
    if text == (DROP_IN.read_text() if DROP_IN.exists() else ""):
        return False
    DROP_IN.unlink(missing_ok=True)
    if text:
        DROP_IN.parent.mkdir(parents=True, exist_ok=True)
        # The address of a proxy may hold a password.
        DROP_IN.touch(mode=0o600)
        DROP_IN.write_text(text)
    programs.run("systemctl", "daemon-reload")
    programs.run("systemctl", "try-restart", f"snap.{NAME}.{SERVICE}.service")
    return True


def ensure_removed() -> None:
    """Remove the snap with all that it stored."""
    with contextlib.suppress(snap.SocketNotFoundError):
        snap.remove(NAME, purge=True)
    ensure_proxy({})
    SET_KEYS.unlink(missing_ok=True)


def _from_file(file: pathlib.Path) -> bool:
    info = _installed()
    if info is not None:
        kept = SNAP_FILES / f"{NAME}_{info.revision}.snap"
        if kept.exists() and filecmp.cmp(file, kept, shallow=False):
            return False
    done = programs.run("snap", "install", "--dangerous", str(file), timeout=600)
    if done.returncode:
        raise NotInstallable(done.stderr.strip())
    return True


def _from_store(channel: str, *, update: bool) -> bool:
    info = _installed()
    changed = True
    if info is not None and info.revision.startswith("x"):
        command = ("snap", "refresh", "--amend", f"--channel={channel}", NAME)
        done = programs.run(*command, timeout=600)
        if done.returncode:
            raise NotInstallable(done.stderr.strip())
    else:
        changed = bool(snap.ensure_installed(NAME, channel, update=update))
    if changed or info is None or info.hold is None:
        # The charm decides when a new version comes, not snapd's own timer.
        snap.hold(NAME)
    return changed


def _installed() -> snap.InstalledInfo | None:
    try:
        return snap.list_one(NAME)
    except snap.NotInstalledError:
        return None


def _note(keys: set[str]) -> None:
    SET_KEYS.parent.mkdir(parents=True, exist_ok=True)
    SET_KEYS.write_text("\n".join(sorted(keys)))


def _inverter(key: str) -> str:
    """NAME of `inverters.NAME.…`, else ""."""
    parts = key.split(".")
    return parts[1] if parts[0] == "inverters" else ""


def _unit_text(text: str) -> str:
    """Text within the quotes of a systemd unit file."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")


def _flat(tree: Mapping[str, Any], above: str = "") -> dict[str, str]:
    """Nested options as dotted key -> text."""
    flat: dict[str, str] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            flat |= _flat(cast("dict[str, Any]", value), f"{above}{name}.")
        else:
            flat[above + name] = value if isinstance(value, str) else json.dumps(value)
    return flat
