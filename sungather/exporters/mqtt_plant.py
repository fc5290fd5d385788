"""The plant as one device more: what several inverters do together, as a reading. Pure.

Grid, house and battery are a home manager's, where there is one, and the panels the inverters', as
`sungather.site` has it. There are no energies: Home Assistant would add up what the plant counts
and what each inverter counts.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Final

from sungather.exporters.mqtt_layout import WHOLE_PLANT
from sungather.household import BATTERY_LEVEL
from sungather.reading import (
    PLANT,
    ActiveFault,
    FaultReport,
    Measurement,
    Reading,
    State,
)
from sungather.site import Plant, summed

_STALE_SCANS: Final = 3.5
"""Intervals after which a reading tells nothing of now."""
_INTERVAL: Final = 60.0
_BEST_FIRST: Final = (State.OK, State.ASLEEP)
"""The plant is what the best of its inverters is."""


class WholePlant:
    """Goes from reading to reading of all inverters."""

    def __init__(self, settings: Mapping[str, Mapping[str, object]], meter: str) -> None:
        """`settings`: name of an inverter -> its options; `meter`: the option `site.meter`."""
        self._plant = Plant(meter)
        self._several = len(settings) > 1
        self._stale_after = {
            name: timedelta(seconds=max(20.0, _STALE_SCANS * _interval(one)))
            for name, one in settings.items()
        }
        self._newest: dict[str, Reading] = {}

    @property
    def names(self) -> frozenset[str]:
        """Of the inverters, and of the plant if there is one."""
        return frozenset((*self._stale_after, *((WHOLE_PLANT,) if self._several else ())))

    def after(self, reading: Reading) -> Reading | None:
        """What all do together now that one was read; None where there is no plant."""
        if not self._several or reading.via:
            return None
        self._plant.on_reading(reading)
        self._newest[reading.name] = reading
        # Until each was heard of, nobody knows who is part of the sum.
        if not self._newest.keys() >= self._stale_after.keys():
            return None
        parts = summed(self._newest.values())
        now = max(one.time for one in self._newest.values())
        powers = self._plant.powers(parts, self._stale(now))
        state = next((s for s in _BEST_FIRST if any(one.state is s for one in parts)), None)
        return Reading(
            WHOLE_PLANT,
            state or reading.state,
            now,
            measurements=(
                dict(_measurement(*one) for one in powers.items()) if state is State.OK else {}
            ),
            faults=_faults(self._newest.values()),
            kind=PLANT,
        )

    def _stale(self, now: datetime) -> set[str]:
        return {
            name for name, one in self._newest.items() if now - one.time > self._stale_after[name]
        }


def _interval(settings: Mapping[str, object]) -> float:
    told = settings.get("scan_interval")
    return float(told) if isinstance(told, (int, float)) else _INTERVAL


def _measurement(figure: str, amount: float) -> tuple[str, Measurement]:
    if figure == BATTERY_LEVEL:
        return figure, Measurement(round(amount, 1), "%")
    return f"{figure}_power", Measurement(round(amount), "W")


def _faults(readings: Collection[Reading]) -> FaultReport | None:
    """The faults of all; None where no device has any to tell."""
    telling = {one.name: one.faults for one in readings if one.faults is not None}
    if not telling:
        return None
    active = [
        ActiveFault(fault.register, f"{name}: {fault.text}")
        for name, report in telling.items()
        for fault in report.active
    ]
    unknown = [f"{name}: {report.unknown}" for name, report in telling.items() if report.unknown]
    unknown += [
        f"{one.name} is {one.state}"
        for one in readings
        if one.is_inverter and one.faults is None and one.state not in _BEST_FIRST
    ]
    return FaultReport(tuple(active), "; ".join(unknown))
