"""The inverters that can be simulated, their type plates and their sites: `data/models.toml`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from sungather.simulator.day import Site
from sungather.simulator.words import DATA


@dataclass(frozen=True, slots=True)
class Model:
    """One inverter. Texts look like real ones; the serial numbers are made up."""

    name: str
    code: int
    """Device type code, register 5000."""
    hybrid: bool
    nominal: int
    """W."""
    phases: int
    strings: tuple[int, ...]
    """Strings on each MPPT."""
    serial: str
    protocol_number: str
    protocol_version: int
    arm: str
    dsp: str
    site: Site
    firmware: tuple[str, ...] = ()
    """Registers 2582, 2597, 2613, 2629 of hybrids."""
    modules: tuple[str, ...] = ()
    """Registers 13250, 13265, 13280: inverter, communication module, battery."""
    signed_battery: bool = True
    """13021, 13022 and 5631 have a sign (firmware of autumn 2024 and later)."""
    old_dongle: bool = False
    """Its WiNet-S has the firmware of early 2024, with scales of its own."""
    battery_health: int = 100
    """%."""


def _models() -> dict[str, Model]:
    found: dict[str, Model] = {}
    for name, plate in tomllib.loads((DATA / "models.toml").read_text(encoding="utf-8")).items():
        site = Site(**_fixed(plate.pop("site")))
        found[name] = Model(name=name, site=site, **_fixed(plate))
    return found


def _fixed(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Lists as tuples: what is frozen has no parts that change."""
    return {
        name: tuple(cast(list[object], value)) if isinstance(value, list) else value
        for name, value in fields.items()
    }


MODELS: Final = _models()
