"""Puts a collector together from the options, and runs it until a signal ends it."""

import asyncio
import contextlib
import logging
import os
import signal
from collections import Counter
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Coroutine,
    Hashable,
    Sequence,
)
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TypeVar

from sungather.back_off import Sleep
from sungather.clock import Clock
from sungather.control import SOCKET
from sungather.daemon.collector import Collector, Poller, close_all
from sungather.daemon.control import Control
from sungather.daemon.dongle_memory import PINNED, DongleMemories
from sungather.daemon.find_again import FindAgain, at_found_addresses
from sungather.daemon.household_services import page
from sungather.daemon.no_descriptors import Exhaustion
from sungather.daemon.reload import WatchedFile
from sungather.daemon.state_watch import StateWatch
from sungather.device.inverter import Inverter
from sungather.device.line import Line
from sungather.device.night import NightSite
from sungather.device.sub_devices import SubDevices
from sungather.device.unit_words import UnitWords
from sungather.exporters import Exporters, open_exporters
from sungather.modbus_server import early_ports
from sungather.options.all_options import InverterOptions
from sungather.options.configuration import Configuration
from sungather.outbox.limits import MEMORY_ROWS
from sungather.privileges import in_snap
from sungather.reading import Reading
from sungather.service import Health, Service, SimpleService
from sungather.storage import Claim, MemoryStorage, Storage, StoredTexts
from sungather.transports.factory import open_transport
from sungather.transports.shared import SharedTransport
from sungather.worker import leave_threads_behind

log = logging.getLogger(__name__)

_T = TypeVar("_T")

EVERYTHING = 3
"""The level that is read where other programs ask for words."""
STOP_WITHIN = 1.8
"""Seconds that a stop takes at most, whatever hangs; the log files have what is left of two."""
_SERVICES_WITHIN = 1.5
"""Seconds of it for services to hand over what they hold; the rest is for the outbox."""
_DISK_WITHIN = 2.0
"""Seconds that the first scan waits for what is known of the inverters."""


def pollers(
    configuration: Configuration,
    services: Sequence[Service] = (),
    clock: Clock | None = None,
    storage: Storage | None = None,
    sleep: Sleep = asyncio.sleep,
) -> list[Poller]:
    """One poller an inverter of the options; those at one address share a connection."""
    clock = clock or Clock()
    storage = storage or Storage(configuration.state_directory)
    found: list[Poller] = []
    dongles = DongleMemories(storage)
    site = NightSite(
        configuration.timezone, configuration.site.latitude, configuration.site.longitude
    )

    def today() -> date:
        return clock.now().astimezone(configuration.timezone).date()

    asked = configuration.modbus_server if configuration.modbus_server.enabled else None
    read_level = EVERYTHING if asked else 0
    inverters_there = at_found_addresses(configuration, storage).inverters
    together = Counter(map(_connection, inverters_there))
    lines: dict[Hashable, tuple[SharedTransport, Line]] = {}
    for options in inverters_there:
        dongle, where = dongles.of(options), _connection(options)
        if where in lines:
            first, line = lines[where]
            transport = first.for_another()
        else:
            transport = SharedTransport(open_transport(options, dongle, today))
            line = Line(clock, together[where])
            lines[where] = transport, line
        inverter = Inverter(
            options, transport, storage, configuration.timezone, clock, site, read_level, line
        )
        sub_devices = SubDevices(options, transport, storage, clock, read_level)
        poller = Poller(inverter, sub_devices, services, clock, sleep, dongle)
        if asked:
            users = transport.for_another()
            poller.words = UnitWords(inverter, sub_devices, users, clock, asked.max_age)
        found.append(poller)
    inverters = [poller.inverter for poller in found]
    for inverter in inverters:
        inverter.others = [other for other in inverters if other is not inverter]
    return found


def _connection(options: InverterOptions) -> Hashable:
    """What inverters have in common that are read over one connection."""
    login = (options.username, options.password, options.tls_ca)
    return options.connection, options.host.lower().rstrip("."), options.port, login


