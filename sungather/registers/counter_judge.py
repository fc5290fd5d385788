"""Judges the counters and powers of one reading: what is believed, what is left out, and why.

What cannot be is left out (`plausibility.py`, `counters.py`), and so is what may still be of
yesterday (`device_day.py`) and a counter that never counts. Each oddity is said once.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from sungather.reading import Value
from sungather.registers.counter_state import Memory
from sungather.registers.counters import HOUR, Day, Today, Total, Verdict
from sungather.registers.plausibility import Bounds, impossible_powers

TOTAL_OF = {
    "daily_power_yields": "total_power_yields",
    "daily_pv_generation": "total_pv_generation",
    "daily_pv_export": "total_pv_export",
    "daily_battery_charge_from_pv": "total_battery_charge_from_pv",
    "daily_direct_energy_consumption": "total_direct_energy_consumption",
    "daily_import_energy": "total_import_energy",
    "daily_export_energy": "total_export_energy",
    "daily_charge_energy": "total_charge_energy",
    "daily_battery_discharge_energy": "total_battery_discharge_energy",
}
"""Counter of today -> lifetime counter of the same energy."""

_GENERATION = frozenset({"daily_power_yields", "daily_pv_generation"})
"""Counters that stand still while a string inverter sleeps; those of its meter go on."""
_WITHOUT_TODAY = ("annual_power_yields", "meter_total_import_energy", "meter_total_export_energy")
"""A meter's, and what begins anew with the year: as seldom as a device is replaced."""
_TOTALS = (*sorted(TOTAL_OF.values()), *_WITHOUT_TODAY)
_MONTH, _ITS_TODAY = "monthly_power_yields", "daily_power_yields"
_STEP = 0.2
"""kWh by which two counters of the same energy may differ."""
_LONG_IN_USE = 100.0
"""kWh: an inverter that generated so much has had to do with the grid."""


@dataclass(slots=True)
class Derived:
    """What one step adds to the values of a reading, and what it takes away."""

    values: dict[str, Value] = field(default_factory=dict[str, Value])
    """New names, and corrected values under the inverter's own names."""
    units: dict[str, str] = field(default_factory=dict[str, str])
    """Units of the new names."""
    rejected: set[str] = field(default_factory=set[str])
    """The inverter's own names whose value is not to be believed this time: absent."""
    impossible: set[str] = field(default_factory=set[str])
    """Those of them that no such inverter can show, or that cannot follow what it showed."""
    notes: list[str] = field(default_factory=list[str])
    """For the log: one sentence at the beginning of each oddity, none while it lasts."""
    meter_problem: str = ""
    """One sentence while the smart meter says what cannot be."""

    def cannot_be(self, names: Set[str]) -> None:
        """Leave out values that are impossible."""
        self.impossible |= names
        self.rejected |= names


@dataclass(frozen=True, slots=True)
class CounterSample:
    """What one reading has to be judged by."""

    said: dict[str, float]
    """The inverter's own numbers; corrections are made in here, too."""
    fresh: Set[str]
    """The names that were read just now."""
    at: float
    """By the clock, UTC seconds."""
    day: Day
    limits: Bounds
    hybrid: bool


