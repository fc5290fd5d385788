"""How values, times and states are said to a person; pure."""

from datetime import date, datetime, tzinfo
from typing import Final

from sungather.reading import Reading, State, Value

ABSENT: Final = "–"
SPACE: Final = "\u00a0"

_UPPER: Final = frozenset(
    {"pv", "ac", "dc", "bms", "bdc", "mppt", "pid", "soc", "soh", "arm", "dsp", "drm", "ems"}
    | {"svg", "ct", "id", "ip"}
)
_STATE_WORDS: Final = {
    State.CONNECTING: "Connecting",
    State.OK: "Live",
    State.ASLEEP: "Asleep",
    State.UNREACHABLE: "Unreachable",
    State.BUSY: "Busy",
    State.NOT_AN_INVERTER: "Not an inverter",
    State.MISCONFIGURED: "Misconfigured",
}


def number(value: float, digits: int) -> str:
    """With thousands apart and a fixed number of digits; never "-0"."""
    text = f"{value:,.{digits}f}".replace(",", "\u202f")
    return text[1:] if text.startswith("-") and not text.strip("-0.") else text.replace("-", "−")


def power(watts: float | None) -> str:
    """870 W, 4.82 kW, 123 kW."""
    if watts is None:
        return ABSENT
    if abs(watts) < 999.5:
        return f"{number(watts, 0)}{SPACE}W"
    kilowatts = watts / 1000
    digits = 2 if abs(kilowatts) < 9.995 else 1 if abs(kilowatts) < 99.95 else 0
    return f"{number(kilowatts, digits)}{SPACE}kW"


def kwh(energy: float | None) -> str:
    """An energy without its unit: 0.42, 18.7, 512, 12 346."""
    if energy is None:
        return ABSENT
    if abs(energy) < 0.005:
        return "0"
    return number(energy, 2 if abs(energy) < 0.995 else 1 if abs(energy) < 99.95 else 0)


def percent(value: float | None) -> str:
    """64 %."""
    return ABSENT if value is None else f"{number(value, 0)}{SPACE}%"


def value(value: Value | None, unit: str = "") -> str:
    """Any published value with its unit."""
    if value is None:
        return ABSENT
    if isinstance(value, bool):
        text = "yes" if value else "no"
    elif isinstance(value, list):
        text = ", ".join(ABSENT if part is None else _plain(part) for part in value)
    elif isinstance(value, str):
        text = value
    else:
        text = _plain(value)
    return f"{text}{SPACE}{unit}" if unit and text else text or ABSENT


def _plain(figure: float) -> str:
    text = str(figure) if isinstance(figure, int) else f"{figure:.4f}".rstrip("0").rstrip(".")
    return text.replace("-", "−")


def label(name: str) -> str:
    """The published name as words: "pv_power" becomes "PV power"."""
    words = [
        word.upper() if word in _UPPER else word
        for word in name.replace("-", "_").split("_")
        if word
    ]
    text = " ".join(words)
    return text[:1].upper() + text[1:]


def ago(seconds: float) -> str:
    """The age of something: "3 s ago"."""
    if seconds < 1.5:
        return "just now"
    if seconds < 99.5:
        return f"{seconds:.0f} s ago"
    if seconds < 99.5 * 60:
        return f"{seconds / 60:.0f} min ago"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.0f} h ago"
    return f"{seconds / 86400:.0f} days ago"


def clock(moment: datetime, now: datetime, timezone: tzinfo) -> str:
    """A time at the site: "17:42", with the date when it is not today's."""
    local = moment.astimezone(timezone)
    today = now.astimezone(timezone).date()
    time = f"{local:%H:%M}"
    return time if local.date() == today else f"{day(local.date(), today)} {time}"


def day(moment: date, today: date) -> str:
    """As in "12 Nov", with the year when it is not this year's."""
    text = f"{moment.day} {moment:%b}"
    return text if moment.year == today.year else f"{text} {moment.year}"


def day_title(moment: date, today: date) -> str:
    """One of "Today", "Yesterday" and "Thu 12 Nov"."""
    behind = (today - moment).days
    if behind in (0, 1):
        return ("Today", "Yesterday")[behind]
    return f"{moment:%a} {day(moment, today)}"


_SERVICE_NAMES: Final = {
    "web": "Page and API",
    "history": "Local history",
    "control": "Commands",
    "modbus-server": "Modbus server",
    "storage": "State directory",
    "mqtt": "MQTT",
    "influxdb": "InfluxDB",
    "pvoutput": "PVOutput",
}


def service(name: str) -> str:
    """A service as people know it."""
    return _SERVICE_NAMES.get(name, name)


def state(reading: Reading, stale: bool = False) -> str:
    """The state in one or two words."""
    return "No news" if stale and reading.state is State.OK else _STATE_WORDS[reading.state]


def freshness(reading: Reading, now: datetime, timezone: tzinfo) -> str:
    """How new the values are: "3 s ago", "asleep since 17:42", "busy: another client"."""
    if reading.state is State.OK:
        return ago((now - reading.time).total_seconds())
    if reading.state is State.CONNECTING:
        return "waiting for the first answer"
    since = f"since {clock(reading.since, now, timezone)}" if reading.since else ""
    if reading.state is State.BUSY:
        return f"{since}: another client".removeprefix(": ")
    return since


def share(part: float | None, whole: float | None) -> float | None:
    """`part` of `whole` in percent, 0 to 100; None where that means nothing."""
    if part is None or whole is None or whole < 0.05:
        return None
    return max(0.0, min(100.0, 100.0 * part / whole))
