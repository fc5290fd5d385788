"""What no device of its size can show: single samples of garbage, such as a torn high word.

A bound is generous: it lets through everything that some installation could have, and stops only
what none can. Powers in W, bounds in kW; pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sungather.reading import NOT_INVERTERS
from sungather.registers.device import Device

_GREATEST_KW = 400.0
"""No inverter of the map has more; it stands in for a nominal power that is not known."""
_PLANT_KW = 50_000.0
"""More than what is behind one logger."""
_OVERSIZED = 3.0
"""Panels, battery and short overload together, as a multiple of nominal power."""
_LEAST_BATTERY_KW = 5.0
"""Small inverters have batteries of more than their own power."""
_CONNECTION_KW = 70.0
"""A generous connection to the grid: three phases of 100 A."""
_FEEDING = 1.5
"""What an inverter adds to the power of its site, as a multiple of its nominal power."""

DEVICE_POWERS = frozenset(
    {
        "total_dc_power",
        "total_active_power",
        "total_reactive_power",
        "total_apparent_power",
        "battery_power",
    }
)
"""Published names of powers that go through the inverter itself."""
SITE_POWERS = frozenset(
    {
        "load_power",
        "load_power_hybrid",
        "power_meter",
        "grid_power",
        "inverters_power",
        "export_power",
        "export_power_hybrid",
        "meter_power",
        "meter_a_phase_power",
        "meter_b_phase_power",
        "meter_c_phase_power",
        "meter_total_power",
        "meter_phase_a_power",
        "meter_phase_b_power",
        "meter_phase_c_power",
        "meter2_total_power",
        "meter2_phase_a_power",
        "meter2_phase_b_power",
        "meter2_phase_c_power",
        "backup_phase_a_power",
        "backup_phase_b_power",
        "backup_phase_c_power",
        "total_backup_power",
        "charger_power",
        "charger_phase_a_power",
        "charger_phase_b_power",
        "charger_phase_c_power",
        "production_phase_a_power",
        "production_phase_b_power",
        "production_phase_c_power",
    }
)
"""Published names of powers that the grid and other inverters have a part in."""
_SITE_ENERGIES = frozenset(
    {
        "daily_import_energy",
        "daily_export_energy",
        "total_import_energy",
        "total_export_energy",
        "meter_total_import_energy",
        "meter_total_export_energy",
    }
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """The greatest powers that can be, in kW."""

    device: float
    site: float

    def of_energy(self, name: str) -> float:
        """The greatest power that the counter `name` can count."""
        return self.site if name in _SITE_ENERGIES else self.device


def bounds(device: Device, others_kw: float | None = 0.0) -> Bounds:
    """What `device` and its site can have.

    `others_kw` is the nominal power of all other inverters of the site; None if not known.
    A home manager or a logger stands for a plant of any size.
    """
    if device.family in NOT_INVERTERS:
        return Bounds(_PLANT_KW, _PLANT_KW)
    nominal = device.nominal_kw or _GREATEST_KW
    others = _GREATEST_KW if others_kw is None else others_kw
    return Bounds(
        _OVERSIZED * nominal + _LEAST_BATTERY_KW,
        _CONNECTION_KW + _FEEDING * (nominal + others),
    )


def impossible_powers(said: Mapping[str, float], limits: Bounds) -> set[str]:
    """Published names of the powers that are beyond their bound."""
    return {
        name
        for names, bound in ((DEVICE_POWERS, limits.device), (SITE_POWERS, limits.site))
        for name in names & said.keys()
        if abs(said[name]) > bound * 1000
    }
