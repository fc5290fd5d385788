"""The app that asks for a secret: the same effect as `snap set`, and nobody sees it."""

import errno
import io
import json
import os
from collections.abc import Generator
from pathlib import Path

import pytest
from fake_snapctl import Snapd

from sungather.cli import command_line
from sungather.options.configuration import load
from sungather.snap import snapd_socket

HOST = "inverter.host=192.168.1.10"
SECRET = "hunter2 with spaces"


@pytest.fixture(autouse=True)
def _root_with_a_socket(
    fake: Snapd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Generator[None]:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    path = tmp_path / "snap.socket"
    monkeypatch.setattr(snapd_socket, "SOCKET", path)
    with fake.listening(path):
        yield


def given(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_a_secret_is_stored_rendered_and_in_force(
    fake: Snapd, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.set(HOST)
    given(monkeypatch, f"{SECRET}\n")
    assert command_line.main(["set-secret", "inverter.password"]) == 0
    assert json.loads(fake.state.options["inverter.password"]) == SECRET
    assert load(data / "sungather.yaml").inverters[0].password == SECRET
    assert fake.state.queued == [], "the daemon takes its file up by itself"


def test_no_program_gets_the_secret_as_an_argument_and_nothing_shows_it(
    fake: Snapd, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    fake.set(HOST)
    given(monkeypatch, SECRET)
    assert command_line.main(["set-secret", "inverter.password"]) == 0
    assert SECRET not in json.dumps(fake.state.calls)
    said = capfd.readouterr()
    assert SECRET not in said.out + said.err


def test_a_wrong_secret_is_refused_without_being_shown_and_nothing_changes(
    fake: Snapd, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.set(HOST)
    before, file = fake.state.options, (data / "sungather.yaml").read_bytes()
    given(monkeypatch, f"{SECRET}\x07\n")
    assert command_line.main(["set-secret", "inverter.password"]) == 2
    said = capsys.readouterr().err
    assert "inverter.password must be" in said
    assert SECRET not in said
    assert (fake.state.options, fake.state.queued) == (before, [])
    assert (data / "sungather.yaml").read_bytes() == file


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("mqtt.pasword", "'mqtt.pasword' is no option"),
        ("mqtt.host", "mqtt.host is no secret"),
    ],
)
def test_a_key_that_is_no_secret_is_told_which_are(
    key: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line.main(["set-secret", key]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert "mqtt.password" in said
    assert "pvoutput.api-key" in said


def test_an_ordinary_user_is_told_the_command_that_works(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert command_line.main(["set-secret", "mqtt.password"]) == 2
    assert "sudo sungather.set-secret mqtt.password" in capsys.readouterr().err


def test_nothing_typed_changes_nothing(
    fake: Snapd, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given(monkeypatch, "\n")
    assert command_line.main(["set-secret", "mqtt.password"]) == 2
    assert "snap unset sungather mqtt.password" in capsys.readouterr().err
    assert fake.state.options == {}


def test_a_refusal_of_snapd_is_told_without_the_secret(
    fake: Snapd, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.set(HOST)
    monkeypatch.setattr(snapd_socket, "SOCKET", Path("/nowhere/snap.socket"))
    given(monkeypatch, SECRET)
    assert command_line.main(["set-secret", "inverter.password"]) == 1
    said = capsys.readouterr().err
    assert "snapd did not store inverter.password" in said
    assert SECRET not in said


def test_a_full_disk_stores_nothing(
    fake: Snapd, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Here is no transaction of snapd's that would take it back."""

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    fake.set(HOST)
    before = dict(fake.state.options)
    given(monkeypatch, SECRET)
    monkeypatch.setattr(os, "fsync", full)
    assert command_line.main(["set-secret", "mqtt.password"]) == 2
    said = capsys.readouterr().err
    assert "sungather.yaml cannot be written: No space left on device." in said
    assert SECRET not in said
    assert fake.state.options == before


def test_outside_of_the_snap_it_says_where_secrets_belong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SNAP_NAME", "a-terminal")
    assert command_line.main(["set-secret", "mqtt.password"]) == 2
    assert "--config" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("user", "given_text", "says"),
    [
        (1000, "", "sudo sungather_two.set-secret mqtt.password"),
        (0, "\n", "sudo snap unset sungather_two mqtt.password"),
    ],
)
def test_in_a_parallel_instance_the_commands_are_its_own(
    user: int,
    given_text: str,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SNAP_INSTANCE_NAME", "sungather_two")
    monkeypatch.setattr(os, "geteuid", lambda: user)
    given(monkeypatch, given_text)
    assert command_line.main(["set-secret", "mqtt.password"]) == 2
    assert says in capsys.readouterr().err
