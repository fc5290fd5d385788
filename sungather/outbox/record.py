"""What the outbox keeps of a reading, and how it is written down."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast

from sungather.reading import Reading, State, Value

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Record:
    """One reading that an exporter still owes. `values` are those that the scan really read."""

    id: int
    """Counts up with every reading, over restarts as well."""
    name: str
    model: str
    serial: str
    time_ms: int
    """When it was read, Unix milliseconds, by the clock as it is known to be right now."""
    read_ms: int
    """The same by the clock as it was then: with `name` it identifies the reading."""
    values: Mapping[str, Value]
    kind: str = "inverter"
    """"inverter", "battery", "charger"; see `Reading`."""
    via: str = ""
    """Name of the inverter whose sub-device this is; "" for an inverter."""

    @property
    def time(self) -> datetime:
        """`time_ms` as UTC."""
        return datetime.fromtimestamp(self.time_ms / 1000, UTC)


@dataclass(slots=True)
class OutboxRow:
    """A record as it is stored. The clock of the machine is part of it, for later correction."""

    id: int
    name: str
    boot: str
    """Identity of the machine's run in which it was read; `mono_ms` means something within it."""
    mono_ms: int
    time_ms: int
    read_ms: int
    body: bytes

    def record(self) -> Record:
        """The record. Raises ValueError when the body is damaged."""
        content = cast(dict[str, object], json.loads(self.body))
        try:
            values = cast(dict[str, Value], content["v"])
            return Record(
                self.id,
                self.name,
                str(content["m"]),
                str(content["s"]),
                self.time_ms,
                self.read_ms,
                dict(values),
                str(content.get("k", "inverter")),
                str(content.get("b", "")),
            )
        except (KeyError, TypeError) as error:
            raise ValueError("not a reading") from error


def milliseconds(moment: datetime) -> int:
    """Unix milliseconds, the begun one left out as `rfc3339` does: both name the same moment."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def worth_keeping(reading: Reading) -> bool:
    """Only values that were read can be delivered later; a state is news for the present."""
    return reading.state is State.OK and any(one.fresh for one in reading.measurements.values())


def body_of(reading: Reading) -> bytes:
    """The stored form: what the device is, and the values that this scan read."""
    values = {
        name: value
        for name, (value, _, fresh) in reading.measurements.items()
        if fresh and not (isinstance(value, float) and not math.isfinite(value))
    }
    content: dict[str, object] = {"m": reading.model, "s": reading.serial, "v": values}
    if reading.via:
        content |= {"k": reading.kind, "b": reading.via}
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
