"""A machine that stands by: it delivers what it owes, and neither reads nor speaks for anybody."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import aiomqtt

from sungather.simulator import device_named, serve
from tests.real_parts import mosquitto, running

READINGS = 3


async def start(tmp_path: Path, *settings: str, command: str = "run") -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sungather", command, *(f"--set={one}" for one in settings),
        stdout=PIPE, stderr=PIPE, env={**os.environ, "STATE_DIRECTORY": str(tmp_path / "state")},
    )  # fmt: skip


async def ended(daemon: Process) -> bytes:
    daemon.send_signal(signal.SIGTERM)
    _, err = await daemon.communicate()
    assert (daemon.returncode, b"Traceback" in err) == (0, False), err
    return err


async def test_what_is_owed_is_delivered_while_another_speaks_for_the_inverter(
    tmp_path: Path,
) -> None:
    broker = mosquitto(tmp_path)
    async with await serve(device_named("SH10RT")) as inverter:
        own = (
            "inverter.host=127.0.0.1", f"inverter.port={inverter.port}",
            "inverter.scan-interval=1", "web.enabled=false", "console.enabled=true",
            "mqtt.enabled=true", "mqtt.host=127.0.0.1", f"mqtt.port={broker.port}",
            "mqtt.client-id=me",
        )  # fmt: skip
        daemon = await start(tmp_path, *own)
        assert daemon.stdout is not None
        with running(broker):
            # It has spoken for the inverter itself, and knows what the broker may still hold.
            assert daemon.stderr is not None
            async for line in daemon.stderr:
                if b"mqtt: delivering" in line:
                    break
            for _ in range(2):
                await daemon.stdout.readline()
        read: set[str] = set()
        place, seen = "", 0
        while len(read) < READINGS:
            one = json.loads(await daemon.stdout.readline())
            if one["values"] and not one.get("via"):
                # Until the broker's end has been noticed, one may be under way.
                seen += 1
                read |= {one["time"]} if seen > 2 else set()
                place = f"sungather/{one['serial']}"
        await ended(daemon)
        # What the unit that reads now has said.
        others = ("sungather/status/other", f"{place}/availability")
        with running(broker):
            async with aiomqtt.Client("127.0.0.1", broker.port) as listener:
                for topic in others:
                    await listener.publish(topic, "online", 1, retain=True)
                await listener.subscribe("#", 1)
                scans = len(inverter.requests)
                daemon = await start(tmp_path, *own, "outbox.deliver-only=true")
                heard: list[tuple[str, bytes]] = []
                late: set[str] = set()
                async with asyncio.timeout(60):
                    async for message in listener.messages:
                        content = message.payload
                        assert isinstance(content, bytes)
                        heard.append((str(message.topic), content))
                        if message.topic.matches(f"{place}/history"):
                            late.add(json.loads(content)["time"])
                        if read <= late:
                            break
                assert len(inverter.requests) == scans
                asked = await start(tmp_path, *own, command="test-connection")
                await asked.communicate()
                assert asked.returncode == 0
                assert len(inverter.requests) > scans
                await ended(daemon)
                await listener.publish("the end", "", 1)
                async for message in listener.messages:
                    if message.topic.matches("the end"):
                        break
                    content = message.payload
                    assert isinstance(content, bytes)
                    heard.append((str(message.topic), content))
    mine = "sungather/status/me"
    rest = {(topic, text) for topic, text in heard if not topic.endswith("/history")}
    assert {(t, c) for t, c in rest if t != mine} == {(topic, b"online") for topic in others}
