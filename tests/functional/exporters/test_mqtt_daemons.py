"""Several real daemons with default options on one real broker: whose numbers are whose."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from sungather.simulator import device_named, serve
from tests.mqtt_parts import Audience, audience
from tests.real_parts import mosquitto, running
from tests.support import daytime_zone

MODELS = {"A2200000001": "SH10RT", "A2200000002": "SH10RT", "B2200000003": "SG10RT",
          "B2200000004": "SG10RT"}  # fmt: skip
"""Serial numbers: two hybrids and two string inverters, which two and two are alike."""


@asynccontextmanager
async def daemon(directory: Path, broker: int, serial: str) -> AsyncGenerator[Process]:
    """`sungather run` as on a Pi of its own, but without the page: there is one port 8080 here."""
    async with await serve(device_named(MODELS[serial], serial=serial)) as inverter:
        options = {
            "inverter.host": "127.0.0.1", "inverter.port": inverter.port,
            "inverter.scan-interval": 1, "site.timezone": daytime_zone(), "web.enabled": "false",
            "mqtt.enabled": "true", "mqtt.host": "127.0.0.1", "mqtt.port": broker,
        }  # fmt: skip
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "sungather", "run",
            *(f"--set={key}={value}" for key, value in options.items()),
            env={**os.environ, "STATE_DIRECTORY": str(directory)}, stdout=DEVNULL, stderr=DEVNULL,
        )  # fmt: skip
        try:
            yield process
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


def below(heard: Audience, serial: str) -> list[str]:
    """All that was heard under the topics of an inverter."""
    return [text for topic, text, _ in heard.heard if topic.startswith(f"sungather/{serial}/")]


def states(heard: Audience, serial: str) -> list[dict[str, object]]:
    return [json.loads(text) for text in heard.on(f"sungather/{serial}/state")]


def statuses(heard: Audience, word: str) -> set[str]:
    """Status topics of daemons on which the word was the last."""
    retained = heard.retained()
    return {topic for topic, text in retained.items() if "/status/" in topic and text == word}


async def test_real_daemons_with_default_options_keep_apart_and_one_that_dies_dies_alone(
    tmp_path: Path,
) -> None:
    with running(mosquitto(tmp_path)) as server:
        async with audience(server.port) as heard, AsyncExitStack() as stack:
            processes = {
                serial: await stack.enter_async_context(
                    daemon(tmp_path / serial, server.port, serial)
                )
                for serial in MODELS
            }
            await heard.hears(lambda: all(len(states(heard, one)) > 3 for one in MODELS), 90)
            for serial, model in MODELS.items():
                assert {one["serial"] for one in states(heard, serial)} == {serial}
                others = [one for one in MODELS if one != serial]
                assert not [one for one in below(heard, serial) if any(o in one for o in others)]
                config = heard.on(f"homeassistant/device/sungather_{serial}/config")[-1]
                assert f'"sungather/{serial}/state"' in config
                assert f'"{model}"' in config
                assert not any(one in config for one in others)
                assert sum(f'"{one}"' in config for one in statuses(heard, "online")) == 1
            assert len(statuses(heard, "online")) == len(MODELS), "each has a client id of its own"
            assert not [topic for topic, text, _ in heard.heard if text == "offline"]
            processes["A2200000001"].kill()
            await heard.hears(lambda: statuses(heard, "offline"))
            before = {one: len(states(heard, one)) for one in MODELS}
            alive = [one for one in MODELS if one != "A2200000001"]
            await heard.hears(lambda: all(len(states(heard, o)) > before[o] for o in alive))
            assert len(statuses(heard, "online")) == len(alive)
