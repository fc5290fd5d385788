"""What the snap's hooks do: `python -m sungather.snapd HOOK`, where `snapctl` talks to snapd.

snapd stores any key and any JSON value, so the configure hook is where options are judged: a hook
that fails makes snapd store nothing and show what the hook wrote to standard error.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from sungather import errors
from sungather.configuration_file import render
from sungather.option_check import check
from sungather.option_values import text_of
from sungather.options import option

FILE = "sungather.yaml"
"""Name of the rendered file of options, below $SNAP_DATA."""
SERVICE = "daemon"


class SnapctlFailed(errors.SungatherError):
    """snapd did not do what a hook asked for."""

    kind = "snapctl"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one hook; the value is the exit code."""
    (hook,) = sys.argv[1:] if arguments is None else arguments
    try:
        {"configure": configure}[hook]()
    except errors.SungatherError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def configure() -> None:
    """Check every option; write defaults back and the file; start, restart or stop the daemon.

    Raises:
        OptionsError: with every problem; then nothing at all is changed.
        SnapctlFailed: snapd refused something.
    """
    texts, wrong = _typed()
    checked = check(texts, need_inverter=False, wrong=wrong.keys())
    problems = [*wrong.values(), *(problem.message for problem in checked.problems)]
    if problems:
        raise errors.OptionsError(problems)
    missing = {k: text_of(v) for k, v in checked.values.items() if k not in texts}
    if missing:
        # Only defaults are ever written, so no secret gets onto a command line.
        _snapctl("set", "-s", *(f"{key}={text}" for key, text in missing.items()))
    file = Path(os.environ["SNAP_DATA"]) / FILE
    rendered = render(checked.values)
    changed = not file.exists() or file.read_text(encoding="utf-8") != rendered
    _steer(run=checked.has_inverter, changed=changed)
    if changed:
        _write(file, rendered)


def _typed() -> tuple[dict[str, str], dict[str, str]]:
    """Every option that is set, as it was typed; and those that cannot be one text: key, why."""
    # snapctl gives the whole document for an empty key, and takes one only beside another key.
    document = _snapctl("get", "-d", "", "")
    # snapd reads 12345 and 1e5 as numbers; kept as text they are what the person typed.
    tree = json.loads(document, parse_int=str, parse_float=str).get("", {})
    texts: dict[str, str] = {}
    wrong: dict[str, str] = {}
    _flatten(tree, "", texts, wrong)
    return texts, wrong


def _flatten(
    tree: Mapping[str, object], above: str, texts: dict[str, str], wrong: dict[str, str]
) -> None:
    for name, value in tree.items():
        key = above + name
        if isinstance(value, dict | list) and option(key) is not None:
            wrong[key] = (
                f"{key} takes one value, no list and no keys below it. Text that looks like JSON "
                f"needs double quotes within single ones: {key}='\"…\"'."
            )
        elif isinstance(value, dict):
            _flatten(cast("dict[str, object]", value), f"{key}.", texts, wrong)
        elif isinstance(value, bool):
            texts[key] = text_of(value)
        else:
            # Of a list below a key that nobody knows only the key matters.
            texts[key] = value if isinstance(value, str) else ""


def _steer(*, run: bool, changed: bool) -> None:
    """Let the daemon run or not; snapd does it when the hook has ended."""
    service = f"{os.environ['SNAP_INSTANCE_NAME']}.{SERVICE}"
    _, startup, current, *_ = _snapctl("services", service).splitlines()[-1].split()
    if not run:
        if (startup, current) != ("disabled", "inactive"):
            _snapctl("stop", "--disable", service)
    elif current != "active":
        _snapctl("start", "--enable", service)
    elif changed:
        _snapctl("restart", service)


def _write(file: Path, text: str) -> None:
    """Replace a file at once, readable by root alone: a power cut leaves the old or the new."""
    fresh = file.with_name(f"{file.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(file)


def _snapctl(*arguments: str) -> str:
    command = ["snapctl", *arguments]
    # No shell, and in a snap PATH holds directories of the snap and its base alone.
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise SnapctlFailed(f"snapctl {arguments[0]}: {done.stderr.strip()}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
