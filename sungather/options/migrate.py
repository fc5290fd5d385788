"""From the configuration file of SunGather 0.5 to ours, with a word on every key.

Pure: text in, text out. What 0.5 knew is in the tables below; `migrated.py` notes what became of
it, and `migrate_pvoutput.py` has the part that means something else now.
"""

import re
from collections.abc import Mapping
from typing import cast

import yaml

from sungather.errors import OptionsError
from sungather.options.all_options import GROUPS
from sungather.options.file import LARGEST, decoded
from sungather.options.migrate_mqtt import import_mqtt
from sungather.options.migrate_pvoutput import import_pvoutput
from sungather.options.migrated import Fate, Imported, Migrated, Note, Written
from sungather.registers.published import names_of_inverters

__all__ = ["Fate", "Imported", "Note", "import_config"]


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
    "mqtt": ("mqtt", _names("mqtt", "host port client_id username password homeassistant")),
    "influxdb": ("influxdb", _names("influxdb", "url token username password org bucket")),
    "pvoutput": ("pvoutput", {"api": "pvoutput.api-key", "sid": "pvoutput.system-id"}),
}
"""Name of an export -> our group and the keys that only have another name."""
_GONE: Mapping[str, str] = {
    "inverter.serial": "the serial number is read from the inverter",
    "inverter.use_local_time": "times are always right: UTC inside, site.timezone for days",
    "inverter.log_file": "the log goes to standard error, and from there to the journal",
    "influxdb.measurements": "every value is written, with serial, model and name as tags and its "
    "own time; influxdb.include chooses some",
    "pvoutput.join_team": "nobody is joined to a team",
    "pvoutput.rate_limit": "the limit is learned from PVOutput",
    "pvoutput.batch_points": "live intervals go at once, missed ones in batches",
}
_UNKNOWN = "SunGather 0.5 had no such key either"
_MOST_VALUES = 20_000
_DEFAULT_URL = "http://localhost:8086"
_HOST_AND_PORT = re.compile(r"(?:[a-z]+://)?([^/:@]+):(\d{1,5})/?")
_ONLY_IN_HOME_ASSISTANT = re.compile(
    r"(core|addon|local|[0-9a-f]{8})[-_][a-z0-9_-]+|homeassistant|hassio|supervisor"
)
"""Names of add-ons in the network that Home Assistant makes for them."""

_Fields = dict[str, object]


def import_config(content: bytes) -> Imported:
    """The file of SunGather 0.5 as ours.

    Raises:
        OptionsError: it is no file of SunGather 0.5; with one sentence.
    """
    old = _read(content)
    work = Migrated()
    inverter = old.pop("inverter", {})
    if not isinstance(inverter, dict):
        work.drop("inverter", "it holds no keys")
        inverter = {}
    _inverter(work, _named(cast(dict[object, object], inverter)))
    for name, entry in _exports(work, old.pop("exports", [])).items():
        _export(work, name, entry)
    if "web.enabled" not in work.values:
        work.values["web.enabled"] = False
        work.note(Fate.CHANGED, "exports", "web.enabled: false (there was no webserver)")
    for key in old:
        work.drop(key, _UNKNOWN)
    return work.imported()


def _inverter(work: Migrated, fields: _Fields) -> None:
    if fields.get("connection") == "http" and fields.pop("port", None) is not None:
        work.drop("inverter.port", "with connection http the port is found out")
    _host_and_port(work, "inverter", fields)
    meter = fields.pop("smart_meter", None)
    if _is_true(meter):
        work.set("inverter.smart_meter", "inverter.smart-meter", "true")
    elif meter is not None:
        text = "inverter.smart-meter: auto (the inverter is asked)"
        work.note(Fate.CHANGED, "inverter.smart_meter", text)
    if isinstance(level := fields.get("log_console"), (str, Written)):
        fields["log_console"] = str(level).upper()
    _carry_over(work, "inverter", fields, _INVERTER)
    if not work.values.get("inverter.host"):
        work.drop("inverter.host", "there is none that can be used: write inverter.host yourself")


