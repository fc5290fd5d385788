"""The words of the simulated inverters, decoded by hand."""

import struct
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sungather.errors import OptionsError
from sungather.simulator import (
    ExceptionCode,
    SimulatedDevice,
    device_named,
    device_names,
    stranger,
)
from sungather.simulator.words import parse_tables

BEGIN = datetime(2026, 6, 19, 6)
REFUSED = ExceptionCode.ILLEGAL_ADDRESS


class Clock:
    """Real time that passes only when told."""

    def __init__(self) -> None:
        self.now = datetime(2026, 6, 19, 4, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def words(device: SimulatedDevice, address: int, count: int, space: str = "input") -> list[int]:
    answer = device.read(space, address - 1, count)
    assert not isinstance(answer, ExceptionCode)
    return answer


def u16(device: SimulatedDevice, address: int) -> int:
    return words(device, address, 1)[0]


def u32(device: SimulatedDevice, address: int) -> int:
    low, high = words(device, address, 2)
    return high << 16 | low


def s32(device: SimulatedDevice, address: int) -> int:
    value = u32(device, address)
    return value - (1 << 32) if value >> 31 else value


def text(device: SimulatedDevice, address: int, count: int) -> bytes:
    return struct.pack(f">{count}H", *words(device, address, count))


def at(name: str, moment: datetime, *, path: str = "cable", meter: bool = True) -> SimulatedDevice:
    clock = Clock()
    device = device_named(name, clock=clock, begin=BEGIN, path=path, meter=meter)
    clock.pass_time((moment - BEGIN).total_seconds())
    return device


NOON = datetime(2026, 6, 19, 12, 30)
NIGHT = datetime(2026, 6, 20, 1, 30)


@pytest.mark.parametrize(
    ("name", "code", "nominal", "output", "serial"),
    [
        ("SG10RT", 0x2433, 100, 1, b"A2180412376"),
        ("SG5.0RS", 0x2606, 50, 0, b"A2281507944"),
        ("SH10RT", 0x0E03, 100, 1, b"A2310715068"),
        ("SH8.0RT", 0x0E02, 80, 1, b"A2250903127"),
    ],
)
def test_each_inverter_says_who_it_is(
    name: str, code: int, nominal: int, output: int, serial: bytes
) -> None:
    device = at(name, NOON)
    assert text(device, 4990, 10) == serial.ljust(20, b"\0")
    assert words(device, 5000, 3) == [code, nominal, output]


def test_protocol_numbers_have_their_words_swapped() -> None:
    assert words(at("SH10RT", NOON), 4950, 4) == [0x3000, 0x4142, 0x1100, 0x0100]
    assert words(at("SG10RT", NOON), 4950, 4) == [0x3100, 0x4153, 0x5300, 0x0101]


@given(seconds=st.integers(0, 2 * 86400))
@settings(deadline=None, max_examples=60)
@pytest.mark.parametrize("name", ["SH10RT", "SH8.0RT"])
def test_the_words_of_a_hybrid_balance_to_the_watt(name: str, seconds: int) -> None:
    device = at(name, BEGIN + timedelta(seconds=seconds))
    pv, house, export = u32(device, 5017), s32(device, 13008), s32(device, 13010)
    battery = s32(device, 5214)
    assert pv + battery == house + export
    assert s32(device, 13034) == s32(device, 5031) == pv + battery
    assert s32(device, 5601) == -export
    assert sum(s32(device, address) for address in (5603, 5605, 5607)) == -export
    assert s32(device, 5216) == export
    flow = u16(device, 13001)
    assert [flow >> bit & 1 for bit in (0, 1, 2, 4, 5)] == [
        pv > 0, battery < 0, battery > 0, export > 0, export < 0,
    ]  # fmt: skip


@given(seconds=st.integers(0, 86400))
@settings(deadline=None, max_examples=60)
def test_the_words_of_a_string_inverter_balance_to_the_watt(seconds: int) -> None:
    device = at("SG10RT", BEGIN + timedelta(seconds=seconds))
    pv, meter, house = u32(device, 5017), s32(device, 5083), s32(device, 5091)
    assert pv + meter == house
    assert meter == sum(s32(device, address) for address in (5085, 5087, 5089))
    assert s32(device, 5216) == meter
    assert u16(device, 5038) == (0 if pv else 0x1400)


def test_twins_of_different_precision_agree() -> None:
    device = at("SH10RT", NOON)
    assert u16(device, 5036) == round(u16(device, 5242) / 10)
    assert u16(device, 13039) * 10 == u16(device, 5639) == 1280
    assert abs(u16(device, 5012) * 10 - u16(device, 5254)) <= 5


def test_lifetime_energy_is_in_kwh_on_string_inverters_and_in_tenths_on_hybrids() -> None:
    string, hybrid = at("SG10RT", NOON), at("SH10RT", NOON)
    assert u32(string, 5004) == u32(string, 5144) // 10
    # Output = direct + export + discharge, all in tenths.
    parts = u32(hybrid, 13018) + u32(hybrid, 13046) + u32(hybrid, 13027)
    assert 0 <= u32(hybrid, 5004) - parts <= 2


def test_newer_firmware_signs_the_battery_and_older_does_not() -> None:
    morning = BEGIN + timedelta(hours=2)
    newer, older = at("SH10RT", morning), at("SH8.0RT", morning)
    for device in (newer, older):
        assert s32(device, 5214) < -300
    assert u16(newer, 13022) == s32(newer, 5214) & 0xFFFF
    assert u16(older, 13022) == -s32(older, 5214)
    assert u16(newer, 13021) >> 15 == u16(newer, 5631) >> 15 == 1
    assert u16(older, 13021) == u16(older, 5631) < 0x8000


def test_what_is_absent_shows_the_sentinels_of_a_lan_port() -> None:
    hybrid = at("SH10RT", NOON)
    assert words(hybrid, 13200, 8) == [0xFFFF, 0x7FFF] * 4
    assert words(hybrid, 5015, 2) == [0xFFFF, 0xFFFF]
    assert words(hybrid, 13030, 1) == [0xFFFF]
    single = at("SG5.0RS", NOON)
    assert words(single, 5020, 2) == [0xFFFF, 0xFFFF]
    assert words(single, 5087, 4) == [0xFFFF] * 4
    assert words(at("SG10RT", NOON, meter=False), 5083, 2) == [0xFFFF, 0x7FFF]


def test_a_block_may_hold_a_hole_but_not_start_on_one() -> None:
    device = at("SH10RT", NOON)
    assert device.read("input", 5025 - 1, 2) is REFUSED
    assert words(device, 5024, 8)[1:7] == [0xFFFF] * 6
    assert device.read("input", 5024 - 1, 126) is ExceptionCode.ILLEGAL_VALUE
    assert device.read("input", 6100 - 1, 100) is not REFUSED
    assert at("SG10RT", NOON).read("input", 6100 - 1, 96) is REFUSED


@pytest.mark.parametrize(
    ("quarters", "days", "months", "years", "today", "total"),
    [
        (6100, 6196, 6227, 6250, 13002, 13003),
        (6290, 6386, 6417, 6429, 13017, 13018),
        (6469, 6565, 6596, 6608, 13045, 13046),
        (6648, 6744, 6775, 6787, 13040, 13041),
    ],
    ids=["pv", "direct", "export", "charge"],
)
def test_history_arrays_agree_with_the_counters(
    quarters: int, days: int, months: int, years: int, today: int, total: int
) -> None:
    device = at("SH10RT", NOON)
    month = words(device, days, 31)
    assert month[18] == u16(device, today)
    assert 0 <= words(device, months, 12)[5] - sum(month) <= 1
    numbers = words(device, years, 30)
    lifetime = sum(numbers[::2]) + 65536 * sum(numbers[1::2])
    assert 0 <= u32(device, total) - lifetime <= 1
    watts = words(device, quarters, 96)
    sampled = (sum(watts[:50]) + watts[50] / 2) / 4
    # Samples miss what is between them, a kettle say: enough to tell a wrong scale.
    assert 0.7 < sampled / (100 * u16(device, today)) < 1.4
    assert watts[51:] == [0] * 45


def test_what_lies_between_the_history_arrays_is_a_hole() -> None:
    device = at("SH10RT", NOON)
    assert words(device, 6227, 23)[12:] == [0xFFFF] * 11
    assert words(device, 6250, 40)[30:] == [0xFFFF] * 10


def test_strings_are_measured_where_a_tracker_has_several() -> None:
    device = at("SG10RT", NOON)
    currents = words(device, 7013, 4)
    assert abs(currents[0] + currents[1] - 10 * u16(device, 5012)) <= 6
    assert abs(currents[2] - 10 * u16(device, 5014)) <= 5
    assert currents[3] == 0xFFFF
    assert at("SG5.0RS", NOON).read("input", 7013 - 1, 1) is REFUSED


def test_the_clock_shows_the_device_time() -> None:
    assert words(at("SG10RT", NOON), 5000, 6, "holding") == [2026, 6, 19, 12, 30, 0]


def test_texts_may_carry_stale_bytes_behind_their_end() -> None:
    assert text(at("SH10RT", NOON), 13280, 15).startswith(b"SBRBCU-S_22011.01.30\x00 43\x00")
    assert text(at("SH10RT", NOON), 4954, 15).rstrip(b"\0") == b"ARM_SAPPHIRE-H_V11_V01_B"


def test_a_dongle_refuses_and_masks() -> None:
    cable, dongle = at("SH8.0RT", NOON), at("SH8.0RT", NOON, path="dongle")
    for start, count in ((2613, 15), (2629, 15), (5071, 1), (5147, 1), (6100, 96), (5000, 100)):
        assert cable.read("input", start - 1, count) is not REFUSED
        assert dongle.read("input", start - 1, count) is REFUSED
    assert words(dongle, 5006, 2) == [0, 0]
    assert words(dongle, 13200, 8) == [0] * 8
    assert words(dongle, 5024, 8) == [0] * 8
    assert words(dongle, 13000, 1) == [0]
    assert words(dongle, 13008, 2) == words(cable, 13008, 2)


def test_an_old_dongle_has_scales_of_its_own() -> None:
    old, newer = at("SH8.0RT", NOON, path="dongle"), at("SH10RT", NOON, path="dongle")
    assert u16(old, 5036) > 4900
    assert u16(newer, 5036) < 510
    assert (u16(old, 13039), u16(newer, 13039)) == (960, 128)


def test_time_passes_faster_at_speed_and_stands_still_within_a_second() -> None:
    clock = Clock()
    device = device_named("SG10RT", clock=clock, begin=BEGIN, speed=3600)
    clock.pass_time(0.9)
    assert device.moment() == BEGIN
    clock.pass_time(0.2)
    assert device.moment() == BEGIN + timedelta(hours=1)


def test_an_inverter_that_stays_up_at_night_has_zeros_and_stale_counters() -> None:
    clock = Clock()
    device = device_named("SG5.0RS", clock=clock, begin=BEGIN, path="dongle")
    clock.pass_time((NIGHT - BEGIN).total_seconds())
    assert u16(device, 5003) == 0
    device.asleep = True
    assert u16(device, 5003) > 50
    assert (u16(device, 5019), u16(device, 5036), u32(device, 5017)) == (0, 0, 0)
    assert u16(device, 5038) == 0x1400


def test_a_name_that_is_not_known_gets_the_nearest() -> None:
    assert device_names() == ("SG10RT", "SG5.0RS", "SH10RT", "SH8.0RT")
    assert device_named("sh10rt").name == "SH10RT"
    with pytest.raises(OptionsError, match="did you mean SH10RT"):
        device_named("SH10RTX")
    with pytest.raises(OptionsError, match=r"known are SG10RT, SG5\.0RS"):
        device_named("coffee")


def test_serial_numbers_can_be_told_apart() -> None:
    device = device_named("SH10RT", serial="A2310715069", begin=NOON, clock=Clock())
    assert text(device, 4990, 10)[:11] == b"A2310715069"


def test_a_stranger_answers_other_registers() -> None:
    assert stranger().read("input", 4989, 10) is REFUSED
    assert words(stranger(), 40, 2) == [2340, 2341]
    assert words(stranger(zeros=True), 4990, 11) == [0] * 11


def test_a_value_that_does_not_fit_its_register_is_an_error_of_the_simulator() -> None:
    ((row,),) = parse_tables("[input]\n5003 u16 0.1kWh today").values()
    assert row.encode({"today": 359_999 + 360_000}) == (1,)
    with pytest.raises(ValueError, match="does not fit u16 at 5003"):
        row.encode({"today": 70_000 * 360_000})