@contextlib.asynccontextmanager
async def open_pollers(configuration: Configuration) -> AsyncGenerator[list[Poller]]:
    """Pollers for one command; their connections are closed at its end."""
    storage = Storage(configuration.state_directory)
    await storage.read_all()
    found = pollers(configuration, storage=storage)
    try:
        yield found
    finally:
        await close_all(found)


def modbus_server(
    configuration: Configuration, found: Sequence[Poller], clock: Clock
) -> list[Service]:
    """The Modbus server, if it is wanted, of the inverters of these pollers."""
    early_ports.close_others(configuration.modbus_server.address, configuration.modbus_ports)
    if not configuration.modbus_server.enabled:
        return []
    from sungather.modbus_server.server import ModbusServer, ServedInverter

    served: list[ServedInverter] = []
    for poller, port in zip(found, configuration.modbus_ports, strict=True):
        inverter, options = poller.inverter, poller.inverter.options
        if poller.words is not None:
            served.append(
                ServedInverter(
                    options.name,
                    port,
                    poller.words,
                    lambda inverter=inverter: inverter.device,
                    options.scan_interval,
                )
            )
    return [ModbusServer(configuration.modbus_server, served, clock)]


async def run(configuration: Configuration, options: WatchedFile | None = None) -> None:
    """The daemon: collect until SIGTERM or SIGINT, anew whenever `options` have changed.

    Raises:
        OptionsError: One runs already.
    """
    leave_threads_behind()
    asyncio.get_running_loop().set_exception_handler(Exhaustion())
    wanted: Configuration | None = configuration
    while wanted is not None:
        claim = Claim(wanted.state_directory)
        try:
            wanted = await _collect_until_stopped(wanted, options, claim)
        finally:
            claim.release()


async def _collect_until_stopped(
    configuration: Configuration, options: WatchedFile | None, claim: Claim
) -> Configuration | None:
    """Collect until a signal asks to stop, or until there are other options, which it returns."""
    opened: list[Exporters] = []

    async def close(within: float) -> None:
        for exporters in opened:
            await exporters.close(within)

    moved = asyncio.Event()
    others = _anew(configuration, options, claim, moved)
    changed = await until_stopped(_collect(configuration, claim, opened, moved), others, close)
    if changed is None:
        log.info("stopped")
    elif changed is not configuration:
        logging.getLogger().setLevel(changed.log.level)
        log.info("the options have changed")
    return changed


async def _anew(
    configuration: Configuration,
    options: WatchedFile | None,
    claim: Claim,
    moved: asyncio.Event,
) -> Configuration:
    """Wait for other options, or until an inverter has moved: then the same ones begin anew."""
    waits: list[asyncio.Task[object]] = [asyncio.create_task(moved.wait())]
    if options is not None:
        waits.append(asyncio.create_task(options.other_than(configuration, claim.is_whole)))
    try:
        done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waits:
            task.cancel()
    results = [task.result() for task in done]
    return next((one for one in results if isinstance(one, Configuration)), configuration)


async def _collect(
    configuration: Configuration, claim: Claim, opened: list[Exporters], moved: asyncio.Event
) -> None:
    """Collect until cancelled; what has to be closed after that goes into `opened`.

    `moved` is set when an inverter is found at another address: all of it has to begin anew.
    """
    clock = Clock()
    directory = configuration.state_directory
    storage = Storage(directory)
    early = await _until_the_disk_answers(configuration, claim, storage, clock)
    exporters = await open_exporters(configuration)
    opened.append(exporters)
    reads = not configuration.outbox.deliver_only
    # Commands about inverters that are not read here connect by themselves.
    control = Control(directory / SOCKET, configuration.targets if reads else [], clock, exporters)
    services: list[Service] = [control, StateWatch(claim, storage), *exporters.services]
    if configuration.notify.enabled and reads:
        from sungather.exporters.notify import Notifier

        told = StoredTexts(storage, "told")
        exporters_health = [one.health for one in exporters.services]
        services.append(
            Notifier(
                configuration.notify, told, lambda: [one() for one in exporters_health], clock
            )
        )
    if reads:
        services += page(configuration, services, clock, directory / "history.sqlite", storage)
    if in_snap():
        from sungather.snap.health import SnapHealthService

        health = SnapHealthService(Path(os.environ["SNAP_DATA"]), services)
        services.append(health)
        if not reads:
            await health.tell()
    finder = FindAgain(configuration.inverters, storage, clock, moved.set)
    if reads and any(one.find_again for one in configuration.inverters):
        services.append(finder)
    for reading in early:
        for service in services:
            service.on_reading(reading)
    found = pollers(configuration, services, clock, storage) if reads else []
    if reads:
        finder.inverters = [poller.inverter for poller in found]
        services += modbus_server(configuration, found, clock)
        log.info("collecting from %d inverter(s)", len(found))
    else:
        log.info("delivering what is still owed; no inverter is read (outbox.deliver-only)")
    control.collector = Collector(found, services)
    await control.collector.run()


