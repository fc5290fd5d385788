"""A smart meter that has stopped renewing its values.

On string inverters the meter's registers freeze about 30 minutes after PV power has reached 0
(transports.md, §4): from then on they show the evening's power all night. Pure.
"""

from collections.abc import Mapping

from sungather.registers.device import Device

METER = (
    "meter_power",
    "meter_a_phase_power",
    "meter_b_phase_power",
    "meter_c_phase_power",
    "load_power",
    "export_power",
)
"""Published names that freeze together."""
FROZEN_AFTER = 1800.0
"""Seconds of darkness without the slightest change, after which the values are not believed. The
power of a house changes by a watt more often than that."""


class MeterWatch:
    """Watches the meter of one string inverter from reading to reading."""

    def __init__(self) -> None:
        self._shown: dict[str, float] = {}
        self._since = 0.0

    def frozen(
        self, values: Mapping[str, float], device: Device, monotonic: float
    ) -> frozenset[str]:
        """Names whose values must not be believed now."""
        shown = {name: values[name] for name in METER if name in values}
        dark = values.get("total_active_power", 1) <= 0 and not device.hybrid
        if not dark or shown != self._shown:
            self._shown, self._since = shown, monotonic
            return frozenset()
        return frozenset(shown) if monotonic - self._since > FROZEN_AFTER else frozenset()
