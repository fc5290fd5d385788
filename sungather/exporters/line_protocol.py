"""InfluxDB's line protocol.

https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/
Numbers are always floats: InfluxDB fixes a field's type with the first value that it sees, and
then refuses "21.0" for a field that began as the integer 21.
"""

from collections.abc import Mapping
from functools import lru_cache

from sungather.outbox import Record

Scalar = float | int | str | bool
"""A value that is a field; history arrays are none."""

_NAME = str.maketrans({",": "\\,", " ": "\\ ", "=": "\\=", "\n": "\\ ", "\r": "\\ "})
_MEASUREMENT = str.maketrans({",": "\\,", " ": "\\ ", "\n": "\\ ", "\r": "\\ "})
_TEXT = str.maketrans({'"': '\\"', "\\": "\\\\", "\n": " ", "\r": " "})


@lru_cache(maxsize=2048)  # the same few hundred names in every line
def escaped(text: str) -> str:
    """A tag key, tag value or field key."""
    # A backslash at the end would escape the separator after it.
    return text.rstrip("\\").translate(_NAME)


def tag_set(record: Record, tags: Mapping[str, str]) -> str:
    """The tags of a record, with a comma before each.

    `tags` come in addition to name, kind, model and serial, and to the inverter (`via`) of a
    device behind one.
    """
    labels = {
        "name": record.name,
        "kind": record.kind,
        "model": record.model,
        "serial": record.serial,
        "via": record.via,
        **tags,
    }
    # Sorted, as InfluxDB recommends; empty values are not allowed.
    return "".join(
        f",{escaped(key)}={escaped(value)}"
        for key, value in sorted(labels.items())
        if escaped(value)
    )


def line(measurement: str, tags: str, fields: Mapping[str, Scalar], time_ms: int) -> str:
    """One line with a timestamp in milliseconds; "" without fields."""
    written = ",".join([f"{escaped(name)}={_field(value)}" for name, value in fields.items()])
    name = measurement.rstrip("\\").translate(_MEASUREMENT)
    return f"{name}{tags} {written} {time_ms}" if written else ""


def _field(value: Scalar) -> str:
    if isinstance(value, str):
        return f'"{value.translate(_TEXT)}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(float(value))
