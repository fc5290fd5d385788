"""Values of an inverter that say once more what a household figure says.

Nothing is lost where only the figure is shown first: it has the same name on every model.
"""

from collections.abc import Mapping
from typing import Final

from sungather.registers.counter_judge import TOTAL_OF

_TODAY: Final = {
    "daily_power_yields": "pv",
    "daily_pv_generation": "pv",
    "daily_import_energy": "grid_import",
    "daily_export_energy": "grid_export",
    "daily_charge_energy": "battery_charge",
    "daily_battery_discharge_energy": "battery_discharge",
}

EARLIER_ENERGIES: Final = {
    "daily_export_to_grid": "grid_export_energy_today",
    "daily_import_from_grid": "grid_import_energy_today",
}
EARLIER_POWERS: Final = {
    "export_to_grid": "grid_export_power",
    "import_from_grid": "grid_import_power",
}
"""What SunGather 0.5 derived, and the household figure that says the same."""

DOUBLES: Final[Mapping[str, str]] = {
    **{counter: f"{flow}_energy_today" for counter, flow in _TODAY.items()},
    **{TOTAL_OF[counter]: f"{flow}_energy_total" for counter, flow in _TODAY.items()},
    **EARLIER_ENERGIES,
    **EARLIER_POWERS,
    "total_dc_power": "pv_power",
    "load_power": "house_power",
    "load_power_hybrid": "house_power",
}
"""Name -> the household figure that says the same, where a reading has both with one value."""


def repeated(values: Mapping[str, object]) -> set[str]:
    """The names in `values` that only repeat a household figure that is in there, too."""
    return {
        name
        for name, figure in DOUBLES.items()
        if name in values and figure in values and values[name] == values[figure]
    }
