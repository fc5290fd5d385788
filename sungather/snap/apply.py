"""The one way in which options take effect in the snap, for the hook and for `set-secret`."""

import os
from collections.abc import Mapping
from pathlib import Path

from sungather import errors
from sungather.options.check import Checked, check
from sungather.options.configuration import configured
from sungather.options.file import Document, render
from sungather.options.values import text_of
from sungather.privileges import instance, let_read, prepare
from sungather.snap import confined
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
    stored: Document, secrets: Mapping[str, str] | None = None, *, steer: bool = True
) -> None:
    """Check every option; store defaults and `secrets`; write the file; steer the daemon.

    Args:
        stored: what snapd holds.
        secrets: options to be stored beside it, or in its place, if all is well.
        steer: whether to start or stop the daemon, as the options want it. One that runs takes
            the file up by itself (`daemon/reload.py`).

    Raises:
        OptionsError: with every problem; then nothing at all is changed.
        SnapctlFailed: snapd refused something.
    """
    secrets = secrets or {}
    common = Path(os.environ["SNAP_COMMON"])
    prepare(common)
    given = {**stored.texts, **secrets}
    checked = _checked(given, stored, common)
    texts = {key: text_of(value) for key, value in checked.values.items()}
    file = Path(os.environ["SNAP_DATA"]) / FILE
    startup, current = _service()
    missing = [key for key in texts if key not in given]
    if secrets:
        set_texts(secrets)
    if missing:
        # Only defaults get onto this command line.
        snapctl("set", "-s", *(f"{key}={texts[key]}" for key in missing))
    _write(file, render(checked.values))
    if not checked.has_inverter:
        # snapd takes 7 to 70 characters.
        no_host = f"no inverter yet: sudo snap set {instance()} inverter.host=ADDRESS"
        snapctl("set-health", "blocked", no_host[:70], "--code=no-inverter")
    if not steer:
        return
    service = _service_name()
    if not checked.has_inverter:
        if (startup, current) != ("disabled", "inactive"):
            snapctl("stop", "--disable", service)
    elif current != "active":
        snapctl("start", "--enable", service)


def _checked(given: Mapping[str, str], stored: Document, common: Path) -> Checked:
    checked = check(given, need_inverter=False, wrong=stored.wrong)
    problems = [sentence for _, sentence in stored.problems]
    problems += [problem.message for problem in checked.problems]
    if not problems:
        problems = confined.problems(configured(checked), common)
    if problems:
        # Defaults of the one inverter may still be stored beside several.
        if any("cannot stand beside inverters." in problem for problem in problems):
            problems.append(_SEVERAL.format(instance=instance()))
        raise errors.OptionsError(problems)
    return checked


def _service_name() -> str:
    return f"{os.environ['SNAP_INSTANCE_NAME']}.{SERVICE}"


def _service() -> tuple[str, str]:
    """What snapd says of the daemon: "enabled" or "disabled", "active" or "inactive"."""
    _, startup, current, *_ = snapctl("services", _service_name()).splitlines()[-1].split()
    return startup, current


def _write(file: Path, text: str) -> None:
    """Replace a file at once: a power cut leaves the old one or the new one.

    The daemon, which is not root any more, reads it again whenever it changes.
    """
    fresh = file.with_name(f"{file.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    let_read(fresh)
    fresh.replace(file)
