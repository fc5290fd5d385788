"""charmlint and the checks of charmhub-listing-review that run off line, on a staged tree."""

import shutil
import subprocess
from pathlib import Path

import packing
import pytest


@pytest.fixture(scope="module")
def programs(python: Path) -> Path:
    """A directory with the programs; they want a Python 3.12."""
    return packing.locked_tools("listing", python) / "bin"


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with the charm's own files beside charmcraft.yaml, where the checks look."""
    project = packing.staged(tmp_path_factory.mktemp("listing"))
    shutil.copytree(project / "charm", project, dirs_exist_ok=True)
    shutil.rmtree(project / "charm")
    return project


def test_charmlint_finds_nothing(programs: Path, staged: Path) -> None:
    command = [programs / "charmlint", "--strict", "--no-colour", staged]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_listing_review_has_no_open_point(programs: Path, staged: Path) -> None:
    script = Path(__file__).with_name("charm_listing.py")
    command = [programs / "python", script, staged]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == ""
