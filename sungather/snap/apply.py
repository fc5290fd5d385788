"""The one way in which options take effect in the snap, for the hook and for `set-secret`."""

import os
from collections.abc import Mapping
from pathlib import Path

from sungather import errors
from sungather.options.check import Checked, check
from sungather.options.configuration import configured
from sungather.options.file import Document, parse, render
from sungather.options.values import text_of
from sungather.privileges import prepare
from sungather.snap import confined
from sungather.snap.snapctl import snapctl
from sungather.snap.snapd_socket import set_texts

FILE = "sungather.yaml"
"""Name of the rendered file of options, below $SNAP_DATA."""
SERVICE = "daemon"
NO_HOST = "no inverter yet: sudo snap set sungather inverter.host=ADDRESS"
"""What `snap info` shows then; snapd takes 7 to 70 characters."""


def apply(
    stored: Document, secrets: Mapping[str, str] | None = None, *, steer: bool = True
) -> None:
    """Check every option; store defaults and `secrets`; write the file; steer the daemon.

    Args:
        stored: what snapd holds.
        secrets: options to be stored beside it, or in its place, if all is well.
        steer: whether to start, restart or stop the daemon, as the options want it.

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
    matters = _in_force(texts) != _in_force(_texts_of(file))
    running, idle = _service()
    missing = [key for key in texts if key not in given]
    if secrets:
        set_texts(secrets)
    if missing:
        # Only defaults get onto this command line.
        snapctl("set", "-s", *(f"{key}={texts[key]}" for key in missing))
    _write(file, render(checked.values))
    if not checked.has_inverter:
        snapctl("set-health", "blocked", NO_HOST, "--code=no-inverter")
    if not steer:
        return
    service = _service_name()
    if not checked.has_inverter:
        if not idle:
            snapctl("stop", "--disable", service)
    elif not running:
        snapctl("start", "--enable", service)
    elif matters:
        snapctl("restart", service)


def _checked(given: Mapping[str, str], stored: Document, common: Path) -> Checked:
    checked = check(given, need_inverter=False, wrong=stored.wrong)
    problems = [sentence for _, sentence in stored.problems]
    problems += [problem.message for problem in checked.problems]
    if not problems:
        problems = confined.problems(configured(checked), common)
    if problems:
        raise errors.OptionsError(problems)
    return checked


def _texts_of(file: Path) -> Mapping[str, str]:
    """What the daemon was started with; empty if that is unknown."""
    try:
        return parse(file.read_bytes()).texts
    except FileNotFoundError:
        return {}


def _in_force(texts: Mapping[str, str]) -> dict[str, str]:
    """The texts that do something: neither empty, nor of a part that is switched off."""
    off = tuple(
        key.removesuffix("enabled")
        for key, text in texts.items()
        if key.endswith(".enabled") and text == "false"
    )
    return {
        key: text
        for key, text in texts.items()
        if text and (key.endswith(".enabled") or not key.startswith(off))
    }


def _service_name() -> str:
    return f"{os.environ['SNAP_INSTANCE_NAME']}.{SERVICE}"


def _service() -> tuple[bool, bool]:
    """Whether the daemon runs; and whether it neither runs nor would at the next start."""
    _, startup, current, *_ = snapctl("services", _service_name()).splitlines()[-1].split()
    return current == "active", (startup, current) == ("disabled", "inactive")


def _write(file: Path, text: str) -> None:
    """Replace a file at once, readable by root alone: a power cut leaves the old or the new."""
    fresh = file.with_name(f"{file.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(file)
