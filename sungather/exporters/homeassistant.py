"""Home Assistant's MQTT discovery: the message that tells it a device and its entities.

One message a device (`<prefix>/device/<id>/config`), which Home Assistant understands since
2024.12; several where one would be too long. Pure: from a reading to the messages.
https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sungather import __version__
from sungather.exporters.homeassistant_entities import (
    FAULT,
    FAULTS,
    NO_ENTITIES,
    entity,
    platform,
)
from sungather.reading import Reading, Value

LONGEST = 64_000
"""Bytes of a message; some brokers and clients take no more than 64 kB."""
_CONNECTION = "connection"


def scalars(reading: Reading) -> Iterable[str]:
    """Names that become entities: all but lists."""
    return (
        name
        for name, one in reading.measurements.items()
        if not isinstance(one.value, list) and name not in NO_ENTITIES
    )


def fault_values(reading: Reading) -> dict[str, object]:
    """What the state message says of faults; nothing for a device that tells none."""
    faults = reading.faults
    if faults is None:
        return {}
    return {FAULT: bool(faults.active) if faults.known else None, FAULTS: faults.text}


@dataclass(frozen=True, slots=True)
class Topics:
    """Where the values and the availability of one device are."""

    state: str
    availability: str
    connection: str
    """The inverter's state in a word ("ok", "asleep", …)."""
    collector: str
    """Availability of the collector itself."""
    page: str = ""
    """Address of the page, "" if there is none."""
    base: str = ""
    """What the topics of a device begin with that is known by them, since it, or its inverter,
    has no serial number."""


def device_id(device: Reading, inverter: Reading | None = None, base: str = "") -> str:
    """Identity of a device, part of the discovery topic and of every unique id; "" for none.

    It comes from the serial number, or from `base` (see `Topics`); a sub-device of `inverter` that
    tells none of its own is known by its inverter and number.
    """
    serial = device.serial
    if inverter is not None and inverter.serial and serial in ("", inverter.serial):
        serial = f"{inverter.serial}_{_number(device)}"
    known = serial or base
    return "sungather_" + re.sub(r"[^A-Za-z0-9_-]", "_", known) if known else ""


def _number(device: Reading) -> str:
    """Such as "battery-1", of roof-battery-1, a sub-device of roof."""
    return device.name.removeprefix(f"{device.via}-")


def _device_name(device: Reading) -> str:
    inverter = device.via or device.name
    brand = "Sungrow" if inverter == "inverter" else inverter
    if device.via:
        return f"{brand} {_number(device).replace('-', ' ')}"
    return f"{brand} {device.model}" if inverter == "inverter" else brand


def discovery(
    newest: Reading,
    values: Mapping[str, Value],
    topics: Topics,
    gone: Mapping[str, str] | None = None,
    inverter: Reading | None = None,
) -> dict[str, str]:
    """The discovery messages of one inverter, or of one of its sub-devices.

    They are in Home Assistant's abbreviations, and say once what all entities share.

    Args:
        newest: tells model, serial, firmware and units.
        values: every scalar that the device has shown so far; and `FAULT` if it tells faults.
        topics: where to find the values.
        gone: entities announced by an earlier run that are to be removed, with their platforms.
        inverter: the one whose sub-device this is. It has to be announced first, since Home
            Assistant refuses devices that come by way of unknown ones.

    Returns:
        Part of the topic between `<prefix>/device/` and `/config` -> message.
    """
    identity = device_id(newest, inverter, topics.base)
    shared = {
        "dev": _device(newest, identity, topics, inverter),
        "o": {"name": "SunGather", "sw": __version__},
        "stat_t": topics.state,
        "avty": [{"t": topics.collector}, {"t": topics.availability}],
        "avty_mode": "all",
        "qos": 1,
    }
    entities = {
        name: (
            _fault(topics.state)
            if name == FAULT
            else entity(name, newest.unit(name), value, of_sub_device=bool(newest.via))
        )
        | {"uniq_id": f"{identity}_{name}", "val_tpl": _template(name, value)}
        for name, value in values.items()
    }
    entities[_CONNECTION] = {
        "p": "sensor",
        "name": "Connection",
        "uniq_id": f"{identity}_connection",
        "stat_t": topics.connection,
        "avty": [{"t": topics.collector}],
        "ent_cat": "diagnostic",
        "ic": "mdi:lan-connect",
    }
    # A component that is nothing but its platform is removed.
    removed: dict[str, dict[str, object]] = {
        name: {"p": kind} for name, kind in (gone or {}).items() if name not in entities
    }
    whole = {identity: _json({**shared, "cmps": {**entities, **removed}})}
    if _fit(whole):
        return whole
    enabled = {name: one for name, one in entities.items() if one.get("en", True)}
    others = {name: one for name, one in entities.items() if name not in enabled}
    # Home Assistant knows an entity by its message, too: one that moves to the other is new there.
    moved = {name: {"p": one["p"]} for name, one in others.items()}
    first = {identity: _json({**shared, "cmps": {**enabled, **moved, **removed}})}
    for parts in range(1, len(others) + 1):
        more = {
            f"{identity}_more{part or ''}": _json(
                {**shared, "cmps": {**dict(list(others.items())[part::parts]), **removed}}
            )
            for part in range(parts)
        }
        if _fit(more):
            return first | more
    return first


def _fit(messages: Mapping[str, str]) -> bool:
    return all(len(text.encode()) <= LONGEST for text in messages.values())


def platforms(values: Mapping[str, Value]) -> dict[str, str]:
    """Name -> platform of its entity."""
    return {name: platform(value) for name, value in values.items()}


def _device(
    newest: Reading, identity: str, topics: Topics, inverter: Reading | None
) -> dict[str, object]:
    above = topics.base.removesuffix(f"-{_number(newest)}")
    found: dict[str, object] = {
        "ids": [identity],
        "mf": "Sungrow",
        "mdl": newest.model,
        "name": _device_name(newest),
        "sn": newest.serial,
        "sw": ", ".join(sorted(newest.firmware.values())),
        "cu": topics.page,
        "via_device": device_id(inverter, base=above) if inverter is not None else "",
    }
    return {key: value for key, value in found.items() if value}


def _fault(state_topic: str) -> dict[str, object]:
    """Whether something is wrong: on, off, or unknown; the faults in words as an attribute."""
    return {
        "p": "binary_sensor",
        "name": "Fault",
        "dev_cla": "problem",
        "json_attr_t": state_topic,
        "json_attr_tpl": f"{{{{{{'faults':value_json[{FAULTS!r}]|default(none)}}|tojson}}}}",
    }


def _template(name: str, value: Value) -> str:
    """Template of a value, which may be absent; Home Assistant takes "None" for unknown."""
    found = f"value_json[{name!r}]|default(none)"
    if isinstance(value, bool):
        return f"{{{{{{true:'ON',false:'OFF'}}.get({found})}}}}"
    return f"{{{{{found}}}}}"


def _json(content: Mapping[str, object]) -> str:
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False)
