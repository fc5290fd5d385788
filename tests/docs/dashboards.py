"""Makes the dashboards for Grafana without Juju: `python -m tests.docs.dashboards`.

The source of all of them are the charm's, which ask Prometheus. Those for Prometheus are the same
with an identity of their own; the one for InfluxDB is the household's, each of its questions put
in InfluxQL, the one language that InfluxDB 1, 2 and 3 have in common.
"""

import json
import re
import sys
from collections.abc import Callable, Mapping
from datetime import UTC
from functools import cache
from pathlib import Path
from typing import Any

from sungather.exporters.influxdb_points import Layout
from sungather.options.all_options import InfluxdbOptions
from sungather.outbox import Record
from sungather.web.metrics import Metrics
from tests.docs.of_values import example

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "charm" / "src" / "grafana_dashboards"
FOLDER = ROOT / "grafana"

Json = dict[str, Any]

_CHOSEN = r'(\w+)\{name=~"\$inverter"\}'
_WHERE = '"name" =~ /^$inverter$/'
_INFLUXDB = {"type": "influxdb", "uid": "${influxdbds}"}


def boards() -> Mapping[str, Json]:
    """Name of each file -> its content."""
    household, collector = (_read(f"sungather-{name}") for name in ("household", "collector"))
    return {
        "prometheus-household.json": household | {"uid": "sungather-household"},
        "prometheus-collector.json": collector | {"uid": "sungather-collector"},
        "influxdb-household.json": _for_influxdb(household),
    }


def text(board: Json) -> str:
    """What the file holds."""
    return json.dumps(board, indent=2, ensure_ascii=False) + "\n"


def _read(stem: str) -> Json:
    return json.loads((SOURCE / f"{stem}.json").read_text(encoding="utf-8"))


def _for_influxdb(board: Json) -> Json:
    inverters = 'SHOW TAG VALUES FROM "${measurement}" WITH KEY = "name"'
    variables: list[Json] = []
    for one in board["templating"]["list"]:
        if one["type"] == "datasource":
            variables.append(one | {"name": "influxdbds", "query": "influxdb"})
            variables.append(_box("measurement", "Measurement", "sungather"))
            variables.append(_box("zone", "Time zone of the days", "UTC"))
        else:
            asked = {"query": inverters, "definition": inverters, "datasource": _INFLUXDB}
            variables.append(one | asked)
    return board | {
        "uid": "sungather-influxdb",
        "title": f"{board['title']} (InfluxDB)",
        "templating": {"list": variables},
        "panels": [_panel(one) for one in board["panels"]],
    }


def _box(name: str, label: str, content: str) -> Json:
    current = {"text": content, "value": content}
    return {"name": name, "type": "textbox", "label": label, "query": content, "hide": 0,
            "current": current, "options": [current | {"selected": True}]}  # fmt: skip


def _panel(panel: Json) -> Json:
    if panel["type"] == "row":
        return panel
    now = panel["type"] == "stat"
    targets = [
        {
            "datasource": _INFLUXDB,
            "query": question(one["expr"], now=now),
            "rawQuery": True,
            "resultFormat": "time_series",
            "alias": re.sub(r"\{\{(\w+)\}\}", _alias, one["legendFormat"]),
            "refId": one["refId"],
        }
        for one in panel["targets"]
    ]
    # Values are read every minute at the latest: a shorter interval would miss some inverters.
    return panel | {"datasource": _INFLUXDB, "interval": "2m", "targets": targets}


def _alias(label: re.Match[str]) -> str:
    return f"$tag_{label[1]}" if label[1] == "name" else "$col"


def question(expression: str, *, now: bool = False) -> str:
    """A question to Prometheus in InfluxQL; `now` for the newest value only.

    Raises:
        ValueError: nobody has written down how.
    """
    for form, put in _FORMS.items():
        if found := re.fullmatch(form, expression):
            return put(*found.groups(), now)
    raise ValueError(f"no InfluxQL for {expression}")


def _sum(metric: str, now: bool) -> str:
    measurement, field = place(metric)
    if now or metric.endswith("_today_kwh"):
        since = "time > now() - 5m" if now else "$timeFilter"
        return (
            f'SELECT sum("v") FROM (SELECT last({field}) AS "v" FROM {measurement} '
            f'WHERE {_WHERE} AND {since} GROUP BY "name")'
        )
    return (
        f'SELECT sum("v") FROM (SELECT mean({field}) AS "v" FROM {measurement} '
        f'WHERE {_WHERE} AND $timeFilter GROUP BY time($__interval), "name" fill(none)) '
        "WHERE $timeFilter GROUP BY time($__interval) fill(none)"
    )


def _of_each_day(metric: str, _: bool) -> str:
    measurement, field = place(metric)
    return (
        f'SELECT sum("v") FROM (SELECT spread({field}) AS "v" FROM {measurement} '
        f'WHERE {_WHERE} AND $timeFilter GROUP BY time(1d), "name" fill(none)) '
        "WHERE $timeFilter GROUP BY time(1d) fill(none) tz('${zone}')"
    )


def _share(part: str, whole: str, _: bool) -> str:
    measurement, field = place(part)
    return (
        'SELECT 1 - sum("a") / sum("b") FROM '
        f'(SELECT last({field}) AS "a", last({place(whole)[1]}) AS "b" FROM {measurement} '
        f'WHERE {_WHERE} AND $timeFilter GROUP BY "name") WHERE "b" > 0'
    )


def _each(metric: str, _: bool) -> str:
    measurement, field = place(metric)
    return (
        f"SELECT mean({field}) FROM {measurement} "
        f'WHERE {_WHERE} AND $timeFilter GROUP BY time($__interval), "name" fill(none)'
    )


_FORMS: Mapping[str, Callable[..., str]] = {
    rf"sum\({_CHOSEN}\)": _sum,
    rf"sum\(increase\({_CHOSEN}\[1d\]\)\)": _of_each_day,
    rf"1 - sum\({_CHOSEN}\) / \(sum\({_CHOSEN}\) > 0\)": _share,
    _CHOSEN: _each,
}


@cache
def _told() -> tuple[str, tuple[str, ...]]:
    """Everything that is exposed of a household, and the published names."""
    reading = example("SH10RT", 2)
    exposed, _ = Metrics().exposition([reading], [], "")
    return exposed.decode(), tuple(reading.values)


@cache
def place(metric: str) -> tuple[str, str]:
    """Measurement and field that hold what a metric tells, as InfluxQL writes them.

    What there are several of, which a label tells apart, is a regular expression.
    """
    exposed, names = _told()
    found = re.search(rf"# HELP {metric} Published as (\S+?)(?:\.| in )", exposed)
    if found is None:
        raise ValueError(f"nothing is published as {metric}")
    published = found[1]
    several = re.compile(f"^{published.replace('_N_', '_[0-9a-c]+_')}$")
    name = next(one for one in names if several.match(one))
    layout = Layout(InfluxdbOptions(url="", bucket="", measurement="${measurement}"), UTC)
    record = Record(1, "", "", "", 0, 0, {name: 1.0})
    (point,) = layout.points([record])
    field = f'"{published}"' if published == name else f"/{several.pattern}/"
    return f'"{point.measurement}"', field


def main() -> int:
    """Write all files, and say which of them changed."""
    FOLDER.mkdir(exist_ok=True)
    for name, board in boards().items():
        file = FOLDER / name
        if not file.exists() or file.read_text(encoding="utf-8") != text(board):
            file.write_text(text(board), encoding="utf-8")
            print(f"renewed {file.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
