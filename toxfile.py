"""Which Pythons tox uses: every one of this machine, and no other.

It finds those that pyenv has installed too, not only those that are switched on. uv downloads
none. In CI a missing one is a failure; elsewhere tox names what it leaves out.
"""

import os
from pathlib import Path

_VERSIONS = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
_PLACES = sorted(str(place) for place in _VERSIONS.glob("3.*/bin"))

os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), *_PLACES])
os.environ["UV_PYTHON_DOWNLOADS"] = "never"
if os.environ.get("CI") == "true":
    os.environ["TOX_SKIP_MISSING_INTERPRETERS"] = "false"
