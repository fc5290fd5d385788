"""Which values an exporter sends: `include` and `exclude`."""

import pytest

from sungather.options.patterns import value_filter


@pytest.mark.parametrize(
    ("include", "exclude", "chosen"),
    [
        ("", "", {"pv_power", "pv_energy_today", "battery_level"}),
        ("*_power", "", {"pv_power"}),
        ("battery_level, pv_*", "", {"pv_power", "pv_energy_today", "battery_level"}),
        ("", "pv_*", {"battery_level"}),
        ("pv_*", "*_today", {"pv_power"}),
        ("pv_power", "pv_power", set[str]()),
        ("power", "", set[str]()),
        ("p?_power", "", set[str]()),
        ("pv.power", "", set[str]()),
    ],
)
def test_a_value_is_wanted_if_a_pattern_fits_its_whole_name_and_none_excludes_it(
    include: str, exclude: str, chosen: set[str]
) -> None:
    names = ("pv_power", "pv_energy_today", "battery_level")
    assert set(filter(value_filter(include, exclude), names)) == chosen
