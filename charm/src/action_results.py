"""From the JSON of the snap's apps to what actions give and how they fail; pure."""

import json
import re
import shlex
from collections.abc import Mapping
from typing import Any, cast

import extra_options

Answer = Mapping[str, Any]
_NOT_IN_KEYS = re.compile(r"[^a-z0-9.]+")
_GOOD_STATES = ("ok", "asleep")


def summary(answer: Answer) -> dict[str, Any]:
    """Of `run-once`: whether every inverter gave a reading, and a line about each."""
    inverters = answer["inverters"]
    lines = [
        f"{one['name']}: {_model(one)}, {one['state']}, "
        f"{len(one['values'])} values in {one['requests']} requests"
        for one in inverters
    ]
    success = all(one["state"] in _GOOD_STATES for one in inverters)
    return {"success": _text(success), "summary": "; ".join(lines)}


def _model(one: Answer) -> str:
    return one.get("display_model") or one["model"] or "unknown model"


def models(answer: Answer) -> str:
    """Of `readings`: the models that are read, each once; "" if none is known."""
    found = [
        str(one.get("display_model") or one.get("model") or "") for one in answer["inverters"]
    ]
    return ", ".join(dict.fromkeys(filter(None, found)))


def by_inverter(answer: Answer) -> dict[str, Any]:
    """Everything under the inverter's name."""
    return {one["name"]: _dashed(one) for one in answer["inverters"]}


def newest_readings(answer: Answer) -> dict[str, Any]:
    """Of `readings`: the same, with all values as one JSON text each, units beside them."""
    found = [*answer["inverters"], *answer.get("devices", [])]
    kept = ("state", "time", "since", "age_s", "model", "serial", "kind", "via")
    return {
        one["name"]: _dashed({key: one[key] for key in kept if key in one})
        | {"values": json.dumps(one["values"]), "units": json.dumps(one["units"])}
        for one in found
    }


def discovered(answer: Answer, extra: str = "") -> dict[str, Any]:
    """Of `discover`: how many, each as JSON, and what to hand to `juju config` for each.

    `extra` are the application's extra-options: they hold the unit, and keep all else.
    """
    settings = [
        " ".join(
            (
                f"inverter-host={one['host']}",
                f"connection-type={one['connection']}",
                *_of_unit(one.get("unit", 1), extra),
            )
        )
        for one in answer["found"]
    ]
    return {
        "networks": " ".join(answer["networks"]),
        "count": len(answer["found"]),
        "found": json.dumps(answer["found"]),
        "settings": "\n".join(settings),
    }


def _of_unit(unit: int, extra: str) -> list[str]:
    """The setting of the unit, if it is not what the options say."""
    longer = extra_options.with_option(extra, "inverter.unit", str(unit), usual="1")
    return [f"extra-options={shlex.quote(longer)}"] if longer != extra else []


def failure(answer: Answer) -> str:
    """What is wrong with the inverters, in sentences; "" if nothing."""
    return " ".join(
        f"{one['name']}: {one['error']['message']}"
        for one in answer.get("inverters", [])
        if one.get("error") and one.get("state") not in _GOOD_STATES
    )


def _dashed(answer: Answer) -> dict[str, Any]:
    """Keys as action results take them; what is not known is left out."""
    results: dict[str, Any] = {}
    for key, value in answer.items():
        name = _NOT_IN_KEYS.sub("-", key.lower()).strip("-.")
        if isinstance(value, dict):
            if inner := _dashed(cast("dict[str, Any]", value)):
                results[name] = inner
        elif value is not None:
            results[name] = _text(value)
    return results


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
