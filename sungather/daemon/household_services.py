"""What is kept and shown of the whole household: history, money, the page."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sungather.clock import Clock
from sungather.options.configuration import Configuration
from sungather.service import Service
from sungather.storage import MemoryStorage, Storage

if TYPE_CHECKING:
    from sungather.history.heard_prices import HeardPrices


def page(
    configuration: Configuration,
    services: Sequence[Service],
    clock: Clock,
    history_file: Path | None,
    storage: Storage | None = None,
) -> list[Service]:
    """The page and its history, if the page is wanted; it shows the health of `services`.

    The history is there without the page, too, where MQTT tells what energy costs.
    """
    tariff = configuration.tariff.tariff
    by_mqtt = [one for one in services if one.name == "mqtt"] if tariff else []
    if not configuration.web.enabled and not by_mqtt:
        return []
    from sungather.history.cashbook import Cashbook
    from sungather.history.service import History

    heard = _heard_prices(configuration, storage or MemoryStorage(), clock)
    if tariff is not None:
        buy, sell = heard.get("import", tariff.buy), heard.get("export", tariff.sell)
        tariff = replace(tariff, buy=buy, sell=sell)
    meter = configuration.site.meter
    history = History(history_file, configuration.timezone, clock=clock, meter=meter)
    slowest = max((one.scan_interval for one in configuration.inverters), default=30.0)
    patience = round(1.5 * slowest)
    book = Cashbook(history, tariff, configuration.timezone, patience) if tariff else None
    if book is not None and by_mqtt:
        from sungather.exporters.mqtt import Mqtt

        for one in by_mqtt:
            if isinstance(one, Mqtt):
                book.tell(one.money.take, [inverter.name for inverter in configuration.inverters])
                for prices in heard.values():
                    if prices.topic:
                        one.money.listen(prices.topic, prices.hear)
    found: list[Service] = [history, *([book] if book else [])]
    if not configuration.web.enabled:
        return found
    from sungather.web.server import WebServer

    server = WebServer(
        configuration.web,
        history=history,
        services=lambda: [service.health() for service in services],
        timezone=configuration.timezone,
        clock=clock,
        scan_interval=slowest,
        meter=meter,
        cashbook=book,
    )
    found.append(server)
    if configuration.web.announce:
        from sungather.web.announce import PageAnnouncement

        found.append(PageAnnouncement(configuration.web.port))
    return found


def _heard_prices(
    configuration: Configuration, storage: Storage, clock: Clock
) -> "dict[str, HeardPrices]":
    """The prices of "import" and "export" that come by MQTT, or have come once."""
    options, tariff = configuration.tariff, configuration.tariff.tariff
    if tariff is None:
        return {}
    from sungather.history.heard_prices import HeardPrices

    asked = (
        ("import", options.import_topic, tariff.buy),
        ("export", options.export_topic, tariff.sell),
    )
    found = {
        name: HeardPrices(
            name, topic, written, storage, configuration.timezone, options.topic_max_age, clock
        )
        for name, topic, written in asked
        if topic or f"prices-{name}" in storage.names("prices-")
    }
    if not configuration.mqtt.enabled:
        for prices in found.values():
            prices.no_way = "mqtt.enabled is false"
    return found
