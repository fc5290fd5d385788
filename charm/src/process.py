"""Run a program of the machine, as if Juju's dispatch had not started it."""

import os
import subprocess


def run(*command: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a fixed command, without a shell.

    Raises:
        subprocess.TimeoutExpired: it did not end in `timeout` seconds, and was ended.
    """
    # Juju's dispatch points these two into the charm; a snap's Python must not see them.
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONPATH", "LD_LIBRARY_PATH")
    }
    return subprocess.run(  # noqa: S603 (fixed commands, no shell)
        command, capture_output=True, text=True, timeout=timeout, env=environment, check=False
    )
