"""The SunSpec view: the layout that programs expect, and nothing that is not known."""

import struct
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from sungather.modbus_server.sunspec import FIRST, view, words_of
from sungather.reading import Reading, State, Value
from sungather.registers import Block, Space
from sungather.registers.models import model_named
from tests.plain_values import measurements

NOW = datetime(2026, 6, 21, 12, tzinfo=UTC)
SG10RT = model_named("SG10RT")
VALUES: dict[str, Value] = {
    "total_active_power": 7412,
    "total_dc_power": 7600,
    "phase_a_voltage": 233.7,
    "phase_b_voltage": 234.1,
    "phase_c_voltage": 232.9,
    "phase_a_current": 10.6,
    "phase_b_current": 10.5,
    "phase_c_current": 10.7,
    "grid_frequency": 49.98,
    "internal_temperature": -4.5,
    "total_power_yields": 12345.6,
}


def of(values: dict[str, Value] | None = None, state: State = State.OK) -> Reading:
    return Reading(
        "inverter", state, NOW, model="SG10RT", family="SG-RT", serial="A2310715068",
        firmware={"arm_software_version": "SAPPHIRE-H_B000.V000.P005"},
        measurements=measurements(values or {}, {}),
    )  # fmt: skip


def at(words: list[int], wire: int, form: str) -> tuple[int, ...]:
    """Words at an address on the wire, in the form of `struct`."""
    raw = struct.pack(f">{len(words)}H", *words)
    return struct.unpack_from(f">{form}", raw, 2 * (wire - 40000))


def test_a_program_finds_each_model_where_the_one_before_ends() -> None:
    words = view(of(VALUES), SG10RT)
    assert bytes(struct.pack(">2H", *words[:2])) == b"SunS"
    found: list[tuple[int, int, int]] = []
    wire = 40002
    while words[wire - 40000] != 0xFFFF:
        model, length = at(words, wire, "HH")
        found.append((wire, model, length))
        wire += 2 + length
    assert found == [(40002, 1, 66), (40070, 103, 50), (40122, 120, 26)]
    assert len(words) == wire - 40000 + 2
    assert at(words, wire, "HH") == (0xFFFF, 0)


def test_what_is_known_stands_where_victron_reads_it() -> None:
    words = view(of(VALUES), SG10RT)
    assert at(words, 40004, "32s") == (b"Sungrow".ljust(32, b"\0"),)
    assert at(words, 40020, "32s") == (b"SG10RT".ljust(32, b"\0"),)
    assert at(words, 40052, "32s") == (b"A2310715068".ljust(32, b"\0"),)
    assert at(words, 40072, "HHHHh") == (3180, 1060, 1050, 1070, -2)
    assert at(words, 40080, "HHHh") == (2337, 2341, 2329, -1)
    assert at(words, 40084, "hhHh") == (7412, 0, 4998, -2)
    assert at(words, 40094, "Ih") == (12_345_600, 0)
    assert at(words, 40101, "hh") == (7600, 0)
    assert at(words, 40103, "h") == (-45,)
    assert at(words, 40107, "hH") == (-1, 4)
    assert at(words, 40124, "HHh") == (4, 10_000, 0)


def test_what_is_not_known_is_not_implemented_and_never_a_zero() -> None:
    words = view(of(), replace(SG10RT, nominal_kw=None))
    assert at(words, 40072, "4H") == (0xFFFF,) * 4
    assert at(words, 40080, "3H") == (0xFFFF,) * 3
    assert at(words, 40084, "H") == (0x8000,)
    assert at(words, 40086, "H") == (0xFFFF,)
    assert at(words, 40094, "I") == (0,), "so SunSpec says that a counter is not implemented"
    assert at(words, 40108, "H") == (0xFFFF,)
    assert at(words, 40110, "II") == (0xFFFFFFFF,) * 2, "nobody says that there is no event"
    assert at(words, 40125, "H") == (0xFFFF,)
    assert at(words, 40127, "Hh5hHh5h") == (0xFFFF, *(-0x8000,) * 6, 0xFFFF, *(-0x8000,) * 6)
    assert at(words, 40141, "HhHhHhHhh") == (0xFFFF, -0x8000) * 4 + (-0x8000,)


@pytest.mark.parametrize(
    ("watts", "shown"), [(0.0, (0, 0)), (-20.0, (-20, 0)), (110_000, (11_000, 1))]
)
def test_power_has_the_exponent_that_it_needs(watts: float, shown: tuple[int, int]) -> None:
    assert at(view(of({"total_active_power": watts}), SG10RT), 40084, "hh") == shown


def test_states_are_those_of_sunspec() -> None:
    assert at(view(of(state=State.ASLEEP), SG10RT), 40108, "H") == (2,)
    assert at(view(of({"total_active_power": 0}), SG10RT), 40108, "H") == (8,)


def test_one_phase_is_model_101_and_its_current_the_sum() -> None:
    current: dict[str, Value] = {"phase_a_current": 21.5}
    assert at(view(of(current), SG10RT), 40072, "2H") == (0xFFFF, 2150), "two are missing"
    words = view(of(current), replace(SG10RT, phases=1))
    assert at(words, 40070, "HH") == (101, 50)
    assert at(words, 40072, "4H") == (2150, 2150, 0xFFFF, 0xFFFF)


def test_only_what_is_there_can_be_read() -> None:
    words = view(of(VALUES), SG10RT)
    inside = Block(Space.HOLDING, FIRST, len(words))
    assert words_of(words, inside) == words
    assert words_of(words, Block(Space.HOLDING, FIRST - 1, 2)) is None
    assert words_of(words, Block(Space.HOLDING, FIRST + 1, len(words))) is None
