"""The register map of home managers and loggers, on words as their documents print them."""

import pytest

from sungather.cli.reports import plan_for
from sungather.reading import Value
from sungather.registers import Space
from sungather.registers.catalogue import Tier, registers_for
from sungather.registers.decode import Decoded, Decoder
from sungather.registers.models import device_for

IHOMEMANAGER, LOGGER1000 = 0x072A, 0x0710

# Documented register -> word. 32 bits have their low word first: 02 00 01 00 is V1.0.2.
HOME_MANAGER = {
    8000: 0x072A, 8001: 0x3000, 8002: 0x4157, 8003: 0x0200, 8004: 0x0100, 8005: 3, 8006: 0,
    8145: 100, 8146: 0, 8147: 96, 8148: 0, 8155: 0x0227, 8156: 0, 8157: 0xFE51, 8158: 0xFFFF,
    8159: 120, 8160: 0, 8161: 0xFF38, 8162: 0xFFFF, 8163: 655, 8176: 0x5678, 8177: 1,
    8178: 0x1234, 8179: 2, 8552: 3, 8553: 0, 8554: 1, 8555: 2304, 8556: 2311, 8557: 2298,
    8558: 500, 8559: 0xFA24, 8560: 0xFFFF, 8561: 1, 8562: 0, 8563: 0xFFFF, 8564: 0x7FFF,
    8594: 11000, 8595: 0,
}  # fmt: skip
# Plant totals have their high word first: 0, 0, 12, 46644 is 833076 W.
LOGGER = {
    8000: 0x0710, 8003: 0x0207, 8004: 0x0100, 8005: 5, 8006: 1, 8070: 0, 8071: 0, 8072: 12,
    8073: 46644, 8074: 4490, 8075: 0, 8076: 0xFFFF, 8077: 0xFFFF, 8078: 0xFFFF, 8079: 47140,
    8080: 0, 8081: 0, 8082: 415, 8083: 12025, 8086: 13500, 8087: 0, 8106: 0xFFFF, 8107: 0xFFFF,
    8108: 0xFFFF, 8109: 0xFFFF,
}  # fmt: skip


def decoded(code: int, words: dict[int, int], holding: dict[int, int] | None = None) -> Decoded:
    device = device_for(code)
    spaces = {Space.INPUT: words, Space.HOLDING: holding or {}}
    return Decoder(registers_for(device, 3), device).decode(spaces)


@pytest.mark.parametrize(
    ("name", "value", "unit"),
    [
        ("device_type_code", "iHomeManager", None),
        ("protocol_number", "AW0", None),
        ("protocol_version", "V1.0.2", None),
        ("connected_devices", 3, None),
        ("nominal_active_power", 10.0, "kW"),
        ("battery_capacity", 9.6, "kWh"),
        ("inverters_power", 5510, "W"),
        ("grid_power", -4310, "W"),
        ("load_power", 1200, "W"),
        ("battery_power", -2000, "W"),
        ("battery_level", 65.5, "%"),
        ("total_import_energy", 8767.2, "kWh"),
        ("total_export_energy", 13573.2, "kWh"),
        ("charger_status", "Charging", None),
        ("output_type", "3P4L", None),
        ("phase_a_voltage", 230.4, "V"),
        ("grid_frequency", 50.0, "Hz"),
        ("meter_phase_a_power", -1500, "W"),
        ("charger_power", 11000, "W"),
    ],
)
def test_a_home_manager_says_what_its_document_prints(
    name: str, value: Value, unit: str | None
) -> None:
    told = decoded(IHOMEMANAGER, HOME_MANAGER)
    assert (told.values[name], told.units.get(name)) == (value, unit)


def test_a_phase_that_a_home_manager_does_not_measure_is_absent() -> None:
    assert "meter_phase_c_power" in decoded(IHOMEMANAGER, HOME_MANAGER).absent


@pytest.mark.parametrize("word", [0xFFFF, 0x8000, 0x7FFF])
def test_a_power_that_is_not_available_is_no_power(word: int) -> None:
    low = 0xFFFF if word != 0x8000 else 0
    words = {**HOME_MANAGER, **dict.fromkeys(range(8155, 8163, 2), low)}
    words |= dict.fromkeys(range(8156, 8164, 2), word)
    said = decoded(IHOMEMANAGER, words).values.get("grid_power")
    # 0x80000000 cannot be, which is for those who judge powers.
    assert said is None or abs(float(str(said))) > 1e10


@pytest.mark.parametrize(
    ("word", "text"), [(0, "Disabled"), (1, "Enabled"), (0x55, "Disabled"), (0xAA, "Enabled")]
)
def test_both_styles_of_a_limited_feed_in_are_known(word: int, text: str) -> None:
    assert decoded(IHOMEMANAGER, {}, {8028: word}).values["feed_in_limitation"] == text


@pytest.mark.parametrize(
    ("name", "value", "unit"),
    [
        ("protocol_version", "V1.0.2.7", None),
        ("connected_devices", 5, None),
        ("devices_in_fault", 1, None),
        ("total_active_power", 833076, "W"),
        ("daily_power_yields", 449.0, "kWh"),
        ("total_reactive_power", -18396, "var"),
        ("total_power_yields", 2720946.5, "kWh"),
        ("max_adjustable_active_power", 1350.0, "kW"),
    ],
)
def test_a_loggers_64_bits_have_their_high_word_first(
    name: str, value: Value, unit: str | None
) -> None:
    told = decoded(LOGGER1000, LOGGER)
    assert (told.values[name], told.units.get(name)) == (value, unit)


def test_old_firmware_of_a_logger_has_no_apparent_power() -> None:
    assert "total_apparent_power" in decoded(LOGGER1000, LOGGER).absent


@pytest.mark.parametrize(
    ("code", "level", "most", "most_often"),
    [
        (IHOMEMANAGER, 1, 4, 3),
        (IHOMEMANAGER, 2, 6, 3),
        (IHOMEMANAGER, 3, 6, 3),
        (LOGGER1000, 1, 2, 1),
        (LOGGER1000, 3, 4, 1),
    ],
)
def test_a_plant_is_read_in_few_requests(
    code: int, level: int, most: int, most_often: int
) -> None:
    device = device_for(code)
    registers = registers_for(device, level)
    fast = [one for one in registers if one.tier is Tier.FAST]
    assert len(plan_for(registers, device, 100).blocks) <= most
    assert len(plan_for(fast, device, 100).blocks) <= most_often
