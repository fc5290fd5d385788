"""The charm and its snap: installation, options, daemon, removal."""

import json
from pathlib import Path

import ops
import pytest
from charm_model import HOST, Config, Context, active, after_config_changed, blocked, state, status
from fake_snapd import FakeSnapd
from ops import testing

import sungather_snap


def test_the_snap_comes_from_the_store_and_is_held_for_the_charm(
    context: Context, snapd: FakeSnapd
) -> None:
    out = context.run(context.on.install(), state())
    assert (snapd.revision, snapd.held) == ("7", True)
    assert out.workload_version == "1.0.0"


def test_the_snap_comes_from_the_resource_when_there_is_one(
    context: Context, snapd: FakeSnapd, snap_file: Path
) -> None:
    snapd.store.clear()
    context.run(context.on.install(), state(file=snap_file))
    assert snapd.revision == "x1"


def test_without_any_resource_the_snap_comes_from_the_store(
    context: Context, snapd: FakeSnapd, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: ops.Resources, name: str) -> Path:
        raise ops.ModelError("ERROR could not download resource: resource#sungather/x not found")

    monkeypatch.setattr(ops.Resources, "fetch", fail)
    context.run(context.on.install(), state())
    assert snapd.revision == "7"


def test_only_another_file_is_installed_again_and_the_options_stay(
    context: Context, snapd: FakeSnapd, snap_file: Path
) -> None:
    context.run(context.on.install(), state(HOST, file=snap_file))
    context.run(context.on.upgrade_charm(), state(HOST, file=snap_file))
    assert snapd.revision == "x1"
    snap_file.write_text("a newer snap")
    context.run(context.on.upgrade_charm(), state(HOST, file=snap_file))
    assert snapd.revision == "x2"
    assert snapd.options["inverter.host"] == "192.168.1.10"


def test_the_source_of_the_snap_can_change_both_ways_and_the_options_stay(
    context: Context, snapd: FakeSnapd, snap_file: Path
) -> None:
    after_config_changed(context, state(HOST))
    after_config_changed(context, state(HOST, file=snap_file))
    assert (snapd.revision, snapd.channel) == ("x1", "")
    snapd.held = False
    after_config_changed(context, state(HOST))
    assert (snapd.revision, snapd.channel, snapd.held) == ("7", "latest/stable", True)
    assert snapd.options["inverter.host"] == "192.168.1.10"


def test_another_channel_is_followed_at_once(context: Context, snapd: FakeSnapd) -> None:
    after_config_changed(context, state(HOST))
    after_config_changed(context, state(HOST | {"snap-channel": "latest/edge"}))
    assert (snapd.revision, snapd.channel) == ("9", "latest/edge")


def test_a_snap_that_cannot_be_installed_blocks_the_unit_with_the_reason(
    context: Context, snapd: FakeSnapd, tmp_path: Path
) -> None:
    snapd.store.clear()
    message = blocked(status(context, state(HOST)))
    assert message.startswith("the snap cannot be installed: snap not found")
    assert "juju attach-resource sungather sungather-snap=FILE" in message
    no_snap = tmp_path / "letter.txt"
    no_snap.write_text("Dear Sir")
    assert "error: no snap: " in blocked(status(context, state(HOST, file=no_snap)))


def test_a_snap_that_cannot_be_refreshed_goes_on_and_takes_options(
    context: Context, snapd: FakeSnapd
) -> None:
    after_config_changed(context, state(HOST))
    snapd.store.clear()
    config = HOST | {"level": 2, "snap-channel": "latest/edge"}
    message = blocked(status(context, state(config)))
    assert message.startswith("the snap stays as it is, because it cannot be refreshed: ")
    assert (snapd.options["inverter.level"], snapd.running) == ("2", True)


def test_without_a_host_the_unit_says_which_command_to_give(context: Context) -> None:
    message = blocked(status(context, state()))
    assert message == "say where the inverter is: juju config sungather inverter-host=ADDRESS"


def test_with_a_host_the_daemon_runs_and_the_unit_is_active(
    context: Context, snapd: FakeSnapd
) -> None:
    config = HOST | {"log-level": "DEBUG", "inverter-port": 5020}
    assert status(context, state(config)) == active()
    assert snapd.running
    assert snapd.options["inverter.host"] == "192.168.1.10"
    assert snapd.options["inverter.port"] == "5020"
    assert snapd.options["log.level"] == "DEBUG"


