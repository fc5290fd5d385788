"""Readings and clocks for the tests of the outbox and of the exporters."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sungather.clock import Clock
from sungather.reading import Reading, State, Value
from tests.plain_values import measurements

NOON = datetime(2026, 6, 21, 12, 0, tzinfo=UTC)


class Time:
    """A clock that the test turns. It is read by other threads, so it moves in one step."""

    def __init__(self, now: datetime = NOON) -> None:
        self._time = (now, 1000.0)
        self._seen = self._time
        self.clock = Clock(now=self._now, monotonic=self._monotonic)

    def _now(self) -> datetime:
        return self._seen[0]

    def _monotonic(self) -> float:
        self._seen = self._time
        return self._seen[1]

    @property
    def now(self) -> datetime:
        """The wall clock."""
        return self._time[0]

    def pass_by(self, **duration: float) -> None:
        """Let time go by."""
        now, up = self._time
        step = timedelta(**duration)
        self._time = (now + step, up + step.total_seconds())

    def set(self, now: datetime) -> None:
        """Set the wall clock; the other one goes on."""
        self._time = (now, self._time[1])


def sub_device(time: datetime = NOON, via: str = "roof", **values: Value) -> Reading:
    """A reading of a battery behind an inverter; without values it has one figure."""
    known: dict[str, Value] = dict(values) or {"soc": 64.5}
    return replace(
        reading(time, f"{via}-battery-1"),
        model="SBR096",
        family="battery",
        serial="S2310160987",
        measurements=measurements(known),
        kind="battery",
        via=via,
    )


def reading(
    time: datetime = NOON,
    name: str = "roof",
    state: State = State.OK,
    units: dict[str, str] | None = None,
    **values: Value,
) -> Reading:
    """A reading of an SH10RT; without values it has one figure."""
    known: dict[str, Value] = dict(values) or {"pv_power": 4821}
    return Reading(
        name=name,
        state=state,
        time=time,
        model="SH10RT",
        family="SH-RT",
        serial="A223098765",
        measurements=measurements(known, units) if state is State.OK else {},
    )
