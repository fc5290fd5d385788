"""The table of wrong options in the docs: each row is met by a real mistake."""

from pathlib import Path

import pytest

from sungather import errors
from sungather.options.configuration import load
from tests.docs.messages import pattern
from tests.docs.pages import ROOT, section

MISTAKES = {
    "unknown, near": "inverter:\n  hots: 192.168.1.10\n",
    "unknown, dashes": "inverter:\n  host: h\n  scan_interval: 5\n",
    "unknown, far": "inverter:\n  host: h\nqqq: 5\n",
    "group": "inverter: 192.168.1.10\n",
    "list for a value": "inverter:\n  host: [a, b]\n",
    "list for a group": "inverter:\n  - host\n",
    "odd sign": "inverter:\n  hö: 1\n",
    "name": "inverters:\n  Roof_1:\n    host: h\n",
    "bounds": "inverter:\n  host: h\n  level: 7\n",
    "maybe secret": "inverter:\n  host: http://me:geheim@h/\n",
    "empty": 'inverter:\n  host: h\n  level: ""\n',
    "nothing": "inverter:\n  host: h\n  level:\n",
    "nothing for text": "inverter:\n  host: h\n  username:\n",
    "missing": "web:\n  enabled: false\n",
    "needed with": "inverter:\n  host: h\npvoutput:\n  enabled: true\n  system-id: '1'\n",
    "both forms": "inverter:\n  host: h\ninverters:\n  roof:\n    host: g\n",
    "quotes": "inverter:\n  host: h\n  username: 0123\n",
    "cut short": "inverter:\n  host: h\n  password: one #two\n",
    "sign of YAML": "inverter:\n  host: &h a\n",
    "twice": "inverter:\n  host: h\n  host: g\n",
    "dots": "inverter.host: h\n",
    "no YAML": "inverter:\n  host: [\n",
    "character": "inverter:\n  host: h\x07\n",
    "empty file": "",
    "list": "- inverter\n",
    "large": "#" * 300_000,
    "two documents": "inverter:\n  host: h\n---\n",
}


def documented() -> list[str]:
    text = section((ROOT / "docs" / "troubleshooting.md").read_text("utf-8"), "wrong-options")
    return [line.split("`")[1] for line in text.splitlines() if line.startswith("| `")]


def problems(file: Path | None, settings: tuple[str, ...] = ()) -> list[str]:
    with pytest.raises(errors.OptionsError) as caught:
        load(file, settings, environment={"TZ": "Europe/Berlin"})
    return caught.value.problems


def _met(tmp_path: Path) -> list[str]:
    """What the program says to all the mistakes."""
    said: list[str] = []
    file = tmp_path / "sungather.yaml"
    for text in MISTAKES.values():
        file.write_text(text, encoding="utf-8")
        said += problems(file)
    file.write_bytes(b"inverter:\n  host: \xff\n")
    said += problems(file)
    said += problems(tmp_path / "none.yaml")
    said += problems(tmp_path)
    said += problems(None, ("inverter.host", "mqtt.password=x", "inverter.host.name=x"))
    return said


def test_every_mistake_is_in_the_table(tmp_path: Path) -> None:
    known = [pattern(message) for message in documented()]
    unknown = [said for said in _met(tmp_path) if not any(one.search(said) for one in known)]
    assert not unknown


def test_every_row_about_the_file_is_met_by_a_mistake(tmp_path: Path) -> None:
    said = _met(tmp_path)
    about_commands = ("There is no model", "is not a private network", "are looked through")
    idle = [
        message
        for message in documented()
        if not any(pattern(message).search(one) for one in said)
        and not any(words in message for words in about_commands)
    ]
    assert not idle
