"""Energy of today all over the world: zones, changes to summer time, late and early resets, clocks
of devices and machines that are wrong. Each case is some days of an inverter, read to their end.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from sungather.reading import Value
from sungather.registers.derive import Derivation
from sungather.registers.device import Device

STRING = Device(0x2430, "SG10RT", "SG-RT", nominal_kw=10)
HYBRID = Device(0x0E03, "SH10RT", "SH-RT", nominal_kw=10)
SYDNEY, SAN_FRANCISCO = ZoneInfo("Australia/Sydney"), ZoneInfo("America/Los_Angeles")
KATHMANDU, BERLIN, UNKNOWN = ZoneInfo("Asia/Kathmandu"), ZoneInfo("Europe/Berlin"), ZoneInfo("UTC")
STEP = timedelta(minutes=10)
DAYS = 4

Clock = timedelta | str | None
"""What the device's clock is ahead by; a text that it always shows; None where it is not read."""


@dataclass
class Roof:
    """An inverter in its place, and the machine that reads it."""

    zone: ZoneInfo
    first: date
    device: Device = STRING
    reset: time = time(6, 10)
    """When the counter begins anew, by the clock on the wall."""
    clock: Clock = None
    machine: ZoneInfo | None = None
    """The zone that the machine takes for the site's; None: the right one."""
    answers_at_night: bool = True
    ahead: timedelta = timedelta()
    """What the machine's clock is ahead by."""
    now: datetime = field(init=False)
    shown: float = 0.0
    lifetime: float = 8000.0
    used: float = 400.0

    def __post_init__(self) -> None:
        self.now = datetime.combine(self.first, time(12), self.zone).astimezone(UTC)
        self._started = self.now
        self.derivation = Derivation(self.machine or self.zone)

    @property
    def wall(self) -> datetime:
        return self.now.astimezone(self.zone)

    @property
    def awake(self) -> bool:
        return time(6) <= self.wall.time() < time(20)

    def live(self) -> Iterator[float | None]:
        """Some days; what is published as today's energy at each reading."""
        while self.wall.date() < self.first + timedelta(days=DAYS):
            before = self.wall
            self.now += STEP
            for day in {before.date(), self.wall.date()}:
                reset = datetime.combine(day, self.reset, self.zone).astimezone(UTC)
                if before.astimezone(UTC) < reset <= self.now:
                    self.shown = 0.0
            if self.awake:
                self.shown = round(self.shown + 0.05, 3)
                self.lifetime = round(self.lifetime + 0.05, 3)
            self.used = round(self.used + 0.01, 3)
            if self.awake or self.answers_at_night or self.device is HYBRID:
                yield self._read()

    def _read(self) -> float | None:
        pv = ("daily_power_yields", "total_power_yields")
        if self.device is HYBRID:
            pv = ("daily_pv_generation", "total_pv_generation")
        said: dict[str, Value] = dict(zip(pv, (self.shown, self.lifetime), strict=True))
        if self.device is HYBRID:  # it feeds the house all night
            said["total_battery_discharge_energy"] = self.used
        if isinstance(self.clock, timedelta):
            told = (self.wall + self.clock).replace(tzinfo=None, microsecond=0)
            said["device_clock"] = told.isoformat(sep=" ")
        elif self.clock is not None:
            said["device_clock"] = self.clock
        passed = (self.now - self._started).total_seconds()
        found = self.derivation.step(said, self.device, self.now + self.ahead, passed)
        today = found.values.get("pv_energy_today")
        assert today is None or isinstance(today, float | int)
        return today


ZONES = {
    "Sydney": (SYDNEY, date(2026, 6, 14)),
    "Sydney, summer time ends": (SYDNEY, date(2026, 4, 3)),
    "Sydney, summer time begins": (SYDNEY, date(2026, 10, 2)),
    "San Francisco": (SAN_FRANCISCO, date(2026, 6, 14)),
    "San Francisco, summer time begins": (SAN_FRANCISCO, date(2026, 3, 6)),
    "San Francisco, summer time ends": (SAN_FRANCISCO, date(2026, 10, 30)),
    "Kathmandu": (KATHMANDU, date(2026, 6, 14)),
    "Berlin, summer time begins": (BERLIN, date(2026, 3, 27)),
    "Berlin, summer time ends": (BERLIN, date(2026, 10, 23)),
}
RIGHT: dict[str, Clock] = {
    "no clock": None,
    "its clock": timedelta(),
    "no summer time": -timedelta(hours=1),
    "years behind": -timedelta(days=365 * 9),
    "never set, and runs": -timedelta(days=365 * 26, hours=6),
    "never set": "",
    "stands at midnight": "2000-01-01 00:00:00",
    "stands at noon": "2020-01-01 12:00:00",
}
RESETS = {
    "at 06:10": (STRING, time(6, 10), True),
    "at 06:10 after a silent night": (STRING, time(6, 10), False),
    "at midnight": (HYBRID, time(0), True),
    "at 23:55": (HYBRID, time(23, 55), True),
}


