"""Words that real devices answered, and the samples of the manufacturer's documents."""

from dataclasses import replace

import pytest
from register_words import Words, read, words

from sungather.reading import Path, Value
from sungather.registers import Space
from sungather.registers.catalogue import registers_for
from sungather.registers.decode import Decoder
from sungather.registers.device import Device
from sungather.registers.models import device_for, model_named

SH8_20 = replace(model_named("SH8.0RT-20"), path=Path.CABLE)
SH8_20_DONGLE = replace(SH8_20, path=Path.DONGLE, masked=True)
SH8_V112 = replace(model_named("SH8.0RT-V112"), path=Path.CABLE)
SH8_V112_DONGLE = replace(SH8_V112, path=Path.DONGLE, masked=True)
ONES = 0xFFFF


# Samples of the documents


def data(frame: str) -> list[int]:
    """The words of a reply: after unit, function and byte count, before the CRC."""
    raw = bytes.fromhex(frame)[3:-2]
    return [raw[i] << 8 | raw[i + 1] for i in range(0, len(raw), 2)]


@pytest.mark.parametrize(
    ("start", "reply", "expected"),
    [
        (5000, "01 04 02 01 32 39 75", {"device_type_code": "SG60KU-M"}),
        (
            5000,
            "01 04 14 01 32 00 28 00 00 00 00 00 05 00 00 00 26 00 00 00 00 00 00 56 EA",
            {
                "device_type_code": "SG60KU-M",
                "nominal_active_power": 4.0,
                "output_type": "Single phase",
                "daily_power_yields": 0.0,
                "total_power_yields": 5,
                "total_running_time": 38,
                "internal_temperature": 0.0,
            },
        ),
        (4990, "01 04 14 31 32 31 32 31 32 30 30 31 00 00 00 00 00 00 00 00 00 00 00 9B 56",
         {"serial_number": "121212001"}),
        (
            5038,
            "01 04 10 55 00 07 DF 00 0C 00 15 00 04 00 0C 00 3B 00 0A EE D1",
            {
                "work_state_1": "Fault",
                "alarm_time_year": 2015,
                "alarm_time_month": 12,
                "alarm_time_day": 21,
                "alarm_time_hour": 4,
                "alarm_time_minute": 12,
                "alarm_time_second": 59,
                "alarm_code_1": "10 Grid power outage",
            },
        ),
    ],
)  # fmt: skip
def test_sample_of_the_string_protocol(start: int, reply: str, expected: dict[str, Value]) -> None:
    found = read({start: data(reply)}, device_for(0x0132)).values
    assert expected.items() <= found.items()


@pytest.mark.parametrize(
    ("start", "reply", "expected"),
    [
        (
            5000,
            "01 04 14 0E 28 00 FA 00 01 03 5C 2B F6 00 0B 00 00 00 00 01 A9 00 00 3F 05",
            {
                "device_type_code": "SH25T",
                "nominal_active_power": 25.0,
                "output_type": "3P4L",
                "daily_power_yields": 86.0,
                # the document prints 73215.0: the low word is 0x2BF6, the high word 0x000B
                "total_power_yields": 73215.0,
                "internal_temperature": 42.5,
            },
        ),
        (
            13000,
            "01 04 04 40 00 00 0D 2F 81",
            {
                "system_state": "Running in external EMS mode",
                "running_state": 13,
                "state_power_generated_from_pv": 1,
                "state_battery_charging": 0,
                "state_battery_discharging": 1,
                "state_load_active": 1,
            },
        ),
    ],
)
def test_sample_of_the_hybrid_protocol(start: int, reply: str, expected: dict[str, Value]) -> None:
    found = read({start: data(reply)}, device_for(0x0E28)).values
    assert expected.items() <= found.items()


