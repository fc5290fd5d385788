"""The sungather snap on this machine: install it, set its options, let it run. Knows no Juju."""

import contextlib
import filecmp
import json
import logging
import pathlib
import re
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

from charmlibs import snap

import process
import snap_errors
import snap_ports
import snapd_state
from snap_errors import NotInstallable, OptionsRefused, StoreSilent, TryLater

NAME = "sungather"
SERVICE = "daemon"
SNAP_FILES = pathlib.Path("/var/lib/snapd/snaps")
"""Where snapd keeps its copy of every installed snap's file."""
SET_KEYS = pathlib.Path("/var/lib/sungather-charm/set-keys")
"""The options that were set, without values: what is no longer wanted is to be unset."""
UNIT = f"snap.{NAME}.{SERVICE}.service"
"""The daemon, as systemd calls it."""
DROP_IN = pathlib.Path(f"/etc/systemd/system/{UNIT}.d/juju-proxy.conf")
"""Where the daemon's environment is added to."""
PROXY = pathlib.Path("/var/lib/sungather-charm/proxy")
"""What is added, for root's eyes."""

_INSTALL_SECONDS = 600
_ROLE = "outbox.deliver-only"

logger = logging.getLogger(__name__)
# At DEBUG this library logs whole requests, and ops hands log lines to a hook tool as arguments:
# secrets would be seen in the list of processes.
logging.getLogger("charmlibs.snap").setLevel(logging.INFO)

# snapd puts several lines of a hook between lines of dashes, and a single one in its own line.
_HOOK_TEXT = re.compile(
    r'\(run hook "configure": (?:\s*-----\n(?P<lines>.*)\n-----|(?P<line>.*))\)$', re.DOTALL
)


@snap_errors.translated()
def is_installed() -> bool:
    """Whether any revision of the snap is there.

    Raises:
        SnapError: snapd does not say.
    """
    return _installed() is not None


@snap_errors.translated()
def get_revision() -> str:
    """The revision that is there, "x1" and so on for one of a file; "" if there is none.

    Raises:
        SnapError: snapd does not say.
    """
    info = _installed()
    return "" if info is None else info.revision


def is_from_file() -> bool:
    """Whether the snap is there, and was installed from a file.

    Raises:
        SnapError: snapd does not say.
    """
    return get_revision().startswith("x")


@snap_errors.translated()
def get_version() -> str:
    """The version of the installed snap.

    Raises:
        SnapError: snapd does not say.
    """
    return snap.list_one(NAME).version


@snap_errors.translated()
def get_options() -> dict[str, str]:
    """The options that the snap has taken, as dotted key -> text.

    Raises:
        SnapError: snapd does not say.
    """
    return _flat(snap.get(NAME))


def has_inverter() -> bool:
    """Whether the snap's options name an inverter to read.

    Raises:
        SnapError: snapd does not say.
    """
    return bool(snap_ports.inverters(get_options()))


@snap_errors.translated(NotInstallable)
def ensure_installed(
    file: pathlib.Path | None, channel: str, *, revision: str = "", update: bool = False
) -> bool:
    """Have the snap from where it is wanted. True if that changed anything; options stay.

    Args:
        file: the snap as a file; None for the Snap Store.
        channel: channel of the Store, such as "latest/stable".
        revision: the revision to have of it; "" for any.
        update: whether to take what is newest in the channel, where no revision is named.

    Raises:
        NotInstallable: neither the Store nor the file gave the snap.
        SnapError: snapd is missing, not ready, or cannot mount snaps.
    """
    if file is not None:
        return _from_file(file)
    return _from_store(channel, revision or None, update=update)


