"""One connection over which units are read in turn, and how much it bears.

A logger passes each request on to a slow bus. So a unit's scan is one turn, and its values are of
one moment; what is not needed in every scan is read less often where the connection is full; and
units that do not answer get a share of its time that leaves the others theirs.
"""

import asyncio
from dataclasses import dataclass

from sungather import errors
from sungather.clock import Clock
from sungather.device.identify import CLUSTER_UNITS, LOGGER, MANAGER_PLATE, MANAGER_UNIT
from sungather.reading import Reading, State
from sungather.registers.models import device_for
from sungather.transports import Transport

FULL = 0.8
"""Share of the time that may be planned for; the rest is for retries and for other programs."""
SILENT_SHARE = 0.25
"""Share of the time that units may cost which do not answer, all together."""
LONGEST_REST = 600.0
"""Seconds after which one of those is asked again in any case."""
_LOOK_FOR = 3.0
"""Seconds in which a logger must say that it is one."""
_LOOK_AGAIN = 600.0
_LONGEST_STRETCH = 60.0
_NEWER = 0.2
"""Weight of the newest scan in the mean time of a request."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What one unit wants of the connection, in requests a second."""

    fast: float
    """For what is read in every scan."""
    rest: float


class Line:
    """The turns of one connection; `units` are read over it."""

    def __init__(self, clock: Clock, units: int = 1) -> None:
        self.turn = asyncio.Lock()
        self.units = units
        self._clock = clock
        self._logger: bool | None = None
        """Whether there is a logger at the other end; None while nobody knows."""
        self._look_at = clock.monotonic()
        """When one may be looked for."""
        self._demands: dict[str, Demand] = {}
        self._request = 0.0
        """Seconds that a request takes; 0 while nobody knows."""
        self._rests_until: dict[str, float] = {}

    @property
    def shared(self) -> bool:
        """Whether more than one unit is read over it."""
        return self.units > 1

    async def ends_at_logger(self, transport: Transport, unit: int) -> bool:
        """Whether a logger passes requests to the unit on; the logger itself is asked, once."""
        now = self._clock.monotonic()
        usual = not self.shared and (unit == 1 or unit in CLUSTER_UNITS)
        if self._logger is not None or transport.name == "http" or usual or now < self._look_at:
            return self._logger is True
        self._look_at = now + _LOOK_AGAIN
        try:
            async with asyncio.timeout(_LOOK_FOR):
                words = await transport.read(MANAGER_PLATE, MANAGER_UNIT)
            self._logger = device_for(words[0]).family == LOGGER
        except (errors.Refused, errors.UnitSilent):
            self._logger = False
        except (errors.InverterError, TimeoutError):
            pass  # perhaps nobody is there now
        return self._logger is True

    def want(self, name: str, demand: Demand) -> float:
        """Note what a unit wants, and its place in the row of all, from 0 to below 1."""
        self._demands[name] = demand
        return list(self._demands).index(name) / max(self.units, len(self._demands))

    @property
    def stretch(self) -> float:
        """By how much longer the periods of all that is not fast are, so that it fits in."""
        if not self.shared or not self._request or not self._demands:
            return 1.0
        each = self.units / len(self._demands)  # the others are like those that are known
        fast = sum(one.fast for one in self._demands.values()) * each
        rest = sum(one.rest for one in self._demands.values()) * each
        room = FULL / self._request - fast
        if room * _LONGEST_STRETCH <= rest:
            return _LONGEST_STRETCH
        return max(1.0, rest / room)

    def rests(self, name: str) -> bool:
        """Whether the unit, which did not answer, is left alone now."""
        return self._clock.monotonic() < self._rests_until.get(name, 0.0)

    def note(self, reading: Reading) -> None:
        """Learn from a scan."""
        took = reading.duration_ms / 1000
        if reading.state is State.OK:
            self._rests_until.pop(reading.name, None)
            if reading.requests:
                mean = took / reading.requests
                self._request += (mean - self._request) * (_NEWER if self._request else 1)
        elif self.shared and reading.requests:
            self._rests_until[reading.name] = 0.0
            pause = took * len(self._rests_until) / SILENT_SHARE
            self._rests_until[reading.name] = self._clock.monotonic() + min(LONGEST_REST, pause)
