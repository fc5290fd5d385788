"""aiomqtt's client, without a race and a leak that it has, and not deaf to refusals (2.5.1).

Its `publish` returns with the broker's acknowledgement. Next to an HTTP client it adds 1.2 MB to
the process.
"""

from typing import Any, cast

import aiomqtt

from sungather.exporters.delivery import go_on_unless_cancelled


class MqttClient(aiomqtt.Client):
    """Does not wait for a socket that was closed before the waiting began.

    paho asks for it in a thread, so it begins a turn of the loop later. By then a broker that
    hangs up at once may have ended the socket, and its number may be that of another one.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.refused: dict[str, str] = {}
        """Topics on which the broker lets us publish nothing, and its words; only MQTT 5 tells."""
        self._under_way: dict[int, str] = {}
        """Number of a message -> its topic."""
        publish = self._client.publish

        def noted(topic: str, *args: Any, **options: Any) -> Any:
            info = publish(topic, *args, **options)
            self._under_way[info.mid] = topic
            return info

        self._client.publish = noted

    @property
    def end(self) -> BaseException | None:
        """How the connection ended, if it did not end as we asked."""
        return self._disconnected.exception() if self._disconnected.done() else None

    @property
    def own_address(self) -> str:
        """The address by which this machine talks to the broker; "" if that is not known."""
        opened = cast(Any, self)._client.socket()
        try:
            return str(opened.getsockname()[0])
        except (OSError, AttributeError):
            return ""

    def close(self) -> None:
        """End the connection if the library has left it open.

        It does where the broker does not answer, and keeps it then until the keep-alive is over.
        """
        paho = cast(Any, self)._client
        paho._sock_close()

    async def send(self, topic: str, payload: str, *, retain: bool = False) -> None:
        """Publish with QoS 1; returns when the broker has acknowledged the message."""
        await self.publish(topic, payload, 1, retain)
        go_on_unless_cancelled()

    def _on_socket_register_write(
        self,
        client: Any,
        userdata: Any,  # noqa: ARG002 (paho's signature)
        sock: Any,
    ) -> None:
        def write() -> None:
            try:
                client.loop_write()
            except Exception as error:
                if not self._disconnected.done():
                    self._disconnected.set_exception(error)

        def register() -> None:
            if sock.fileno() != -1:
                self._loop.add_writer(sock.fileno(), write)

        self._loop.call_soon_threadsafe(register)

    def _on_publish(
        self, client: Any, userdata: Any, mid: int, reason_code: Any, properties: Any
    ) -> None:
        topic = self._under_way.pop(mid, "")
        if reason_code.is_failure:
            self.refused[topic] = str(reason_code)
        else:
            self.refused.pop(topic, None)
        super()._on_publish(client, userdata, mid, reason_code, properties)
