"""MQTT: the present as retained state, what was missed on a history topic, Home Assistant.

Topics below `mqtt.topic`, every message with QoS 1. NAME is the name of an inverter or of a
sub-device; an inverter that nobody named has its serial number there. CLIENT is the client id:
    status/CLIENT         "online" or "offline": the daemon itself, also as its last will
    NAME/availability     "online" while the inverter gives readings or sleeps, else "offline"
    NAME/connection       the inverter's state in a word
    NAME/state            the newest values, one flat JSON object with "time", "serial", "fault", …
    NAME/values/VALUE     with mqtt.value-topics: each of these alone, as a plain number or text
    NAME/arrays           the inverter's own history, one JSON object, each time that it was read
    money/CLIENT          with prices: what the energy of all inverters costs and saves
    NAME/history          not retained: values that could not be delivered when they were new
    plant/CLIENT/…        of several inverters: what they do together, as if it were one more
"""

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from datetime import tzinfo
from typing import Any, TypeVar

import aiomqtt

from sungather.back_off import Sleep
from sungather.clock import Clock
from sungather.exporters import compatibility, homeassistant
from sungather.exporters.delivery import LONGEST_WAIT, DeliveryLoop, end, go_on_unless_cancelled
from sungather.exporters.mqtt_broker import Broker, refusal
from sungather.exporters.mqtt_client import MqttClient
from sungather.exporters.mqtt_discovery import Discovery
from sungather.exporters.mqtt_identity import known_client_id, new_client_id
from sungather.exporters.mqtt_late import LateReadings
from sungather.exporters.mqtt_layout import (
    DeviceTopics,
    arrays_of,
    as_json,
    in_topic,
    place_of,
    shown_of,
    state_of,
)
from sungather.exporters.mqtt_money import MoneyMessages
from sungather.exporters.mqtt_plant import WholePlant
from sungather.exporters.mqtt_retained import AT_ONCE, DeviceRecord, Retained
from sungather.exporters.mqtt_watch import TopicWatch
from sungather.options.all_options import MqttOptions
from sungather.options.ha_sensors import parse_ha_sensors
from sungather.options.patterns import value_filter
from sungather.outbox import Feed, Record
from sungather.reading import Reading, State, Value
from sungather.site import AUTO

log = logging.getLogger(__name__)

T = TypeVar("T")

