"""The configure hook: judges all options, writes defaults back, renders, steers the daemon."""

import errno
import json
import os
import stat
from pathlib import Path

import pytest
from fake_snapctl import Snapd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sungather.options.all_options import OPTIONS
from sungather.options.configuration import load
from sungather.snap import hooks

HOST = "inverter.host=192.168.1.10"


def stored(fake: Snapd) -> dict[str, str]:
    return {key: json.loads(raw) for key, raw in fake.state.options.items()}


def asked(fake: Snapd) -> list[str]:
    """What the last hook asked snapd to do to the daemon."""
    return [call[0] for call in fake.state.calls if call[0] in ("start", "stop", "restart")]


def test_a_fresh_install_lists_every_option_and_leaves_the_daemon_stopped(
    fake: Snapd, data: Path
) -> None:
    assert fake.set() == 0
    assert stored(fake).keys() == {row.key for row in OPTIONS}
    assert stored(fake)["inverter.level"] == "1"
    assert stored(fake)["inverter.password"] == ""
    assert asked(fake) == []
    assert (fake.state.startup, fake.state.current) == ("disabled", "inactive")


def test_the_daemon_starts_with_the_first_host_and_stops_with_the_last(fake: Snapd) -> None:
    fake.set()
    fake.set(HOST)
    assert (fake.state.startup, fake.state.current) == ("enabled", "active")
    fake.set("inverter.host!")
    assert (fake.state.startup, fake.state.current) == ("disabled", "inactive")
    fake.set("inverters.roof.host=192.168.1.11")
    assert fake.state.current == "active"


def test_a_daemon_that_runs_is_left_to_take_its_file_up_by_itself(fake: Snapd, data: Path) -> None:
    """However often options are set, systemd's limit of starts is not met."""
    fake.set(HOST)
    for number in range(20):
        assert fake.set(f"mqtt.host=192.168.1.{number}", "mqtt.enabled=true") == 0
        assert asked(fake) == []
        assert f"192.168.1.{number}" in (data / "sungather.yaml").read_text()


def test_a_daemon_that_has_failed_is_started_by_the_next_change(fake: Snapd) -> None:
    fake.set(HOST)
    found(fake, "enabled", "inactive")
    fake.set("inverter.level=2")
    assert asked(fake) == ["start"]


def found(fake: Snapd, startup: str, current: str) -> None:
    """The state in which the next hook finds the daemon."""
    state = fake.state
    state.startup, state.current = startup, current
    fake.put(state)


def test_a_daemon_that_somebody_disabled_stays_disabled(fake: Snapd) -> None:
    """Neither a change starts it, nor a refresh, which runs both hooks."""
    fake.set(HOST)
    found(fake, "disabled", "inactive")
    assert fake.set("inverter.level=2") == 0
    assert fake.set("inverter.host=192.168.1.20") == 0
    assert hooks.main("post-refresh") == 0
    assert fake.set() == 0
    assert (fake.state.startup, fake.state.current) == ("disabled", "inactive")
    assert fake.state.health[:2] == ["blocked", "stopped: sudo snap start --enable sungather"]
    fake.set("inverter!")
    assert fake.set(HOST) == 0, "the first inverter"
    assert (fake.state.startup, fake.state.current) == ("enabled", "active")


def test_a_daemon_that_was_disabled_and_runs_is_left_as_it_is(fake: Snapd) -> None:
    fake.set(HOST)
    found(fake, "disabled", "active")
    assert fake.set("inverter.level=2") == 0
    assert (fake.state.startup, fake.state.current) == ("disabled", "active")


