"""A smart meter that has stopped renewing its values, or is no longer the inverter's. Pure.

On string inverters the meter's registers freeze about 30 minutes after PV power has reached 0
(transports.md, §4): from then on they show the evening's power all night.

A hybrid whose meter was moved to an iHomeManager answers 0 for grid and load, though what it gives
must go somewhere.
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


MOVED = ("export_power_hybrid", "load_power_hybrid", "meter_total_power")
"""Published names that read 0 on a hybrid that has no meter any more."""
_PHASES = tuple(f"meter_phase_{phase}_power" for phase in "abc")
_GIVES = 100.0
"""W that an inverter gives and that no figure shows."""
_SCANS = 3
"""In a row; a single one may fall into a change."""
MOVED_TO = (
    "The inverter gives power, but says that nothing goes to the house or the grid: its smart "
    "meter is probably at an iHomeManager now. Add that as a second device, such as "
    "inverters.home.host, with its address; grid and house come from there then."
)


class MovedMeter:
    """Watches the meter of one hybrid from reading to reading."""

    def __init__(self) -> None:
        self._scans = 0

    def moved(self, values: Mapping[str, float], device: Device, *, without_grid: bool) -> bool:
        """Whether its meter is somewhere else."""
        told = [values[name] for name in (*MOVED, *_PHASES) if name in values]
        gives = abs(values.get("total_active_power", 0)) > _GIVES
        suspicious = device.hybrid and device.meter and not without_grid and gives
        self._scans = self._scans + 1 if suspicious and told and not any(told) else 0
        return self._scans >= _SCANS
