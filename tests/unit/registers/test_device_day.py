"""Energy of today is the device's: no clock of ours changes it, and what is doubtful is absent."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sungather.reading import Value
from sungather.registers.derive import Derivation, Derived
from sungather.registers.device import Device

STRING = Device(0x2430, "SG10RT", "SG-RT", nominal_kw=10)
BERLIN = ZoneInfo("Europe/Berlin")
MIDNIGHT = datetime(2026, 6, 14, 22, tzinfo=UTC)
"""In Berlin, where June the 15th begins."""
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@dataclass
class House:
    """A device with a counter of today, read by a machine whose clock may say anything."""

    zone: ZoneInfo = BERLIN
    now: datetime = MIDNIGHT - 10 * HOUR
    """The true time."""
    error: timedelta = timedelta()
    """What is added to it by our clock."""
    shown: float = 5.0
    lifetime: float = 5000.0
    tells: dict[str, Value] = field(default_factory=dict[str, Value])
    clock: timedelta | None = None
    """By how much the device's clock is ahead of Berlin's, if the device tells it."""
    started: datetime = MIDNIGHT - 10 * HOUR
    derivation: Derivation = field(init=False)

    def __post_init__(self) -> None:
        self.derivation = Derivation(self.zone)

    def counts(self, kwh: float) -> None:
        self.shown, self.lifetime = round(self.shown + kwh, 3), round(self.lifetime + kwh, 3)

    def read(self) -> Derived:
        said: dict[str, Value] = {
            "daily_power_yields": self.shown,
            "total_power_yields": self.lifetime,
        }
        if self.clock is not None:
            local = (self.now + self.clock).astimezone(BERLIN).replace(tzinfo=None, microsecond=0)
            said["device_clock"] = local.isoformat(sep=" ")
        monotonic = (self.now - self.started).total_seconds()
        return self.derivation.step(said | self.tells, STRING, self.now + self.error, monotonic)

    def today(self, after: timedelta = timedelta(seconds=30)) -> object:
        """What is published as today's after that time; both names must agree."""
        self.now += after
        found = self.read()
        published = found.values.get("pv_energy_today")
        own = found.values.get("daily_power_yields", self.shown)
        assert published == (None if "daily_power_yields" in found.rejected else own)
        return published

    def every(self, step: timedelta, times: int, kwh: float = 0.0) -> list[object]:
        found: list[object] = []
        for _ in range(times):
            self.counts(kwh)
            found.append(self.today(step))
        return found

    def restart(self) -> None:
        saved = json.loads(json.dumps(self.derivation.as_json()))
        self.derivation, self.started = Derivation.from_json(saved, self.zone), self.now


def evening(until: datetime = MIDNIGHT - MINUTE, **more: Value) -> House:
    """A house in Berlin that was read until 23:59 and counted until 20:00."""
    house = House(tells=more)
    house.every(timedelta(minutes=10), 48, 0.1)
    while house.now < until:
        house.today(MINUTE)
    return house


def values(found: Iterable[object]) -> set[object]:
    return set(found)


def test_a_counter_that_sleeps_past_midnight_is_absent_until_its_reset() -> None:
    house = evening()
    assert house.today() == 9.8
    assert values(house.every(10 * MINUTE, 36)) == {None}
    house.shown = 0.1
    assert house.every(MINUTE, 4) == [None, 0.1, 0.1, 0.1]
    assert house.every(MINUTE, 4, 0.1) == [0.2, 0.3, 0.4, 0.5]


def test_a_counter_that_wakes_before_its_reset_is_absent_until_that() -> None:
    house = evening()
    house.every(10 * MINUTE, 36)
    assert values(house.every(10 * MINUTE, 4, 0.1)) == {None}
    house.shown = 0.0
    assert house.every(MINUTE, 3)[-1] == 0.0


