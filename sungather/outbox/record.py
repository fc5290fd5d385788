"""What the outbox keeps of a reading, and how it is written down."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast
from zlib import crc32

from sungather.reading import Reading, State, Value

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_MS = 253_402_300_800_000
"""Year 10,000: no stamp that was ever stored."""
_SEAL = b'{"c":'
_DAMAGED = "\N{REPLACEMENT CHARACTER}"


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
    sound: bool = True
    """False when what the disk gave back is not what was stored; then it may hold anything."""

    @classmethod
    def from_disk(cls, values: Sequence[object]) -> "OutboxRow":
        """A row as the file holds it, whatever became of it; one column after the other."""
        number, name, boot, mono_ms, time_ms, read_ms, body = values
        return cls(
            _whole(number),
            _text(name),
            _text(boot),
            _whole(mono_ms),
            _whole(time_ms),
            _whole(read_ms),
            body if isinstance(body, bytes) else str(body).encode("utf-8", "replace"),
            isinstance(body, bytes)
            and all(isinstance(one, str) and _DAMAGED not in one for one in (name, boot))
            and all(isinstance(one, int) for one in (number, mono_ms, time_ms, read_ms))
            and 0 <= _whole(time_ms) < _LATEST_MS,
        )

    def seal(self) -> None:
        """Have damage to the body, the name or the id noticed when it is read back.

        The check sum stands first in the JSON object; rows of earlier releases have none.
        """
        self.body = b"".join((_SEAL, b"%10d," % self._sum(self.body), self.body[1:]))

    def _is_sealed(self) -> bool:
        if not self.body.startswith(_SEAL):
            return True
        start = len(_SEAL)
        return int(self.body[start : start + 10]) == self._sum(b"{" + self.body[start + 11 :])

    def _sum(self, body: bytes) -> int:
        return crc32(body, crc32(f"{self.id} {self.name}".encode()))

    @property
    def is_whole(self) -> bool:
        """Whether it can be read back."""
        try:
            self.record()
        except ValueError:
            return False
        return True

    def record(self) -> Record:
        """The record.

        Raises:
            ValueError: it is damaged.
        """
        try:
            content = cast(dict[str, object], json.loads(self.body, parse_constant=_refuse))
            values = cast(dict[str, object], content["v"])
            facts = (
                content["m"],
                content["s"],
                content.get("k", "inverter"),
                content.get("b", ""),
            )
            readable = all(map(_is_value, values.values()))
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError("not a reading") from error
        if not (
            self.sound
            and readable
            and self._is_sealed()
            and all(isinstance(fact, str) for fact in facts)
        ):
            raise ValueError("not what was stored")
        model, serial, kind, via = map(str, facts)
        return Record(
            self.id, self.name, model, serial, self.time_ms, self.read_ms,
            cast(dict[str, Value], values), kind, via,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class RejectedRecord:
    """A reading that was given up for one exporter, kept to be looked at and sent again."""

    id: int
    name: str
    time_ms: int
    reason: str
    values: Mapping[str, Value]
    """Empty when they cannot be read back."""


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


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _is_value(value: object) -> bool:
    """Whether it is a `Value` that was ever stored."""
    if isinstance(value, list):
        return all(one is None or _is_value(one) for one in cast(list[object], value))
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, str | int)


def _refuse(constant: str) -> object:
    """No NaN and no infinity was ever stored.

    Raises:
        ValueError: always.
    """
    raise ValueError(constant)
