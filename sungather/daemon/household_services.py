"""What is kept and shown of the whole household: history, money, the page."""

from collections.abc import Sequence
from pathlib import Path

from sungather.clock import Clock
from sungather.options.configuration import Configuration
from sungather.service import Service


def page(
    configuration: Configuration,
    services: Sequence[Service],
    clock: Clock,
    history_file: Path | None,
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
