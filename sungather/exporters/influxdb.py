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
from collections.abc import Collection, Mapping, Sequence
from urllib.parse import urlencode

from sungather.errors import Blocked, Unavailable
from sungather.exporters.influxdb_answers import WriteRefusal, as_object, refusal
from sungather.exporters.line_protocol import line
from sungather.http_client import DEADLINE, HttpClient, retry_after
from sungather.options.patterns import value_filter
from sungather.options.table import InfluxdbOptions
from sungather.options.tags import parse_tags
from sungather.outbox import Record

log = logging.getLogger(__name__)

BATCH = 200
"""Lines a request: 250 kB of text, and 2,000 readings a second with room to spare."""
_NEW_FIELDS = 8
"""Fields in conflict that are learned in one try; then it waits, each time longer."""


class Influxdb:
    """The destination; see `Destination`."""

    batch = BATCH

    def __init__(self, options: InfluxdbOptions, deadline: float = DEADLINE) -> None:
        self._options = options
        self._tags = parse_tags(options.tags) if options.tags else {}
        self._wanted = value_filter(options.include, options.exclude)
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
        try:
            return await self._deliver(records)
        except Blocked:
            if self._options.version == "auto":
                # What was found out may have been the word of whatever else answers there.
                self._version = ""
            raise

    async def _deliver(self, records: Sequence[Record]) -> Mapping[int, str]:
        rejected: dict[int, str] = {}
        suspects: dict[int, WriteRefusal] = {}
        """Refused alone, but in words that would suit any record."""
        taken = False
        new_fields = 0
        todo = [list(records)]
        while todo:
            lines = self._lines(todo.pop())
            if not lines:
                continue
            part = [record for record, _ in lines]
            refused = await self._write([text for _, text in lines])
            if refused is None:
                taken = True
            elif refused.fields:
                new_fields += len(refused.fields)
                self._leave_out(refused.fields)
                if new_fields > _NEW_FIELDS:
                    raise Unavailable(f"InfluxDB names ever new fields: {refused.reason}.")
                todo.append(part)
            elif refused.named:
                rejected |= {part[index].id: why for index, why in refused.named.items()}
                todo.append([record for record in part if record.id not in rejected])
            elif len(part) == 1:
                suspects[part[0].id] = refused
            else:
                half = len(part) // 2
                todo += [part[half:], part[:half]]
        rejected |= self._without_fields(records)
        return {**rejected, **self._refused_alone(suspects, records, taken)}

    def _refused_alone(
        self, suspects: Mapping[int, WriteRefusal], records: Sequence[Record], taken: bool
    ) -> Mapping[int, str]:
        """Those that were refused while others were taken: then it is about them.

        Raises:
            Blocked: nothing was taken, so it is about the destination.
        """
        reasons = {number: refused.reason for number, refused in suspects.items()}
        alone = len(records) == 1 and all(refused.content for refused in suspects.values())
        if suspects and not taken and not alone:
            raise Blocked(
                f"InfluxDB refuses every reading: {next(iter(reasons.values()))}. "
                "They are kept until this is repaired."
            )
        return reasons

    def _without_fields(self, records: Sequence[Record]) -> dict[int, str]:
        """Readings of which no field is left.

        Raises:
            Blocked: none of them has any.
        """
        if not self._left_out:
            return {}
        written = {record.id for record, _ in self._lines(records)}
        bare = [
            one for one in records if any(map(self._wanted, one.values)) and one.id not in written
        ]
        if len(bare) == len(records):
            raise Blocked(
                "InfluxDB holds every field of these readings with another type. "
                "Set influxdb.measurement to a new name."
            )
        return {one.id: "InfluxDB holds each of its fields with another type" for one in bare}

    def _leave_out(self, fields: Collection[str]) -> None:
        """One field would take the whole reading along: go on without that field."""
        self._left_out.update(fields)
        log.warning(
            "InfluxDB holds %s with another type; left out from now on. "
            "Set influxdb.measurement to a new name to get it back.",
            ", ".join(sorted(fields)),
        )

    def _lines(self, records: Sequence[Record]) -> list[tuple[Record, str]]:
        measurement = self._options.measurement
        return [
            (record, text)
            for record in records
            if (text := line(record, measurement, self._tags, self._is_sent))
        ]

    def _is_sent(self, name: str) -> bool:
        return name not in self._left_out and self._wanted(name)

    async def _write(self, lines: Sequence[str]) -> WriteRefusal | None:
        answer = await self._server.request(
            "POST",
            _path(self._version, self._options),
            _headers(self._version, self._options)
            | {"Content-Encoding": "gzip", "Content-Type": "text/plain; charset=utf-8"},
            gzip.compress("\n".join(lines).encode(), 3, mtime=0),
            repeatable=True,
        )
        return refusal(answer, lines, self._secrets)

    async def _find_out_version(self) -> str:
        headers = _headers("3", self._options)
        answer = await self._server.request("GET", "/ping", headers)
        text = answer.headers.get("x-influxdb-version", "") or as_object(answer).get("version", "")
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
