"""The snap's health, which `snap info sungather` shows: told to snapd when it changes."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from sungather.reading import Reading, State
from sungather.service import Health, Service
from sungather.snap.snapctl import SnapctlFailed, snapctl

log = logging.getLogger(__name__)

FAULT = "fault"
"""Code of a health that says that a device tells a fault. The snap itself works."""
_LONGEST = 70
"""Characters of a message; snapd takes no more."""

_WORDS = {
    State.ASLEEP: ("waiting", "is asleep until the sun is back"),
    State.CONNECTING: ("waiting", "is being connected to"),
    State.UNREACHABLE: ("waiting", "is unreachable; sungather.test-connection says why"),
    State.BUSY: ("blocked", "is busy: another client holds its connection"),
    State.NOT_AN_INVERTER: ("blocked", "is no Sungrow inverter: correct its host"),
    State.MISCONFIGURED: ("blocked", "needs other options; sungather.test-connection says which"),
}
_WORST_FIRST = ("blocked", "waiting")


@dataclass(frozen=True, slots=True)
class SnapHealth:
    """What snapd is told."""

    status: str
    """"okay", "waiting" (it will be well without anybody) or "blocked" (a person must act)."""
    message: str = ""
    code: str = ""
    """Dashed name for programs."""

    @property
    def arguments(self) -> tuple[str, ...]:
        """What `snapctl set-health` takes; okay stands alone."""
        if self.status == "okay":
            return (self.status,)
        return self.status, _cut(self.message), f"--code={self.code}"


def snap_health(readings: Iterable[Reading], services: Iterable[Health]) -> SnapHealth:
    """The worst of all inverters and exporters. Of sub-devices only faults count."""
    known = list(readings)
    found = [_of(reading) for reading in known if not reading.via]
    # An exporter whose other side is down waits with nothing lost: that is its normal work.
    found += [
        SnapHealth("blocked", f"{one.name}: {one.message}", f"{one.name}-blocked")
        for one in services
        if one.state == "blocked"
    ]
    # A fault of the inverter hides nothing that keeps the snap from working.
    found += [
        SnapHealth("blocked", f"{one.name} tells a fault: {one.faults.text}", FAULT)
        for one in known
        if one.faults is not None and one.faults.active
    ]
    for status in _WORST_FIRST:
        bad = [one for one in found if one.status == status]
        if bad:
            more = f" (+{len(bad) - 1} more)" if len(bad) > 1 else ""
            return SnapHealth(status, _cut(bad[0].message, more), bad[0].code)
    return SnapHealth("okay")


def _of(reading: Reading) -> SnapHealth:
    if reading.state not in _WORDS:
        return SnapHealth("okay")
    status, words = _WORDS[reading.state]
    kind = reading.problem.kind if reading.problem else str(reading.state)
    return SnapHealth(status, f"{reading.name} {words}", kind)


def _cut(text: str, more: str = "") -> str:
    room = _LONGEST - len(more)
    return (text if len(text) <= room else text[: room - 1] + "…") + more


class SnapHealthService:
    """Tells snapd after each reading that changed something."""

    name = "snap"

    def __init__(
        self,
        services: Sequence[Service] = (),
        tell: Callable[..., object] = lambda *words: snapctl("set-health", *words),
    ) -> None:
        self._services = services
        self._tell = tell
        self._newest: dict[str, Reading] = {}
        self._changed = asyncio.Event()
        self._told: SnapHealth | None = None
        self._trouble = ""

    def on_reading(self, reading: Reading) -> None:
        """Remember it."""
        self._newest[reading.name] = reading
        self._changed.set()

    async def tell(self, *readings: Reading) -> None:
        """Tell snapd if the health is another one with these readings."""
        for reading in readings:
            self._newest[reading.name] = reading
        now = snap_health(self._newest.values(), [one.health() for one in self._services])
        if now != self._told:
            await self._say(now)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self.tell()

    async def _say(self, health: SnapHealth) -> None:
        try:
            await asyncio.to_thread(self._tell, *health.arguments)
        except (SnapctlFailed, OSError) as error:
            if not self._trouble:
                log.warning("snapd was not told that the health is %s: %s", health.status, error)
            self._trouble = str(error)
        else:
            self._told = health
            self._trouble = ""

    def health(self) -> Health:
        """Whether snapd knows."""
        return Health(self.name, "waiting" if self._trouble else "ok", self._trouble)
