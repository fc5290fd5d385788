"""What no inverter can show: bounds, and what becomes of values beyond them."""

from datetime import timedelta

import pytest

from sungather.reading import Value
from sungather.registers.catalogue import registers_for
from sungather.registers.derive import TOTAL_OF, UNITS, Derivation
from sungather.registers.device import Device
from sungather.registers.plausibility import (
    DEVICE_POWERS,
    SITE_POWERS,
    bounds,
    impossible_powers,
)
from sungather.registers.tables import Tier
from tests.unit.registers.test_derive import BERLIN, HYBRID, NOON, STRING, step

SMALL = Device(0x0D17, "SH6.0RS", "SH-RS", nominal_kw=6)
UNKNOWN = Device(0x9999, "unknown (0x9999)", "SH")
HOME_MANAGER = Device(0x072A, "iHomeManager", "ems")
LOGGER = Device(0x0718, "Logger4000", "logger")
MEASURING = (STRING, HYBRID, HOME_MANAGER, LOGGER)


@pytest.mark.parametrize(
    ("name", "device", "others", "watts", "possible"),
    [
        ("total_dc_power", SMALL, 0.0, 158_000_000, False),
        ("total_dc_power", SMALL, 0.0, 12_000, True),
        ("total_active_power", STRING, 0.0, 2210 + 65536, False),
        ("battery_power", HYBRID, 0.0, -61_750, False),
        ("battery_power", HYBRID, 0.0, -10_600, True),
        ("meter_power", STRING, 0.0, 68_000, True),
        ("meter_power", STRING, 0.0, -1_048_876, False),
        ("export_power_hybrid", SMALL, 0.0, 120_000, False),
        ("export_power_hybrid", SMALL, 60.0, 120_000, True),
        ("export_power_hybrid", SMALL, None, 120_000, True),
        ("load_power_hybrid", HYBRID, 0.0, 1_049_426, False),
        ("total_dc_power", UNKNOWN, 0.0, 250_000, True),
        ("total_dc_power", UNKNOWN, 0.0, 158_000_000, False),
        ("export_power_limit", SMALL, 0.0, 655_350, True),
    ],
)
def test_a_power_is_bounded_by_nominal_power_or_by_the_site(
    name: str, device: Device, others: float | None, watts: float, possible: bool
) -> None:
    found = impossible_powers({name: watts}, bounds(device, others))
    assert found == (set() if possible else {name})


def test_every_power_that_is_measured_has_a_bound() -> None:
    measured = {
        name
        for device in MEASURING
        for name, unit in _measured_now(device)
        if unit in ("W", "kW", "VA", "var")
    }
    assert measured
    assert measured <= DEVICE_POWERS | SITE_POWERS | set(UNITS)


MONTH = "monthly_power_yields"


def months(*samples: tuple[float, float]) -> list[object]:
    """What is published of the month for samples of (today, month), a minute apart."""
    derivation, shown = Derivation(BERLIN), list[object]()
    for n, (today, month) in enumerate(samples):
        said: dict[str, Value] = {"daily_power_yields": today, MONTH: month}
        found = step(said, STRING, derivation, NOON + timedelta(minutes=n))
        shown.append(None if MONTH in found.rejected else month)
    return shown


@pytest.mark.parametrize("garbage", [300.0 + 6553.6, 0.0, 429_496_729.4])
def test_one_sample_of_garbage_is_not_the_month(garbage: float) -> None:
    assert months((20, 300), (20, 300), (20, garbage), (20, 300)) == [300, 300, None, 300]


def test_all_zeros_are_no_new_month() -> None:
    assert months((20, 300), (0, 0), (20, 300)) == [300, None, 300]


@pytest.mark.parametrize("first", [(0, 0), (0, 300), (20, 0)])
def test_a_new_month_is_known_by_its_first_day(first: tuple[float, float]) -> None:
    assert months((20, 300), first, (0, 0), (0, 0), (0.4, 0.4))[-1] == 0.4


def test_every_counter_that_is_shown_has_a_bound() -> None:
    """But for an inverter's history, which is read once an hour."""
    counting = {
        one.name
        for device in MEASURING
        for one in registers_for(device, 3)
        if one.unit == "kWh" and one.tier is not Tier.HISTORY and one.count >= 2
    }
    assert MONTH in counting
    for name in counting - {"battery_capacity"}:
        derivation = Derivation(BERLIN)
        step({name: 1.0}, STRING, derivation, NOON)
        garbage: dict[str, Value] = {name: 400_000_000.0}
        found = step(garbage, STRING, derivation, NOON + timedelta(minutes=1))
        assert name in found.impossible, name


def _measured_now(device: Device) -> set[tuple[str, str]]:
    return {(r.name, r.unit) for r in registers_for(device, 3) if r.tier is Tier.FAST}


def test_what_is_impossible_is_left_out_counted_and_said_once() -> None:
    derivation = Derivation(BERLIN)
    garbage: dict[str, Value] = {
        "total_dc_power": 1_051_776,
        "load_power_hybrid": 1_049_426,
        "total_active_power": 3000,
        "export_power_hybrid": -300,
    }
    first, second = (step(garbage, derivation=derivation) for _ in range(2))
    for found in (first, second):
        assert found.impossible == {"total_dc_power", "load_power_hybrid"}
        assert found.impossible <= found.rejected
        assert not {"pv_power", "house_power"} & found.values.keys()
        assert found.values["grid_import_power"] == 300
    assert len(first.notes) == 2
    assert not second.notes
    good = garbage | {"total_dc_power": 3200, "load_power_hybrid": 850}
    assert step(good, derivation=derivation).values["house_power"] == 850
    assert len(step(garbage, derivation=derivation).notes) == 2


@pytest.mark.parametrize("name", sorted(TOTAL_OF.values()))
def test_each_lifetime_counter_is_bounded(name: str) -> None:
    derivation = Derivation(BERLIN)
    step({name: 2187.3}, derivation=derivation)
    for seconds, kwh, seen in ((30, 8740.9, False), (60, 2187.3, True), (90, 2187.4, True)):
        later = NOON + timedelta(seconds=seconds)
        found = step({name: kwh}, derivation=derivation, now=later)
        assert (name in found.impossible) != seen


@pytest.mark.parametrize(
    ("name", "figure"),
    [("daily_pv_generation", "pv_energy_today"), ("total_pv_generation", "pv_energy_total")],
)
def test_a_cached_sample_of_garbage_does_not_become_believable_by_being_looked_at(
    name: str, figure: str
) -> None:
    """Counters are read once a minute, and looked at at every scan."""
    derivation = Derivation(BERLIN)
    step({name: 8.1}, derivation=derivation)
    for seconds in range(5, 900, 5):
        now = NOON + timedelta(seconds=seconds)
        fresh = {name} if seconds == 5 else set[str]()
        found = derivation.step({name: 0.0}, HYBRID, now, now.timestamp(), fresh)
        assert figure not in found.values
        assert name in found.rejected
