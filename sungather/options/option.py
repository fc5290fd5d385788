"""What an option is: the metadata of a field in one of the groups of `all_options.py`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any, ClassVar, Protocol, TypedDict, TypeVar, Unpack

OptionValue = str | int | float | bool | None
"""A checked value; None and "" mean "not set" for options without a fixed default."""
_T = TypeVar("_T", bound=OptionValue)


class OptionKind(StrEnum):
    """What an option takes, and the Python type that it becomes."""

    TEXT = "text"
    """str, one line, exactly as typed."""
    LINES = "text of several lines"
    """str, exactly as typed, such as a certificate in PEM form."""
    INTEGER = "whole number"
    """int"""
    NUMBER = "number"
    """float"""
    DURATION = "seconds"
    """float"""
    SWITCH = "true or false"
    """bool"""
    CHOICE = "choice"
    """str, one of `choices`."""
    PORT = "port"
    """int, 1–65535."""
    HOST = "host name or IP address"
    """str"""
    HOSTS = "host names or IP addresses, with commas between"
    """str, joined by ", "."""
    NETWORKS = "networks, with commas between"
    """str, joined by ", "; each an address or a network as ADDRESS/BITS."""
    URL = "http or https address"
    """str"""
    TIME_ZONE = "time zone"
    """str, an IANA name."""
    DIRECTORY = "directory"
    """str, an absolute path."""
    MODEL = "model"
    """str, "auto" or the name of a known model."""
    UNITS = "unit numbers and ranges, with commas between"
    """str; see `devices.units_of`."""
    DEVICES = "sub-devices"
    """str, "auto", "none" or a list; see `devices.wanted_devices`."""
    TOPIC = "beginning of MQTT topics"
    """str, without wildcards, and without a slash at its ends."""
    ANY_TOPIC = "MQTT topic"
    """str, without wildcards."""
    HA_SENSORS = "list of sensors in YAML"
    """str; see `ha_sensors.parse_ha_sensors`."""
    MEASUREMENT = "name of a measurement"
    """str, a name that InfluxDB takes."""
    TAGS = "tags, key=value with commas between"
    """str; see `tags.parse_tags`."""
    VALUE = "published name of a value"
    """str, a name that some inverter's value has."""
    PATTERNS = "published names with commas between, * for anything"
    """str, joined by ", "; see `patterns.value_filter`."""
    PRICES = "prices of 1 kWh"
    """str; see `tariff.parse_prices`."""
    DAILY_PRICES = "prices of a day"
    """str, the same without times."""
    DAY = "day"
    """str, as in 2022-04-01."""
    CURRENCY = "currency"
    """str, a code of ISO 4217."""

    @property
    def is_text(self) -> bool:
        """Whether values are free text; unset such options are "", all others None."""
        return self in _TEXTS


_TEXTS = frozenset({
    OptionKind.TEXT, OptionKind.LINES, OptionKind.HOST, OptionKind.HOSTS, OptionKind.NETWORKS,
    OptionKind.URL,
    OptionKind.TIME_ZONE, OptionKind.DIRECTORY, OptionKind.MODEL, OptionKind.TOPIC,
    OptionKind.ANY_TOPIC, OptionKind.HA_SENSORS,
    OptionKind.MEASUREMENT, OptionKind.TAGS, OptionKind.UNITS, OptionKind.VALUE,
    OptionKind.PATTERNS, OptionKind.PRICES, OptionKind.DAILY_PRICES, OptionKind.CURRENCY,
    OptionKind.DAY,
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Option:
    """One row of the table."""

    key: str
    """Lower case, with dashes and dots."""
    kind: OptionKind
    help: str
    """One or two sentences for a person."""
    default: OptionValue = None
    """None if there is no fixed default; then `otherwise` says what happens."""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    example: str = ""
    """A value that a person might write."""
    otherwise: str = ""
    """What is used without a value, in words, for options whose default is None."""
    secret: bool = False
    """Never shown: not in a sentence, a log, a command line or a listing."""
    required: bool = False
    required_when: str = ""
    """Required while this other option is true or not empty. Within `inverter.…` the other
    option is that of the same inverter."""

    @property
    def unset(self) -> OptionValue:
        """The value without any from a person: the default, else "" for texts and None."""
        return "" if self.default is None and self.kind.is_text else self.default

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """Smallest and largest number allowed, None where there is no bound."""
        return (1, 65535) if self.kind is OptionKind.PORT else (self.minimum, self.maximum)


class _More(TypedDict, total=False):
    """Further fields of `Option`."""

    minimum: float
    maximum: float
    choices: tuple[str, ...]
    example: str
    otherwise: str
    secret: bool
    required: bool
    required_when: str


def declared(
    default: _T,
    help: str,  # noqa: A002
    *,
    kind: OptionKind | None = None,
    key: str = "",
    **more: Unpack[_More],
) -> _T:
    """A field of a group of options; a secret is left out of the group's repr.

    Args:
        default: "" or None if there is no fixed default.
        help: as in `Option`, like all that follows.
        kind: if it is not what the default tells: a switch, a whole number, seconds or a text.
        key: the key within the group, if it is not the field's name with dashes.
        more: further fields of `Option`.
    """
    kind = kind or (OptionKind.CHOICE if "choices" in more else _KINDS[type(default)])
    given = None if default == "" and kind.is_text else default
    row = Option(key, kind, help, given, **more)
    return field(default=default, repr=not row.secret, metadata={"option": row})


_KINDS: Mapping[type, OptionKind] = {
    bool: OptionKind.SWITCH,
    int: OptionKind.INTEGER,
    float: OptionKind.DURATION,
    str: OptionKind.TEXT,
}


class OptionGroup(Protocol):
    """A dataclass with fields that are `declared`."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


def rows_of(group: type[OptionGroup], prefix: str) -> Iterator[tuple[str, Option]]:
    """Name of the field and option, for each option of a group whose keys begin with `prefix`.

    Keys have dashes where names of fields and groups have underscores.
    """
    for one in fields(group):
        if row := one.metadata.get("option"):
            yield one.name, replace(row, key=f"{prefix}.{row.key or one.name}".replace("_", "-"))
