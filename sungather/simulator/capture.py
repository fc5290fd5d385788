"""Replays raw words that somebody read from a real device.

The file is a JSON object with the maps "input" and "holding" (address -> word), a line
"addresses" that begins with "wire" (documented number - 1) or "documented", and perhaps lists of
refused documented numbers under "refused_or_failed". With "dumps" instead of the maps, one of
several dumps is chosen by name. A word that is missing was refused, and so is every block that
holds it.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from sungather.errors import OptionsError
from sungather.simulator.device import SimulatedDevice

JsonObject = Mapping[str, Any]


def from_capture(path: Path | str, *, dump: str | None = None) -> SimulatedDevice:
    """A device that answers exactly what the capture holds.

    Args:
        path: The capture's file.
        dump: Which of the file's "dumps", if it has several.

    Raises:
        OptionsError: The file is no capture.
    """
    file = Path(path)
    try:
        parsed: object = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise OptionsError([f"The capture {file} cannot be read: {error}."]) from error
    data = _object(file, parsed, "the file")
    maps = _maps(file, data, dump)
    offset = _offset(file, data)
    refused = _object(file, data.get("refused_or_failed", {}), '"refused_or_failed"')
    spaces: dict[str, dict[int, int]] = {}
    for space, words in maps.items():
        without = _ranges(file, refused.get(space, []))
        spaces[space] = {
            address: word
            for address, word in _words(file, words, offset).items()
            if not any(address in block for block in without)
        }
    name = str(data.get("device", file.stem))
    return SimulatedDevice(name, lambda: spaces, hole=None)


def _no_capture(file: Path, why: str) -> OptionsError:
    return OptionsError([f"The file {file} is no capture: {why}."])


def _object(file: Path, value: object, what: str) -> JsonObject:
    if not isinstance(value, dict):
        raise _no_capture(file, f"{what} is no JSON object")
    return cast(JsonObject, value)


def _maps(file: Path, data: JsonObject, dump: str | None) -> dict[str, JsonObject]:
    if "dumps" in data:
        dumps = _object(file, data["dumps"], '"dumps"')
        if dump is None or dump not in dumps:
            raise _no_capture(file, f"choose one of its dumps: {', '.join(dumps)}")
        data = _object(file, dumps[dump], f'"{dump}"')
        data = {"input": data.get("read"), "holding": data.get("hold", {})}
    spaces = {"input": data.get("input"), "holding": data.get("holding", {})}
    return {space: _object(file, words, f'"{space}"') for space, words in spaces.items()}


def _offset(file: Path, data: JsonObject) -> int:
    line = str(data.get("addresses", ""))
    if line.startswith("wire"):
        return 1
    if line.startswith("documented"):
        return 0
    raise _no_capture(file, 'its line "addresses" begins neither with "wire" nor "documented"')


def _words(file: Path, words: JsonObject, offset: int) -> dict[int, int]:
    try:
        numbers = {int(key) + offset: int(word) for key, word in words.items() if word is not None}
    except (TypeError, ValueError) as error:
        raise _no_capture(file, "its maps hold other things than numbers") from error
    if any(not 0 <= word <= 0xFFFF for word in numbers.values()):
        raise _no_capture(file, "a word is outside 0 to 65535")
    return numbers


def _ranges(file: Path, blocks: list[str]) -> list[range]:
    try:
        bounds = [(int(first), int(last or first)) for first, _, last in
                  (block.partition("-") for block in blocks)]  # fmt: skip
    except (AttributeError, TypeError, ValueError) as error:
        raise _no_capture(file, "its refused blocks are not written as 5009-5010") from error
    return [range(first, last + 1) for first, last in bounds]