def test_sample_of_the_settings() -> None:
    reply = "01 03 14 07 DA 00 0A 00 1E 00 09 00 28 00 25 00 CE 00 AA 01 F4 00 00 80 53"
    found = read({}, device_for(0x0132), holding={5000: data(reply)}).values
    assert found == {
        "device_clock": "2010-10-30 09:40:37",
        "start_stop": "Stop",
        "power_limitation_switch": "Enabled",
        "power_limitation_setting": 50.0,
    }


# SH8.0RT-20, LAN port, firmware of January 2024


CHARGING = {
    4950: [12288, 16706, 4352, 256],
    5000: [3602, 80, 1, 25, 624, 0, ONES, ONES, 475, 85, 0, 5645, 9, 2513, 10, ONES, ONES, 629, 0],
    5019: [2288, 2311, 2316, 4, 4, 4, *[ONES] * 6, 65448, ONES, 65526, ONES, 1000, 499],
    5214: [64820, ONES, 65396, ONES, 52, 0, 4, 0, *[ONES] * 10, 65448, ONES, 65526, ONES],
    5236: [629, 0, 85, 0, ONES, 1000, 4997],
    5601: [49, 0, 492, 0, 64920, ONES, 174, 0],
    5628: [80, 105, 1991, 28, 250, 315, 1000, 30, 30, ONES, ONES, 960],
    13000: [64, 43, 9, 177, 0, 0, 0, 0, 56, 0, 65398, ONES, 3, 114, 0, 123, 0, 6, 63, 0],
    13020: [1991, 28, 711, 315, 1000, 250, 18, 569, 0, 1000, ONES, 4, 4, 4, 65454, ONES],
    13036: [61, 913, 0, 96, 51, 645, 0, 255, 0, 6, 144, 0],
}


def test_hybrid_that_charges_its_battery() -> None:
    found = read(CHARGING, SH8_20)
    expected: dict[str, Value] = {
        "protocol_number": "AB0",
        "protocol_version": "V1.0.11",
        "device_type_code": "SH8.0RT-20",
        "daily_power_yields": 2.5,
        "total_power_yields": 62.4,
        "internal_temperature": 47.5,
        "mppt_1_voltage": 564.5,
        "mppt_2_current": 1.0,
        "total_dc_power": 629,
        "total_reactive_power": -10,
        "grid_frequency": 49.97,
        "battery_power": -716,
        "battery_current": -2.8,
        "battery_capacity": 9.6,
        "battery_level": 31.5,
        "battery_temperature": 25.0,
        "load_power_hybrid": 56,
        "export_power_hybrid": -138,
        "total_active_power": -82,
        "phase_b_current": 0.4,
        "meter_total_power": 49,
        "meter_phase_b_power": -616,
        "daily_import_energy": 6.1,
        "total_export_energy": 14.4,
        "co2_reduction": 12.3,
        "bdc_rated_power": 8000,
    }
    assert expected.items() <= found.values.items()
    assert set(found.absent) == {"grid_state", "drm_state"}


def test_fast_registers_alone_give_the_same_battery_power() -> None:
    blocks = {start: CHARGING[start] for start in (5214, 13000, 13020)}
    assert read(blocks, SH8_20).values["battery_power"] == -716


def test_battery_power_without_the_newer_register_is_the_older_one_with_the_flows_sign() -> None:
    blocks = {start: CHARGING[start] for start in (13000, 13020)}
    assert read(blocks, SH8_20).values["battery_power"] == -711


def test_hybrid_that_rests_at_night() -> None:
    found = read(
        {
            5000: [3602, 80, 1, 0, 994, 0, ONES, ONES, 345, 77, 0, 0, 0, 0, 0, ONES, ONES, 0, 0],
            5601: [398, 0, 648, 0, 64884, ONES, 402, 0],
            5723: [65510, 65505, 65506, 65449, ONES],
            13000: [64, 40, 0, 255, 0, 0, 0, 0, 402, 0, 65134, ONES],
            13020: [1916, 0, 0, 0, 1000, 210],
        },
        SH8_20,
    ).values
    assert found["total_dc_power"] == 0
    assert found["battery_level"] == 0.0
    assert found["battery_power"] == 0
    assert found["export_power_hybrid"] == -402
    assert found["backup_phase_a_power"] == -26
    assert found["total_backup_power"] == -87
    assert "total_running_time" not in found


