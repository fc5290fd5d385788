"""One daemon's MQTT exporter, and a client that hears everything, for tests with a real broker."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import aiomqtt

from sungather.exporters.delivery import Sleep
from sungather.exporters.mqtt import Mqtt
from sungather.options.all_options import MqttOptions
from sungather.outbox import Outbox, OutboxLimits
from sungather.reading import Reading
from tests.outbox_parts import Time, reading
from tests.real_parts import Server

OPTIONS = MqttOptions(enabled=True, host="127.0.0.1", client_id="house")
DISCOVERY = "homeassistant/device/sungather_A223098765/config"
STATE = "sungather/roof/state"
STATUS = "sungather/status/house"
BATTERY = "homeassistant/device/sungather_S2310160987/config"


class Audience:
    """A client that hears everything."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, bool]] = []
        self._news = asyncio.Event()

    async def listen(self, client: aiomqtt.Client) -> None:
        """Take everything down."""
        async for message in client.messages:
            content = message.payload
            assert isinstance(content, bytes)
            self.heard.append((str(message.topic), content.decode(), bool(message.retain)))
            self._news.set()

    def on(self, topic: str) -> list[str]:
        """Messages on a topic."""
        return [text for heard, text, _ in self.heard if heard == topic]

    def retained(self) -> dict[str, str]:
        """What the broker holds, by what was heard: the last on each topic, but for empty ones."""
        last = {topic: text for topic, text, _ in self.heard}
        return {topic: text for topic, text in last.items() if text and topic != "so far"}

    async def hears(self, condition: Callable[[], object], within: float = 20) -> None:
        """Wait until it is true, after each message."""
        async with asyncio.timeout(within):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def heard_all_so_far(self, port: int) -> None:
        """What was published, or retained, before has been heard: a broker keeps the order."""
        before = len(self.on("so far"))
        async with aiomqtt.Client("127.0.0.1", port) as client:
            await client.publish("so far", "", 1)
        await self.hears(lambda: len(self.on("so far")) > before)


@asynccontextmanager
async def audience(port: int, *, client: str = "") -> AsyncGenerator[Audience]:
    """Hears everything that is retained, and everything from now on."""
    async with aiomqtt.Client("127.0.0.1", port, identifier=client or None) as listener:
        one = Audience()
        await listener.subscribe("#", 1)
        task = asyncio.create_task(one.listen(listener))
        try:
            yield one
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


class Bench:
    """An MQTT exporter with an outbox."""

    def __init__(self, outbox: Outbox, mqtt: Mqtt, time: Time) -> None:
        self.outbox, self.mqtt, self.time = outbox, mqtt, time

    def take(self, one: Reading) -> None:
        """Hand a reading to both."""
        self.outbox.on_reading(one)
        self.mqtt.on_reading(one)

    def take_powers(self, *figures: int) -> None:
        """Readings of these powers, one each half minute."""
        for figure in figures:
            self.take(
                reading(self.time.now, pv_power=figure, run_state="Run", units={"pv_power": "W"})
            )
            self.time.pass_by(seconds=30)

    async def drained(self) -> None:
        """Wait until nothing is owed."""
        await asyncio.wait_for(self.outbox.drained("mqtt"), 20)

    async def is_in_state(self, state: str) -> None:
        """Wait for a state of its health."""
        async with asyncio.timeout(20):
            while self.mqtt.health().state != state:  # noqa: ASYNC110 (health has no event)
                await asyncio.sleep(0.01)

    async def says(self, words: str) -> None:
        """Wait until they are in the message of its health."""
        async with asyncio.timeout(20):
            while words not in self.mqtt.health().message:  # noqa: ASYNC110 (it has no event)
                await asyncio.sleep(0.01)


async def _soon(_: float) -> None:
    """Tries again at once, or nearly."""
    await asyncio.sleep(0.02)


@asynccontextmanager
async def bench(
    tmp_path: Path,
    options: MqttOptions,
    time: Time | None = None,
    patience: float = 5.0,
    *,
    here: str = "here",
    names: Sequence[str] = ("roof",),
    sleep: Sleep = _soon,
    priced: bool = False,
) -> AsyncGenerator[Bench]:
    """MQTT of one daemon with the storage directory `tmp_path` and inverters of these names."""
    time = time or Time()
    outbox = await Outbox.open(
        tmp_path / "outbox.sqlite3", OutboxLimits(), ("mqtt",), time.clock, "boot"
    )
    mqtt = Mqtt(
        options,
        outbox.feed("mqtt"),
        time.clock,
        ZoneInfo("Europe/Berlin"),
        {name: {"level": 1, "host": "192.0.2.1", "port": 502} for name in names},
        sleep,
        patience,
        here,
        priced=priced,
    )
    task = asyncio.create_task(mqtt.run())
    try:
        yield Bench(outbox, mqtt, time)
    finally:
        task.cancel()
        await asyncio.wait_for(asyncio.gather(task, return_exceptions=True), 20)
        await outbox.close()


def at(server: Server, options: MqttOptions = OPTIONS) -> MqttOptions:
    """Options with the port of a broker."""
    return replace(options, port=server.port)