@snap_errors.translated()
def ensure_options(desired: Mapping[str, str | None]) -> bool:
    """Set what differs from `desired` and unset what vanished, in one change. True if any did.

    Args:
        desired: option -> text; an empty text unsets the option, None leaves it as it is.

    Raises:
        OptionsRefused: the configure hook refused them; nothing is stored.
        SnapError: snapd is missing or not ready.
    """
    present = get_options()
    before = _noted()
    left = {key for key, text in desired.items() if text is None}
    after = {key for key, text in desired.items() if text} | (before & left)
    changed: dict[str, str | None] = {
        key: text or None
        for key, text in desired.items()
        if text is not None and present.get(key, "") != text
    }
    inverters = {_inverter(key) for key in desired}
    for key in {*before, *present} - desired.keys():
        if _inverter(key) not in inverters:
            # With every option of it, also those that the hook wrote.
            changed[f"inverters.{_inverter(key)}"] = None
        elif key in before:
            changed[key] = None
    if changed:
        _note(before | after)
        _set(changed)
    if changed or before != after:
        _note(after)
    return bool(changed)


def options_set_at() -> datetime | None:
    """When an option was changed last; None if never."""
    if not SET_KEYS.exists():
        return None
    return datetime.fromtimestamp(SET_KEYS.stat().st_mtime, UTC)


@snap_errors.translated()
def ensure_role(*, polls: bool) -> None:
    """Let the daemon read inverters, or only deliver what it owes; in a change of its own.

    So other options that are refused keep no new leader from reading.

    Raises:
        OptionsRefused: the configure hook refused it; nothing is stored.
        SnapError: snapd is missing or not ready.
    """
    if get_options().get(_ROLE, "false") != (wanted := "false" if polls else "true"):
        _note({*_noted(), _ROLE})
        _set({_ROLE: wanted})


@snap_errors.translated()
def put_back(options: Mapping[str, str]) -> None:
    """Have exactly the options that `get_options` has given, in one change.

    Raises:
        OptionsRefused: the configure hook refused them; nothing is stored.
        SnapError: snapd is missing or not ready.
    """
    present = get_options()
    changed = {
        key: options.get(key) or None
        for key in {*present, *options}
        if present.get(key, "") != options.get(key, "")
    }
    if changed:
        _set(changed)


def stop_unless_delivering() -> None:
    """Stop the daemon, unless its options let it deliver only.

    Raises:
        SnapError: neither snapd nor systemd stopped it.
    """
    if not delivers_only():
        ensure_stopped()


def delivers_only() -> bool:
    """Whether the snap's options keep the daemon from reading inverters; False if not known."""
    try:
        return get_options().get(_ROLE) == "true"
    except snap_errors.SnapError:
        return False


@snap_errors.translated()
def get_state() -> snapd_state.State:
    """How the daemon of the installed snap is doing.

    Raises:
        SnapError: snapd does not say.
    """
    return snapd_state.look(NAME, SERVICE)


@snap_errors.translated()
def ensure_running() -> None:
    """Start the daemon if it is stopped.

    Raises:
        SnapError: snapd is missing or not ready.
    """
    if not snapd_state.look(NAME, SERVICE).active:
        logger.warning("the daemon was stopped and is started again")
        snap.start(NAME, SERVICE, enable=True)


@snap_errors.translated()
def ensure_stopped() -> None:
    """Stop the daemon until somebody wants it to run, whatever snapd is busy with.

    Raises:
        SnapError: neither snapd nor systemd stopped it.
    """
    try:
        with snap_errors.translated():
            if _installed() is None:
                return
            state = snapd_state.look(NAME, SERVICE)
            if state.active or state.enabled:
                snap.stop(NAME, SERVICE, disable=True)
    except snap_errors.SnapdMissing:
        return
    except TryLater:
        # Another change of the snap is under way; systemd does not wait for it.
        if process.run("systemctl", "disable", "--now", UNIT).returncode:
            raise


