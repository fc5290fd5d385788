"""Several daemons on one broker: each keeps its numbers apart, and leaves nothing behind."""

import asyncio
import json
import shutil
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import aiomqtt
import pytest

from sungather.options.all_options import MqttOptions
from sungather.reading import Reading, State
from tests.mqtt_parts import Audience, Bench, at, audience, bench
from tests.outbox_parts import NOON, reading, sub_device
from tests.real_parts import mosquitto, running

DEFAULT = MqttOptions(enabled=True, host="127.0.0.1")
FIRST, SECOND = "A220000001", "B220000002"


def of(serial: str, power: int, name: str = "inverter") -> Reading:
    return replace(reading(NOON, name, pv_power=power, units={"pv_power": "W"}), serial=serial)


def states(heard: Audience) -> dict[str, dict[str, object]]:
    return {
        topic: json.loads(text)
        for topic, text in heard.retained().items()
        if topic.endswith("/state")
    }


async def daemons(
    stack: AsyncExitStack, tmp_path: Path, options: MqttOptions, count: int
) -> list[Bench]:
    found: list[Bench] = []
    for number in range(count):
        own = tmp_path / str(number)
        own.mkdir(exist_ok=True)
        found.append(
            await stack.enter_async_context(
                bench(own, options, here=f"machine {number}", names=("inverter",))
            )
        )
    return found


@pytest.mark.parametrize("count", [2, 50])
async def test_daemons_with_default_options_keep_their_numbers_apart_on_one_broker(
    count: int, tmp_path: Path
) -> None:
    with running(mosquitto(tmp_path)) as server:
        async with AsyncExitStack() as stack:
            all_ = await daemons(stack, tmp_path, at(server, DEFAULT), count)
            for number, one in enumerate(all_):
                one.take(of(f"A{number:09}", number))
                one.take(replace(sub_device(via="inverter", soc=number), serial=f"S{number:09}"))
            for one in all_:
                await one.drained()
                assert one.mqtt.health().state == "ok"
            heard = await stack.enter_async_context(audience(server.port))
            await heard.heard_all_so_far(server.port)
            for number in range(count):
                place = f"sungather/A{number:09}"
                assert states(heard)[f"{place}/state"]["pv_power"] == number
                assert states(heard)[f"{place}-battery-1/state"]["soc"] == number
                (config,) = heard.on(f"homeassistant/device/sungather_A{number:09}/config")
                assert f'"{place}/state"' in config
                assert sum(one in config for one in statuses(heard)) == 1
            assert len(statuses(heard)) == count


def statuses(heard: Audience) -> set[str]:
    return {one for one in heard.retained() if "/status/" in one}


async def test_of_several_daemons_one_that_ends_takes_nobody_along(tmp_path: Path) -> None:
    with running(mosquitto(tmp_path)) as server:
        async with AsyncExitStack() as stack:
            all_ = await daemons(stack, tmp_path, at(server, DEFAULT), 2)
            for number, one in enumerate(all_):
                one.take(of(f"A{number:09}", number))
                await one.drained()
            heard = await stack.enter_async_context(audience(server.port))
            await heard.heard_all_so_far(server.port)
            two = statuses(heard)
            (tmp_path / "2").mkdir()
            third = bench(tmp_path / "2", at(server, DEFAULT), here="2", names=("inverter",))
            async with third as one:
                one.take(of("C220000003", 3))
                await one.drained()
            await heard.heard_all_so_far(server.port)
            assert [heard.on(one)[-1] for one in sorted(two)] == ["online", "online"]
            assert [heard.on(one)[-1] for one in statuses(heard) - two] == ["offline"]


async def test_before_a_serial_number_is_known_only_the_daemon_is_published(
    tmp_path: Path,
) -> None:
    with running(mosquitto(tmp_path)) as server:
        options = at(server, replace(DEFAULT, client_id="house"))
        async with (
            audience(server.port) as heard,
            bench(tmp_path, options, names=("inverter", "roof")) as b,
        ):
            for name in ("inverter", "roof"):
                b.take(replace(reading(NOON, name, State.UNREACHABLE), serial=""))
            await heard.hears(lambda: heard.on("sungather/status/house"))
            b.take(of(FIRST, 1))
            await b.drained()
            topics = {topic for topic, _, _ in heard.heard if not topic.startswith("home")}
            assert topics == {
                "sungather/status/house",
                *(
                    f"sungather/{place}/{one}"
                    for place in (FIRST, "plant/house")
                    for one in ("state", "availability", "connection")
                ),
            }
            assert not [
                one for one in states(heard)["sungather/plant/house/state"] if "power" in one
            ]


