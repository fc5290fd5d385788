"""What a unit keeps, taken out and put back: history as CSV, all of it as a backup."""

import io
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from charm_model import HOST, Context, after_config_changed, nobody_listens, polls, state
from fake_snapd import FakeSnapd
from ops import testing
from test_charm_standby import claim_of

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


def test_an_option_that_is_no_more_does_not_come_back_for_good(
    context: Context, snapd: FakeSnapd, home: Path
) -> None:
    then = state(HOST | {"extra-options": "mqtt.homeassistant-prefix: house"})
    after_config_changed(context, then)
    context.run(context.on.action("backup"), then)
    assert context.action_results is not None
    file = str(context.action_results["file"])
    now = state(HOST)
    after_config_changed(context, now)
    options = dict(snapd.options)
    assert options["mqtt.homeassistant-prefix"] == "homeassistant"
    context.run(context.on.action("restore", params={"file": file}), now)
    assert snapd.options == options


def test_the_history_of_another_application_is_not_handed_out(
    context: Context, snapd: FakeSnapd, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page(monkeypatch, lambda _: CSV)
    claim_of("solar", home, polls=True)
    with pytest.raises(testing.ActionFailed, match="belongs to solar"):
        context.run(context.on.action("export-history"), state(HOST))
    assert not list(home.iterdir())


def test_a_standby_says_who_has_the_history(
    context: Context, snapd: FakeSnapd, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page(monkeypatch, lambda _: CSV)
    with pytest.raises(testing.ActionFailed, match="juju run sungather/leader export-history"):
        context.run(context.on.action("export-history"), state(HOST, leader=False))


def test_the_page_is_asked_where_it_is_and_not_where_it_is_refused_to_be(
    context: Context, snapd: FakeSnapd, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    page(monkeypatch, lambda url: asked.append(url) or CSV)
    after_config_changed(context, state(HOST))
    context.run(context.on.action("export-history"), state(HOST | {"webserver-port": 99999}))
    assert asked[0].startswith("http://localhost:8080/")


@pytest.mark.parametrize("action", ["backup", "restore", "refresh-snap"])
@pytest.mark.parametrize("missing", [True, False])
def test_an_action_fails_in_words_while_snapd_is_away(
    context: Context,
    snapd: FakeSnapd,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    action: str,
    missing: bool,
) -> None:
    after_config_changed(context, state(HOST))
    if missing:
        monkeypatch.setattr("charmlibs.snap._client._SOCKET_PATH", "/nowhere/snapd.socket")
    else:
        nobody_listens(monkeypatch, tmp_path)
    file = home / "saved.zip"
    file.touch()
    params = {"file": str(file)} if action == "restore" else {}
    with pytest.raises(testing.ActionFailed) as failed:
        context.run(context.on.action(action, params=params), state(HOST))
    assert ("snapd is missing" if missing else "snapd does not answer") in failed.value.message


@pytest.mark.parametrize("action", ["test-connection", "backup", "refresh-snap"])
def test_a_unit_beside_the_one_that_works_with_the_snap_says_so(
    context: Context, snapd: FakeSnapd, home: Path, action: str
) -> None:
    after_config_changed(context, state(HOST))
    claim_of("sungather", home, polls=True)
    with pytest.raises(testing.ActionFailed, match="another unit of sungather works"):
        context.run(context.on.action(action), state(HOST, leader=False))