@pytest.mark.parametrize("clock", [None, timedelta()], ids=["no clock", "its clock"])
def test_a_reset_long_after_waking_is_that_of_midnight(clock: timedelta | None) -> None:
    """It does not make a day of its own that begins in the morning, on this day or the next."""
    house = evening()
    house.clock = clock
    for _ in range(2):
        house.every(10 * MINUTE, 36)
        asleep = house.shown
        morning = house.every(10 * MINUTE, 10, 0.1)
        expected = [None] * 10 if clock is None else [round(n / 10, 1) for n in range(1, 11)]
        assert morning == expected
        assert house.shown > asleep
        house.shown = 0.0
        house.every(MINUTE, 3)
        house.every(10 * MINUTE, 60, 0.1)
        while house.now.astimezone(BERLIN).hour:
            house.today(10 * MINUTE)


def test_a_reset_at_midnight_is_followed_within_a_minute() -> None:
    house = evening()
    house.today(MINUTE)
    house.shown = 0.0
    assert house.every(timedelta(seconds=30), 4) == [None, None, 0.0, 0.0]


@pytest.mark.parametrize("minutes", [5, 60, 110], ids=["23:55", "23:00, no summer time", "22:10"])
def test_a_reset_before_our_midnight_began_the_day(minutes: int) -> None:
    house = House()
    while house.now < MIDNIGHT - minutes * MINUTE:
        house.counts(0.01)
        house.today(MINUTE)
    house.shown = 0.0
    house.every(MINUTE, 2)
    found: list[object] = []
    for _ in range(180):
        house.counts(0.01)
        house.today(MINUTE)
        found.append(house.read().values.get("pv_energy_today"))
    assert None not in found
    assert found[-1] == house.shown


def test_a_reset_just_before_our_midnight_is_known_though_all_stood_still_before_it() -> None:
    house = evening(MIDNIGHT - 5 * MINUTE)
    house.shown = 0.0
    house.every(MINUTE, 2)
    house.counts(0.1)
    assert values(house.every(MINUTE, 60)) == {0.1}


def test_an_hour_of_standing_still_does_not_renew_a_doubt_that_was_refuted() -> None:
    """On a machine on UTC, in a morning with clouds."""
    began = datetime(2026, 6, 14, 23, tzinfo=UTC)
    house = House(ZoneInfo("UTC"), now=began, started=began)
    found = house.every(MINUTE, 140, 0.01)
    assert None in found
    assert found[-1] == house.shown
    house.every(10 * MINUTE, 12)
    assert None not in house.every(MINUTE, 30, 0.01)


def test_a_counter_that_was_0_all_day_is_todays_when_it_moves() -> None:
    house = House(shown=0.0)
    assert values(house.every(10 * MINUTE, 150)) == {0.0}
    assert house.every(10 * MINUTE, 2, 0.1) == [0.1, 0.2]


@pytest.mark.parametrize(
    "device_midnight",
    [
        pytest.param(14, id="Sydney: our midnight is in the morning"),
        pytest.param(7, id="San Francisco: in the afternoon"),
    ],
)
def test_a_machine_on_utc_takes_the_day_from_an_inverter_that_is_awake(
    device_midnight: int,
) -> None:
    began = datetime(2026, 6, 14, device_midnight, tzinfo=UTC)
    house = House(ZoneInfo("UTC"), now=began + HOUR, started=began + HOUR, shown=0.5)
    absent = [0, 0, 0]
    for day in range(3):
        while house.now < began + timedelta(days=day + 1):
            house.counts(0.01)
            found = house.today(MINUTE)
            assert found in (None, house.shown)
            absent[day] += found is None
        house.shown = 0.0
        house.every(MINUTE, 2)
    # At first an hour of doubt and the confirmation of a reset; then it is known.
    assert absent[0] <= 62
    assert absent[1] <= 2
    assert absent[2] <= 2


def test_a_reset_far_from_our_midnight_leaves_no_doubt_at_the_next_one() -> None:
    """A machine on UTC in Sydney, that is started in an evening there."""
    began = datetime(2026, 6, 14, 10, tzinfo=UTC)
    house = House(ZoneInfo("UTC"), now=began, started=began)
    house.every(MINUTE, 240, 0.01)
    house.shown = 0.0
    house.every(MINUTE, 2)
    for _ in range(20 * 60):
        house.counts(0.01)
        assert house.today(MINUTE) == house.shown