def test_load_can_be_negative_for_an_instant() -> None:
    found = read({13000: [64, 128], 13008: [65510, ONES, 0, 0]}, SH8_20).values
    assert found["load_power_hybrid"] == -26
    assert found["state_power_generated_from_load"] == 1


def test_second_inverter_of_a_cascade_has_neither_meter_nor_battery() -> None:
    found = read(
        {
            5214: [0, 0, 0, 0],
            5601: [ONES, 0x7FFF] * 4,
            5628: [80, 2, 0, 0, 0, 0, 0, 0, 0, ONES, ONES, 0],
            13000: [64, 0, 14, 199, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 139, 0, 14, 199, 0],
            13020: [0, 0, 0, 0, 0, 0, 0, 0, 0, 1000, ONES, 4, 4, 3, 65469, ONES],
            13036: [0, 0, 0, 0, 0, 0, 0, 255, 0, 0, 0, 0],
        },
        SH8_20,
    )
    assert found.values["total_active_power"] == -67
    assert found.values["total_pv_generation"] == 19.9
    assert {"meter_total_power", "export_power_hybrid", "total_import_energy"} <= set(found.absent)
    assert {"battery_power", "battery_level", "battery_capacity"} <= set(found.absent)


def test_history_counts_days_from_1_and_years_from_2015() -> None:
    days = [12, 8, 20, 14, 16, 1, *[0] * 25]
    years = [*[0] * 16, 184, 0, 71, 0, *[0] * 10, *[ONES] * 10]
    found = read({6196: days, 6227: [71, *[0] * 11], 6250: years}, SH8_20).values
    assert found["daily_pv_energy_yields"] == [1.2, 0.8, 2.0, 1.4, 1.6, 0.1, *[0.0] * 25]
    assert found["monthly_pv_energy_yields"] == [7.1, *[0.0] * 11]
    per_year = found["yearly_pv_energy_yields"]
    assert isinstance(per_year, list)
    assert dict(zip(range(2015, 2035), per_year, strict=True)) == {
        **dict.fromkeys(range(2015, 2030), 0.0),
        2023: 18.4,
        2024: 7.1,
        **dict.fromkeys(range(2030, 2035)),
    }


def test_power_limit_of_old_firmware_is_in_the_string_inverters_registers() -> None:
    holding = {5006: [207, 170, 1000], 13089: [ONES, ONES]}
    assert "power_limitation_switch" in read({}, SH8_20, holding=holding).absent
    found = read({}, SH8_20, level=3, holding=holding).values
    assert found["power_limitation_switch"] == "Enabled"
    assert found["power_limitation_setting"] == 100.0


# SH8.0RT-20 through a WiNet-S of January 2024


def test_hybrid_behind_an_old_dongle() -> None:
    found = read(
        {
            4950: [12592, 16705, 1280, 256],
            5017: [149, 0],
            5033: [1, 0, 1000, 4994],
            5601: [29, 0, 313, 0, 65241, ONES, 11, 0],
            13000: [0, 45, 1, 275, 0, 0, 0, 0, 2080, 0, 65525, ONES, 0, 160, 0, 0, 0, 1, 115, 0],
            13020: [1881, 101, 1920, 0, 1000, 190, 3, 961, 0, 1000, 0, 29, 29, 29, 2059, 0],
            13036: [90, 1902, 0, 960, 6, 1052, 0, 255],
        },
        SH8_20_DONGLE,
    )
    expected: dict[str, Value] = {
        "protocol_number": "AA10",
        "protocol_version": "V1.0.5",
        "system_state": "Running",
        "grid_frequency": 49.94,
        "battery_power": 1920,
        "battery_current": 10.1,
        "battery_level": 0.0,
        "battery_capacity": 9.6,
        "export_power_hybrid": -11,
    }
    assert expected.items() <= found.values.items()
    assert set(found.absent) == {"grid_state", "drm_state", "co2_reduction"}


