"""The register map of batteries and wall boxes, on words of real ones."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sungather.reading import Path
from sungather.registers import Space, kinds
from sungather.registers.catalogue import registers_for
from sungather.registers.decode import Decoded, Decoder
from sungather.registers.models import device_for

SBR096, AC22E = 0x20E7, 0x3F80

# Documented register -> word of the AC22E-01 behind an SH8.0RT-V112, after a short session.
WALL_BOX = {
    21215: 123, 21216: 16707, 21217: 12850, 21218: 17709, 21219: 12337, 21224: 16256, 21225: 1,
    21226: 19525, 21227: 11568, 21228: 12590, 21229: 12613, 21230: 12590, 21231: 12336,
    21232: 12590, 21262: 230, 21263: 320, 21268: 1, 21269: 0, 21270: 1, 21272: 1380, 21273: 22080,
    21300: 18413, 21301: 4, 21302: 0, 21303: 0, 21304: 0, 21305: 0, 21306: 0, 21307: 0, 21308: 0,
    21309: 0, 21310: 105, 21311: 0, 21312: 904, 21313: 0, 21314: 1, 21315: 0, 21316: 1, 21317: 6,
    21318: 19519, 21319: 27296, 21320: 19519, 21321: 27296, 21322: 161,
}  # fmt: skip
WALL_BOX_SETTINGS = {21203: 151, 21204: 1, 21211: 1, 21212: 1, 21232: 50, 21233: 6}


def decoded(code: int, input_words: dict[int, int], holding: dict[int, int]) -> Decoded:
    device = replace(device_for(code), path=Path.DONGLE)
    words = {Space.INPUT: input_words, Space.HOLDING: holding}
    return Decoder(registers_for(device, 3), device).decode(words)


@pytest.mark.parametrize(
    ("name", "value", "unit"),
    [
        ("charger_device_type_code", "AC22E-01", None),
        ("charger_phases", 1, None),
        ("charger_nominal_voltage", 230, "V"),
        ("charger_rated_current", 32.0, "A"),
        ("charger_phase_mode", "Single phase", None),
        ("charger_min_power", 1380, "W"),
        ("charger_max_power", 22080, "W"),
        ("charger_total_energy", 280.557, "kWh"),
        ("charger_session_energy", 0.105, "kWh"),
        ("charger_phase_a_voltage", 0, "V"),
        ("charger_power", 0, "W"),
        ("charger_control_pilot_voltage", 9.04, "V"),
        ("charger_start_mode", "Started by the energy management", None),
        ("charger_status", "Completed", None),
        ("charger_session_start", "2026-09-08 17:56:15", None),
        ("charger_available_current", 16.1, "A"),
        ("charger_output_current", 15.1, "A"),
        ("charger_enable", "On", None),
        ("charger_mileage", 5.0, "km/kWh"),
        ("charger_min_current", 6, "A"),
    ],
)
def test_a_wall_box_says_what_its_owner_saw(
    name: str, value: float | str, unit: str | None
) -> None:
    found = decoded(AC22E, WALL_BOX, WALL_BOX_SETTINGS)
    assert found.values[name] == value
    assert found.units.get(name) == unit


def test_a_battery_says_what_its_owner_saw() -> None:
    found = decoded(SBR096, {10741: 1964, 10742: 182}, {})
    assert found.values == {"battery_pack_voltage": 196.4, "battery_pack_current": 18.2}


def test_a_battery_that_charges_has_a_negative_current() -> None:
    found = decoded(SBR096, {10742: 0x10000 - 95}, {})
    assert found.values == {"battery_pack_current": -9.5}


@pytest.mark.parametrize(
    ("word", "text"),
    [(518, "module 2, cell 6"), (788, "module 3, cell 20"), (256, "module 1"), (0, ""),
     (6, ""), (0xFFFF, "")],
)  # fmt: skip
def test_a_position_is_a_module_and_a_cell(word: int, text: str) -> None:
    assert kinds.position([word]) == text


@pytest.mark.parametrize(("words", "text"), [((0, 0), ""), ((0xFFFF, 0xFFFF), "")])
def test_no_time_is_no_text(words: tuple[int, int], text: str) -> None:
    assert kinds.epoch(words) == text


@given(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF))
def test_any_two_words_are_a_time_or_none(low: int, high: int) -> None:
    assert len(kinds.epoch([low, high])) in (0, 19)


def test_an_inverter_has_no_register_of_a_device_behind_it() -> None:
    names = {register.name for register in registers_for(device_for(0x0E03), 3)}
    assert not {"battery_pack_voltage", "charger_power"} & names
