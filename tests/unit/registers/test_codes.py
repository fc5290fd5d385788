"""Meanings of states, settings, faults and alarms."""

from pathlib import Path

import pytest

from sungather.registers import codes
from sungather.registers.codes import meaning


@pytest.mark.parametrize(
    ("table", "number", "text"),
    [
        ("work_state_1", 0x0000, "Run"),
        ("work_state_1", 0x1111, "Uninitialized"),
        ("work_state_1", 0x9100, "Alarm run"),
        ("system_state", 0x0040, "Running"),
        ("system_state", 0x0000, "Running"),
        ("system_state", 0x2501, "Restarting"),
        ("system_state", 0x0041, "Off-grid charge"),
        ("system_state", 0x4001, "Emergency charging"),
        ("output_type", 2, "3P3L"),
        ("grid_state", 0xAA, "Off grid"),
        ("drm_state", 1, "DRM0"),
        ("drm_state", 9, "DRM8"),
        ("ems_mode", 4, "VPP"),
        ("charge_command", 0xBB, "Discharge"),
        ("start_stop", 0xCF, "Start"),
        ("switch", 0x55, "Disabled"),
        ("country", 34, "Colombia"),
        ("country", 170, "Mexico_220"),
        ("battery_type", 9, "Li-ion Sungrow"),
        ("master_slave", 161, "Slave 1"),
        ("pid_work_state", 4, "Anti-PID operation"),
        ("pid_alarm", 433, "433 PID function abnormity"),
        ("pid_alarm", 0, "none"),
        ("models", 0x0E03, "SH10RT"),
        ("models", 0x4321, "unknown (0x4321)"),
    ],
)
def test_number_has_its_text(table: str, number: int, text: str) -> None:
    assert meaning(table, number) == text


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (0, "none"),
        (10, "10 Grid power outage"),  # its own text of V1.1.37, not the group's of V1.1.80
        (39, "39 Low system insulation resistance"),
        (79, "79 PV2 abnormal"),
        (460, "460 String 13 reverse connection fault"),
        (571, "571 String 24 reverse connection alarm"),
        (514, "514 Meter Communication Abnormal Alarm"),  # without a text in V1.1.37
        (300, "300 System Fault"),  # in V1.1.80 only
        (703, "703 Battery average under-voltage fault"),  # in no document
        (9999, "9999 unknown"),
    ],
)
def test_string_fault_has_code_and_text(code: int, text: str) -> None:
    assert meaning("string_faults/string_fault", code) == text


def test_hybrid_faults_are_listed_with_their_codes() -> None:
    # The example of the document: bits 13 and 20 of the inverter's alarms.
    assert meaning("hybrid_faults/inverter_alarm", 0x00102000, bits=32) == (
        "083 Fan 2 Stall Alarm; 504 Ambient Temperature Sensor Short Circuit Alarm"
    )


@pytest.mark.parametrize(
    ("table", "bit", "text"),
    [
        ("grid_side_fault", 8, "010 Grid Power Outage"),
        ("grid_side_fault", 30, "114 Bypass Switch Over Current"),
        ("system_fault1", 26, "326 Balance bridge current sampling channel abnormal"),
        ("dc_side_fault", 28, "212 PV4 Reverse Connection Fault"),
        ("permanent_fault", 31, "432 unknown"),
        ("bms_fault2", 0, "864 Battery cell over-voltage fault"),
        ("bms_alarm2", 0, "964 BMS Internal Alarm"),
        ("bdc_side_fault", 1, "601 BDC Discharge Transient I-over"),
        ("bdc_side_fault", 4, "604 unknown"),
    ],
)
def test_hybrid_fault_bit_has_the_code_of_its_word(table: str, bit: int, text: str) -> None:
    assert meaning(f"hybrid_faults/{table}", 1 << bit, bits=32) == text


def test_no_fault_is_none_and_loads_no_table() -> None:
    assert meaning("hybrid_faults/no_such_table", 0, bits=32) == "none"


def test_bits_of_a_state_are_listed() -> None:
    text = meaning("work_state_2", 1 << 0 | 1 << 17 | 1 << 7, bits=32)
    assert text == "Run; bit 7; Total run (grid-connected)"
    assert meaning("work_state_2", 0, bits=32) == "none"


def test_unknown_state_is_shown_as_it_is() -> None:
    assert meaning("system_state", 0x0ABC) == "unknown (0x0ABC)"


@pytest.mark.parametrize(
    ("table", "number"), [("drm_state", 255), ("drm_state", 0), ("switch", 0), ("start_stop", 0)]
)
def test_number_that_means_not_available_has_no_text(table: str, number: int) -> None:
    assert meaning(table, number) is None


def test_missing_table_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        meaning("no_such_table", 1)


@pytest.mark.parametrize("wrong", ["1 |", "one | One", "[name] colours"])
def test_wrong_line_is_named_by_file_and_number(
    wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wrong.table").write_text(f"[fine]\n0 | Fine\n{wrong}\n", encoding="utf-8")
    monkeypatch.setattr(codes, "DATA", tmp_path)
    with pytest.raises(ValueError, match=r"wrong\.table, line 3"):
        meaning("wrong/fine", 0)
