"""Garbage of batteries and wall boxes: left out, said once, and the true values after it."""

import pytest

from sungather.registers.catalogue import registers_for
from sungather.registers.device import Device
from sungather.registers.sub_device_judge import SubDeviceJudge

BATTERY = {"battery_pack_total_charge": 2500.0, "battery_pack_total_discharge": 2300.0}
BOX = {"charger_power": 7200, "charger_total_energy": 812.3, "charger_session_energy": 6.1}


def left_out(
    judge: SubDeviceJudge, seconds: float, values: dict[str, float], fresh: bool = True
) -> set[str]:
    return judge.impossible(dict(values), values.keys() if fresh else set(), 1000 + seconds)[0]


@pytest.mark.parametrize(
    ("name", "garbage"),
    [
        ("battery_pack_total_charge", 2500.0 + 6553.6),
        ("battery_pack_total_discharge", 0.0),
        ("charger_power", 7200 + 65536),
        ("charger_power", 4_000_000_000),
        ("charger_total_energy", 812.3 + 65.536),
        ("charger_total_energy", 0.0),
        ("charger_session_energy", 6.1 + 65.536),
    ],
)
def test_one_sample_of_garbage_is_left_out(name: str, garbage: float) -> None:
    said = BATTERY if name in BATTERY else BOX
    judge = SubDeviceJudge()
    assert not left_out(judge, 0, said)
    assert not left_out(judge, 30, said)
    assert left_out(judge, 60, {**said, name: garbage}) == {name}
    if name != "charger_power":
        assert left_out(judge, 75, {**said, name: garbage}, fresh=False) == {name}
    assert not left_out(judge, 90, said)


def test_a_first_sample_of_garbage_keeps_the_true_ones_out_for_a_minute_only() -> None:
    judge = SubDeviceJudge()
    left_out(judge, 0, {"charger_total_energy": 9999.0})
    for seconds in (30, 60, 90):
        found = left_out(judge, seconds, {"charger_total_energy": 812.3})
    assert not found


def test_a_session_begins_anew_at_once() -> None:
    judge = SubDeviceJudge()
    for n, kwh in enumerate((6.1, 6.2, 0.0, 0.1, 0.2)):
        assert not left_out(judge, 30.0 * n, {"charger_session_energy": kwh})


def test_what_cannot_be_is_said_once() -> None:
    judge = SubDeviceJudge()
    said = [
        judge.impossible({"charger_power": watts}, {"charger_power"}, 30.0 * n)[1]
        for n, watts in enumerate((7000, 70_000_000, 70_000_000, 7000, 70_000_000))
    ]
    assert [len(notes) for notes in said] == [0, 1, 0, 0, 1]


def test_every_power_and_every_counter_of_a_sub_device_has_a_bound() -> None:
    settings = {"charger_min_power", "charger_max_power"}
    counting = {
        one.name
        for kind in ("battery", "ev-charger")
        for one in registers_for(Device(0, "", kind), 3)
        if one.unit in ("W", "kWh")
    } - settings
    judge = SubDeviceJudge()
    assert counting
    for name in counting:
        left_out(judge, 0, {name: 1})
        left_out(judge, 30, {name: 1})
        assert left_out(judge, 60, {name: 2**32 - 2}), name
