"""The JSON answers of the commands and of the page's API: their shapes, and how they are made.

One place for both ends of the control socket: the daemon makes these answers, and so does a
command that runs without a daemon.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, NotRequired, TypedDict

from sungather import errors
from sungather.reading import FaultReport, Problem, Reading, State, Value, rfc3339
from sungather.service import Health

ErrorAnswer = TypedDict("ErrorAnswer", {"class": str, "message": str})


class BlockAnswer(TypedDict):
    """Registers that stand together: "input" or "holding", the first documented number."""

    space: str
    start: int
    count: int


class RefusalAnswer(BlockAnswer):
    """A part of the register map that the device does not give."""

    reason: str


class FaultAnswer(TypedDict):
    """A fault: the name of the register that tells it, and its code and text."""

    register: str
    text: str


class FaultsAnswer(TypedDict):
    """What can be said of faults, also in words; `active` is None while nothing is known."""

    active: Sequence[FaultAnswer] | None
    text: str


class DeviceAnswer(TypedDict):
    """Which device an answer is about, as far as that is known, and how it is read."""

    name: str
    model: str
    display_model: str
    serial: str
    transport: str
    path: str


class ReadingAnswer(DeviceAnswer):
    """One reading, an element of "inverters" or "devices"; see `Reading`."""

    state: str
    family: str
    firmware: Mapping[str, str]
    time: str
    values: Mapping[str, Value]
    units: Mapping[str, str]
    absent: Sequence[str]
    faults: NotRequired[FaultsAnswer]
    refused: Sequence[RefusalAnswer]
    requests: int
    duration_ms: float
    kind: NotRequired[str]
    via: NotRequired[str]
    since: NotRequired[str]
    error: NotRequired[ErrorAnswer]
    age_s: NotRequired[float]


class ClientAnswer(TypedDict):
    """What the clients at one address have asked the Modbus server; see `ClientTraffic`.

    `exceptions`: Modbus exception, as a number in decimal, -> how often it was the answer.
    """

    address: str
    connections: int
    requests: int
    from_cache: int
    passed_on: int
    exceptions: Mapping[str, int]


class HealthAnswer(TypedDict):
    """How a service is doing; see `Health`."""

    name: str
    state: str
    message: str
    queue: int
    delivered: int
    rejected: int
    dropped: int
    last_success: str | None
    clients: NotRequired[Sequence[ClientAnswer]]
    asked: NotRequired[Mapping[str, int]]
    """Inverter -> requests that it was sent for those clients."""


class ReadingsAnswer(TypedDict):
    """The answer of `run-once`, and with ages and exporters that of `readings`."""

    inverters: Sequence[ReadingAnswer]
    devices: NotRequired[Sequence[ReadingAnswer]]
    exporters: NotRequired[Sequence[HealthAnswer]]


class ForgottenAnswer(TypedDict):
    """The answer of `forget`: what was forgotten, and names of the inverters that it was of."""

    forgotten: str
    inverters: Sequence[str]


class RejectedReadingAnswer(TypedDict):
    """A reading that was given up for one exporter; see `outbox.RejectedRecord`."""

    id: int
    name: str
    time: str
    reason: str
    values: Mapping[str, Value]


class RejectedByAnswer(TypedDict):
    """What one exporter's other side refused for good."""

    name: str
    rejected: Sequence[RejectedReadingAnswer]


class RejectedAnswer(TypedDict):
    """The answer of `rejected`; `again` is how many of those are sent once more."""

    exporters: Sequence[RejectedByAnswer]
    again: NotRequired[int]


class LatencyAnswer(TypedDict):
    """Milliseconds from request to answer."""

    min: float
    median: float
    max: float


class AdviceAnswer(TypedDict):
    """Which connection is the best one, and why."""

    connection: str
    why: str


class ConnectionAnswer(DeviceAnswer):
    """What came of the connection to one inverter."""

    success: bool
    latency_ms: LatencyAnswer | None
    best: AdviceAnswer | None
    warning: ErrorAnswer | None
    faults: FaultsAnswer | None
    error: ErrorAnswer | None
    report: NotRequired[str]


class ConnectionsAnswer(TypedDict):
    """The answer of `test-connection`."""

    inverters: Sequence[ConnectionAnswer]


class InverterAnswer(DeviceAnswer):
    """What one inverter says of itself; None is not known."""

    state: str
    family: str
    nominal_power_kw: float | None
    phases: int | None
    mppt_count: int | None
    firmware: Mapping[str, str]
    battery: bool | None
    faults: FaultsAnswer | None
    error: NotRequired[ErrorAnswer]


class InvertersAnswer(TypedDict):
    """The answer of `get-inverter-info`."""

    inverters: Sequence[InverterAnswer]


class FoundAnswer(TypedDict):
    """A device that was found; see `discover.Found`."""

    host: str
    connection: str
    unit: int
    model: str
    serial: str
    path: str
    what: str
    why: str
    display_model: str
    behind: int


