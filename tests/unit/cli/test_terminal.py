"""What people read on a terminal of 80 columns."""

from collections.abc import Callable, Mapping

import pytest

from sungather.cli import tables
from sungather.registers.catalogue import registers_for
from sungather.registers.models import model_named

Answer = Mapping[str, object]
Shown = Callable[[str, Answer], str]

FOUND: Answer = {
    "networks": ["192.168.1.0/24"],
    "found": [
        {
            "host": "192.168.1.20",
            "what": "inverter",
            "model": "SH10RT",
            "display_model": "SH10RT",
            "serial": "A2012345678",
            "connection": "sungrow",
        }
    ],
    "options": "inverter:\n  host: 192.168.1.20\n  connection: sungrow\n",
}


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shown:
    monkeypatch.setenv("COLUMNS", "80")

    def show(command: str, answer: Answer) -> str:
        tables.show(command, answer)
        return capsys.readouterr().out

    return show


def test_what_is_found_comes_with_options_to_paste_into_a_file(
    monkeypatch: pytest.MonkeyPatch, shown: Shown
) -> None:
    monkeypatch.delenv("SNAP", raising=False)
    assert "inverter:\n  host: 192.168.1.20\n" in shown("discover", FOUND)


def test_in_the_snap_it_comes_with_the_command_that_takes_it_over(
    monkeypatch: pytest.MonkeyPatch, shown: Shown
) -> None:
    monkeypatch.setenv("SNAP", "/snap/sungather/1")
    monkeypatch.setenv("SNAP_NAME", "sungather")
    command = "sudo snap set sungather inverter.host=192.168.1.20 inverter.connection=sungrow\n"
    assert command in shown("discover", FOUND)


def test_nothing_found_names_the_likeliest_cause(shown: Shown) -> None:
    nothing: Answer = {**FOUND, "found": []}
    said = " ".join(shown("discover", nothing).split())
    assert "Is Modbus switched on in it?" in said


def test_every_register_fits_one_line_and_names_its_source(shown: Shown) -> None:
    rows = [
        {
            "space": str(one.space),
            "start": one.address,
            "count": one.count,
            "name": one.name,
            "unit": one.unit,
            "tier": str(one.tier),
            "source": one.source,
        }
        for one in registers_for(model_named("SH10RT"), 1)
    ]
    lines = shown("registers", {"registers": rows, "requests": [], "lower_bound": []})
    listing, _, legend = lines.partition("\n\n")
    assert len(listing.splitlines()) == len(rows) + 1
    assert all(str(row["source"]) in " ".join(legend.split()) for row in rows)


def test_options_are_shown_as_they_are_written(shown: Shown) -> None:
    said = shown("check-config", {"options": {"web.enabled": True, "inverter.timeout": 5.0}})
    assert [line.split() for line in said.splitlines()[1:3]] == [
        ["web.enabled", "true"],
        ["inverter.timeout", "5"],
    ]
