"""From readings to InfluxDB's points: which value goes into which measurement. Pure.

No measurement gets more than 190 columns at level 2, whatever inverters there are: servers take
200 (InfluxDB Cloud) to 500 (InfluxDB 3). Beside `influxdb.measurement`, MEASUREMENT:
    MEASUREMENT_strings     voltages and currents of the MPP trackers and strings
    MEASUREMENT_settings    what is set in the inverter, not measured
    MEASUREMENT_KIND        a sub-device: MEASUREMENT_battery, MEASUREMENT_charger
    MEASUREMENT_history     past quarters of an hour, days, months and years
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from sungather.exporters.line_protocol import Scalar, line, tag_set
from sungather.options.all_options import InfluxdbOptions
from sungather.options.patterns import value_filter
from sungather.options.tags import parse_tags
from sungather.outbox import Record
from sungather.outbox.record import milliseconds
from sungather.registers.published import names_of_settings

_OF_STRINGS = re.compile(r"(mppt|string)_\d+_")
_FIRST_YEAR = 2015
"""What index 0 of an array of years stands for; see registers/data/history.table."""
_QUARTER = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Point:
    """A line, and where it comes from."""

    record: Record
    measurement: str
    names: tuple[str, ...]
    """Its fields."""
    text: str


class Layout:
    """Where values go, and which of them are left out."""

    def __init__(self, options: InfluxdbOptions, timezone: tzinfo) -> None:
        self._measurement = options.measurement
        self._tags = parse_tags(options.tags)
        self._wanted = value_filter(options.include, options.exclude)
        self._timezone = timezone
        self._settings = names_of_settings()
        self._left_out: set[tuple[str, str]] = set()
        """Measurement and field that the database does not take."""
        self._places: dict[str, dict[str, str]] = {}
        """Kind of device -> name -> measurement; "" for what is not sent. Found out once."""

    def leave_out(self, measurement: str, names: Collection[str]) -> None:
        """Send these fields no more."""
        self._left_out.update((measurement, name) for name in names)
        self._places = {}

    @property
    def leaves_out(self) -> bool:
        """Whether there are fields that the database does not take."""
        return bool(self._left_out)

    def has_any(self, record: Record) -> bool:
        """Whether a record has values that are wanted."""
        return any(
            self._wanted(name) and not isinstance(value, list)
            for name, value in record.values.items()
        )

    def points(self, records: Sequence[Record]) -> list[Point]:
        """The points of readings, in the same order."""
        return [point for record in records for point in self._of(record)]

    def only(
        self, records: Sequence[Record], measurement: str, names: Collection[str]
    ) -> list[Point]:
        """The points of one measurement, with these fields alone."""
        return [
            point
            for record in records
            for point in self._of(record, names)
            if point.measurement == measurement
        ]

    def _of(self, record: Record, names: Collection[str] | None = None) -> Iterator[Point]:
        parts: dict[str, dict[str, Scalar]] = {}
        places = self._places.setdefault(record.kind, {})
        for name, value in record.values.items():
            if (measurement := places.get(name)) is None:
                measurement = places[name] = self._place(record.kind, name)
            if not measurement or isinstance(value, list):
                continue
            if names is None or name in names:
                parts.setdefault(measurement, {})[name] = value
        tags = tag_set(record, self._tags)
        for measurement, fields in parts.items():
            text = line(measurement, tags, fields, record.time_ms)
            yield Point(record, measurement, tuple(fields), text)

    def _place(self, kind: str, name: str) -> str:
        part = ""
        if kind != "inverter":
            part = f"_{kind}"
        elif _OF_STRINGS.match(name):
            part = "_strings"
        elif name in self._settings:
            part = "_settings"
        measurement = f"{self._measurement}{part}"
        is_sent = self._wanted(name) and (measurement, name) not in self._left_out
        return measurement if is_sent else ""

    def history(self, records: Sequence[Record]) -> list[str]:
        """Lines of the inverters' own arrays; of one moment the last that was told."""
        found: dict[tuple[str, int], dict[str, Scalar]] = {}
        for record in records:
            arrays = {
                name: value
                for name, value in record.values.items()
                if isinstance(value, list) and self._wanted(name)
            }
            if arrays:
                tags = tag_set(record, self._tags)
                for moment, fields in _past(arrays, record.time.astimezone(self._timezone)):
                    found.setdefault((tags, milliseconds(moment)), {}).update(fields)
        measurement = f"{self._measurement}_history"
        return [line(measurement, tags, fields, ms) for (tags, ms), fields in found.items()]


def _past(
    arrays: Mapping[str, list[float | None]], now: datetime
) -> Iterator[tuple[datetime, dict[str, Scalar]]]:
    for name, values in arrays.items():
        for index, moment in began(len(values), now):
            if (value := values[index]) is not None:
                yield moment, {name: value}


def began(length: int, now: datetime) -> Iterator[tuple[int, datetime]]:
    """Index of each element of an array that is over or has begun, and when it began, in UTC.

    `now` is local time, which the device's clock is taken to show. The length tells what the
    elements are: 96 quarters of an hour of today (means, so only those that are over), 31 days
    of this month, 12 months of this year, or years.
    """
    today = now.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    match length:
        case 96:
            over = (now.replace(tzinfo=None) - today) // _QUARTER
            begins = [today + number * _QUARTER for number in range(over)]
        case 31:
            begins = [today.replace(day=day) for day in range(1, now.day + 1)]
        case 12:
            begins = [today.replace(month=month, day=1) for month in range(1, now.month + 1)]
        case _:
            years = range(_FIRST_YEAR, min(now.year + 1, _FIRST_YEAR + length))
            begins = [today.replace(year=year, month=1, day=1) for year in years]
    for index, begin in enumerate(begins):
        moment = begin.replace(tzinfo=now.tzinfo).astimezone(UTC)
        # A quarter that the change to summer time leaves out was never.
        if moment.astimezone(now.tzinfo).replace(tzinfo=None) == begin:
            yield index, moment
