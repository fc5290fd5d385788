"""From one text, exactly as typed, to an option's typed value, or a `Wrong` with what to write.

Pure but for the lists of time zones, which the machine lends. No sentence made here holds the
text itself: whoever reports decides whether it may be shown.
"""

import ipaddress
import re
import zoneinfo
from collections.abc import Iterable
from decimal import Decimal
from urllib.parse import urlsplit

from sungather.options.option import Option, OptionKind, OptionValue
from sungather.tariff import is_day, parse_prices

_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,18})?")
_NO_CHARACTERS = "".join(
    chr(plane << 16 | last) for plane in range(17) for last in (0xFFFE, 0xFFFF)
)
CONTROL = re.compile(
    rf"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufdd0-\ufdef{_NO_CHARACTERS}]"
)
"""Control characters, and what Unicode says is none: a broker hangs up on whoever sends them."""
_CONTROL_BUT_LINES = re.compile(r"(?![\t\r\n])" + CONTROL.pattern)
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_PATTERN = re.compile(r"[A-Za-z0-9_*-]+")
_LONGEST_HOST = 253
_LONGEST_TOPIC = 1000
_LONGEST_SHOWN = 40


class Wrong(ValueError):
    """The text is no value of this option.

    `must` completes "it must be …"; `hint` is a further sentence; `show` is False where the text
    may hold a password.
    """

    def __init__(self, must: str, hint: str = "", *, show: bool = True) -> None:
        super().__init__(must)
        self.must = must
        self.hint = hint
        self.show = show


def convert(row: Option, text: str) -> OptionValue:
    """The value that `text` means for the option `row`, whose Python type `OptionKind` tells.

    Args:
        row: the option.
        text: what was typed, not empty.

    Raises:
        Wrong: the text is no such value, or out of bounds.
    """
    match row.kind:
        case OptionKind.TEXT:
            return _text(text, "one line of text without control characters")
        case OptionKind.LINES:
            return _text(text, "text without control characters", _CONTROL_BUT_LINES)
        case OptionKind.INTEGER | OptionKind.PORT:
            return int(_number(row, text, _INTEGER))
        case OptionKind.NUMBER | OptionKind.DURATION:
            return float(_number(row, text, _NUMBER))
        case OptionKind.SWITCH:
            if text not in ("true", "false"):
                raise Wrong("true or false")
            return text == "true"
        case OptionKind.CHOICE:
            return _choice(row, text)
        case OptionKind.HOST:
            return _host(text)
        case OptionKind.HOSTS:
            return ", ".join(_host(part.strip()) for part in text.split(","))
        case OptionKind.NETWORKS:
            return ", ".join(_network(part.strip()) for part in text.split(","))
        case OptionKind.URL:
            return _url(text)
        case OptionKind.TIME_ZONE:
            return _time_zone(text)
        case OptionKind.DIRECTORY:
            _text(text, "a directory name without control characters")
            if not text.startswith("/"):
                raise Wrong("a directory with its full path, beginning with /")
            return text
        case OptionKind.MODEL:
            return text if text == "auto" else _model(text)
        case OptionKind.DEVICES:
            return _devices(text)
        case OptionKind.UNITS:
            return _units(text)
        case OptionKind.TOPIC:
            return _topic(text)
        case OptionKind.ANY_TOPIC:
            return _any_topic(text)
        case OptionKind.HA_SENSORS:
            return _ha_sensors(text)
        case OptionKind.MEASUREMENT:
            return _measurement(text)
        case OptionKind.TAGS:
            return _tags(text)
        case OptionKind.VALUE:
            return _published(text)
        case OptionKind.PATTERNS:
            return _patterns(text)
        case OptionKind.PRICES | OptionKind.DAILY_PRICES:
            return _prices(text, daily=row.kind is OptionKind.DAILY_PRICES)
        case OptionKind.CURRENCY:
            if re.fullmatch(r"[A-Z]{3}", text) is None:
                raise Wrong("a currency by its three letters, such as EUR")
            return text
        case OptionKind.DAY:
            if not is_day(text):
                raise Wrong("a day, as in 2022-04-01")
            return text


def shown(text: str) -> str:
    """Foreign text, fit for a sentence: in quotes, on one line, cut short."""
    cut = text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…"
    clean = "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in cut
    )
    return clean if _NUMBER.fullmatch(clean) else f"'{clean}'"


