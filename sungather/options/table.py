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
    DEVICES = "devices behind the inverter"
    """str, "auto", "none" or a list; see `behind_places.wanted_devices`."""

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
        Kind.DEVICES,
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
        "web.enabled",
        Kind.SWITCH,
        "Whether to serve the page, the JSON API and the Prometheus metrics.",
        default=True,
    ),
    Option(
        "web.address",
        Kind.HOST,
        "Address on which the page is served. It is read-only and shows no secret, but whoever "
        "reaches it sees the values.",
        otherwise="all addresses, IPv4 and IPv6",
        example="127.0.0.1",
    ),
    Option("web.port", Kind.PORT, "Port of the page.", default=8080),
    Option(
        "mqtt.enabled",
        Kind.SWITCH,
        "Publish readings to an MQTT broker.",
        default=False,
    ),
    Option(
        "mqtt.host",
        Kind.HOST,
        "Address of the MQTT broker.",
        required_when="mqtt.enabled",
        example="192.168.1.5",
    ),
    Option(
        "mqtt.port",
        Kind.PORT,
        "Port of the MQTT broker.",
        otherwise="1883; with mqtt.tls.enabled 8883",
        example="1883",
    ),
    Option(
        "mqtt.topic",
        Kind.TEXT,
        "Where all topics begin: TOPIC/NAME/state holds the newest values of inverter NAME.",
        default="sungather",
    ),
    Option(
        "mqtt.username",
        Kind.TEXT,
        "User name for the MQTT broker.",
        otherwise="no user name",
        example="sungather",
    ),
    Option(
        "mqtt.password",
        Kind.TEXT,
        "Password for the MQTT broker.",
        otherwise="no password",
        secret=True,
    ),
    Option(
        "mqtt.client-id",
        Kind.TEXT,
        "Client identifier for the MQTT broker. Every client of a broker needs its own.",
        otherwise="one made from the machine's name and mqtt.topic, always the same",
        example="sungather-house",
    ),
    Option(
        "mqtt.tls.enabled",
        Kind.SWITCH,
        "Encrypt the connection to the MQTT broker.",
        default=False,
    ),
    Option(
        "mqtt.tls.ca",
        Kind.LINES,
        "Certificate authority of the broker: PEM text, or the path of a file.",
        otherwise="the authorities that the machine trusts",
    ),
    Option(
        "mqtt.tls.cert",
        Kind.LINES,
        "Client certificate: PEM text, or the path of a file.",
        otherwise="no client certificate",
        required_when="mqtt.tls.key",
    ),
    Option(
        "mqtt.tls.key",
        Kind.LINES,
        "Key of the client certificate, without a password: PEM text, or the path of a file.",
        otherwise="no client certificate",
        secret=True,
        required_when="mqtt.tls.cert",
    ),
    Option(
        "mqtt.tls.insecure",
        Kind.SWITCH,
        "Accept any certificate of the broker. Only for tests.",
        default=False,
    ),
    Option(
        "mqtt.homeassistant",
        Kind.SWITCH,
        "Announce every value to Home Assistant (2024.12 or later), through MQTT discovery.",
        default=True,
    ),
    Option(
        "mqtt.homeassistant-prefix",
        Kind.TEXT,
        "Discovery prefix that Home Assistant is set to.",
        default="homeassistant",
    ),
    Option(
        "mqtt.compatibility",
        Kind.CHOICE,
        "Publish states under the topic, the names and the 10-character serial number of "
        "SunGather 0.5.",
        default="",
        choices=("", "sungather-0.5"),
    ),
    Option(
        "influxdb.enabled",
        Kind.SWITCH,
        "Write readings to InfluxDB, or to a server that takes the same writes.",
        default=False,
    ),
    Option(
        "influxdb.url",
        Kind.URL,
        "Address of the InfluxDB server.",
        required_when="influxdb.enabled",
        example="http://192.168.1.5:8086",
    ),
    Option(
        "influxdb.version",
        Kind.CHOICE,
        "Version of InfluxDB. With auto the server is asked.",
        default="auto",
        choices=("auto", "1", "2", "3"),
    ),
    Option(
        "influxdb.org",
        Kind.TEXT,
        "Organisation (version 2 only).",
        otherwise="the organisation of the token",
        example="home",
    ),
    Option(
        "influxdb.bucket",
        Kind.TEXT,
        "Bucket; for versions 1 and 3 the database, for version 1 also DATABASE/POLICY.",
        required_when="influxdb.enabled",
        example="solar",
    ),
    Option(
        "influxdb.token",
        Kind.TEXT,
        "API token.",
        otherwise="influxdb.username and influxdb.password, if set",
        secret=True,
    ),
    Option(
        "influxdb.username",
        Kind.TEXT,
        "User name, in the place of a token.",
        otherwise="no user name",
        example="sungather",
        required_when="influxdb.password",
    ),
    Option(
        "influxdb.password",
        Kind.TEXT,
        "Password of influxdb.username.",
        otherwise="no password",
        secret=True,
    ),
    Option(
        "influxdb.measurement",
        Kind.TEXT,
        "Measurement that readings are written to, one point a reading.",
        default="sungather",
    ),
    Option(
        "influxdb.tags",
        Kind.TEXT,
        "Further tags, KEY=VALUE with commas between. Name, kind, model and serial number are "
        "always tags.",
        otherwise="no further tags",
        example="site=roof, owner=me",
    ),
    Option(
        "pvoutput.enabled",
        Kind.SWITCH,
        "Upload to PVOutput.org.",
        default=False,
    ),
    Option(
        "pvoutput.api-key",
        Kind.TEXT,
        "API key of the PVOutput account.",
        required_when="pvoutput.enabled",
        secret=True,
    ),
    Option(
        "pvoutput.system-id",
        Kind.TEXT,
        "Number of the system at PVOutput.",
        required_when="pvoutput.enabled",
        example="12345",
    ),
    Option(
        "pvoutput.net",
        Kind.SWITCH,
        "Upload what flows to and from the grid (net data), not generation and consumption.",
        default=False,
    ),
    Option(
        "pvoutput.cumulative",
        Kind.SWITCH,
        "Upload lifetime energies, not those of the day.",
        default=False,
    ),
    *(
        Option(
            f"pvoutput.v{number}",
            Kind.TEXT,
            f"Published value to upload as extended value v{number} (needs a donation).",
            otherwise="not uploaded",
            example="internal_temperature",
        )
        for number in range(7, 13)
    ),
    Option(
        "console.enabled",
        Kind.SWITCH,
        "Print readings: a table on a terminal, otherwise one line of JSON a reading.",
        default=False,
    ),
    Option(
        "outbox.commit",
        Kind.CHOICE,
        "When readings that exporters still owe are written to the disk: with every reading, or "
        "once a minute, which spares SD cards and loses a minute at most in a power cut.",
        default="reading",
        choices=("reading", "minute"),
    ),
    Option(
        "outbox.days",
        Kind.INTEGER,
        "Days after which a reading that could not be delivered is given up.",
        default=14,
        minimum=1,
        maximum=3650,
    ),
    Option(
        "outbox.megabytes",
        Kind.INTEGER,
        "Size of the outbox at which its oldest readings are thinned out.",
        default=256,
        minimum=1,
        maximum=100000,
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
        otherwise="$STATE_DIRECTORY, $SNAP_COMMON/state, $XDG_STATE_HOME/sungather or "
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
