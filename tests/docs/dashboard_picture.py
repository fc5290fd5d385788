"""Draws the dashboard for InfluxDB: `python -m tests.docs.dashboard_picture` (chromium, influxd).

A simulated household's day is written to a real InfluxDB, which answers the questions of the
dashboard's file. Places, titles and colours are those of the file; the drawing is not Grafana's.
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, timedelta
from html import escape
from pathlib import Path
from typing import Any

from sungather.exporters.influxdb import Influxdb
from sungather.options.all_options import InfluxdbOptions
from sungather.outbox import Record
from sungather.outbox.record import milliseconds
from tests.browser import chromium
from tests.docs.dashboards import Json, boards
from tests.docs.screenshots import PICTURES
from tests.functional.exporters.test_export_influxdb import get, make_database
from tests.households import BERLIN, NOW, reading
from tests.real_parts import influxd, running

_END = NOW.replace(second=0)
_BEGIN = _END.astimezone(BERLIN).replace(hour=0, minute=0).astimezone(UTC)
_ROWS = 24
"""Rows of Grafana's grid that are shown."""
_UNIT = 30
_WIDTH = 1200
_COLOURS = {"yellow": "#fade2a", "blue": "#5794f2", "red": "#f2495c", "purple": "#b877d9",
            "green": "#73bf69", "dark-green": "#37872d"}  # fmt: skip
_STYLE = """body{margin:0;background:#111217;color:#ccccdc;font:13px sans-serif}
section{position:absolute;box-sizing:border-box;border:1px solid #2c2e35;border-radius:2px;
background:#181b1f;padding:6px 10px}section.row{border:0;background:none}
h3{font-size:13px;font-weight:500;margin:0 0 4px}b{font-size:30px;font-weight:500}
div{display:flex;align-items:center;gap:8px;margin:7px 0}div span{width:110px}"""


async def main() -> None:
    """Fill the database, ask it, and take the picture."""
    with tempfile.TemporaryDirectory() as name, running(influxd(Path(name))) as server:
        make_database(server.port)
        url = f"http://127.0.0.1:{server.port}"
        destination = Influxdb(InfluxdbOptions(url=url, version="1", bucket="solar"))
        await destination.deliver(_day())
        destination.close()
        page = Path(name) / "dashboard.html"
        panels = [one for one in boards()["influxdb-household.json"]["panels"]
                  if one["gridPos"]["y"] < _ROWS]  # fmt: skip
        drawn = "".join(_panel(one, server.port) for one in panels)
        page.write_text(f"<meta charset=utf-8><style>{_STYLE}</style>{drawn}", encoding="utf-8")
        async with chromium() as browser:
            shown = await browser.page(_WIDTH, _ROWS * (_UNIT + 8), scale=1)
            await shown.open(page.as_uri())
            file = PICTURES / "grafana-influxdb.png"
            await shown.screenshot(file, whole=False)
    print(f"{file.name}: {file.stat().st_size // 1024} kB", file=sys.stderr)


def _day() -> list[Record]:
    records: list[Record] = []
    at = _BEGIN
    while at <= _END:
        one = reading("house", at)
        ms = milliseconds(at)
        records.append(Record(len(records), one.name, one.model, one.serial, ms, ms, one.values))
        at += timedelta(minutes=2)
    return records


def _answers(question: str, port: int) -> list[tuple[float, float]]:
    """Time (0 to 1 of the day so far) and value of each point of an answer."""
    since = f"time >= '{_BEGIN:%FT%TZ}' AND time <= '{_END:%FT%TZ}'"
    soon = f"time > '{_END - timedelta(minutes=5):%FT%TZ}'"
    for macro, text in (("$timeFilter", since), ("time > now() - 5m", soon), ("$inverter", ".+"),
                        ("$__interval", "5m"), ("${measurement}", "sungather")):  # fmt: skip
        question = question.replace(macro, text)
    answer = get(f"http://127.0.0.1:{port}/query", db="solar", q=question, epoch="s")
    series: list[Any] = json.loads(answer)["results"][0].get("series", [])
    length = (_END - _BEGIN).total_seconds()
    begin = _BEGIN.timestamp()
    return [((row[0] - begin) / length, row[1]) for one in series[:1] for row in one["values"]]


def _panel(panel: Json, port: int) -> str:
    grid = panel["gridPos"]
    width = _WIDTH / 24
    place = (
        f"left:{grid['x'] * width + 4:.0f}px;top:{grid['y'] * (_UNIT + 8) + 4}px;"
        f"width:{grid['w'] * width - 8:.0f}px;height:{grid['h'] * (_UNIT + 8) - 8}px"
    )
    title = f"<h3>{escape(panel['title'])}</h3>"
    if panel["type"] == "row":
        return f'<section class=row style="{place}">{title}</section>'
    found = [(one["alias"], _answers(one["query"], port)) for one in panel["targets"]]
    match panel["type"]:
        case "stat":
            colour = _COLOURS[panel["fieldConfig"]["defaults"]["color"]["fixedColor"]]
            body = f'<b style="color:{colour}">{found[0][1][-1][1] / 1000:.2f} kW</b>'
        case "timeseries":
            body = _curves(found, panel)
        case _:
            body = _bars(found, panel, share=panel["type"] == "gauge")
    return f'<section style="{place}">{title}{body}</section>'


def _colour(panel: Json, name: str) -> str:
    for one in panel["fieldConfig"]["overrides"]:
        if one["matcher"]["options"] == name:
            return _COLOURS[one["properties"][0]["value"]["fixedColor"]]
    return "#73bf69"


def _curves(found: Sequence[tuple[str, Sequence[tuple[float, float]]]], panel: Json) -> str:
    most = max(value for _, points in found for _, value in points)
    lines = "".join(
        f'<polyline fill=none stroke="{_colour(panel, name)}" stroke-width=1.5 points="'
        + " ".join(f"{x * 1140:.1f},{290 - value / most * 280:.1f}" for x, value in points)
        + '"/>'
        for name, points in found
    )
    names = "".join(
        f'<tspan fill="{_colour(panel, name)}">━ {escape(name)}</tspan>   ' for name, _ in found
    )
    hours = "".join(
        f'<text x="{hour / ((_END - _BEGIN).total_seconds() / 3600) * 1140:.0f}" y=308 '
        f"fill=#8e8e9a font-size=11>{hour:02d}:00</text>"
        for hour in range(0, 15, 3)
    )
    top = f"<text y=10 fill=#8e8e9a font-size=11>{most / 1000:.1f} kW</text>"
    legend = f"<text y=332 font-size=12>{names}</text>"
    return f"<svg width=1160 height=340>{lines}{hours}{top}{legend}</svg>"


def _bars(
    found: Sequence[tuple[str, Sequence[tuple[float, float]]]], panel: Json, *, share: bool
) -> str:
    values = [(name, points[-1][1]) for name, points in found]
    most = 1.0 if share else max(value for _, value in values)
    return "".join(
        f"<div><span>{escape(name)}</span><svg width=330 height=22>"
        f'<rect width=330 height=22 fill="#22252b"/><rect height=22 '
        f'width="{value / most * 330:.0f}" fill="{_colour(panel, name)}"/></svg>'
        + (f"{value:.0%}</div>" if share else f"{value:.1f} kWh</div>")
        for name, value in values
    )


if __name__ == "__main__":
    asyncio.run(main())
