"""When silence is sleep, and what every trouble is called."""

import pytest

from sungather import errors
from sungather.device.states import NightRule, answers_zeros, night_rule_of, state_of
from sungather.reading import State, Value
from sungather.registers.models import model_named

SG, SH = model_named("SG10RT"), model_named("SH10RT")
SILENCE = errors.Silent("no answer")


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (errors.Silent(""), State.UNREACHABLE),
        (errors.PortClosed(""), State.UNREACHABLE),
        (errors.ConnectionLost(""), State.UNREACHABLE),
        (errors.Busy(""), State.BUSY),
        (errors.UnitSilent(""), State.BUSY),
        (errors.NotModbus(""), State.NOT_AN_INVERTER),
        (errors.NotSungrow(""), State.NOT_AN_INVERTER),
        (errors.Refused("illegal data address"), State.NOT_AN_INVERTER),
        (errors.WrongUnit(""), State.MISCONFIGURED),
        (errors.LoginRefused(""), State.MISCONFIGURED),
        (errors.CertificateChanged(""), State.MISCONFIGURED),
    ],
)
def test_every_trouble_has_its_state(error: errors.InverterError, state: State) -> None:
    assert state_of(error) is state


@pytest.mark.parametrize(
    ("values", "resting"),
    [
        ({"pv_power": 99}, True),
        ({"pv_power": 100}, False),
        ({"pv_power": 0}, True),
        ({"pv_power": 5000, "work_state_1": "Stop"}, True),
        ({"pv_power": 5000, "work_state_1": "Standby"}, True),
        ({"pv_power": 5000, "work_state_1": "Run"}, False),
        ({}, False),
    ],
)
def test_an_inverter_rests_below_one_percent_or_when_it_says_so(
    values: dict[str, Value], resting: bool
) -> None:
    assert night_rule_of(SG, values).resting is resting


@pytest.mark.parametrize(
    ("rule", "error", "asleep"),
    [
        (NightRule(hybrid=False, resting=True), SILENCE, True),
        (NightRule(hybrid=False, resting=True), errors.NoRoute(""), True),
        (NightRule(hybrid=False, resting=True), errors.NameNotFound(""), False),
        (NightRule(hybrid=False, resting=True), errors.Busy(""), False),
        (NightRule(hybrid=False, resting=False), SILENCE, False),
        (NightRule(hybrid=True, resting=True), SILENCE, False),
    ],
)
def test_only_silence_of_a_resting_inverter_without_battery_is_sleep(
    rule: NightRule, error: errors.InverterError, asleep: bool
) -> None:
    assert rule.explains(error) is asleep


def test_zero_volts_and_hertz_are_sleep_on_a_string_inverter_only() -> None:
    zeros: dict[str, Value] = {"phase_a_voltage": 0.0, "grid_frequency": 0.0}
    assert answers_zeros(SG, zeros)
    assert not answers_zeros(SH, zeros)
    assert not answers_zeros(SG, {"phase_a_voltage": 230.1, "grid_frequency": 50.0})
    assert not answers_zeros(SG, {})
