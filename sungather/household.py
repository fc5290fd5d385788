"""The household figures: their published names, the same for every model and every reader.

All are positive; what flows the other way has a name of its own.
"""

from collections.abc import Mapping
from typing import Final

from sungather.reading import Reading, Value, number_of

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

NOT_INVERTERS: Final = frozenset({"battery", "ems", "ev-charger", "logger", "meter"})
"""Families of devices that stand behind or beside an inverter and have readings of their own."""


def is_inverter(reading: Reading) -> bool:
    """Whether a reading is an inverter's; those of devices behind it are no part of any sum."""
    return reading.family not in NOT_INVERTERS


def number(values: Mapping[str, Value], name: str) -> float | None:
    """The value as a number; None where it is absent or no number."""
    return number_of(values.get(name))
