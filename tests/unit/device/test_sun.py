"""Sunrise and sunset against what almanacs print for known places and days."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sungather.device.sun import day_of, daylight

HALF_DAY = timedelta(hours=12)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("latitude", "longitude", "day", "rises", "sets"),
    [
        pytest.param(52.52, 13.40, "2026-06-21", "06-21 02:43", "06-21 19:33", id="Berlin"),
        pytest.param(52.52, 13.40, "2026-12-21", "12-21 07:15", "12-21 14:54", id="Berlin"),
        pytest.param(51.51, -0.13, "2026-06-21", "06-21 03:43", "06-21 20:21", id="London"),
        pytest.param(51.51, -0.13, "2026-03-20", "03-20 06:03", "03-20 18:13", id="London"),
        pytest.param(64.15, -21.94, "2026-12-21", "12-21 11:22", "12-21 15:30", id="Reykjavik"),
        pytest.param(40.71, -74.01, "2026-06-21", "06-21 09:25", "06-22 00:31", id="New York"),
        pytest.param(-33.87, 151.21, "2026-12-21", "12-20 18:41", "12-21 09:05", id="Sydney"),
        pytest.param(-0.18, -78.47, "2026-03-20", "03-20 11:18", "03-20 23:24", id="Quito"),
        pytest.param(35.68, 139.69, "2026-12-21", "12-20 21:47", "12-21 07:32", id="Tokyo"),
        pytest.param(-18.14, 178.44, "2026-06-21", "06-20 18:37", "06-21 05:39", id="Suva"),
    ],
)
def test_sunrise_and_sunset_are_those_of_the_almanac(
    latitude: float, longitude: float, day: str, rises: str, sets: str
) -> None:
    begin, end = daylight(date.fromisoformat(day), latitude, longitude)
    assert abs(begin - utc(f"2026-{rises}")) < timedelta(minutes=2.5), begin
    assert abs(end - utc(f"2026-{sets}")) < timedelta(minutes=2.5), end


@pytest.mark.parametrize(
    ("latitude", "day", "length"),
    [
        pytest.param(69.65, "2026-06-21", timedelta(days=1), id="Tromsø, midnight sun"),
        pytest.param(69.65, "2026-12-21", timedelta(), id="Tromsø, polar night"),
        pytest.param(-77.85, "2026-06-21", timedelta(), id="McMurdo, polar night"),
        pytest.param(-77.85, "2026-12-21", timedelta(days=1), id="McMurdo, midnight sun"),
        pytest.param(90.0, "2026-06-21", timedelta(days=1), id="North Pole"),
        pytest.param(-90.0, "2026-06-21", timedelta(), id="South Pole"),
    ],
)
def test_the_sun_that_stays_up_or_down_all_day(
    latitude: float, day: str, length: timedelta
) -> None:
    assert daylight(date.fromisoformat(day), latitude, 18.96).length == length


@given(st.dates(date(2000, 1, 1), date(2099, 1, 1)), st.floats(-90, 90), st.floats(-180, 180))
def test_there_is_an_answer_for_every_place_and_day(
    day: date, latitude: float, longitude: float
) -> None:
    found = daylight(day, latitude, longitude)
    assert timedelta() <= found.length <= timedelta(days=1, minutes=1)
    assert day_of(found.begin + found.length / 2, longitude) == day


@given(st.dates(date(2000, 1, 1), date(2099, 1, 1)), st.floats(-180, 180))
def test_days_are_about_twelve_hours_at_the_equator(day: date, longitude: float) -> None:
    assert abs(daylight(day, 0.0, longitude).length - HALF_DAY) < timedelta(minutes=10)
