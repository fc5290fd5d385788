"""What a unit keeps, taken out and put back: history as CSV, all of it as a backup."""

import io
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from charm_model import HOST, Context, after_config_changed, polls, state
from fake_snapd import FakeSnapd
from ops import testing

import snap_data

CSV = b"day,pv\r\n2026-11-30,12.5\r\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where `juju scp` fetches from."""
    found = tmp_path / "ubuntu"
    found.mkdir()
    monkeypatch.setattr(snap_data, "HOME", found)
    return found


def page(monkeypatch: pytest.MonkeyPatch, answer: Callable[[str], bytes]) -> None:
    def urlopen(url: str, timeout: float) -> io.BytesIO:
        return io.BytesIO(answer(url))

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)


def test_the_history_becomes_a_file_that_can_be_fetched(
    context: Context, snapd: FakeSnapd, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def answer(url: str) -> bytes:
        asked.append(url)
        return CSV

    page(monkeypatch, answer)
    before = state(HOST | {"webserver-port": 8090})
    context.run(context.on.action("export-history", params={"days": 7}), before)
    today = datetime.now(UTC).date()
    first = today - timedelta(days=6)
    page_of = "http://localhost:8090/api/v1/energies.csv"
    assert asked == [f"{page_of}?first={first}&last={today}"]
    (file,) = home.iterdir()
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (CSV, 0o600)
    results = context.action_results
    assert results == {"file": str(file), "fetch": f"juju scp sungather/0:{file} ."}


def test_a_history_that_cannot_be_had_fails_with_the_reason(
    context: Context, snapd: FakeSnapd, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(url: str) -> bytes:
        raise urllib.error.URLError("connection refused")

    page(monkeypatch, refuse)
    for config, words in [
        (HOST, "connection refused"),
        (HOST | {"enable-webserver": False}, "juju config sungather enable-webserver=true"),
    ]:
        with pytest.raises(testing.ActionFailed) as failed:
            context.run(context.on.action("export-history"), state(config))
        assert words in failed.value.message
    assert not list(home.iterdir())


@pytest.mark.parametrize("leader", [True, False])
def test_a_backup_is_restored_and_the_options_stay_the_models(
    context: Context, snapd: FakeSnapd, home: Path, leader: bool
) -> None:
    before = state(HOST, leader=leader)
    after_config_changed(context, before)
    context.run(context.on.action("backup"), before)
    (file,) = home.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert context.action_results is not None
    assert context.action_results["fetch"] == f"juju scp sungather/0:{file} ."
    assert (snapd.running, polls(snapd), snapd.snapshots) == (True, leader, 0)
    moved = state({"inverter-host": "10.0.0.99"}, leader=leader)
    context.run(context.on.action("restore", params={"file": str(file)}), moved)
    assert snapd.restored == [file.read_text()]
    assert snapd.options["inverter.host"] == "10.0.0.99"
    assert (snapd.running, polls(snapd), snapd.snapshots) == (True, leader, 0)


def test_what_is_no_backup_is_refused_and_the_daemon_goes_on(
    context: Context, snapd: FakeSnapd, home: Path
) -> None:
    letter = home / "letter.txt"
    letter.write_text("Dear Sir")
    for file, words in [
        (letter, "error: no snapshot"),
        (home / "none.zip", f"is not there: juju scp FILE sungather/0:{home}/none.zip"),
    ]:
        with pytest.raises(testing.ActionFailed) as failed:
            context.run(context.on.action("restore", params={"file": str(file)}), state(HOST))
        assert words in failed.value.message
        assert polls(snapd)
    assert snapd.restored == []


def test_a_backup_while_snapd_is_busy_fails_and_the_daemon_goes_on(
    context: Context, snapd: FakeSnapd, home: Path
) -> None:
    after_config_changed(context, state(HOST))
    snapd.under_way = "auto-connect"
    with pytest.raises(testing.ActionFailed, match="change in progress"):
        context.run(context.on.action("backup"), state(HOST))
    snapd.under_way = ""
    context.run(context.on.update_status(), state(HOST))
    assert polls(snapd)


def test_a_unit_that_stops_says_what_goes_with_it(context: Context, snapd: FakeSnapd) -> None:
    out = context.run(context.on.stop(), state(HOST))
    assert "history and undelivered readings go with the unit" in out.unit_status.message
