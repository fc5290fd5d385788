"""A house with a PV system, and perhaps a battery, living through its days.

Pure and deterministic: the same site, first day and moment give the same state. Powers are whole
watts that hold for one step, energies whole joules, so all balances are exact:

    pv + discharge + imported = house + charge + exported
    pv = direct + charge + exported        house = direct + discharge + imported
"""

import math
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

STEP: Final = 60
"""Seconds for which all powers hold."""
STEPS_A_DAY: Final = 86400 // STEP
ONE_DAY: Final = timedelta(days=1)
TENTH_KWH: Final = 360_000
"""Joules."""
TRACES: Final = 3
"""Days kept in full."""


@dataclass(frozen=True, slots=True)
class Site:
    """What stands on the roof and in the cellar. Powers in W."""

    peak: int
    """PV power in full sun."""
    limit: int
    """AC power limit of the inverter."""
    mppts: tuple[float, ...]
    """Hours by which each tracker's modules see the sun before (-) or after (+) noon."""
    house: int
    """Mean household load."""
    capacity: int = 0
    """Of the battery, Wh; 0 for none."""
    battery_power: int = 0
    """Highest power into and out of the battery."""
    reserve: float = 0.10
    """Share of the capacity that is never discharged."""
    seed: int = 1


class SitePowers(NamedTuple):
    """Powers of one step, W, none of them negative."""

    pv: tuple[int, ...]
    house: int
    charge: int
    discharge: int

    @property
    def dc(self) -> int:
        """PV power of all trackers."""
        return sum(self.pv)

    @property
    def battery(self) -> int:
        """> 0 discharging, < 0 charging."""
        return self.discharge - self.charge

    @property
    def grid(self) -> int:
        """> 0 import, < 0 export."""
        return self.house - self.dc - self.battery

    @property
    def active(self) -> int:
        """AC power of the inverter."""
        return self.dc + self.battery


class Tally(NamedTuple):
    """Energies in J, and the seconds with PV."""

    pv: int = 0
    house: int = 0
    direct: int = 0
    charge: int = 0
    discharge: int = 0
    exported: int = 0
    imported: int = 0
    running: int = 0

    def plus(self, other: "Tally") -> "Tally":
        """Both together."""
        return Tally(*(a + b for a, b in zip(self, other, strict=True)))

    def minus(self, other: "Tally") -> "Tally":
        """What came on top of `other`."""
        return Tally(*(a - b for a, b in zip(self, other, strict=True)))


def tally(flow: SitePowers, seconds: int) -> Tally:
    """What a flow adds up to in some seconds."""
    pv, grid = flow.dc, flow.grid
    exported, imported = max(0, -grid), max(0, grid)
    direct = flow.house - flow.discharge - imported
    watts = (pv, flow.house, direct, flow.charge, flow.discharge, exported, imported, pv > 0)
    return Tally(*(watt * seconds for watt in watts))


class Now(NamedTuple):
    """The state at one moment."""

    moment: datetime
    """Local time without a zone, whole seconds."""
    flow: SitePowers
    stored: int
    """Energy in the battery, J."""
    today: Tally
    lifetime: Tally


