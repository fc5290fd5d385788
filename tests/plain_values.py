"""Measurements from plain values, for tables of tests."""

from collections.abc import Mapping

from sungather.reading import Measurement, Value, measured


def measurements(
    values: Mapping[str, Value], units: Mapping[str, str] | None = None
) -> dict[str, Measurement]:
    """All of them read by this scan; names without a unit may be left out of `units`."""
    return measured(values, units or {}, values.keys())