class CounterJudge:
    """Goes from reading to reading of one inverter, and keeps what it learns in `memory`."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._monotonic: float | None = None
        self._beyond: set[str] = set()
        """Powers that were impossible in the reading before."""
        self._silent: set[str] = set()
        """Counters that did not count in the reading before."""

    def go_on(self, at: float, monotonic: float, clock: Value | None) -> None:
        """Advance the time line to a reading; `clock` is the device's, if it was read just now."""
        memory, before = self._memory, self._monotonic
        self._monotonic = monotonic
        if memory.time_line.advance(at, None if before is None else monotonic - before):
            memory.device_day.clock_was_set()
        if clock is not None:
            memory.device_day.read_clock(clock, memory.time_line.moment)

    def judge(self, sample: CounterSample, derived: Derived) -> None:
        """Reject what is not to be believed of a reading, and correct what is known better."""
        self._judge_powers(sample, derived)
        for name in _TOTALS:
            if name in sample.said:
                self._judge_total(name, sample, derived)
        read = [name for name in TOTAL_OF if name in sample.said]
        for name in read:
            self._judge_today(name, sample, derived)
        if _MONTH in sample.said:
            self._judge_month(sample, derived)
        # Whether they are today's is known when all have been seen: they share a midnight.
        for name in read:
            if name not in derived.rejected:
                self._publish_today(name, sample, derived)

    def drop_silent(
        self, said: dict[str, float], power: Mapping[str, float | None], derived: Derived
    ) -> None:
        """Leave out counters that stay 0 though power should have moved them.

        `power` has the power in W that each counter of today should count.
        """
        silent: set[str] = set()
        for name, watts in power.items():
            today = self._memory.todays.get(name)
            if today is None or name not in said:
                continue
            total_name = TOTAL_OF[name]
            never = said[name] == 0 and said.get(total_name) == 0
            if never and watts and _generated(said) >= _LONG_IN_USE:
                today.missing(_LONG_IN_USE)
            if not today.silent or today.stuck:
                continue
            silent.add(name)
            if name not in self._silent:
                derived.notes.append(
                    f"{name} stays 0 though power flows; today's energy is counted from power."
                )
            for each in (name, total_name):
                if said.pop(each, None) is not None:
                    derived.rejected.add(each)
        self._silent = silent

    def _judge_powers(self, sample: CounterSample, derived: Derived) -> None:
        beyond = impossible_powers(sample.said, sample.limits)
        derived.cannot_be(beyond)
        derived.notes += [
            f"{name} is {sample.said[name]:.0f}, more than can be; the value is left out."
            for name in sorted(beyond - self._beyond)
        ]
        self._beyond = beyond

    def _judge_total(self, name: str, sample: CounterSample, derived: Derived) -> None:
        memory, value = self._memory, sample.said[name]
        total = memory.totals.get(name) or memory.totals.setdefault(name, Total())
        if total.doubts and name not in sample.fresh:
            derived.cannot_be({name})
            return
        last = total.last
        verdict = total.enter(
            value, sample.at, sample.day, memory.time_line.moment, sample.limits.of_energy(name)
        )
        if verdict is Verdict.RESET:
            derived.notes.append(f"{name} has begun anew: it went from {last} to {value} kWh.")
        elif verdict is not Verdict.BELIEVED:
            derived.cannot_be({name})
        if verdict is Verdict.DOUBTED:
            derived.notes.append(_odd(name, last, value))

    def _judge_month(self, sample: CounterSample, derived: Derived) -> None:
        """On the first day of a month its counter begins anew, and shows what today's does."""
        memory, value = self._memory, sample.said[_MONTH]
        today = None if _ITS_TODAY in derived.rejected else sample.said.get(_ITS_TODAY)
        month = memory.totals.get(_MONTH)
        fell = month is not None and month.last is not None and value < month.last
        if fell and today is not None and abs(value - today) <= _STEP:
            del memory.totals[_MONTH]
        self._judge_total(_MONTH, sample, derived)

    def _judge_today(self, name: str, sample: CounterSample, derived: Derived) -> None:
        memory, value, moment = self._memory, sample.said[name], self._memory.time_line.moment
        today = memory.todays.get(name) or memory.todays.setdefault(name, Today())
        if today.doubts and name not in sample.fresh:
            derived.rejected.add(name)
            return
        last, was_stuck, total_name = today.last, today.stuck, TOTAL_OF[name]
        doubted = total_name in derived.impossible
        total = None if doubted else sample.said.get(total_name)
        kw = sample.limits.of_energy(name)
        due = memory.device_day.expects_reset(today, moment)
        verdict = today.enter(value, sample.at, sample.day, total, moment, kw, doubted, due)
        match verdict:
            case Verdict.RESET:
                memory.device_day.was_reset(moment, sample.at, sample.day)
                memory.rising.pop("today", None)
            case Verdict.BELIEVED:
                if last is not None and value > last and (sample.hybrid or name in _GENERATION):
                    memory.device_day.moved(moment)
            case _ if last is not None and value < last:
                derived.rejected.add(name)  # it may be a reset: the next sample tells
            case _:
                derived.cannot_be({name})
                if verdict is Verdict.DOUBTED:
                    derived.notes.append(_odd(name, last, value))
        if today.stuck and not was_stuck:
            derived.notes.append(
                f"{name} stays 0 while {total_name} moves; today's energy is taken from that."
            )

    def _publish_today(self, name: str, sample: CounterSample, derived: Derived) -> None:
        memory, today, total_name = self._memory, self._memory.todays[name], TOTAL_OF[name]
        energy: float | None = sample.said[name]
        if today.stuck:
            total = memory.totals.get(total_name)
            believed = total_name in sample.said and total_name not in derived.rejected
            known = total is not None and total.whole and believed
            energy = total.today() if total is not None and known else None
        else:
            moment = memory.time_line.moment
            over = memory.device_day.is_yesterdays(today, moment, sample.at, sample.day)
            began = memory.device_day.began(moment) or 0.0
            if not over:
                today.stale = 0.0
            elif not today.stale or began - today.stale_from > HOUR:
                today.stale, today.stale_from = today.previous, began
            energy = None if over is None else round(sample.said[name] - today.stale, 3)
        if energy is None:
            derived.rejected.add(name)
        elif energy != sample.said[name]:
            sample.said[name] = derived.values[name] = energy


def _odd(name: str, last: float | None, value: float) -> str:
    went = "fell" if last is not None and value < last else "rose"
    return (
        f"{name} {went} from {last} to {value} kWh; the value is left out until it is back, or "
        "has stayed."
    )


def _generated(said: Mapping[str, float]) -> float:
    """What the inverter has generated in its life, kWh."""
    return max(said.get("total_pv_generation", 0.0), said.get("total_power_yields", 0.0))
