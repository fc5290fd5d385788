"""`demo`: a simulated inverter lives through a day, for people without a roof at hand."""

import argparse
import asyncio
import contextlib
import json
import socket
import sys
import tempfile
import time
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from sungather import answers, errors
from sungather.cli.simulate import with_sub_devices
from sungather.clock import Clock
from sungather.daemon.assembly import pollers, until_stopped
from sungather.daemon.collector import Collector
from sungather.history.cashbook import Cashbook
from sungather.history.service import History
from sungather.options.all_options import WebOptions
from sungather.options.configuration import load
from sungather.reading import Reading
from sungather.service import Service, SimpleService
from sungather.simulator import device_named, serve
from sungather.web.server import WebServer

_SUNRISE = 5
"""Local hour at which the demo's day begins."""
_PORT = 8080
_DAY = 24 * 3600
_COUNTED_EVERY = 5.0
"""Seconds; a minute, as for others, would be a third of the demo's day."""


async def demo(chosen: argparse.Namespace) -> int:
    """A simulated inverter lives through a day; the real collector reads it over Modbus/TCP.

    Raises:
        OptionsError: if the page cannot be served at the chosen address and port.
    """
    port = _port(chosen.address, chosen.port)
    minutes = _DAY / chosen.speed / 60
    print(
        f"A simulated {chosen.model} lives through a day in {minutes:.2g} minutes. Ctrl-C stops "
        "it.",
        file=sys.stderr,
    )
    started = time.monotonic()
    # A long summer day, whatever the season outside.
    midnight = datetime(datetime.now().year, 6, 21).astimezone()
    begin = midnight + timedelta(hours=_SUNRISE)

    def simulated() -> datetime:
        return begin + timedelta(seconds=(time.monotonic() - started) * chosen.speed)

    clock = Clock(simulated, lambda: time.monotonic() * chosen.speed)
    device = device_named(chosen.model, speed=chosen.speed, begin=begin)
    with tempfile.TemporaryDirectory(prefix="sungather-demo-") as directory:
        async with await serve(with_sub_devices(device)) as server:
            settings = {
                "inverter.host": server.host,
                "inverter.port": server.port,
                "inverter.scan-interval": 1,
                "storage.directory": Path(directory),
                # Made up, as all of it.
                "tariff.currency": "EUR",
                "tariff.import": 0.32,
                "tariff.export": 0.08,
            }
            configuration = load(None, [f"{key}={value}" for key, value in settings.items()])
            history = History(None, configuration.timezone, clock=clock, commit_seconds=1)
            tariff = configuration.tariff.tariff
            patience = round(1.5 * chosen.speed)
            zone = configuration.timezone
            book = tariff and Cashbook(history, tariff, zone, patience, every=_COUNTED_EVERY)
            since_reading = SinceReading(begin)
            web = WebServer(
                WebOptions(address=chosen.address, port=port),
                history=history,
                services=list,
                timezone=configuration.timezone,
                clock=Clock(since_reading.now),
                scan_interval=chosen.speed,
                cashbook=book,
            )
            screen = Lines() if chosen.format == "json" else Screen(chosen.speed)
            services: list[Service] = [since_reading, history, web, screen, Opener(web, screen)]
            services += [book] if book else []
            collector = Collector(pollers(configuration, services, clock), services)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(chosen.seconds):
                    await until_stopped(collector.run())
    return 0


def _port(address: str, port: int | None) -> int:
    """The port of the page; the usual one, if it is free and no other was chosen."""
    try:
        with socket.create_server((address, _PORT if port is None else port)) as free:
            return free.getsockname()[1]
    except OSError as error:
        if port is None:
            return 0
        sentence = f"The port {port} of {address} cannot be opened: {error.strerror or error}."
        raise errors.OptionsError([sentence]) from None


class SinceReading(SimpleService):
    """The page's clock: simulated until the newest reading, and from there in real seconds.

    So a reading on the page is as old as it is for who looks at it.
    """

    name = "since-reading"

    def __init__(self, begin: datetime) -> None:
        self._time, self._seen = begin, time.monotonic()

    def on_reading(self, reading: Reading) -> None:
        """Go on from here."""
        self._time, self._seen = reading.time, time.monotonic()

    def now(self) -> datetime:
        """The time of the newest reading, and how long ago it came."""
        return self._time + timedelta(seconds=time.monotonic() - self._seen)


class Lines(SimpleService):
    """One reading a line, as JSON."""

    name = "lines"
    shows_to_people = False

    def on_reading(self, reading: Reading) -> None:
        """Print it."""
        print(json.dumps(answers.of_reading(reading), ensure_ascii=False), flush=True)

    def page_is_at(self, url: str) -> None:
        """Tell where the page is."""
        print(f"The page of the simulated inverter is at {url}", file=sys.stderr)


class Opener(SimpleService):
    """Says where the page is, and opens it for a person at a terminal."""

    name = "opener"

    def __init__(self, web: WebServer, screen: Lines) -> None:
        self._web = web
        self._screen = screen

    async def run(self) -> None:
        """Wait for the page."""
        await self._web.listening()
        self._screen.page_is_at(self._web.url_for_others)
        if self._screen.shows_to_people:
            import webbrowser

            await asyncio.to_thread(webbrowser.open, self._web.url)


class Screen(Lines):
    """The household figures, renewed in place on a terminal, with the page's address below."""

    name = "screen"

    def __init__(self, speed: float) -> None:
        from rich.console import Console
        from rich.live import Live

        self._speed = speed
        self._page = ""
        self._live = Live(console=Console(), auto_refresh=False)
        self.shows_to_people = self._live.console.is_terminal

    def page_is_at(self, url: str) -> None:
        """Keep it in sight."""
        self._page = url
        if not self.shows_to_people:
            super().page_is_at(url)

    def on_reading(self, reading: Reading) -> None:
        """Show it, if it is the inverter's own; the page shows its sub-devices, too."""
        if reading.via:
            return
        from sungather.cli import tables

        if self.shows_to_people:
            real = replace(reading, duration_ms=reading.duration_ms / self._speed)
            self._live.update(tables.at_a_glance(real, self._page), refresh=True)
        else:
            self._live.console.print(tables.summary(reading), soft_wrap=True)

    async def run(self) -> None:
        """Keep the table on the terminal until cancelled."""
        if not self.shows_to_people:
            return
        with self._live:
            await asyncio.Event().wait()
