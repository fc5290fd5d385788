"""What is published of an inverter or a sub-device over MQTT, and under which topics. Pure."""

import ipaddress
import json
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import cast

from sungather.exporters import homeassistant
from sungather.exporters.homeassistant_entities import FAULT
from sungather.reading import Reading, State, Value, rfc3339
from sungather.untrusted import parsed_json

UNNAMED = "inverter"
"""Name of an inverter that nobody named; its topics are under its serial number instead."""
WHOLE_PLANT = "Whole plant"
"""Name of what several inverters do together: no inverter can have it."""
COLLECTOR = "collector"
"""Key of the state of a device that has no serial number: the client id of who reads it."""
_SHORTEST = 10
"""Characters of the serial number that SunGather 0.5 read."""
_ASLEEP: Mapping[str, Value] = {
    "system_state": "asleep", "work_state_1": "asleep", "work_state_2": "asleep",
    "run_state": "OFF",
}  # fmt: skip
_OF_THE_SUN = ("pv_power", "total_dc_power")
_OF_A_STRING_INVERTER = ("total_active_power", "total_apparent_power")
_TOTALS = ("pv_energy_total", "total_power_yields", "total_pv_generation")
_OF_TODAY = ("pv_energy_today", "daily_power_yields", "daily_pv_generation")


@dataclass(frozen=True, slots=True)
class DeviceTopics:
    """Where the messages of one inverter or sub-device are."""

    base: str

    def topic(self, *parts: str) -> str:
        """A topic of it."""
        return "/".join((self.base, *parts))

    @property
    def state(self) -> str:
        """The newest values as one JSON object."""
        return self.topic("state")

    def value(self, name: str) -> str:
        """The topic of one value."""
        return self.topic("values", in_topic(name))

    def messages(
        self, content: Mapping[str, object], *, whole: bool, each: bool
    ) -> dict[str, str]:
        """Topic -> message of a state, as a `whole` and `each` value that is known alone."""
        found = {self.state: as_json(content)} if whole else {}
        if each:
            texts = {self.value(name): plain(value) for name, value in content.items()}
            found |= {topic: text for topic, text in texts.items() if text}
        return found

    @property
    def claims(self) -> tuple[str, ...]:
        """The retained topics that tell whose messages are here."""
        return self.state, self.value("serial"), self.value(COLLECTOR)


def page_url(page: tuple[str, int] | None, own_address: str) -> str:
    """Address of the page for whoever sees our messages; "" where there is no page.

    Args:
        page: its host, "" for every address of the machine, and its port.
        own_address: that by which this machine talks to the broker.
    """
    if page is None:
        return ""
    host = page[0] or own_address
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return f"http://{host or socket.gethostname()}:{page[1]}/"
    if address.is_unspecified or address.is_loopback:
        return f"http://{socket.gethostname()}:{page[1]}/"
    return f"http://{f'[{host}]' if address.version == 6 else host}:{page[1]}/"


def in_topic(text: str) -> str:
    """The text as one level of a topic."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", text)


def place_of(name: str, via: str, topic: str, serial: str) -> DeviceTopics:
    """DeviceTopics of a device below `topic`, with the serial number of the inverter.

    `via` is the inverter's name if the device is a sub-device of it. A plant belongs to the
    collector that adds it up.
    """
    if name == WHOLE_PLANT:
        return DeviceTopics(f"{topic}/plant/{in_topic(serial)}")
    inverter = via or name
    own = in_topic(serial) if inverter == UNNAMED else inverter
    return DeviceTopics(f"{topic}/{own}{name.removeprefix(inverter)}")


def serial_in(payload: bytes) -> str:
    """Whose message this is: the serial number that a state of ours or of 0.5 tells, or "".

    For a device that has none it is the client id of the collector that reads it.
    """
    text = payload.decode("utf-8", "replace")
    try:
        content = parsed_json(text)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        return text[:100]
    known = cast(dict[str, object], content)
    told = (known.get(key) for key in ("serial", "serial_number", COLLECTOR))
    return next((str(one) for one in told if one), "")


def is_another(serial: str, own: str) -> bool:
    """Whether both are serial numbers, and of different devices; 0.5 knew their beginning."""
    if not serial or not own:
        return False
    return serial[:_SHORTEST] != own[:_SHORTEST] if len(serial) <= _SHORTEST else serial != own


def as_json(content: Mapping[str, object]) -> str:
    """One line of JSON without blanks."""
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False)


def plain(value: object) -> str:
    """A value as the whole message of its own topic; "" for one that is not known."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def state_of(
    reading: Reading,
    before: Reading | None,
    timezone: tzinfo,
    wanted: Callable[[str], bool],
    collector: str = "",
    *,
    zero_at_night: bool,
) -> dict[str, object]:
    """The wanted newest values with time, serial number and faults, but no history arrays.

    `before` is the newest reading with values: of an inverter that sleeps it says what the night
    leaves as it was. `collector` is who is told in the place of a serial number.
    """
    if reading.state is State.OK:
        values = {
            name: one.value
            for name, one in reading.measurements.items()
            if not isinstance(one.value, list)
        }
    else:
        values = _at_night(reading, before, timezone, zero_at_night=zero_at_night)
    faults = homeassistant.fault_values(reading)
    serial = reading.serial or (before.serial if before else "")
    chosen = {name: value for name, value in values.items() if wanted(name)}
    known: dict[str, object] = {"time": rfc3339(reading.time), "serial": serial}
    if not serial and not reading.via and reading.state is State.OK:
        known[COLLECTOR] = collector
    return {**known, **chosen, **faults}


def shown_of(reading: Reading, wanted: Callable[[str], bool]) -> dict[str, Value]:
    """The wanted scalars, and whether there is a fault: what becomes entities."""
    known = reading.measurements
    found = {name: known[name].value for name in homeassistant.scalars(reading) if wanted(name)}
    if reading.faults is not None:
        found[FAULT] = bool(reading.faults.active)
    return found


def arrays_of(reading: Reading, wanted: Callable[[str], bool]) -> dict[str, object]:
    """The inverter's own history with the time of this reading, if the reading has read it."""
    found = {
        name: one.value
        for name, one in reading.measurements.items()
        if isinstance(one.value, list) and one.fresh and wanted(name)
    }
    return {"time": rfc3339(reading.time), **found} if found else {}


def _at_night(
    reading: Reading, before: Reading | None, timezone: tzinfo, *, zero_at_night: bool
) -> dict[str, Value]:
    """What is known of an inverter that sleeps: its solar counters stand still.

    Its solar power is 0 then, which is said if `zero_at_night`. Energy of today is that of the
    day that the last reading was of, so it is not known after midnight.
    """
    if reading.via:
        return {}
    old: Mapping[str, Value] = before.values if before else {}
    found = {name: word for name, word in _ASLEEP.items() if name in old}
    if zero_at_night:
        silent = _OF_THE_SUN
        if reading.family.startswith("SG") or (before and before.family.startswith("SG")):
            silent += _OF_A_STRING_INVERTER
        found |= {name: 0 for name in silent if name == "pv_power" or name in old}
    kept = _TOTALS
    if before and _day(before, timezone) == _day(reading, timezone):
        kept += _OF_TODAY
    return found | {name: old[name] for name in kept if name in old}


def _day(reading: Reading, timezone: tzinfo) -> object:
    return reading.time.astimezone(timezone).date()
