"""Readings as InfluxDB line protocol, one line a reading.

https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/
Numbers are always floats: InfluxDB fixes a field's type with the first value that it sees, and
then refuses "21.0" for a field that began as the integer 21.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache

from sungather.outbox import Record
from sungather.reading import Value

_NAME = str.maketrans({",": "\\,", " ": "\\ ", "=": "\\=", "\n": "\\ ", "\r": "\\ "})
_MEASUREMENT = str.maketrans({",": "\\,", " ": "\\ ", "\n": "\\ ", "\r": "\\ "})
_TEXT = str.maketrans({'"': '\\"', "\\": "\\\\", "\n": " ", "\r": " "})


@lru_cache(maxsize=2048)  # the same few hundred names in every line
def escaped(text: str) -> str:
    """A tag key, tag value or field key."""
    # A backslash at the end would escape the separator after it.
    return text.rstrip("\\").translate(_NAME)


def line(
    record: Record,
    measurement: str,
    tags: Mapping[str, str],
    wanted: Callable[[str], bool] = lambda _: True,
) -> str:
    """One line with a timestamp in milliseconds; "" if no field is left.

    `tags` come in addition to name, kind, model and serial, and to the inverter (`via`) of a
    device behind one. `wanted` says which fields. Lists become `<name>_1`, `<name>_2`, ….
    """
    fields = ",".join(
        f"{escaped(name)}={text}" for name, text in fields_of(record.values) if wanted(name)
    )
    if not fields:
        return ""
    labels = {
        "name": record.name,
        "kind": record.kind,
        "model": record.model,
        "serial": record.serial,
        "via": record.via,
        **tags,
    }
    # Sorted, as InfluxDB recommends; empty values are not allowed.
    head = "".join(
        f",{escaped(key)}={escaped(value)}"
        for key, value in sorted(labels.items())
        if escaped(value)
    )
    return f"{measurement.translate(_MEASUREMENT)}{head} {fields} {record.time_ms}"


def fields_of(values: Mapping[str, Value]) -> Iterator[tuple[str, str]]:
    """Name of each field and its value as text."""
    for name, value in values.items():
        if isinstance(value, bool):
            yield name, "true" if value else "false"
        elif isinstance(value, str):
            yield name, f'"{value.translate(_TEXT)}"'
        elif isinstance(value, list):
            for number, item in enumerate(value, 1):
                if item is not None:
                    yield f"{name}_{number}", repr(float(item))
        else:
            yield name, repr(float(value))
