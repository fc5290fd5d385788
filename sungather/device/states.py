"""From what a scan met to the one word that everybody shows."""

from dataclasses import dataclass

from sungather import errors
from sungather.reading import Problem, State, Value
from sungather.registers.device import Device

ASLEEP_BELOW = 0.01
"""PV power at the last good reading, as a share of nominal power, below which an inverter without
a battery that goes silent is asleep."""

_RESTING = ("standby", "stop", "initial standby", "key stop")
"""Starts of `work_state_1` texts of an inverter that does not generate on purpose."""

_STATES: dict[type[errors.InverterError], State] = {
    errors.Asleep: State.ASLEEP,
    errors.MeterWrong: State.OK,
    errors.Busy: State.BUSY,
    errors.UnitSilent: State.BUSY,
    errors.NotModbus: State.NOT_AN_INVERTER,
    errors.NotSungrow: State.NOT_AN_INVERTER,
    errors.Refused: State.NOT_AN_INVERTER,
    errors.WrongUnit: State.MISCONFIGURED,
    errors.LoginRefused: State.MISCONFIGURED,
    errors.CertificateChanged: State.MISCONFIGURED,
    errors.CertificateUntrusted: State.MISCONFIGURED,
}


def state_of(error: errors.InverterError) -> State:
    """The state of an inverter whose scan ended with `error`."""
    return _STATES.get(type(error), State.UNREACHABLE)


def problem_of(error: errors.InverterError) -> Problem:
    """What is shown of `error`."""
    return Problem(error.kind, str(error))


@dataclass(frozen=True, slots=True)
class NightRule:
    """What the last good reading says about silence that follows it."""

    hybrid: bool
    resting: bool
    """PV power under 1 % of nominal, or a standby or stop state."""

    def explains(self, error: errors.InverterError) -> bool:
        """Whether silence after that reading is sleep. A hybrid stays up all night."""
        return (
            self.resting
            and not self.hybrid
            and isinstance(error, errors.Unreachable)
            and not isinstance(error, errors.NameNotFound)
        )


def night_rule_of(device: Device, values: dict[str, Value]) -> NightRule:
    """Judge a good reading; needs `pv_power`, or `work_state_1`, to call it resting."""
    power = values.get("pv_power")
    nominal_watts = (device.nominal_kw or 0.0) * 1000
    dark = (
        isinstance(power, int | float)
        and nominal_watts > 0
        and power < nominal_watts * ASLEEP_BELOW
    )
    work_state = str(values.get("work_state_1", "")).lower()
    return NightRule(hybrid=device.hybrid, resting=dark or work_state.startswith(_RESTING))


def answers_zeros(device: Device, values: dict[str, Value]) -> bool:
    """An SG-RS behind a WiNet-S stays up at night and answers 0 V, 0 Hz and stale counters.

    So does any string inverter whose grid fails by day: the reading before tells them apart.
    """
    grid = [values.get(name) for name in ("phase_a_voltage", "grid_frequency")]
    return not device.hybrid and 0 in grid and all(value in (0, None) for value in grid)
