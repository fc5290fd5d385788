"""The option `mqtt.ha-sensors`: entities of Home Assistant as SunGather 0.5 had them. Pure."""

import math
import re
from collections.abc import Callable
from typing import cast

import yaml

from sungather.options.values import CONTROL

_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")
_LONGEST_NAME = 250
_PLATFORM = re.compile(r"[a-z_]{1,40}")
_OURS = frozenset({"register", "sensor_type", "unique_id", "unit_of_measurement", "device"})
"""What SunGather 0.5 read itself, or set itself whatever it was told."""
_MOST_VALUES = 10_000
_DEEPEST = 20


def parse_ha_sensors(text: str) -> list[dict[str, object]]:
    """The sensors, each with a name, a sensor_type and whatever Home Assistant takes.

    Args:
        text: YAML or JSON, a list in the form of `ha_sensors` of SunGather 0.5.

    Raises:
        ValueError: with what is wrong.
    """
    try:
        entries = cast(object, yaml.safe_load(text))
    except (yaml.YAMLError, ValueError, RecursionError):
        raise ValueError("It is not valid YAML") from None
    if not isinstance(entries, list):
        raise ValueError("It is no list")  # noqa: TRY004
    plain = cast(list[object], as_json(cast(object, entries)))
    return [_sensor(entry, number) for number, entry in enumerate(plain, 1)]


def as_json(value: object, leaf: Callable[[object], object] = lambda one: one) -> object:
    """The value as JSON can have it; `leaf` is applied to whatever holds no others.

    Raises:
        ValueError: it holds what JSON has not, such as a date, or too much: what YAML refers to
            with * counts each time, and may hold itself.
    """
    count = 0

    def plain(one: object, depth: int) -> object:
        nonlocal count
        count += 1
        if count > _MOST_VALUES or depth > _DEEPEST:
            raise ValueError("It holds too much")
        if isinstance(one, dict):
            entries = cast(dict[object, object], one).items()
            return {str(plain(key, depth + 1)): plain(inner, depth + 1) for key, inner in entries}
        if isinstance(one, list):
            return [plain(value, depth + 1) for value in cast(list[object], one)]
        single = leaf(one)
        if isinstance(single, str):
            if CONTROL.search(single.replace("\t", "").replace("\n", "")):
                raise ValueError("It holds a text with control characters")
        elif not isinstance(single, (bool, int, float)) and single is not None:
            raise ValueError("It holds what is neither text, number nor switch: put it in quotes")
        elif isinstance(single, float) and not math.isfinite(single):
            raise ValueError("It holds a number without a value, such as .inf")
        return single

    return plain(value, 0)


def _sensor(entry: object, number: int) -> dict[str, object]:
    if not isinstance(entry, dict):
        raise ValueError(f"Sensor {number} holds no keys")  # noqa: TRY004
    found = cast(dict[str, object], entry)
    name, platform = found.get("name"), found.get("sensor_type")
    if (
        not isinstance(name, str)
        or not 0 < len(name) <= _LONGEST_NAME
        or set(name) & set("+#\t\n")
    ):
        raise ValueError(f"Sensor {number} needs a name, on one line and without + and #")
    if not isinstance(platform, str) or not _PLATFORM.fullmatch(platform):
        raise ValueError(f"Sensor {number} needs a sensor_type, such as sensor")
    if not _NAME.fullmatch(str(found.get("register") or "none")):
        raise ValueError(f"Sensor {number} has a register that is no name")
    return found


def discovery_of(sensor: dict[str, object], unit: str) -> dict[str, object]:
    """What SunGather 0.5 passed on to Home Assistant of a sensor, without its device.

    `unit` is that of the sensor's register, "" for none. Home Assistant refuses a template for
    the last reset of what only ever grows, so that is left out.
    """
    register = sensor.get("register")
    found: dict[str, object] = {}
    if register:
        found["value_template"] = f"{{{{ value_json.{register} }}}}"
    found |= {key: value for key, value in sensor.items() if value and key not in _OURS}
    if found.get("state_class") == "total_increasing":
        found.pop("last_reset_value_template", None)
    if unit:
        found["unit_of_measurement"] = unit
    return found


def cleaned(name: str) -> str:
    """A sensor's name as SunGather 0.5 had it in topics and identities."""
    return name.lower().replace(" ", "_")
