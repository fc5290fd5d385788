"""The loop: one task an inverter, one task a service, nobody waits for anybody.

The only place that knows both ends: inverters on one side, exporters and page on the other.
"""

import asyncio
import logging
import math
from collections.abc import MutableMapping, Sequence

from sungather import errors
from sungather.answers import ConnectionAnswer, ForgottenAnswer
from sungather.back_off import BackOff, Sleep
from sungather.clock import Clock
from sungather.device.advice import report_of
from sungather.device.inverter import Inverter
from sungather.device.sub_devices import SubDevices
from sungather.device.unit_words import UnitWords
from sungather.reading import Problem, Reading, State
from sungather.service import Service
from sungather.transports.tls_port import MET
from sungather.transports.winet_endpoints import PIN

log = logging.getLogger(__name__)

BACK_OFF = (5.0, 20.0, 45.0, 90.0)
"""Seconds to the next tries of a device that answers nothing, where its interval is longer. They
grow, for a device whose few sessions are exhausted needs about 90 s without any request. A shorter
interval gives it less: nothing tells it from one that is away, which is to be read within one
interval when it is back. So all that each try costs it is one connection and one request."""
_SPREAD = (1.0, 1.2)
"""Each is made longer by up to a fifth, at random: several collectors do not come back in step."""
_EXHAUSTED = frozenset({"busy", "connection-lost", "silent"})
"""Problems that a while can cure; the others are not tried before the interval is over."""
_RESTART_SERVICE_AFTER = 30.0
FORGETTABLE = ("refusals", "certificate", "sub-devices")
"""What was learned of an inverter that a person can have forgotten."""


