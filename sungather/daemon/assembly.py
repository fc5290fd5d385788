"""Puts a collector together from the options, and runs it until a signal ends it."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncGenerator, Coroutine, Sequence
from datetime import date
from itertools import chain
from pathlib import Path

from sungather.clock import Clock
from sungather.control import SOCKET
from sungather.daemon import answers
from sungather.daemon.collector import Collector, Poller
from sungather.daemon.control_server import ControlServer, Handler
from sungather.device.inverter import Inverter
from sungather.device.sub_devices import SubDevices
from sungather.exporters import Exporters, open_exporters
from sungather.options.configuration import Configuration
from sungather.privileges import in_snap
from sungather.reading import Reading
from sungather.service import Health, Service
from sungather.storage import Storage, StoredTexts, claimed
from sungather.transports.factory import open_transport
from sungather.worker import leave_threads_behind

log = logging.getLogger(__name__)

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


class Control:
    """The running daemon's answers to the commands."""

    name = "control"

    def __init__(self, configuration: Configuration, clock: Clock, exporters: Exporters) -> None:
        self.collector: Collector | None = None
        self._clock = clock
        self._exporters = exporters
        socket = configuration.state_directory / SOCKET
        self._server = ControlServer(socket, configuration.targets, self._handlers())

    def on_reading(self, reading: Reading) -> None:
        """Nothing to keep: the pollers hold the newest readings."""

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

    def health(self) -> Health:
        """The socket either works or was complained about in the log."""
        return Health(self.name, "ok")

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

    async def _run_once(self) -> answers.Answer:
        found = await asyncio.gather(*(one.scan(complete=True) for one in self._pollers()))
        return answers.readings(chain.from_iterable(found))

    async def _readings(self) -> answers.Answer:
        services = self.collector.services if self.collector else ()
        health = [one.health() for one in services if one is not self]
        newest = chain.from_iterable(poller.newest for poller in self._pollers())
        return answers.readings(newest, self._clock.now(), health)

    async def _test(self) -> answers.Answer:
        return {"inverters": list(await asyncio.gather(*(p.test() for p in self._pollers())))}

    async def _info(self) -> answers.Answer:
        return {"inverters": [one.inverter.info() for one in self._pollers()]}

    async def _rejected(self) -> answers.Answer:
        return answers.rejected(await self._exporters.rejected())

    async def _rejected_again(self) -> answers.Answer:
        found = await self._exporters.rejected()
        return answers.rejected(found, await self._exporters.send_again())

    async def _write_down(self) -> answers.Answer:
        await self._exporters.write_down()
        return {}


async def run(configuration: Configuration) -> None:
    """The daemon: collect until SIGTERM or SIGINT. Raises `OptionsError` if one runs already."""
    leave_threads_behind()
    with claimed(configuration.state_directory):
        await _collect(configuration)


async def _collect(configuration: Configuration) -> None:
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
    await until_stopped(control.collector.run())
    await exporters.close()
    log.info("stopped")


async def until_stopped(work: Coroutine[object, object, object]) -> None:
    """Run `work` until it ends, or a signal asks to stop; then it has `STOP_WITHIN` to end."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    # A changed file takes effect at the next start; a terminal that closes ends nothing.
    loop.add_signal_handler(signal.SIGHUP, lambda: None)
    working = asyncio.create_task(work)
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        working.cancel()
        done, _ = await asyncio.wait((working,), timeout=STOP_WITHIN)
    for task in done:
        if not task.cancelled():
            task.result()