def _exports(work: Migrated, exports: object) -> dict[str, _Fields]:
    """The entries by name: of several of one name the first that is enabled."""
    chosen: dict[str, _Fields] = {}
    if not isinstance(exports, list):
        if exports is not None:
            work.drop("exports", "it is no list")
        return chosen
    for number, entry in enumerate(cast(list[object], exports), 1):
        fields = _named(cast(dict[object, object], entry)) if isinstance(entry, dict) else {}
        name = str(fields.pop("name", ""))
        if name not in _EXPORTS:
            what = f"exports.{name}" if name else f"exports, entry {number}"
            work.drop(what, "SunGather 0.5 had no such export either")
        elif name not in chosen:
            chosen[name] = fields
        else:
            first = chosen[name]
            if _is_true(fields.get("enabled")) and not _is_true(first.get("enabled")):
                chosen[name], fields = fields, first
            work.drop(
                f"exports.{name}, a further one",
                "a collector has one of each kind: run a second one, with its own file and its "
                "own storage.directory, for this one" if _is_true(fields.get("enabled"))
                else "it was switched off",
            )  # fmt: skip
    return chosen


def _export(work: Migrated, name: str, fields: _Fields) -> None:
    group, names = _EXPORTS[name]
    enabled = fields.pop("enabled", False)
    why = "a text counts as true, in SunGather 0.5 as well" if isinstance(enabled, str) else ""
    work.set(f"{name}.enabled", f"{group}.enabled", _is_true(enabled), why)
    match name:
        case "mqtt":
            _mqtt(work, fields)
        case "influxdb":
            _influxdb(work, fields)
        case "pvoutput":
            import_pvoutput(work, fields)
        case _:
            pass
    _carry_over(work, name, fields, names)
    host = str(work.values.get(f"{group}.host", ""))
    if _ONLY_IN_HOME_ASSISTANT.fullmatch(host):
        why = (
            f"{host} is a name that only Home Assistant's add-ons know: outside of it write the "
            "address of the machine that Home Assistant runs on"
        )
        work.note(Fate.CHANGED, f"{name}.host", why)


def _mqtt(work: Migrated, fields: _Fields) -> None:
    _host_and_port(work, "mqtt", fields)
    if _number(fields.get("port")) == 8883:
        work.set("mqtt.port", "mqtt.tls.enabled", True, "port 8883 meant TLS")
    if "ha_sensors" in fields and (wrong := sorted(_unpublished(fields["ha_sensors"]))):
        work.note(Fate.CHANGED, "mqtt.ha_sensors", f"no value is called {', '.join(wrong)}")
    import_mqtt(work, fields)


def _influxdb(work: Migrated, fields: _Fields) -> None:
    if fields.get("url") is None:
        fields.pop("url", None)
        work.set("influxdb.url", "influxdb.url", _DEFAULT_URL, "what SunGather 0.5 took without")
    elif "@" in (url := str(fields["url"])):
        scheme, _, rest = url.partition("://")
        account, _, host = rest.rpartition("@")
        username, _, password = account.partition(":")
        fields |= {"url": f"{scheme}://{host}", "username": username, "password": password}
        work.note(Fate.CHANGED, "influxdb.url", "its user name and password are options now")
    if fields.get("token") and fields.get("username"):
        for key in ("username", "password"):
            if fields.pop(key, None) is not None:
                work.drop(f"influxdb.{key}", "there is a token, which won in SunGather 0.5 too")


def _host_and_port(work: Migrated, group: str, fields: _Fields) -> None:
    found = _HOST_AND_PORT.fullmatch(str(fields.get("host", "")))
    if found is not None:
        fields["host"] = found[1]
        fields["port"] = found[2]
        work.note(Fate.CHANGED, f"{group}.host", f"the port {found[2]} in it is {group}.port now")


