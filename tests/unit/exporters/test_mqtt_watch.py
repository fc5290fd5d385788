"""What is heard on topics that two daemons may use."""

import json
from typing import Any

from sungather.exporters.mqtt_watch import TopicWatch


class EchoingBroker:
    """Stands for a connection: what we publish comes back at once, and nothing is retained."""

    def __init__(self, watch: TopicWatch) -> None:
        self._watch = watch

    async def subscribe(self, topic: str, qos: int) -> None:
        """Nothing is retained."""

    async def send(self, topic: str, content: str, *, retain: bool) -> None:
        """Our own status."""
        self._watch.hears_itself()


def of(serial: str) -> bytes:
    return json.dumps({"serial": serial, "pv_power": 1}).encode()


async def test_who_speaks_on_a_topic_that_we_have_left_is_no_stranger() -> None:
    watch = TopicWatch("sungather/daemon/status")
    broker: Any = EchoingBroker(watch)
    await watch.look(broker, ["sungather/old/state"])
    assert not watch.hear("sungather/old/state", of("B2"), live=True)
    assert not watch.hear("sungather/unknown/state", of("B2"), live=True)
    assert watch.strangers == {}


async def test_who_speaks_on_our_topic_later_is_a_stranger() -> None:
    watch = TopicWatch("sungather/daemon/status")
    broker: Any = EchoingBroker(watch)
    assert not await watch.is_taken(broker, "roof", ["sungather/roof/state"], ["A1"])
    assert not watch.hear("sungather/roof/state", of("A1"), live=True)
    assert watch.hear("sungather/roof/state", of("A0"), live=True)
    assert watch.strangers == {"sungather/roof/state": "A0"}
