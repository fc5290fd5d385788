"""The snap's health, which `snap info sungather` shows: told to snapd when it changes."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sungather.errors import OptionsError, ProbablyAsleep
from sungather.privileges import instance, on_host
from sungather.reading import Reading, State
from sungather.service import Health, Service
from sungather.snap import set_aside
from sungather.snap.snapctl import SnapctlFailed, snapctl

log = logging.getLogger(__name__)

FAULT = "fault"
"""Code of a health that says that a device tells a fault. The snap itself works."""
_LONGEST = 70
"""Characters of a message; snapd takes no more."""

_WORDS = {
    State.ASLEEP: ("waiting", "is asleep until the sun is back"),
    State.CONNECTING: ("waiting", "is being connected to"),
    State.UNREACHABLE: ("waiting", "is unreachable; {snap}.test-connection says why"),
    State.BUSY: ("blocked", "is busy: another client holds its connection"),
    State.NOT_AN_INVERTER: ("blocked", "is no Sungrow inverter: correct its host"),
    State.MISCONFIGURED: ("blocked", "needs other options; {snap}.test-connection says which"),
}
_WORST_FIRST = ("blocked", "waiting")
_OF_THIS_MACHINE = ("control", "storage", "outbox", "history")
"""Services that wait only when something is wrong with this machine's own disk."""
_LOOK_EVERY = 10.0
"""Seconds after which trouble is told, or its end, that no reading tells."""


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


def snap_health(
    readings: Iterable[Reading], services: Iterable[Health], refused: Iterable[str] = ()
) -> SnapHealth:
    """The worst of all inverters and services. Of sub-devices only faults count.

    Args:
        readings: the newest of each device.
        services: how each of them is doing.
        refused: options that were set aside.
    """
    known = list(readings)
    found = [_of(reading) for reading in known if not reading.via]
    # An exporter whose other side is down waits with nothing lost: that is its normal work.
    found += [
        SnapHealth(one.state, f"{one.name}: {on_host(one.message)}", f"{one.name}-{one.state}")
        for one in services
        if one.state == "blocked" or (one.state == "waiting" and one.name in _OF_THIS_MACHINE)
    ]
    found += [
        SnapHealth("blocked", f"{key} is refused since a refresh: set it anew", "set-aside")
        for key in refused
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
    if kind == ProbablyAsleep.kind:
        words = "is unreachable, probably asleep"
    return SnapHealth(status, f"{reading.name} {words.format(snap=instance())}", kind)


def without_inverter() -> SnapHealth:
    """While there is nothing to run."""
    text = f"no inverter yet: sudo snap set {instance()} inverter.host=ADDRESS"
    return SnapHealth("blocked", text, "no-inverter")


def without_daemon(environment: Mapping[str, str]) -> SnapHealth:
    """After the daemon has ended, as systemd's variables for ExecStopPost tell it.

    Without them, and after a stop that somebody asked for, a person has to start it. That one was
    asked for, too, of which systemd says that the time for it was up: nothing else has a limit.
    """
    if environment.get("SERVICE_RESULT", "success") in ("success", "timeout"):
        start = f"sudo snap start --enable {instance()}"
        return SnapHealth("blocked", f"stopped: {start}", "daemon-stopped")
    logs = f"sudo snap logs {instance()}"
    if environment.get("EXIT_STATUS") == str(OptionsError.exit_code):
        return SnapHealth("blocked", f"cannot run with its options: {logs}", "daemon-options")
    return SnapHealth("waiting", f"ended, and is started again; why: {logs}", "daemon-ended")


def _cut(text: str, more: str = "") -> str:
    room = _LONGEST - len(more)
    return (text if len(text) <= room else text[: room - 1] + "…") + more


class SnapHealthService:
    """Tells snapd when readings, other services or options set aside have changed something."""

    name = "snap"

    def __init__(
        self,
        data: Path,
        services: Sequence[Service] = (),
        tell: Callable[..., object] = lambda *words: snapctl("set-health", *words),
    ) -> None:
        """`data`: $SNAP_DATA, where options are set aside."""
        self._data = data
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
        # On a thread, like every other use of a disk: it may hang.
        refused = await asyncio.to_thread(set_aside.load, self._data)
        services = [one.health() for one in self._services]
        now = snap_health(self._newest.values(), services, refused)
        if now != self._told:
            await self._say(now)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY):
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