# SH8.0RT-V112, firmware of September 2026, LAN port and WiNet-S


V112_BATTERY_FIRMWARE = [21314, 21058, 17237, 11603, 24370, 12848, 12593, 11824, 12590, 13104]


def test_hybrid_on_its_lan_port() -> None:
    found = read(
        {
            5000: [3598, 80, 1, 203, 56153, 4],
            5033: [65533, ONES, 1000, 500],
            5601: [65184, ONES, 1155, 0, 64794, ONES, 64771, ONES],
            5720: [1, 1, 0, 0, 0, 0, 0, 0, 2146, 0, 0, 3, 6, 15, 5000],
            13000: [64, 25, 262, 7476, 5, 128, 37784, 3, 2294, 0, 346, 0, 75, 51437, 0, 38001, 3],
            13020: [1995, 0, 0, 1000, 970, 250, 33, 49789, 0, 225, ONES, 38, 38, 38, 2639, 0],
            13200: [ONES, 0x7FFF] * 4,
            13280: [*V112_BATTERY_FIRMWARE, 52, 13056, 0, 0, 0],
        },
        SH8_V112,
        holding={
            5000: [2026, 9, 8, 16, 7, 38],
            13084: [11, 11, 170, 85, 1000, 85, 1000],
            33042: [ONES, ONES, ONES, ONES, 0, 450, 400, 960],
        },
    )
    expected: dict[str, Value] = {
        "device_type_code": "SH8.0RT-V112",
        "total_power_yields": 31829.7,
        "total_reactive_power": -3,
        "power_factor": 1.0,
        "grid_frequency": 50.0,
        "meter_total_power": -352,
        "backup_phase_c_voltage": 1.5,
        "backup_frequency": 50.0,
        "total_pv_generation": 33515.6,
        "total_pv_export": 23439.2,
        "co2_reduction": 23460.9,
        "battery_state_of_healthy": 97.0,
        "battery_firmware_version": "SBRBCU-S_22011.01.30",
        "device_clock": "2026-09-08 16:07:38",
        "start_charging_power": 110,
        "export_power_limitation": "Disabled",
        "power_limitation_setting": 100.0,
        "battery_max_charge_power": 4500,
        "battery_max_discharge_power": 4000,
    }
    assert expected.items() <= found.values.items()
    meter2 = {f"meter2_{of}_power" for of in ("total", "phase_a", "phase_b", "phase_c")}
    assert set(found.absent) == {"grid_state", "charge_cutoff_voltage"} | meter2


MASKED: Words = {
    5000: [3598, 80, 1, 281, 56231, 4, 0, 0, 471, 0, 0, 5655, 10, 4291, 90, 0, 0, 4574, 0],
    13000: [0, 25, 332, 7546, 5, 164, 37820, 3, 3825, 0, 581, 0, 75, 51437, 0, 0, 0, 93, 49361, 0],
    13020: [1988, 0, 0, 846, 970, 250, 45, 49801, 0, 280, 0, 64, 64, 64, 4407, 0],
    13043: [0],
    13200: [0] * 8,
}


@pytest.mark.parametrize("level", [1, 2, 3])
def test_what_a_dongle_masks_is_absent_at_every_level(level: int) -> None:
    found = read(MASKED, SH8_V112_DONGLE, level)
    hidden = {"grid_state", "co2_reduction", "drm_state", "meter2_total_power", "mppt_3_voltage"}
    assert not hidden & found.values.keys()
    assert found.values["system_state"] == "Running"
    assert found.values["export_power_hybrid"] == 581


def test_registers_of_other_families_are_not_read_from_the_words_between() -> None:
    of: Device = SH8_V112
    spaces = {Space.INPUT: words({5006: [7, 0], 5038: [0], 5083: [5, 0]})}
    assert Decoder(registers_for(of, 3), of).decode(spaces).values == {}
