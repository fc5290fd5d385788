"""What a broker missed: readings that could not be delivered when they were new.

The outbox kept them. Each is a message of its own on NAME/history, which is not retained.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from sungather.exporters.mqtt_client import MqttClient
from sungather.exporters.mqtt_layout import DeviceTopics, as_json
from sungather.outbox import Record
from sungather.outbox.record import milliseconds
from sungather.reading import Reading, rfc3339

OwnPlace = Callable[[MqttClient, Record], Awaitable[DeviceTopics | None]]
"""Where the device of a record publishes; None while another inverter is there."""


class LateReadings:
    """Publishes what is owed and was not shown as the present."""

    def __init__(self, wanted: Callable[[str], bool], own_place: OwnPlace) -> None:
        """`wanted`: whether a value is published at all."""
        self._wanted = wanted
        self._own_place = own_place
        self._as_state: deque[tuple[str, int]] = deque(maxlen=1000)
        """Readings published as state, until the outbox knows: name and time."""

    def was_shown(self, reading: Reading) -> None:
        """It was published as state, so it is not late."""
        self._as_state.append((reading.name, milliseconds(reading.time)))

    async def publish(self, client: MqttClient, records: Sequence[Record]) -> dict[int, str]:
        """Publish what was missed; ids of what cannot be, with the reason."""
        known = set(self._as_state)
        late: dict[int, tuple[str, str]] = {}
        rejected: dict[int, str] = {}
        for record in records:
            if (record.name, record.read_ms) in known:
                continue
            place = await self._own_place(client, record)
            if place is None:
                rejected[record.id] = f"another inverter uses the topics of {record.name}"
                continue
            values = {one: value for one, value in record.values.items() if self._wanted(one)}
            content = {"time": rfc3339(record.time), "serial": record.serial, **values}
            late[record.id] = (place.topic("history"), as_json(content))
        await asyncio.gather(*(client.send(topic, text) for topic, text in late.values()))
        refused = {number: topic for number, (topic, _) in late.items() if topic in client.refused}
        return rejected | {n: f"the broker takes nothing on {one}" for n, one in refused.items()}
