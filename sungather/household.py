"""The household figures: their published names, the same for every model and every reader.

All are positive; what flows the other way has a name of its own.
"""

from collections.abc import Collection, Iterable, Mapping
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

INTO_HOUSE: Final = {
    "pv": 1,
    "grid_import": 1,
    "grid_export": -1,
    "battery_charge": -1,
    "battery_discharge": 1,
}
"""The sign with which a flow adds to what the house uses."""

BATTERY_LEVEL: Final = "battery_level"
"""%"""

POWERS: Final = tuple(f"{flow}_power" for flow in FLOWS)
FIGURES: Final = (*POWERS, BATTERY_LEVEL)
"""What changes from moment to moment: the powers in W, and the battery's level in %.

A day's curve is drawn from it, and the history stores it in this order.
"""
ENERGIES: Final = tuple(f"{flow}_energy_{since}" for flow in FLOWS for since in ("today", "total"))
"""What each flow brought, in kWh."""
HOUSEHOLD: Final = frozenset({*FIGURES, *ENERGIES})
"""Every household figure."""


def house_of(
    flows: Mapping[str, float | None], needed: Iterable[str] = INTO_HOUSE
) -> float | None:
    """What the house uses by the balance of all `needed` flows; None while one is unknown.

    In the unit of the flows; below 0 where they cannot all be right.
    """
    house = 0.0
    for flow in needed:
        part = flows.get(flow)
        if part is None:
            return None
        house += INTO_HOUSE[flow] * part
    return house


_SKEW: Final = 50.0
_METER_ERROR: Final = 0.03
_STEP: Final = 0.1


def error_of(flows: Collection[float], unit: str = "W", share: float = _METER_ERROR) -> float:
    """How far from 0 the balance of these flows may be though it is 0, in their unit (W or kWh).

    Powers are not measured at the very same moment, and each with an error of its own: `share`.
    Counters tick at different moments, each by a step.
    """
    if unit == "kWh":
        return _STEP * len(flows)
    return _SKEW + share * max(map(abs, flows), default=0.0)
