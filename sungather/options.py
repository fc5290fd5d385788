"""Every option of SunGather, once: the file, `--set`, the snap, the docs and the schema follow.

To add an option, add a row to `OPTIONS`, next to its group; a group's rows are read by the
dataclass that `configuration.group` fills. Keys are lower case with dashes and dots.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache

Value = str | int | float | bool | None
"""A checked value; None and "" mean "not set" for options without a fixed default."""


class Kind(StrEnum):
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
    URL = "http or https address"
    """str"""
    TIME_ZONE = "time zone"
    """str, an IANA name."""
    DIRECTORY = "directory"
    """str, an absolute path."""
    MODEL = "model"
    """str, "auto" or the name of a known model."""

    @property
    def is_text(self) -> bool:
        """Whether values are free text; unset such options are "", all others None."""
        return self in _TEXTS


_TEXTS = frozenset(
    {
        Kind.TEXT,
        Kind.LINES,
        Kind.HOST,
        Kind.URL,
        Kind.TIME_ZONE,
        Kind.DIRECTORY,
        Kind.MODEL,
    }
)


@dataclass(frozen=True, slots=True)
class Option:
    """One row of the table."""

    key: str
    kind: Kind
    help: str
    """One or two sentences for a person."""
    default: Value = None
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
    unless: str = ""
    """An option that serves instead: with a value there, this one is not required."""

    @property
    def unset(self) -> Value:
        """The value without any from a person: the default, else "" for texts and None."""
        return "" if self.default is None and self.kind.is_text else self.default

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """Smallest and largest number allowed, None where there is no bound."""
        return (1, 65535) if self.kind is Kind.PORT else (self.minimum, self.maximum)


OPTIONS: tuple[Option, ...] = (
    Option(
        "inverter.host",
        Kind.HOST,
        "Address of the inverter, or of its WiNet-S dongle.",
        required=True,
        example="192.168.1.10",
    ),
    Option(
        "inverter.port",
        Kind.PORT,
        "Port of the inverter. Rarely needed.",
        otherwise="502; with connection http: 443, then 8082",
        example="502",
    ),
    Option(
        "inverter.connection",
        Kind.CHOICE,
        "How to talk to the inverter: Modbus/TCP, Sungrow's encrypted Modbus/TCP, or the web "
        "interface of a WiNet-S dongle.",
        default="modbus",
        choices=("modbus", "sungrow", "http"),
    ),
    Option(
        "inverter.model",
        Kind.MODEL,
        "Model of the inverter. With auto the inverter is asked.",
        default="auto",
        example="SH10RT",
    ),
    Option(
        "inverter.unit",
        Kind.INTEGER,
        "Modbus unit (slave) number of the inverter.",
        default=1,
        minimum=1,
        maximum=247,
    ),
    Option(
        "inverter.level",
        Kind.INTEGER,
        "How much to read: 1 the household figures and the most used registers, 2 every "
        "documented register of the model, 3 undocumented ones too.",
        default=1,
        minimum=1,
        maximum=3,
    ),
    Option(
        "inverter.smart-meter",
        Kind.CHOICE,
        "Whether a smart meter is connected. With auto the inverter is asked.",
        default="auto",
        choices=("auto", "true", "false"),
    ),
    Option(
        "inverter.scan-interval",
        Kind.DURATION,
        "Seconds from the start of one scan to the start of the next.",
        default=30.0,
        minimum=1,
        maximum=3600,
    ),
    Option(
        "inverter.timeout",
        Kind.DURATION,
        "Seconds to wait for the answer to one request.",
        default=10.0,
        minimum=0.1,
        maximum=120,
    ),
    Option(
        "inverter.retries",
        Kind.INTEGER,
        "How often a request without an answer is sent again.",
        default=3,
        minimum=0,
        maximum=10,
    ),
    Option(
        "inverter.max-registers",
        Kind.INTEGER,
        "Most registers to ask for in one request.",
        default=100,
        minimum=10,
        maximum=125,
    ),
    Option(
        "inverter.username",
        Kind.TEXT,
        "User name for the web interface of a WiNet-S dongle (connection http).",
        otherwise="the factory account",
        example="user",
    ),
    Option(
        "inverter.password",
        Kind.TEXT,
        "Password for the web interface of a WiNet-S dongle (connection http).",
        otherwise="the password of the factory account",
        secret=True,
    ),
    Option(
        "inverter.tls.ca",
        Kind.LINES,
        "Certificate that the dongle's own must be or be signed by, in PEM form "
        "(connection http).",
        otherwise="the certificate seen first is trusted, and a changed one reported",
    ),
    Option(
        "inverter.devices",
        Kind.TEXT,
        "Devices behind the inverter to read as well: auto looks for batteries and a wall box, "
        "none reads none; or a list of battery and charger, each with :UNIT if it is not "
        "where it usually is.",
        default="auto",
        example="battery:200, battery:201, charger:3",
    ),
    Option(
        "site.timezone",
        Kind.TIME_ZONE,
        "Time zone of the site, as an IANA name: it says when a day begins.",
        otherwise="the machine's time zone",
        example="Europe/Berlin",
    ),
    Option(
        "log.level",
        Kind.CHOICE,
        "How much to write to the log.",
        default="INFO",
        choices=("DEBUG", "INFO", "WARNING", "ERROR"),
    ),
    Option(
        "storage.directory",
        Kind.DIRECTORY,
        "Directory of everything that must survive a restart: what was learned about the "
        "inverter, history, outbox, and the control socket.",
        otherwise="$STATE_DIRECTORY, $SNAP_COMMON, $XDG_STATE_HOME/sungather or "
        "~/.local/state/sungather, the first that is set",
        example="/var/lib/sungather",
    ),
)

_BY_KEY = {row.key: row for row in OPTIONS}
_LONGEST_KEY = 80
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
LONGEST_NAME = 40
"""Most characters of the NAME in `inverters.NAME.…`."""
NAME_RULE = (
    f"at most {LONGEST_NAME} of a–z and 0–9 with at least one letter, and single dashes between"
)


def inverter_name(text: str) -> bool:
    """Whether `text` can be the NAME of `inverters.NAME.…` (snapd takes the same keys)."""
    return (
        len(text) <= LONGEST_NAME
        and _NAME.fullmatch(text) is not None
        and not text.replace("-", "").isdigit()
    )


def option(key: str) -> Option | None:
    """The option of a key, also of `inverters.NAME.…`; None if there is none."""
    if key.startswith("inverters."):
        _, name, rest = (*key.split(".", 2), "", "")[:3]
        row = _BY_KEY.get(f"inverter.{rest}")
        return replace(row, key=key) if row is not None and inverter_name(name) else None
    return _BY_KEY.get(key)


@cache
def _groups() -> frozenset[str]:
    parents = {"inverters"}
    for row in OPTIONS:
        parts = row.key.split(".")
        parents.update(".".join(parts[:end]) for end in range(1, len(parts)))
    return frozenset(parents)


def is_group(key: str) -> bool:
    """Whether `key` stands above options, as "inverter", "mqtt.tls" and "inverters.roof" do."""
    start, _, rest = key.partition(".")
    name, _, rest = rest.partition(".")
    if start == "inverters" and name:
        return inverter_name(name) and (not rest or f"inverter.{rest}" in _groups())
    return key in _groups()


def nearest(key: str) -> str | None:
    """The known option whose key is most like an unknown one; None if none is like it."""
    if len(key) > _LONGEST_KEY:
        return None
    wanted = key.lower().replace("_", "-")
    start, _, rest = wanted.partition(".")
    name, _, rest = rest.partition(".")
    if start == "inverters" and inverter_name(name):
        prefix = f"inverters.{name}."
        found = _closest(rest, (k.removeprefix("inverter.") for k in _BY_KEY if _single(k)))
        return None if found is None else prefix + found
    return _closest(wanted, _BY_KEY)


def nearest_group(key: str) -> str | None:
    """The known group whose key is most like an unknown one; None if none is like it."""
    if len(key) > _LONGEST_KEY:
        return None
    wanted = key.lower().replace("_", "-")
    return _closest(wanted, (g for g in _groups() if not wanted.startswith(f"{g}.")))


def _single(key: str) -> bool:
    return key.startswith("inverter.")


def _closest(text: str, known: Iterable[str]) -> str | None:
    import difflib  # only needed for mistakes

    # Sorted, so that of two equally like ones it is always the same.
    return next(iter(difflib.get_close_matches(text, sorted(known), n=1, cutoff=0.6)), None)
