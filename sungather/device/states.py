"""From what a scan met to the one word that everybody shows."""

from sungather import errors
from sungather.reading import Problem, State, Value
from sungather.registers.derive import TOTAL_OF
from sungather.registers.device import Device

_STATES: dict[type[errors.InverterError], State] = {
    errors.Asleep: State.ASLEEP,
    errors.MeterWrong: State.OK,
    errors.Busy: State.BUSY,
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
    known = (_STATES[kind] for kind in type(error).__mro__ if kind in _STATES)
    return next(known, State.UNREACHABLE)


def problem_of(error: errors.InverterError) -> Problem:
    """What is shown of `error`."""
    return Problem(error.kind, str(error))


def answers_zeros(device: Device, values: dict[str, Value]) -> bool:
    """An SG-RS behind a WiNet-S stays up at night and answers 0 V, 0 Hz and stale counters.

    So does any string inverter whose grid fails by day: the reading before tells them apart.
    """
    grid = [values.get(name) for name in ("phase_a_voltage", "grid_frequency")]
    return not device.hybrid and 0 in grid and all(value in (0, None) for value in grid)


_PV_POWERS = frozenset({"total_active_power", "total_dc_power"})


def while_asleep(values: dict[str, Value], metered: frozenset[str]) -> dict[str, Value]:
    """What still holds of the values of an inverter that answers zeros, for it sleeps.

    Its meter (`metered`: names that come from it) stays awake, the panels give nothing, and
    counters stand still. Any other 0 is no value.
    """
    counters = {*TOTAL_OF, *TOTAL_OF.values()}
    return {
        name: value
        for name, value in values.items()
        if name in metered | _PV_POWERS
        or isinstance(value, str)
        or (name in counters and value != 0)
    }
