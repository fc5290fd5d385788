"""The command line itself: what argparse takes and refuses before any command runs."""

import json
from pathlib import Path

import pytest

from sungather.cli.command_line import main


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("simulate --port 99999", "--port: must be a whole number from 0 to 65535, not '99999'"),
        ("simulate --port -1", "--port: must be a whole number from 0 to 65535, not '-1'"),
        ("simulate --latency nan", "--latency: must be a number from 0 to 600000, not 'nan'"),
        ("simulate --speed 0", "--speed: must be a number from 0.01 to 100000, not '0'"),
        ("demo --speed inf", "--speed: must be a number from 0.01 to 100000, not 'inf'"),
        ("demo --seconds soon", "--seconds: must be a number from 0 to 604800, not 'soon'"),
        (
            "registers --max-registers 0",
            "--max-registers: must be a whole number from 10 to 125, not '0'",
        ),
    ],
)
def test_a_number_out_of_bounds_is_told_in_a_sentence(
    words: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words.split())
    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err


def test_the_simulator_lists_its_faults(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--fault", "list"]) == 0
    assert "  cannot-start=REGISTERS" in capsys.readouterr().out.splitlines()


def test_a_dump_that_the_capture_does_not_have_names_those_it_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = {"input": {"5000": 1}}
    content = {"addresses": "documented", "dumps": {"lan": words, "dongle": words}}
    file = tmp_path / "capture.json"
    file.write_text(json.dumps(content))
    assert main(["simulate", "--capture", str(file), "--dump", "wlan"]) == 2
    assert "lan" in capsys.readouterr().err
