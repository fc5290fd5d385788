"""The household figures: their published names, the same for every model and every reader.

All are positive; what flows the other way has a name of its own.
"""

from collections.abc import Mapping
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

FAULT_REGISTERS: Final = frozenset(
    {
        "alarm_code_1",
        "pid_alarm_code",
        "inverter_alarm",
        "grid-side_fault",
        "system_fault1",
        "system_fault2",
        "dc-side_fault",
        "permanent_fault",
        "bdc-side_fault",
        "bdc-side_permanent_fault",
        "battery_fault",
        "battery_alarm",
        "bms_alarm",
        "bms_alarm2",
        "bms_protection",
        "bms_fault1",
        "bms_fault2",
        "warning",
        "protection",
        "fault1",
        "fault2",
    }
)
"""Published names whose value tells faults: texts such as "083 Fan 2 Stall Alarm; …"."""

_NO_FAULT = frozenset({"", "0", "none", "no fault", "normal"})


def faults(values: Mapping[str, object]) -> dict[tuple[str, str], None]:
    """The faults that are active now: (published name, text of the fault), in a stable order."""
    found: dict[tuple[str, str], None] = {}
    for name in sorted(FAULT_REGISTERS & values.keys()):
        value = values[name]
        if isinstance(value, list):
            continue
        for part in str(int(value) if isinstance(value, float) else value).split(";"):
            text = part.strip()
            if text.lower() not in _NO_FAULT:
                found[name, text if isinstance(value, str) else f"code {text}"] = None
    return found
