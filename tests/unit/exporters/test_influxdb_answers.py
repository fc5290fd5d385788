"""Odd answers, of InfluxDB or of a stranger: they give up nothing, and cost little."""

import json
import time

import pytest

from sungather.errors import Blocked
from sungather.exporters.influxdb_answers import WriteRefusal, refusal
from sungather.http_client import HttpAnswer

LINES = [f"sungather,name=roof pv_power={number}i {number}" for number in range(3)]


def said(content: object, status: int = 400) -> HttpAnswer:
    return HttpAnswer(status, {}, json.dumps(content).encode())


@pytest.mark.parametrize("number", [True, 1.0, 1e999, "1", 0, -1, 4, 10**4000, None, [1]])
def test_what_is_no_number_of_a_line_names_none(number: object) -> None:
    entry = {"line_number": number, "error_message": "no"}
    found = refusal(said({"error": "partial write", "data": [entry]}), LINES)
    assert found is not None
    assert found.named == {}


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_number_of_a_line_names_that_line_and_no_other(number: int) -> None:
    """InfluxDB 3 counts from 1."""
    entry = {"line_number": number, "error_message": "no"}
    found = refusal(said({"error": "partial write", "data": [entry]}), LINES)
    assert found is not None
    assert found.named == {number - 1: "no"}


@pytest.mark.parametrize("count", ["9" * 5000, "3" + "0" * 4000, "-3", "2"])
def test_a_count_that_is_not_that_of_the_lines_gives_none_up(count: str) -> None:
    text = f"points beyond retention policy dropped={count}"
    found = refusal(said({"error": text}), LINES)
    assert found is not None
    assert found.named == {}
    assert len(found.reason) <= 300


@pytest.mark.parametrize(
    "part",
    ['input field "a" ', "column type for column 'a", "number of tables ", "exceeds the ", "'"],
)
def test_the_time_for_an_answer_grows_with_its_length_alone(part: str) -> None:
    """With its square, this would be a minute and more."""
    began = time.thread_time()
    try:
        found = refusal(said({"error": part * (1_000_000 // len(part))}), LINES)
    except Blocked:
        found = None
    assert found is None or isinstance(found, WriteRefusal)
    assert time.thread_time() - began < 10


@pytest.mark.parametrize("status", [300, 301, 308, 399])
def test_a_redirection_has_taken_nothing_though_it_is_empty(status: int) -> None:
    with pytest.raises(Blocked, match="to the address that it really has"):
        refusal(HttpAnswer(status, {}, b""), LINES)
