"""The one way in which options take effect in the snap, for the hook and for `set-secret`."""

import os
from collections.abc import Mapping
from pathlib import Path

from sungather import errors
from sungather.options.check import Checked, check
from sungather.options.configuration import configured
from sungather.options.file import parse, render
from sungather.options.table import Value
from sungather.options.values import text_of
from sungather.privileges import prepare
from sungather.snap import confined
from sungather.snap.snapctl import snapctl
from sungather.snap.snapd_socket import set_texts
from sungather.snap.typed import Typed

FILE = "sungather.yaml"
"""Name of the rendered file of options, below $SNAP_DATA."""
SERVICE = "daemon"
NO_HOST = "no inverter yet: sudo snap set sungather inverter.host=ADDRESS"
"""What `snap info` shows then; snapd takes 7 to 70 characters."""


def apply(typed: Typed, secrets: Mapping[str, str] | None = None, *, steer: bool = True) -> None:
    """Check every option; store defaults and `secrets`; write the file; steer the daemon.

    Args:
        typed: what snapd holds.
        secrets: options to be stored beside it, or in its place, if all is well.
        steer: whether to start, restart or stop the daemon, as the options want it.

    Raises:
        OptionsError: with every problem; then nothing at all is changed.
        SnapctlFailed: snapd refused something.
    """
    secrets = secrets or {}
    common = Path(os.environ["SNAP_COMMON"])
    prepare(common)
    checked = _checked(typed, secrets, common)
    file = Path(os.environ["SNAP_DATA"]) / FILE
    rendered = render(checked.values)
    matters = _in_force(checked.values) != _in_force(_values_of(file))
    running, idle = _service()
    known = typed.texts.keys() | secrets.keys()
    missing = {k: text_of(v) for k, v in checked.values.items() if k not in known}
    if secrets:
        set_texts(secrets)
    if missing:
        # Only defaults get onto this command line.
        snapctl("set", "-s", *(f"{key}={text}" for key, text in missing.items()))
    _write(file, rendered)
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


def _checked(typed: Typed, secrets: Mapping[str, str], common: Path) -> Checked:
    texts = {**typed.texts, **secrets}
    checked = check(texts, need_inverter=False, wrong=typed.wrong.keys())
    problems = [*typed.wrong.values(), *(problem.message for problem in checked.problems)]
    if not problems:
        problems = confined.problems(configured(checked), common)
    if problems:
        raise errors.OptionsError(problems)
    return checked


def _values_of(file: Path) -> Mapping[str, Value]:
    """What the daemon was started with; empty if that is unknown."""
    try:
        texts = parse(file.read_bytes()).texts
    except FileNotFoundError:
        return {}
    return check(texts, need_inverter=False).values


def _in_force(values: Mapping[str, Value]) -> dict[str, Value]:
    """The values that do something: not those of a part that is switched off."""
    off = tuple(
        key.removesuffix("enabled")
        for key, value in values.items()
        if key.endswith(".enabled") and value is False
    )
    return {
        key: value
        for key, value in values.items()
        if key.endswith(".enabled") or not key.startswith(off)
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
