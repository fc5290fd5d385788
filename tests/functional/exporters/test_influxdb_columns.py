"""InfluxDB servers with few columns a table: fields are lost, readings are not."""

import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from sungather.household import HOUSEHOLD
from sungather.reading import Value
from tests.functional.exporters.test_export_influxdb import OPTIONS, bench
from tests.outbox_parts import reading
from tests.plain_values import measurements
from tests.stand_ins import Reply, Request, site


def split(text: str, sign: str) -> list[str]:
    """The parts of line protocol between signs that are neither escaped nor in quotes."""
    parts, escape, quoted = [""], False, False
    for one in text:
        if one == sign and not escape and not quoted:
            parts.append("")
            continue
        quoted ^= one == '"' and not escape
        escape = one == "\\" and not escape
        parts[-1] += one
    return parts


class Tables:
    """The columns of an InfluxDB 3, or of its Cloud: tags, fields and time count alike.

    Written from https://docs.influxdata.com/influxdb3/core/admin/databases/ (500 columns a
    table), https://docs.influxdata.com/influxdb3/cloud-serverless/admin/billing/limits/ (200),
    and the errors of their sources: InfluxDB 3 names lines, and takes the others; the Cloud
    refuses the whole request for its first bad line.
    """

    def __init__(self, limit: int, columns: Mapping[str, set[str]] | None = None) -> None:
        self.limit = limit
        self.columns: dict[str, set[str]] = {**(columns or {})}
        self.rows: dict[tuple[str, str], dict[str, str]] = {}
        """Series and time -> field -> value."""

    def take(self, text: str) -> int:
        """Write a line; 0 if that is done, else the columns that its table would have."""
        head, written, time = split(text, " ")
        table, *tags = split(head, ",")
        fields = dict(one.split("=", 1) for one in split(written, ","))
        columns = {"time", *(tag.split("=", 1)[0] for tag in tags), *fields}
        wanted = self.columns.get(table, set[str]()) | columns
        if len(wanted) > self.limit:
            return len(wanted)
        self.columns[table] = wanted
        self.rows.setdefault((head, time), {}).update(fields)
        return 0

    def version_3(self, request: Request) -> Reply:
        lines = gzip.decompress(request.body).decode().splitlines()
        said = (
            "Update to schema would exceed number of columns per table limit of "
            f"{self.limit} columns"
        )
        bad = [
            {"original_line": one, "line_number": number, "error_message": said}
            for number, one in enumerate(lines, 1)
            if self.take(one)
        ]
        answer = {"error": "partial write of line protocol occurred", "data": bad}
        return Reply(400, json.dumps(answer).encode()) if bad else Reply(204)

    def cloud(self, request: Request) -> Reply:
        before = {table: set(columns) for table, columns in self.columns.items()}
        for one in gzip.decompress(request.body).decode().splitlines():
            table = split(one, ",")[0]
            existing = len(before.get(table, set[str]()))
            if count := self.take(one):
                self.columns = before
                said = (
                    "dml handler error: service limit reached: couldn't create columns in table "
                    f"`{table}`; table contains {existing} existing columns, applying this write "
                    f"would result in {count} columns, limit is {self.limit}"
                )
                answer = {"code": "invalid", "message": said}
                return Reply(400, json.dumps(answer).encode())
        return Reply(204)


TAGS = {"time", "kind", "model", "name", "serial"}
ANSWERS: Mapping[str, Callable[[Tables], Callable[[Request], Reply]]] = {
    "3": lambda tables: tables.version_3,
    "2": lambda tables: tables.cloud,
}


@pytest.mark.parametrize("version", ["2", "3"])
@pytest.mark.parametrize(
    ("limit", "there"),
    [
        (500, set[str]()),
        (100, set[str]()),
        (101, {f"older_{number}" for number in range(60)}),
        (500, {*TAGS, "figure_3", *(f"pv_power_of_today_{n}" for n in range(493))}),
    ],
)
async def test_what_finds_no_column_is_left_out_and_every_reading_arrives(
    tmp_path: Path, version: str, limit: int, there: set[str]
) -> None:
    tables = Tables(limit, {"sungather": there} if there else None)
    values = {f"figure_{number}": 1.5 for number in range(120)} | {"pv_power": 5, "run_state": "x"}
    with site(ANSWERS[version](tables)) as server:
        options = replace(OPTIONS, url=server.url, version=version, token="t")
        async with bench(tmp_path, options) as b:
            for _ in range(3):
                one = replace(reading(b.time.now), measurements=measurements(values))
                b.outbox.on_reading(one)
                b.time.pass_by(seconds=30)
            await b.drained()
            health = b.delivery.health()
            assert (health.delivered, health.rejected, health.state) == (3, 0, "ok")
            asked = len(server.requests)
            one = replace(reading(b.time.now), measurements=measurements(values))
            b.outbox.on_reading(one)
            await b.drained()
            assert len(server.requests) == asked + 1, "what was found out holds"
    full = len(there | values.keys() | TAGS) > limit
    room = len(tables.columns["sungather"])
    assert (room == limit) if full else (room == 127)
    rows = list(tables.rows.values())
    assert len(rows) == 4
    assert all(row == rows[0] for row in rows), "as many fields of each"
    assert rows[0].keys() >= there & values.keys(), "what has a column already goes on"
    assert rows[0]["pv_power"] == "5.0", "the household's figures come first"


async def test_a_table_without_any_room_keeps_the_readings_and_says_so(tmp_path: Path) -> None:
    tables = Tables(10, {"sungather": {f"older_{number}" for number in range(10)}})
    with site(tables.version_3) as server:
        options = replace(OPTIONS, url=server.url, version="3", token="t")
        async with bench(tmp_path, options) as b:
            b.take(1, 2)
            await b.naps.fell_asleep()
            health = b.delivery.health()
            assert (health.state, health.rejected, health.queue) == ("blocked", 0, 2)
            assert "influxdb.measurement" in health.message


async def test_a_server_that_refuses_together_what_it_takes_apart_is_left_alone(
    tmp_path: Path,
) -> None:
    tables = Tables(500)

    def answer(request: Request) -> Reply:
        many = gzip.decompress(request.body).decode().count("=") > 6
        return Tables(0).version_3(request) if many else tables.version_3(request)

    with site(answer) as server:
        options = replace(OPTIONS, url=server.url, version="3", token="t")
        async with bench(tmp_path, options) as b:
            b.outbox.on_reading(
                replace(reading(), measurements=measurements(dict.fromkeys(HOUSEHOLD, 1)))
            )
            await b.naps.fell_asleep()
            assert b.delivery.health().state == "waiting"
            assert len(server.requests) < 50


@pytest.mark.parametrize("history", [False, True])
async def test_the_inverters_own_history_is_written_on_request_only(
    history: bool, tmp_path: Path
) -> None:
    tables = Tables(500)
    months: Value = [float(month) for month in range(1, 13)]
    values = measurements({"pv_power": 1, "monthly_pv_energy_yields": months})
    with site(tables.version_3) as server:
        options = replace(OPTIONS, url=server.url, version="3", history=history)
        async with bench(tmp_path, options) as b:
            b.outbox.on_reading(replace(reading(), measurements=values))
            await b.drained()
    written = {series.partition(",")[0] for series, _ in tables.rows}
    assert written == {"sungather", *(["sungather_history"] if history else [])}