def test_from_one_inverter_to_several_the_command_is_told(
    fake: Snapd, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.set(HOST)
    assert fake.set("inverters.west.host=192.168.1.11") != 0
    assert "sudo snap set sungather inverter! inverters.east.host=" in capsys.readouterr().err
    assert (
        fake.set(
            "inverter!", "inverters.east.host=192.168.1.10", "inverters.west.host=192.168.1.11"
        )
        == 0
    )
    capsys.readouterr()
    assert fake.set("log.level=LOUD") != 0
    assert "inverter!" not in capsys.readouterr().err, "that is settled"


def test_an_export_that_lacks_something_is_refused(
    fake: Snapd, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.set(HOST)
    assert fake.set("mqtt.enabled=true", "pvoutput.enabled=true") != 0
    said = capsys.readouterr().err.splitlines()
    assert [line.partition(" is missing")[0] for line in said] == [
        "mqtt.host",
        "pvoutput.api-key",
        "pvoutput.system-id",
    ]
    assert stored(fake)["mqtt.enabled"] == "false"


def test_without_a_host_snap_info_says_what_to_do(fake: Snapd) -> None:
    fake.set()
    assert fake.state.health[0] == "blocked"
    assert "snap set sungather inverter.host=" in fake.state.health[1]


def test_an_option_that_is_unset_gets_its_default_back(fake: Snapd) -> None:
    fake.set(HOST, "inverter.level=3")
    fake.set("inverter.level!")
    assert stored(fake)["inverter.level"] == "1"


def test_every_problem_is_named_at_once_and_nothing_is_stored(
    fake: Snapd, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.set(HOST)
    before, file = stored(fake), (data / "sungather.yaml").read_bytes()
    code = fake.set("inverter.prot=502", "inverter.level=7", "mqtl.host=x", "log.level=LOUD")
    assert code != 0
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 4
    assert any("option inverter.prot: did you mean inverter.port?" in line for line in said)
    assert any("option mqtl" in line for line in said)
    assert any(line.startswith("inverter.level must be ") for line in said)
    assert any(line.startswith("log.level must be ") for line in said)
    assert stored(fake) == before
    assert (data / "sungather.yaml").read_bytes() == file
    assert [call[0] for call in fake.state.calls] == ["get"], "a refused change touches nothing"


def test_lists_and_maps_in_place_of_a_value_are_refused(
    fake: Snapd, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fake.set('inverter.password={"hunter2":"x"}', "inverter.unit=[1,2]", "extra=[1]") != 0
    said = capsys.readouterr().err
    assert "inverter.password takes one value, no list and no keys below it." in said
    assert "inverter.unit takes one value" in said
    assert "option extra" in said
    assert "hunter2" not in said


@pytest.mark.parametrize(
    "typed", ["12345", "1e5", "1.50", "-0", "0123", "true", "22:22", "no", "12345678901234567890"]
)
def test_a_text_option_gets_what_was_typed(fake: Snapd, data: Path, typed: str) -> None:
    assert fake.set(HOST, f"inverter.password={typed}") == 0
    assert load(data / "sungather.yaml").inverters[0].password == typed


printable = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"]), min_size=1)


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(password=printable)
def test_any_quoted_password_reaches_the_daemon_unchanged(
    fake: Snapd, data: Path, password: str
) -> None:
    quoted = json.dumps(password)
    assert fake.set(HOST, f"inverter.password={quoted}") == 0
    assert load(data / "sungather.yaml").inverters[0].password == password


def test_a_secret_is_neither_echoed_nor_put_on_a_command_line(
    fake: Snapd, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.set(HOST, "inverter.password=hunter2")
    fake.set("inverter.password=hunter2\x07", "inverter.level=9")
    said = capsys.readouterr()
    assert "inverter.password must be" in said.err
    assert "hunter2" not in said.err + said.out
    assert "hunter2" not in json.dumps(fake.state.calls)


def test_the_rendered_file_is_readable_by_root_and_the_daemon_alone(
    fake: Snapd, data: Path
) -> None:
    before = os.umask(0)
    try:
        fake.set(HOST)
    finally:
        os.umask(before)
    (file,) = data.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_a_left_over_of_a_power_cut_is_in_nobodys_way(fake: Snapd, data: Path) -> None:
    (data / "sungather.yaml.new").write_text("half")
    assert fake.set(HOST) == 0
    assert [file.name for file in data.iterdir()] == ["sungather.yaml"]


def test_a_full_disk_is_one_sentence_and_what_was_in_force_stays(
    fake: Snapd, data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    fake.set(HOST)
    before, file = stored(fake), (data / "sungather.yaml").read_bytes()
    monkeypatch.setattr(os, "fsync", full)
    assert fake.set("inverter.level=2") != 0
    (said,) = capsys.readouterr().err.splitlines()
    assert said.endswith("sungather.yaml cannot be written: No space left on device.")
    assert stored(fake) == before
    assert (data / "sungather.yaml").read_bytes() == file


def test_a_refusal_of_snapd_itself_is_one_sentence(
    fake: Snapd, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNAP_INSTANCE_NAME", "another")
    assert fake.set(HOST) == 1
    assert capsys.readouterr().err.startswith("snapctl services: error: snapctl does not know")
