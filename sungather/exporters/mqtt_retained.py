"""The retained messages of all devices: said when they change, removed when they are no more.

What was published is noted over restarts: an inverter that was renamed, or whose discovery was
switched off, leaves nothing at the broker.
"""

import asyncio
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import cast

from sungather.exporters.mqtt_client import MqttClient
from sungather.outbox import Feed

AT_ONCE = 50
"""Messages under way at a time."""
_NOTE = "device "


@dataclass(slots=True)
class DeviceRecord:
    """The retained messages of one inverter or sub-device."""

    serial: str
    """Serial number of the inverter."""
    via: str
    base: str
    """What its topics begin with, but for those of discovery and of SunGather 0.5."""
    topics: set[str] = field(default_factory=set[str])
    entities: Mapping[str, str] = field(default_factory=dict[str, str])
    """Those that Home Assistant was told, with their platforms."""

    @property
    def below(self) -> set[str]:
        """The topics that begin so."""
        return {one for one in self.topics if one.startswith(f"{self.base}/")}

    def as_note(self) -> str:
        """What `from_note` reads."""
        content = [self.serial, self.via, self.base, sorted(self.topics), self.entities]
        return json.dumps(content, separators=(",", ":"))

    @classmethod
    def from_note(cls, text: str) -> "DeviceRecord | None":
        """None for a note that is damaged."""
        try:
            serial, via, base, topics, told = cast(list[object], json.loads(text))
            entities = cast(Mapping[object, object], told).items()
            return cls(
                str(serial), str(via), str(base),
                set(map(str, cast(list[object], topics))),
                {str(name): str(kind) for name, kind in entities},
            )  # fmt: skip
        except (ValueError, TypeError, AttributeError, RecursionError):
            return None


class Retained:
    """What is retained at the broker by us."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self.records: dict[str, DeviceRecord] = {}
        self.said: dict[str, str] = {}
        """What was published since the connection began."""
        self._whole: set[str] = set()
        """Devices of which everything was published in this run."""

    def load(self, notes: Mapping[str, str]) -> None:
        """Take up what earlier runs have noted."""
        for key, text in notes.items():
            record = DeviceRecord.from_note(text) if key.startswith(_NOTE) else None
            if record is not None:
                self.records.setdefault(key.removeprefix(_NOTE), record)

    async def say(
        self,
        client: MqttClient,
        name: str,
        record: DeviceRecord,
        messages: Mapping[str, str],
        gone: str | None = None,
    ) -> None:
        """Publish of a device what is new; `record` tells whose it is.

        With `gone` these are all its messages whose topics begin so ("" for all of it): what was
        noted, and is not among them, is removed.
        """
        before = self.records.get(name, record).topics
        record.topics = before | messages.keys()
        await self._note(name, record)
        await self.publish(client, messages)
        if gone is None:
            return
        await self.remove(client, {t for t in before - messages.keys() if t.startswith(gone)})
        if not gone and name not in self._whole:
            self._whole.add(name)
            # The note of an earlier run held what it had; what comes and goes stays noted.
            await self._note(name, replace(record, topics=set(messages)))

    def are_whole(self, names: Collection[str]) -> bool:
        """Whether everything of these devices was published in this run."""
        return self._whole.issuperset(names)

    async def publish(self, client: MqttClient, messages: Mapping[str, str]) -> None:
        """Publish what was not said yet; single values side by side, the rest in order."""
        due = {topic: text for topic, text in messages.items() if self.said.get(topic) != text}
        values = [topic for topic in due if "/values/" in topic]
        for topic, text in due.items():
            if topic not in values:
                await client.send(topic, text, retain=True)
                self.said[topic] = text
        for start in range(0, len(values), AT_ONCE):
            part = values[start : start + AT_ONCE]
            await asyncio.gather(*(client.send(one, due[one], retain=True) for one in part))
            self.said.update((one, due[one]) for one in part)

    async def remove(self, client: MqttClient, topics: Collection[str]) -> None:
        """Have the broker forget what is retained there."""
        await self.publish(client, dict.fromkeys(topics, ""))

    async def forget(self, name: str, topics: Collection[str]) -> None:
        """Note that these topics of a former device are empty; without any left, all of it."""
        record = self.records[name]
        record.topics -= set(topics)
        if not record.topics:
            del self.records[name]
        await self._write(name, record if record.topics else None)

    async def _note(self, name: str, record: DeviceRecord) -> None:
        if self.records.get(name) != record:
            self.records[name] = record
            await self._write(name, record)

    async def _write(self, name: str, record: DeviceRecord | None) -> None:
        await self._feed.note({_NOTE + name: record.as_note() if record else None})
