"""`demo`: a simulated inverter lives through a day, for people without a roof at hand."""

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path

from sungather import answers
from sungather.cli.simulate import with_sub_devices
from sungather.clock import Clock
from sungather.daemon.assembly import pollers, until_stopped
from sungather.daemon.collector import Collector
from sungather.history.service import History
from sungather.options.configuration import load
from sungather.options.table import WebOptions
from sungather.reading import Reading
from sungather.service import Service, SimpleService
from sungather.simulator import device_named, serve
from sungather.web.server import WebServer

_SUNRISE = 5
"""Local hour at which the demo's day begins."""


async def demo(chosen: argparse.Namespace) -> int:
    """A simulated inverter lives through a day; the real collector reads it over Modbus/TCP."""
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
            }
            configuration = load(None, [f"{key}={value}" for key, value in settings.items()])
            history = History(None, configuration.timezone, clock=clock, commit_seconds=1)
            web = WebServer(
                WebOptions(address="127.0.0.1", port=0),
                history=history,
                services=list,
                timezone=configuration.timezone,
                clock=clock,
                scan_interval=chosen.speed,
            )
            screen = Lines() if chosen.format == "json" else Screen()
            services: list[Service] = [history, web, screen, Opener(web, screen)]
            collector = Collector(pollers(configuration, services, clock), services)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(chosen.seconds):
                    await until_stopped(collector.run())
    return 0


class Lines(SimpleService):
    """One reading a line, as JSON."""

    name = "lines"
    shows_to_people = False

    def on_reading(self, reading: Reading) -> None:
        """Print it."""
        print(json.dumps(answers.of_reading(reading), ensure_ascii=False), flush=True)


class Opener(SimpleService):
    """Says where the page is, and opens it for a person at a terminal."""

    name = "opener"

    def __init__(self, web: WebServer, screen: Lines) -> None:
        self._web = web
        self._screen = screen

    async def run(self) -> None:
        """Wait for the page."""
        url = await self._web.listening()
        print(f"The page of the simulated inverter is at {url}", file=sys.stderr, flush=True)
        if self._screen.shows_to_people:
            import webbrowser

            await asyncio.to_thread(webbrowser.open, url)


class Screen(Lines):
    """The newest reading as a table that renews itself on a terminal."""

    name = "screen"

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._live = Live(console=Console(), auto_refresh=False, vertical_overflow="crop")
        self.shows_to_people = self._live.console.is_terminal

    def on_reading(self, reading: Reading) -> None:
        """Show it, if it is the inverter's own; the page shows its sub-devices, too."""
        if reading.via:
            return
        from sungather.cli import tables

        if self.shows_to_people:
            self._live.update(tables.reading(answers.of_reading(reading)), refresh=True)
        else:
            self._live.console.print(tables.summary(reading), soft_wrap=True)

    async def run(self) -> None:
        """Keep the table on the terminal until cancelled."""
        if not self.shows_to_people:
            return
        with self._live:
            await asyncio.Event().wait()