@snap_errors.translated()
def ensure_proxy(proxy: Mapping[str, str]) -> bool:
    """Give the daemon these environment variables. True if they were others before.

    Raises:
        TryLater: systemd was not done in time.
    """
    text = "".join(f'{name}="{_quoted(value)}"\n' for name, value in sorted(proxy.items()))
    drop_in = f"[Service]\nEnvironmentFile={PROXY}\n" if proxy else ""
    if (text, drop_in) == (_content(PROXY), _content(DROP_IN)):
        return False
    # A drop-in shows in `systemctl show` to everybody, and the address of a proxy may hold a
    # password. So the drop-in names a file, and only root reads that.
    for file, content in ((PROXY, text), (DROP_IN, drop_in)):
        file.unlink(missing_ok=True)
        if content:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch(mode=0o600)
            file.write_text(content)
    try:
        process.run("systemctl", "daemon-reload")
        process.run("systemctl", "try-restart", UNIT)
    except subprocess.TimeoutExpired:
        # A comment is never as wanted, so the next event tries again.
        DROP_IN.parent.mkdir(parents=True, exist_ok=True)
        DROP_IN.write_text("# not in force yet\n")
        raise
    return True


@snap_errors.translated()
def ensure_removed() -> None:
    """Remove the snap with all that it stored; can be tried again if it fails.

    Raises:
        SnapError: snapd is not ready, or refuses.
    """
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
    _run_snap("install", "--dangerous", str(file))
    return True


def _from_store(channel: str, revision: str | None, *, update: bool) -> bool:
    info = _installed()
    changed = info is not None and info.revision.startswith("x")
    if changed:
        _run_snap("refresh", "--amend", f"--channel={channel}", NAME)
    if not changed or revision:
        try:
            done = snap.ensure_installed(NAME, channel, revision=revision, update=update)
        except snap.TimeoutError as error:
            raise StoreSilent(f"the Store does not answer: {error.message}") from None
        changed = bool(done) or changed
    if changed or info is None or info.hold is None:
        # The charm decides when a new version comes, not snapd's own timer.
        snap.hold(NAME)
    return changed


def _run_snap(*arguments: str) -> None:
    """What charmlibs-snap cannot do, by the program snap."""
    done = process.run("snap", *arguments, timeout=_INSTALL_SECONDS)
    if done.returncode:
        raise snap_errors.from_text(done.stderr.strip(), NotInstallable)


def _installed() -> snap.InstalledInfo | None:
    try:
        return snap.list_one(NAME)
    except snap.NotInstalledError:
        return None


def _set(options: Mapping[str, str | None]) -> None:
    """Set or unset options, in one change.

    Raises:
        OptionsRefused: the configure hook refused them; nothing is stored.
    """
    try:
        snap.set(NAME, dict(options))
    except snap.ChangeError as error:
        found = _HOOK_TEXT.search(error.message)
        if found is None:
            raise
        raise OptionsRefused(found["lines"] or found["line"]) from None


def _noted() -> set[str]:
    return set(SET_KEYS.read_text().split()) if SET_KEYS.exists() else set()


def _note(keys: set[str]) -> None:
    SET_KEYS.parent.mkdir(parents=True, exist_ok=True)
    SET_KEYS.write_text("\n".join(sorted(keys)))


def _inverter(key: str) -> str:
    """NAME of `inverters.NAME.…`, else ""."""
    parts = key.split(".")
    return parts[1] if parts[0] == "inverters" else ""


def _content(file: pathlib.Path) -> str:
    return file.read_text() if file.exists() else ""


def _quoted(text: str) -> str:
    """Text within the double quotes of a systemd environment file."""
    return re.sub(r'(["\\$`])', r"\\\1", text)


def _flat(tree: Mapping[str, Any], above: str = "") -> dict[str, str]:
    """Nested options as dotted key -> text."""
    flat: dict[str, str] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            flat |= _flat(cast("dict[str, Any]", value), f"{above}{name}.")
        else:
            flat[above + name] = value if isinstance(value, str) else json.dumps(value)
    return flat
