"""How hooks and apps of a snap talk to snapd: the program `snapctl`.

Its arguments can be seen by every user of the machine; for secrets there is `snapd_socket.py`.
"""

import subprocess

from sungather import errors


class SnapctlFailed(errors.SungatherError):
    """snapd did not do what a hook or an app asked for."""

    kind = "snapctl"


def snapctl(*arguments: str, patience: float | None = None) -> str:
    """Run `snapctl` and give its output, within `patience` seconds if they are given.

    Raises:
        SnapctlFailed: it ended with an error; with its own words.
    """
    command = ["snapctl", *arguments]
    # No shell, and in a snap PATH holds directories of the snap and its base alone.
    try:
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, check=False, timeout=patience
        )
    except subprocess.TimeoutExpired:
        raise SnapctlFailed(f"snapctl {arguments[0]}: snapd does not answer.") from None
    if done.returncode:
        raise SnapctlFailed(f"snapctl {arguments[0]}: {done.stderr.strip()}")
    return done.stdout
