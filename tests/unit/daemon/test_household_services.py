"""Who keeps and tells what of the whole household, by what the options ask for."""

import asyncio
from pathlib import Path

import pytest
from households import NOW, Watch, lived, reading, ready

from sungather.daemon.household_services import page
from sungather.exporters import open_exporters
from sungather.exporters.mqtt import Mqtt
from sungather.history.cashbook import Cashbook
from sungather.history.heard_prices import HeardPrices
from sungather.history.service import History
from sungather.money import SiteMoney
from sungather.options.check import check
from sungather.options.configuration import configured
from sungather.storage import MemoryStorage

PRICES = {"tariff.import": "0.34", "tariff.currency": "EUR"}
BY_MQTT = {"mqtt.enabled": "true", "mqtt.host": "127.0.0.1"}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({}, []),
        (PRICES, []),
        (BY_MQTT, []),
        ({**PRICES, **BY_MQTT}, ["history", "money"]),
        ({**PRICES, "web.enabled": "true"}, ["history", "money", "web"]),
        ({"web.enabled": "true"}, ["history", "web"]),
    ],
)
async def test_money_needs_prices_and_somebody_to_tell(
    asked: dict[str, str], names: list[str], tmp_path: Path
) -> None:
    given = {"web.enabled": "false", **asked}
    configuration = configured(
        check({"inverters.house.host": "192.0.2.1", "storage.directory": str(tmp_path), **given})
    )
    exporters = await open_exporters(configuration, console=False)
    found = page(configuration, exporters.services, Watch().clock, None)
    assert [one.name for one in found] == names
    await exporters.close()


@pytest.mark.asyncio
async def test_what_was_counted_goes_to_mqtt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"site.timezone": "Europe/Berlin", **PRICES, **BY_MQTT, "web.enabled": "false"}
    given |= {"tariff.import-topic": "price/now", "tariff.export-topic": "price/back"}
    configuration = configured(
        check({"inverters.house.host": "192.0.2.1", "storage.directory": str(tmp_path), **given})
    )
    exporters = await open_exporters(configuration, console=False)
    (mqtt,) = [one for one in exporters.services if isinstance(one, Mqtt)]
    told: list[SiteMoney] = []
    monkeypatch.setattr(mqtt.money, "take", told.append)
    topics: dict[str, object] = {}
    monkeypatch.setattr(mqtt.money, "listen", topics.__setitem__)
    history, book = page(configuration, exporters.services, Watch().clock, None)
    assert isinstance(history, History)
    assert isinstance(book, Cashbook)
    recording = asyncio.create_task(history.run())
    try:
        await ready(history)
        await lived(history, ["house"], 1, NOW, 300)
        book.on_reading(reading())
        await book.count()
    finally:
        recording.cancel()
        await asyncio.gather(recording, return_exceptions=True)
        await exporters.close()
    assert topics == {"price/now": book.tariff.buy.hear, "price/back": book.tariff.sell.hear}  # type: ignore[attr-defined]
    assert told[-1].times["today"].balance.saving > 0


@pytest.mark.asyncio
async def test_prices_that_came_once_are_used_without_their_topic(tmp_path: Path) -> None:
    given = {**PRICES, "storage.directory": str(tmp_path)}
    configuration = configured(check({"inverters.house.host": "192.0.2.1", **given}))
    storage = MemoryStorage()
    storage.save("prices-import", {"first": NOW.timestamp()})
    _, book, *_ = page(configuration, [], Watch().clock, None, storage)
    assert isinstance(book, Cashbook)
    assert isinstance(book.tariff.buy, HeardPrices)
    assert not isinstance(book.tariff.sell, HeardPrices)
    assert book.health().state == "ok"


@pytest.mark.asyncio
async def test_a_topic_of_prices_without_a_broker_is_said(tmp_path: Path) -> None:
    given = {**PRICES, "tariff.import-topic": "price/now", "storage.directory": str(tmp_path)}
    configuration = configured(check({"inverters.house.host": "192.0.2.1", **given}))
    _, book, *_ = page(configuration, [], Watch().clock, None)
    assert book.health().message == (
        "No price comes on price/now: mqtt.enabled is false. The written price stands in until "
        "one comes."
    )