def test_a_host_that_is_taken_back_stops_the_daemon(context: Context, snapd: FakeSnapd) -> None:
    after_config_changed(context, state(HOST))
    blocked(status(context, state()))
    assert (snapd.running, snapd.options.get("inverter.host", "")) == (False, "")


def test_nothing_to_change_makes_no_change(context: Context, snapd: FakeSnapd) -> None:
    config = HOST | {"extra-options": "inverters: {garage: {host: 10.0.0.2}}"}
    before = after_config_changed(context, state(config))
    changes, commands = list(snapd.changes), list(snapd.commands)
    assert status(context, before) == active()
    context.run(context.on.update_status(), before)
    assert (snapd.changes, snapd.commands) == (changes, commands)


def test_many_new_options_are_one_change(context: Context, snapd: FakeSnapd) -> None:
    after_config_changed(context, state(HOST))
    before = list(snapd.changes)
    after_config_changed(context, state(HOST | {"level": 2, "log-level": "DEBUG"}))
    assert snapd.changes == [*before, "configure"]


def test_a_daemon_that_somebody_stopped_is_started_again(
    context: Context, snapd: FakeSnapd
) -> None:
    after_config_changed(context, state(HOST))
    snapd.running = False
    context.run(context.on.update_status(), state(HOST))
    assert snapd.running


def test_a_daemon_that_does_not_stay_up_is_told(context: Context, snapd: FakeSnapd) -> None:
    snapd.starts = False
    found = status(context, state(HOST))
    assert isinstance(found, testing.WaitingStatus)
    assert found.message.startswith("the daemon does not stay up: juju exec")


def test_a_refused_value_is_shown_in_the_hooks_own_words_and_nothing_is_stored(
    context: Context, snapd: FakeSnapd
) -> None:
    after_config_changed(context, state(HOST))
    message = blocked(status(context, state(HOST | {"inverter-port": 70000})))
    assert message == (
        "inverter.port must be a port number from 1 to 65535, not 70000. "
        "juju config sungather inverter-port=VALUE"
    )
    assert not snapd.options.get("inverter.port")


def test_every_refused_value_is_shown_in_one_line_with_a_command_for_all(
    context: Context, snapd: FakeSnapd
) -> None:
    wrong: Config = {
        "connection-type": "pigeon",
        "extra-options": "outbox.days: 0",
        "inverter-port": 70000,
        "log-level": "LOUD",
        "scan-interval": 0,
    }
    message = blocked(status(context, state(HOST | wrong)))
    for key in ("inverter.port", "inverter.connection", "inverter.scan-interval", "outbox.days"):
        assert f"{key} must be " in message
    _, _, command = message.partition("juju config sungather ")
    assert sorted(command.split()) == sorted(f"{name}=VALUE" for name in wrong)
    assert "-----" not in message


def test_an_export_without_its_secret_says_how_to_make_one(context: Context) -> None:
    message = blocked(status(context, state(HOST | {"pvoutput-enabled": True})))
    assert "pvoutput.api-key is missing" in message
    assert message.endswith(
        "juju add-secret pvoutput api-key=… system-id=…; juju grant-secret pvoutput sungather; "
        "juju config sungather pvoutput-credentials=secret:ID"
    )


HEALTH = {"revision": "7", "timestamp": "2099-11-23T17:05:00+01:00"}
UNREACHABLE = HEALTH | {
    "status": "waiting",
    "message": "inverter is unreachable; sungather.test-connection says why",
    "code": "no-route",
}


def test_an_unreachable_inverter_makes_the_unit_wait_and_tell_since_when_and_why(
    context: Context, snapd: FakeSnapd
) -> None:
    snapd.health = UNREACHABLE
    assert status(context, state(HOST)) == testing.WaitingStatus(
        "inverter is unreachable; juju run sungather/0 test-connection says why "
        "(no-route, since 2099-11-23 16:05 UTC)"
    )


def test_an_option_changed_while_the_inverter_is_unreachable_is_set(
    context: Context, snapd: FakeSnapd
) -> None:
    after_config_changed(context, state(HOST))
    snapd.health = UNREACHABLE
    after_config_changed(context, state(HOST | {"level": 3}))
    assert snapd.options["inverter.level"] == "3"


