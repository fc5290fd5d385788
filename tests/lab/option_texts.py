"""For every option a text that is right and one that is wrong, made from the table of options."""

import subprocess
from pathlib import Path

from sungather.options.all_options import OPTIONS
from sungather.options.option import Option, OptionKind
from sungather.options.values import text_of

_RIGHT = {
    OptionKind.TEXT: "a text",
    OptionKind.SWITCH: "true",
    OptionKind.PORT: "4321",
    OptionKind.HOST: "192.0.2.7",
    OptionKind.HOSTS: "sungather.local",
    OptionKind.NETWORKS: "192.0.2.0/24",
    OptionKind.URL: "http://192.0.2.7:8086",
    OptionKind.TIME_ZONE: "US/Eastern",  # the base of the snap has no legacy names
    OptionKind.MODEL: "SH10RT",
    OptionKind.DEVICES: "none",
    OptionKind.TOPIC: "solar/roof",
    OptionKind.ANY_TOPIC: "/solar/{serial_number}",
    OptionKind.HA_SENSORS: "[{name: PV, sensor_type: sensor, register: total_dc_power}]",
    OptionKind.MEASUREMENT: "solar",
    OptionKind.TAGS: "site=roof",
    OptionKind.VALUE: "pv_power",
    OptionKind.PATTERNS: "*_power",
    OptionKind.UNITS: "7",
    OptionKind.PRICES: "0.31; from 2026-01-01 0.36, 22:00-06:00 0.24",
    OptionKind.DAILY_PRICES: "0.45",
    OptionKind.CURRENCY: "EUR",
    OptionKind.DAY: "2022-04-01",
}
_WRONG = {
    OptionKind.TEXT: "two\nlines",
    OptionKind.LINES: "a bell \a",
    OptionKind.INTEGER: "many",
    OptionKind.NUMBER: "many",
    OptionKind.DURATION: "soon",
    OptionKind.SWITCH: "perhaps",
    OptionKind.CHOICE: "nonsense",
    OptionKind.PORT: "70000",
    OptionKind.HOST: "a b",
    OptionKind.HOSTS: "a b",
    OptionKind.NETWORKS: "a b",
    OptionKind.URL: "ftp://192.0.2.7",
    OptionKind.TIME_ZONE: "Nowhere/Land",
    OptionKind.DIRECTORY: "relative",
    OptionKind.MODEL: "XX99",
    OptionKind.DEVICES: "fridge",
    OptionKind.TOPIC: "solar/#",
    OptionKind.ANY_TOPIC: "solar/#",
    OptionKind.HA_SENSORS: "sensors",
    OptionKind.MEASUREMENT: "#solar",
    OptionKind.TAGS: "roof",
    OptionKind.VALUE: "pv_powr",
    OptionKind.PATTERNS: "pv_powr",
    OptionKind.UNITS: "1-999",
    OptionKind.PRICES: "0,34",
    OptionKind.DAILY_PRICES: "0.45, sa 0.3",
    OptionKind.CURRENCY: "euro",
    OptionKind.DAY: "1.4.2022",
}
SECRET = "hunter2"
"""Stands in every wrong text of a secret option."""
_SPECIAL = {"influxdb.version": "2", "site.meter": "all"}


def right(directory: Path, common: str) -> dict[str, str]:
    """Texts that fit together, none of them the default."""
    pair = _pair(directory)
    texts: dict[str, str] = {}
    for row in OPTIONS:
        if row.kind is OptionKind.LINES:
            texts[row.key] = pair["key" if row.key.endswith("key") else "cert"]
        elif row.kind is OptionKind.DIRECTORY:
            texts[row.key] = f"{common}/state/elsewhere"
        elif row.kind is OptionKind.SWITCH:
            texts[row.key] = "false" if row.default else "true"
        elif row.kind is OptionKind.CHOICE:
            texts[row.key] = next(x for x in reversed(row.choices) if x != row.default)
        else:
            texts[row.key] = _RIGHT.get(row.kind) or _number(row)
    return texts | _SPECIAL


def wrong() -> dict[str, str]:
    """Texts of which every single one is refused."""
    return {row.key: f"{SECRET * row.secret}{_WRONG[row.kind]}" for row in OPTIONS}


def _number(row: Option) -> str:
    low, high = row.bounds
    value = low if low != row.default else high
    assert value is not None
    return text_of(value)


def _pair(directory: Path) -> dict[str, str]:
    """A certificate and its key, made by openssl."""
    files = {name: directory / f"{name}.pem" for name in ("cert", "key")}
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    out = ["-nodes", "-days", "30", "-out", files["cert"], "-keyout", files["key"]]
    subprocess.run([*command, *out, "-subj", "/CN=broker"], check=True, capture_output=True)
    return {name: file.read_text() for name, file in files.items()}
