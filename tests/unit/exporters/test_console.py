"""The console: a table for people, JSON lines for programs."""

import asyncio
import io
import json
from dataclasses import replace

from sungather.exporters.console import Console, table
from sungather.reading import Problem, State
from tests.outbox_parts import reading, sub_device


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Broken(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError("Broken pipe")


async def printed(console: Console, stream: io.StringIO, lines: int) -> str:
    task = asyncio.create_task(console.run())
    async with asyncio.timeout(10):
        while stream.getvalue().count("\n") < lines:  # noqa: ASYNC110 (a stream has no event)
            await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return stream.getvalue()


async def test_without_a_terminal_each_reading_is_one_line_of_json() -> None:
    stream = io.StringIO()
    console = Console(stream)
    console.on_reading(reading(pv_power=4821, units={"pv_power": "W"}))
    console.on_reading(reading(name="barn", pv_power=1))
    first, second = (await printed(console, stream, 2)).splitlines()
    assert json.loads(first)["values"] == {"pv_power": 4821}
    assert json.loads(second)["name"] == "barn"


async def test_on_a_terminal_it_is_a_table() -> None:
    stream = Terminal()
    console = Console(stream)
    console.on_reading(reading(pv_power=4821, run_state="Run", units={"pv_power": "W"}))
    lines = (await printed(console, stream, 3)).splitlines()
    assert lines[0].startswith("roof · SH10RT · A223098765 · ok · ")
    assert lines[1:3] == ["pv_power   4821 W", "run_state   Run"]


def test_a_device_behind_an_inverter_is_shown_as_such() -> None:
    assert table(sub_device()).startswith(
        "roof-battery-1 · SBR096 · S2310160987 · battery behind roof · ok · "
    )


def test_a_reading_with_a_problem_shows_its_values_too() -> None:
    problem = Problem("meter-wrong", "The meter is wrong.")
    lines = table(replace(reading(pv_power=4821), problem=problem)).splitlines()
    assert lines[1:] == ["The meter is wrong.", "pv_power  4821"]


def test_a_reading_without_values_says_why() -> None:
    problem = Problem("unreachable", "Nobody answers at 192.0.2.1.")
    assert "Nobody answers" in table(replace(reading(state=State.UNREACHABLE), problem=problem))


async def test_a_standard_output_that_is_gone_is_said_and_ends_nothing() -> None:
    console = Console(Broken())
    console.on_reading(reading())
    task = asyncio.create_task(console.run())
    async with asyncio.timeout(10):
        while console.health().state == "ok":  # noqa: ASYNC110 (health has no event)
            await asyncio.sleep(0.001)
    assert "cannot be written" in console.health().message
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_a_shared_type_code_is_read_with_both_names() -> None:
    shared = replace(reading(pv_power=1), model="SG10RT", other_models=("SG10RT-20",))
    assert "SG10RT / SG10RT-20" in table(shared)
