"""A real Juju: a temporary model, the packed charm and snap, a simulated inverter."""

import os
import shutil
from collections.abc import Generator
from pathlib import Path

import jubilant
import pytest

ROOT = Path(__file__).parents[2]
SIMULATOR = "/opt/simulator/bin/sungather"


@pytest.fixture(scope="session")
def juju() -> Generator[jubilant.Juju]:
    """A model of its own on the current controller, thrown away at the end."""
    if shutil.which("juju") is None:
        pytest.skip("needs juju, with a controller for machines")
    with jubilant.temp_model() as model:
        model.wait_timeout = 20 * 60
        yield model


@pytest.fixture(scope="session")
def charm() -> Path:
    """The packed charm for Ubuntu 24.04: $CHARM, or what `charmcraft pack` left here."""
    return _packed("CHARM", "*24.04*.charm")


@pytest.fixture(scope="session")
def snap() -> Path:
    """The packed snap: $SNAP, or what `snapcraft pack` left in the project's directory."""
    return _packed("SNAP", "*.snap")


@pytest.fixture(scope="session")
def inverter(juju: jubilant.Juju) -> str:
    """The address of a machine of the model on which a simulated SH10RT answers on port 5020."""
    juju.cli("deploy", "ubuntu", "inverter", "--base", "ubuntu@24.04", include_model=True)
    juju.wait(lambda status: jubilant.all_active(status, "inverter"))
    unit = "inverter/0"
    wheel = _wheel()
    juju.scp(wheel, f"{unit}:/tmp/{wheel.name}")
    juju.exec(
        "apt-get update -q && apt-get install -qy python3-venv && "
        "python3 -m venv /opt/simulator && "
        f"/opt/simulator/bin/pip install -q /tmp/{wheel.name} && "
        f"systemd-run --unit=simulator {SIMULATOR} simulate --host 0.0.0.0 --port 5020",
        unit=unit,
    )
    return juju.status().apps["inverter"].units[unit].public_address


def _packed(variable: str, pattern: str) -> Path:
    named = os.environ.get(variable)
    found = [Path(named)] if named else sorted(ROOT.glob(pattern))
    assert found, f"nothing is packed: set {variable}=FILE, or pack it first"
    return found[-1].resolve()


def _wheel() -> Path:
    found = sorted((ROOT / "dist").glob("*.whl"))
    assert found, "no wheel: python -m build --wheel"
    return found[-1]
