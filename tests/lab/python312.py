"""Finds the CPython 3.12 that stands in for core24's and Ubuntu 24.04's own interpreter."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

MISSING = (
    "No CPython 3.12 runs here. Install one (a package python3.12, 'uv python install 3.12' or "
    "pyenv), or say where it is: PYTHON312=/path/to/python3.12."
)


def find() -> Path | None:
    """The first CPython 3.12 that runs: $PYTHON312, PATH, pyenv, uv; None if there is none."""
    return next((path for path in _candidates() if _runs(path)), None)


def _candidates() -> Iterator[Path]:
    if named := os.environ.get("PYTHON312"):
        yield Path(named)
    if found := shutil.which("python3.12"):
        yield Path(found)
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from sorted(pyenv.glob("versions/3.12*/bin/python3.12"), reverse=True)
    if uv := shutil.which("uv"):
        command = [uv, "python", "find", "--no-python-downloads", "3.12"]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        if answer.returncode == 0:
            yield Path(answer.stdout.strip())


def _runs(path: Path) -> bool:
    """Whether it is 3.12, and not a version manager's launcher without a version behind it."""
    code = "import ssl, sqlite3, sys; sys.exit(sys.version_info[:2] != (3, 12))"
    try:
        return subprocess.run([path, "-c", code], capture_output=True, check=False).returncode == 0
    except OSError:
        return False