def noise(seed: int, n: int) -> float:
    """A number in [0, 1) that looks random and is always the same (splitmix64)."""
    x = (seed * 0x9E3779B97F4A7C15 + n * 0xD1342543DE82EF95) & 0xFFFFFFFFFFFFFFFF
    x = ((x ^ x >> 30) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    x = ((x ^ x >> 27) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return (x ^ x >> 31) / 0x10000000000000000


def smooth(seed: int, t: float) -> float:
    """Noise that changes slowly: one independent value for each whole `t`."""
    n = math.floor(t)
    weight = (1 - math.cos((t - n) * math.pi)) / 2
    return noise(seed, n) * (1 - weight) + noise(seed, n + 1) * weight


def season(day: date) -> float:
    """1 at midsummer, -1 at midwinter."""
    return math.cos(2 * math.pi * (day.timetuple().tm_yday - 172) / 365.25)


def daylight(day: date) -> tuple[float, float]:
    """Sunrise and sunset, hours of summer time at 50 degrees north."""
    half = 6 + 2 * season(day)
    return 13.2 - half, 13.2 + half


def pv_power(site: Site, day: date, minute: float) -> tuple[int, ...]:
    """W of each tracker."""
    rise, sets = daylight(day)
    hour = minute / 60
    if not rise < hour < sets:
        return (0,) * len(site.mppts)
    clouds = noise(site.seed, day.toordinal()) ** 2
    drift = smooth(site.seed + 1, day.toordinal() * 96 + minute / 15)
    gusts = smooth(site.seed + 2, day.toordinal() * 480 + minute / 3)
    light = 1 - clouds * (0.3 + 0.5 * drift) - 0.12 * gusts * (clouds > 0.15)
    height = 0.7 + 0.3 * season(day)
    powers: list[int] = []
    for shift in site.mppts:
        x = min(1.0, max(0.0, (hour - shift - rise) / (sets - rise)))
        sun = math.sin(math.pi * x) ** 2.2 * height * light
        powers.append(int(site.peak / len(site.mppts) * sun))
    total = sum(powers)
    if total < site.limit // 200:
        return (0,) * len(powers)
    if total > site.limit:
        return tuple(power * site.limit // total for power in powers)
    return tuple(powers)


def house_power(site: Site, day: date, minute: float) -> int:
    """W: standby, a fridge, the hours of the day, and now and then a kettle or an oven."""
    key = day.toordinal() * STEPS_A_DAY + int(minute)
    hour = minute / 60
    morning = math.exp(-(((hour - 7.3) / 0.9) ** 2))
    noon = math.exp(-(((hour - 12.4) / 0.8) ** 2))
    evening = math.exp(-(((hour - 19.4) / 1.9) ** 2))
    rhythm = 0.45 + 0.8 * morning + 0.7 * noon + 1.4 * evening
    fridge = 80 if int(minute) % 50 < 18 else 0
    awake = 6.5 < hour < 22.5
    kettle = 1900 if awake and noise(site.seed + 3, key // 4) > 0.965 else 0
    flicker = 0.9 + 0.2 * noise(site.seed + 4, key)
    return int(site.house * rhythm * flicker) + fridge + kettle


def usual_day(site: Site, day: date) -> Tally:
    """A day of before the simulation began, in whole 0.1 kWh."""
    length = int(3600 * 2 * (6 + 2 * season(day)))
    weather = 0.35 + 0.65 * noise(site.seed, day.toordinal())
    pv = int(site.peak * (2.9 + 2.3 * season(day)) * weather / 100)
    house = int(site.house * 24 / 100)
    direct = min(pv * 2 // 5, house * 2 // 5)
    charge = min(pv - direct, site.capacity * 7 // 1000, house - direct)
    tenths = (pv, house, direct, charge, charge, pv - direct - charge, house - direct - charge)
    return Tally(*(tenth * TENTH_KWH for tenth in tenths), running=length)


class _Trace:
    """One day, computed as far as somebody asked."""

    def __init__(self, site: Site, day: date, stored: int) -> None:
        self._site = site
        self._day = day
        self.flows: list[SitePowers] = []
        self.sums = [Tally()]
        self.stored = [stored]

    def until(self, step: int) -> None:
        """Compute the steps up to and with `step`."""
        for n in range(len(self.flows), min(step + 1, STEPS_A_DAY)):
            flow = self._flow(n * STEP / 60)
            self.flows.append(flow)
            self.sums.append(self.sums[-1].plus(tally(flow, STEP)))
            self.stored.append(self.stored[-1] - flow.battery * STEP)

    def _flow(self, minute: float) -> SitePowers:
        site, stored = self._site, self.stored[-1]
        pv = pv_power(site, self._day, minute)
        house = house_power(site, self._day, minute)
        surplus = sum(pv) - house
        charge = discharge = 0
        if surplus > 0:
            room = max(0, site.capacity * 3600 - stored) // STEP
            charge = min(surplus, site.battery_power, room)
        else:
            left = max(0, stored - round(site.capacity * site.reserve) * 3600) // STEP
            discharge = min(-surplus, site.battery_power, left, site.limit - sum(pv))
        return SitePowers(pv, house, charge, discharge)


class Life:
    """A site from its first simulated day on; the days before are filled with usual ones."""

    def __init__(self, site: Site, first: date) -> None:
        self.site = site
        self.first = first
        self.commissioned = date(first.year - 2, 5, 1)
        self._usual: dict[date, Tally] = {}
        before = Tally()
        for n in range((first - self.commissioned).days):
            before = before.plus(self.day(self.commissioned + n * ONE_DAY))
        self._dawns = [(before, round(site.capacity * 0.3) * 3600)]
        """Lifetime energies and stored J at the start of each day lived."""
        self._traces: dict[date, _Trace] = {}

    def day(self, day: date) -> Tally:
        """The whole of a day that has ended; nothing before the commissioning."""
        if day < self.commissioned:
            return Tally()
        if day < self.first:
            if day not in self._usual:
                self._usual[day] = usual_day(self.site, day)
            return self._usual[day]
        self._trace(day + ONE_DAY)
        n = (day - self.first).days
        return self._dawns[n + 1][0].minus(self._dawns[n][0])

    def at(self, moment: datetime) -> Now:
        """The state at a moment, which is moved up to the first day if it is before that."""
        moment = max(moment, datetime.combine(self.first, datetime.min.time()))
        moment = moment.replace(microsecond=0)
        trace = self._trace(moment.date())
        step, rest = divmod(moment.hour * 3600 + moment.minute * 60 + moment.second, STEP)
        trace.until(step)
        flow = trace.flows[step]
        today = trace.sums[step].plus(tally(flow, rest))
        before, _ = self._dawns[(moment.date() - self.first).days]
        stored = trace.stored[step] - flow.battery * rest
        return Now(moment, flow, stored, today, before.plus(today))

    def last_sun(self, moment: datetime) -> datetime:
        """The newest step with PV power at or before a moment."""
        dawn = datetime.combine(self.first, datetime.min.time())
        while moment > dawn and self.at(moment).flow.dc == 0:
            moment -= timedelta(seconds=STEP)
        return moment

    def flows_of(self, now: Now) -> list[SitePowers]:
        """The day's flows, one a step, up to and with the running one."""
        seconds = now.moment.hour * 3600 + now.moment.minute * 60
        return self._trace(now.moment.date()).flows[: seconds // STEP + 1]

    def _trace(self, day: date) -> _Trace:
        """The day's trace, after living all days before it to their ends."""
        while len(self._dawns) <= (day - self.first).days:
            born = self.first + (len(self._dawns) - 1) * ONE_DAY
            trace = self._trace(born)
            trace.until(STEPS_A_DAY - 1)
            before, _ = self._dawns[-1]
            self._dawns.append((before.plus(trace.sums[-1]), trace.stored[-1]))
        if day not in self._traces:
            _, stored = self._dawns[(day - self.first).days]
            self._traces[day] = _Trace(self.site, day, stored)
            if len(self._traces) > TRACES:
                del self._traces[next(iter(self._traces))]
        return self._traces[day]


@lru_cache(maxsize=32)
def life_of(site: Site, first: date) -> Life:
    """The life of a site; devices of one site and first day share it."""
    return Life(site, first)