def is_of_today(roof: Roof) -> bool:
    """Whether the counter has begun anew for the day on the wall, or that of its own clock."""
    not_yet_midnight = roof.clock == RIGHT["no summer time"] and not roof.wall.hour
    return roof.reset > time(23) or roof.wall.time() >= roof.reset or not_yet_midnight


@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize(
    ("place", "clock"),
    [
        (place, clock)
        for place in ZONES
        for clock in RIGHT
        if clock in ("no clock", "its clock", "no summer time") or "summer" not in place
    ],
)
def test_today_is_the_inverters_own_or_absent(place: str, clock: str, reset: str) -> None:
    zone, first = ZONES[place]
    device, at, answers = RESETS[reset]
    roof = Roof(zone, first, device, at, RIGHT[clock], answers_at_night=answers)
    for today in roof.live():
        where = f"{roof.wall}: {today}, the counter shows {roof.shown}"
        if is_of_today(roof):
            assert today in (None, roof.shown), where
        else:
            assert today is None or 0 <= today < 0.2, where
        if roof.wall.date() > first and time(8) <= roof.wall.time() < time(20):
            assert today == roof.shown, where


@pytest.mark.parametrize("answers", [True, False])
@pytest.mark.parametrize("hours", [-11, -5, 3, 5, 9, 14])
@pytest.mark.parametrize("place", ["Sydney", "San Francisco", "Kathmandu"])
def test_a_devices_clock_that_is_wrong_by_hours_cuts_no_day(
    place: str, hours: int, answers: bool
) -> None:
    """Its counter begins anew when it wakes, and goes on past the midnight of its clock."""
    zone, first = ZONES[place]
    roof = Roof(zone, first, clock=timedelta(hours=hours), answers_at_night=answers)
    for today in roof.live():
        where = f"{roof.wall}: {today}, the counter shows {roof.shown}"
        if time(6, 10) <= roof.wall.time() < time(20):
            assert today in (None, roof.shown), where
        else:
            assert today is None or today <= roof.shown, where
        if roof.wall.date() > first + timedelta(days=1) and time(9) <= roof.wall.time() < time(19):
            assert today == roof.shown, where


@pytest.mark.parametrize("device", [STRING, HYBRID], ids=["string", "hybrid"])
@pytest.mark.parametrize(
    "place", ["Sydney", "San Francisco", "Kathmandu", "Sydney, summer time ends"]
)
def test_a_machine_that_nobody_told_the_zone_alters_no_counter(place: str, device: Device) -> None:
    zone, first = ZONES[place]
    reset = time(0) if device is HYBRID else time(6, 10)
    roof = Roof(zone, first, device, reset, machine=UNKNOWN)
    absent = 0
    for today in roof.live():
        assert today in (None, roof.shown), f"{roof.wall}: {today} instead of {roof.shown}"
        if roof.wall.date() > first + timedelta(days=1) and time(7) <= roof.wall.time() < time(20):
            absent += today is None
    assert absent <= 2


@pytest.mark.parametrize("hours", [-300_000, -30, -10, 5, 26])
@pytest.mark.parametrize("clock", ["no clock", "its clock", "stands at midnight"])
def test_a_machine_without_a_clock_alters_no_counter(clock: str, hours: int) -> None:
    """A Pi: it starts with a wrong time, and is told the right one three hours later."""
    zone, first = ZONES["Kathmandu"]
    roof = Roof(zone, first, clock=RIGHT[clock], ahead=timedelta(hours=hours))
    for n, today in enumerate(roof.live()):
        if n == 18:
            roof.ahead = timedelta()
        if is_of_today(roof):
            assert today in (None, roof.shown), roof.wall
        else:
            assert today is None or today < 0.2, roof.wall
        if n > 18 and roof.awake and roof.wall.time() > time(9):
            assert today == roof.shown, roof.wall
