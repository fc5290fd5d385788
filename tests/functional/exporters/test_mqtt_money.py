"""What energy costs and saves, through a real broker: once a daemon, and never a guess."""

import asyncio
import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import aiomqtt
import pytest

from sungather.money import Balance, CountedTime, SiteMoney
from tests.mqtt_parts import Audience, Bench, at, audience, bench
from tests.real_parts import mosquitto, running

TOPIC = "sungather/money/house"
CONFIG = "homeassistant/device/sungather_money_house/config"
BERLIN = ZoneInfo("Europe/Berlin")
TODAY, JUNE = datetime(2026, 6, 21, tzinfo=BERLIN), datetime(2026, 6, 16, tzinfo=BERLIN)
DAY = Balance(
    days=1, split=1, cost=2.0, revenue=1.5, standing=0.45, at_grid_prices=4.0, discharged=5.0,
    battery_saving=0.8,
)  # fmt: skip
MONEY = SiteMoney(
    "EUR",
    {"today": CountedTime(TODAY, DAY), "month": CountedTime(JUNE, DAY + DAY)},
)


async def shows(all_: Audience, bench_: Bench, money: SiteMoney, port: int) -> dict[str, object]:
    """What is on the topic after this was taken."""
    before = len(all_.on(TOPIC))
    bench_.mqtt.money.take(money)
    await all_.hears(lambda: len(all_.on(TOPIC)) > before)
    await all_.heard_all_so_far(port)
    return json.loads(all_.on(TOPIC)[-1])


async def shows_at_all(port: int, bench_: Bench) -> None:
    """Wait until something is told."""
    bench_.mqtt.money.take(MONEY)
    async with audience(port) as all_:
        await all_.hears(lambda: all_.on(TOPIC))


async def test_bill_saving_and_the_batterys_part_are_published_once_for_all_inverters(
    tmp_path: Path,
) -> None:
    with running(mosquitto(tmp_path)) as server:
        async with (
            bench(tmp_path, at(server), names=("roof", "garage"), priced=True) as b,
            audience(server.port) as all_,
        ):
            assert await shows(all_, b, MONEY, server.port) == {
                "currency": "EUR",
                "today_begin": "2026-06-21T00:00:00+02:00",
                "bill_today": 0.95, "saving_today": 3.5, "battery_saving_today": 0.8,
                "month_begin": "2026-06-16T00:00:00+02:00",
                "bill_month": 1.9, "saving_month": 7.0, "battery_saving_month": 1.6,
            }  # fmt: skip
            (config,) = all_.on(CONFIG)
            entities = json.loads(config)["cmps"]
            assert len(entities) == 6
            assert entities["bill_today"]["unit_of_meas"] == "EUR"
            assert [topic for topic in all_.retained() if "money" in topic] == [CONFIG, TOPIC]
            b.mqtt.money.take(MONEY)
            b.take_powers(1)
            await b.drained()
            await all_.heard_all_so_far(server.port)
            assert len(all_.on(TOPIC)) == 1, "what has not changed is not said again"


async def test_what_is_not_known_is_absent_and_no_entity(tmp_path: Path) -> None:
    unsplit, bare = replace(DAY, split=0), replace(DAY, discharged=0.0)
    with running(mosquitto(tmp_path)) as server:
        async with bench(tmp_path, at(server), priced=True) as b, audience(server.port) as all_:
            b.take_powers(1)
            await b.drained()
            await all_.heard_all_so_far(server.port)
            assert all_.on(TOPIC) == [] == all_.on(CONFIG), "nothing before something is known"
            for one in (unsplit, bare):
                told = SiteMoney("USD", {"today": CountedTime(TODAY, one)})
                b.mqtt.money.forget()
                assert (await shows(all_, b, told, server.port)).keys() == {
                    "currency", "today_begin", "bill_today", "saving_today",
                }  # fmt: skip
            assert json.loads(all_.on(CONFIG)[-1])["cmps"].keys() == {
                "bill_today", "saving_today",
            }  # fmt: skip
            assert await shows(all_, b, SiteMoney("EUR", {}), server.port) == {}


