"""Puts a collector together from the options, and runs it until a signal ends it."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncGenerator, Coroutine, Mapping, Sequence
from datetime import date
from itertools import chain
from pathlib import Path
from typing import TypeVar

from sungather import answers
from sungather.clock import Clock
from sungather.control import SOCKET
from sungather.daemon.collector import Collector, Poller
from sungather.daemon.control_server import ControlServer, Handler
from sungather.daemon.reload import WatchedFile
from sungather.device.inverter import Inverter
from sungather.device.sub_devices import SubDevices
from sungather.exporters import Exporters, open_exporters
from sungather.options.configuration import Configuration
from sungather.privileges import in_snap
from sungather.service import Service, SimpleService
from sungather.storage import Storage, StoredTexts, claimed
from sungather.transports.factory import open_transport
from sungather.worker import leave_threads_behind

log = logging.getLogger(__name__)

_T = TypeVar("_T")

STOP_WITHIN = 1.5
"""Seconds that services get to hand over what they hold; a stop takes 2 s at most."""


def pollers(
    configuration: Configuration, services: Sequence[Service] = (), clock: Clock | None = None
) -> list[Poller]:
    """One poller an inverter of the options."""
    clock = clock or Clock()
    storage = Storage(configuration.state_directory)
    found: list[Poller] = []

    def today() -> date:
        return clock.now().astimezone(configuration.timezone).date()

    for options in configuration.inverters:
        transport = open_transport(options, StoredTexts(storage, f"way-{options.name}"), today)
        inverter = Inverter(options, transport, storage, configuration.timezone, clock)
        sub_devices = SubDevices(options, transport, storage, clock)
        found.append(Poller(inverter, sub_devices, services, clock))
    return found


@contextlib.asynccontextmanager
async def open_pollers(configuration: Configuration) -> AsyncGenerator[list[Poller]]:
    """Pollers for one command; their connections are closed at its end."""
    found = pollers(configuration)
    try:
        yield found
    finally:
        for poller in found:
            await poller.inverter.close()


def page(
    configuration: Configuration,
    services: Sequence[Service],
    clock: Clock,
    history_file: Path,
) -> list[Service]:
    """The page and its history, if the page is wanted; it shows the health of `services`."""
    if not configuration.web.enabled:
        return []
    from sungather.history.service import History
    from sungather.web.server import WebServer

    history = History(history_file, configuration.timezone, clock=clock)
    server = WebServer(
        configuration.web,
        history=history,
        services=lambda: [service.health() for service in services],
        timezone=configuration.timezone,
        clock=clock,
        scan_interval=max((one.scan_interval for one in configuration.inverters), default=30.0),
    )
    return [history, server]


class Control(SimpleService):
    """The running daemon's answers to the commands."""

    name = "control"

    def __init__(self, configuration: Configuration, clock: Clock, exporters: Exporters) -> None:
        self.collector: Collector | None = None
        self._clock = clock
        self._exporters = exporters
        socket = configuration.state_directory / SOCKET
        self._server = ControlServer(socket, configuration.targets, self._handlers())

    async def run(self) -> None:
        """Serve; without a socket the daemon goes on, and says so."""
        try:
            await self._server.run()
        except OSError as error:
            log.warning(
                "The control socket cannot be opened (%s), so the commands cannot use this "
                "daemon's connection. Check storage.directory.",
                error,
            )

    def _handlers(self) -> dict[str, Handler]:
        return {
            "run-once": self._run_once,
            "readings": self._readings,
            "test-connection": self._test,
            "get-inverter-info": self._info,
            "write-down": self._write_down,
            "rejected": self._rejected,
            "rejected-again": self._rejected_again,
        }

    def _pollers(self) -> Sequence[Poller]:
        return self.collector.pollers if self.collector else ()

    async def _run_once(self) -> answers.ReadingsAnswer:
        found = await asyncio.gather(*(one.scan(complete=True) for one in self._pollers()))
        return answers.of_readings(chain.from_iterable(found))

    async def _readings(self) -> answers.ReadingsAnswer:
        services = self.collector.services if self.collector else ()
        health = [one.health() for one in services if one is not self]
        newest = chain.from_iterable(poller.newest for poller in self._pollers())
        return answers.of_readings(newest, self._clock.now(), health)

    async def _test(self) -> answers.ConnectionsAnswer:
        return {"inverters": list(await asyncio.gather(*(p.test() for p in self._pollers())))}

    async def _info(self) -> answers.InvertersAnswer:
        return {"inverters": [one.inverter.info() for one in self._pollers()]}

    async def _rejected(self) -> answers.RejectedAnswer:
        return await self._exporters.rejected()

    async def _rejected_again(self) -> answers.RejectedAnswer:
        return await self._exporters.rejected(again=True)

    async def _write_down(self) -> Mapping[str, object]:
        await self._exporters.write_down()
        return {}


async def run(configuration: Configuration, options: WatchedFile | None = None) -> None:
    """The daemon: collect until SIGTERM or SIGINT, anew whenever `options` have changed.

    Raises:
        OptionsError: One runs already.
    """
    leave_threads_behind()
    wanted: Configuration | None = configuration
    while wanted is not None:
        with claimed(wanted.state_directory):
            wanted = await _collect(wanted, options)


async def _collect(
    configuration: Configuration, options: WatchedFile | None
) -> Configuration | None:
    """Collect until a signal asks to stop, or until there are other options, which it returns."""
    clock = Clock()
    exporters = await open_exporters(configuration)
    control = Control(configuration, clock, exporters)
    services: list[Service] = [control, *exporters.services]
    services += page(
        configuration, services, clock, configuration.state_directory / "history.sqlite"
    )
    if in_snap():
        from sungather.snap.health import SnapHealthService

        services.append(SnapHealthService(exporters.services))
    control.collector = Collector(pollers(configuration, services, clock), services)
    log.info("collecting from %d inverter(s)", len(configuration.inverters))
    others = options.other_than(configuration) if options else None
    changed = await until_stopped(control.collector.run(), others)
    await exporters.close()
    if changed is None:
        log.info("stopped")
    else:
        logging.getLogger().setLevel(changed.log.level)
        log.info("the options have changed")
    return changed


async def until_stopped(
    work: Coroutine[object, object, object], until: Coroutine[object, object, _T] | None = None
) -> _T | None:
    """Run `work` until it ends, a signal asks to stop, or `until` is there, which it returns.

    Then `work` has `STOP_WITHIN` to end.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    # A changed file takes effect at the next start; a terminal that closes ends nothing.
    loop.add_signal_handler(signal.SIGHUP, lambda: None)
    working = asyncio.create_task(work)
    waiting: list[asyncio.Task[object]] = [asyncio.create_task(stop.wait())]
    over = asyncio.create_task(until) if until is not None else None
    if over is not None:
        waiting.append(over)
    try:
        await asyncio.wait((working, *waiting), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (working, *waiting):
            task.cancel()
        done, _ = await asyncio.wait((working,), timeout=STOP_WITHIN)
    for task in done:
        if not task.cancelled():
            task.result()
    if over is None or stop.is_set() or not over.done() or over.cancelled():
        return None
    return over.result()
