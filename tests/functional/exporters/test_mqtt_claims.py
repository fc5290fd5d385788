"""Whose topics are whose: devices without a serial number, and strangers who come later."""

import asyncio
import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import aiomqtt
import pytest

from sungather.reading import Reading, State
from tests.functional.exporters.test_mqtt_identity import DEFAULT, FIRST, SECOND, of, states
from tests.mqtt_parts import Audience, at, audience, bench
from tests.outbox_parts import NOON, reading, sub_device
from tests.plain_values import measurements
from tests.real_parts import Server, mosquitto, running

HOME = replace(DEFAULT, client_id="home")
FIGURES = {
    "grid_import_power": "W", "grid_import_energy_total": "kWh", "grid_export_energy_total": "kWh",
    "total_import_energy": "kWh", "charger_power": "W",
}  # fmt: skip


def manager(name: str = "inverter", power: int = 1, state: State = State.OK) -> Reading:
    """An iHomeManager: it tells no serial number."""
    known = measurements(dict.fromkeys(FIGURES, power), FIGURES)
    return replace(
        reading(NOON, name, state), serial="", model="iHomeManager", family="ems",
        measurements=known if state is State.OK else {},
    )  # fmt: skip


def entities(heard: Audience, identity: str) -> dict[str, dict[str, object]]:
    (text,) = heard.on(f"homeassistant/device/{identity}/config")
    return json.loads(text)["cmps"]


@pytest.mark.parametrize(
    ("name", "place", "identity"),
    [
        ("inverter", "sungather/home", "sungather_sungather_home"),
        ("ems", "sungather/ems", "sungather_sungather_ems"),
    ],
)
async def test_a_home_manager_is_a_device_of_home_assistant_although_it_has_no_serial_number(
    name: str, place: str, identity: str, tmp_path: Path
) -> None:
    with running(mosquitto(tmp_path)) as server:
        options = at(server, HOME)
        async with audience(server.port) as heard, bench(tmp_path, options, names=(name,)) as b:
            b.take(manager(name))
            b.take(replace(sub_device(via=name, charger_power=7), serial=""))
            await b.drained()
            await heard.hears(lambda: heard.on(f"{place}-battery-1/state"))
            told = entities(heard, identity)
            offered = {
                one for one, entity in told.items()
                if entity.get("dev_cla") == "energy" and "stat_cla" in entity
                and entity.get("en", True)
            }  # fmt: skip
            assert offered == {"grid_import_energy_total", "grid_export_energy_total"}
            assert told["charger_power"]["name"] == "Charger power"
            behind = heard.on(f"homeassistant/device/{identity}-battery-1/config")[-1]
            assert json.loads(behind)["dev"]["via_device"] == identity
            state = states(heard)[f"{place}/state"]
            assert (state["serial"], state["collector"]) == ("", "home")
            b.take(manager(name, state=State.UNREACHABLE))
            await heard.hears(lambda: "offline" in heard.on(f"{place}/availability"))


async def test_an_inverter_is_announced_when_its_serial_number_is_known(tmp_path: Path) -> None:
    """It may come later: entities of an identity until then would lose their statistics."""
    with running(mosquitto(tmp_path)) as server:
        async with audience(server.port) as heard, bench(tmp_path, at(server, HOME)) as b:
            b.take(of("", 1, "roof"))
            await b.drained()
            assert not [topic for topic in heard.retained() if topic.startswith("homeassistant/")]
            b.take(of(FIRST, 2, "roof"))
            await b.drained()
            await heard.hears(lambda: of_whom(heard) == ["", FIRST])
            assert heard.on(f"homeassistant/device/sungather_{FIRST}/config")
            assert "collector" not in states(heard)["sungather/roof/state"]


