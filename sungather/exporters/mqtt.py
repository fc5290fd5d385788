"""MQTT: the present as retained state, what was missed on a history topic, Home Assistant.

Topics below `mqtt.topic`, every message with QoS 1; NAME is an inverter or a sub-device:
    status                "online" or "offline": the collector itself, also as its last will
    NAME/availability     "online" while the inverter gives readings, else "offline"
    NAME/connection       the inverter's state in a word
    NAME/state            the newest values, one flat JSON object with "time", "fault", "faults"
    NAME/history          not retained: values that could not be delivered when they were new

The library is aiomqtt: its `publish` returns with the broker's acknowledgement. Next to an HTTP
client it adds 1.2 MB to the process.
"""

import asyncio
import hashlib
import json
import logging
import socket
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import tzinfo

import aiomqtt
from aiomqtt.exceptions import MqttConnectError

from sungather.clock import Clock
from sungather.errors import Blocked, Unavailable
from sungather.exporters import compatibility, homeassistant
from sungather.exporters.delivery import DeliveryLoop, Sleep, go_on_unless_cancelled
from sungather.exporters.mqtt_client import MqttClient
from sungather.exporters.mqtt_guard import QUEUED, PacketGuard
from sungather.exporters.tls import client_context
from sungather.http_client import in_words
from sungather.options.table import MqttOptions
from sungather.outbox import Feed, Record
from sungather.outbox.record import milliseconds
from sungather.reading import Reading, State, Value, rfc3339
from sungather.strangers import fit_to_show

log = logging.getLogger(__name__)
# The library logs every message at DEBUG, passwords' length and payloads too.
_quiet = logging.getLogger("sungather.exporters.mqtt.library")
_quiet.setLevel(logging.CRITICAL)

TIMEOUT = 10.0
"""Seconds that the broker has for an acknowledgement."""
KEEP_ALIVE = 30
_NOTE = "behind "
"""Notes of the names of sub-devices begin so."""
_AT_ONCE = 50
"""Messages of the history topic under way at a time."""