@pytest.mark.parametrize("value_topics", ["false", "only"])
async def test_a_name_that_another_inverter_has_is_said_and_nothing_is_mixed(
    value_topics: str, tmp_path: Path
) -> None:
    with running(mosquitto(tmp_path)) as server:
        options = at(server, replace(DEFAULT, value_topics=value_topics, homeassistant=False))
        async with audience(server.port) as heard, AsyncExitStack() as stack:
            (tmp_path / "1").mkdir()
            others = bench(tmp_path / "1", options, here="another", names=("roof", "shed"))
            async with bench(tmp_path, options) as first:
                first.take(of(FIRST, 1, "roof"))
                await first.drained()
                second = await stack.enter_async_context(others)
                second.take(of(SECOND, 2, "roof"))
                second.take(replace(sub_device(), serial="S2"))
                second.take(of("C1", 3, "shed"))
                await second.drained()
                await second.is_in_state("blocked")
                message = second.mqtt.health().message
                for part in (FIRST, "sungather/roof/", "inverters.NAME", "mqtt.topic"):
                    assert part in message
                await heard.heard_all_so_far(server.port)
                roof = [
                    text for topic, text, _ in heard.heard if topic.startswith("sungather/roof")
                ]
                assert not any(SECOND in text for text in roof)
                assert any("/shed/" in topic for topic, _, _ in heard.heard), "others go on"
                refused = await second.mqtt.rejected()
                assert {one.name for one in refused} == {"roof", "roof-battery-1"}, "not lost"
                assert first.mqtt.health().state == "ok"
            async with aiomqtt.Client("127.0.0.1", server.port) as person:
                for part in ("state", "values/serial"):
                    await person.publish(f"sungather/roof/{part}", "", 1, retain=True)
            await second.is_in_state("ok")
            second.take(of(SECOND, 5, "roof"))
            await heard.hears(lambda: any(SECOND in text for _, text, _ in heard.heard))


async def test_a_broker_that_retains_our_password_does_not_have_it_shown(tmp_path: Path) -> None:
    """As somebody's serial number, with a colour and a line of its own around it."""
    secret = "pass-word-of-ours"
    serial = f"\x1b[31m\n2026-01-01 ERROR forged {secret} {'x' * 100_000}"
    with running(mosquitto(tmp_path)) as server:
        options = at(server, replace(DEFAULT, username="us", password=secret))
        async with aiomqtt.Client("127.0.0.1", server.port) as hostile:
            state = json.dumps({"serial": serial, "pv_power": 1})
            await hostile.publish("sungather/roof/state", state, 1, retain=True)
        async with bench(tmp_path, options, names=("roof",)) as b:
            b.take(of(FIRST, 1, "roof"))
            await b.is_in_state("blocked")
            message = b.mqtt.health().message
            assert "sungather/roof/state" in message
            assert secret not in message
            assert message.isprintable()
            assert len(message) < 1000


async def test_of_two_that_begin_at_once_under_one_name_one_stays(tmp_path: Path) -> None:
    with running(mosquitto(tmp_path)) as server:
        options = at(server, DEFAULT)
        (tmp_path / "1").mkdir()
        async with (
            bench(tmp_path, options, here="one") as first,
            bench(tmp_path / "1", options, here="two") as second,
            audience(server.port) as heard,
        ):
            both, ends = {FIRST: first, SECOND: second}, {"ok", "blocked"}
            for serial, one in both.items():
                one.take(of(serial, 1, "roof"))
            async with asyncio.timeout(20):
                while {one.mqtt.health().state for one in both.values()} != ends:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            for serial, one in both.items():
                one.take(of(serial, 3, "roof"))
                await one.drained()
            await heard.heard_all_so_far(server.port)
            (stays,) = [serial for serial, one in both.items() if one.mqtt.health().state == "ok"]
            assert states(heard)["sungather/roof/state"] == {
                "time": "2026-06-21T12:00:00.000Z", "serial": stays, "pv_power": 3,
            }  # fmt: skip


async def test_an_inverter_that_was_replaced_keeps_its_name(tmp_path: Path) -> None:
    with running(mosquitto(tmp_path)) as server:
        for serial in (FIRST, SECOND):
            async with bench(tmp_path, at(server, DEFAULT)) as b, audience(server.port) as heard:
                b.take(of(serial, 1, "roof"))
                await b.drained()
                await heard.heard_all_so_far(server.port)
                assert states(heard)["sungather/roof/state"]["serial"] == serial
                assert b.mqtt.health().state == "ok"