def listed(words: Iterable[str], last: str = "or") -> str:
    """The words as in "a, b or c"."""
    *start, end = words
    return f"{', '.join(start)} {last} {end}" if start else end


def did_you_mean(near: list[str]) -> str:
    """A question with the words, or nothing when there are none."""
    return f"Did you mean {listed(near)}?" if near else ""


def text_of(value: OptionValue) -> str:
    """The text that `convert` turns into `value`; empty for None."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float():
            return f"{Decimal(repr(value)).normalize():f}"  # exact, and without exponent
        case _:
            return str(value)


def number_wanted(row: Option) -> str:
    """What a numeric option takes, with its bounds: "a whole number from 1 to 3"."""
    noun = {
        OptionKind.PORT: "a port number",
        OptionKind.INTEGER: "a whole number",
        OptionKind.DURATION: "a number of seconds",
    }.get(row.kind, "a number")
    match row.bounds:
        case None, None:
            return noun
        case None, high:
            return f"{noun} up to {high:.15g}"
        case low, None:
            return f"{noun} from {low:.15g}"
        case low, high:
            return f"{noun} from {low:.15g} to {high:.15g}"


def near(text: str, known: Iterable[str], count: int) -> list[str]:
    """The known texts most like `text`, whatever the case of the letters."""
    import difflib  # only needed for mistakes

    by_lower = {k.lower(): k for k in sorted(known)}
    found = difflib.get_close_matches(text[:_LONGEST_SHOWN].lower(), by_lower, count, 0.6)
    return [by_lower[lower] for lower in found]


def _text(text: str, must: str, control: re.Pattern[str] = CONTROL) -> str:
    if control.search(text):
        raise Wrong(must)
    return text


def _number(row: Option, text: str, form: re.Pattern[str]) -> str:
    low, high = row.bounds
    if form.fullmatch(text) is None:
        raise Wrong(number_wanted(row))
    if (low is not None and float(text) < low) or (high is not None and float(text) > high):
        raise Wrong(number_wanted(row))
    return text


def _choice(row: Option, text: str) -> str:
    if text not in row.choices:
        raise Wrong(
            listed(one or "nothing" for one in row.choices),
            did_you_mean(near(text, row.choices, 1)),
        )
    return text


def _host(text: str) -> str:
    must = "a host name or an IP address"
    if "://" in text or "@" in text:
        hint = "Leave out what stands before and after it."
        raise Wrong(f"{must} alone", hint, show=False)
    if text.startswith("["):
        raise Wrong(f"{must} without brackets")
    if re.fullmatch(r"[^:]*:[0-9]+", text):
        raise Wrong(f"{must} alone", "The port has an option of its own.")
    if _ip_address(text):
        return text
    if not _host_name(text):
        raise Wrong(must)
    if text.removesuffix(".").rpartition(".")[2].isdigit():
        raise Wrong(must, "An IPv4 address has four numbers from 0 to 255 with dots between.")
    return text


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        must = "addresses or networks with commas between"
        raise Wrong(must, "Write them like 192.168.1.5, 10.0.0.0/8.") from None


def _ip_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    # A zone (fe80::1%eth0) may hold anything as far as ipaddress is concerned.
    return text.isprintable() and " " not in text


def _host_name(text: str) -> bool:
    if len(text) > _LONGEST_HOST:
        return False
    try:
        plain = text if text.isascii() else text.encode("idna").decode("ascii")
    except UnicodeError:
        return False
    return all(_LABEL.fullmatch(part) for part in plain.removesuffix(".").split("."))


def _url(text: str) -> str:
    must = "an address that begins with http:// or https://"
    if "@" in text:
        both = f"{must} and holds no user name or password"
        raise Wrong(both, "They have options of their own.", show=False)
    if not _is_url(text):
        raise Wrong(must)
    return text


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and parts.port != 0
    except ValueError:
        return False
    host = parts.hostname or ""
    clean = not any(c.isspace() or not c.isprintable() for c in text)
    return good and clean and (_ip_address(host) or _host_name(host))


def _devices(text: str) -> str:
    from sungather.options.devices import wanted_devices  # only needed when it is set

    try:
        wanted_devices(text)
    except ValueError:
        must = "auto, none, or a list of battery and charger, each with :UNIT if need be"
        raise Wrong(must, "Write it like battery:200, charger:3.") from None
    return text


def _units(text: str) -> str:
    from sungather.options.devices import units_of  # only needed when it is set

    try:
        units_of(text)
    except ValueError as error:
        must = "unit numbers and ranges with commas between, such as 1-10,21"
        raise Wrong(must, f"{error}.") from None
    return text


def _topic(text: str) -> str:
    must = "a topic without + and #, that neither begins nor ends with a slash"
    _text(text, f"{must} and has no control characters")
    if set(text) & set("+#") or text != text.strip("/"):
        raise Wrong(must)
    if text.startswith("$"):
        raise Wrong(must, "Topics that begin with $ belong to the broker.")
    if len(text.encode()) > _LONGEST_TOPIC:
        raise Wrong(f"{must}, of at most {_LONGEST_TOPIC} bytes")
    return text


def _any_topic(text: str) -> str:
    must = "a topic without + and #"
    _text(text, f"{must} and has no control characters")
    if set(text) & set("+#") or len(text.encode()) > _LONGEST_TOPIC:
        raise Wrong(f"{must}, of at most {_LONGEST_TOPIC} bytes")
    return text


def _ha_sensors(text: str) -> str:
    from sungather.options.ha_sensors import parse_ha_sensors  # only needed when it is set

    must = "a list of sensors in YAML, as ha_sensors of SunGather 0.5"
    _text(text, must, _CONTROL_BUT_LINES)
    try:
        parse_ha_sensors(text)
    except ValueError as error:
        raise Wrong(must, f"{error}.", show=False) from None
    return text


def _measurement(text: str) -> str:
    must = "a name that begins neither with # nor with _"
    _text(text, f"{must} and has no control characters")
    # InfluxDB takes a line that begins with # for a comment, and keeps names with _ to itself.
    if text.startswith(("#", "_")) or not text.strip(" \\"):
        raise Wrong(must)
    return text


def _tags(text: str) -> str:
    from sungather.options.tags import parse_tags  # only needed when it is set

    must = "tags of the form key=value with commas between"
    _text(text, f"{must}, without control characters")
    try:
        parse_tags(text)
    except ValueError as error:
        raise Wrong(must, f"{error}.") from None
    return text


def _published(text: str) -> str:
    from sungather.registers.published import names_of_inverters  # only needed when it is set

    names = names_of_inverters()
    if text not in names:
        raise Wrong("the published name of a value", did_you_mean(near(text, names, 2)))
    return text


def _patterns(text: str) -> str:
    from sungather.options.patterns import matches  # only needed when it is set
    from sungather.registers.published import all_names

    parts = [part.strip() for part in text.split(",")]
    must = "published names of values with commas between, with * for anything"
    if not all(_PATTERN.fullmatch(part) for part in parts):
        raise Wrong(must)
    names = all_names()
    for part in parts:
        if not any(matches((part,), name) for name in names):
            meant = did_you_mean(near(part, names, 2))
            raise Wrong(must, f"No value is called {shown(part)}. {meant}".rstrip())
    return ", ".join(parts)


def _prices(text: str, *, daily: bool) -> str:
    try:
        prices = parse_prices(text)
    except ValueError as error:
        raise Wrong("a price, or prices with their times", f"{error}.") from None
    if daily and not prices.is_daily:
        raise Wrong("a price of a day", "It has no times, and no days of the week.")
    return text


def _model(text: str) -> str:
    """The name of an inverter of the register map, capitals or not."""
    from sungather.registers.models import model_names  # only needed for a chosen model

    names = model_names()
    for name in names:
        if name.lower() == text.lower():
            return name
    raise Wrong("auto or the name of a known model", did_you_mean(near(text, names, 3)))


def _time_zone(text: str) -> str:
    must = "a time zone by its IANA name, such as Europe/Berlin"
    try:
        zoneinfo.ZoneInfo(text)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        known = zoneinfo.available_timezones()
        if not known:
            raise Wrong(must, "This machine has no time zones: install tzdata.") from None
        raise Wrong(must, did_you_mean(near(text, known, 2))) from None
    return text
