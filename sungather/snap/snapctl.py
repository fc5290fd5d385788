"""How hooks and apps of a snap talk to snapd: the program `snapctl`.

Its arguments can be seen by every user of the machine; for secrets there is `snapd_socket.py`.
"""

import subprocess

from sungather import errors


class SnapctlFailed(errors.SungatherError):
    """snapd did not do what a hook or an app asked for."""

    kind = "snapctl"


def snapctl(*arguments: str) -> str:
    """Run `snapctl` and give its output.

    Raises:
        SnapctlFailed: it ended with an error; with its own words.
    """
    command = ["snapctl", *arguments]
    # No shell, and in a snap PATH holds directories of the snap and its base alone.
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise SnapctlFailed(f"snapctl {arguments[0]}: {done.stderr.strip()}")
    return done.stdout
