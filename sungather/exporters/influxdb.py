"""InfluxDB 1, 2 and 3, and what speaks like them, such as VictoriaMetrics.

Points carry their own time, so writing one twice changes nothing: in doubt it is written again.
Write APIs: https://docs.influxdata.com/influxdb/v1/tools/api/#write-http-endpoint,
https://docs.influxdata.com/influxdb/v2/api/#operation/PostWrite,
https://docs.influxdata.com/influxdb3/core/write-data/http-api/v3-write-lp/
"""

import base64
import gzip
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import cast
from urllib.parse import urlencode

from sungather.errors import Blocked, Unavailable
from sungather.exporters.line_protocol import fields_of, line
from sungather.http_client import DEADLINE, HttpAnswer, HttpClient, retry_after
from sungather.options.table import InfluxdbOptions
from sungather.outbox import Record
from sungather.strangers import fit_to_show, parsed_json

log = logging.getLogger(__name__)

BATCH = 200
"""Lines a request: 250 kB of text, and 2,000 readings a second with room to spare."""
_CONFLICT = re.compile(
    r"""input field "([^"]+)" .*already exists|column type for column '([^']+)'"""
)


def parse_tags(text: str) -> dict[str, str]:
    """The option `influxdb.tags`. Raises ValueError with a sentence."""
    tags: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        key, sign, value = part.partition("=")
        if not sign or not key.strip() or not value.strip():
            raise ValueError(f"influxdb.tags: {part!r} is not of the form key=value.")
        tags[key.strip()] = value.strip()
    return tags


class Influxdb:
    """The destination; see `Destination`."""

    batch = BATCH

    def __init__(self, options: InfluxdbOptions, deadline: float = DEADLINE) -> None:
        self._options = options
        self._tags = parse_tags(options.tags)
        self._server = HttpClient(options.url, "InfluxDB", deadline)
        self._secrets = (
            options.token,
            options.password,
            _pair(options) if options.password else "",
        )
        """What the server knows of us, and could send back."""
        self._version = "" if options.version == "auto" else options.version
        self._left_out: set[str] = set()
        """Fields that the database holds with another type."""

    def close(self) -> None:
        """Let go of the connection."""
        self._server.close()

    async def deliver(self, records: Sequence[Record]) -> Mapping[int, str]:
        """Write `records`; when some are refused, find out which, and write the others."""
        self._version = self._version or await self._find_out_version()
        rejected: dict[int, str] = {}
        todo = [list(records)]
        while todo:
            lines = self._lines(todo.pop())
            if not lines:
                continue
            part = [record for record, _ in lines]
            answer = await self._write([text for _, text in lines])
            if answer.status < 300:
                continue
            refused = self._refused(answer, part)
            if refused is None:
                half = len(part) // 2
                todo += [part[half:], part[:half]] if half else [part]
            else:
                rejected |= refused
        return rejected

    def _lines(self, records: Sequence[Record]) -> list[tuple[Record, str]]:
        measurement = self._options.measurement
        return [
            (record, text)
            for record in records
            if (text := line(record, measurement, self._tags, self._left_out))
        ]

    async def _write(self, lines: Sequence[str]) -> HttpAnswer:
        answer = await self._server.request(
            "POST",
            _path(self._version, self._options),
            _headers(self._version, self._options)
            | {"Content-Encoding": "gzip", "Content-Type": "text/plain; charset=utf-8"},
            gzip.compress("\n".join(lines).encode(), 3, mtime=0),
            repeatable=True,
        )
        status = answer.status
        if status < 300 or status in (400, 413, 422):
            return answer
        said = f"InfluxDB answered {status}: {_message(answer, self._secrets)}"
        if status in (401, 403):
            raise Blocked(
                f"{said}. Check influxdb.token, or influxdb.username and influxdb.password, "
                "and whether it may write to influxdb.bucket."
            )
        if status == 404:
            if self._options.version == "auto":
                self._version = ""
            raise Blocked(
                f"{said}. Check influxdb.url, influxdb.version, influxdb.org and influxdb.bucket."
            )
        if status < 400:
            raise Blocked(f"{said}. Set influxdb.url to the address that it really has.")
        raise Unavailable(f"{said}.", retry_after(answer))

    def _refused(self, answer: HttpAnswer, records: Sequence[Record]) -> dict[int, str] | None:
        """Ids of refused records, or None: write again, in smaller parts."""
        if answer.status == 413 and len(records) > 1:
            return None
        reason = _message(answer, self._secrets)
        named = {a or b for a, b in _CONFLICT.findall(reason)}
        # A server that names what was never sent gets no further tries.
        sent = {name for record in records for name, _ in fields_of(record.values)}
        fields = (named & sent) - self._left_out
        if fields:
            # One field would take the whole reading along: go on without that field.
            self._left_out |= fields
            log.warning(
                "InfluxDB holds %s with another type; left out from now on. "
                "Set influxdb.measurement to a new name to get it back.",
                ", ".join(sorted(fields)),
            )
            return None
        numbered = _by_line(answer, records, self._secrets)
        if numbered is not None:
            return numbered
        return {records[0].id: reason} if len(records) == 1 else None

    async def _find_out_version(self) -> str:
        headers = _headers("3", self._options)
        answer = await self._server.request("GET", "/ping", headers)
        text = answer.headers.get("x-influxdb-version", "") or _json(answer).get("version", "")
        found = re.match(r"v?([123])\.", str(text))
        if found is not None:
            version = found[1]
        elif answer.status >= 500 or answer.status == 429:
            raise Unavailable(f"InfluxDB answered {answer.status}.", retry_after(answer))
        else:
            version = "2" if self._options.token else "1"
        log.info("influxdb: writing as to version %s", version)
        return version


