"""What proves a home manager's signs and word order, and what tells that they are others."""

import pytest

from sungather.registers.device import Device
from sungather.registers.home_manager import HomeManagerCheck
from sungather.registers.models import model_named
from sungather.registers.powers import powers
from sungather.registers.stuck_meter import MovedMeter

HOME_MANAGER = Device(0x072A, "iHomeManager", "ems")


def said(given: float, grid: float, load: float) -> dict[str, float]:
    return {"inverters_power": given, "grid_power": grid, "load_power": load}


@pytest.mark.parametrize(
    ("inverters", "grid", "load"),
    [
        (5510, -4310, 1200),
        (0, 900, 900),
        (-3000, 3400, 400),  # the battery is charged from the grid
        (5510, -4310, 1250),  # not measured at the same moment
        (9800, -9400, 690),
    ],
)
def test_figures_that_add_up_are_believed_at_once(
    inverters: float, grid: float, load: float
) -> None:
    assert HomeManagerCheck().step(said(inverters, grid, load), 0) == (set(), "")


@pytest.mark.parametrize(
    ("inverters", "grid", "load"),
    [
        (5510, 4310, 1200),  # the grid's sign is the other one
        (361_103_360, -4310, 1200),  # the high word first
        (0, -900, 900),
    ],
)
def test_figures_that_have_never_added_up_are_left_out_and_said(
    inverters: float, grid: float, load: float
) -> None:
    rejected, problem = HomeManagerCheck().step(said(inverters, grid, load), 0)
    assert rejected == {"inverters_power", "grid_power", "load_power"}
    assert "do not add up" in problem


def test_what_was_proved_survives_a_kettle_but_not_ten_scans() -> None:
    check = HomeManagerCheck()
    check.step(said(5510, -4310, 1200), 0)
    found = [check.step(said(5510, -4310, 3400), n)[1] for n in range(1, 11)]
    assert not any(found[:-1])
    assert found[-1]


def test_a_balance_without_the_grid_proves_no_sign() -> None:
    check = HomeManagerCheck()
    check.step(said(1200, 0, 1200), 0)
    assert check.step(said(5510, 4310, 1200), 1)[0]


def test_without_one_of_the_three_nothing_is_contradicted() -> None:
    assert HomeManagerCheck().step({"inverters_power": 5, "grid_power": 900}, 0) == (set(), "")


@pytest.mark.parametrize(("slope", "wrong"), [(-0.5, False), (0.5, True)])
def test_a_battery_whose_level_rises_while_it_discharges_is_left_out(
    slope: float, wrong: bool
) -> None:
    check = HomeManagerCheck()
    found = [
        check.step({"battery_power": 4000.0, "battery_level": 50 + slope * minute}, 60.0 * minute)
        for minute in range(6)
    ]
    rejected, problem = found[-1]
    assert ("battery_power" in rejected) is wrong
    assert bool(problem) is wrong


def test_a_pause_tells_nothing_of_the_battery() -> None:
    check = HomeManagerCheck()
    check.step({"battery_power": 4000.0, "battery_level": 20}, 0)
    assert check.step({"battery_power": 4000.0, "battery_level": 90}, 40_000) == (set(), "")


@pytest.mark.parametrize(
    ("values", "flows"),
    [
        (
            {"load_power": 1200, "grid_power": -4310, "battery_power": -2000},
            {"house": 1200, "grid_import": 0, "grid_export": 4310}
            | {"battery_charge": 2000, "battery_discharge": 0},
        ),
        ({"grid_power": 900}, {"grid_import": 900, "grid_export": 0}),
        ({"inverters_power": 5510}, {}),
    ],
)
def test_a_home_manager_tells_house_grid_and_battery_but_no_panels(
    values: dict[str, float], flows: dict[str, float]
) -> None:
    assert powers(values, HOME_MANAGER).flows == flows


ZEROS = {"export_power_hybrid": 0.0, "load_power_hybrid": 0.0}


@pytest.mark.parametrize(
    ("values", "moved"),
    [
        ({"total_active_power": 3000.0, **ZEROS}, True),
        ({"total_active_power": -900.0, **ZEROS}, True),
        ({"total_active_power": 3000.0, **ZEROS, "load_power_hybrid": 400.0}, False),
        ({"total_active_power": 3000.0, **ZEROS, "meter_phase_b_power": 7.0}, False),
        ({"total_active_power": 40.0, **ZEROS}, False),
        ({"total_active_power": 3000.0}, False),  # no meter tells anything
    ],
)
def test_a_hybrid_whose_power_goes_nowhere_has_lost_its_meter(
    values: dict[str, float], moved: bool
) -> None:
    meter, device = MovedMeter(), model_named("SH10RT")
    found = [meter.moved(values, device, without_grid=False) for _ in range(3)]
    assert found == [False, False, moved]


def test_an_island_has_no_meter_to_lose() -> None:
    meter, device = MovedMeter(), model_named("SH10RT")
    values = {"total_active_power": 3000.0, **ZEROS}
    assert not any(meter.moved(values, device, without_grid=True) for _ in range(9))