def test_a_pi_without_a_clock_keeps_the_inverters_counter() -> None:
    """It starts at yesterday 23:50, and NTP sets it to 10:00."""
    house = House(error=-10 * HOUR - 10 * MINUTE, now=MIDNIGHT + 10 * HOUR)
    house.started = house.now
    assert house.every(timedelta(seconds=15), 3) == [5.0] * 3
    house.error = timedelta()
    assert house.every(timedelta(seconds=15), 3) == [5.0] * 3
    house.restart()
    assert house.every(MINUTE, 600, 0.01)[-1] == 11.0


def test_a_wrong_clock_that_passes_midnight_leaves_a_doubt_only_until_it_is_set() -> None:
    house = House(error=-10 * HOUR - 10 * MINUTE, now=MIDNIGHT + 10 * HOUR)
    house.started = house.now
    assert house.every(5 * MINUTE, 4) == [5.0, None, None, None]
    house.error = timedelta()
    assert house.today() == 5.0


def test_what_was_learned_from_a_wrong_clock_is_forgotten_when_it_is_set() -> None:
    house = House(error=12 * HOUR, now=MIDNIGHT - 13 * HOUR)
    house.started = house.now
    assert house.every(10 * MINUTE, 24, 0.1)[-1] == house.shown, "awake past our midnight"
    house.error = timedelta()
    while house.now < MIDNIGHT:
        house.today(10 * MINUTE)
    assert values(house.every(10 * MINUTE, 12)) == {None}


@pytest.mark.parametrize("days", [-4000, -1, 1, 3650])
def test_a_clock_that_is_wrong_for_a_while_changes_nothing(days: int) -> None:
    house = House(shown=21.3)
    found = house.every(timedelta(seconds=15), 3)
    house.error = timedelta(days=days)
    found += house.every(timedelta(seconds=15), 3)
    house.error = timedelta()
    found += house.every(timedelta(seconds=15), 3)
    assert values(found) == {21.3}


def test_the_devices_clock_proves_what_is_yesterdays_and_what_was_counted_since() -> None:
    house, kept = House(), 0.0
    for minute in range(60 * 18):
        local = house.now.astimezone(BERLIN).replace(tzinfo=None, microsecond=0)
        house.tells["device_clock"] = local.isoformat(sep=" ")
        before = house.read().values["pv_energy_today"]
        if house.now < MIDNIGHT:
            assert before == house.shown
            kept = house.shown
        else:
            assert before == round(house.shown - kept, 3)
        house.counts(0.01 if minute < 300 or minute > 1040 else 0.0)
        house.now += MINUTE
    house.shown = 0.0
    assert house.every(MINUTE, 3)[-1] == 0.0


def test_the_devices_clock_is_believed_and_not_ours() -> None:
    house = House(ZoneInfo("UTC"), now=datetime(2026, 6, 14, 23, 30, tzinfo=UTC))
    house.started = house.now
    house.tells["device_clock"] = "2026-06-15 09:30:00"
    for _ in range(90):
        assert house.today(MINUTE) == 5.0
        house.tells.clear()


def test_a_counter_that_is_never_reset_is_that_of_each_day_by_the_devices_clock() -> None:
    house = evening()
    house.clock = timedelta()
    house.today()
    for _ in range(3):
        house.now = house.now.replace(hour=22, minute=0, second=0)  # midnight in Berlin
        assert house.today(MINUTE) == 0.0
        assert house.every(10 * MINUTE, 120, 0.1)[-1] == pytest.approx(12.0)
        while house.now.hour != 21:
            house.today(10 * MINUTE)