async def client_ids(directory: Path, options: MqttOptions, here: str, port: int) -> set[str]:
    async with audience(port) as heard, bench(directory, options, here=here) as b:
        b.take(of(FIRST, 1, "roof"))
        await b.drained()
        await heard.heard_all_so_far(port)
        online = {t for t, text in heard.retained().items() if text == "online"}
        return {one for one in online if "/status/" in one}


async def test_a_client_id_is_kept_and_a_copy_of_the_storage_gets_another(tmp_path: Path) -> None:
    with running(mosquitto(tmp_path)) as server:
        options, port = at(server, DEFAULT), server.port
        own = tmp_path / "own"
        own.mkdir()
        first = await client_ids(own, options, "here", port)
        assert await client_ids(own, options, "here", port) == first
        shutil.copytree(own, tmp_path / "copy")
        assert not await client_ids(tmp_path / "copy", options, "there", port) & first


async def test_a_copied_card_takes_no_name_over(tmp_path: Path) -> None:
    with running(mosquitto(tmp_path)) as server:
        options = at(server, DEFAULT)
        own = tmp_path / "own"
        own.mkdir()
        async with bench(own, options) as b:
            b.take(of(FIRST, 1, "roof"))
            await b.drained()
        shutil.copytree(own, tmp_path / "copy")
        async with bench(tmp_path / "copy", options, here="there") as b:
            b.take(of(SECOND, 2, "roof"))
            await b.is_in_state("blocked")


