"""The configure hook on a fake snapd."""

import sys
from pathlib import Path

import pytest
from fake_snapctl import STATE, Snapd

from sungather import snapd

ROOT = Path(__file__).parents[3]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """$SNAP_DATA."""
    directory = tmp_path / "data"
    directory.mkdir()
    return directory


@pytest.fixture
def fake(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> Snapd:
    """A fake snapd with the snap installed and nothing set."""
    program = tmp_path / "bin/snapctl"
    program.parent.mkdir()
    source = Path(__file__).with_name("fake_snapctl.py")
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -IS "{source}" "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setenv(STATE, str(tmp_path / "state.json"))
    monkeypatch.setenv("SNAP_DATA", str(data))
    monkeypatch.setenv("SNAP_INSTANCE_NAME", "sungather")
    return Snapd(tmp_path / "state.json", lambda: snapd.main(["configure"]))
