"""Bounds on what a broker may send, which the MQTT library takes without any.

The library has no public place for them, so this reaches into it; a test with a hostile broker
guards that the places are still there.
"""

from asyncio import Future
from typing import Any, Final, cast

import aiomqtt
from paho.mqtt.enums import MQTTErrorCode

LONGEST: Final = 1024 * 1024
"""Bytes of the longest packet; what is subscribed to has a few."""
QUEUED: Final = 8
"""Messages that wait to be looked at; what comes beyond them is left out by the library."""
NO_LONG_ONES: Final = (
    "it takes no message as long as ours. Raise its limit, or choose fewer values with "
    "mqtt.include"
)
_PUBACK: Final = 0x40
_TOO_LARGE: Final = b"\x95"
_QOS_2: Final = 0x34
_PUBLISH_AND_QOS: Final = 0xF6


class PacketGuard:
    """Ends the connection of a client whose broker breaks the bounds; `complaint` says why."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self.complaint = ""
        own = cast(Any, client)
        # Nobody asks how a connection ended that broke while something else was awaited.
        own._disconnected.add_done_callback(_look_at)
        self._paho = own._client
        self._receive = self._paho._sock_recv
        self._handle = self._paho._packet_handle
        self._paho._sock_recv = self._bounded
        self._paho._packet_handle = self._checked

    def _bounded(self, size: int) -> bytes:
        """In the place of `_sock_recv`, which is first asked for the whole of a packet."""
        if size > LONGEST:
            self.complaint = f"announces a packet of {size} bytes"
            raise ConnectionAbortedError(self.complaint)
        return cast(bytes, self._receive(size))

    def _checked(self) -> MQTTErrorCode:
        """In the place of `_packet_handle`."""
        if self._paho._in_packet["command"] & _PUBLISH_AND_QOS == _QOS_2:
            # Nothing was subscribed to with it, and the library would keep all of them.
            self.complaint = "sends messages of QoS 2, which nobody has asked for"
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        try:
            return cast(MQTTErrorCode, self._handle())
        except Exception:
            told = bytes(self._paho._in_packet["packet"])
            if self._paho._in_packet["command"] == _PUBACK and told[2:3] == _TOO_LARGE:
                # Mosquitto answers so, with a reason that this packet does not have.
                self.complaint = f"refuses a message: {NO_LONG_ONES}"
                return MQTTErrorCode.MQTT_ERR_PROTOCOL
            # A topic that is not UTF-8 or no topic, a packet that is too short: no MQTT.
            self.complaint = "sends packets that are not MQTT"
            return MQTTErrorCode.MQTT_ERR_PROTOCOL


def _look_at(ended: "Future[None]") -> None:
    if not ended.cancelled():
        ended.exception()
