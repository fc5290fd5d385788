"""The register map: what each device has, at which level, in how many requests."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from sungather.reading import Path
from sungather.registers import Block, Space
from sungather.registers.catalogue import Register, Tier, registers_for, starts_known
from sungather.registers.device import Device
from sungather.registers.models import device_for, model_named, model_names
from sungather.registers.plan import UnreadableRanges, plan


def device(model: str, path: Path = Path.CABLE, masked: bool = False) -> Device:
    return replace(model_named(model), path=path, masked=masked)


def names(of: Device, level: int) -> set[str]:
    return {register.name for register in registers_for(of, level)}


def addresses(of: Device, level: int, name: str) -> list[int]:
    return [register.address for register in registers_for(of, level) if register.name == name]


def requests(of: Device, level: int, tiers: set[Tier], widest: int = 100) -> int:
    registers = registers_for(of, level)
    isolated = {register.block: register.group for register in registers if register.group}
    fields = [register.block for register in registers if register.tier in tiers]
    return len(plan(fields, widest, starts_known(of), UnreadableRanges(), isolated).blocks)


# Levels

HOUSEHOLD_STRING = {
    "total_dc_power",
    "load_power",
    "meter_power",
    "daily_power_yields",
    "total_power_yields",
    "daily_import_energy",
    "total_import_energy",
    "daily_export_energy",
    "total_export_energy",
}
HOUSEHOLD_HYBRID = {
    "total_dc_power",
    "load_power_hybrid",
    "export_power_hybrid",
    "battery_power",
    "battery_level",
    "daily_pv_generation",
    "total_pv_generation",
    "daily_import_energy",
    "total_import_energy",
    "daily_export_energy",
    "total_export_energy",
    "daily_charge_energy",
    "total_charge_energy",
    "daily_battery_discharge_energy",
    "total_battery_discharge_energy",
}
INCUMBENT_LEVEL_1_STRING = {
    "device_type_code",
    "daily_power_yields",
    "total_power_yields",
    "total_running_time",
    "internal_temperature",
    "total_apparent_power",
    "phase_a_voltage",
    "total_active_power",
    "work_state_1",
    "meter_power",
    "load_power",
    "daily_running_time",
    "monthly_power_yields",
    "start_stop",
}
INCUMBENT_LEVEL_1_HYBRID = {
    "device_type_code",
    "daily_power_yields",
    "total_power_yields",
    "internal_temperature",
    "phase_a_voltage",
    "pv_power_of_today",
    "daily_pv_energy_yields",
    "direct_power_consumption_today_pv",
    "direct_power_consumption_pv",
    "export_power_from_pv_today",
    "export_power_from_pv",
    "battery_charge_power_from_pv_today",
    "battery_charge_power_from_pv",
    "total_pv_generation",
    "daily_pv_export",
    "total_pv_export",
    "load_power_hybrid",
    "export_power_hybrid",
    "daily_battery_charge_from_pv",
    "total_battery_charge_from_pv",
    "daily_direct_energy_consumption",
    "total_direct_energy_consumption",
    "battery_power",
    "battery_level",
    "self_consumption_of_day",
    "grid_state",
    "total_active_power",
    "daily_import_energy",
    "total_import_energy",
    "daily_export_energy",
    "start_stop",
}
INCUMBENT_LEVEL_2_HYBRID = {
    *("protocol_number", "protocol_version", "arm_software_version", "dsp_software_version"),
    *("nominal_active_power", "output_type", "mppt_1_voltage", "mppt_2_current"),
    *("phase_b_voltage", "phase_c_voltage", "total_reactive_power", "power_factor"),
    *("grid_frequency", "meter_total_power", "meter_phase_c_power", "export_limit_min"),
    *("export_limit_max", "bdc_rated_power", "bms_max_charging_current"),
    *("backup_phase_a_power", "total_backup_power", "monthly_pv_energy_yields"),
    *("yearly_pv_energy_yields", "battery_charge_power_from_pv_yearly", "system_state"),
    *("running_state", "state_power_generated_from_pv", "state_battery_charging"),
    *("state_battery_discharging", "state_load_active", "state_feed_into_grid"),
    *("state_import_from_grid", "state_power_generated_from_load", "co2_reduction"),
    *("battery_voltage", "battery_current", "battery_state_of_healthy", "battery_temperature"),
    *("phase_a_current", "phase_c_current", "drm_state", "total_export_energy"),
    *("power_limitation_switch", "power_limitation_setting", "ems_mode_selection"),
    *("charge_discharge_command", "charge_discharge_power", "start_charging_power"),
    *("energy_meter_comm", "export_power_limitation", "soc_reserve"),
    *("battery_max_charge_power", "battery_max_discharge_power", "serial_number"),
    *("inverter_alarm", "grid-side_fault", "bdc-side_permanent_fault", "bms_alarm2"),
}


def test_level_1_of_a_string_inverter_has_the_incumbents_names_and_the_household() -> None:
    assert names(device("SG10RT"), 1) >= INCUMBENT_LEVEL_1_STRING | HOUSEHOLD_STRING


def test_level_1_of_a_hybrid_has_the_incumbents_names_and_the_household() -> None:
    assert names(device("SH10RT"), 1) >= INCUMBENT_LEVEL_1_HYBRID | HOUSEHOLD_HYBRID


def test_level_2_of_a_hybrid_has_the_incumbents_names() -> None:
    assert names(device("SH10RT"), 2) >= INCUMBENT_LEVEL_2_HYBRID


@pytest.mark.parametrize(
    "name",
    [
        *("daily_running_time", "total_running_time", "work_state_1", "meter_power", "load_power"),
        *("mppt_3_voltage", "string_1_current", "bms_status", "soc", "alarm_code_1"),
    ],
)
def test_hybrid_has_no_name_that_it_lacks_at_any_level(name: str) -> None:
    assert name not in names(device("SH10RT"), 3)


@pytest.mark.parametrize(
    "name", ["battery_power", "system_state", "pv_power_of_today", "mppt_3_voltage"]
)
def test_string_inverter_has_no_name_that_it_lacks_at_any_level(name: str) -> None:
    assert name not in names(device("SG10RT"), 3)


def test_single_phase_inverter_has_no_other_phases() -> None:
    found = names(device("SH5.0RS"), 3) | names(device("SG5.0RS"), 3)
    assert not [name for name in found if "phase_b" in name or "phase_c" in name]


def test_string_currents_are_as_many_as_the_model_measures() -> None:
    strings = {name for name in names(device("SG10RT"), 2) if name.startswith("string_")}
    assert strings == {"string_1_current", "string_2_current", "string_3_current"}
    assert addresses(device("SG60KU-M"), 2, "string_16_current") == [7028]
    assert not addresses(device("SG60KU-M"), 2, "string_17_current")
    assert not addresses(device("SG10RT-20"), 2, "string_1_current")


def test_mppts_are_as_many_as_the_model_has() -> None:
    assert addresses(device("SG250HX"), 2, "mppt_12_current") == [5137]
    assert addresses(device("SG110CX"), 2, "mppt_9_voltage") == [5130]
    assert addresses(device("SH10RS"), 2, "mppt_4_voltage") == [5115]
    assert not addresses(device("SH10RS"), 2, "mppt_5_voltage")


def test_mppts_of_an_unlisted_model_are_asked_for_unless_the_path_hides_what_is_absent() -> None:
    unlisted = replace(device_for(0xFFF0), family="SG")
    assert addresses(unlisted, 2, "mppt_12_voltage") == [5136]
    assert not addresses(replace(unlisted, masked=True), 2, "mppt_3_voltage")


def test_undocumented_registers_wait_for_level_3() -> None:
    inverter = device("SH8.0RT-V112")
    for name in ("export_power", "meter_phase_a_voltage", "firmware_version_3", "bus_voltage"):
        assert name not in names(inverter, 2)
        assert name in names(inverter, 3)


def test_settings_that_cost_requests_of_their_own_are_read_hourly() -> None:
    rows = {register.name: register for register in registers_for(device("SH10RT"), 2)}
    for name in ("forced_charging", "forced_charging_2_target_soc", "load_rated_power"):
        assert rows[name].tier is Tier.HOURLY


def test_history_is_there_over_a_cable_and_the_web_api_of_a_dongle_only() -> None:
    def has_history(path: Path, masked: bool) -> bool:
        return "pv_power_of_today" in names(device("SH10RT", path, masked), 1)

    assert has_history(Path.CABLE, masked=False)
    assert has_history(Path.DONGLE, masked=False)
    assert not has_history(Path.DONGLE, masked=True)
    assert not has_history(Path.UNKNOWN, masked=False)
    assert "pv_power_of_today" not in names(device("SH10T"), 3)


def test_meter_registers_are_left_alone_without_a_meter() -> None:
    without = replace(device("SG10RT"), meter=False)
    assert not {"meter_power", "load_power", "total_import_energy"} & names(without, 3)


@pytest.mark.parametrize(
    "inverter",
    [
        *(device(model) for model in ("SG3K-D", "SG5K-D", "SG8K-D", "SG34KJ", "SG33K3J")),
        *(replace(device_for(code), family="SG") for code in (0x0146, 0x2FF0)),
    ],
    ids=lambda one: one.model,
)
def test_what_no_document_describes_is_asked_for_its_meter(inverter: Device) -> None:
    assert names(inverter, 1) >= HOUSEHOLD_STRING
    assert addresses(inverter, 1, "meter_power") == [5083]


def test_unlisted_hybrid_has_the_household() -> None:
    unlisted = replace(device_for(0xFFF0), family="SH")
    assert names(unlisted, 1) >= HOUSEHOLD_HYBRID
    assert "soc" not in names(unlisted, 3)


def test_hybrid_without_a_letter_s_reads_like_a_hybrid() -> None:
    assert names(device("MG6RL"), 1) >= HOUSEHOLD_HYBRID
    assert "power_limitation_switch" not in names(device("MG6RL"), 2)


def test_family_whose_name_begins_like_another_is_another() -> None:
    assert "anti_pid" in names(device("SG136TX"), 2)
    assert "anti_pid" not in names(device("SG10T-CN"), 2)


@pytest.mark.parametrize("code", [0x20E7, 0x0710, 0x072A, 0x3F80, 0x20D5])
def test_devices_beside_an_inverter_have_none_of_its_registers(code: int) -> None:
    beside = set(registers_for(device_for(code), 3))
    assert not beside & {*registers_for(device("SH10RT"), 3), *registers_for(device("SG10RT"), 3)}


# One name, several registers


@pytest.mark.parametrize(
    ("model", "level", "name", "candidates"),
    [
        ("SH8.0RT", 2, "grid_frequency", [5242, 5036]),
        ("SH8.0RT", 3, "grid_frequency", [5242, 5148, 5036]),
        ("SG10RT", 2, "grid_frequency", [5148, 5036]),
        ("SH5K-30", 2, "grid_frequency", [5036]),
        ("SG10RT", 1, "total_power_yields", [5144, 5004]),
        ("SH8.0RT", 1, "battery_power", [5214, 13022]),
        ("SH5K-30", 1, "battery_power", [13022]),
        ("SH8.0RT", 2, "battery_current", [5631, 13021]),
        ("SH5K-30", 2, "battery_current", [13021, 13109]),
        ("SH8.0RT", 2, "battery_capacity", [5639, 13039]),
        ("SH8.0RT", 2, "power_limitation_switch", [13089]),
        ("SH8.0RT", 3, "power_limitation_switch", [13089, 31204, 5007]),
        ("SG10RT", 2, "power_limitation_switch", [5007]),
        ("SG10RT", 1, "start_stop", [5006]),
        ("SH8.0RT", 1, "start_stop", [13000]),
        ("SH8.0RT", 3, "start_stop", [13000, 5006]),
        ("SG10RT", 2, "export_power", [5083]),
        ("SG10RT", 3, "export_power", [5083, 5216]),
        ("SH8.0RT", 2, "phase_a_current", [13031]),
        ("SG10RT", 2, "phase_a_current", [5022]),
        ("SG10RT", 2, "alarm_time_second", [5044]),
        ("SG10RT", 2, "alarm_code_1", [5045]),
    ],
)
def test_candidates_of_a_name_come_in_order_of_preference(
    model: str, level: int, name: str, candidates: list[int]
) -> None:
    assert addresses(device(model), level, name) == candidates


def scale(model: str, name: str, at: int) -> float:
    found = [r for r in registers_for(device(model), 3) if (r.name, r.address) == (name, at)]
    assert len(found) == 1
    return found[0].scale


@pytest.mark.parametrize(
    ("model", "name", "at", "one_count"),
    [
        ("SG10RT", "total_power_yields", 5004, 1),
        ("SH10RT", "total_power_yields", 5004, 0.1),
        ("SH125CX", "total_power_yields", 5004, 1),
        ("SH10RT", "backup_phase_a_power", 5723, 1),
        ("SH125CX", "backup_phase_a_power", 5723, 10),
        ("SH10RT", "start_charging_power", 13084, 10),
        ("SH5K-30", "start_charging_power", 13084, 1),
        ("SG10RT", "export_power", 5216, -1),
        ("SH10RT", "export_power", 5216, 1),
        ("SH10RT", "battery_charge_power_from_pv_today", 6648, 1),
        ("SH10RT", "monthly_pv_energy_yields", 6227, 0.1),
        ("SH10RT", "battery_max_charge_power", 33047, 10),
    ],
)
def test_scale_that_others_have_wrong_or_that_differs_by_family(
    model: str, name: str, at: int, one_count: float
) -> None:
    assert scale(model, name, at) == one_count


# Requests

LIVE = {Tier.FAST, Tier.SLOW}


@pytest.mark.parametrize(
    ("model", "level", "tiers", "widest", "most"),
    [
        ("SH10RT", 1, {Tier.FAST}, 100, 3),
        ("SH10RT", 2, {Tier.FAST}, 100, 3),
        ("SH10RT", 3, {Tier.FAST}, 100, 3),
        ("SH10RT", 1, LIVE | {Tier.HOURLY}, 100, 5),
        ("SH10RT", 2, LIVE, 100, 8),
        ("SH10RT", 1, {Tier.HISTORY}, 100, 8),
        ("SH10RT", 2, {Tier.HISTORY}, 100, 8),
        ("SG10RT", 1, LIVE | {Tier.HOURLY}, 100, 3),
        ("SG10RT", 2, LIVE | {Tier.HOURLY}, 100, 5),
        ("SG10RT", 2, LIVE | {Tier.HOURLY}, 125, 4),
        ("SG5.0RS", 1, {Tier.FAST}, 100, 1),
    ],
)
def test_reading_costs_no_more_requests_than_promised(
    model: str, level: int, tiers: set[Tier], widest: int, most: int
) -> None:
    assert requests(device(model), level, tiers, widest) <= most


SCANS = ({Tier.FAST}, LIVE, LIVE | {Tier.HOURLY}, set(Tier))


@pytest.mark.parametrize("level", [1, 2, 3])
@pytest.mark.parametrize("model", model_names())
def test_what_others_are_judged_by_costs_one_slow_request_at_most(model: str, level: int) -> None:
    """Against the registers of the level alone; the clock of a string inverter costs none."""
    of = device(model)
    registers = registers_for(of, level)
    isolated = {register.block: register.group for register in registers if register.group}

    def asked(chosen: Iterable[Register], tiers: set[Tier]) -> int:
        fields = [one.block for one in chosen if one.tier in tiers]
        return len(plan(fields, 100, starts_known(of), UnreadableRanges(), isolated).blocks)

    for tiers in SCANS:
        alone = asked([one for one in registers if one.level <= level], tiers)
        assert asked(registers, tiers) - alone <= (Tier.SLOW in tiers)
        without_clock = [one for one in registers if one.name != "device_clock"]
        assert of.hybrid or asked(registers, tiers) == asked(without_clock, tiers)


@pytest.mark.parametrize("level", [1, 2, 3])
@pytest.mark.parametrize("model", model_names())
def test_the_devices_clock_judges_its_counters_at_every_level(model: str, level: int) -> None:
    """So a counter that began anew is right at once. SH-K has its one more request already."""
    of = device(model)
    read = {register.name for register in registers_for(of, level)}
    assert ("device_clock" in read) is (of.family != "SH-K" or level > 1)


@pytest.mark.parametrize("model", ["SH10RT", "SG10RT"])
def test_counters_that_tell_a_missing_meter_are_read_with_the_powers(model: str) -> None:
    counters = [r for r in registers_for(device(model), 1) if "meter-total" in r.absent]
    assert len(counters) == 2
    assert {register.tier for register in counters} == {Tier.FAST}


def test_firmware_texts_that_hang_some_inverters_are_read_apart() -> None:
    groups = {r.address: r.group for r in registers_for(device("SH10RT"), 3) if r.group}
    assert groups == {
        13250: "firmware",
        13265: "firmware",
        13280: "firmware",
        2613: "firmware-3",
        2629: "firmware-4",
    }


def test_registers_with_padded_answers_are_always_asked_for_15() -> None:
    blocks = {r.block for r in registers_for(device("SH10RT"), 3) if r.address in (2613, 2629)}
    assert blocks == {Block(Space.INPUT, 2613, 15), Block(Space.INPUT, 2629, 15)}


def test_request_may_start_on_registers_of_every_level() -> None:
    starts = starts_known(device("SH10RT"))
    assert {4950, 5003, 5741, 6100, 13000} <= starts[Space.INPUT]
    assert {5000, 13000, 33208} <= starts[Space.HOLDING]
    assert 5037 not in starts[Space.INPUT]
