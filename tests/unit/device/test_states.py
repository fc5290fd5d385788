"""When silence is sleep, and what every trouble is called."""

import pytest

from sungather import errors
from sungather.device.states import answers_zeros, state_of, while_asleep
from sungather.reading import State, Value
from sungather.registers.models import model_named

SG, SH = model_named("SG10RT"), model_named("SH10RT")


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (errors.Silent(""), State.UNREACHABLE),
        (errors.PortClosed(""), State.UNREACHABLE),
        (errors.ConnectionLost(""), State.UNREACHABLE),
        (errors.ProbablyAsleep(""), State.UNREACHABLE),
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


def test_zero_volts_and_hertz_are_sleep_on_a_string_inverter_only() -> None:
    zeros: dict[str, Value] = {"phase_a_voltage": 0.0, "grid_frequency": 0.0}
    assert answers_zeros(SG, zeros)
    assert not answers_zeros(SH, zeros)
    assert not answers_zeros(SG, {"phase_a_voltage": 230.1, "grid_frequency": 50.0})
    assert not answers_zeros(SG, {})


def test_of_a_sleeping_inverter_its_meter_its_counters_and_no_power_are_left() -> None:
    values: dict[str, Value] = {
        "phase_a_voltage": 0.0,
        "internal_temperature": 0.0,
        "load_power": 0,
        "total_active_power": 0,
        "meter_power": 726,
        "meter_phase_b_power": 0,
        "total_import_energy": 11128.9,
        "total_power_yields": 28482.3,
        "daily_power_yields": 0.0,
        "work_state_1": "Standby",
    }
    metered = frozenset({"meter_power", "meter_phase_b_power", "total_import_energy"})
    assert values.keys() - while_asleep(values, metered).keys() == {
        *("phase_a_voltage", "internal_temperature", "load_power", "daily_power_yields")
    }