def _carry_over(work: Migrated, prefix: str, fields: _Fields, names: Mapping[str, str]) -> None:
    """Keys that only have another name now, and those that are gone."""
    for key, value in fields.items():
        if key in names:
            work.set(f"{prefix}.{key}", names[key], value)
        else:
            why = _GONE.get(f"{prefix}.{key}", _UNKNOWN)
            if key == "measurements" and (wrong := sorted(_unpublished(value))):
                why += f"; no value is called {', '.join(wrong)}"
            work.drop(f"{prefix}.{key}", why)


def _unpublished(value: object) -> set[str]:
    """Registers in a list that nothing publishes any more, or that never were."""
    entries = cast(list[object], value) if isinstance(value, list) else []
    registers = {
        str(cast(dict[object, object], one).get("register", ""))
        for one in entries
        if isinstance(one, dict)
    }
    return registers - names_of_inverters() - {""}


def _is_true(value: object) -> bool:
    return bool(value.value if isinstance(value, Written) else value)


def _number(value: object) -> int:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() else 0


class _Loader(yaml.SafeLoader):
    """YAML's types, each with the text that stands in the file."""

    _pairs = 0

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Take over what `<<` refers to: each time it is there anew, so it is counted first.

        Raises:
            OptionsError: it is more than a person writes.
        """
        super().flatten_mapping(node)
        self._pairs += len(node.value)
        if self._pairs > _MOST_VALUES:
            raise _too_many_values()


def _too_many_values() -> OptionsError:
    return OptionsError([
        f"The file holds more than {_MOST_VALUES} values, where it refers to its own parts "
        "with & and *: write them out."
    ])  # fmt: skip


def _written(tag: str) -> None:
    typed = _Loader.yaml_constructors[f"tag:yaml.org,2002:{tag}"]

    def construct(loader: _Loader, node: yaml.ScalarNode) -> object:
        try:
            value = typed(loader, node)
            str(value)  # a number may have too many digits
        except (ValueError, LookupError, AttributeError):
            # What PyYAML raises where a text is not what its tag says.
            raise yaml.MarkedYAMLError(problem_mark=node.start_mark) from None
        return None if value is None else Written(str(node.value), value)

    _Loader.add_constructor(f"tag:yaml.org,2002:{tag}", construct)


for _tag in ("bool", "int", "float", "timestamp"):
    _written(_tag)


def _read(content: bytes) -> _Fields:
    if len(content) > LARGEST:
        raise OptionsError([f"The file has more than {LARGEST // 1024} kB: it is something else."])
    text, place, problem = decoded(content)
    if problem:
        raise OptionsError([f"{place}: {problem}"])
    try:
        loaded = cast(object, yaml.load(text, _Loader))  # noqa: S506 (a safe one)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if isinstance(mark, yaml.Mark) else ""
        raise OptionsError([f"The file is not valid YAML{where}."]) from None
    if not _is_small(loaded):
        raise _too_many_values()
    if not isinstance(loaded, dict) or not {"inverter", "exports"} & loaded.keys():
        raise OptionsError(
            ["This is no file of SunGather 0.5: it has neither 'inverter:' nor 'exports:'."]
        )
    fields = _named(cast(dict[object, object], loaded))
    if "exports" not in fields and fields.keys() & GROUPS.keys():
        raise OptionsError(["This is a file of this SunGather already: check-config checks it."])
    return fields


def _is_small(value: object) -> bool:
    """Whether it is no more than a person writes; what YAML refers to counts each time."""
    left, count = [value], 0
    while left and count <= _MOST_VALUES:
        one = left.pop()
        count += 1
        if isinstance(one, dict):
            left += cast(dict[object, object], one).values()
        elif isinstance(one, list):
            left += cast(list[object], one)
    return not left


def _named(fields: Mapping[object, object]) -> _Fields:
    return {str(key): value for key, value in fields.items()}
