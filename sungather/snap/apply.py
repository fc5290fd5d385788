"""The one way in which options take effect in the snap, for the hook and for `set-secret`."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from sungather import errors
from sungather.options.check import Checked, check
from sungather.options.file import Document, parse, render
from sungather.options.values import text_of
from sungather.privileges import instance, let_read, prepare
from sungather.snap import set_aside
from sungather.snap.health import SnapHealth, without_daemon, without_inverter
from sungather.snap.judge import judged
from sungather.snap.snapctl import snapctl
from sungather.snap.snapd_socket import set_texts

FILE = "sungather.yaml"
"""Name of the rendered file of options, below $SNAP_DATA."""
SERVICE = "daemon"
_SEVERAL = (
    "From one inverter to several is one command: sudo snap set {instance} inverter! "
    "inverters.east.host=ADDRESS inverters.west.host=ADDRESS"
)
"""The names are the person's own."""


def apply(
    stored: Document,
    secrets: Mapping[str, str] | None = None,
    *,
    refused: Mapping[str, str] | None = None,
    steer: bool = True,
) -> None:
    """Check every option; store defaults and `secrets`; write the file; steer the daemon.

    Args:
        stored: what snapd holds.
        secrets: options to be stored beside it, or in its place, if all is well.
        refused: options to be set aside; they are not in `stored` any more.
        steer: whether to start or stop the daemon, as the options want it. One that runs takes
            the file up by itself (`daemon/reload.py`).

    Raises:
        OptionsError: with every problem; then nothing at all is changed.
        SnapctlFailed: snapd refused something.
    """
    secrets = secrets or {}
    common, data = Path(os.environ["SNAP_COMMON"]), Path(os.environ["SNAP_DATA"])
    prepare(common)
    given = {**stored.texts, **secrets}
    checked = _checked(given, stored, common)
    texts = {key: text_of(value) for key, value in checked.values.items()}
    had_inverter = _names_inverter(data / FILE)
    startup, current = _service()
    aside = {**set_aside.load(data), **(refused or {})}
    aside = {key: text for key, text in aside.items() if key not in given}
    # What is set aside is left out, so that one sees when somebody has set it anew.
    missing = [key for key in texts if key not in given and key not in aside]
    # What a full disk refuses is not stored either.
    files = {data / FILE: render(checked.values)}
    if aside:
        files[data / set_aside.FILE] = json.dumps(aside)
    written = {file: _beside(file, text) for file, text in files.items()}
    if secrets:
        set_texts(secrets)
    if missing:
        # Only defaults get onto this command line.
        snapctl("set", "-s", *(f"{key}={texts[key]}" for key in missing))
    for file, fresh in written.items():
        fresh.replace(file)
    if not aside:
        (data / set_aside.FILE).unlink(missing_ok=True)
    if not checked.has_inverter:
        _tell(without_inverter())
    if not steer:
        return
    if not checked.has_inverter:
        if (startup, current) != ("disabled", "inactive"):
            stop()
    elif current == "active":
        return
    elif startup == "enabled" or not had_inverter:
        snapctl("start", "--enable", _service_name())
    else:
        # Whoever disabled it wants it so; only the first inverter starts it.
        _tell(without_daemon({}))


def stop() -> None:
    """Stop the daemon, until an inverter is named."""
    snapctl("stop", "--disable", _service_name())


def _checked(given: Mapping[str, str], stored: Document, common: Path) -> Checked:
    found = judged(given, stored, common)
    problems = found.problems
    if problems:
        # Defaults of the one inverter may still be stored beside several.
        if any("cannot stand beside inverters." in problem for problem in problems):
            problems.append(_SEVERAL.format(instance=instance()))
        raise errors.OptionsError(problems)
    return found.checked


def _names_inverter(file: Path) -> bool:
    """Whether the options that were in force name an inverter."""
    try:
        return check(parse(file.read_bytes()).texts, need_inverter=False).has_inverter
    except FileNotFoundError:
        return False


def _tell(health: SnapHealth) -> None:
    snapctl("set-health", *health.arguments)


def _service_name() -> str:
    return f"{os.environ['SNAP_INSTANCE_NAME']}.{SERVICE}"


def _service() -> tuple[str, str]:
    """What snapd says of the daemon: "enabled" or "disabled", "active" or "inactive"."""
    _, startup, current, *_ = snapctl("services", _service_name()).splitlines()[-1].split()
    return startup, current


def _beside(file: Path, text: str) -> Path:
    """Write what shall replace a file at once: a power cut leaves the old one or the new one.

    The daemon, which is not root any more, reads it again whenever it changes.

    Raises:
        OptionsError: the disk takes nothing.
    """
    fresh = file.with_name(f"{file.name}.new")
    try:
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        let_read(fresh)
    except OSError as error:
        raise errors.OptionsError([f"{file} cannot be written: {error.strerror}."]) from None
    return fresh
