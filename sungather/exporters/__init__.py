"""Where readings go.

An exporter that must not lose any is one file with a `Destination` (see `delivery.py`), one group
of options, and one function here, in the table `_EXPORTERS`.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from sungather.answers import RejectedAnswer, RejectedReadingAnswer
from sungather.clock import Clock
from sungather.exporters.delivery import Delivery, DeliveryLoop
from sungather.options.all_options import WebOptions
from sungather.options.configuration import Configuration
from sungather.outbox import CLOSE_WITHIN, Feed, Outbox, OutboxLimits, RejectedRecord
from sungather.reading import Reading, rfc3339
from sungather.service import Service

__all__ = ["Exporters", "open_exporters"]

_FILE = "outbox.sqlite3"


class Exporters:
    """The enabled exporters, and the outbox that they share."""

    def __init__(self, services: Sequence[Service], outbox: Outbox | None) -> None:
        self.services: tuple[Service, ...] = tuple(services)
        """To be given every reading, and to be run; the outbox is one of them."""
        self._outbox = outbox
        self._deliveries = [one for one in services if isinstance(one, DeliveryLoop)]
        self._prompt = [one.name for one in self._deliveries if one.is_prompt]

    async def deliver(self, readings: Sequence[Reading], within: float) -> bool:
        """Hand over `readings` and wait at most `within` seconds for their delivery.

        For commands without a daemon: runs the services meanwhile. Returns whether everything
        was delivered; what was not is on the disk for the next time.
        """
        if self._outbox is None:
            return True
        tasks = [asyncio.create_task(service.run()) for service in self.services]
        for reading in readings:
            for service in self.services:
                service.on_reading(reading)
        try:
            async with asyncio.timeout(within):
                await self._outbox.drained(*self._prompt)
        except TimeoutError:
            return False
        else:
            return True
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def load(self) -> None:
        """Take up what earlier runs have noted, for a command that runs no services."""
        for one in self._deliveries:
            await one.load()

    async def rejected(self, *, again: bool = False) -> RejectedAnswer:
        """What the other sides refused for good; `again` has all of that tried once more."""
        answer: RejectedAnswer = {
            "exporters": [
                {
                    "name": one.name,
                    "rejected": [_described(entry) for entry in await one.rejected()],
                }
                for one in self._deliveries
            ]
        }
        if again:
            answer["again"] = sum([await one.send_again() for one in self._deliveries])
        return answer

    async def write_down(self) -> None:
        """Have everything on the disk that is in memory."""
        if self._outbox is not None:
            await self._outbox.flush()

    async def close(self, within: float = CLOSE_WITHIN) -> None:
        """Write down what is still owed, within so many seconds, after the services ended."""
        if self._outbox is not None:
            await self._outbox.close(within)


def _described(one: RejectedRecord) -> RejectedReadingAnswer:
    return {
        "id": one.id,
        "name": one.name,
        "time": rfc3339(datetime.fromtimestamp(one.time_ms / 1000, UTC)),
        "reason": one.reason,
        "values": one.values,
    }


async def open_exporters(
    configuration: Configuration, clock: Clock | None = None, *, console: bool = True
) -> Exporters:
    """Begin to open the outbox, if any exporter needs it, and make the enabled exporters.

    A destination or a disk that does not work now is no error, and is not waited for. `clock` is
    for tests: without it the outbox also counts the time that the machine was suspended.
    `console` is false for commands that print themselves.
    """
    services: list[Service] = []
    names = [name for name in _EXPORTERS if configuration.values[f"{name}.enabled"]]
    outbox: Outbox | None = None
    if names:
        file = configuration.state_directory / _FILE
        outbox = Outbox(file, _limits(configuration), names, clock)
        outbox.opening()
        services.append(outbox)
        for name in names:
            made = _EXPORTERS[name](configuration, outbox.feed(name), clock or Clock())
            services.append(made)
    if console and configuration.console.enabled:
        from sungather.exporters.console import Console

        services.append(Console())
    return Exporters(services, outbox)


def _limits(configuration: Configuration) -> OutboxLimits:
    return OutboxLimits(
        days=configuration.outbox.days,
        bytes=configuration.outbox.megabytes * 1_000_000,
        each_reading=configuration.outbox.commit == "reading",
    )


# Imports are within: who does not use an exporter does not pay for its libraries.


def _mqtt(configuration: Configuration, feed: Feed, clock: Clock) -> DeliveryLoop:
    from sungather.exporters.mqtt import Mqtt
    from sungather.exporters.mqtt_identity import fingerprint

    return Mqtt(
        configuration.mqtt,
        feed,
        clock,
        configuration.timezone,
        _settings(configuration),
        here=fingerprint(configuration.state_directory),
        shows=not configuration.outbox.deliver_only,
        page=_page_address(configuration.web),
        priced=configuration.tariff.tariff is not None,
        meter=configuration.site.meter,
    )


def _influxdb(configuration: Configuration, feed: Feed, clock: Clock) -> DeliveryLoop:
    from sungather.exporters.influxdb import Influxdb

    destination = Influxdb(configuration.influxdb, configuration.timezone)
    return Delivery("influxdb", feed, destination, clock)


def _pvoutput(configuration: Configuration, feed: Feed, clock: Clock) -> DeliveryLoop:
    from sungather.exporters.pvoutput import Pvoutput

    return Pvoutput(configuration.pvoutput, feed, clock, configuration.timezone)


_EXPORTERS: Mapping[str, Callable[[Configuration, Feed, Clock], DeliveryLoop]] = {
    "mqtt": _mqtt,
    "influxdb": _influxdb,
    "pvoutput": _pvoutput,
}
"""What the outbox feeds: the name, which is that of the group of options, and how it is made."""


def _page_address(web: WebOptions) -> tuple[str, int] | None:
    """Host and port of the page, by the first of the names that it answers to."""
    return (web.hosts.partition(",")[0] or web.address, web.port) if web.enabled else None


def _settings(configuration: Configuration) -> Mapping[str, Mapping[str, object]]:
    """Options of each inverter under the names of SunGather 0.5."""
    return {
        one.name: {
            "level": one.level,
            "scan_interval": one.scan_interval,
            "smart_meter": one.smart_meter == "true",
            "connection": one.connection,
            "slave": one.unit,
            "host": one.host,
            "port": one.port or 502,
            "timeout": one.timeout,
            "retries": one.retries,
        }
        for one in configuration.inverters
    }
