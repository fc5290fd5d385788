"""What follows from the values that an inverter gives: the household figures, and the counters.

The household figures have the same names, units and signs on every model: `pv_power`,
`house_power`, `grid_import_power`, `grid_export_power`, `battery_charge_power` and
`battery_discharge_power` in W, never negative; and for each of them `…_energy_today` and
`…_energy_total` in kWh. A figure is there only if all of its sources are.

SunGather's derived names are kept: `run_state` (ON or OFF), `export_to_grid`, `import_from_grid`
(W, never negative), `daily_export_to_grid`, `daily_import_from_grid` (kWh) and `last_reset`, the
local time from which these two count: midnight, or when counting began in the middle of a day.
Its `timestamp` is the time of the reading itself.

Some values of the inverter are corrected or withheld on the way, see `plausibility.py`,
`counters.py` and `device_day.py`.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from math import isfinite
from typing import TypeGuard
from zoneinfo import ZoneInfo

from sungather.household import FLOWS, error_of, house_of
from sungather.reading import Value
from sungather.registers.counter_state import Memory
from sungather.registers.counters import (
    DAY,
    Day,
    Integral,
    Rising,
    Stopwatch,
    Today,
    Total,
    Verdict,
)
from sungather.registers.device import Device
from sungather.registers.plausibility import Bounds, bounds, impossible_powers
from sungather.registers.powers import Powers, off_grid, powers
from sungather.registers.stuck_meter import MeterWatch

UNITS: Mapping[str, str] = {
    **{f"{flow}_power": "W" for flow in FLOWS},
    **{f"{flow}_energy_today": "kWh" for flow in FLOWS},
    **{f"{flow}_energy_total": "kWh" for flow in FLOWS},
    "export_to_grid": "W",
    "import_from_grid": "W",
    "daily_export_to_grid": "kWh",
    "daily_import_from_grid": "kWh",
}
"""Units of the names that are derived; `run_state` and `last_reset` are texts."""

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

_STRING_COUNTERS = {
    "pv": "daily_power_yields",
    "grid_import": "daily_import_energy",
    "grid_export": "daily_export_energy",
}
_HYBRID_COUNTERS = {
    "pv": "daily_pv_generation",
    "grid_import": "daily_import_energy",
    "grid_export": "daily_export_energy",
    "battery_charge": "daily_charge_energy",
    "battery_discharge": "daily_battery_discharge_energy",
}
CLOCK = "device_clock"
"""Published name of the device's own clock."""
_OPERATING = frozenset(
    {"microgrid operation", "open loop", "emergency charging", "off-grid charge"}
)
"""States in which the inverter works though they do not say "run"."""


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


