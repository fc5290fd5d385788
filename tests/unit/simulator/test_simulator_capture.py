"""Replaying captures: exactly what the file holds, and a sentence for a file that is none."""

import json
from pathlib import Path
from typing import Any

import pytest

from sungather.errors import OptionsError
from sungather.simulator import ExceptionCode, from_capture

CAPTURE: dict[str, Any] = {
    "device": "SH8.0RT, somewhere",
    "addresses": "wire (documented number - 1)",
    "input": {"4999": 3586, "5000": 80, "5001": 1, "5010": 65535, "5012": None, "5013": 7},
    "holding": {"4999": 2024, "5000": 1},
    "refused_or_failed": {"input": ["5014"], "holding": []},
}
REFUSED = ExceptionCode.ILLEGAL_ADDRESS


def capture(tmp_path: Path, **changes: Any) -> Path:
    file = tmp_path / "capture.json"
    file.write_text(json.dumps(CAPTURE | changes), encoding="utf-8")
    return file


def test_words_come_back_as_they_were(tmp_path: Path) -> None:
    device = from_capture(capture(tmp_path))
    assert device.name == "SH8.0RT, somewhere"
    assert device.read("input", 4999, 3) == [3586, 80, 1]
    assert device.read("input", 5010, 1) == [0xFFFF]
    assert device.read("holding", 4999, 2) == [2024, 1]


@pytest.mark.parametrize(
    ("wire", "count"),
    [(5002, 1), (5001, 2), (4998, 2), (5012, 1), (5013, 1)],
    ids=["missing", "runs into missing", "starts at missing", "null", "listed as refused"],
)
def test_a_block_with_a_word_that_is_not_there_is_refused(
    tmp_path: Path, wire: int, count: int
) -> None:
    assert from_capture(capture(tmp_path)).read("input", wire, count) is REFUSED


def test_documented_addresses_are_taken_as_they_are(tmp_path: Path) -> None:
    device = from_capture(capture(tmp_path, addresses="documented numbers"))
    assert device.read("input", 4998, 1) == [3586]


def test_one_of_several_dumps_is_chosen_by_name(tmp_path: Path) -> None:
    file = tmp_path / "dumps.json"
    dumps: dict[str, Any] = {"lan": {"read": {"9": 5}, "hold": {"9": 6}}, "dongle": {"read": {}}}
    file.write_text(json.dumps({"addresses": "wire", "dumps": dumps}), encoding="utf-8")
    device = from_capture(file, dump="lan")
    assert device.read("input", 9, 1) == [5]
    assert device.read("holding", 9, 1) == [6]
    with pytest.raises(OptionsError, match="choose one of its dumps: lan, dongle"):
        from_capture(file)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"input": [1, 2]}, '"input" is no JSON object'),
        ({"input": {"4999": 70000}}, "a word is outside 0 to 65535"),
        ({"input": {"x": 1}}, "its maps hold other things than numbers"),
        ({"addresses": "decimal"}, 'begins neither with "wire" nor "documented"'),
        ({"refused_or_failed": {"input": ["a-b"]}}, "not written as 5009-5010"),
        ({"refused_or_failed": {"input": 5}}, "not written as 5009-5010"),
        ({"refused_or_failed": []}, '"refused_or_failed" is no JSON object'),
    ],
)
def test_a_file_that_is_no_capture_is_refused_in_a_sentence(
    tmp_path: Path, changes: dict[str, Any], why: str
) -> None:
    with pytest.raises(OptionsError, match=why):
        from_capture(capture(tmp_path, **changes))


def test_a_file_that_cannot_be_read_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(OptionsError, match="cannot be read"):
        from_capture(tmp_path / "nothing.json")
    broken = tmp_path / "broken.json"
    broken.write_bytes(b"\xff{")
    with pytest.raises(OptionsError, match="cannot be read"):
        from_capture(broken)
    broken.write_text("[1]")
    with pytest.raises(OptionsError, match="the file is no JSON object"):
        from_capture(broken)
