"""The example files work as they are."""

import configparser
from pathlib import Path

import yaml

from sungather.options.configuration import load
from tests.docs.pages import ROOT

EXAMPLES = ROOT / "examples"


def test_the_example_file_passes_the_check() -> None:
    configuration = load(EXAMPLES / "sungather.yaml", environment={})
    assert [one.host for one in configuration.inverters] == ["192.168.1.10"]


def test_the_example_file_is_right_also_with_every_export_enabled(tmp_path: Path) -> None:
    content = yaml.safe_load((EXAMPLES / "sungather.yaml").read_text("utf-8"))
    switched = [group for group in content.values() if "enabled" in group]
    assert len(switched) >= 4
    for group in switched:
        group["enabled"] = True
    file = tmp_path / "sungather.yaml"
    file.write_text(yaml.safe_dump(content))
    load(file, environment={})


def test_the_unit_runs_a_command_that_there_is_with_the_file_that_it_is_given() -> None:
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # pyright: ignore[reportAttributeAccessIssue]
    unit.read(EXAMPLES / "sungather.service")
    service = unit["Service"]
    assert service["ExecStart"].endswith(" run --config ${CREDENTIALS_DIRECTORY}/sungather.yaml")
    assert service["LoadCredential"] == "sungather.yaml:/etc/sungather/sungather.yaml"
    assert service["StateDirectory"] == "sungather"


def test_the_image_takes_only_files_that_there_are() -> None:
    lines = (EXAMPLES / "Containerfile").read_text("utf-8").splitlines()
    copied = [line.split()[1:-1] for line in lines if line.startswith("COPY ")]
    assert [name for names in copied for name in names if not (ROOT / name).exists()] == []
