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
from datetime import UTC, tzinfo
from functools import cache
from ssl import SSLContext
from urllib.parse import urlencode

from sungather.errors import Blocked, Unavailable
from sungather.exporters.influxdb_answers import WriteRefusal, as_object, refusal
from sungather.exporters.influxdb_points import Layout, Point
from sungather.exporters.tls import client_context
from sungather.household import HOUSEHOLD
from sungather.http_client import DEADLINE, HttpClient, retry_after
from sungather.options.all_options import InfluxdbOptions
from sungather.outbox import Record

log = logging.getLogger(__name__)

BATCH = 200
"""Readings a request: 250 kB of text, and 2,000 readings a second with room to spare."""
_LINES = 2000
"""Most lines of history a request."""
_NEW_FIELDS = 8
"""Fields in conflict that are learned in one try; then it waits, each time longer."""


class Influxdb:
    """The destination; see `Destination`."""

    batch = BATCH

    def __init__(
        self, options: InfluxdbOptions, timezone: tzinfo = UTC, deadline: float = DEADLINE
    ) -> None:
        self._options = options
        self._layout = Layout(options, timezone)
        self._server = HttpClient(
            options.url,
            "InfluxDB",
            deadline,
            trust=cache(self._trust),
            options="influxdb",
        )
        self._secrets = (
            options.token,
            options.password,
            _pair(options) if options.password else "",
        )
        """What the server knows of us, and could send back."""
        self._version = "" if options.version == "auto" else options.version
        self._history_trouble = ""

    def _trust(self) -> SSLContext:
        options = self._options
        return client_context("influxdb", options.tls_ca, insecure=options.tls_insecure)

    def close(self) -> None:
        """Let go of the connection."""
        self._server.close()

    async def deliver(self, records: Sequence[Record]) -> Mapping[int, str]:
        """Write `records`; when some are refused, find out which, and write the others."""
        self._version = self._version or await self._find_out_version()
        try:
            rejected = await self._deliver(records)
        except Blocked:
            if self._options.version == "auto":
                # What was found out may have been the word of whatever else answers there.
                self._version = ""
            raise
        if self._options.history:
            await self._write_history(records)
        return rejected

    async def _deliver(self, records: Sequence[Record]) -> Mapping[int, str]:
        rejected: dict[int, str] = {}
        suspects: dict[int, WriteRefusal] = {}
        """Refused alone, but in words that would suit any record."""
        taken: list[Record] = []
        new_fields = 0
        todo = [list(records)]
        while todo:
            points = self._layout.points(todo.pop())
            if not points:
                continue
            part = _records(points)
            refused = await self._write([one.text for one in points], divisible=len(part) > 1)
            if refused is None:
                taken = part
            elif refused.columns:
                if not await self._fit_columns(points):
                    raise Unavailable(f"InfluxDB answered: {refused.reason}.")
                todo.append(part)
            elif refused.fields:
                new_fields += len(refused.fields)
                self._leave_out(points, refused.fields)
                if new_fields > _NEW_FIELDS:
                    raise Unavailable(f"InfluxDB names ever new fields: {refused.reason}.")
                todo.append(part)
            elif refused.named:
                rejected |= {points[at].record.id: why for at, why in refused.named.items()}
                todo.append([record for record in part if record.id not in rejected])
            elif len(part) == 1:
                suspects[part[0].id] = refused
            else:
                half = len(part) // 2
                todo += [part[half:], part[:half]]
        rejected |= self._without_fields(records)
        return {**rejected, **await self._refused_alone(suspects, records, taken[:1])}

    async def _refused_alone(
        self,
        suspects: Mapping[int, WriteRefusal],
        records: Sequence[Record],
        taken: Sequence[Record],
    ) -> Mapping[int, str]:
        """Those that are refused while another, `taken`, is taken: then it is about them.

        They are tried once more, and the other after them: it could have been the moment.

        Raises:
            Blocked: nothing is taken, so it is about the destination.
        """
        reasons = {number: refused.reason for number, refused in suspects.items()}
        if len(records) == 1 and all(refused.content for refused in suspects.values()):
            return reasons
        tried = [[one] for one in records if one.id in reasons and taken]
        again = [one for one in tried if await self._write_readings(one) is not None]
        refuses = await self._write_readings(taken) is not None if again else not taken
        if reasons and refuses:
            raise Blocked(
                f"InfluxDB refuses every reading: {next(iter(reasons.values()))}. "
                "They are kept until this is repaired."
            )
        return {one.id: reasons[one.id] for (one,) in again}

    async def _write_readings(self, records: Sequence[Record]) -> WriteRefusal | None:
        lines = [one.text for one in self._layout.points(records)]
        return await self._write(lines, divisible=False)

    def _without_fields(self, records: Sequence[Record]) -> dict[int, str]:
        """Readings of which no field is left.

        Raises:
            Blocked: none of them has any.
        """
        if not self._layout.leaves_out:
            return {}
        written = {point.record.id for point in self._layout.points(records)}
        bare = [one for one in records if self._layout.has_any(one) and one.id not in written]
        if len(bare) == len(records):
            raise Blocked(
                "InfluxDB takes no field of these readings: it holds them with another type, or "
                "has no column left for them. Set influxdb.measurement to a new name."
            )
        return {one.id: "InfluxDB takes none of its fields" for one in bare}

    def _leave_out(self, points: Sequence[Point], fields: Collection[str]) -> None:
        """One field would take the whole reading along: go on without that field."""
        for measurement in {point.measurement for point in points}:
            self._layout.leave_out(measurement, fields)
        log.warning(
            "InfluxDB holds %s with another type; left out from now on. "
            "Set influxdb.measurement to a new name to get it back.",
            ", ".join(sorted(fields)),
        )

    async def _fit_columns(self, points: Sequence[Point]) -> bool:
        """Find the fields for which the database has no column left, and leave them out.

        Fields are tried together, then in ever smaller groups, the household's figures first;
        what is written meanwhile are true values. Returns whether any was found.
        """
        records = _records(points)
        names: dict[str, dict[str, None]] = {}
        for point in points:
            names.setdefault(point.measurement, {}).update(dict.fromkeys(point.names))
        too_many: dict[str, list[str]] = {}
        for measurement, fields in names.items():
            groups = [sorted(fields, key=lambda name: name not in HOUSEHOLD)]
            while groups:
                group = groups.pop()
                tried = self._layout.only(records, measurement, group)
                refused = await self._write([point.text for point in tried])
                if refused is None or not refused.columns:
                    continue
                if len(group) == 1:
                    too_many.setdefault(measurement, []).extend(group)
                else:
                    half = len(group) // 2
                    groups += [group[half:], group[:half]]
        for measurement, fields in too_many.items():
            self._layout.leave_out(measurement, fields)
            log.warning(
                "InfluxDB has no column left in %s for %d values, left out from now on: %s. "
                "Choose values with influxdb.include and influxdb.exclude, or set "
                "influxdb.measurement to a new name.",
                measurement, len(fields), ", ".join(fields),
            )  # fmt: skip
        return bool(too_many)

    async def _write_history(self, records: Sequence[Record]) -> None:
        """Past days and months, which the inverter tells again every hour.

        What the database does not take of them, such as a day before its retention policy,
        costs no reading.
        """
        lines = self._layout.history(records)
        trouble = ""
        for start in range(0, len(lines), _LINES):
            try:
                refused = await self._write(lines[start : start + _LINES])
            except Blocked as error:
                trouble = str(error)
            else:
                trouble = refused.reason if refused is not None else trouble
        if trouble != self._history_trouble and trouble:
            log.warning("InfluxDB does not take all of the inverter's history: %s.", trouble)
        if lines:
            self._history_trouble = trouble

    async def _write(self, lines: Sequence[str], *, divisible: bool = True) -> WriteRefusal | None:
        answer = await self._server.request(
            "POST",
            _path(self._version, self._options),
            _headers(self._version, self._options)
            | {"Content-Encoding": "gzip", "Content-Type": "text/plain; charset=utf-8"},
            gzip.compress("\n".join(lines).encode(), 3, mtime=0),
            repeatable=True,
        )
        return refusal(answer, lines, self._secrets, divisible=divisible)

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


def _records(points: Sequence[Point]) -> list[Record]:
    """The records that points were made of, in the same order."""
    return list({point.record.id: point.record for point in points}.values())


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
