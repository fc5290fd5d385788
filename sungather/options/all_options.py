"""Every option of SunGather, once: the file, `--set`, the snap, the docs and the schema follow.

To add an option, add a field to its group; its key is the group's name and the field's, with
dashes. A new group is a class and a field of `OptionGroups`.
"""

from dataclasses import dataclass, fields
from datetime import date
from typing import cast

from sungather.options.option import Option, OptionGroup, OptionKind, declared, rows_of
from sungather.tariff import Tariff, parse_prices


def _uploaded(what: str, example: str = "internal_temperature") -> str:
    return declared(
        "",
        f"Published value to upload as {what}.",
        kind=OptionKind.VALUE,
        otherwise="not uploaded",
        example=example,
    )


def _extended(number: int) -> str:
    return _uploaded(f"extended value v{number} (needs a donation)")


def _include(where: str) -> str:
    return declared(
        "",
        f"Values that {where}, by published name, with commas between; * stands for anything.",
        kind=OptionKind.PATTERNS,
        otherwise="every value",
        example="*_power, *_energy_today, battery_level",
    )


def _exclude(where: str) -> str:
    return declared(
        "",
        f"Values that {where}, in the same way; it wins over include.",
        kind=OptionKind.PATTERNS,
        otherwise="none",
        example="mppt_*, string_*",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class InverterOptions:
    """One inverter: `inverter.…`, or `inverters.NAME.…` of several."""

    name: str
    """NAME of `inverters.NAME.…`, "inverter" for the short form."""
    host: str = declared(
        "",
        "Address of the inverter, or of its WiNet-S dongle.",
        kind=OptionKind.HOST,
        example="192.168.1.10",
        required=True,
    )
    find_again: bool = declared(
        False,
        "Look for the inverter in the network by its serial number, after five minutes in which "
        "nobody answers at its address by day, and read it where it is found.",
    )
    port: int | None = declared(
        None,
        "Port of the inverter. Rarely needed.",
        kind=OptionKind.PORT,
        otherwise="502; with connection http: 443, then 8082; with modbus-tls: 516",
        example="502",
    )
    connection: str = declared(
        "modbus",
        "How to talk to the inverter: Modbus/TCP, Sungrow's encrypted Modbus/TCP, the web "
        "interface of a WiNet-S dongle, or Modbus inside TLS on port 516 (modbus-tls), which is "
        "experimental.",
        choices=("modbus", "sungrow", "http", "modbus-tls"),
    )
    model: str = declared(
        "auto",
        "Model of the inverter. With auto the inverter is asked.",
        kind=OptionKind.MODEL,
        example="SH10RT",
    )
    unit: int = declared(1, "Modbus unit (slave) number of the inverter.", minimum=1, maximum=247)
    units: str = declared(
        "",
        "Units of several inverters at this address, such as those behind a logger: each is read "
        "as NAME-UNIT, all over one connection.",
        kind=OptionKind.UNITS,
        otherwise="the one of inverter.unit",
        example="1-10,21",
    )
    level: int = declared(
        1,
        "How much to read: 1 the household figures and the most used registers, 2 every "
        "documented register of the model, 3 undocumented ones too.",
        minimum=1,
        maximum=3,
    )
    smart_meter: str = declared(
        "auto",
        "Whether a smart meter is connected. With auto the inverter is asked.",
        choices=("auto", "true", "false"),
    )
    scan_interval: float = declared(
        30.0,
        "Seconds from the start of one scan to the start of the next.",
        minimum=1,
        maximum=3600,
    )
    timeout: float = declared(
        10.0, "Seconds to wait for the answer to one request.", minimum=0.1, maximum=120
    )
    retries: int = declared(
        3, "How often a request without an answer is sent again.", minimum=0, maximum=10
    )
    max_registers: int = declared(
        100, "Most registers to ask for in one request.", minimum=10, maximum=125
    )
    username: str = declared(
        "",
        "User name for the web interface of a WiNet-S dongle (connection http).",
        otherwise="the factory account",
        example="user",
    )
    password: str = declared(
        "",
        "Password for the web interface of a WiNet-S dongle (connection http).",
        otherwise="the password of the factory account",
        secret=True,
    )
    tls_ca: str = declared(
        "",
        "Certificate of the dongle, or of the authority that signed it, in PEM form (connections "
        "http and modbus-tls).",
        kind=OptionKind.LINES,
        key="tls.ca",
        otherwise="the certificate seen first is trusted, and a changed one reported",
    )
    devices: str = declared(
        "auto",
        "Sub-devices to read as well: auto looks for batteries and a wall box behind the "
        "inverter, none reads none; or a list of battery and charger, each with :UNIT if it is "
        "not where it usually is.",
        kind=OptionKind.DEVICES,
        example="battery:200, battery:201, charger:3",
    )
    modbus_server_port: int | None = declared(
        None,
        "Port on which the Modbus server serves this inverter.",
        kind=OptionKind.PORT,
        otherwise="modbus-server.port; of several inverters, one more for each further one",
        example="5503",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteOptions:
    """The options `site.…`."""

    timezone: str = declared(
        "",
        "Time zone of the site, as an IANA name: it says when a day begins.",
        kind=OptionKind.TIME_ZONE,
        otherwise="the machine's time zone",
        example="Europe/Berlin",
    )
    meter: str = declared(
        "auto",
        "Whose smart meter is at the grid connection: an inverter's NAME, auto (the only) or all.",
    )
    latitude: float | None = declared(
        None,
        "Latitude of the site in degrees, north of the equator above 0: says when it is night, so "
        "that a sleeping inverter is told from one in trouble.",
        kind=OptionKind.NUMBER,
        minimum=-90,
        maximum=90,
        otherwise="nights are learned from the inverter",
        example="52.5",
        required_when="site.longitude",
    )
    longitude: float | None = declared(
        None,
        "Longitude of the site in degrees, east of Greenwich above 0.",
        kind=OptionKind.NUMBER,
        minimum=-180,
        maximum=180,
        otherwise="nights are learned from the inverter",
        example="13.4",
        required_when="site.latitude",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TariffOptions:
    """The options `tariff.…`; without prices there is no word of money anywhere."""

    currency: str = declared(
        "",
        "Currency of the prices, by its three letters.",
        kind=OptionKind.CURRENCY,
        example="EUR",
        required_when="tariff.import",
    )
    import_: str = declared(
        "",
        "What 1 kWh from the grid costs. Times and days of the week have prices of their own, "
        "after commas; the price without a time holds at all others. After a ; come the prices "
        "from a later day on, so that old months keep theirs.",
        kind=OptionKind.PRICES,
        key="import",
        otherwise="nothing is said about money",
        example="0.31; from 2026-01-01 0.36, 22:00-06:00 0.24, sa-su 0.29",
        required_when="tariff.import-topic",
    )
    export: str = declared(
        "0",
        "What 1 kWh to the grid earns, written in the same way; below 0 where it costs.",
        kind=OptionKind.PRICES,
    )
    import_topic: str = declared(
        "",
        "MQTT topic on which the present price of 1 kWh from the grid comes, as a plain number. "
        "tariff.import then stands in where no price is known. Needs mqtt.enabled.",
        kind=OptionKind.ANY_TOPIC,
        otherwise="the written prices hold",
        example="evcc/site/tariffGrid",
    )
    export_topic: str = declared(
        "",
        "The same for the feed-in price; tariff.export is the fallback.",
        kind=OptionKind.ANY_TOPIC,
        otherwise="the written prices hold",
        example="evcc/site/tariffFeedIn",
    )
    topic_max_age: float = declared(
        5400.0,
        "Seconds that a price holds that came by MQTT, without coming again.",
        kind=OptionKind.DURATION,
        minimum=60,
        maximum=172_800,
    )
    standing: str = declared(
        "0",
        "What the connection costs a day, whatever is used; written in the same way, without "
        "times.",
        kind=OptionKind.DAILY_PRICES,
    )
    paid: float | None = declared(
        None,
        "What panels and battery have cost, in the currency: the page then shows how much of it "
        "is paid back.",
        kind=OptionKind.NUMBER,
        minimum=1,
        otherwise="nothing is said about paying back",
        example="14500",
    )
    saved_before: float = declared(
        0.0,
        "What they had saved before SunGather began to count, in the currency.",
        kind=OptionKind.NUMBER,
        minimum=0,
        maximum=100_000_000,
    )
    paid_since: str = declared(
        "",
        "The day from which panels and battery have run: with tariff.saved-before it tells how "
        "much they save a year, before SunGather has counted for a year.",
        kind=OptionKind.DAY,
        otherwise="only what SunGather has counted tells that",
        example="2022-04-01",
    )

    @property
    def tariff(self) -> Tariff | None:
        """What the options say; None where no price is known."""
        if not self.import_:
            return None
        buy, sell, standing = map(parse_prices, (self.import_, self.export, self.standing))
        since = date.fromisoformat(self.paid_since) if self.paid_since else None
        return Tariff(self.currency, buy, sell, standing, self.paid, self.saved_before, since)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebOptions:
    """The options `web.…`."""

    enabled: bool = declared(
        True, "Whether to serve the page, the JSON API and the Prometheus metrics."
    )
    address: str = declared(
        "",
        "Address on which the page is served. It is read-only and shows no secret, but "
        "whoever reaches it sees the values.",
        kind=OptionKind.HOST,
        otherwise="all addresses, IPv4 and IPv6",
        example="127.0.0.1",
    )
    port: int = declared(8080, "Port of the page.", kind=OptionKind.PORT)
    announce: bool = declared(
        False,
        "Whether to announce the page by multicast DNS, so that phones and programs in the same "
        "network find it.",
    )
    hosts: str = declared(
        "",
        "Names by which browsers and programs may ask for the page (the Host of a request); "
        "others are refused. It keeps a website that somebody in the house visits from reading "
        "the values through a name of its own (DNS rebinding).",
        kind=OptionKind.HOSTS,
        otherwise="any name",
        example="solar.home.arpa, 192.168.1.5",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModbusServerOptions:
    """The options `modbus-server.…`."""

    enabled: bool = declared(
        False,
        "Whether other programs may read the inverter through SunGather, by Modbus/TCP. Nothing "
        "can be written.",
    )
    port: int = declared(
        5502,
        "Port of the Modbus server. Programs that know no other port than 502 need that one, "
        "which takes root, or the snap.",
        kind=OptionKind.PORT,
    )
    address: str = declared(
        "",
        "Address on which Modbus programs are served.",
        kind=OptionKind.HOST,
        otherwise="all addresses, IPv4 and IPv6",
        example="192.168.1.5",
    )
    networks: str = declared(
        "",
        "Networks whose programs are let in: Modbus knows neither password nor encryption.",
        kind=OptionKind.NETWORKS,
        otherwise="private networks, such as 192.168.0.0/16",
        example="192.168.1.0/24, 10.8.0.2",
    )
    clients: int = declared(32, "Most connections of programs at a time.", minimum=1, maximum=256)
    max_age: float = declared(
        5.0,
        "Seconds for which quickly changing words are answered from memory, before the inverter "
        "is asked again.",
        minimum=1,
        maximum=3600,
    )
    sunspec: str = declared(
        "false",
        "Whether unit 126 shows the inverter to programs that speak SunSpec, such as a Victron "
        "GX; of hybrids only with hybrids, since their power is that of the battery, too.",
        choices=("false", "true", "hybrids"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttOptions:
    """The options `mqtt.…`."""

    enabled: bool = declared(False, "Publish readings to an MQTT broker.")
    host: str = declared(
        "",
        "Address of the MQTT broker.",
        kind=OptionKind.HOST,
        example="192.168.1.5",
        required_when="mqtt.enabled",
    )
    port: int | None = declared(
        None,
        "Port of the MQTT broker.",
        kind=OptionKind.PORT,
        otherwise="1883, with mqtt.tls.enabled 8883; over WebSockets 80 and 443",
        example="1883",
    )
    transport: str = declared(
        "tcp",
        "How the broker is reached: directly, or over WebSockets.",
        choices=("tcp", "websockets"),
    )
    websocket_path: str = declared("/mqtt", "Path of the broker's WebSocket.")
    topic: str = declared(
        "sungather",
        "Where all topics begin. TOPIC/NAME/state holds the newest values of inverter NAME; an "
        "inverter without a name of its own has its serial number there.",
        kind=OptionKind.TOPIC,
    )
    username: str = declared(
        "", "User name for the MQTT broker.", otherwise="no user name", example="sungather"
    )
    password: str = declared(
        "", "Password for the MQTT broker.", otherwise="no password", secret=True
    )
    client_id: str = declared(
        "",
        "Client identifier for the MQTT broker. Every client of a broker needs its own.",
        otherwise="one made once for this machine and storage.directory",
        example="sungather-house",
    )
    tls_enabled: bool = declared(
        False, "Encrypt the connection to the MQTT broker.", key="tls.enabled"
    )
    tls_ca: str = declared(
        "",
        "Certificate authority of the broker: PEM text, or the path of a file.",
        kind=OptionKind.LINES,
        key="tls.ca",
        otherwise="the authorities that the machine trusts",
    )
    tls_cert: str = declared(
        "",
        "Client certificate: PEM text, or the path of a file.",
        kind=OptionKind.LINES,
        key="tls.cert",
        otherwise="no client certificate",
        required_when="mqtt.tls.key",
    )
    tls_key: str = declared(
        "",
        "Key of the client certificate, without a password: PEM text, or the path of a file.",
        kind=OptionKind.LINES,
        key="tls.key",
        otherwise="no client certificate",
        required_when="mqtt.tls.cert",
        secret=True,
    )
    tls_insecure: bool = declared(
        False, "Accept any certificate of the broker. Only for tests.", key="tls.insecure"
    )
    value_topics: str = declared(
        "false",
        "Publish each value alone, too, as a plain number or text: TOPIC/NAME/values/pv_power. "
        "With only they come in the place of the JSON object, which mqtt.homeassistant needs.",
        choices=("false", "true", "only"),
    )
    include: str = _include("are published")
    exclude: str = _exclude("are not published")
    zero_at_night: bool = declared(
        True, "Publish the solar power of an inverter that sleeps at night as 0, not as unknown."
    )
    homeassistant: bool = declared(
        True,
        "Announce values to Home Assistant (2024.12 or later), through MQTT discovery. The "
        "household figures and the state are enabled there; all other entities are disabled until "
        "you enable them.",
    )
    homeassistant_prefix: str = declared(
        "homeassistant",
        "Discovery prefix that Home Assistant is set to.",
        kind=OptionKind.TOPIC,
    )
    compatibility: str = declared(
        "",
        "Publish states beside ours as SunGather 0.5 did: its topic, names, words and "
        "10-character serial number.",
        choices=("", "sungather-0.5"),
    )
    compatibility_topic: str = declared(
        "",
        "Topic of these states, if SunGather 0.5 had one of your own. For a single inverter.",
        kind=OptionKind.ANY_TOPIC,
        otherwise="SunGather/SERIAL",
        example="solar/main",
    )
    ha_sensors: str = declared(
        "",
        "Entities that Home Assistant has from SunGather 0.5, in YAML as its ha_sensors: they are "
        "announced again under the same identities, so that their statistics go on.",
        kind=OptionKind.HA_SENSORS,
        otherwise="none",
    )

    @property
    def as_before(self) -> bool:
        """Whether states are published as SunGather 0.5 did, too: one of its options is set."""
        return bool(self.compatibility or self.compatibility_topic or self.ha_sensors)


@dataclass(frozen=True, slots=True, kw_only=True)
class InfluxdbOptions:
    """The options `influxdb.…`."""

    enabled: bool = declared(
        False, "Write readings to InfluxDB, or to a server that takes the same writes."
    )
    url: str = declared(
        "",
        "Address of the InfluxDB server.",
        kind=OptionKind.URL,
        example="http://192.168.1.5:8086",
        required_when="influxdb.enabled",
    )
    version: str = declared(
        "auto",
        "Version of InfluxDB. With auto the server is asked.",
        choices=("auto", "1", "2", "3"),
    )
    org: str = declared(
        "",
        "Organisation (version 2 only).",
        otherwise="the organisation of the token",
        example="home",
    )
    bucket: str = declared(
        "",
        "Bucket; for versions 1 and 3 the database, for version 1 also DATABASE/POLICY.",
        example="solar",
        required_when="influxdb.enabled",
    )
    token: str = declared(
        "", "API token.", otherwise="influxdb.username and influxdb.password, if set", secret=True
    )
    username: str = declared(
        "",
        "User name, in the place of a token.",
        otherwise="no user name",
        example="sungather",
        required_when="influxdb.password",
    )
    password: str = declared(
        "", "Password of influxdb.username.", otherwise="no password", secret=True
    )
    measurement: str = declared(
        "sungather",
        "Measurement that readings are written to. Settings, strings, batteries and wall boxes "
        "have measurements of their own, whose names begin with it.",
        kind=OptionKind.MEASUREMENT,
    )
    tags: str = declared(
        "",
        "Further tags, KEY=VALUE with commas between. Name, kind, model and serial number are"
        " always tags.",
        kind=OptionKind.TAGS,
        otherwise="no further tags",
        example="site=roof, owner=me",
    )
    history: bool = declared(
        False,
        "Write what the inverter itself tells of past quarters of an hour, days, months and "
        "years (SH-RT, by cable), as points with their own times, in MEASUREMENT_history.",
    )
    tls_ca: str = declared(
        "",
        "Certificate authority of the server, or its own certificate: PEM text, or the path of a "
        "file.",
        kind=OptionKind.LINES,
        key="tls.ca",
        otherwise="the authorities that the machine trusts",
    )
    tls_insecure: bool = declared(
        False, "Accept any certificate of the server. Only for tests.", key="tls.insecure"
    )
    include: str = _include("are written")
    exclude: str = _exclude("are not written")


@dataclass(frozen=True, slots=True, kw_only=True)
class PvoutputOptions:
    """The options `pvoutput.…`."""

    enabled: bool = declared(False, "Upload to PVOutput.org.")
    api_key: str = declared(
        "", "API key of the PVOutput account.", required_when="pvoutput.enabled", secret=True
    )
    system_id: str = declared(
        "", "Number of the system at PVOutput.", example="12345", required_when="pvoutput.enabled"
    )
    net: bool = declared(
        False, "Upload what flows to and from the grid (net data), not generation and consumption."
    )
    cumulative: bool = declared(False, "Upload lifetime energies, not those of the day.")
    consumption: bool = declared(
        True,
        "Upload what the house uses (v3, v4). Everybody can see it, also when nobody is at home.",
    )
    battery: bool = declared(
        True,
        "Upload the battery's power and level (b1, b2), if the account has donated. Intervals "
        "that are more than an hour late come without them.",
    )
    v5: str = _uploaded("temperature v5")
    v6: str = _uploaded("voltage v6", "phase_a_voltage")
    v7: str = _extended(7)
    v8: str = _extended(8)
    v9: str = _extended(9)
    v10: str = _extended(10)
    v11: str = _extended(11)
    v12: str = _extended(12)

    @property
    def chosen(self) -> dict[str, str]:
        """Field of PVOutput, v5 to v12 -> published name."""
        found = {f"v{number}": str(getattr(self, f"v{number}")) for number in range(5, 13)}
        return {name: source for name, source in found.items() if source}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleOptions:
    """The options `console.…`."""

    enabled: bool = declared(
        False, "Print readings: a table on a terminal, otherwise one line of JSON a reading."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifyOptions:
    """The options `notify.…`."""

    enabled: bool = declared(
        False,
        "Post a message when a fault begins and when it is over, when an inverter falls silent by "
        "day, and when an export fails.",
    )
    url: str = declared(
        "",
        "Where to post messages: a topic of ntfy, or a webhook. Whoever knows it may post there, "
        "so it is kept as a secret.",
        kind=OptionKind.URL,
        example="https://ntfy.sh/a-name-that-nobody-guesses",
        required_when="notify.enabled",
        secret=True,
    )
    token: str = declared("", "Access token for that address.", otherwise="no token", secret=True)
    format: str = declared(
        "ntfy",
        "What is posted: a text with headers, as ntfy takes it, or one JSON object.",
        choices=("ntfy", "json"),
    )
    patience: float = declared(
        900.0,
        "Seconds that an inverter may be silent by day, or an export fail, before that is told.",
        minimum=60,
        maximum=86400,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxOptions:
    """The options `outbox.…`."""

    commit: str = declared(
        "reading",
        "When readings that exporters still owe are written to the disk: with every reading, "
        "or once a minute, which spares SD cards and loses a minute at most in a power cut.",
        choices=("reading", "minute"),
    )
    days: int = declared(
        14,
        "Days after which a reading that could not be delivered is given up.",
        minimum=1,
        maximum=3650,
    )
    megabytes: int = declared(
        256,
        "Size of the outbox at which its oldest readings are thinned out.",
        minimum=1,
        maximum=100000,
    )
    deliver_only: bool = declared(
        False,
        "Deliver what is still owed and read no inverter, without a page: for a machine that "
        "stands by for another.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOptions:
    """The options `log.…`."""

    level: str = declared(
        "INFO", "How much to write to the log.", choices=("DEBUG", "INFO", "WARNING", "ERROR")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageOptions:
    """The options `storage.…`."""

    directory: str = declared(
        "",
        "Directory of everything that must survive a restart: what was learned about the "
        "inverter, history, outbox, and the control socket.",
        kind=OptionKind.DIRECTORY,
        otherwise="$STATE_DIRECTORY, $SNAP_COMMON/state, $XDG_STATE_HOME/sungather or "
        "~/.local/state/sungather, the first that is set",
        example="/var/lib/sungather",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionGroups:
    """The groups of the whole program, by the name that their keys begin with."""

    site: SiteOptions
    tariff: TariffOptions
    web: WebOptions
    modbus_server: ModbusServerOptions
    mqtt: MqttOptions
    influxdb: InfluxdbOptions
    pvoutput: PvoutputOptions
    console: ConsoleOptions
    notify: NotifyOptions
    outbox: OutboxOptions
    log: LogOptions
    storage: StorageOptions


INVERTER_OPTIONS: tuple[Option, ...] = tuple(
    row for _, row in rows_of(InverterOptions, "inverter")
)
GROUPS = {one.name: cast("type[OptionGroup]", one.type) for one in fields(OptionGroups)}
PROGRAM_OPTIONS: tuple[Option, ...] = tuple(
    row for name, group in GROUPS.items() for _, row in rows_of(group, name)
)
OPTIONS = (*INVERTER_OPTIONS, *PROGRAM_OPTIONS)
"""The whole table; that of an inverter once, as `inverter.…`."""
