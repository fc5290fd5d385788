"""`/metrics`, judged by Debian's promtool, and scraped by Debian's Prometheus and asked back."""

import asyncio
import json
import re
import shutil
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from households import SERVICES, Watch, household, reading, silent

from sungather.reading import Reading, State, Value
from sungather.registers.catalogue import (
    _INVERTERS,  # pyright: ignore[reportPrivateUsage]
    _SUB_DEVICES,  # pyright: ignore[reportPrivateUsage]
)
from sungather.registers.tables import read_rows
from sungather.web.metrics import Metrics
from tests.docs import dashboards
from tests.plain_values import measurements
from tests.real_parts import free_port

PROMETHEUS = shutil.which("prometheus")
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="needs promtool (Debian package prometheus)"
)
needs_prometheus = pytest.mark.skipif(
    PROMETHEUS is None, reason="needs prometheus (Debian package prometheus)"
)


async def complaints(text: bytes) -> str:
    """What `promtool check metrics` says; nothing, if all is well."""
    assert PROMTOOL is not None
    process = await asyncio.create_subprocess_exec(
        PROMTOOL,
        "check",
        "metrics",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate(text)
    return said.decode() + ("" if process.returncode == 0 else f"exit {process.returncode}")


def everything() -> Reading:
    """A reading with every name that the register map can publish."""
    values: dict[str, Value] = {}
    units: dict[str, str] = {}
    for file in (*_INVERTERS, *_SUB_DEVICES):
        for row in read_rows(file):
            values[row.register.name] = 1.5
            units[row.register.name] = row.register.unit
    return replace(reading(), measurements=measurements(values, units))


@needs_promtool
async def test_promtool_has_nothing_against_any_name_that_can_be_published() -> None:
    metrics = Metrics()
    readings = [
        everything(),
        reading("garage"),
        replace(silent(State.UNREACHABLE, message="Nobody is there."), name="barn"),
    ]
    for one in readings:
        metrics.on_reading(one)
    text, _ = metrics.exposition(readings, SERVICES, "")
    assert text.count(b"# TYPE") > 200
    assert await complaints(text) == ""


@needs_promtool
async def test_the_alert_in_the_docs_tells_trouble_from_night(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "metrics.md").read_text()
    (rules,) = re.findall(r"```yaml\n(groups:.*?)```", page, re.DOTALL)
    (tmp_path / "rules.yaml").write_text(rules)
    age = 'sungather_newest_reading_age_seconds{name="NAME"}'
    asleep = 'sungather_inverter_state{name="NAME",state="asleep"}'
    up = 'sungather_up{name="NAME"}'
    series = [
        {"series": text.replace("NAME", name), "values": f"{value}x20"}
        for name, old, sleeps, works in (
            ("night", 7000, 1, 0), ("day", 30, 0, 1), ("trouble", 7000, 0, 0),
            ("never read", None, 0, 0), ("begun at night", None, 1, 0),
        )
        for text, value in ((age, old), (asleep, sleeps), (up, works))
        if value is not None
    ]  # fmt: skip
    said = [
        {
            "exp_labels": {"name": name},
            "exp_annotations": {"summary": f"{name} gives no values, and does not sleep."},
        }
        for name in ("trouble", "never read")
    ]
    alert = {"eval_time": "15m", "alertname": "SungatherNoValues", "exp_alerts": said}
    tests = [{"interval": "1m", "input_series": series, "alert_rule_test": [alert]}]
    file = tmp_path / "tests.yaml"
    file.write_text(json.dumps({"rule_files": ["rules.yaml"], "tests": tests}))
    assert PROMTOOL is not None
    process = await asyncio.create_subprocess_exec(
        PROMTOOL, "test", "rules", str(file), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()


@asynccontextmanager
async def prometheus(directory: Path, target: int) -> AsyncGenerator[str]:
    """A Prometheus that scrapes the target every second; the address of its API."""
    assert PROMETHEUS is not None
    port = free_port()
    config = directory / "prometheus.yml"
    config.write_text(
        "scrape_configs:\n"
        "- job_name: sungather\n"
        "  scrape_interval: 1s\n"
        f"  static_configs: [{{targets: ['127.0.0.1:{target}']}}]\n"
    )
    process = await asyncio.create_subprocess_exec(
        PROMETHEUS,
        f"--config.file={config}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield f"http://127.0.0.1:{port}/api/v1"
    finally:
        process.terminate()
        await process.wait()


async def asked(api: str, query: str) -> list[Any]:
    """The answer to a query, as soon as there is one."""
    url = f"{api}/query?{urllib.parse.urlencode({'query': query})}"

    def ask() -> list[Any]:
        try:
            with urllib.request.urlopen(url) as answer:
                return json.load(answer)["data"]["result"]
        except urllib.error.URLError:
            return []

    async with asyncio.timeout(60):
        while not (result := await asyncio.to_thread(ask)):  # noqa: ASYNC110 (another process)
            await asyncio.sleep(0.2)
    return result


@needs_prometheus
async def test_prometheus_scrapes_it_and_knows_the_values(tmp_path: Path) -> None:
    watch = Watch(datetime.now(UTC))
    async with household(["house", "garage"], days=0, watch=watch, step=10**9) as (web, _, _):
        assert web.port is not None
        web.on_reading(reading(at=watch.moment, pv_power=4321))
        async with prometheus(tmp_path, web.port) as api:
            (power,) = await asked(api, 'sungather_pv_power_watts{name="house"}')
            assert power["value"][1] == "4321"
            assert power["metric"]["serial"] == "A2290123456"
            (total,) = await asked(api, "sum(sungather_pv_energy_kwh_total)")
            assert float(total["value"][1]) > 1000
            (up,) = await asked(api, 'up{job="sungather"}')
            assert up["value"][1] == "1"
            (age,) = await asked(api, 'sungather_newest_reading_age_seconds{name="house"}')
            assert 0 <= float(age["value"][1]) < 3600
            (queue,) = await asked(api, 'sungather_service_queue_readings{service="influxdb"}')
            assert queue["value"][1] == "37"


@needs_prometheus
async def test_prometheus_has_an_answer_to_every_question_of_the_dashboards(
    tmp_path: Path,
) -> None:
    watch = Watch(datetime.now(UTC))
    day: dict[str, Value] = {"pv_energy_today": 10, "house_energy_today": 8}
    async with household(["house", "garage"], days=0, watch=watch, step=10**9) as (web, _, _):
        assert web.port is not None
        web.on_reading(reading("house", watch.moment, **day))
        web.on_reading(replace(silent(State.UNREACHABLE, message="Nobody is there."), name="barn"))
        async with prometheus(tmp_path, web.port) as api:
            for board in sorted(dashboards.SOURCE.glob("*.json")):
                panels = json.loads(board.read_text())["panels"]
                for panel in panels:
                    for target in panel.get("targets", []):
                        question = target["expr"].replace("$inverter", ".+")
                        assert "$" not in question
                        assert await asked(api, question), (board.stem, panel["title"])