class Mqtt(DeliveryLoop):
    """The service; see the module's description."""

    def __init__(
        self,
        options: MqttOptions,
        feed: Feed,
        clock: Clock,
        timezone: tzinfo,
        settings: Mapping[str, Mapping[str, object]],
        sleep: Sleep = asyncio.sleep,
        timeout: float = TIMEOUT,
    ) -> None:
        super().__init__("mqtt", feed, clock, sleep)
        self._options = options
        self._timezone = timezone
        self._settings = settings
        """Inverter name -> its settings as SunGather 0.5 called them."""
        self._timeout = timeout
        self._latest: dict[str, Reading] = {}
        self._unpublished: set[str] = set()
        self._as_state: deque[tuple[str, int]] = deque(maxlen=1000)
        """Readings published as state, until the outbox knows: name and time."""
        self._shown: dict[str, dict[str, Value]] = {}
        """Scalars that each inverter has shown so far: its entities."""
        self._noted: set[str] = set()
        """Sub-devices, those of earlier runs as well."""
        self._described: dict[str, Reading] = {}
        """The newest reading with values of each: what the entities are made from."""
        self._announced: dict[str, tuple[str, frozenset[str]]] = {}
        """Identity and entities that Home Assistant was told since the connection began …"""
        self._said: dict[str, str] = {}
        """… and what was said on topics that seldom change."""

    # -- service --------------------------------------------------------------------------

    def on_reading(self, reading: Reading) -> None:
        """The newest reading becomes the state as soon as the broker is there."""
        self._latest[reading.name] = reading
        self._unpublished.add(reading.name)
        if reading.state is State.OK:
            self._described[reading.name] = reading
        shown = self._shown.setdefault(reading.name, {})
        known = reading.measurements
        shown.update((name, known[name].value) for name in homeassistant.scalars(reading))
        if reading.faults is not None:
            shown[homeassistant.FAULT] = bool(reading.faults.active)
        self._feed.notify()

    # -- connection -----------------------------------------------------------------------

    async def step(self) -> float:
        """Stay connected until the connection breaks."""
        options = self._options
        port = options.port or (8883 if options.tls_enabled else 1883)
        where = f"The MQTT broker at {options.host}:{port}"
        context = None
        if options.tls_enabled:
            context = await asyncio.to_thread(
                client_context,
                "mqtt", options.tls_ca, options.tls_cert, options.tls_key,
                insecure=options.tls_insecure,
            )  # fmt: skip
        client = MqttClient(
            options.host,
            port,
            username=options.username or None,
            password=options.password or None,
            identifier=options.client_id or _identity(options.topic),
            will=aiomqtt.Will(self._topic("status"), "offline", 1, True),
            timeout=self._timeout,
            keepalive=KEEP_ALIVE,
            max_queued_incoming_messages=QUEUED,
            tls_context=context,
            logger=_quiet,
        )
        client.pending_calls_threshold = 2 * _AT_ONCE
        guard = PacketGuard(client)
        try:
            async with client:
                await self._work(client)
                return 0.0
        except MqttConnectError as error:
            raise _refused(where, error) from error
        except aiomqtt.MqttError as error:
            # The library raises its errors "from None"; what happened is in the context.
            cause = error.__cause__ or error.__context__ or error
            if guard.complaint:
                raise Unavailable(f"{where} {guard.complaint}.") from error
            raise Unavailable(f"{where} cannot be reached: {_in_words(cause)}.") from error
        except OSError as error:
            raise Unavailable(f"{where} cannot be reached: {in_words(error)}.") from error

    async def _work(self, client: aiomqtt.Client) -> None:
        """Everything between connect and disconnect; ends with the connection's error."""
        await client.subscribe(self._topic("status"), 1)
        if self._options.homeassistant:
            await client.subscribe(f"{self._options.homeassistant_prefix}/status", 1)
        notes = await self._feed.notes()
        self._noted |= {note.removeprefix(_NOTE) for note in notes if note.startswith(_NOTE)}
        for name in (self._settings.keys() | self._noted) - self._latest.keys():
            # What the broker still holds of an earlier run is not the present.
            await self._publish(client, self._topic(name, "availability"), "offline", retain=True)
        await self._publish(client, self._topic("status"), "online", retain=True)
        self._say_everything_again()
        tasks = [
            asyncio.create_task(self._listen(client)),
            asyncio.create_task(self._send(client)),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await _end(tasks)
            # A clean disconnect triggers no last will, so the good-bye is said here.
            with suppress(aiomqtt.MqttError):
                await client.publish(self._topic("status"), "offline", 1, retain=True, timeout=1.0)
            raise
        await _end(tasks)
        for task in done:
            task.result()

    def _say_everything_again(self) -> None:
        """A broker without persistence, or a new Home Assistant, knows nothing of us."""
        self._announced.clear()
        self._said.clear()
        self._unpublished.update(self._latest)
        self._feed.notify()

    async def _listen(self, client: aiomqtt.Client) -> None:
        """Home Assistant's birth message, and our own last will when it comes late."""
        async for message in client.messages:
            content = message.payload
            if message.topic.matches(self._topic("status")):
                if content == b"offline":
                    # The broker has just noticed that an earlier connection of ours is gone.
                    await self._publish(client, self._topic("status"), "online", retain=True)
            elif content == b"online" and not message.retain:
                self._say_everything_again()

    async def _send(self, client: aiomqtt.Client) -> None:
        while True:
            await self._publish_states(client)
            records = await self._feed.batch_now(_AT_ONCE)
            # What arrived meanwhile is news, not history.
            await self._publish_states(client)
            if records:
                await self._publish_history(client, records)
                await self._feed.ack(records)
            self._status.works()
            self._back_off.reset()
            if not records:
                await self._feed.wait()

    # -- messages -------------------------------------------------------------------------

    async def _publish_states(self, client: aiomqtt.Client) -> None:
        while self._unpublished:
            # Inverters first: Home Assistant has to know them before their sub-devices.
            name = min(self._unpublished, key=lambda one: (self._latest[one].via, one))
            self._unpublished.remove(name)
            reading = self._latest[name]
            try:
                await self._publish_state(client, reading)
            except BaseException:
                self._unpublished.add(name)
                raise

    async def _publish_state(self, client: aiomqtt.Client, reading: Reading) -> None:
        up = reading.state is State.OK
        if self._options.homeassistant and reading.name in self._described:
            await self._announce(client, self._described[reading.name])
        if up:
            await self._note_sub_device(reading)
            await self._publish(
                client, self._state_topic(reading), _json(self._message(reading)), retain=True
            )
            self._as_state.append((reading.name, milliseconds(reading.time)))
        for topic, text in (
            (self._topic(reading.name, "availability"), "online" if up else "offline"),
            (self._topic(reading.name, "connection"), str(reading.state)),
        ):
            if self._said.get(topic) != text:
                await self._publish(client, topic, text, retain=True)
                self._said[topic] = text

    async def _publish_history(self, client: aiomqtt.Client, records: Sequence[Record]) -> None:
        known = set(self._as_state)
        late = [record for record in records if (record.name, record.read_ms) not in known]
        await asyncio.gather(
            *(
                self._publish(
                    client,
                    self._topic(record.name, "history"),
                    _json({"time": rfc3339(record.time), **record.values}),
                )
                for record in late
            )
        )

    async def _announce(self, client: aiomqtt.Client, reading: Reading) -> None:
        """Tell Home Assistant the entities, if they are not the ones it was told before."""
        inverter = self._described.get(reading.via)
        identity = homeassistant.device_id(reading, inverter)
        shown = self._shown[reading.name]
        told = (identity, frozenset(shown))
        if not identity or self._announced.get(reading.name) == told:
            return
        note = f"entities {identity}"
        before = (await self._feed.notes()).get(note, "").split()
        message = homeassistant.discovery(
            reading,
            shown,
            homeassistant.Topics(
                self._state_topic(reading),
                self._topic(reading.name, "availability"),
                self._topic(reading.name, "connection"),
                self._topic("status"),
            ),
            before,
            inverter if inverter is not None and inverter.serial else None,
        )
        topic = f"{self._options.homeassistant_prefix}/device/{identity}/config"
        await self._publish(client, topic, _json(message), retain=True)
        self._announced[reading.name] = told
        if sorted(shown) != before:
            await self._feed.ack([], notes={note: " ".join(sorted(shown))})

    async def _note_sub_device(self, reading: Reading) -> None:
        """Remember a sub-device, so that a later run can say that it is gone."""
        if reading.via and reading.name not in self._noted:
            await self._feed.ack([], notes={f"{_NOTE}{reading.name}": reading.via})
            self._noted.add(reading.name)

    def _message(self, reading: Reading) -> dict[str, object]:
        faults = homeassistant.fault_values(reading)
        if self._is_as_before(reading):
            settings = self._settings.get(reading.name, {})
            return compatibility.payload(reading, settings, self._timezone) | faults
        return {"time": rfc3339(reading.time), **reading.values, **faults}

    def _state_topic(self, reading: Reading) -> str:
        if self._is_as_before(reading) and reading.serial:
            return compatibility.topic(reading.serial)
        return self._topic(reading.name, "state")

    def _is_as_before(self, reading: Reading) -> bool:
        """Whether the message is SunGather 0.5's, which knew no sub-devices."""
        return bool(self._options.compatibility) and not reading.via

    def _topic(self, *parts: str) -> str:
        return "/".join((self._options.topic, *parts))

    async def _publish(
        self, client: aiomqtt.Client, topic: str, payload: str, *, retain: bool = False
    ) -> None:
        """Returns when the broker has acknowledged the message."""
        await client.publish(topic, payload, 1, retain)
        go_on_unless_cancelled()


async def _end(tasks: Sequence["asyncio.Task[None]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _identity(topic: str) -> str:
    """The same at every start, so that the broker ends our old connection at once."""
    seed = f"{socket.gethostname()} {topic}"
    return f"sungather-{hashlib.sha256(seed.encode()).hexdigest()[:12]}"


def _json(content: Mapping[str, object]) -> str:
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False)


def _refused(where: str, error: MqttConnectError) -> Unavailable:
    code = error.rc if isinstance(error.rc, int) or error.rc is None else error.rc.value
    said = fit_to_show(str(error).partition("] ")[2] or str(error))
    if code in (4, 5, 134, 135):
        return Blocked(f"{where} refuses us ({said}). Check mqtt.username and mqtt.password.")
    return Unavailable(f"{where} refuses us ({said}).")


def _in_words(error: BaseException) -> str:
    if isinstance(error, aiomqtt.MqttError):
        text = str(error)
        return text[:1].lower() + text[1:] if text else "the connection was lost"
    return fit_to_show(in_words(error))
