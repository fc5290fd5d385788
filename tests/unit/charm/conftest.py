"""The charm on a fake snapd, driven by ops.testing."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import yaml
from charm_model import context_of
from fake_snapd import FakeSnapd, Server
from ops import testing

import ownership
import sungather_snap
from charm import SungatherCharm

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def charmcraft() -> dict[str, Any]:
    """charmcraft.yaml."""
    return yaml.safe_load((ROOT / "charmcraft.yaml").read_text())


@pytest.fixture
def snapd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[FakeSnapd]:
    """A fake snapd on a machine of its own, and the charm pointed to it."""
    files = tmp_path / "snaps"
    files.mkdir()
    fake = FakeSnapd(files)
    socket = tmp_path / "snapd.socket"
    own = tmp_path / "sungather-charm"
    monkeypatch.setattr("charmlibs.snap._client._SOCKET_PATH", str(socket))
    monkeypatch.setattr("snapd_socket.SOCKET", str(socket))
    monkeypatch.setattr(ownership, "DIRECTORY", own)
    monkeypatch.setattr(sungather_snap, "SET_KEYS", own / "set-keys")
    monkeypatch.setattr(sungather_snap, "DROP_IN", tmp_path / "systemd/juju-proxy.conf")
    monkeypatch.setattr(sungather_snap, "PROXY", own / "proxy")
    monkeypatch.setattr(sungather_snap, "SNAP_FILES", files)
    monkeypatch.setattr("process.run", fake.run)
    timers = tmp_path / "timers"
    timers.mkdir()
    monkeypatch.setattr("health_timer.UNITS", timers)
    with Server(socket, fake):
        yield fake


@pytest.fixture
def context(snapd: FakeSnapd, charmcraft: dict[str, Any]) -> testing.Context[SungatherCharm]:
    """The charm of the unit sungather/0."""
    return context_of(charmcraft)


@pytest.fixture
def snap_file(tmp_path: Path) -> Path:
    """The resource: a snap as a file."""
    file = tmp_path / "sungather.snap"
    file.write_text("a snap")
    return file