class DiscoveryAnswer(TypedDict):
    """The answer of `discover`, with the networks that were searched and options to paste."""

    networks: Sequence[str]
    found: Sequence[FoundAnswer]
    options: str


class ConfigurationAnswer(TypedDict):
    """The answer of `check-config`: options in force by dotted key, without secrets.

    `given` are the keys that somebody has set, `file` is where from; "" if from no file.
    `state_directory` is the one in force, also where `storage.directory` is empty.
    """

    file: str
    state_directory: str
    options: Mapping[str, str | int | float | bool | None]
    given: Sequence[str]
    warnings: Sequence[str]


class RegisterAnswer(BlockAnswer):
    """One value of the register map."""

    name: str
    kind: str
    scale: float
    unit: str
    tier: str
    source: str


class RegistersAnswer(TypedDict):
    """The answer of `registers`."""

    model: str
    family: str
    level: int
    path: str
    max_registers: int
    registers: Sequence[RegisterAnswer]
    requests: Sequence[BlockAnswer]
    requests_by_tier: Mapping[str, int]
    lower_bound: Sequence[BlockAnswer]


class OptionAnswer(TypedDict):
    """One option in words."""

    key: str
    takes: str
    default: str
    help: str


class OptionsAnswer(TypedDict):
    """The answer of `options`, for people."""

    options: Sequence[OptionAnswer]


EXIT_CODES = {
    State.OK: 0,
    State.ASLEEP: 0,
    State.CONNECTING: errors.Unreachable.exit_code,
    State.UNREACHABLE: errors.Unreachable.exit_code,
    State.BUSY: errors.Unusable.exit_code,
    State.NOT_AN_INVERTER: errors.Unusable.exit_code,
    State.MISCONFIGURED: errors.Unusable.exit_code,
}


def exit_code(answer: ReadingsAnswer | InvertersAnswer) -> int:
    """0 when every inverter gave a reading, else the worst of 3 and 4."""
    return max((EXIT_CODES[State(one["state"])] for one in answer["inverters"]), default=0)


def exit_code_of_test(answer: ConnectionsAnswer) -> int:
    """The same for `test-connection`, whose answer has errors instead of states."""
    kinds = [one["error"]["class"] for one in answer["inverters"] if one["error"]]
    return max((errors.exit_code_of(kind) for kind in kinds), default=0)


def of_readings(
    newest: Iterable[Reading], now: datetime | None = None, exporters: Sequence[Health] = ()
) -> ReadingsAnswer:
    """The answer of `run-once`; with `now`, that of `readings`, which adds the age.

    Sub-devices stand in "devices", in the same shape with "kind" and "via".
    """
    found: list[ReadingAnswer] = []
    devices: list[ReadingAnswer] = []
    for reading in newest:
        (devices if reading.via else found).append(of_reading(reading, now))
    answer: ReadingsAnswer = {"inverters": found}
    if devices:
        answer["devices"] = devices
    if now is not None:
        answer["exporters"] = [of_health(health) for health in exporters]
    return answer


def of_reading(reading: Reading, now: datetime | None = None) -> ReadingAnswer:
    """One reading; with `now` also its age."""
    answer: ReadingAnswer = {
        "name": reading.name,
        "state": str(reading.state),
        "model": reading.model,
        "display_model": reading.display_model,
        "family": reading.family,
        "serial": reading.serial,
        "firmware": dict(reading.firmware),
        "transport": reading.transport,
        "path": str(reading.path),
        "time": rfc3339(reading.time),
        "values": reading.values,
        "units": {name: one.unit for name, one in reading.measurements.items() if one.unit},
        "absent": list(reading.absent),
        "refused": [RefusalAnswer(**asdict(one)) for one in reading.refused],
        "requests": reading.requests,
        "duration_ms": round(reading.duration_ms, 1),
    }
    if reading.faults is not None:
        answer["faults"] = of_faults(reading.faults)
    if reading.via:
        answer["kind"], answer["via"] = reading.kind, reading.via
    if reading.since is not None:
        answer["since"] = rfc3339(reading.since)
    if reading.problem is not None:
        answer["error"] = of_problem(reading.problem)
    if now is not None:
        answer["age_s"] = round(max(0.0, (now - reading.time).total_seconds()), 1)
    return answer


def of_faults(faults: FaultReport) -> FaultsAnswer:
    """What can be said of a device's faults."""
    active: list[FaultAnswer] = [
        {"register": one.register, "text": one.text} for one in faults.active
    ]
    return {"active": active if faults.known else None, "text": faults.text}


def of_problem(problem: Problem) -> ErrorAnswer:
    """Why there is no (complete) reading."""
    return {"class": problem.kind, "message": problem.message}


def of_health(health: Health) -> HealthAnswer:
    """How one service is doing."""
    success = health.last_success
    said: dict[str, Any] = asdict(health)
    said["last_success"] = rfc3339(success) if success else None
    for client in said["clients"]:
        client["exceptions"] = {str(code): n for code, n in client["exceptions"].items()}
    if not health.clients:
        del said["clients"], said["asked"]
    return HealthAnswer(**said)
