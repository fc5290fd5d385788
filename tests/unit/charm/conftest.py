"""The charm on a fake snapd, driven by ops.testing."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_snapd import FakeSnapd, Server
from ops import testing

from charm import SungatherCharm

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def charmcraft() -> dict[str, Any]:
    """charmcraft.yaml."""
    return yaml.safe_load((ROOT / "charmcraft.yaml").read_text())


@pytest.fixture
def snapd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[FakeSnapd]:
    """A fake snapd, and the charm pointed to it."""
    files = tmp_path / "snaps"
    files.mkdir()
    fake = FakeSnapd(files)
    socket = tmp_path / "snapd.socket"
    monkeypatch.setattr("charmlibs.snap._client._SOCKET_PATH", str(socket))
    monkeypatch.setattr("sungather_snap.SNAP_FILES", files)
    monkeypatch.setattr("sungather_snap._run", fake.run)
    with Server(socket, fake):
        yield fake


@pytest.fixture
def context(snapd: FakeSnapd, charmcraft: dict[str, Any]) -> testing.Context[SungatherCharm]:
    """The charm in Juju's hands."""
    parts = ("config", "actions")
    meta = {key: value for key, value in charmcraft.items() if key not in parts}
    return testing.Context(
        SungatherCharm, meta=meta, config=charmcraft["config"], actions=charmcraft["actions"]
    )


@pytest.fixture
def snap_file(tmp_path: Path) -> Path:
    """The resource: a snap as a file."""
    file = tmp_path / "sungather.snap"
    file.write_text("a snap")
    return file
