"""Whose messages are under a topic: what is retained there is read before anything is published.

Two daemons that publish under one topic would show each other's numbers, silently.
"""

import asyncio
from collections.abc import Collection, Iterable
from contextlib import suppress

from sungather.exporters.mqtt_client import MqttClient
from sungather.exporters.mqtt_layout import is_another, serial_in
from sungather.untrusted import fit_to_show

PATIENCE = 3.0
"""Seconds for the broker to give us what we publish ourselves. One that never does, as an account
that may not read, has nothing to tell of others either."""
_LONGEST_SERIAL = 40
"""Characters of a serial number that is quoted; ours have 11."""


class TopicWatch:
    """What is heard on topics that we publish to, for one connection."""

    def __init__(self, status: str, password: str = "") -> None:
        """Our own status is on the topic `status`; the broker knows our `password`."""
        self._password = password
        self.status = status
        """Our own topic, which tells when the broker has given what is retained."""
        self.strangers: dict[str, str] = {}
        """Topics that another inverter uses, and its serial number."""
        self._names: dict[str, str] = {}
        """Watched topics, and the inverter of ours that belongs there."""
        self._mine: dict[str, Collection[str]] = {}
        """Watched topics, and the serial numbers that are right there."""
        self._heard: dict[str, bytes] = {}
        self._said: set[str] = set()
        self._echo = asyncio.Event()

    def hears_itself(self) -> None:
        """Our status has come back: what is retained came before it."""
        self._echo.set()

    async def is_taken(
        self, client: MqttClient, name: str, topics: Iterable[str], mine: Collection[str]
    ) -> bool:
        """Whether another inverter uses one of these topics; after that they are ours.

        `name` is our inverter, `mine` are its serial number and that of its predecessor.
        """
        topics = tuple(topics)
        new = [one for one in topics if one not in self._mine]
        self._mine |= dict.fromkeys(topics, mine)
        if new:
            for topic, content in (await self.look(client, new)).items():
                self._names[topic] = name
                if _is_of_another(content, mine):
                    self.strangers[topic] = serial_in(content)
        taken = any(one in self.strangers for one in topics)
        if not taken:
            self._said.update(topics)
        return taken

    async def is_foreign(
        self, client: MqttClient, topics: Iterable[str], mine: Collection[str]
    ) -> bool:
        """Whether another inverter uses one of these topics, which we are about to leave."""
        heard = await self.look(client, topics)
        return any(_is_of_another(content, mine) for content in heard.values())

    async def look(self, client: MqttClient, topics: Iterable[str]) -> dict[str, bytes]:
        """What is retained on these topics, which stay subscribed to."""
        wanted = tuple(topics)
        for topic in wanted:
            self._heard.setdefault(topic, b"")
            await client.subscribe(topic, 1)
        self._echo.clear()
        await client.send(self.status, "online", retain=True)
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await self._echo.wait()
        return {topic: self._heard[topic] for topic in wanted}

    def complaints(self) -> str:
        """Sentences about the strangers."""
        return " ".join(
            f"The topic {topic} belongs to another device ({self._shown(serial)}), so nothing of "
            f"{self._names[topic]} is published. Give one of them another name (inverters.NAME) "
            "or another mqtt.topic. If the other one is gone for good, remove what is retained: "
            f"mosquitto_pub -r -n -t {topic}"
            for topic, serial in self.strangers.items()
        )

    def _shown(self, serial: str) -> str:
        return fit_to_show(serial, [self._password], _LONGEST_SERIAL)

    def hear(self, topic: str, content: bytes, *, live: bool) -> bool:
        """Take a message on a watched topic; whether that changes what there is to say."""
        if topic not in self._heard:
            return False
        self._heard[topic] = content
        if not live or topic not in self._mine:
            return False
        if not content:
            return self.strangers.pop(topic, "") != ""
        serial, mine = serial_in(content), self._mine[topic]
        if not _is_of_another(content, mine):
            return False
        if topic in self._said and max(mine) < serial:
            return True  # both began at once: one has to stay, the other hears it and goes
        self._said.discard(topic)
        self.strangers[topic] = serial
        return True


def _is_of_another(content: bytes, mine: Collection[str]) -> bool:
    serial = serial_in(content)
    return all(is_another(serial, one) for one in mine)