@pytest.mark.parametrize("minutes", [0.1, 0.9])
def test_a_devices_clock_that_is_set_back_a_little_begins_no_day_anew(
    minutes: float,
) -> None:
    house = evening()
    house.clock = timedelta()
    house.today()
    house.now = house.now.replace(hour=22, minute=0, second=0)
    assert house.today(MINUTE) == 0.0
    assert house.every(10 * MINUTE, 6, 0.1)[-1] == pytest.approx(0.6)
    house.clock = -timedelta(minutes=minutes)
    assert house.every(10 * MINUTE, 6, 0.1)[-1] == pytest.approx(1.2)


def test_a_clock_that_a_dongle_says_once_more_is_believed_and_one_that_stands_is_not() -> None:
    house = evening()
    house.clock = timedelta()
    house.today()
    house.now = house.now.replace(hour=22, minute=0, second=0)  # midnight in Berlin
    assert house.today(MINUTE) == 0.0
    house.clock, house.tells["device_clock"] = None, "2026-06-15 00:01:00"
    assert house.today(MINUTE / 2) == 0.0
    assert values(house.every(MINUTE, 5)) == {None}


def test_a_reset_that_the_devices_clock_announces_is_believed_at_once() -> None:
    house = evening()
    house.clock = timedelta()
    assert house.today() == 9.8
    house.shown = 0.0
    assert house.every(timedelta(seconds=30), 4) == [0.0] * 4


@pytest.mark.parametrize("minutes", [5, 30, 60, 110])
def test_a_reset_before_the_midnight_of_the_devices_clock_began_the_day(minutes: int) -> None:
    house = House(clock=timedelta())
    while house.now < MIDNIGHT - minutes * MINUTE:
        house.counts(0.01)
        house.today(MINUTE)
    house.shown = 0.0
    for minute in range(300):
        house.counts(0.01)
        today = house.today(MINUTE)
        assert today == house.shown or minute < 2


