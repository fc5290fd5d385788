"""What the `mqtt` export of SunGather 0.5 becomes: its topic and its entities stay as they are."""

from typing import cast

import yaml

from sungather.options.ha_sensors import as_json
from sungather.options.migrated import Fate, Migrated, Written

_Fields = dict[str, object]
_DEFAULT = "SunGather/SERIAL"


def import_mqtt(work: Migrated, fields: _Fields) -> None:
    """Take the topic and `ha_sensors` out of `fields`."""
    topic = fields.pop("topic", None)
    work.values["mqtt.compatibility"] = "sungather-0.5"
    if topic is None or str(topic) == "":
        why = f"mqtt.compatibility: sungather-0.5 (states go to {_DEFAULT} as before)"
        work.note(Fate.CHANGED, "mqtt.topic", why)
    else:
        why = "states go there as before, with mqtt.compatibility: sungather-0.5"
        if "{serial_number}" in str(topic):
            why += "; {serial_number} is no serial number, it was not in SunGather 0.5 either"
        work.set("mqtt.topic", "mqtt.compatibility-topic", topic, why)
    sensors = fields.pop("ha_sensors", None)
    announced = fields.get("homeassistant")
    if sensors is None:
        return
    if not (announced.value if isinstance(announced, Written) else announced):
        work.drop("mqtt.ha_sensors", "homeassistant was not on, so they were not announced")
        return
    try:
        plain = as_json(sensors, _plain)
    except ValueError as error:
        work.drop("mqtt.ha_sensors", f"they cannot be announced. {error}")
        return
    text = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=10_000).strip()
    # The list of what became of each key shows no text of many lines.
    if work.set("mqtt.ha_sensors", "mqtt.ha-sensors", text, quiet=True):
        count = len(cast(list[object], sensors)) if isinstance(sensors, list) else 0
        work.note(
            Fate.KEPT, "mqtt.ha_sensors",
            f"now mqtt.ha-sensors: {count} entities, under the same identities, topics, names and "
            "templates, so their statistics go on",
        )  # fmt: skip
        fields.pop("homeassistant", None)
        work.set(
            "mqtt.homeassistant", "mqtt.homeassistant", False,
            "the entities of mqtt.ha-sensors go on; true adds ours beside them",
        )  # fmt: skip


def _plain(value: object) -> object:
    """The value as SunGather 0.5 read it, but for dates, which it could not announce."""
    if not isinstance(value, Written):
        return value
    return value.value if isinstance(value.value, (bool, int, float)) else value.text
