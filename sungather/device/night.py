"""Whether silence is sleep: what was read last, where, and whether it is night there. Pure.

An inverter without a battery goes dark with the sun. That explains silence only at night, and only
of the device that was seen to go dark. When it is night follows from where the site is, else from
the night before: when the device fell silent and when it woke. Without either, the last reading
alone has to do, but not around noon.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import cast
from zoneinfo import ZoneInfo

from sungather import errors
from sungather.device.sun import Daylight, day_of, daylight
from sungather.options.host_defaults import is_utc
from sungather.reading import Value
from sungather.registers.device import Device

ASLEEP_BELOW = 0.01
"""PV power at the last good reading, as a share of nominal power, below which an inverter without
a battery that goes silent is asleep."""
USUAL = timedelta(hours=16)
"""Longest sleep, where the nights are not longer."""
LONGEST = timedelta(hours=24)
SPARE = timedelta(hours=2)
"""By so much a night may be longer than the one before, or begin earlier."""
DIM = timedelta(hours=1)
"""After sunrise and before sunset panels may give too little to stay awake."""
_STALE = timedelta(days=30)
"""A night that is learned says nothing of one so much later."""
_CLOCK_SET_BACK = timedelta(minutes=10)
_DAY = timedelta(days=1)

_RESTING = ("standby", "stop", "initial standby", "key stop")
"""Starts of `work_state_1` texts of an inverter that does not generate on purpose."""


@dataclass(frozen=True, slots=True)
class NightSite:
    """Where the inverter stands, as far as that is known."""

    timezone: ZoneInfo
    latitude: float | None = None
    longitude: float | None = None

    def daylight(self, moment: datetime) -> Daylight | None:
        """The time with sun on the day of `moment`; None where the place is not known."""
        if self.latitude is None or self.longitude is None:
            return None
        return daylight(day_of(moment, self.longitude), self.latitude, self.longitude)

    def is_noon(self, moment: datetime) -> bool:
        """Whether there is sun whatever the season, by the clock of a time zone that is known."""
        return self._zone_is_known and 12 <= moment.astimezone(self.timezone).hour < 14

    def is_probably_night(self, moment: datetime) -> bool:
        """Whether an inverter without a battery is more likely asleep than not.

        Without a place: in the evening and at night, later where it may be summer.
        """
        if (sun := self.daylight(moment)) is not None:
            return not sun.begin < moment < sun.end
        local = moment.astimezone(self.timezone)
        offsets = {local.replace(month=month, day=1).utcoffset() for month in (1, 7)}
        winter = len(offsets) == 2 and not local.dst()
        begins, ends = (19, 6) if winter else (22, 5)
        return self._zone_is_known and not ends <= local.hour < begins

    @property
    def _zone_is_known(self) -> bool:
        """UTC is what machines have that nobody has told where they are."""
        return not is_utc(self.timezone.key)


def is_silence(error: errors.InverterError) -> bool:
    """Whether the device said nothing. A gateway in between, which is awake, may say so."""
    silent = errors.Unreachable | errors.UnitSilent | errors.WrongUnit
    return isinstance(error, silent) and not isinstance(error, errors.NameNotFound)


@dataclass(frozen=True, slots=True)
class NightRule:
    """What the last good reading says about silence that follows it."""

    hybrid: bool
    resting: bool
    """PV power under 1 % of nominal, or a standby or stop state."""
    place: str = ""
    """Host, port and unit of the device that was read; "" if that is not known."""
    serial: str = ""
    seen_at: datetime | None = None
    """When it was read, UTC."""
    fell_silent: datetime | None = None
    """When it was read last before this night's silence began."""
    silent_at: datetime | None = None
    """When it was found silent last; not kept over restarts."""
    night: tuple[datetime, datetime] | None = None
    """The last whole night: fell silent, woke with light."""

    def explains(
        self, error: errors.InverterError, place: str, now: datetime, site: NightSite
    ) -> bool:
        """Whether silence of what is at `place` is sleep. A hybrid stays up all night."""
        seen = self.seen_at
        return (
            self.resting
            and not self.hybrid
            and is_silence(error)
            and self.place == place
            and seen is not None
            and -_CLOCK_SET_BACK <= now - seen <= self._longest(seen, site)
            and self.is_night(seen, site)
            and self.is_night(now, site)
        )

    def is_night(self, moment: datetime, site: NightSite) -> bool:
        """Whether it may be night there, as far as that is known."""
        if (sun := site.daylight(moment)) is not None:
            return sun.length < _DAY and not sun.begin + DIM < moment < sun.end - DIM
        if self.night is None or moment - self.night[1] > _STALE:
            return not site.is_noon(moment)
        fell_silent, woke = self.night
        # The same night as often later as brings its begin next before the moment.
        since = (moment - (fell_silent - SPARE)) % _DAY
        return since <= woke - fell_silent + 2 * SPARE

    def silent(self, now: datetime) -> "NightRule":
        """The rule after a silence that is sleep."""
        return replace(self, fell_silent=self.fell_silent or self.seen_at, silent_at=now)

    def after(self, before: "NightRule | None") -> "NightRule":
        """This rule, just made of a good reading, with what is known from the one before."""
        if before is None or (before.place, before.serial) != (self.place, self.serial):
            return self
        known = replace(
            self, night=before.night, fell_silent=before.fell_silent, silent_at=before.silent_at
        )
        if self.resting or self.seen_at is None or known.fell_silent is None:
            return known
        slept = self.seen_at - known.fell_silent
        # Whoever was not there when it woke does not know when that was.
        there = known.silent_at is not None and self.seen_at - known.silent_at <= SPARE
        night = (known.fell_silent, self.seen_at)
        if there and SPARE <= slept <= LONGEST:
            known = replace(known, night=night)
        return replace(known, fell_silent=None, silent_at=None)

    def says_the_same(self, other: "NightRule | None") -> bool:
        """Whether there is no news in `other` but the time."""
        return other is not None and self == replace(
            other, seen_at=self.seen_at, silent_at=self.silent_at
        )

    def _longest(self, seen: datetime, site: NightSite) -> timedelta:
        """How long sleep lasts at most from `seen` on."""
        if (sun := site.daylight(seen)) is not None:
            night = _DAY - sun.length + 2 * DIM
        else:
            night = self.night[1] - self.night[0] if self.night else timedelta()
        return min(LONGEST, max(USUAL, night + SPARE))

    def as_json(self) -> dict[str, object]:
        """What must survive a restart."""
        return {
            "hybrid": self.hybrid,
            "resting": self.resting,
            "place": self.place,
            "serial": self.serial,
            "seen_at": self.seen_at and self.seen_at.isoformat(),
            "fell_silent": self.fell_silent and self.fell_silent.isoformat(),
            "night": self.night and [moment.isoformat() for moment in self.night],
        }

    @classmethod
    def from_json(cls, saved: object) -> "NightRule | None":
        """What `as_json` gave; builds before 1.0.0 kept the first two only."""
        if not isinstance(saved, dict):
            return None
        content = cast(dict[str, object], saved)
        night = content.get("night")
        ends = cast(list[object], night) if isinstance(night, list) else []
        moments = [_moment(one) for one in ends]
        known = [one for one in moments if one is not None]
        return cls(
            hybrid=content.get("hybrid") is True,
            resting=content.get("resting") is True,
            place=str(content.get("place") or ""),
            serial=str(content.get("serial") or ""),
            seen_at=_moment(content.get("seen_at")),
            fell_silent=_moment(content.get("fell_silent")),
            night=(known[0], known[1]) if len(known) == 2 else None,
        )


def night_rule_of(
    device: Device,
    values: dict[str, Value],
    place: str = "",
    serial: str = "",
    now: datetime | None = None,
) -> NightRule:
    """Judge a good reading; needs `pv_power`, or `work_state_1`, to call it resting."""
    power = values.get("pv_power")
    nominal_watts = (device.nominal_kw or 0.0) * 1000
    dark = (
        isinstance(power, int | float)
        and nominal_watts > 0
        and power < nominal_watts * ASLEEP_BELOW
    )
    work_state = str(values.get("work_state_1", "")).lower()
    resting = dark or work_state.startswith(_RESTING)
    return NightRule(device.hybrid, resting, place, serial, now)


def _moment(saved: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(saved) if isinstance(saved, str) else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None