async def test_a_start_does_not_show_what_an_earlier_run_has_told_as_the_present(
    tmp_path: Path,
) -> None:
    with running(mosquitto(tmp_path)) as server:
        async with bench(tmp_path, at(server), priced=True) as b, audience(server.port) as all_:
            await shows(all_, b, MONEY, server.port)
        bare = SiteMoney("EUR", {"today": CountedTime(TODAY, replace(DAY, split=0))})
        async with bench(tmp_path, at(server), priced=True) as b, audience(server.port) as all_:
            await all_.hears(lambda: all_.on(TOPIC)[-1:] == ["{}"])
            await shows(all_, b, bare, server.port)
            assert "battery_saving_today" in json.loads(all_.on(CONFIG)[-1])["cmps"], (
                "an entity does not go because its value is not known"
            )


@pytest.mark.parametrize("why", ["no prices", "another client id", "no Home Assistant"])
async def test_what_is_no_more_is_removed_from_the_broker(why: str, tmp_path: Path) -> None:
    with running(mosquitto(tmp_path)) as server:
        options = at(server)
        async with bench(tmp_path, options, priced=True) as b, audience(server.port) as all_:
            await shows(all_, b, MONEY, server.port)
        if why == "another client id":
            options = replace(options, client_id="home")
        if why == "no Home Assistant":
            options = replace(options, homeassistant=False)
        priced = why != "no prices"
        async with (
            bench(tmp_path, options, priced=priced) as b,
            audience(server.port) as all_,
        ):
            if priced:
                b.mqtt.money.take(MONEY)
            await all_.hears(lambda: CONFIG not in all_.retained() and all_.on(CONFIG))
            await all_.heard_all_so_far(server.port)
            left = {topic for topic in all_.retained() if "money" in topic}
            assert left == {
                "no prices": set[str](),
                "another client id": {
                    "sungather/money/home", CONFIG.replace("house", "home"),
                },
                "no Home Assistant": {TOPIC},
            }[why]  # fmt: skip


async def test_names_that_are_not_wanted_are_left_out(tmp_path: Path) -> None:
    with running(mosquitto(tmp_path)) as server:
        options = replace(at(server), exclude="bill_*, *_month")
        async with bench(tmp_path, options, priced=True) as b, audience(server.port) as all_:
            told = await shows(all_, b, MONEY, server.port)
            assert told.keys() == {
                "currency", "today_begin", "saving_today", "battery_saving_today",
            }  # fmt: skip


async def test_home_assistants_birth_message_brings_it_again(tmp_path: Path) -> None:
    with running(mosquitto(tmp_path)) as server:
        async with bench(tmp_path, at(server), priced=True) as b, audience(server.port) as all_:
            await shows(all_, b, MONEY, server.port)
            async with aiomqtt.Client("127.0.0.1", server.port) as client:
                await client.publish("homeassistant/status", "online", 1)
            await all_.hears(lambda: len(all_.on(CONFIG)) == 2)


async def test_prices_are_heard_on_their_topics_but_not_what_is_retained(tmp_path: Path) -> None:
    with running(mosquitto(tmp_path)) as server:
        async with aiomqtt.Client("127.0.0.1", server.port) as client:
            await client.publish("evcc/site/tariffGrid", "0.99", 1, retain=True)
            told: asyncio.Queue[bytes] = asyncio.Queue()
            async with bench(tmp_path, at(server), priced=True) as b:
                b.mqtt.money.listen("evcc/site/tariffGrid", told.put_nowait)
                await shows_at_all(server.port, b)
                await client.publish("evcc/site/tariffFeedIn", "0.08", 1)
                await client.publish("evcc/site/tariffGrid", "0.31", 1)
                async with asyncio.timeout(20):
                    assert await told.get() == b"0.31"


async def test_prices_are_heard_again_after_the_broker_has_restarted(tmp_path: Path) -> None:
    told: asyncio.Queue[bytes] = asyncio.Queue()
    server = mosquitto(tmp_path)
    with running(server):
        async with bench(tmp_path, at(server), priced=True) as b:
            b.mqtt.money.listen("price", told.put_nowait)
            await shows_at_all(server.port, b)
            server.kill()
            await b.is_in_state("waiting")
            await asyncio.to_thread(server.start)
            await shows_at_all(server.port, b)
            async with aiomqtt.Client("127.0.0.1", server.port) as client:
                await client.publish("price", "0.31", 1)
            async with asyncio.timeout(20):
                assert await told.get() == b"0.31"
