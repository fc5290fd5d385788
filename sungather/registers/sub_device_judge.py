"""What no battery and no wall box can show: garbage in one sample, such as a torn high word.

As for an inverter (`plausibility.py`, `counters.py`): what cannot be is left out, and true values
are believed again. Powers in W, energies in kWh, moments in seconds of a clock that is never set.
"""

from collections.abc import Mapping, Set

from sungather.reading import Value
from sungather.registers.counters import Day, Total, Verdict

_GREATEST_KW = 50.0
"""No battery and no wall box of the map has half of it."""
_POWERS = ("charger_power",)
_SESSION = "charger_session_energy"
"""It begins anew with each session."""
_COUNTERS = (
    "battery_pack_total_charge",
    "battery_pack_total_discharge",
    "charger_total_energy",
    _SESSION,
)
_NO_DAY = Day("", 0.0)


class SubDeviceJudge:
    """Goes from reading to reading of one device."""

    def __init__(self) -> None:
        self._counters: dict[str, Total] = {}
        self._impossible: set[str] = set()

    def impossible(
        self, values: Mapping[str, Value], fresh: Set[str], moment: float
    ) -> tuple[set[str], list[str]]:
        """The names whose value cannot be, and one sentence for each that could be before.

        `fresh` are the names that were read just now.
        """
        numbers = {
            name: value
            for name in (*_POWERS, *_COUNTERS)
            if isinstance(value := values.get(name), int | float)
        }
        found = {
            name
            for name, value in numbers.items()
            if (
                abs(value) > _GREATEST_KW * 1000
                if name in _POWERS
                else self._is_doubted(name, value, name in fresh, moment)
            )
        }
        notes = [
            f"{name} is {numbers[name]:g}, which cannot be; the value is left out until it is "
            "back, or has stayed."
            for name in sorted(found - self._impossible)
        ]
        self._impossible = found
        return found, notes

    def _is_doubted(self, name: str, value: float, fresh: bool, moment: float) -> bool:
        counter = self._counters.get(name)
        if counter is None or (name == _SESSION and counter.last and value < counter.last):
            counter = self._counters[name] = Total()
        if not fresh:
            return bool(counter.doubts)
        verdict = counter.enter(value, moment, _NO_DAY, moment, _GREATEST_KW)
        return verdict in (Verdict.DOUBTED, Verdict.STILL_DOUBTED)
