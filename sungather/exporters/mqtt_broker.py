"""The connection to an MQTT broker: which protocol it has, and what went wrong, in words."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing

import aiomqtt
from aiomqtt.exceptions import MqttConnectError

from sungather.errors import Blocked, Unavailable
from sungather.exporters.mqtt_client import MqttClient
from sungather.exporters.mqtt_guard import NO_LONG_ONES, QUEUED, PacketGuard
from sungather.exporters.tls import client_context
from sungather.http_client import in_words
from sungather.options.all_options import MqttOptions
from sungather.untrusted import fit_to_show

# The library logs every message at DEBUG, passwords' length and payloads too.
_quiet = logging.getLogger("sungather.exporters.mqtt.library")
_quiet.setLevel(logging.CRITICAL)

KEEP_ALIVE = 30
_PORTS = {("tcp", False): 1883, ("tcp", True): 8883,
          ("websockets", False): 80, ("websockets", True): 443}  # fmt: skip
_V5, _V311 = aiomqtt.ProtocolVersion.V5, aiomqtt.ProtocolVersion.V311
_NO_SUCH_PROTOCOL = 132
_BAD_LOGIN = (4, 5, 134, 135)
_TAKEN_OVER, _TOO_LARGE, _NO_REASON = 142, 149, 128
"""Reason codes of MQTT 5, and of 3.1.1 below 128."""
_NO_ANSWER = "Operation timed out"
"""The library's words for a connection that was taken, and a CONNECT that was not answered."""


class Broker:
    """A broker as the options describe it. It is asked for MQTT 5 first, then for 3.1.1."""

    def __init__(self, options: MqttOptions, timeout: float) -> None:
        self._options = options
        self._timeout = timeout
        self._protocol = _V5
        port = options.port or _PORTS[options.transport, options.tls_enabled]
        self._port = port
        self._where = f"The MQTT broker at {options.host}:{port}"

    @asynccontextmanager
    async def connected(
        self, client_id: str, status: str, calls: int
    ) -> AsyncGenerator[MqttClient]:
        """A client for as long as the connection holds; its last will is "offline" on `status`.

        `calls` is how many messages may be under way at a time.

        Raises:
            Unavailable: the broker is not there, refuses us, or the connection was lost; Blocked
                if a person must act.
        """
        context = None
        options = self._options
        if options.tls_enabled:
            context = await asyncio.to_thread(
                client_context,
                "mqtt", options.tls_ca, options.tls_cert, options.tls_key,
                insecure=options.tls_insecure,
            )  # fmt: skip
        client = MqttClient(
            options.host,
            self._port,
            username=options.username or None,
            password=options.password or None,
            identifier=client_id,
            protocol=self._protocol,
            will=aiomqtt.Will(status, "offline", 1, True),
            transport="websockets" if options.transport == "websockets" else "tcp",
            websocket_path=options.websocket_path,
            timeout=self._timeout,
            keepalive=KEEP_ALIVE,
            max_queued_incoming_messages=QUEUED,
            tls_context=context,
            logger=_quiet,
        )
        client.pending_calls_threshold = 2 * calls
        guard = PacketGuard(client)
        up = False
        try:
            with closing(client):
                async with client:
                    up = True
                    yield client
        except MqttConnectError as error:
            raise self._refusal(error) from error
        except aiomqtt.MqttError as error:
            if not up and (guard.complaint or str(error) == _NO_ANSWER):
                # Some brokers take no notice of a protocol that they do not have, or hang up.
                self._protocol = _V311 if self._protocol is _V5 else _V5
            if guard.complaint:
                raise Unavailable(f"{self._where} {guard.complaint}.") from error
            if up:
                raise self._loss(client, client_id, error) from error
            # The library raises its errors "from None"; what happened is in the context.
            cause = error.__cause__ or error.__context__ or error
            raise Unavailable(f"{self._where} cannot be reached: {_in_words(cause)}.") from error
        except OSError as error:
            raise Unavailable(f"{self._where} cannot be reached: {in_words(error)}.") from error

    def _refusal(self, error: MqttConnectError) -> Unavailable:
        code = error.rc if isinstance(error.rc, int) or error.rc is None else error.rc.value
        if code == _NO_SUCH_PROTOCOL and self._protocol is _V5:
            self._protocol = _V311
            return Unavailable(f"{self._where} has no MQTT 5; 3.1.1 is tried next.", 0.0)
        said = fit_to_show(str(error).partition("] ")[2] or str(error))
        if code in _BAD_LOGIN:
            return Blocked(
                f"{self._where} refuses us ({said}). Check mqtt.username and mqtt.password."
            )
        return Unavailable(f"{self._where} refuses us ({said}).")

    def _loss(self, client: MqttClient, client_id: str, error: aiomqtt.MqttError) -> Unavailable:
        """Why a connection that was up is no more."""
        end = client.end or error
        reason = getattr(getattr(end, "rc", None), "value", None)
        if reason == _TAKEN_OVER:
            return Blocked(
                f"{self._where} has ended the connection, since another client has connected with "
                f"the client id {client_id!r}. Every client needs its own: see mqtt.client-id."
            )
        if reason == _TOO_LARGE:
            return Blocked(f"{self._where} has ended the connection: {NO_LONG_ONES}.")
        if reason == _NO_REASON:
            # So do brokers with MQTT 3.1.1 when another client takes the session over, but not
            # only then.
            return Unavailable(
                f"{self._where} has ended the connection without a reason. If that happens again "
                f"and again, another client may have the client id {client_id!r}, too: see "
                "mqtt.client-id."
            )
        return Unavailable(f"{self._where} is lost: {_in_words(end)}.")


def refusal(client: MqttClient) -> str:
    """A sentence about topics on which the broker lets us publish nothing; "" without any."""
    if not client.refused:
        return ""
    topic, said = min(client.refused.items())
    more = " and others" if len(client.refused) > 1 else ""
    return (
        f"The MQTT broker takes nothing from us on {topic}{more} ({fit_to_show(said)}). Check "
        "what mqtt.username may write."
    )


def _in_words(error: BaseException) -> str:
    if isinstance(error, aiomqtt.MqttError):
        text = (str(error).partition("] ")[2] or str(error)).rstrip(".")
        return fit_to_show(text[:1].lower() + text[1:]) if text else "the connection was lost"
    return fit_to_show(in_words(error))
