"""The dashboards for Grafana, as files and as questions that a real InfluxDB answers."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from households import reading

from tests.docs import dashboards
from tests.functional.exporters.test_export_influxdb import OPTIONS, bench, get, make_database
from tests.real_parts import influxd, running

BOARD = dashboards.boards()["influxdb-household.json"]
TODAY = {
    "house_energy_today": 8,
    "grid_import_energy_today": 1,
    "grid_export_energy_today": 5,
}
STEP = timedelta(minutes=1)


@pytest.mark.parametrize("name", dashboards.boards())
def test_the_files_are_those_that_are_made(name: str) -> None:
    file = dashboards.FOLDER / name
    assert file.read_text(encoding="utf-8") == dashboards.text(dashboards.boards()[name]), (
        "run: python -m tests.docs.dashboards"
    )


def test_the_folder_holds_nothing_else() -> None:
    assert {file.name for file in dashboards.FOLDER.iterdir()} == dashboards.boards().keys()


def test_every_board_has_an_identity_of_its_own_and_nothing_of_juju() -> None:
    found = dashboards.boards().values()
    assert len({board["uid"] for board in found}) == len(found)
    assert len({board["title"] for board in found}) == len(found)
    assert "juju" not in json.dumps(list(found)).lower()
    assert "prometheus" not in json.dumps(BOARD).lower()


def test_a_question_that_nobody_has_put_into_influxql_is_not_left_out_in_silence() -> None:
    with pytest.raises(ValueError, match="no InfluxQL"):
        dashboards.question("avg(sungather_pv_power_watts)")
    with pytest.raises(ValueError, match="nothing is published"):
        dashboards.question('sum(sungather_pv_powers_watts{name=~"$inverter"})')


def filled_in(question: str, chosen: str) -> str:
    """What Grafana makes of a question for the last six hours."""
    for variable, text in {
        "$timeFilter": "time >= now() - 6h AND time <= now()",
        "$__interval": "2m",
        "${measurement}": "sungather",
        "${zone}": "Europe/Berlin",
        "$inverter": chosen,
    }.items():
        question = question.replace(variable, text)
    assert "$" not in question.replace("$/", "")
    return question


def answers(port: int, question: str) -> list[dict[str, Any]]:
    said = json.loads(get(f"http://127.0.0.1:{port}/query", db="solar", q=question))
    (result,) = said["results"]
    assert "error" not in result, (question, result)
    return result.get("series", [])


async def test_influxdb_answers_every_question_with_the_values_of_all_inverters(
    tmp_path: Path,
) -> None:
    now = datetime.now(UTC)
    with running(influxd(tmp_path)) as server:
        await asyncio.to_thread(make_database, server.port)
        options = replace(OPTIONS, url=f"http://127.0.0.1:{server.port}")
        async with bench(tmp_path, options) as b:
            for number in range(60):
                at = now - timedelta(minutes=59) + number * STEP
                for name, watts, solar in (("garage", 1000, 0), ("house", 500, 10)):
                    more = {"pv_power": watts, "pv_energy_today": solar, **TODAY}
                    b.outbox.on_reading(reading(name, at, **more))
            await b.drained()

        def ask(question: str, chosen: str = ".+") -> list[dict[str, Any]]:
            return answers(server.port, filled_in(question, chosen))

        def check() -> None:
            (variable,) = (one for one in BOARD["templating"]["list"] if one["type"] == "query")
            (names,) = ask(variable["query"])
            assert [row[1] for row in names["values"]] == ["garage", "house"]
            panels = {one["title"]: one for one in BOARD["panels"] if one["type"] != "row"}
            for panel in panels.values():
                for target in panel["targets"]:
                    assert ask(target["query"]), (panel["title"], target["alias"])
            (power,) = ask(panels["PV"]["targets"][0]["query"])
            assert [row[1] for row in power["values"]] == [1500]
            (alone,) = ask(panels["PV"]["targets"][0]["query"], "(garage)")
            assert [row[1] for row in alone["values"]] == [1000]
            (flow,) = ask(panels["Power flow"]["targets"][0]["query"])
            assert {row[1] for row in flow["values"]} <= {500, 1000, 1500}
            assert [row[1] for row in flow["values"]].count(1500) >= 28
            (share,) = ask(panels["Own use today"]["targets"][0]["query"])
            assert [row[1] for row in share["values"]] == [0.5], "of 10 kWh 5 go out"
            assert ask(panels["Own use today"]["targets"][0]["query"], "(garage)") == [], (
                "a share of nothing is not everything"
            )
            strings = ask(panels["MPPT voltage"]["targets"][0]["query"])
            assert {one["tags"]["name"] for one in strings} == {"garage", "house"}
            columns = {column for one in strings for column in one["columns"]}
            assert {"mean_mppt_1_voltage", "mean_mppt_2_voltage"} <= columns

        await asyncio.to_thread(check)
