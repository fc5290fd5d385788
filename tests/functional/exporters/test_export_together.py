"""All exporters together, put together from the options."""

import asyncio
import json
from pathlib import Path

import pytest

from sungather.exporters import open_exporters
from sungather.options.configuration import Configuration, load
from tests.mqtt_parts import DISCOVERY, audience
from tests.outbox_parts import reading
from tests.real_parts import mosquitto, running
from tests.stand_ins import Reply, site


def options(tmp_path: Path, *settings: str, file: Path | None = None) -> Configuration:
    own = ["inverter.host=192.0.2.1", f"storage.directory={tmp_path}"]
    return load(file, [*own, *settings])


async def test_nothing_is_enabled_by_default_and_no_outbox_is_made(tmp_path: Path) -> None:
    exporters = await open_exporters(options(tmp_path))
    assert exporters.services == ()
    assert not list(tmp_path.glob("*"))  # noqa: ASYNC240 (a test may wait for the disk)
    assert await exporters.deliver([reading()], 1)
    await exporters.close()


async def test_a_reading_reaches_everybody_and_one_hanging_destination_holds_up_nobody(
    tmp_path: Path,
) -> None:
    with running(mosquitto(tmp_path)) as broker, site(lambda _: None) as hanging:
        file = tmp_path / "sungather.yaml"
        file.write_text("pvoutput:\n  api-key: k\n")
        configuration = options(
            tmp_path,
            "mqtt.enabled=true", "mqtt.host=127.0.0.1", f"mqtt.port={broker.port}",
            "influxdb.enabled=true", f"influxdb.url={hanging.url}", "influxdb.bucket=solar",
            "pvoutput.enabled=true", "pvoutput.system-id=1",
            "console.enabled=true",
            file=file,
        )  # fmt: skip
        exporters = await open_exporters(configuration)
        assert [one.name for one in exporters.services] == [
            "outbox", "mqtt", "influxdb", "pvoutput", "console",
        ]  # fmt: skip
        tasks = [
            asyncio.create_task(one.run())
            for one in exporters.services
            if one.name != "pvoutput"  # its server cannot be reached from a test
        ]
        health = {one.name: one.health for one in exporters.services}
        for one in exporters.services:
            one.on_reading(reading())
        async with asyncio.timeout(20):
            while health["mqtt"]().delivered != 1:  # noqa: ASYNC110 (health has no event)
                await asyncio.sleep(0.01)
        assert health["influxdb"]().queue == 1
        for task in tasks:
            task.cancel()
        async with asyncio.timeout(2):
            await asyncio.gather(*tasks, return_exceptions=True)
            await exporters.close()


async def test_a_command_delivers_or_leaves_it_for_the_next_time(tmp_path: Path) -> None:
    taken: list[bytes] = []

    def answer(request: object) -> Reply:
        taken.append(b"")
        return Reply(204)

    settings = ["influxdb.enabled=true", "influxdb.bucket=solar", "influxdb.version=1"]
    down = options(tmp_path, *settings, "influxdb.url=http://127.0.0.1:1")
    exporters = await open_exporters(down, console=False)
    assert not await exporters.deliver([reading()], 0.2)
    await exporters.close()
    with site(answer) as server:
        up = options(tmp_path, *settings, f"influxdb.url={server.url}")
        exporters = await open_exporters(up, console=False)
        assert await exporters.deliver([reading()], 10)
        assert exporters.services[1].health().delivered == 2
        await exporters.close()


@pytest.mark.parametrize(
    ("web", "page"),
    [
        (("web.port=8123", "web.hosts=pi.example, other.example"), "http://pi.example:8123/"),
        (("web.enabled=false",), None),
    ],
)
async def test_home_assistant_is_told_where_the_page_is(
    web: tuple[str, ...], page: str | None, tmp_path: Path
) -> None:
    with running(mosquitto(tmp_path)) as broker:
        mqtt = ["mqtt.enabled=true", "mqtt.host=127.0.0.1", f"mqtt.port={broker.port}"]
        async with audience(broker.port) as heard:
            exporters = await open_exporters(options(tmp_path, *mqtt, *web))
            assert await exporters.deliver([reading()], 20)
            await exporters.close()
            await heard.hears(lambda: heard.on(DISCOVERY))
            assert json.loads(heard.on(DISCOVERY)[0])["dev"].get("cu") == page
