"""Measurements from plain values, for tables of tests."""

from collections.abc import Mapping

from sungather.reading import Measurement, Reading, Value, measured


def measurements(
    values: Mapping[str, Value], units: Mapping[str, str] | None = None
) -> dict[str, Measurement]:
    """All of them read by this scan; names without a unit may be left out of `units`."""
    return measured(values, units or {}, values.keys())


def fresh(reading: Reading) -> set[str]:
    """The names that the reading's own scan has read."""
    return {name for name, one in reading.measurements.items() if one.fresh}
