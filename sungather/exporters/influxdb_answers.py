"""What InfluxDB's answers to a write mean: taken, refused line by line, or trouble. Pure.

A reading is given up only for an answer that is InfluxDB's own and concerns that reading. What
anything between us and the database says (a proxy, a login page, a TLS listener asked in plain
HTTP) concerns the destination, and so do limits that the database has for all.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from sungather.errors import Blocked, Unavailable
from sungather.exporters.line_protocol import escaped
from sungather.http_client import HttpAnswer, retry_after
from sungather.untrusted import fit_to_show, parsed_json

# Whatever answers chooses the text, so each repetition has a bound: time grows with length alone.
_CONFLICT = re.compile(
    r"""input field "([^"]+)" .{0,500}already exists|column type for column '([^']+)'"""
)
_RETENTION = re.compile(r"(?:beyond|outside) (?:the )?retention policy")
_DROPPED = re.compile(r"dropped[= ](\d{1,9})(?!\d)")
_COLUMNS = re.compile(r"number of columns per table|couldn't create columns in table")
"""InfluxDB 3, and its Cloud (Serverless, Dedicated)."""
_LIMIT = re.compile(
    r"max-series-per-database|max-values-per-tag|limit exceeded"
    r"|exceeds? (?:the )?[\w-]{0,60} ?limit"
    r"|number of (?:tables|databases)[\w ]{0,60} limit|cardinality",
    re.IGNORECASE,
)
_PLAIN_HTTP = re.compile(
    r"HTTP request (?:to an|was sent to) HTTPS|speaking plain HTTP", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class WriteRefusal:
    """An answer of InfluxDB's own that refuses something of what was written."""

    reason: str
    named: Mapping[int, str] = field(default_factory=dict[int, str])
    """Number of a line, from 0 -> why this very line is refused."""
    fields: frozenset[str] = frozenset()
    """Fields that the database holds with another type."""
    columns: bool = False
    """A table would get more columns than the database takes."""
    content: bool = False
    """The status says that it is about what was sent: too large, or not to be stored."""


def refusal(
    answer: HttpAnswer,
    lines: Sequence[str],
    secrets: Iterable[str] = (),
    *,
    divisible: bool = True,
) -> WriteRefusal | None:
    """What an answer to writing `lines` refuses; None if it takes them all.

    `secrets` are what the server knows of us, and could send back. A refusal without
    names says that smaller parts may tell more; `divisible` says whether there are any.

    Raises:
        Blocked: the destination takes nothing until a person has changed something.
        Unavailable: it takes nothing now.
    """
    status = answer.status
    said = f"InfluxDB answered {status}: {message(answer, secrets)}"
    if status < 300:
        if _is_empty(answer):
            return None
        raise Blocked(
            f"{said}. An InfluxDB that has taken something answers without a text, so something "
            "else answers at influxdb.url, such as a proxy or a login page."
        )
    if status in (401, 403):
        raise Blocked(
            f"{said}. Check influxdb.token, or influxdb.username and influxdb.password, "
            "and whether it may write to influxdb.bucket."
        )
    if status == 404:
        raise Blocked(
            f"{said}. Check influxdb.url, influxdb.version, influxdb.org and influxdb.bucket."
        )
    if status < 400:
        raise Blocked(f"{said}. Set influxdb.url to the address that it really has.")
    if status not in (400, 413, 422):
        raise Unavailable(f"{said}.", retry_after(answer))
    if not is_own(answer):
        if status == 413 and divisible:
            return WriteRefusal(said)
        raise Blocked(f"{said}. {_advice(answer)}")
    return _own_refusal(answer, lines, said, secrets)


def _own_refusal(
    answer: HttpAnswer, lines: Sequence[str], said: str, secrets: Iterable[str]
) -> WriteRefusal:
    reason = message(answer, secrets)
    whole = _whole_message(answer)
    named = _by_number(answer, lines, secrets) or _by_text(whole, lines, secrets)
    for line in lines:
        whole = whole.replace(line, "…")
    if _COLUMNS.search(whole):
        return WriteRefusal(reason, columns=True)
    if _LIMIT.search(whole):
        raise Blocked(f"{said}. Raise this limit in InfluxDB, or remove data that it counts.")
    if fields := {a or b for a, b in _CONFLICT.findall(whole)}:
        if unknown := sorted(one for one in fields if not _holds(lines, one)):
            name = fit_to_show(unknown[0], secrets, 80)
            raise Blocked(
                f"InfluxDB refuses a field that was not sent to it ({name}). "
                "Check influxdb.url: something else may answer there."
            )
        return WriteRefusal(reason, fields=frozenset(fields))
    if not named and _RETENTION.search(whole):
        dropped = _DROPPED.search(whole)
        if len(lines) == 1 or (dropped and int(dropped[1]) == len(lines)):
            named = dict.fromkeys(range(len(lines)), reason)
    return WriteRefusal(reason, named, content=answer.status in (413, 422))


def is_own(answer: HttpAnswer) -> bool:
    """Whether an answer has the form of InfluxDB's errors, in any version."""
    return bool(as_object(answer).keys() & {"error", "message", "code"})


def as_object(answer: HttpAnswer) -> dict[str, object]:
    """The JSON object of an answer; empty when it holds none."""
    try:
        content = parsed_json(answer.body)
    except ValueError:
        return {}
    return cast(dict[str, object], content) if isinstance(content, dict) else {}


def message(answer: HttpAnswer, secrets: Iterable[str] = ()) -> str:
    """What the server says, in at most 300 characters."""
    if answer.is_web_page:
        return "a web page"
    return fit_to_show(_whole_message(answer), secrets).rstrip(".") or "no reason given"


def _whole_message(answer: HttpAnswer) -> str:
    content = as_object(answer)
    said = content.get("error") or content.get("message")
    details = [entry.get("error_message") for entry in _entries(content)]
    parts = [said if isinstance(said, str) else answer.text, *details]
    return " ".join(part for part in parts if isinstance(part, str)).strip()


def _is_empty(answer: HttpAnswer) -> bool:
    """Also what a status without a body (204) announces counts as one."""
    announced = answer.headers.get("content-length", "0").strip() not in ("", "0")
    return not (answer.body or announced or answer.is_web_page)


def _advice(answer: HttpAnswer) -> str:
    if _PLAIN_HTTP.search(answer.text):
        return "Write influxdb.url with https:// instead of http://."
    if answer.status == 413:
        return "Raise the longest request that the proxy before InfluxDB lets through."
    return "This is not how InfluxDB answers: check influxdb.url, and a proxy before InfluxDB."


def _holds(lines: Iterable[str], name: str) -> bool:
    key = escaped(name)
    return any(f" {key}=" in line or f",{key}=" in line for line in lines)


def _entries(content: Mapping[str, object]) -> list[dict[str, object]]:
    data = content.get("data")
    entries = cast(list[object], data) if isinstance(data, list) else [data]
    return [cast(dict[str, object], entry) for entry in entries if isinstance(entry, dict)]


def _by_number(answer: HttpAnswer, lines: Sequence[str], secrets: Iterable[str]) -> dict[int, str]:
    """Lines that a partial write tells by their numbers (version 3)."""
    named: dict[int, str] = {}
    for entry in _entries(as_object(answer)):
        number = entry.get("line_number")
        if type(number) is not int or not 1 <= number <= len(lines):  # True is no number
            return {}
        said = entry.get("error_message")
        named[number - 1] = fit_to_show(said, secrets) if isinstance(said, str) else "refused"
    return named


def _by_text(whole: str, lines: Sequence[str], secrets: Iterable[str]) -> dict[int, str]:
    """Lines that are quoted (versions 1 and 2: "unable to parse '…': …")."""
    return {
        number: fit_to_show(whole.replace(line, "…"), secrets).rstrip(".")
        for number, line in enumerate(lines)
        if f"'{line}'" in whole
    }