@pytest.mark.parametrize("value_topics", ["false", "only"])
@pytest.mark.parametrize("first", [manager("ems"), of(FIRST, 1, "ems")])
async def test_two_collectors_do_not_mix_home_managers_under_one_name(
    first: Reading, value_topics: str, tmp_path: Path
) -> None:
    with running(mosquitto(tmp_path)) as server:
        options = at(server, replace(DEFAULT, value_topics=value_topics, homeassistant=False))
        (tmp_path / "1").mkdir()
        one = bench(tmp_path, options, here="one", names=("ems",))
        other = bench(tmp_path / "1", options, here="two", names=("ems",))
        async with audience(server.port) as heard, one as a, other as b:
            a.take(first)
            await a.drained()
            await heard.hears(lambda: heard.on("sungather/ems/connection"))
            b.take(manager("ems", 2))
            await b.drained()
            assert b.mqtt.health().state == "blocked"
            assert "inverters.NAME" in b.mqtt.health().message
            await heard.heard_all_so_far(server.port)
            assert len(heard.on("sungather/ems/connection")) == 1, "nothing of the second"


async def test_another_client_id_does_not_take_a_home_manager_for_a_strangers(
    tmp_path: Path,
) -> None:
    with running(mosquitto(tmp_path)) as server:
        for number, client in enumerate(("home", "house"), 1):
            options = at(server, replace(HOME, client_id=client))
            async with audience(server.port) as heard, bench(tmp_path, options) as b:
                for power in (number, 10 * number):
                    b.take(manager("roof", power))
                    await b.drained()
                    await heard.heard_all_so_far(server.port)
                assert states(heard)["sungather/roof/state"]["charger_power"] == 10 * number
                assert b.mqtt.health().state == "ok"


@pytest.mark.parametrize(("mine", "foreign", "stays"), [
    (SECOND, FIRST, False), (FIRST, SECOND, True),
])  # fmt: skip
async def test_of_two_that_meet_later_the_same_one_goes_on_both_sides(
    mine: str, foreign: str, stays: bool, tmp_path: Path
) -> None:
    """Such as after a bridge between two brokers was set up."""
    with running(mosquitto(tmp_path)) as server:
        async with audience(server.port) as heard, bench(tmp_path, at(server, DEFAULT)) as b:
            b.take(of(mine, 1, "roof"))
            await b.drained()
            await strangers_state(server, foreign)
            if stays:
                await heard.hears(lambda: of_whom(heard)[-2:] == [foreign, mine])
                await b.is_in_state("ok")
            else:
                await b.is_in_state("blocked")
                assert foreign in b.mqtt.health().message
                b.take(of(mine, 2, "roof"))
                await b.drained()
                await heard.heard_all_so_far(server.port)
                assert of_whom(heard) == [mine, foreign]


async def strangers_state(server: Server, serial: str) -> None:
    async with aiomqtt.Client("127.0.0.1", server.port) as client:
        await client.publish("sungather/roof/state", json.dumps({"serial": serial}), 1, True)


def of_whom(heard: Audience) -> list[str]:
    return [json.loads(text)["serial"] for text in heard.on("sungather/roof/state")]


async def test_who_is_thrown_out_at_once_again_and_again_comes_back_more_slowly(
    tmp_path: Path,
) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await asyncio.sleep(0.02)

    with running(mosquitto(tmp_path)) as server:
        twice = bench(tmp_path, at(server, replace(HOME, client_id="twice")), sleep=sleep)
        async with audience(server.port) as heard, twice as b:
            b.take(of(FIRST, 1, "roof"))
            for times in range(4):
                before = len(heard.on("sungather/roof/state"))
                await b.is_in_state("ok")
                with suppress(aiomqtt.MqttError):
                    async with aiomqtt.Client("127.0.0.1", server.port, identifier="twice"):
                        await heard.hears(lambda n=times: len(waits) > n)
                await heard.hears(lambda n=before: len(heard.on("sungather/roof/state")) > n)
    assert waits[3] > waits[2] > waits[1] > waits[0]
