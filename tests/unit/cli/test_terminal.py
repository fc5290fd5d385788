"""What people read on a terminal of 80 columns."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

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
    answer: Answer = {
        "file": "",
        "state_directory": "/home/a/.local/state/sungather",
        "options": {"web.enabled": True, "inverter.timeout": 5.0, "site.timezone": ""},
        "given": ["inverter.timeout"],
    }
    assert shown("check-config", answer).splitlines() == [
        "Set by you:",
        "  inverter.timeout  5",
        "Defaults:",
        "  web.enabled    true",
        "  site.timezone  (empty)",
        "State directory: /home/a/.local/state/sungather",
        "Configuration OK.",
    ]


def test_in_a_pipe_no_line_is_wrapped_or_padded(shown: Shown) -> None:
    rows = [{"key": "a.b", "takes": "text", "default": "", "help": "word " * 60 + "end"}]
    said = shown("options", {"options": [*rows, {**rows[0], "help": "short"}]})
    assert len(said.splitlines()) == 3
    assert said.splitlines()[1].endswith("word end")
    assert said.splitlines()[2].endswith("short")


@pytest.mark.parametrize(("days_ago", "form"), [(0, "%H:%M:%S"), (1, "%Y-%m-%d %H:%M:%S")])
def test_a_last_success_fits_its_column_and_has_a_day_unless_that_is_today(
    shown: Shown, days_ago: int, form: str
) -> None:
    then = (datetime.now() - timedelta(days=days_ago)).replace(microsecond=0).astimezone()
    exporter = {
        "name": "mqtt", "state": "ok", "queue": 0, "message": "",
        "last_success": then.astimezone(UTC).isoformat(timespec="milliseconds"),
    }  # fmt: skip
    said = shown("readings", {"inverters": [], "exporters": [exporter]})
    assert said.splitlines()[-1].split("  ")[-1].strip() == then.strftime(form)


READING: Mapping[str, object] = {
    "name": "roof",
    "state": "ok",
    "display_model": "SH10RT",
    "serial": "A1",
    "transport": "modbus",
    "path": "cable",
    "time": "2026-06-21T10:00:00Z",
    "requests": 4,
    "duration_ms": 20.0,
    "absent": [],
    "refused": [],
    "values": {
        "pv_power": 4200,
        "pv_energy_today": 8.3,
        "daily_pv_generation": 8.3,
        "daily_export_to_grid": 1.5,
        "grid_export_energy_today": 1.6,
        "battery_level": 81.0,
        "alarm": "none",
    },
    "units": {"pv_power": "W", "pv_energy_today": "kWh", "battery_level": "%"},
}


def test_the_household_figures_come_first_and_each_energy_once(shown: Shown) -> None:
    lines = shown("run-once", {"inverters": [READING]}).splitlines()
    assert lines[1].split() == ["now", "today", "total"]
    assert lines[2].split() == ["pv", "4", "200", "W", "8.3", "kWh", "–"]
    assert lines[3].split() == ["grid", "export", "–", "1.6", "–"]
    assert lines[4].split() == ["battery", "level", "81.0", "%"]
    # What says something else than the figure is a value of its own.
    assert [line.split()[0] for line in lines[6:]] == ["alarm", "daily_export_to_grid"]
