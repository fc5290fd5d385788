"""From the configuration file of SunGather 0.5 to ours, with a word on every key.

Pure: text in, text out. Everything that 0.5 knew is in the tables below.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import cast

import yaml

from sungather.errors import OptionsError
from sungather.options.check import check
from sungather.options.file import LARGEST, render
from sungather.options.keys import option
from sungather.options.option import OptionValue
from sungather.options.values import text_of


class Fate(StrEnum):
    """What became of a key."""

    KEPT = "kept"
    CHANGED = "changed"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Note:
    """One line of the list for the person."""

    fate: Fate
    key: str
    """The key in the old file, such as "inverter.slave" or "mqtt.ha_sensors"."""
    text: str
    """What it is now, or why it is gone; never the value of a secret."""


@dataclass(frozen=True, slots=True)
class Imported:
    """The new file, and how it came about."""

    text: str = field(repr=False)
    """YAML, with the secrets of the old file."""
    notes: tuple[Note, ...] = ()


def _names(group: str, same: str, **others: str) -> Mapping[str, str]:
    """Keys of 0.5 -> our options: `same` but for dashes, and those with another name."""
    return {key: f"{group}.{key.replace('_', '-')}" for key in same.split()} | others


_INVERTER = _names(
    "inverter",
    "host port timeout retries scan_interval connection model level",
    slave="inverter.unit",
    log_console="log.level",
)
_EXPORTS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "console": ("console", {}),
    "webserver": ("web", _names("web", "port")),
    "mqtt": ("mqtt", _names("mqtt", "host port client_id topic username password homeassistant")),
    "influxdb": ("influxdb", _names("influxdb", "url token username password org bucket")),
    "pvoutput": ("pvoutput", {"api": "pvoutput.api-key", "sid": "pvoutput.system-id"}),
}
"""Name of an export -> our group and the keys that only have another name."""
_GONE: Mapping[str, str] = {
    "inverter.serial": "the serial number is read from the inverter",
    "inverter.use_local_time": "times are always right: UTC inside, site.timezone for days",
    "inverter.log_file": "the log goes to standard error, and from there to the journal",
    "influxdb.measurements": "every value is written, as a field of influxdb.measurement, with "
    "serial, model and name as tags and its own time",
    "mqtt.ha_sensors": "every value becomes an entity of Home Assistant by itself",
    "pvoutput.join_team": "nobody is joined to a team",
    "pvoutput.rate_limit": "the limit is learned from PVOutput",
    "pvoutput.batch_points": "live intervals go at once, missed ones in batches",
}
_DEFAULT_TOPIC = "SunGather/"
_Fields = Mapping[str, object]


class _Import:
    def __init__(self) -> None:
        self.values: dict[str, OptionValue] = {}
        self.notes: list[Note] = []

    def note(self, fate: Fate, key: str, text: str) -> None:
        self.notes.append(Note(fate, key, text))

    def set(self, old: str, new: str, value: object, why: str = "") -> None:
        """Take a value over, if the option takes it."""
        row = option(new)
        if row is None:
            self.note(Fate.DROPPED, old, "there is no such option any more")
            return
        if isinstance(value, (list, dict)) or value is None:
            self.note(Fate.DROPPED, old, "it has no value that can be taken over")
            return
        text = text_of(cast(OptionValue, value))
        wrong = [one for one in check({new: text}, need_inverter=False).problems
                 if not one.missing and one.key == new]  # fmt: skip
        if wrong:
            self.note(Fate.DROPPED, old, wrong[0].message)
            return
        self.values[new] = text if row.secret or row.kind.is_text else cast(OptionValue, value)
        shown = "(secret)" if row.secret else text
        if why:
            self.note(Fate.CHANGED, old, f"{new}: {shown} ({why})")
        elif new == old:
            self.note(Fate.KEPT, old, f"{new}: {shown}")
        else:
            self.note(Fate.KEPT, old, f"now {new}: {shown}")

    def carry_over(self, prefix: str, fields: _Fields, names: Mapping[str, str]) -> None:
        """Keys whose meaning is another one now, those with another name, those that are gone."""
        for key, value in fields.items():
            old = f"{prefix}.{key}"
            match old, value:
                case "inverter.smart_meter", True:
                    self.set(old, "inverter.smart-meter", "true")
                case "inverter.smart_meter", _:
                    text = "inverter.smart-meter: auto (the inverter is asked)"
                    self.note(Fate.CHANGED, old, text)
                case "inverter.level", 0:
                    self.set(old, old, 1, "1 is the lowest level")
                case "mqtt.port", 8883:
                    self.set(old, old, value)
                    self.set(old, "mqtt.tls.enabled", True, "port 8883 meant TLS")
                case "mqtt.topic", _:
                    if not str(value).startswith(_DEFAULT_TOPIC):
                        self.set(old, old, value, "states are on TOPIC/NAME/state below it now")
                case "pvoutput.cumulative_flag", _:
                    why = "the values that belong to it are chosen by themselves"
                    self.set(old, "pvoutput.cumulative", value in (1, 2, 3), why)
                case "pvoutput.parameters", _:
                    self._parameters(value)
                case _ if key in names:
                    self.set(old, names[key], value)
                case _:
                    gone = _GONE.get(old, "SunGather 0.5 had no such key either")
                    self.note(Fate.DROPPED, old, gone)

    def _parameters(self, value: object) -> None:
        for entry in _dicts(value):
            name, register = str(entry.get("name", "")), str(entry.get("register", ""))
            old = f"pvoutput.parameters.{name}"
            if option(f"pvoutput.{name}") is None:
                why = "v1 to v4 are the household figures now" if name[:1] == "v" else "not sent"
                self.note(Fate.DROPPED, old, why)
            elif entry.get("multiple", 1) != 1:
                self.set(old, f"pvoutput.{name}", register, "without its factor")
            else:
                self.set(old, f"pvoutput.{name}", register)


def import_config(content: bytes) -> Imported:
    """The file of SunGather 0.5 as ours.

    Raises:
        OptionsError: it is no file of SunGather 0.5; with one sentence.
    """
    old = _read(content)
    work = _Import()
    inverter = old.get("inverter")
    if isinstance(inverter, dict):
        fields = _named(cast(dict[object, object], inverter))
        if fields.get("connection") == "http" and fields.pop("port", None) is not None:
            work.note(Fate.DROPPED, "inverter.port", "with connection http the port is found out")
        work.carry_over("inverter", fields, _INVERTER)
    for entry in _dicts(old.get("exports")):
        name = str(entry.pop("name", ""))
        if name not in _EXPORTS:
            work.note(Fate.DROPPED, f"exports.{name}", "SunGather 0.5 had no such export either")
            continue
        group, names = _EXPORTS[name]
        enabled = bool(entry.pop("enabled", False))
        work.set(f"{name}.enabled", f"{group}.enabled", enabled)
        work.carry_over(name, entry, names)
        if name == "mqtt" and str(entry.get("topic", _DEFAULT_TOPIC)).startswith(_DEFAULT_TOPIC):
            work.values["mqtt.compatibility"] = "sungather-0.5"
            work.note(
                Fate.CHANGED,
                "mqtt.topic",
                "mqtt.compatibility: sungather-0.5 (keeps the topic SunGather/SERIAL)",
            )
    if "web.enabled" not in work.values:
        work.values["web.enabled"] = False
        work.note(Fate.CHANGED, "exports", "web.enabled: false (there was no webserver)")
    for key in old.keys() - {"inverter", "exports"}:
        work.note(Fate.DROPPED, key, "SunGather 0.5 had no such key either")
    return Imported(render(work.values), tuple(work.notes))


def _read(content: bytes) -> dict[str, object]:
    if len(content) > LARGEST:
        raise OptionsError([f"The file has more than {LARGEST // 1024} kB: it is something else."])
    try:
        loaded = cast(object, yaml.safe_load(content))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if isinstance(mark, yaml.Mark) else ""
        raise OptionsError([f"The file is not valid YAML{where}."]) from None
    if not isinstance(loaded, dict) or not {"inverter", "exports"} & loaded.keys():
        raise OptionsError(
            ["This is no file of SunGather 0.5: it has neither 'inverter:' nor 'exports:'."]
        )
    return _named(cast(dict[object, object], loaded))


def _named(fields: Mapping[object, object]) -> dict[str, object]:
    return {str(key): value for key, value in fields.items()}


def _dicts(value: object) -> Iterable[dict[str, object]]:
    entries = cast(list[object], value) if isinstance(value, list) else []
    for entry in entries:
        if isinstance(entry, dict):
            yield _named(cast(dict[object, object], entry))
