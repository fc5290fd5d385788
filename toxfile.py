"""tox finds every Python that pyenv has installed, not only those that are switched on."""

import os
from pathlib import Path

_VERSIONS = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
_PLACES = sorted(str(place) for place in _VERSIONS.glob("3.*/bin"))

os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), *_PLACES])