def test_an_inverter_that_sleeps_leaves_the_unit_active(
    context: Context, snapd: FakeSnapd
) -> None:
    snapd.health = HEALTH | {"status": "waiting", "message": "house is asleep", "code": "asleep"}
    found = status(context, state(HOST))
    assert isinstance(found, testing.ActiveStatus)
    assert found.message == "house is asleep (asleep, since 2099-11-23 16:05 UTC)"


@pytest.mark.parametrize(
    ("words", "code", "option"),
    [
        ("web: The page cannot listen on *:8080", "web-blocked", "webserver-port=PORT"),
        (
            "modbus-server: Nobody can ask on port 5502",
            "modbus-server-blocked",
            "modbus-server-port=PORT",
        ),
        ("log.level is refused since a refresh: set it anew", "set-aside", "log-level=VALUE"),
        ("web.password is refused since a refresh", "set-aside", "extra-options=VALUE"),
    ],
)
def test_what_a_person_must_repair_blocks_the_unit_with_the_command_that_repairs_it(
    context: Context, snapd: FakeSnapd, words: str, code: str, option: str
) -> None:
    snapd.health = HEALTH | {"status": "blocked", "message": words, "code": code}
    message = blocked(status(context, state(HOST)))
    assert message.startswith(words)
    assert message.endswith(f": juju config sungather {option}")


@pytest.mark.parametrize(
    "code", ["no-inverter", "daemon-stopped", "daemon-ended", "daemon-options"]
)
def test_what_the_snap_said_before_its_daemon_ran_blocks_nobody(
    context: Context, snapd: FakeSnapd, code: str
) -> None:
    snapd.health = HEALTH | {"status": "blocked", "message": "no daemon", "code": code}
    assert status(context, state(HOST)) == testing.WaitingStatus("the daemon is starting")


def test_the_proxy_of_the_model_reaches_the_daemon_and_goes_with_it(
    context: Context, snapd: FakeSnapd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUJU_CHARM_HTTPS_PROXY", 'http://me:p%"@proxy:3128')
    after_config_changed(context, state(HOST))
    file = sungather_snap.DROP_IN
    # Whoever asks systemd sees the drop-in, but not the file that it names.
    assert file.read_text() == f"[Service]\nEnvironmentFile={sungather_snap.PROXY}\n"
    assert sungather_snap.PROXY.read_text() == 'HTTPS_PROXY="http://me:p%\\"@proxy:3128"\n'
    assert sungather_snap.PROXY.stat().st_mode & 0o777 == 0o600
    assert ("systemctl", "daemon-reload") in snapd.commands
    snapd.commands.clear()
    after_config_changed(context, state(HOST))
    assert [one for one in snapd.commands if one[0] == "systemctl"] == []
    monkeypatch.delenv("JUJU_CHARM_HTTPS_PROXY")
    after_config_changed(context, state(HOST))
    assert not file.exists()
    assert not sungather_snap.PROXY.exists()


def test_what_an_older_charm_set_and_this_one_does_not_is_unset(
    context: Context, snapd: FakeSnapd
) -> None:
    after_config_changed(context, state(HOST))
    snapd.options["mqtt.homeassistant-prefix"] = "old"
    sungather_snap.SET_KEYS.write_text("mqtt.homeassistant-prefix inverter.host")
    context.run(context.on.upgrade_charm(), state(HOST))
    assert snapd.options["mqtt.homeassistant-prefix"] == "homeassistant"


def test_a_unit_of_a_charm_that_kept_no_notes_is_taken_over(
    context: Context, snapd: FakeSnapd
) -> None:
    snapd.revision, snapd.channel = "5", "latest/stable"
    snapd.options = {"inverter.host": "192.168.1.99", "log.level": "DEBUG"}
    out = context.run(context.on.upgrade_charm(), state(HOST))
    assert out.unit_status == active()
    assert (snapd.options["inverter.host"], snapd.options["log.level"]) == (HOST_TEXT, "INFO")


HOST_TEXT = "192.168.1.10"


def test_what_is_noted_of_the_options_are_keys_alone(context: Context, snapd: FakeSnapd) -> None:
    after_config_changed(context, state(HOST))
    keys = sungather_snap.SET_KEYS.read_text().split()
    assert "inverter.host" in keys
    assert HOST_TEXT not in json.dumps(keys)
