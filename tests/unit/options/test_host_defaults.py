"""What the machine says: its time zone, and where state belongs."""

from pathlib import Path

import pytest

from sungather.options.host_defaults import is_utc, machine_timezone, state_directory


def test_the_variable_tz_names_the_zone(tmp_path: Path) -> None:
    assert machine_timezone({"TZ": ":Europe/Berlin"}, tmp_path) == "Europe/Berlin"
    assert machine_timezone({"TZ": "Asia/Tokyo"}, tmp_path) == "Asia/Tokyo"


def test_the_link_localtime_names_the_zone_and_the_file_timezone_after_it(tmp_path: Path) -> None:
    (tmp_path / "timezone").write_text("Asia/Tokyo\n")
    assert machine_timezone({}, tmp_path) == "Asia/Tokyo"
    (tmp_path / "localtime").symlink_to("../usr/share/zoneinfo/America/Argentina/Salta")
    assert machine_timezone({}, tmp_path) == "America/Argentina/Salta"


@pytest.mark.parametrize("name", ["", "CET-1CEST", "../../etc/passwd", "Mars/Olympus", "Europe"])
def test_what_is_no_zone_is_passed_over(tmp_path: Path, name: str) -> None:
    (tmp_path / "timezone").write_bytes(b"\xff")
    (tmp_path / "localtime").write_bytes(b"TZif")
    assert machine_timezone({"TZ": name}, tmp_path) == "UTC"


def test_utc_has_many_names() -> None:
    assert all(is_utc(name) for name in ("UTC", "Etc/UTC", "Etc/GMT", "GMT", "Zulu"))
    assert not any(is_utc(name) for name in ("Europe/London", "Etc/GMT+5", "Africa/Abidjan"))


@pytest.mark.parametrize(
    ("environment", "directory"),
    [
        ({"STATE_DIRECTORY": "/a:/b", "SNAP_COMMON": "/c"}, "/a"),
        ({"SNAP_COMMON": "/c", "XDG_STATE_HOME": "/d"}, "/c/state"),
        ({"XDG_STATE_HOME": "/d", "HOME": "/e"}, "/d/sungather"),
        ({"XDG_STATE_HOME": "not/absolute", "HOME": "/e"}, "/e/.local/state/sungather"),
        ({"HOME": ""}, "/.local/state/sungather"),
        ({}, "/.local/state/sungather"),
    ],
)
def test_state_is_kept_where_systemd_snapd_or_the_user_have_it(
    environment: dict[str, str], directory: str
) -> None:
    assert state_directory(environment) == Path(directory)
