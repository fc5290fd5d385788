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
from datetime import datetime, time, timedelta
from math import isfinite
from typing import TypeGuard
from zoneinfo import ZoneInfo

from sungather.household import FLOWS, error_of, house_of
from sungather.reading import Value
from sungather.registers.counter_judge import TOTAL_OF, CounterJudge, CounterSample, Derived
from sungather.registers.counter_state import Memory
from sungather.registers.counters import DAY, Day, Integral, Rising, Stopwatch
from sungather.registers.device import Device
from sungather.registers.home_manager import HomeManagerCheck
from sungather.registers.plausibility import bounds
from sungather.registers.powers import Powers, off_grid, powers
from sungather.registers.stuck_meter import MOVED, MOVED_TO, MeterWatch, MovedMeter

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


class Derivation:
    """Goes from reading to reading of one inverter and remembers its counters."""

    def __init__(self, timezone: ZoneInfo, memory: Memory | None = None) -> None:
        """Begin with what is remembered; days begin at midnight in `timezone`, the site's."""
        self._timezone = timezone
        self._memory = memory or Memory()
        self._stopwatch = Stopwatch()
        self._before: dict[str, float] = {}
        self._meter = MeterWatch()
        self._moved = MovedMeter()
        self._home_manager = HomeManagerCheck()
        self._complained = ""
        """The local day on which the log was told of the meter."""
        self._judge = CounterJudge(self._memory)
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
        self._judge = CounterJudge(self._memory)

    def step(
        self,
        values: Mapping[str, Value],
        device: Device,
        now: datetime,
        monotonic: float,
        fresh: Set[str] | None = None,
        others_kw: float | None = 0.0,
        home_manager: bool = False,
    ) -> Derived:
        """Derive from the values of one reading.

        `now` is the UTC time of the reading, `monotonic` are seconds on a clock that is never
        set; only its differences count. `fresh` are the names that were read just now (None:
        all), `others_kw` is the nominal power of the site's other inverters, None if not known;
        `home_manager`: one is read at the site, so nobody is told to add it.
        """
        at, day = now.timestamp(), self._day(now)
        derived = Derived()
        said = {name: value for name, value in values.items() if _is_number(value)}
        fresh = values.keys() if fresh is None else fresh
        self._judge.go_on(at, monotonic, values.get(CLOCK) if CLOCK in fresh else None)
        derived.rejected |= self._meter.frozen(said, device, monotonic)
        sample = CounterSample(said, fresh, at, day, bounds(device, others_kw), device.hybrid)
        self._judge.judge(sample, derived)
        self._judge_meter(said, values, device, monotonic, derived, told=home_manager)
        for name in derived.rejected:
            said.pop(name, None)
        doubted = frozenset(derived.rejected)
        found = powers(said, device, without_grid=off_grid(values), doubted=doubted)
        self._judge_house(found, derived, alone=others_kw == 0)
        power = {f"{flow}_power": watts for flow, watts in found.flows.items()}
        flows = {counter: power.get(f"{flow}_power") for _, flow, counter in _TO_AND_FROM_GRID}
        self._judge.drop_silent(said, flows, derived)
        grid = self._to_and_from_grid(said, power, at, day, monotonic)
        energies = self._energies(said, device, day)
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

    def _judge_meter(
        self,
        said: Mapping[str, float],
        values: Mapping[str, Value],
        device: Device,
        monotonic: float,
        derived: Derived,
        *,
        told: bool,
    ) -> None:
        """Leave out what a meter says that is somewhere else, or that contradicts itself."""
        if device.family == "ems":
            wrong, problem = self._home_manager.step(said, monotonic)
            derived.rejected |= wrong
        elif self._moved.moved(said, device, without_grid=off_grid(values)):
            derived.rejected |= said.keys() & set(MOVED)
            problem = "" if told else MOVED_TO
        else:
            return
        self._complain(problem, derived)

    def _complain(self, problem: str, derived: Derived) -> None:
        """Say what is wrong with the meter; to the log once a day."""
        derived.meter_problem = problem
        if problem and self._complained != self._day_of.date:
            self._complained = self._day_of.date
            derived.notes.append(problem)

    def _judge_house(self, found: Powers, derived: Derived, *, alone: bool) -> None:
        if found.false_load:
            derived.rejected.add(found.false_load)
        if (house := found.negative_house) is None or not alone:
            return
        self._complain(_meter_problem(-house), derived)

    def _energies(self, said: Mapping[str, float], device: Device, day: Day) -> dict[str, float]:
        counters = _HYBRID_COUNTERS if device.hybrid else _STRING_COUNTERS
        flows = [flow for flow in counters if device.meter or not flow.startswith("grid")]
        energies: dict[str, float] = {}
        integrated = self._integrated(day)
        for flow in flows:
            today = self._today(counters[flow], said)
            if today is None:
                today = integrated.get(counters[flow])
            if today is not None:
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

    def _integrated(self, day: Day) -> dict[str, float]:
        """Counter that never counts -> the energy of this whole day, by its power."""
        memory, found = self._memory, dict[str, float]()
        for name, _, counter in _TO_AND_FROM_GRID:
            today, integral = memory.todays.get(counter), memory.integrals.get(name)
            if today is None or integral is None or not today.silent or today.stuck:
                continue
            if integral.whole and integral.date == day.date:
                found[counter] = round(integral.kwh, 3)
        return found

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


_TO_AND_FROM_GRID = (
    ("export_to_grid", "grid_export", "daily_export_energy"),
    ("import_from_grid", "grid_import", "daily_import_energy"),
)
"""SunGather's name, household flow, the inverter's counter of today."""


def _meter_problem(watts: float) -> str:
    return (
        f"According to the smart meter, the house would be producing {watts:.0f} W, so its "
        "consumption is left out. "
        "Check that the meter is at the grid connection and its current transformers point the "
        "right way. If another inverter feeds in behind the same meter, read that one as well."
    )


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
