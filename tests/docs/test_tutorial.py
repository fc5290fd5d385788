"""Every block of the tutorial that needs nothing but this machine is run, and its answers hold."""

import shutil
import sys
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from real_parts import free_port, mosquitto, running, tool

from sungather.exporters.delivery import Destination, Unavailable
from sungather.options.configuration import load
from sungather.outbox import Record
from tests.docs import generate
from tests.docs.pages import ROOT, Block, blocks, pages
from tests.docs.session import Session, matcher, surroundings, typed

TUTORIAL = ROOT / "TUTORIAL.md"
OURS = {
    "inverter", "inverters", "site", "web", "mqtt", "influxdb", "pvoutput", "console", "outbox",
    "log", "storage",
}  # fmt: skip


@pytest.fixture
def session() -> Generator[Session]:
    for name, package in (("curl", "curl"), ("mosquitto_sub", "mosquitto-clients")):
        tool(name, package)
    # Short, because a socket's path may not be long.
    home = Path(tempfile.mkdtemp(prefix="docs-"))
    with running(mosquitto(home)) as broker:
        ports = {printed: str(free_port()) for printed in ("5020", "5021", "8080")}
        programs = Path(sys.executable).parent
        reader = Session(home, surroundings(home, programs), ports | {"1883": str(broker.port)})
        try:
            yield reader
        finally:
            reader.close()
    shutil.rmtree(home, ignore_errors=True)


def test_the_tutorial_does_what_it_says(session: Session) -> None:
    done = 0
    for block in blocks(TUTORIAL):
        if not block.not_run and (block.language == "console" or block.file):
            if wrong := session.follow(block):
                pytest.fail(wrong, pytrace=False)
            done += 1
    assert done > 10


def test_every_mark_of_a_block_says_what_it_needs() -> None:
    marks = [block.not_run for page in pages() for block in blocks(page) if block.not_run]
    assert marks
    assert not [mark for mark in marks if not mark.startswith("needs ")]


@pytest.mark.parametrize(
    ("expected", "came", "fits"),
    [
        ("a\nb", "a\nb\n", True),
        ("a … c", "a b c\n", True),
        ("a … c", "a b d\n", False),
        ("a\n...\nd", "a\nb\nc\nd\n", True),
        ("a\n...\nd", "a\nb\nc\n", False),
        ("a", "a\nb\n", False),
        ("", "anything\n", False),
    ],
)
def test_an_answer_that_differs_is_noticed(expected: str, came: str, fits: bool) -> None:
    assert (matcher(expected).fullmatch(came) is not None) is fits


def test_commands_of_a_block_are_told_from_their_answers() -> None:
    found = typed("$ one \\\n  more\nsaid\n$ two\n")
    assert [(one.command, one.expected) for one in found] == [
        ("one \\\n  more", "said"),
        ("two", ""),
    ]


def options_blocks() -> list[Block]:
    return [
        block
        for page in (*generate.pages(), TUTORIAL, ROOT / "README.md")
        for block in blocks(page)
        if block.language == "yaml" and block.text.split(":")[0] in OURS
    ]


@pytest.mark.parametrize("block", options_blocks(), ids=str)
def test_options_on_a_page_are_options_of_the_program(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "sungather.yaml"
    file.write_text(block.text, encoding="utf-8")
    extra = () if "host: " in block.text and "inverter" in block.text else ("inverter.host=h",)
    assert load(file, extra).inverters


async def test_the_exporter_of_contributing_delivers_and_waits(tmp_path: Path) -> None:
    (block,) = (one for one in blocks(ROOT / "CONTRIBUTING.md") if "async def deliver" in one.text)
    names: dict[str, Callable[[str], Destination]] = {}
    exec(compile(block.text, str(block), "exec"), names)
    record = Record(1, "roof", "SH10RT", "A2310715068", 0, 0, {"pv_power": 1})
    file = tmp_path / "lines"
    assert await names["TextFile"](str(file)).deliver([record]) == {}
    assert "roof {'pv_power': 1}" in file.read_text()
    with pytest.raises(Unavailable, match="cannot be written"):
        await names["TextFile"](str(tmp_path)).deliver([record])


def test_the_tasks_for_real_machines_are_whole_and_say_that_they_never_ran() -> None:
    suites = loaded(ROOT / "spread.yaml")["suites"]
    tasks = [task for suite in suites for task in (ROOT / suite).glob("*/task.yaml")]
    assert tasks
    for file in (ROOT / "spread.yaml", *tasks):
        assert "never run so far" in file.read_text("utf-8").lower()
        assert {"summary", "execute"} <= loaded(file).keys() or file not in tasks


def loaded(file: Path) -> dict[str, Any]:
    content: object = yaml.safe_load(file.read_text("utf-8"))
    return cast(dict[str, Any], content)
