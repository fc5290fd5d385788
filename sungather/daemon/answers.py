"""The JSON answers of the reading commands, and the exit codes that go with them.

One place for both ends of the control socket: the daemon makes these answers, and so does a
command that runs without a daemon.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import cast

from sungather import errors
from sungather.outbox import Rejected
from sungather.reading import Reading, State, rfc3339
from sungather.service import Health

Answer = dict[str, object]

_EXIT_CODES = {
    State.OK: 0,
    State.ASLEEP: 0,
    State.CONNECTING: errors.Unreachable.exit_code,
    State.UNREACHABLE: errors.Unreachable.exit_code,
    State.BUSY: errors.Unusable.exit_code,
    State.NOT_AN_INVERTER: errors.Unusable.exit_code,
    State.MISCONFIGURED: errors.Unusable.exit_code,
}


def exit_code(answer: Answer) -> int:
    """0 when every inverter gave a reading, else the worst of 3 and 4."""
    return max((_EXIT_CODES[State(str(one["state"]))] for one in inverters(answer)), default=0)


def exit_code_of_test(answer: Answer) -> int:
    """The same for `test-connection`, whose answer has errors instead of states."""
    kinds = [
        cast(dict[str, str], one["error"])["class"] for one in inverters(answer) if one["error"]
    ]
    return max((errors.exit_code_of(kind) for kind in kinds), default=0)


def inverters(answer: Answer) -> list[Mapping[str, object]]:
    """The elements of "inverters"."""
    return cast(list[Mapping[str, object]], answer["inverters"])


def readings(
    newest: Iterable[Reading], now: datetime | None = None, exporters: Sequence[Health] = ()
) -> Answer:
    """The answer of `run-once`; with `now`, that of `readings`, which adds the age.

    Devices behind an inverter stand in "devices", in the same shape with "kind" and "via".
    """
    found: list[Answer] = []
    devices: list[Answer] = []
    for reading in newest:
        one = reading.as_json()
        if now is not None:
            one["age_s"] = round((now - reading.time).total_seconds(), 1)
        (devices if reading.via else found).append(one)
    answer: Answer = {"inverters": found}
    if devices:
        answer["devices"] = devices
    if now is not None:
        answer["exporters"] = [health_json(health) for health in exporters]
    return answer


def rejected(found: Mapping[str, Sequence[Rejected]], again: int | None = None) -> Answer:
    """The answer of `rejected`; `again` is how many of those before are sent once more."""
    answer: Answer = {
        "exporters": [
            {
                "name": name,
                "rejected": [
                    {
                        "id": one.id,
                        "name": one.name,
                        "time": rfc3339(datetime.fromtimestamp(one.time_ms / 1000, UTC)),
                        "reason": one.reason,
                        "values": dict(one.values),
                    }
                    for one in entries
                ],
            }
            for name, entries in found.items()
        ]
    }
    return answer if again is None else {**answer, "again": again}


def health_json(health: Health) -> Answer:
    """One exporter's health, as `readings` and the JSON API show it."""
    success = health.last_success
    return {
        "name": health.name,
        "state": health.state,
        "message": health.message,
        "queue": health.queue,
        "delivered": health.delivered,
        "rejected": health.rejected,
        "dropped": health.dropped,
        "last_success": rfc3339(success) if success else None,
    }
