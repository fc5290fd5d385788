"""What makes a value absent beside the documented marks, and what must not."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from register_words import CABLE, DONGLE, STRING, read

from sungather.registers.availability import sign_by_balance
from sungather.registers.device import Device

# -1 and all ones


def test_minus_one_amid_real_words_is_minus_one() -> None:
    found = read({5601: [0xFFFF, 0xFFFF, 648, 0, 0xFFFF, 0xFFFF, 402, 0]}).values
    assert found["meter_total_power"] == -1
    assert found["meter_phase_b_power"] == -1
    assert read({13024: [1000, 0xFFFF, 3]}).values["battery_temperature"] == -0.1
    assert (
        read({13030: [0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 2639, 0]}).values["phase_a_current"] == -0.1
    )


def test_signed_registers_in_a_row_of_all_ones_are_absent() -> None:
    found = read({5720: [0xFFFF] * 15})
    assert not found.values
    assert {"backup_phase_a_power", "total_backup_power"} <= set(found.absent)


@pytest.mark.parametrize(("row", "power"), [(7, -1), (8, None)])
def test_eight_words_of_all_ones_are_a_row_and_seven_are_values(
    row: int, power: int | None
) -> None:
    """Three powers of -1, with one or two more words of all ones before them."""
    found = read({5607 - row: [0xFFFF] * row + [402, 0]})
    assert found.values.get("meter_phase_b_power") == power
    assert found.values["meter_phase_c_power"] == 402


def test_power_of_minus_one_is_not_taken_for_a_register_that_is_missing() -> None:
    assert read({5214: [0xFFFF, 0xFFFF, 120, 0]}).values["battery_power"] == -1


def test_battery_power_that_old_firmware_lacks_comes_from_the_old_register() -> None:
    found = read({5214: [0xFFFF] * 8, 13001: [0b1000010], 13022: [711]})
    assert found.values["battery_power"] == -711


def test_battery_power_of_all_ones_that_was_read_alone_comes_from_the_old_register() -> None:
    found = read({5214: [0xFFFF, 0xFFFF], 13001: [43], 13022: [2]})
    assert found.values["battery_power"] == -2


# Battery


@pytest.mark.parametrize(
    ("flow", "power", "raw", "current"),
    [
        (43, [0xFD34, 0xFFFF], 28, -2.8),  # charging, unsigned firmware of January 2024
        (45, [3463, 0], 179, 17.9),  # discharging
        (0, [0xFD34, 0xFFFF], 28, -2.8),  # flow bits that stay 0: the sign of 5214 is enough
        (45, [716, 0], 0x10000 - 28, 2.8),  # a wrong sign of the firmware's own
        (43, None, 28, -2.8),  # without 5214 the bits tell
        (45, None, 28, 2.8),
        (0, None, 0x10000 - 28, -2.8),  # signed firmware, bits that stay 0
        (0, None, 0, 0.0),
        (0, None, 28, None),  # nothing tells
        (0xFFFF, None, 28, None),
    ],
)
@pytest.mark.parametrize("at", [5631, 13021])
def test_battery_current_has_the_sign_of_the_battery_power(
    flow: int, power: list[int] | None, raw: int, current: float | None, at: int
) -> None:
    blocks: dict[int, Sequence[int]] = {13001: [flow], at: [raw]}
    if power is not None:
        blocks[5214] = power
    assert read(blocks).values.get("battery_current") == current


@pytest.mark.parametrize("at", [5631, 13021])
def test_battery_current_without_a_sign_has_that_of_the_older_power(at: int) -> None:
    found = read({13001: [0], 13022: [0x10000 - 2200], at: [92]})
    assert found.values["battery_power"] == -2200
    assert found.values["battery_current"] == -9.2


@pytest.mark.parametrize(
    ("flow", "raw", "power"),
    [
        (43, 711, -711),
        (45, 1920, 1920),
        (43, 0x10000 - 711, -711),  # signed already
        (0, 0x10000 - 711, -711),
        (0, 500, None),
        (0xFFFF, 500, None),
        (25, 500, None),  # neither charging nor discharging, the bits say
        (25, 50, 50),
        (40, 0, 0),
    ],
)
def test_old_battery_power_has_the_sign_of_the_flow(
    flow: int, raw: int, power: int | None
) -> None:
    for newer in ({}, {5214: [0, 0]}):  # a dongle that does not forward it
        found = read({13001: [flow], 13022: [raw], **newer})
        assert found.values.get("battery_power") == (0 if newer and abs(raw) <= 50 else power)
        assert ("battery_power" in found.absent) == (power is None)


@pytest.mark.parametrize(
    ("pv", "output", "raw", "power"),
    [
        pytest.param(5000, 4050, 950, -950, id="what the panels give more goes in"),
        pytest.param(5000, 3900, 950, -950, id="the same with what an inverter loses"),
        pytest.param(0, 184, 184, 184, id="at night only the battery gives"),
        pytest.param(0, -2100, 2000, -2000, id="charged from the grid"),
        pytest.param(2000, 4900, 3000, 3000, id="both give"),
        pytest.param(6000, 5700, 100, None, id="too little to be told from what is lost"),
        pytest.param(3000, 200, 950, None, id="neither way fits"),
    ],
)
@pytest.mark.parametrize("flow", [0, 25])
@pytest.mark.parametrize("newer", [{}, {5214: [0, 0]}])
def test_where_the_device_gives_no_sign_the_balance_does(
    pv: int,
    output: int,
    raw: int,
    power: int | None,
    flow: int,
    newer: dict[int, Sequence[int]],
) -> None:
    """Also where the newer register reads 0, as behind a dongle that does not forward it."""
    low, high = output & 0xFFFF, output >> 16 & 0xFFFF
    words: dict[int, Sequence[int]] = {5017: [pv, 0], 13001: [flow], 13021: [90, raw], **newer}
    found = read({**words, 13034: [low, high]}).values
    assert found.get("battery_power") == power
    assert found.get("battery_current") == (power and (9 if power > 0 else -9))
    # The same by load and export instead of the inverter's output.
    found = read({**words, 13008: [700, 0, output - 700 & 0xFFFF, output - 700 >> 16 & 0xFFFF]})
    assert found.values.get("battery_power") == power


def test_balances_that_contradict_each_other_give_no_sign() -> None:
    words = {5017: [2000, 0], 13001: [0], 13022: [1000], 13008: [600, 0, 400, 0]}
    assert read(words).values["battery_power"] == -1000
    found = read({**words, 13034: [3000, 0]})
    assert "battery_power" in found.absent


@given(
    pv=st.integers(0, 15000),
    power=st.integers(1, 10000),
    sign=st.sampled_from([1, -1]),
    lost=st.floats(0, 0.05),
    skew=st.integers(-60, 60),
)
def test_the_balance_never_gives_the_wrong_sign(
    pv: int, power: int, sign: int, lost: float, skew: int
) -> None:
    given_on = pv + sign * power
    output = round(given_on - lost * max(pv, power)) + skew
    assert sign_by_balance(power, pv, output) in (sign, 0)


def test_hybrid_without_a_battery_has_no_battery_values() -> None:
    found = read({5214: [0, 0], 13000: [64, 0], 13020: [0] * 6, 5635: [0, 0]})
    assert not {name for name in found.values if "battery" in name and "state_" not in name}
    assert {"battery_power", "battery_level", "battery_voltage"} <= set(found.absent)


def test_empty_battery_has_a_level_of_zero() -> None:
    found = read({5214: [0, 0], 13020: [1916, 0, 0, 0, 1000, 210]}).values
    assert (found["battery_level"], found["battery_power"]) == (0.0, 0)


@pytest.mark.parametrize(
    ("of", "raw", "capacity"),
    [
        (CABLE, 96, 9.6),
        (DONGLE, 96, 9.6),
        (DONGLE, 500, 50.0),  # the largest capacity of a house
        (DONGLE, 501, 5.01),
        (DONGLE, 960, 9.6),
        (CABLE, 960, 96.0),
    ],
)
def test_capacity_in_hundredths_through_an_old_dongle(
    of: Device, raw: int, capacity: float
) -> None:
    assert read({13039: [raw]}, of).values["battery_capacity"] == capacity


# Meters


def test_lost_meter_is_absent_and_its_counters_stay() -> None:
    lost = [0xFFFF, 0x7FFF]
    found = read({5601: lost * 4, 13036: [24, 32505, 0], 13045: [128, 37546, 3]})
    assert "meter_total_power" in found.absent
    assert found.values["total_import_energy"] == 3250.5


def test_meter_that_was_never_commissioned_is_absent() -> None:
    found = read({5601: [0] * 8, 13008: [0] * 4, 13036: [0] * 3, 13045: [0] * 3})
    assert not found.values
    assert {"meter_total_power", "export_power_hybrid", "load_power_hybrid"} <= set(found.absent)
    assert {"daily_import_energy", "total_export_energy"} <= set(found.absent)


@pytest.mark.parametrize(
    ("state", "load"),
    [
        ([64], None),  # running on the grid: the load is the inverter's own generation
        ([0x1000], 850),  # without the grid it is what the inverter feeds
        ([0x0041], 850),
        ([0x4001], None),  # emergency charging is from the grid
    ],
)
def test_load_without_a_meter_is_known_only_without_the_grid(
    state: list[int], load: int | None
) -> None:
    words = {5601: [0] * 8, 13000: state, 13008: [850, 0, 0, 0], 13036: [0] * 3, 13045: [0] * 3}
    assert read(words).values.get("load_power_hybrid") == load


def test_meter_without_power_that_once_counted_is_there() -> None:
    found = read({5601: [0] * 8, 13010: [0, 0], 13036: [0, 7, 0], 13045: [0, 0, 0]}).values
    assert (found["meter_total_power"], found["export_power_hybrid"]) == (0, 0)
    assert found["total_export_energy"] == 0.0


def test_meter_that_is_silent_by_its_power_alone_is_there() -> None:
    assert read({5601: [0] * 8}).values["meter_total_power"] == 0


def test_string_inverter_without_a_meter_has_no_load_but_its_own_generation() -> None:
    found = read({5083: [0] * 8 + [2000, 0] + [0] * 8}, STRING)
    assert not {"load_power", "meter_power"} & found.values.keys()
    counted = read({5083: [0] * 8 + [2000, 0] + [0] * 6 + [7, 0]}, STRING)
    assert counted.values["load_power"] == 2000


def test_string_inverter_without_a_meter_has_no_grid_power() -> None:
    found = read({5083: [0] * 18}, STRING)
    assert not found.values
    assert {"meter_power", "export_power", "load_power", "total_import_energy"} <= set(
        found.absent
    )


def test_export_power_of_a_string_inverter_is_positive_for_export() -> None:
    found = read({5083: [0xEF8E, 0xFFFF]}, STRING).values
    assert (found["meter_power"], found["export_power"]) == (-4210, 4210)


# A path that answers 0 for what is not available


def test_zero_of_a_masking_path_is_absent_where_it_hides_not_available() -> None:
    blocks = {13015: [0, 0], 13030: [0], 13043: [0], 13200: [0] * 8, 5214: [0, 0], 5008: [0]}
    found = read(blocks, DONGLE)
    assert found.values == {"internal_temperature": 0.0}
    assert {"co2_reduction", "grid_state", "drm_state", "meter2_total_power"} <= set(found.absent)


def test_the_same_zero_over_a_cable_is_a_value() -> None:
    found = read({13015: [0, 0], 13200: [0] * 8, 5214: [0, 0]}).values
    assert found["co2_reduction"] == 0.0
    assert found["meter2_total_power"] == 0
    assert found["battery_power"] == 0


def test_second_meter_behind_a_masking_path_is_there_once_it_measures() -> None:
    found = read({13200: [0, 0, 5, 0, 0xFFFB, 0xFFFF, 0, 0]}, DONGLE).values
    assert [found[f"meter2_phase_{phase}_power"] for phase in "abc"] == [5, -5, 0]
    assert found["meter2_total_power"] == 0


def test_second_meter_over_a_cable_says_itself_that_it_is_absent() -> None:
    assert "meter2_total_power" in read({13200: [0xFFFF, 0x7FFF] * 4}).absent


# Alarms and faults


ALARM_BLOCK = [2015, 12, 21, 4, 12, 59, 10]


@pytest.mark.parametrize("state", [0x5500, 0x9100])
def test_alarm_holds_while_the_state_is_a_fault_or_an_alarm(state: int) -> None:
    values = read({5038: [state, *ALARM_BLOCK]}, STRING).values
    assert values["alarm_code_1"] == "10 Grid power outage"
    assert values["alarm_time_second"] == 59
    assert values["alarm_time_year"] == 2015


def test_alarm_of_the_past_is_not_shown_as_one_of_now() -> None:
    found = read({5038: [0x0000, *ALARM_BLOCK]}, STRING)
    assert found.values == {"work_state_1": "Run", "alarm_code_1": "none"}
    assert "alarm_time_hour" in found.absent


def test_alarm_without_a_state_is_absent() -> None:
    assert "alarm_code_1" in read({5045: [10]}, STRING).absent


def test_faults_of_a_hybrid_are_a_text_with_codes() -> None:
    found = read({13050: [0x2000, 0x0010, 0, 0, 0xFFFF, 0xFFFF]})
    assert found.values["inverter_alarm"] == (
        "083 Fan 2 Stall Alarm; 504 Ambient Temperature Sensor Short Circuit Alarm"
    )
    assert found.values["grid-side_fault"] == "none"
    assert found.absent == ("system_fault1",)


def test_unknown_state_is_a_text_too() -> None:
    assert read({5038: [0x4242]}, STRING).values["work_state_1"] == "unknown (0x4242)"


def test_absurd_clock_costs_nothing_but_the_clock() -> None:
    found = read({}, STRING, holding={5000: [2026, 255, 1, 0, 0, 0, 0xCF]})
    assert found.values == {"start_stop": "Start"}
    assert found.absent == ("device_clock",)
