"""aiomqtt's client, without a race that it has (seen in 2.5.1)."""

from typing import Any

import aiomqtt


class MqttClient(aiomqtt.Client):
    """Does not wait for a socket that was closed before the waiting began.

    paho asks for it in a thread, so it begins a turn of the loop later. By then a broker that
    hangs up at once may have ended the socket, and its number may be that of another one.
    """

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