class Derivation:
    """Goes from reading to reading of one inverter and remembers its counters."""

    def __init__(self, timezone: ZoneInfo, memory: Memory | None = None) -> None:
        """Begin with what is remembered; days begin at midnight in `timezone`, the site's."""
        self._timezone = timezone
        self._memory = memory or Memory()
        self._stopwatch = Stopwatch()
        self._before: dict[str, float] = {}
        self._meter = MeterWatch()
        self._complained = ""
        """The local day on which the log was told of the meter."""
        self._monotonic: float | None = None
        self._beyond: set[str] = set()
        """Powers that were impossible in the reading before."""
        self._silent: set[str] = set()
        """Counters that did not count in the reading before."""
        self._day_of = Day("", 0.0)
        self._day_ends = 0.0

    @classmethod
    def from_json(cls, content: object, timezone: ZoneInfo) -> "Derivation":
        """Go on from what `as_json` gave; begin anew if it is damaged or None."""
        return cls(timezone, Memory.from_json(content))

    def as_json(self) -> dict[str, object]:
        """What must survive a restart."""
        return self._memory.as_json()

    def forget(self) -> None:
        """Begin anew: another inverter answers from now on."""
        self._memory, self._stopwatch, self._before = Memory(), Stopwatch(), {}

    def step(
        self,
        values: Mapping[str, Value],
        device: Device,
        now: datetime,
        monotonic: float,
        fresh: Set[str] | None = None,
        others_kw: float | None = 0.0,
    ) -> Derived:
        """Derive from the values of one reading.

        `now` is the UTC time of the reading, `monotonic` are seconds on a clock that is never
        set; only its differences count. `fresh` are the names that were read just now (None:
        all), `others_kw` is the nominal power of the site's other inverters, None if not known.
        """
        at, day = now.timestamp(), self._day(now)
        derived = Derived()
        said = {name: value for name, value in values.items() if _is_number(value)}
        fresh = values.keys() if fresh is None else fresh
        self._go_on(values, at, monotonic, fresh)
        limits = bounds(device, others_kw)
        derived.rejected |= self._meter.frozen(said, device, monotonic)
        self._judge_powers(said, limits, derived)
        self._judge_totals(said, at, day, derived, fresh, limits)
        self._judge_todays(said, at, day, derived, fresh, limits)
        derived.rejected |= derived.impossible
        for name in derived.rejected:
            del said[name]
        found = powers(
            said, device, without_grid=off_grid(values), doubted=frozenset(derived.rejected)
        )
        self._judge_house(found, day, derived, alone=others_kw == 0)
        power = {f"{flow}_power": watts for flow, watts in found.flows.items()}
        self._drop_silent(said, power, derived)
        energies = self._energies(said, device, day)
        grid = self._to_and_from_grid(said, power, at, day, monotonic)
        derived.values |= power | energies | grid
        derived.units = {name: UNITS[name] for name in derived.values if name in UNITS}
        if (state := run_state(values)) is not None:
            derived.values["run_state"] = state
        return derived

    def _day(self, now: datetime) -> Day:
        """The local day of `now`; most readings are of the same one as the reading before."""
        if not self._day_of.began <= now.timestamp() < self._day_ends:
            today = now.astimezone(self._timezone).date()
            begin = datetime.combine(today, time(), self._timezone)
            end = datetime.combine(today + timedelta(days=1), time(), self._timezone)
            self._day_of = Day(today.isoformat(), begin.timestamp())
            self._day_ends = end.timestamp()
        return self._day_of

    def _go_on(
        self, values: Mapping[str, Value], at: float, monotonic: float, fresh: Set[str]
    ) -> None:
        """Advance the time line, and see what the clocks tell."""
        memory, before = self._memory, self._monotonic
        passed = None if before is None else monotonic - before
        self._monotonic = monotonic
        if memory.time_line.advance(at, passed):
            memory.device_day.clock_was_set()
        if CLOCK in values and CLOCK in fresh:
            memory.device_day.read_clock(values[CLOCK], memory.time_line.moment)

    def _judge_powers(self, said: Mapping[str, float], limits: Bounds, derived: Derived) -> None:
        beyond = impossible_powers(said, limits)
        derived.impossible |= beyond
        derived.notes += [
            f"{name} is {said[name]:.0f}, more than can be; the value is left out."
            for name in sorted(beyond - self._beyond)
        ]
        self._beyond = beyond

    def _judge_totals(
        self,
        said: Mapping[str, float],
        at: float,
        day: Day,
        derived: Derived,
        fresh: Set[str],
        limits: Bounds,
    ) -> None:
        moment, totals = self._memory.time_line.moment, self._memory.totals
        for name in _TOTALS:
            if (value := said.get(name)) is None:
                continue
            total = totals.get(name) or totals.setdefault(name, Total())
            if total.doubts and name not in fresh:
                derived.impossible.add(name)
                continue
            last = total.last
            verdict = total.enter(value, at, day, moment, limits.of_energy(name))
            if verdict is Verdict.RESET:
                derived.notes.append(f"{name} has begun anew: it went from {last} to {value} kWh.")
            else:
                _doubt(name, last, value, verdict, derived)

    def _judge_todays(
        self,
        said: dict[str, float],
        at: float,
        day: Day,
        derived: Derived,
        fresh: Set[str],
        limits: Bounds,
    ) -> None:
        """Judge the counters of today, then whether they are today's."""
        memory, moment = self._memory, self._memory.time_line.moment
        read = [name for name in TOTAL_OF if name in said]
        for name in read:
            today = memory.todays.get(name) or memory.todays.setdefault(name, Today())
            if today.doubts and name not in fresh:
                derived.impossible.add(name)
                continue
            last, was_stuck, total_name = today.last, today.stuck, TOTAL_OF[name]
            doubted = total_name in derived.impossible
            total = None if doubted else said.get(total_name)
            verdict = today.enter(
                said[name], at, day, total, moment, limits.of_energy(name), doubted
            )
            _doubt(name, last, said[name], verdict, derived)
            if verdict is Verdict.RESET:
                memory.device_day.was_reset(moment, at, day)
                memory.rising.pop("today", None)
            elif last is not None and today.last is not None and today.last > last:
                memory.device_day.moved(moment)
            if today.stuck and not was_stuck:
                derived.notes.append(
                    f"{name} stays 0 while {total_name} moves; today's energy is taken from that."
                )
        for name in read:
            if name not in derived.impossible:
                self._publish_today(name, said, at, day, derived)

    def _publish_today(
        self, name: str, said: dict[str, float], at: float, day: Day, derived: Derived
    ) -> None:
        memory, today = self._memory, self._memory.todays[name]
        if today.stuck:
            total = memory.totals.get(TOTAL_OF[name])
            moved = total.today() if total is not None and total.whole else None
            if moved is None or TOTAL_OF[name] in derived.impossible or TOTAL_OF[name] not in said:
                derived.rejected.add(name)
            else:
                said[name] = derived.values[name] = moved
            return
        over = memory.device_day.is_yesterdays(today, memory.time_line.moment, at, day)
        if over is None:
            derived.rejected.add(name)
        elif over:
            today.stale = today.stale or today.previous
            said[name] = derived.values[name] = round(said[name] - today.stale, 3)
        else:
            today.stale = 0.0

    def _drop_silent(
        self, said: dict[str, float], power: Mapping[str, float], derived: Derived
    ) -> None:
        """Leave out counters of the grid that stay 0 though its power should have moved them."""
        silent: set[str] = set()
        for _, flow, name in _TO_AND_FROM_GRID:
            today = self._memory.todays.get(name)
            if today is None or name not in said:
                continue
            total_name = TOTAL_OF[name]
            never = said[name] == 0 and said.get(total_name) == 0
            if never and power.get(f"{flow}_power") and _generated(said) >= _LONG_IN_USE:
                today.missing(_LONG_IN_USE)
            if today.silent and not today.stuck:
                if name not in self._silent:
                    derived.notes.append(
                        f"{name} stays 0 though power flows; today's energy is counted from power."
                    )
                silent.add(name)
                for each in (name, total_name):
                    if said.pop(each, None) is not None:
                        derived.rejected.add(each)
        self._silent = silent

    def _judge_house(self, found: Powers, day: Day, derived: Derived, *, alone: bool) -> None:
        if found.false_load:
            derived.rejected.add(found.false_load)
        if (house := found.negative_house) is None or not alone:
            return
        derived.meter_problem = _meter_problem(-house)
        if self._complained != day.date:
            self._complained = day.date
            derived.notes.append(derived.meter_problem)

    def _energies(self, said: Mapping[str, float], device: Device, day: Day) -> dict[str, float]:
        counters = _HYBRID_COUNTERS if device.hybrid else _STRING_COUNTERS
        flows = [flow for flow in counters if device.meter or not flow.startswith("grid")]
        energies: dict[str, float] = {}
        for flow in flows:
            if (today := self._today(counters[flow], said)) is not None:
                energies[f"{flow}_energy_today"] = today
            if (total := said.get(TOTAL_OF[counters[flow]])) is not None:
                energies[f"{flow}_energy_total"] = total
        for period, date in (("today", day.date), ("total", "")):
            parts = {flow: energies.get(f"{flow}_energy_{period}") for flow in counters}
            used = house_of(parts, counters)
            known = [part for part in parts.values() if part is not None]
            if used is not None and used >= -error_of(known, "kWh"):
                rising = self._memory.rising.setdefault(period, Rising())
                house = rising.enter(round(max(0.0, used), 3), date)
                energies[f"house_energy_{period}"] = house
        return energies

    def _today(self, counter: str, said: Mapping[str, float]) -> float | None:
        """The inverter's counter of today, or the part of its lifetime counter that is today's."""
        if counter in said or self._has_of_today(counter):
            return said.get(counter)
        total = self._memory.totals.get(TOTAL_OF[counter])
        if total is None or TOTAL_OF[counter] not in said or not total.whole:
            return None
        return total.today()

    def _has_of_today(self, counter: str) -> bool:
        """Whether the inverter has this counter of today, and it counts."""
        memory, today = self._memory, self._memory.todays.get(counter)
        if today is None or today.stuck or today.silent:
            return False
        return memory.time_line.moment - today.moment < DAY

    def _to_and_from_grid(
        self,
        said: Mapping[str, float],
        power: Mapping[str, float],
        at: float,
        day: Day,
        monotonic: float,
    ) -> dict[str, Value]:
        """SunGather's figures of the grid, and the time from which those in kWh count."""
        seconds = self._stopwatch.lap(monotonic)
        derived: dict[str, Value] = {}
        counted_from: list[float] = []
        for name, flow, counter in _TO_AND_FROM_GRID:
            watts = power.get(f"{flow}_power")
            before = self._before.pop(name, None)
            if watts is not None:
                derived[name] = self._before[name] = watts
                integral = self._memory.integrals.setdefault(name, Integral())
                counted = integral.kwh if integral.date == day.date else 0.0
                integral.enter(watts, before, seconds, at, day)
                if (today := self._memory.todays.get(counter)) is not None:
                    today.missing(integral.kwh - counted)
            if (found := self._counted_today(name, counter, said, at, day)) is not None:
                derived[f"daily_{name}"], since = found
                counted_from.append(since)
        if counted_from:
            since = datetime.fromtimestamp(max(counted_from), self._timezone)
            derived["last_reset"] = since.strftime("%Y-%m-%d %H:%M:%S")
        return derived

    def _counted_today(
        self, name: str, counter: str, said: Mapping[str, float], at: float, day: Day
    ) -> tuple[float, float] | None:
        """Energy of today, and since when (UTC seconds) it counts.

        From the inverter's counter, else from its lifetime counter, else from its power. An
        inverter that has counters is not integrated when they are missing once: the figure would
        jump.
        """
        memory = self._memory
        if counter in said:
            own = memory.device_day
            since = at - (memory.time_line.moment - own.reset) if own.own and own.reset else None
            return said[counter], day.began if since is None else since
        today, total = memory.todays.get(counter), memory.totals.get(TOTAL_OF[counter])
        if today is None or not today.silent:
            if self._has_of_today(counter):
                return None
            if total is not None and TOTAL_OF[counter] in said:
                return total.today() or 0.0, total.since
            if total is not None or today is not None:
                return None
        integral = self._memory.integrals.get(name)
        if integral is None or integral.date != day.date:
            return None
        return round(integral.kwh, 6), integral.since


