"""The sungather snap's apps: run one, get its JSON. Knows no Juju."""

import json
import subprocess
from typing import Any

import process
import sungather_snap

Answer = dict[str, Any]


class AppFailed(Exception):
    """An app gave no result; the message is what it said."""


def run(app: str, *arguments: str, within: float = 120) -> Answer:
    """What the app prints as JSON, also when an inverter fails (see the README, "Commands").

    Args:
        app: "run-once", "readings", …
        arguments: further ones for the app.
        within: seconds to wait.

    Raises:
        AppFailed: the app itself failed.
    """
    name = f"{sungather_snap.NAME}.{app}"
    try:
        done = process.run("snap", "run", name, "--format", "json", *arguments, timeout=within)
    except subprocess.TimeoutExpired:
        raise AppFailed(f"no answer from {name} within {within:g} s") from None
    try:
        answer: Answer = json.loads(done.stdout)
    except ValueError:
        raise AppFailed(done.stderr.strip() or f"{name}: exit code {done.returncode}") from None
    if "error" in answer:
        raise AppFailed(str(answer["error"]["message"]))
    return answer
