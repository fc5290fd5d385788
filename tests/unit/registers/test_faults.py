"""What is said of faults: for every model, every register, and everything that may be missing."""

from dataclasses import replace
from functools import cache

import pytest

from sungather.cli.reports import plan_for
from sungather.reading import NOT_INVERTERS, ActiveFault, FaultReport, Path, Refusal
from sungather.registers import Space
from sungather.registers.catalogue import Register, Tier, registers_for
from sungather.registers.decode import Decoder
from sungather.registers.device import Device
from sungather.registers.faults import judge
from sungather.registers.kinds import kind
from sungather.registers.models import device_for, model_named, model_names

ALARM_RUN = 0x9100
Words = dict[int, int]

FAMILIES = {model_named(name).family: model_named(name) for name in reversed(model_names())}
"""One device of each family of inverters."""
UNKNOWN_FAMILIES = [
    Device(0x1234, "unknown (0x1234)", family, strings=None) for family in ("SG", "SH")
]
ALIKE = {
    (of.family, of.phases, of.mppts, of.strings, "KTL-M" in name, "-JP" in name): (name, of)
    for name, of in ((name, model_named(name)) for name in model_names())
}
"""One model of each kind that the register map tells apart."""
DEVICES = [*FAMILIES.values(), *UNKNOWN_FAMILIES]


@cache
def tells(device: Device) -> tuple[Register, ...]:
    """All registers of level 1 that tell faults."""
    return tuple(one for one in registers_for(device, 1) if one.faults)


def telling(device: Device, *kinds: str) -> list[Register]:
    return [one for one in tells(device) if one.faults in (kinds or ("codes", "state"))]


def quiet(device: Device) -> Words:
    """All registers that tell faults are read, and tell none."""
    return {at: 0 for one in tells(device) for at in range(one.address, one.block.end + 1)}


def judged(device: Device, words: Words, *refused: Refusal) -> FaultReport | None:
    said = Decoder(tells(device), device).decode({Space.INPUT: words})
    return judge(tells(device), said.values, said.absent, refused)


def active(device: Device, words: Words) -> tuple[ActiveFault, ...]:
    found = judged(device, words)
    assert found is not None
    return found.active


def each(*kinds: str) -> list[tuple[Device, Register]]:
    return [(device, one) for device in DEVICES for one in telling(device, *kinds)]


def label(value: object) -> str:
    return value.family if isinstance(value, Device) else getattr(value, "name", "")


# What is read


def test_every_family_has_fault_registers_and_a_state_at_level_1() -> None:
    assert len(DEVICES) > 14
    for device in DEVICES:
        assert telling(device, "codes"), device.family
        assert telling(device, "state"), device.family


def test_every_level_reads_the_same_fault_registers() -> None:
    for device in DEVICES:
        levels = [{one for one in registers_for(device, n) if one.faults} for n in (1, 2, 3)]
        assert levels[0] == levels[1] == levels[2]


@pytest.mark.parametrize("path", [Path.CABLE, Path.DONGLE])
@pytest.mark.parametrize("widest", [100, 125])
def test_faults_cost_at_most_one_slow_request_on_any_model(path: Path, widest: int) -> None:
    dearer: set[str] = set()
    for name, model in ALIKE.values():
        device = replace(model, path=path, masked=path is Path.DONGLE)
        registers = registers_for(device, 1)
        without = [one for one in registers if one.level == 1 or not one.faults]

        def requests(of: list[Register], *tiers: Tier, device: Device = device) -> int:
            return len(plan_for((o for o in of if o.tier in tiers), device, widest).blocks)

        fast = (Tier.FAST,)
        assert requests([*registers], *fast) == requests(without, *fast), name
        for tiers in ((Tier.FAST, Tier.SLOW), tuple(Tier)):
            more = requests([*registers], *tiers) - requests(without, *tiers)
            assert more in (0, 1), name
            dearer |= {device.family} if more else set()
    assert dearer == ({"SH-K"} if widest == 100 else set())


def test_what_tells_faults_is_slow_but_for_the_state() -> None:
    for device in DEVICES:
        assert {one.tier for one in telling(device, "codes")} == {Tier.SLOW}


# What is judged


@pytest.mark.parametrize("device", DEVICES, ids=lambda one: one.family)
def test_no_faults_takes_all_registers(device: Device) -> None:
    assert judged(device, quiet(device)) == FaultReport()


@pytest.mark.parametrize("device", DEVICES, ids=lambda one: one.family)
def test_nothing_read_is_unknown(device: Device) -> None:
    found = judged(device, {})
    assert found is not None
    assert not found.known
    assert "not read yet" in found.text


@pytest.mark.parametrize(("device", "one"), each(), ids=label)
def test_one_register_that_is_not_read_leaves_it_open(device: Device, one: Register) -> None:
    words = quiet(device)
    del words[one.address]
    found = judged(device, words)
    assert found is not None
    assert not found.known
    assert found.text.startswith("unknown: not read yet: ")
    assert f"{one.name} (register {one.address})" in found.text


@pytest.mark.parametrize(("device", "one"), each(), ids=label)
def test_one_register_that_is_refused_is_named(device: Device, one: Register) -> None:
    words = quiet(device)
    del words[one.address]
    refused = Refusal("input", one.address - 3, 4, "illegal data address")
    elsewhere = Refusal("holding", one.address, 2, "illegal data address")
    found = judged(device, words, elsewhere, refused)
    assert found is not None
    assert not found.known
    assert f"the device refuses {one.name} (register {one.address})" in found.text