_TOTALS = tuple(sorted(TOTAL_OF.values()))
_LONG_IN_USE = 100.0
"""kWh: an inverter that generated so much has had to do with the grid."""

_TO_AND_FROM_GRID = (
    ("export_to_grid", "grid_export", "daily_export_energy"),
    ("import_from_grid", "grid_import", "daily_import_energy"),
)
"""SunGather's name, household flow, the inverter's counter of today."""


def _meter_problem(watts: float) -> str:
    return (
        f"By the smart meter the house would give out {watts:.0f} W, so what it uses is left out. "
        "Check that the meter is at the grid connection and its current transformers point the "
        "right way. If another inverter feeds in behind the same meter, read that one as well."
    )


def _doubt(
    name: str, last: float | None, value: float, verdict: Verdict, derived: Derived
) -> None:
    """Leave out a counter's sample that cannot follow the last one; said once."""
    if verdict not in (Verdict.DOUBTED, Verdict.STILL_DOUBTED):
        return
    derived.impossible.add(name)
    fell = last is not None and value < last
    if verdict is Verdict.DOUBTED and (name in _TOTALS or not fell):
        went = "fell" if fell else "rose"
        derived.notes.append(
            f"{name} {went} from {last} to {value} kWh; the value is left out until it is "
            "back, or has stayed."
        )


def _generated(said: Mapping[str, float]) -> float:
    """What the inverter has generated in its life, kWh."""
    return max(said.get("total_pv_generation", 0.0), said.get("total_power_yields", 0.0))


def run_state(values: Mapping[str, Value]) -> str | None:
    """ON while the inverter works, by its state; by its switch where the state says nothing."""
    switch = values.get("start_stop")
    if switch == "Stop":
        return "OFF"
    for name in ("work_state_1", "system_state"):
        state = values.get(name)
        if isinstance(state, str) and not state.startswith("unknown"):
            words = state.lower().split()
            works = {"run", "running"} & set(words) or state.lower() in _OPERATING
            return "ON" if works else "OFF"
    return "ON" if switch == "Start" else None


def _is_number(value: Value) -> TypeGuard[float]:
    """Whether the value counts something; a bool does not."""
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