async def _until_the_disk_answers(
    configuration: Configuration, claim: Claim, storage: Storage, clock: Clock
) -> Sequence[Reading]:
    """Claim the directory, and read what is stored.

    Returns what inverters gave meanwhile, if the disk takes long.

    Raises:
        OptionsError: another daemon has it.
    """

    async def claimed() -> None:
        await asyncio.to_thread(claim.take)
        await storage.read_all()

    alone = claim.hang_out_sign()
    ready = asyncio.create_task(claimed())
    early: Sequence[Reading] = ()
    try:
        if not (await asyncio.wait((ready,), timeout=_DISK_WITHIN))[0]:
            early = await _read_meanwhile(configuration, ready, clock, alone=alone)
        await ready
    finally:
        ready.cancel()
    return early


async def _read_meanwhile(
    options: Configuration, ready: asyncio.Task[None], clock: Clock, *, alone: bool
) -> Sequence[Reading]:
    """Read, and show it on the page, without anything that is stored; what was read.

    The certificate that is trusted of a dongle is on the disk, so it is not asked.
    """
    cabled = tuple(one for one in options.inverters if one.connection not in PINNED)
    reads = alone and bool(cabled) and not options.outbox.deliver_only
    log.warning(
        "The disk of %s does not answer. Nothing is delivered before it does, and %s.",
        options.state_directory,
        f"{len(cabled)} inverter(s) are read without what is known of them"
        if reads
        else "no inverter is read: what is known of them, and whether another daemon reads them, "
        "is there",
    )
    kept = _Kept()
    if not reads:
        await asyncio.wait((ready,))
        return kept.readings
    services: list[Service] = [kept]
    services += page(options, services, clock, None)
    found = pollers(replace(options, inverters=cabled), services, clock, MemoryStorage())
    collector = Collector(found, services)
    reading = asyncio.create_task(collector.run())
    try:
        await asyncio.wait((ready, reading), return_when=asyncio.FIRST_COMPLETED)
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    return kept.readings


class _Kept(SimpleService):
    """Keeps readings for those that the disk keeps waiting."""

    name = "outbox"

    def __init__(self) -> None:
        self.readings: list[Reading] = []
        self._left_out = 0

    def on_reading(self, reading: Reading) -> None:
        """Keep it, where there is room."""
        if len(self.readings) < MEMORY_ROWS:
            self.readings.append(reading)
        else:
            self._left_out += 1

    def health(self) -> Health:
        """How many wait."""
        message = "The disk does not answer. Readings are kept in memory until it does."
        waiting = len(self.readings)
        return Health(self.name, "waiting", message, queue=waiting, dropped=self._left_out)


async def _nothing(_: float) -> None:
    """Nothing to close."""


async def until_stopped(
    work: Coroutine[object, object, object],
    until: Coroutine[object, object, _T] | None = None,
    close: Callable[[float], Awaitable[None]] = _nothing,
) -> _T | None:
    """Run `work` until it ends, a signal asks to stop, or `until` is there, which it returns.

    Then `work` has `_SERVICES_WITHIN` to end, and `close` the seconds left of `STOP_WITHIN`.
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
        end = loop.time() + STOP_WITHIN
        for task in (working, *waiting):
            task.cancel()
        done, _ = await asyncio.wait((working,), timeout=_SERVICES_WITHIN)
        await close(max(0.1, end - loop.time()))
    for task in done:
        if not task.cancelled():
            task.result()
    if over is None or stop.is_set() or not over.done() or over.cancelled():
        return None
    return over.result()