@pytest.mark.parametrize(("device", "one"), each("codes"), ids=label)
def test_every_bit_or_code_of_every_register_is_a_fault(device: Device, one: Register) -> None:
    single = "string_fault" in one.codes or "pid" in one.codes or not one.codes
    for bit in range(16 * one.count):
        raw = 1 << bit
        if raw == kind(one.kind).absent:
            continue
        words = quiet(device)
        words[one.address + bit // 16] = 1 << bit % 16
        if "no-alarm" in one.absent:
            words[5038] = ALARM_RUN
        (fault,) = active(device, words)
        assert fault.register == one.name
        assert fault.text[0].isdigit()
        if "unknown" in fault.text:
            assert f"register {one.address}" in fault.text
            assert single or f"bit {bit} of" in fault.text


def test_a_bit_without_a_text_is_named_by_code_bit_and_register() -> None:
    device = model_named("SH10RT")
    assert active(device, quiet(device) | {13066: 2}) == (
        ActiveFault("battery_fault", "701 unknown (bit 1 of register 13066)"),
    )


def test_a_code_without_a_text_is_named_by_number_and_register() -> None:
    string, old = model_named("SG10RT"), model_named("SH5K-30")
    assert active(string, quiet(string) | {5038: ALARM_RUN, 5045: 9999}) == (
        ActiveFault("alarm_code_1", "9999 unknown (register 5045)"),
    )
    assert active(old, quiet(old) | {13105: 6}) == (
        ActiveFault("fault1", "6 unknown (register 13105)"),
    )


def test_several_faults_are_all_told() -> None:
    device = model_named("SH8.0RT")
    found = active(device, quiet(device) | {13050: 4, 13051: 1, 13052: 1})
    assert [fault.register for fault in found] == ["inverter_alarm"] * 2 + ["grid-side_fault"]


@pytest.mark.parametrize(
    ("model", "register", "number", "text"),
    [
        ("SG10RT", 5038, 0x5500, "Fault"),
        ("SG5.0RS", 5038, 0x9100, "Alarm run"),
        ("SG110CX", 5038, 0x2500, "Communicate fault"),
        ("SG10RT", 5150, 8, "PID abnormity"),
        ("SG10RT", 5081, 1 << 9, "Fault"),
        ("SH10RT", 13000, 0x5500, "Fault"),
        ("SH10RT", 13000, 0x0100, "Fault"),
        ("SH5.0RS", 13000, 0x9100, "Warn running"),
        ("MG5RL", 13000, 0x2500, "Communicate fault"),
    ],
)
def test_a_state_tells_a_fault_without_a_code(
    model: str, register: int, number: int, text: str
) -> None:
    device = model_named(model)
    (fault,) = active(device, quiet(device) | {register: number})
    assert fault.text == text


def test_a_code_makes_the_words_of_the_state_superfluous() -> None:
    device = model_named("SG10RT")
    found = active(device, quiet(device) | {5038: 0x5500, 5045: 39})
    assert [fault.text for fault in found] == ["39 Low system insulation resistance"]


def test_an_old_code_is_no_fault_while_the_state_is_well() -> None:
    device = model_named("SG10RT")
    for raw in (39, 0xFFFF):
        assert judged(device, quiet(device) | {5038: 0, 5045: raw}) == FaultReport()


@pytest.mark.parametrize(
    ("model", "register", "raw"),
    [("SG10RT", 5038, 0xFFFF), ("SG10RT", 5038, 0x5501), ("SH10RT", 13000, 0x5501)],
)
def test_a_state_that_says_nothing_leaves_it_open(model: str, register: int, raw: int) -> None:
    device = model_named(model)
    found = judged(device, quiet(device) | {register: raw, 5045: 39})
    assert found is not None
    assert not found.known
    assert ("work_state_1" if register == 5038 else "system_state") in found.text


def test_a_register_that_the_device_lacks_is_not_missed_but_all_of_them_are() -> None:
    device = model_named("SH10RT")
    words = quiet(device)
    some = words | dict.fromkeys((13062, 13063), 0xFFFF)
    assert judged(device, some) == FaultReport()
    found = judged(device, words | dict.fromkeys(range(13050, 13080), 0xFFFF))
    assert found is not None
    assert found.text.startswith("unknown: not available from the device: inverter_alarm")


def test_an_active_fault_is_told_although_another_register_is_refused() -> None:
    device = model_named("SH10RT")
    words = quiet(device) | {13050: 4}
    del words[13066]
    found = judged(device, words, Refusal("input", 13066, 2, "illegal data address"))
    assert found is not None
    assert found.known
    assert found.text.endswith("(perhaps more: the device refuses battery_fault (register 13066))")


@pytest.mark.parametrize("code", [0x20E7, 0x20F9])
def test_devices_without_fault_registers_are_not_judged(code: int) -> None:
    device = replace(device_for(code), family="battery" if code == 0x20E7 else "ev-charger")
    assert device.family in NOT_INVERTERS
    assert judged(device, {}) is None
    assert judged(device, quiet(device)) is None


def test_a_wall_box_that_says_fault_has_one() -> None:
    device = Device(0, "AC22E-01", "ev-charger")
    assert active(device, {21317: 9}) == (ActiveFault("charger_status", "Fault"),)