@pytest.mark.parametrize("hours", [5, 9, 14])
def test_a_clock_by_which_the_device_resets_nothing_is_not_believed(hours: int) -> None:
    """It was awake, and its counters began anew at another time, or went on past midnight."""
    house = House(clock=hours * HOUR)
    wrong: list[int] = []
    for minute in range(60 * 60):
        if house.now == MIDNIGHT + timedelta(days=minute // 1440):
            house.shown = 0.0
        house.counts(0.01)
        if house.today(MINUTE) not in (None, house.shown):
            wrong.append(minute)
    assert len(wrong) <= 61, "an hour, until it has gone on for long enough"
    assert max(wrong, default=0) < 1440


def test_a_reset_at_another_time_than_the_clocks_midnight_is_enough_not_to_believe_it() -> None:
    """Already at the first midnight of that clock, 15 hours later, nothing is withheld or cut."""
    house = House(clock=9 * HOUR)
    house.every(10 * MINUTE, 60, 0.01)
    house.shown = 0.0
    house.every(MINUTE, 3, 0.01)
    for _ in range(20 * 60):
        house.counts(0.01)
        assert house.today(MINUTE) == house.shown


def gone_on() -> House:
    """A house whose counter has gone on for two hours past a midnight of its wrong clock."""
    house = House(clock=9 * HOUR, now=MIDNIGHT - 12 * HOUR, started=MIDNIGHT - 12 * HOUR)
    assert house.every(10 * MINUTE, 30, 0.1)[-1] == house.shown
    return house


def test_a_clock_that_was_disproved_stays_so_when_all_has_stood_still() -> None:
    house = gone_on()
    assert values(house.every(10 * MINUTE, 12)) == {house.shown}
    for _ in range(10):
        house.counts(0.1)
        assert house.today(10 * MINUTE) == house.shown


@pytest.mark.parametrize("again", ["set by somebody", "its reset is at its midnight"])
def test_a_clock_that_was_disproved_is_believed_again(again: str) -> None:
    """In the night after it, what the sleeping device keeps is yesterday's, not doubtful."""
    house = gone_on()
    if again == "set by somebody":
        house.clock = timedelta()
        midnight = MIDNIGHT
    else:
        midnight = MIDNIGHT + 15 * HOUR
        house.every(10 * MINUTE, int((midnight - house.now) / (10 * MINUTE)), 0.1)
        house.shown = 0.0
        house.every(MINUTE, 3)
        midnight += 24 * HOUR
    while house.now < midnight - 3 * HOUR:
        house.counts(0.1)
        house.today(10 * MINUTE)
    while house.now < midnight:
        house.today(10 * MINUTE)
    assert house.shown > 0
    assert values(house.every(10 * MINUTE, 12)) == {0.0}


def test_a_meter_that_counts_at_night_does_not_prove_that_the_inverter_is_awake() -> None:
    """An SG-RS behind a WiNet-S: its house buys from the grid all night."""
    for clock in (None, timedelta()):
        house = evening()
        house.clock = clock
        for minute in range(300):
            house.tells["daily_import_energy"] = 3.0 + minute / 100
            house.tells["total_import_energy"] = 700.0 + minute / 100
            today = house.today(MINUTE)
            if minute > 2:
                assert today == (None if clock is None else 0.0)
        house.shown = 0.0
        assert house.every(MINUTE, 3, 0.1)[-1] == 0.3


@pytest.mark.parametrize("text", ["", "never", "unknown", 5])
def test_a_clock_that_tells_no_time_proves_nothing(text: Value) -> None:
    house = evening(device_clock=text)
    assert values(house.every(MINUTE, 3)) == {None}


@pytest.mark.parametrize("down", [MINUTE, 8 * HOUR], ids=["a minute", "eight hours"])
def test_a_restart_over_midnight_keeps_the_doubt(down: timedelta) -> None:
    house = evening()
    house.now += down
    house.restart()
    assert values(house.every(MINUTE, 3)) == {None}
    house.shown = 0.2
    assert house.every(MINUTE, 3)[-1] == 0.2


def test_after_days_without_readings_another_value_is_the_devices_day() -> None:
    house = evening()
    house.now += timedelta(days=3, hours=14)
    house.restart()
    house.shown, house.lifetime = 12.5, house.lifetime + 50
    assert house.today() == 12.5


actions = st.one_of(
    st.tuples(st.just("read"), st.integers(5, 4000)),
    st.tuples(st.just("count"), st.integers(1, 20)),
    st.tuples(st.just("reset"), st.just(0)),
    st.tuples(st.just("gap"), st.integers(1, 60)),
    st.tuples(st.just("set clock"), st.integers(-100_000, 100_000)),
    st.tuples(st.just("restart"), st.just(0)),
)


@settings(deadline=None)
@given(st.lists(actions, max_size=80), st.sampled_from(["UTC", "Europe/Berlin", "Asia/Tokyo"]))
def test_what_is_published_as_todays_is_the_devices_value_or_absent(
    steps: list[tuple[str, int]], zone: str
) -> None:
    house = House(ZoneInfo(zone), shown=0.0)
    for action, amount in steps:
        match action:
            case "count":
                house.counts(amount / 10)
            case "reset":
                house.shown = 0.0
            case "gap":
                house.now += amount * HOUR
            case "set clock":
                house.error = timedelta(seconds=amount)
            case "restart":
                house.restart()
            case _:
                assert house.today(timedelta(seconds=amount)) in (None, house.shown)


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 9), min_size=200, max_size=300),
    st.integers(0, 23),
    st.sampled_from(["UTC", "Europe/Berlin", "Asia/Tokyo"]),
)
def test_in_its_waking_hours_a_device_in_its_own_zone_is_never_absent(
    counts: list[int], hour: int, zone: str
) -> None:
    """By day, from ten minutes after its reset until its midnight."""
    began = datetime(2026, 6, 15, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    house = House(ZoneInfo(zone), now=began - HOUR, started=began - HOUR)
    house.every(10 * MINUTE, 6)
    house.shown = 0.0
    house.every(MINUTE, 5)
    for n, kwh in enumerate(counts[:200]):
        house.counts(kwh / 10)
        if n == hour * 6:
            house.restart()
        if house.now < began + 23 * HOUR:
            assert house.today(6 * MINUTE) == house.shown
