"""What is remembered of the counters of one inverter, also across restarts."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TypeVar, cast

from sungather.registers.counters import Integral, Rising, TimeLine, Today, Total
from sungather.registers.device_day import DeviceDay

_Record = TypeVar("_Record", Total, Today, Integral, Rising, TimeLine, DeviceDay)

_GREATEST = 1e11
"""No time (UTC seconds) and no energy is as great as that."""


@dataclass(slots=True)
class Memory:
    """Counters by their published names."""

    totals: dict[str, Total] = field(default_factory=dict[str, Total])
    todays: dict[str, Today] = field(default_factory=dict[str, Today])
    integrals: dict[str, Integral] = field(default_factory=dict[str, Integral])
    rising: dict[str, Rising] = field(default_factory=dict[str, Rising])
    time_line: TimeLine = field(default_factory=TimeLine)
    device_day: DeviceDay = field(default_factory=DeviceDay)

    def as_json(self) -> dict[str, object]:
        """Everything, for `from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: object) -> "Memory | None":
        """What `as_json` gave, also that of 1.0.0.dev0; None if it is damaged in any way."""
        try:
            parts = _mapping(content)
            memory = cls(
                _records(Total, parts["totals"]),
                _records(Today, parts["todays"]),
                _records(Integral, parts["integrals"]),
                _records(Rising, parts["rising"]),
            )
            if "time_line" in parts:
                memory.time_line = _record(TimeLine, _mapping(parts["time_line"]))
                memory.device_day = _record(DeviceDay, _mapping(parts["device_day"]))
            else:
                memory._begin_time_line()
        except (KeyError, TypeError, ValueError, OverflowError):
            return None
        return memory

    def _begin_time_line(self) -> None:
        """Before there was a time line, the clock was the only one: it begins as that stood."""
        counters = [*self.totals.values(), *self.todays.values()]
        newest = max((counter.at for counter in counters), default=0.0)
        self.time_line = TimeLine(newest, newest)
        for counter in counters:
            counter.moment = counter.changed = counter.at
        for today in self.todays.values():
            today.since = 0.0 if today.stale else today.at


def _mapping(content: object) -> Mapping[str, object]:
    if not isinstance(content, dict):
        raise TypeError("not an object")
    return cast(dict[str, object], content)


def _records(kind: type[_Record], content: object) -> dict[str, _Record]:
    return {name: _record(kind, _mapping(row)) for name, row in _mapping(content).items()}


def _record(kind: type[_Record], row: Mapping[str, object]) -> _Record:
    """A record whose fields have the types of those of a new one; None for an unknown energy.

    A field that is missing is newer than the state.
    """
    record = kind()
    for each in fields(kind):
        like = getattr(record, each.name)
        value = row.get(each.name, like)
        if isinstance(like, float) or like is None:
            optional = like is None and value is None
            setattr(record, each.name, None if optional else _number(value))
        elif type(value) is type(like):
            setattr(record, each.name, value)
        else:
            raise TypeError(f"{each.name} has another type")
    return record


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("not a number")
    if not (math.isfinite(value) and abs(value) < _GREATEST):
        raise ValueError("out of range")
    return value
