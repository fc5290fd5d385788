"""The snap's hooks and apps on a fake snapd."""

import os
import sys
from pathlib import Path

import pytest
from fake_snapctl import STATE, Snapd

from sungather import privileges
from sungather.snap import hooks


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """$SNAP_DATA."""
    directory = tmp_path / "data"
    directory.mkdir()
    return directory


@pytest.fixture
def common(tmp_path: Path) -> Path:
    """$SNAP_COMMON."""
    directory = tmp_path / "common"
    directory.mkdir()
    return directory


@pytest.fixture
def fake(tmp_path: Path, data: Path, common: Path, monkeypatch: pytest.MonkeyPatch) -> Snapd:
    """A fake snapd with the snap installed and nothing set."""
    program = tmp_path / "bin/snapctl"
    program.parent.mkdir()
    source = Path(__file__).with_name("fake_snapctl.py")
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -IS "{source}" "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setenv(STATE, str(tmp_path / "state.json"))
    monkeypatch.setenv("SNAP_DATA", str(data))
    monkeypatch.setenv("SNAP_COMMON", str(common))
    monkeypatch.setenv("SNAP_NAME", "sungather")
    monkeypatch.setenv("SNAP_INSTANCE_NAME", "sungather")
    monkeypatch.setenv("SNAP_COOKIE", "a-cookie")
    # Only root could give files away.
    monkeypatch.setattr(privileges, "USER", os.geteuid())
    monkeypatch.setattr(privileges, "GROUP", os.getegid())
    monkeypatch.setattr(privileges, "ROOT_GROUP", os.getegid())
    return Snapd(tmp_path / "state.json", lambda: hooks.main("configure"))