TIMEOUT = 10.0
"""Seconds that the broker has for an acknowledgement."""
_STATUS_NOTE = "status"


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
        here: str = "",
        shows: bool = True,
        page: tuple[str, int] | None = None,
        *,
        priced: bool = False,
        meter: str = AUTO,
    ) -> None:
        super().__init__("mqtt", feed, clock, sleep)
        self._options = options
        self._clock = clock
        self._timezone = timezone
        self._settings = settings
        """Inverter name -> its settings as SunGather 0.5 called them."""
        self._plant = WholePlant(settings, meter)
        self._here = here
        """See `mqtt_identity.fingerprint`."""
        self._shows = shows
        """Whether it speaks for the inverters; else it delivers what is owed, and another does."""
        self._discovery = Discovery(options.homeassistant_prefix, page)
        self._broker = Broker(options, timeout)
        self._news = asyncio.Event()
        """There may be something new to show."""
        self._sensors = parse_ha_sensors(options.ha_sensors) if options.ha_sensors else []
        self._wanted = value_filter(options.include, options.exclude)
        self._late = LateReadings(self._wanted, self._place_of_record)
        self.money = MoneyMessages(options, feed, self._wanted, self._news.set, priced=priced)
        self._client_id = ""
        self._old_status = ""
        """Our own topic as it was noted last; "" if it never was."""
        self._latest: dict[str, Reading] = {}
        self._unpublished: set[str] = set()
        self._shown: dict[str, dict[str, Value]] = {}
        """Scalars that each inverter has shown so far: its entities."""
        self._described: dict[str, Reading] = {}
        """The newest reading with values of each: what the entities are made from."""
        self._arrays: dict[str, dict[str, object]] = {}
        self._serials: dict[str, str] = {}
        """Inverter name -> serial number, as soon as it is known."""
        self._retained = Retained(feed)
        self._watch = TopicWatch("")

    # -- service --------------------------------------------------------------------------

    def on_reading(self, reading: Reading) -> None:
        """The newest reading becomes the state as soon as the broker is there."""
        self._take(reading)
        if (whole := self._plant.after(reading)) is not None:
            self._take(whole)

    def _take(self, reading: Reading) -> None:
        name = reading.name
        self._latest[name] = reading
        self._unpublished.add(name)
        if reading.state is State.OK:
            self._described[name] = reading
            self._arrays.setdefault(name, {}).update(arrays_of(reading, self._wanted))
        if reading.serial and not reading.via:
            self._serials[name] = reading.serial
        self._shown.setdefault(name, {}).update(shown_of(reading, self._wanted))
        self._news.set()

    # -- connection -----------------------------------------------------------------------

    async def step(self) -> float:
        """Stay connected until the connection breaks."""
        if not self._client_id:
            await self._take_up_notes()
        status = f"{self._options.topic}/status/{in_topic(self._client_id)}"
        async with self._broker.connected(self._client_id, status, AT_ONCE) as client:
            await self._work(client, status)
        return 0.0

    async def _take_up_notes(self) -> None:
        """What earlier runs have noted in this storage directory on this machine."""
        notes = await self._feed.notes()
        made = known_client_id(notes, self._here)
        if not made:
            made, changes = new_client_id(notes, self._here)
            await self._feed.ack([], notes=changes)
            notes = {}
        self._client_id = self._options.client_id or made
        self._old_status = notes.get(_STATUS_NOTE, "")
        self._retained.load(notes)
        self.money.load(notes, self._client_id)
        for name, record in self._retained.records.items():
            if not record.via:
                self._serials.setdefault(name, record.serial)

    async def _work(self, client: MqttClient, status: str) -> None:
        """Everything between connect and disconnect; ends with the connection's error."""
        go_on_unless_cancelled()
        self._retained.said.clear()
        self._watch = TopicWatch(status, self._options.password)
        self._discovery.connected(status, client.own_address)
        self.money.connected(status, self._discovery.page)
        tasks = [
            asyncio.create_task(self._listen(client)),
            asyncio.create_task(self._send(client)),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await end(tasks)
            # A clean disconnect triggers no last will, so the good-bye is said here.
            with suppress(aiomqtt.MqttError):
                await client.publish(status, "offline", 1, retain=True, timeout=1.0)
            raise
        await end(tasks)
        for task in done:
            task.result()

    def _say_everything_again(self) -> None:
        """A broker without persistence, or a new Home Assistant, knows nothing of us."""
        self._retained.said.clear()
        self.money.forget()
        self._unpublished.update(self._latest)
        self._news.set()

    async def _listen(self, client: MqttClient) -> None:
        """Home Assistant's birth message, our own last will when it comes late, and strangers."""
        birth = f"{self._options.homeassistant_prefix}/status"
        async for message in client.messages:
            topic, content, live = str(message.topic), message.payload, not message.retain
            self.money.hear(topic, content, live=live)
            if topic == self._watch.status:
                if content == b"offline":
                    # The broker has just noticed that an earlier connection of ours is gone.
                    await client.send(topic, "online", retain=True)
                elif live:
                    self._watch.hears_itself()
            elif topic == birth:
                if content == b"online" and live:
                    self._say_everything_again()
            elif self._watch.hear(topic, content, live=live):
                self._say_everything_again()

    async def _send(self, client: MqttClient) -> None:
        began = self._clock.monotonic()
        await client.subscribe(self._watch.status, 1)
        if self._options.homeassistant or self._sensors:
            await client.subscribe(f"{self._options.homeassistant_prefix}/status", 1)
        await client.send(self._watch.status, "online", retain=True)
        if self._old_status != self._watch.status:
            if self._old_status:
                await client.send(self._old_status, "", retain=True)
            self._old_status = self._watch.status
            await self._feed.note({_STATUS_NOTE: self._old_status})
        if self._shows:
            await self._leave_former_places(client)
        self._say_everything_again()
        while True:
            records = await self._while_showing(client, self._feed.batch(AT_ONCE), began)
            rejected = await self._late.publish(client, records)
            await self._while_showing(client, self._feed.ack(records, rejected), began)

    async def _while_showing(
        self, client: MqttClient, work: Coroutine[Any, Any, T], began: float
    ) -> T:
        """Publish states while the outbox works, whose disk may hang.

        What has come until it answers is news, not history.
        """
        task = asyncio.create_task(work)
        task.add_done_callback(lambda _: self._news.set())
        try:
            while True:
                self._news.clear()
                await self._publish_states(client)
                if self._shows:
                    await self.money.publish(client)
                if said := f"{self._watch.complaints()} {refusal(client)}".strip():
                    self._status.trouble("blocked", said)
                else:
                    self._status.works()
                # A client that is thrown out at once, again and again, comes back more slowly.
                if self._clock.monotonic() - began >= LONGEST_WAIT:
                    self._back_off.reset()
                if task.done():
                    return task.result()
                await self._news.wait()
        finally:
            task.cancel()

    # -- messages -------------------------------------------------------------------------

    async def _publish_states(self, client: MqttClient) -> None:
        while self._unpublished:
            # Inverters first: Home Assistant has to know them before their sub-devices.
            name = min(self._unpublished, key=lambda one: (self._latest[one].via, one))
            self._unpublished.remove(name)
            try:
                await self._publish_state(client, self._latest[name])
            except BaseException:
                self._unpublished.add(name)
                raise

    async def _publish_state(self, client: MqttClient, reading: Reading) -> None:
        serial = self._serials.get(reading.via or reading.name, "")
        if not serial and reading.state is State.OK and not reading.via:
            serial = self._serials[reading.name] = self._client_id  # it has none
        place = await self._own_place(client, reading.name, reading.via, serial)
        if place is None:
            return
        # Of one that sleeps, values that nobody knows are removed; else only a whole reading
        # tells what is no more.
        whole = {State.OK: "", State.ASLEEP: place.value("")}.get(reading.state)
        messages = self._messages(reading, place)
        told = homeassistant.platforms(self._shown[reading.name])
        entities = told if self._options.homeassistant else {}
        record = DeviceRecord(serial, reading.via, place.base, set(), entities)
        await self._retained.say(client, reading.name, record, messages, whole)
        if reading.state is State.OK:
            if not any(one.startswith(f"{place.base}/") for one in client.refused):
                self._late.was_shown(reading)
            await self._remove_leftovers(client)

    async def _own_place(
        self, client: MqttClient, name: str, via: str, serial: str
    ) -> DeviceTopics | None:
        """The place of a device; None while nobody knows whose it is, or another is there."""
        topic, inverter = self._options.topic, via or name
        if not serial:
            return None
        record = self._retained.records.get(inverter)
        mine = (serial, record.serial) if record else (serial,)
        claims = place_of(inverter, "", topic, serial).claims
        if self._options.as_before:
            claims += (compatibility.topic(serial, self._options.compatibility_topic),)
        if await self._watch.is_taken(client, inverter, claims, mine):
            return None
        return place_of(name, via, topic, serial)

    def _messages(self, reading: Reading, place: DeviceTopics) -> dict[str, str]:
        """Topic -> what is to be retained there, of the device as it is now."""
        options, found = self._options, dict[str, str]()
        before = self._described.get(reading.name)
        if options.homeassistant and before is not None:
            record = self._retained.records.get(reading.name)
            found |= self._discovery.messages(
                before,
                self._described.get(reading.via),
                self._shown[reading.name],
                place,
                record.entities if record else {},
            )
        up = reading.state in (State.OK, State.ASLEEP)
        if up:
            content = state_of(
                reading, before, self._timezone, self._wanted,
                self._serials.get(reading.name, ""), zero_at_night=options.zero_at_night,
            )  # fmt: skip
            whole = options.value_topics != "only" or options.homeassistant
            found |= place.messages(content, whole=whole, each=options.value_topics != "false")
        if options.as_before and before is not None and before.is_inverter and not reading.via:
            settings = self._settings.get(reading.name, {})
            found |= compatibility.messages(
                options, self._sensors, settings, reading, before, self._timezone
            )
        if arrays := self._arrays.get(reading.name):
            found[place.topic("arrays")] = as_json(arrays)
        found[place.topic("availability")] = "online" if up else "offline"
        found[place.topic("connection")] = str(reading.state)
        return found

    async def _place_of_record(self, client: MqttClient, record: Record) -> DeviceTopics | None:
        serial = self._serials.get(record.via or record.name, "") or record.serial
        return await self._own_place(client, record.name, record.via, serial or self._client_id)

    # -- what is no more ------------------------------------------------------------------

    async def _leave_former_places(self, client: MqttClient) -> None:
        """What the broker still holds of an earlier run is not the present."""
        named = self._plant.names | self._latest.keys()
        for name, record in list(self._retained.records.items()):
            inverter = self._retained.records.get(record.via, record)
            claims = DeviceTopics(inverter.base).claims
            mine = (inverter.serial,)
            if (record.via or name) in named:
                taken = await self._watch.is_taken(client, record.via or name, claims, mine)
                if name not in self._latest and not taken:
                    availability = DeviceTopics(record.base).topic("availability")
                    await client.send(availability, "offline", retain=True)
                continue
            if not await self._watch.is_foreign(client, claims, mine):
                await self._retained.remove(client, record.below)
            await self._retained.forget(name, record.below)

    async def _remove_leftovers(self, client: MqttClient) -> None:
        """Remove from Home Assistant what is gone, as soon as it is known what is there.

        An inverter that only has another name keeps its entities, and one that another daemon
        reads now is that daemon's.
        """
        if not self._retained.are_whole(self._settings):
            return
        named = self._settings.keys() | self._latest.keys()
        for name, record in list(self._retained.records.items()):
            if (record.via or name) in named:
                continue
            left = record.topics - self._retained.said.keys()
            heard = await self._watch.look(client, left) if left else {}
            ours = [one for one in left if self._watch.status.encode() in heard[one]]
            await self._retained.remove(client, ours)
            await self._retained.forget(name, record.topics)
