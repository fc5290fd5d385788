"""The household figures: their published names, the same for every model and every reader.

All are positive; what flows the other way has a name of its own.
"""

from typing import Final

FLOWS: Final = (
    "pv",
    "house",
    "grid_import",
    "grid_export",
    "battery_charge",
    "battery_discharge",
)
"""Where energy comes from and goes to. `<flow>_power` is in W, the energies are in kWh."""

BATTERY_LEVEL: Final = "battery_level"
"""%"""

POWERS: Final = tuple(f"{flow}_power" for flow in FLOWS)
FIGURES: Final = (*POWERS, BATTERY_LEVEL)
"""What changes from moment to moment: the powers in W, and the battery's level in %.

A day's curve is drawn from it, and the history stores it in this order.
"""
