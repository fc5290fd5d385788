"""Whether a home manager's figures can be believed: by their balance, and its battery's level.

What the inverters give (`inverters_power`) and what comes from the grid (`grid_power`) is what the
house uses (`load_power`). A firmware with another word order or another sign shows there. The sign
of the battery shows in its level. Pure.
"""

from collections.abc import Mapping

from sungather.household import error_of

_BALANCE = ("inverters_power", "grid_power", "load_power")
_BATTERY = "battery_power"
_LEVEL = "battery_level"
_TELLING = 200.0
"""W from or to the grid that tell one sign from the other."""
_DISAGREES = 10
"""Scans in a row that do not add up, until what was proved before is doubted."""
_STEP = 2.0
"""% of the battery's level that tell charging from discharging."""
_LONGEST = 900.0
"""Seconds between two scans over which a power may be taken to have held."""


class HomeManagerCheck:
    """Goes from reading to reading of one home manager."""

    def __init__(self) -> None:
        self._proved = False
        self._against = 0
        self._level: float | None = None
        """% from which on the battery's energy is counted."""
        self._kws = 0.0
        """What it has given since, in kW s; below 0 what it has taken."""
        self._at: float | None = None
        self._reversed = False

    def step(self, said: Mapping[str, float], monotonic: float) -> tuple[set[str], str]:
        """The names of `said` that must not be believed now, and why in one sentence, or ""."""
        rejected: set[str] = set()
        problem = ""
        powers = [said.get(name) for name in _BALANCE]
        known = [power for power in powers if power is not None]
        if len(known) == len(powers):
            given, grid, load = known
            off = abs(given + grid - load)
            if off <= _error(known):
                self._against = 0
                self._proved = self._proved or abs(grid) >= _TELLING
            else:
                self._against += 1
            if self._against and (not self._proved or self._against >= _DISAGREES):
                rejected.update(_BALANCE)
                problem = (
                    f"The iHomeManager's figures do not add up: {given:.0f} W of the inverters "
                    f"and {grid:.0f} W from the grid are not the {load:.0f} W of the house, so "
                    "all three are left out. Please report this with a support bundle."
                )
        if self._battery_reversed(said, monotonic):
            rejected.add(_BATTERY)
            problem = problem or (
                "By the iHomeManager the battery's level rises while it discharges, so its power "
                "is left out. Please report this with a support bundle."
            )
        return rejected, problem

    def _battery_reversed(self, said: Mapping[str, float], monotonic: float) -> bool:
        """Whether level and power of the battery tell the opposite of each other."""
        level, power = said.get(_LEVEL), said.get(_BATTERY)
        seconds = monotonic - self._at if self._at is not None else _LONGEST
        self._at = monotonic
        if level is None or power is None or self._level is None or seconds >= _LONGEST:
            self._level, self._kws = level, 0.0
            return self._reversed
        self._kws += power / 1000 * seconds
        if abs(risen := level - self._level) >= _STEP:
            self._reversed = risen * self._kws > 0
            self._level, self._kws = level, 0.0
        return self._reversed


def _error(powers: list[float]) -> float:
    """W by which the balance may be off: not all is measured at the same moment."""
    return 50.0 + error_of(powers)