def _path(version: str, options: InfluxdbOptions) -> str:
    match version:
        case "3":
            return "/api/v3/write_lp?" + urlencode(
                {"db": options.bucket, "precision": "millisecond", "accept_partial": "true"}
            )
        case "2":
            query = {"bucket": options.bucket, "precision": "ms"}
            return "/api/v2/write?" + urlencode(
                {"org": options.org, **query} if options.org else query
            )
        case _:
            database, _, policy = options.bucket.partition("/")
            query = {"db": database, "precision": "ms"}
            return "/write?" + urlencode({**query, "rp": policy} if policy else query)


def _headers(version: str, options: InfluxdbOptions) -> dict[str, str]:
    pair = _pair(options)
    if options.token:
        kind = "Bearer" if version == "3" else "Token"
        return {"Authorization": f"{kind} {options.token}"}
    if not options.username:
        return {}
    if version == "1":
        return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
    return {"Authorization": f"Token {pair}"}


def _pair(options: InfluxdbOptions) -> str:
    return f"{options.username}:{options.password}"


def _json(answer: HttpAnswer) -> dict[str, object]:
    try:
        content = parsed_json(answer.body)
    except ValueError:
        return {}
    return cast(dict[str, object], content) if isinstance(content, dict) else {}


def _message(answer: HttpAnswer, secrets: Iterable[str]) -> str:
    content = _json(answer)
    said = content.get("error") or content.get("message")
    details = [entry.get("error_message") for entry in _entries(content)][:3]
    parts = [said if isinstance(said, str) else answer.text, *details]
    text = " ".join(part for part in parts if isinstance(part, str))
    return fit_to_show(text, secrets).rstrip(".") or "no reason given"


def _entries(content: Mapping[str, object]) -> list[dict[str, object]]:
    data = content.get("data")
    entries = cast(list[object], data) if isinstance(data, list) else [data]
    return [cast(dict[str, object], entry) for entry in entries if isinstance(entry, dict)]


def _by_line(
    answer: HttpAnswer, records: Sequence[Record], secrets: Iterable[str]
) -> dict[int, str] | None:
    """Refused records of a partial write that tells the numbers of the lines (version 3)."""
    refused: dict[int, str] = {}
    for entry in _entries(_json(answer)):
        number = entry.get("line_number")
        if not isinstance(number, int) or not 1 <= number <= len(records):
            return None
        said = entry.get("error_message")
        reason = fit_to_show(said, secrets) if isinstance(said, str) else "refused"
        refused[records[number - 1].id] = reason
    return refused or None
