"""For every option a text that is right and one that is wrong, made from the table of options."""

import subprocess
from pathlib import Path

from sungather.options.table import OPTIONS, Kind, Option

_RIGHT = {
    Kind.TEXT: "a text",
    Kind.SWITCH: "true",
    Kind.PORT: "4321",
    Kind.HOST: "192.0.2.7",
    Kind.URL: "http://192.0.2.7:8086",
    Kind.TIME_ZONE: "Europe/Berlin",
    Kind.MODEL: "SH10RT",
    Kind.DEVICES: "none",
}
_WRONG = {
    Kind.TEXT: "two\nlines",
    Kind.LINES: "a bell \a",
    Kind.INTEGER: "many",
    Kind.NUMBER: "many",
    Kind.DURATION: "soon",
    Kind.SWITCH: "perhaps",
    Kind.CHOICE: "nonsense",
    Kind.PORT: "70000",
    Kind.HOST: "a b",
    Kind.URL: "ftp://192.0.2.7",
    Kind.TIME_ZONE: "Nowhere/Land",
    Kind.DIRECTORY: "relative",
    Kind.MODEL: "XX99",
    Kind.DEVICES: "fridge",
}
SECRET = "hunter2"
"""Stands in every wrong text of a secret option."""
_SPECIAL = {"influxdb.tags": "site=roof", "influxdb.version": "2"}


def right(directory: Path, common: str) -> dict[str, str]:
    """Texts that fit together, none of them the default."""
    pair = _pair(directory)
    texts: dict[str, str] = {}
    for row in OPTIONS:
        if row.kind is Kind.LINES:
            texts[row.key] = pair["key" if row.key.endswith("key") else "cert"]
        elif row.kind is Kind.DIRECTORY:
            texts[row.key] = f"{common}/state/elsewhere"
        elif row.kind is Kind.SWITCH:
            texts[row.key] = "false" if row.default else "true"
        elif row.kind is Kind.CHOICE:
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
    return f"{value:g}"


def _pair(directory: Path) -> dict[str, str]:
    """A certificate and its key, made by openssl."""
    files = {name: directory / f"{name}.pem" for name in ("cert", "key")}
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    out = ["-nodes", "-days", "30", "-out", files["cert"], "-keyout", files["key"]]
    subprocess.run([*command, *out, "-subj", "/CN=broker"], check=True, capture_output=True)
    return {name: file.read_text() for name, file in files.items()}
