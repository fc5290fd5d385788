"""When the sun rises and sets at a place: pure arithmetic, good to about two minutes.

The position of the sun is that of the Astronomical Almanac's low-precision formula (0.01° from
1950 to 2050). Sunrise and sunset are when the upper edge of the sun is seen on a flat horizon:
its centre is 0.833° below it, by refraction and by its own radius.
"""

from datetime import UTC, date, datetime, time, timedelta
from math import acos, asin, atan2, cos, degrees, radians, sin
from typing import NamedTuple

_J2000 = datetime(2000, 1, 1, 12, tzinfo=UTC)
_HORIZON = radians(-0.833)
_DAY = timedelta(days=1)


class Daylight(NamedTuple):
    """The time with sun around one noon, UTC.

    As long as the sun does not rise both are that noon; as long as it does not set, they are the
    midnights before and after it.
    """

    begin: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        """From 0 to 24 hours."""
        return self.end - self.begin


def daylight(day: date, latitude: float, longitude: float) -> Daylight:
    """The time with sun on a day of the place's own sun time.

    Degrees are positive to the north and to the east.
    """
    noon = datetime.combine(day, time(12), UTC) - timedelta(days=longitude / 360)
    noon -= _turn(_hour_angle(noon, longitude))
    begin, end = noon, noon
    for _ in range(3):  # the sun moves on between noon and the two
        begin = noon - _half_day(begin, latitude)
        end = noon + _half_day(end, latitude)
    return Daylight(begin, end)


def day_of(moment: datetime, longitude: float) -> date:
    """The day, in the place's own sun time, that a moment belongs to."""
    return (moment.astimezone(UTC) + timedelta(days=longitude / 360)).date()


def _half_day(moment: datetime, latitude: float) -> timedelta:
    """From noon to sunset with the sun as it stands at that moment."""
    north, declination = radians(latitude), _equatorial(moment)[1]
    height = sin(_HORIZON) - sin(north) * sin(declination)
    reach = cos(north) * cos(declination)
    if abs(height) >= reach:
        return _DAY / 2 if height < 0 else timedelta()
    return _turn(degrees(acos(height / reach)))


def _hour_angle(moment: datetime, longitude: float) -> float:
    """Degrees by which the sun has passed the meridian, −180 to 180."""
    sidereal = 280.46062 + 360.98564737 * _days(moment) + longitude
    return (sidereal - degrees(_equatorial(moment)[0]) + 180) % 360 - 180


def _equatorial(moment: datetime) -> tuple[float, float]:
    """Right ascension and declination of the sun, in radians."""
    days = _days(moment)
    anomaly = radians(357.528 + 0.9856003 * days)
    mean = 280.460 + 0.9856474 * days
    along = radians(mean + 1.915 * sin(anomaly) + 0.020 * sin(2 * anomaly))
    tilt = radians(23.439 - 0.0000004 * days)
    return atan2(cos(tilt) * sin(along), cos(along)), asin(sin(tilt) * sin(along))


def _days(moment: datetime) -> float:
    return (moment - _J2000) / _DAY


def _turn(angle: float) -> timedelta:
    return _DAY * (angle / 360)