class Poller:
    """Polls one inverter at its scan interval, for as long as the process lives."""

    def __init__(
        self,
        inverter: Inverter,
        sub_devices: SubDevices | None,
        services: Sequence[Service],
        clock: Clock,
        sleep: Sleep = asyncio.sleep,
        dongle: MutableMapping[str, str] | None = None,
    ) -> None:
        """`dongle`: what is remembered of the dongle that the inverter is read through."""
        self.inverter = inverter
        self.words: UnitWords | None = None
        """What other programs read of the inverter, if they may."""
        self._dongle: MutableMapping[str, str] = {} if dongle is None else dongle
        self._sub_devices = sub_devices
        self._services = services
        self._clock = clock
        self._sleep = sleep
        self._line = inverter.line
        self._back_off = BackOff(BACK_OFF[0], BACK_OFF[-1], between=BACK_OFF[1:-1], spread=_SPREAD)

    @property
    def newest(self) -> tuple[Reading, ...]:
        """The newest readings: the inverter's, then those of its sub-devices.

        The inverter's state is `connecting` before the first scan has ended.
        """
        return (self.inverter.newest, *(self._sub_devices.newest if self._sub_devices else ()))

    async def run(self) -> None:
        """Scan until cancelled; begin with saying whom one is connecting to."""
        self._publish(self.inverter.newest)
        planned = self._clock.monotonic()
        while True:
            try:
                await self.scan()
            except Exception:
                # A bug met with one inverter must not take the others along.
                log.exception(
                    "a scan of %s failed; the next one is tried", self.inverter.newest.name
                )
            now = self._clock.monotonic()
            planned = self._next_scan(planned, now)
            await self._sleep(planned - now)

    def _next_scan(self, planned: float, now: float) -> float:
        """When the next scan begins, after the one that was planned for `planned`.

        Scans keep the distance of the interval to the planned begin, not to the end, of the one
        before. An early or late one, after quiet, is what the next ones are counted from: so the
        tries of an outage never put off the scan after it.
        """
        interval = self.inverter.options.scan_interval
        # Slots that a slow device has missed are left out, not made up for.
        slot = planned + interval * max(1, -(-(now - planned) // interval))
        return min(slot, now + self._quiet_after(self.inverter.newest))

    async def scan(self, complete: bool = False) -> tuple[Reading, ...]:
        """Scan now, or after the scan that is under way, and hand the readings to everybody."""
        async with self._line.turn:
            before = self.inverter.newest
            if self._line.rests(before.name) and not complete:
                reading = self.inverter.leave_out(before.state, before.problem)
            else:
                reading = await self.inverter.scan(complete=complete)
                self._line.note(reading)
            _log_change(before, reading)
            self._publish(reading)
            if self._sub_devices is not None:
                for one in await self._sub_devices.scan(reading, self.inverter.device, complete):
                    self._publish(one)
        return self.newest

    def _publish(self, reading: Reading) -> None:
        for service in self._services:
            try:
                service.on_reading(reading)
            except Exception:
                log.exception("%s could not take a reading of %s", service.name, reading.name)

    async def test(self) -> ConnectionAnswer:
        """`test-connection` over this poller's own connection."""
        async with self._line.turn:
            answer = await self.inverter.test()
        if (met := self._dongle.get(MET)) and answer["transport"] == "modbus-tls":
            answer["report"] = report_of(answer, met)
        return answer

    async def forget(self, what: str) -> None:
        """Forget one of `FORGETTABLE`, after the scan that is under way."""
        async with self._line.turn:
            if what == "certificate":
                self._dongle.pop(PIN, None)
            elif what == "refusals":
                self.inverter.forget_refusals()
                if self._sub_devices is not None:
                    self._sub_devices.forget_refusals()
            elif self._sub_devices is not None:
                self._sub_devices.forget()

    def _quiet_after(self, reading: Reading) -> float:
        """Seconds for which a device is left alone at least, if it is tried before its slot."""
        kind = reading.problem.kind if reading.problem else ""
        if kind not in _EXHAUSTED or self._line.shared:
            self._back_off.reset()
            return math.inf
        quiet = self._back_off.next()
        # What answers in part is no better off for being asked early.
        return math.inf if reading.state is State.OK else quiet


async def forget(pollers: Sequence[Poller], what: str) -> ForgottenAnswer:
    """The answer of `forget`: one of `FORGETTABLE` is forgotten of every inverter."""
    for poller in pollers:
        await poller.forget(what)
    return {
        "forgotten": what,
        "inverters": [poller.inverter.options.name for poller in pollers],
    }


class Collector:
    """All pollers and services of a running daemon."""

    def __init__(self, pollers: Sequence[Poller], services: Sequence[Service]) -> None:
        self.pollers = pollers
        self.services = services

    async def run(self) -> None:
        """Work until cancelled; then close the connections."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for service in self.services:
                    tasks.create_task(_keep_running(service))
                for poller in self.pollers:
                    tasks.create_task(poller.run())
        finally:
            await close_all(self.pollers)


async def close_all(pollers: Sequence[Poller]) -> None:
    """Close the connections all at once: the time it takes is that of one."""
    closing = [poller.inverter.close() for poller in pollers]
    for ended in await asyncio.gather(*closing, return_exceptions=True):
        if isinstance(ended, Exception):
            log.error("a connection could not be closed", exc_info=ended)


async def _keep_running(service: Service) -> None:
    """A bug in one service is logged with its traceback and takes nobody else along."""
    while True:
        try:
            await service.run()
        except Exception:
            log.exception("%s stopped working and is started again", service.name)
        else:
            return
        await asyncio.sleep(_RESTART_SERVICE_AFTER)


def _log_change(before: Reading, now: Reading) -> None:
    """Say each change of state once, not every scan."""
    was, problem = _news(before), _news(now)
    if before.state is now.state and (problem and problem.kind) == (was and was.kind):
        return
    if problem is not None and now.state is not State.ASLEEP:
        what = "was read only in part" if now.state is State.OK else f"is {now.state}"
        log.warning("%s %s: %s", now.name, what, problem.message)
    elif before.state is not now.state:
        log.info("%s is %s%s", now.name, now.state, f" ({now.display_model})" if now.model else "")


def _news(reading: Reading) -> Problem | None:
    """The problem of a reading, where nothing else tells it to the log."""
    problem = reading.problem
    return None if problem is None or problem.kind == errors.MeterWrong.kind else problem