@asynccontextmanager
async def without_mqtt_5(port: int) -> AsyncGenerator[int]:
    """A stand-in for an old broker: a way to a real one that refuses MQTT 5 as 3.1.1 has it."""

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while part := await reader.read(65536):
                writer.write(part)
                await writer.drain()
        writer.close()

    opened: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(writer)
        connect = await reader.read(65536)
        if connect[connect.index(b"MQTT") + 4] == 5:
            writer.write(b"\x20\x02\x00\x01")
            writer.close()
            return
        there, back = await asyncio.open_connection("127.0.0.1", port)
        opened.append(back)
        back.write(connect)
        await asyncio.gather(pipe(reader, back), pipe(there, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        # The server ends with its last connection, and a client may not have closed its own.
        for one in opened:
            one.close()


@pytest.mark.parametrize("version", [5, 4])
async def test_a_client_id_that_another_client_takes_over_is_named_as_likely(
    version: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Mosquitto 2.0.11 gives no reason, with neither version of the protocol."""
    with running(mosquitto(tmp_path)) as server:
        async with without_mqtt_5(server.port) as old:
            port = server.port if version == 5 else old
            async with bench(tmp_path, replace(DEFAULT, client_id="twice", port=port)) as b:
                b.take(of(FIRST, 1, "roof"))
                await b.drained()
                with suppress(aiomqtt.MqttError):
                    async with aiomqtt.Client(
                        "127.0.0.1", server.port, identifier="twice"
                    ) as other:
                        async with asyncio.timeout(30):
                            async for _ in other.messages:
                                pass
            told = " ".join(one.getMessage() for one in caplog.records)
            assert "has ended the connection without a reason" in told
            assert "another client may have the client id 'twice', too: see mqtt.client-id" in told


async def left(port: int) -> set[str]:
    async with audience(port) as late:
        await late.heard_all_so_far(port)
        return {one for one in late.retained() if not one.startswith("sungather/status/")}


@pytest.mark.parametrize("value_topics", ["false", "true"])
async def test_an_inverter_that_was_renamed_leaves_nothing_and_keeps_its_entities(
    value_topics: str, tmp_path: Path
) -> None:
    with running(mosquitto(tmp_path)) as server:
        options = at(server, replace(DEFAULT, value_topics=value_topics))
        async with bench(tmp_path, options, names=("inverter",)) as b:
            b.take(of(FIRST, 1))
            b.take(sub_device(via="inverter"))
            await b.drained()
        async with (
            audience(server.port) as heard,
            bench(tmp_path, options, names=("roof", "shed")) as b,
        ):
            b.take(of(FIRST, 2, "roof"))
            b.take(sub_device())
            b.take(of(SECOND, 2, "shed"))
            await b.drained()
            await heard.heard_all_so_far(server.port)
            assert "" not in heard.on(f"homeassistant/device/sungather_{FIRST}/config")
        assert not [one for one in await left(server.port) if FIRST in one.split("/")]
        async with bench(tmp_path, options, names=("shed",)) as b:
            b.take(of(SECOND, 2, "shed"))
            await b.drained()
        assert {one for one in await left(server.port) if "shed" not in one} == {
            f"homeassistant/device/sungather_{SECOND}/config"
        }


async def test_what_another_daemon_reads_by_now_is_left_alone(tmp_path: Path) -> None:
    with running(mosquitto(tmp_path)) as server:
        options = at(server, DEFAULT)
        (tmp_path / "1").mkdir()
        async with bench(tmp_path, options) as b:
            b.take(of(FIRST, 1, "roof"))
            await b.drained()
        async with bench(tmp_path / "1", options, here="there", names=("barn",)) as b:
            b.take(of(FIRST, 1, "barn"))
            await b.drained()
        async with bench(tmp_path, options, names=("shed",)) as b:
            b.take(of(SECOND, 1, "shed"))
            await b.drained()
        found = await left(server.port)
        assert f"homeassistant/device/sungather_{FIRST}/config" in found
        assert not [one for one in found if one.startswith("sungather/roof")]


@pytest.mark.parametrize(
    ("then", "gone"),
    [
        ({"homeassistant": False}, "homeassistant/"),
        ({"homeassistant_prefix": "ha"}, "homeassistant/"),
        ({"value_topics": "false"}, "sungather/roof/values/"),
        ({"value_topics": "only", "homeassistant": False}, "sungather/roof/state"),
        ({"topic": "solar"}, "sungather/"),
        ({"client_id": "other"}, "sungather/status/house"),
    ],
)
async def test_what_the_options_have_no_more_is_removed(
    then: dict[str, object], gone: str, tmp_path: Path
) -> None:
    with running(mosquitto(tmp_path)) as server:
        options = at(server, replace(DEFAULT, value_topics="true", client_id="house"))
        async with bench(tmp_path, options) as b:
            b.take(of(FIRST, 1, "roof"))
            await b.drained()
        async with bench(tmp_path, replace(options, **then)) as b:  # type: ignore[arg-type]
            b.take(of(FIRST, 1, "roof"))
            await b.drained()
        async with audience(server.port) as late:
            await late.heard_all_so_far(server.port)
            assert not [one for one in late.retained() if one.startswith(gone)]
            assert len(late.retained()) > 3


@pytest.mark.parametrize("topic", ["solar/main", "SunGather/{serial_number}", "/solar/main"])
async def test_a_topic_of_sungather_0_5_is_kept_and_two_inverters_do_not_mix_there(
    topic: str, tmp_path: Path
) -> None:
    with running(mosquitto(tmp_path)) as server:
        options = at(server, replace(DEFAULT, compatibility_topic=topic, homeassistant=False))
        (tmp_path / "1").mkdir()
        async with audience(server.port) as heard, bench(tmp_path, options) as first:
            first.take(of(FIRST, 1, "roof"))
            await first.drained()
            await heard.heard_all_so_far(server.port)
            (message,) = map(json.loads, heard.on(topic))
            assert list(message)[:2] == ["model", "serial_number"]
            assert "pv_power" not in message, "0.5 had no such name"
            async with bench(tmp_path / "1", options, here="2", names=("shed",)) as second:
                second.take(of(SECOND, 2, "shed"))
                await second.is_in_state("blocked")
                assert topic in second.mqtt.health().message
            await heard.heard_all_so_far(server.port)
            assert {json.loads(text)["serial_number"] for text in heard.on(topic)} == {FIRST}
            first.take(replace(of(FIRST, 1, "roof"), state=State.ASLEEP, measurements={}))
            await heard.hears(lambda: heard.on("sungather/roof/connection")[-1:] == ["asleep"])
            assert len(heard.on(topic)) == 1, "0.5 said nothing at night"


async def test_entities_of_sungather_0_5_are_removed_when_nobody_wants_them_any_more(
    tmp_path: Path,
) -> None:
    sensors = "- {name: A, sensor_type: sensor, register: pv_power}"
    with running(mosquitto(tmp_path)) as server:
        for options in (replace(DEFAULT, ha_sensors=sensors), DEFAULT):
            async with bench(tmp_path, at(server, options)) as b:
                b.take(of(FIRST, 1, "roof"))
                await b.drained()
                found = await left(server.port)
                old = {f"homeassistant/sensor/{FIRST}_a/config", f"SunGather/{FIRST}"}
                assert found & old == (old if options.ha_sensors else set())
