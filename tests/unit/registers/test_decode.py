"""Words -> values, kind by kind and candidate by candidate."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from register_words import CABLE, DONGLE, STRING, read, words

from sungather.reading import Value
from sungather.registers import Block, Space
from sungather.registers.catalogue import Register, Tier, registers_for
from sungather.registers.decode import Decoded, Decoder
from sungather.registers.device import Device
from sungather.registers.kinds import kind
from sungather.registers.models import device_for, model_named


def register(decode_name: str, scale: float = 1) -> Register:
    shape = kind(decode_name)
    return Register(
        name="value",
        space=Space.INPUT,
        address=100,
        kind=decode_name,
        count=shape.count,
        length=shape.length,
        scale=scale,
        unit="",
        level=1,
        tier=Tier.FAST,
        codes="",
        bit=None,
        group="",
        absent=frozenset(),
        source="",
        note="",
    )


def one(of: Register, block: Sequence[int], device: Device = CABLE) -> Value | None:
    return Decoder([of], device).decode({Space.INPUT: words({100: block})}).values.get("value")


def text_words(text: str, count: int) -> list[int]:
    raw = text.encode().ljust(2 * count, b"\0")
    return [raw[i] << 8 | raw[i + 1] for i in range(0, 2 * count, 2)]


# Kinds


@pytest.mark.parametrize(
    ("decode_name", "scale", "block", "value"),
    [
        ("u16", 0.1, [2295], 229.5),
        ("u16", 1, [0x8000], 32768),
        ("u16", 10, [450], 4500),
        ("s16", 1, [0xFFFE], -2),
        ("s16", 0.001, [0xFC7C], -0.9),
        ("s16", 0.1, [3], 0.3),
        ("u32", 0.1, [7476, 5], 33515.6),
        ("u32", 0.01, [1, 1], 655.37),
        ("s32", 1, [0xFD34, 0xFFFF], -716),
        ("s32", -1, [1590, 0], -1590),
        ("s32", 1, [0x0000, 0x8000], -2147483648),
        ("u64", 0.1, [0, 0, 415, 12025], 2720946.5),
        ("s64", 1, [0xFFFF, 0xFFFF, 0xFFFF, 47140], -18396),
        ("u16[3]", 0.1, [1, 0xFFFF, 3], [0.1, None, 0.3]),
        ("u32[2]", 0.1, [184, 0, 0xFFFF, 0xFFFF], [18.4, None]),
        ("label[2]", 1, [0x3000, 0x4142], "AB0"),
        ("label[2]", 1, [0x3130, 0x4141], "AA10"),
        ("version", 1, [0x5300, 0x0101], "V1.1.53"),
        ("version", 1, [0x0700, 0x0101], "V1.1.7"),
        ("version", 1, [0x1100, 0x0100], "V1.0.11"),
        ("version", 1, [0x0702, 0x0101], "V1.1.7.2"),
        ("clock", 1, [2026, 9, 8, 16, 7, 38], "2026-09-08 16:07:38"),
        ("frequency", 1, [499], 49.9),
        ("frequency", 1, [4994], 49.94),
        ("frequency", 1, [1000], 100.0),
        ("frequency", 1, [1001], 10.01),
        ("frequency", 1, [0], 0.0),
        ("health", 1, [99], 99),
        ("health", 1, [100], 100),
        ("health", 1, [101], 10.1),
        ("health", 1, [970], 97.0),
        ("capacity", 1, [96], 9.6),
    ],
)
def test_words_of_a_kind_become_the_value(
    decode_name: str, scale: float, block: list[int], value: Value
) -> None:
    found = one(register(decode_name, scale), block)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("decode_name", "block"),
    [
        ("u16", [0xFFFF]),
        ("s16", [0x7FFF]),
        ("u32", [0xFFFF, 0xFFFF]),
        ("s32", [0xFFFF, 0x7FFF]),
        ("u64", [0xFFFF] * 4),
        ("s64", [0x7FFF, 0xFFFF, 0xFFFF, 0xFFFF]),
        ("u16[3]", [0xFFFF] * 3),
        ("text[3]", [0, 0, 0]),
        ("text[3]", [0xFFFF] * 3),
        ("text[3]", [0x0041, 0x4242, 0x4343]),
        ("label[2]", [0, 0]),
        ("version", [0, 0]),
        ("version", [0xFFFF, 0xFFFF]),
        ("frequency", [0xFFFF]),
        ("battery", [0x7FFF]),
        ("clock", [2026, 255, 8, 16, 7, 38]),
        ("clock", [2026, 2, 30, 16, 7, 38]),
        ("clock", [0xFFFF] * 6),
        ("clock", [0] * 6),
        ("clock", [1970, 1, 1, 0, 0, 0]),
        ("clock", [2106, 2, 7, 6, 28, 15]),
        ("clock", [2026, 9, 8, 24, 0, 0]),
    ],
)
def test_mark_for_not_available_is_absent_and_never_zero(
    decode_name: str, block: list[int]
) -> None:
    spaces = {Space.INPUT: words({100: block})}
    assert Decoder([register(decode_name)], CABLE).decode(spaces) == Decoded({}, {}, ("value",))


def test_text_ends_at_the_first_nul_and_what_is_stale_behind_it_is_gone() -> None:
    stale = [*text_words("SBRBCU-S_22011.01.30", 11), 0x2034, 0x3300, 0, 0]
    assert one(register("text[15]"), stale) == "SBRBCU-S_22011.01.30"


def test_serial_number_keeps_its_eleventh_character() -> None:
    serials = [read({4990: text_words(f"A225432118{last}", 10)}) for last in "12"]
    assert [found.values["serial_number"] for found in serials] == ["A2254321181", "A2254321182"]


def test_bytes_that_are_no_text_are_shown_as_such() -> None:
    assert one(register("text[2]"), [0x41C3, 0x4207]) == "A\ufffdB"


def test_bit_is_0_or_1() -> None:
    values = read({13001: [27]}).values
    assert values["running_state"] == 27
    assert values["state_power_generated_from_pv"] == 1
    assert values["state_battery_charging"] == 1
    assert values["state_battery_discharging"] == 0
    assert values["state_power_generated_from_load"] == 0


def test_every_bit_of_a_double_register_is_told() -> None:
    for bit in range(32):
        block = [1 << bit & 0xFFFF, 1 << bit >> 16]
        told = one(replace(register("u32"), codes="hybrid_faults/grid_side_fault"), block)
        assert str(told)[:3].isdigit(), f"bit {bit}"


def test_register_of_which_a_word_is_missing_is_passed_over() -> None:
    found = read({5004: [1], 5008: [424]})
    assert found == Decoded({"internal_temperature": 42.4}, {"internal_temperature": "°C"}, ())


def test_units_are_given_for_values_that_have_one() -> None:
    found = read({5008: [424], 5035: [1000], 13000: [0x40], 13030: [0xFFFF]})
    assert found.units == {"internal_temperature": "°C"}
    assert found.absent == ("grid_state",)


# Candidates


def test_first_candidate_that_has_a_value_is_published() -> None:
    both = {5144: [382569 & 0xFFFF, 382569 >> 16], 5004: [38256, 0]}
    assert read(both, STRING).values["total_power_yields"] == 38256.9
    both[5144] = [0xFFFF, 0xFFFF]
    found = read(both, STRING)
    assert found.values["total_power_yields"] == 38256
    assert found.absent == ()


def test_twin_that_answers_zero_gives_way() -> None:
    assert read({5144: [0, 0], 5004: [7, 0]}, STRING).values["total_power_yields"] == 7
    assert read({5242: [0], 5036: [500]}).values["grid_frequency"] == 50.0
    assert read({5639: [0], 13039: [96]}).values["battery_capacity"] == 9.6


def test_name_is_absent_only_if_all_its_registers_are() -> None:
    assert read({5242: [0xFFFF], 5036: [0xFFFF]}).absent == ("grid_frequency",)


def test_frequency_of_zero_at_night_is_a_value() -> None:
    assert read({5148: [0], 5036: [0]}, STRING).values["grid_frequency"] == 0.0


def test_nothing_stands_in_for_a_preferred_register_that_may_be_read_another_time() -> None:
    fine, coarse = {5144: [12345, 0]}, {5004: [1234, 0]}
    registers = registers_for(STRING, 3)
    decoder = Decoder(registers, STRING)

    def total(blocks: dict[int, Sequence[int]], lost: set[Block] | None) -> Value | None:
        found = decoder.decode({Space.INPUT: words(blocks)}, lost)
        assert "total_power_yields" not in found.absent
        return found.values.get("total_power_yields")

    assert total({**fine, **coarse}, set()) == 1234.5
    assert total({**coarse}, set()) is None
    assert total({**coarse}, {Block(Space.INPUT, 5144, 2)}) == 1234
    assert total({**coarse}, None) == 1234


# Whatever comes


DEVICES = [CABLE, DONGLE, STRING, model_named("SH5K-30"), replace(device_for(1), family="SH")]
EDGES = st.sampled_from([0, 1, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF])


@given(data=st.data())
def test_no_words_make_decoding_fail(data: st.DataObject) -> None:
    of = data.draw(st.sampled_from(DEVICES))
    registers = registers_for(of, 3)
    seen: dict[Space, dict[int, int]] = {space: {} for space in Space}
    for part in data.draw(st.lists(st.sampled_from(registers), max_size=40)):
        for at in range(part.address, part.address + part.count):
            seen[part.space][at] = data.draw(EDGES | st.integers(0, 0xFFFF))
    found = Decoder(registers, of).decode(seen)
    assert not found.values.keys() & set(found.absent)
    assert found.units.keys() <= found.values.keys()
    names = {register.name for register in registers}
    assert found.values.keys() | set(found.absent) <= names


NUMBERS = {
    "u16": (16, False),
    "s16": (16, True),
    "u32": (32, False),
    "s32": (32, True),
    "u64": (64, False),
    "s64": (64, True),
}


@given(data=st.data(), decode_name=st.sampled_from(sorted(NUMBERS)))
def test_every_number_but_the_marks_survives_its_way_through_words(
    data: st.DataObject, decode_name: str
) -> None:
    bits, signed = NUMBERS[decode_name]
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 2) if signed else (0, (1 << bits) - 2)
    number = data.draw(st.integers(low, high))
    block = [number >> shift & 0xFFFF for shift in range(0, bits, 16)]
    if bits == 64:
        block.reverse()
    assert one(register(decode_name), block) == number


@given(raw=st.integers(0, 0xFFFE), scale=st.sampled_from([0.1, 0.01, 0.001, 1, 10, 100]))
def test_value_has_the_decimals_of_its_scale(raw: int, scale: float) -> None:
    value = one(register("u16", scale), [raw])
    assert len(str(value).partition(".")[2]) <= {0.1: 1, 0.01: 2, 0.001: 3}.get(scale, 0)
    assert value == pytest.approx(raw * scale)


@given(text=st.text(st.characters(codec="utf-8", categories=["L", "N", "P"]), min_size=1))
def test_text_survives_its_way_through_words(text: str) -> None:
    count = len(text.encode()) // 2 + 1
    assert one(register(f"text[{count}]"), text_words(text, count)) == text


@given(st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2099, 12, 31)))
def test_clock_survives_its_way_through_words(moment: datetime) -> None:
    block = list(moment.timetuple())[:6]
    assert one(register("clock"), block) == f"{moment:%Y-%m-%d %H:%M:%S}"


def test_battery_current_is_the_register_that_every_scan_reads() -> None:
    """5631, which documents prefer, is read once a minute."""
    alone = read({5214: [710, 0], 13021: [71]}).values
    both = read({5214: [710, 0], 5631: [0], 13021: [71]}).values
    assert alone["battery_current"] == both["battery_current"] == 7.1
    assert (
        read({5214: [710, 0], 5631: [71], 13021: [0xFFFF >> 1]}).values["battery_current"] == 7.1
    )
