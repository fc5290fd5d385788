"""The charm: from the model to the snap, and back to status and results."""

import os
from pathlib import Path

import ops
import pytest
from fake_snapd import FakeSnapd
from ops import testing

from charm import SungatherCharm

Context = testing.Context[SungatherCharm]

SECRET = "swordfish"
CREDENTIALS = testing.Secret(
    {"username": "user", "password": SECRET}, id="secret:9m4e2mr0ui3e8a215n4g"
)
Config = dict[str, str | int | float | bool]
HOST: Config = {"inverter-host": "192.168.1.10"}
ANSWER = {
    "name": "inverter",
    "success": True,
    "latency_ms": {"min": 1.0, "median": 2.5, "max": 4.0},
    "model": "SH10RT",
    "error": None,
}


def state(
    config: Config | None = None, *secrets: testing.Secret, file: Path = Path(os.devnull)
) -> testing.State:
    """A model; without another file the resource is an empty one."""
    resource = testing.Resource(name="sungather-snap", path=file)
    return testing.State(config=config or {}, secrets=secrets, resources=[resource])


def with_secret(*secrets: testing.Secret) -> testing.State:
    return state(HOST | {"inverter-credentials": CREDENTIALS.id}, *secrets)


def after_config_changed(context: Context, before: testing.State) -> object:
    return context.run(context.on.config_changed(), before).unit_status


def blocked(status: object) -> str:
    assert isinstance(status, testing.BlockedStatus), status
    return status.message


def test_the_snap_comes_from_the_store_and_is_held_for_the_charm(
    context: Context, snapd: FakeSnapd
) -> None:
    out = context.run(context.on.install(), state())
    assert (snapd.revision, snapd.held) == ("7", True)
    assert out.workload_version == "1.0.0"


def test_the_snap_comes_from_the_resource_when_there_is_one(
    context: Context, snapd: FakeSnapd, snap_file: Path
) -> None:
    snapd.in_store = False
    context.run(context.on.install(), state(file=snap_file))
    assert snapd.revision == "x1"


def test_without_any_resource_the_snap_comes_from_the_store(
    context: Context, snapd: FakeSnapd, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: ops.Resources, name: str) -> Path:
        raise ops.ModelError("ERROR could not download resource")

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


def test_a_snap_that_cannot_be_installed_blocks_the_unit_with_the_reason(
    context: Context, snapd: FakeSnapd, tmp_path: Path
) -> None:
    snapd.in_store = False
    assert blocked(after_config_changed(context, state(HOST))) == "snap not found"
    no_snap = tmp_path / "letter.txt"
    no_snap.write_text("Dear Sir")
    status = after_config_changed(context, state(HOST, file=no_snap))
    assert blocked(status).startswith("error: no snap: ")


def test_without_snapd_the_unit_is_blocked(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("charmlibs.snap._client._SOCKET_PATH", "/nowhere/snapd.socket")
    assert "socket not found" in blocked(after_config_changed(context, state(HOST)))


def test_without_a_host_the_unit_says_which_command_to_give(context: Context) -> None:
    status = blocked(after_config_changed(context, state()))
    assert status == "say where the inverter is: juju config sungather inverter-host=ADDRESS"


def test_with_a_host_the_daemon_runs_and_the_unit_is_active(
    context: Context, snapd: FakeSnapd
) -> None:
    config = HOST | {"log-level": "DEBUG", "inverter-port": 5020}
    assert after_config_changed(context, state(config)) == testing.ActiveStatus()
    assert snapd.running
    assert snapd.options["inverter.host"] == "192.168.1.10"
    assert snapd.options["inverter.port"] == "5020"
    assert snapd.options["log.level"] == "DEBUG"


def test_a_host_that_is_taken_back_stops_the_daemon(context: Context, snapd: FakeSnapd) -> None:
    after_config_changed(context, state(HOST))
    assert isinstance(after_config_changed(context, state()), testing.BlockedStatus)
    assert (snapd.running, snapd.options["inverter.host"]) == (False, "")


def test_nothing_to_change_makes_no_change(context: Context, snapd: FakeSnapd) -> None:
    after_config_changed(context, state(HOST))
    before = list(snapd.changes)
    assert after_config_changed(context, state(HOST)) == testing.ActiveStatus()
    context.run(context.on.update_status(), state(HOST))
    assert snapd.changes == before


def test_a_daemon_that_somebody_stopped_is_started_again(
    context: Context, snapd: FakeSnapd
) -> None:
    after_config_changed(context, state(HOST))
    snapd.running = False
    context.run(context.on.update_status(), state(HOST))
    assert snapd.running


def test_a_refused_value_is_shown_in_the_hooks_own_words_and_nothing_is_stored(
    context: Context, snapd: FakeSnapd
) -> None:
    after_config_changed(context, state(HOST))
    status = blocked(after_config_changed(context, state(HOST | {"inverter-port": 70000})))
    assert status == "inverter.port must be a port number from 1 to 65535, not 70000."
    assert snapd.options["inverter.port"] == "502"


def test_all_refused_values_are_shown_in_one_line(context: Context, snapd: FakeSnapd) -> None:
    wrong = HOST | {"inverter-port": 70000, "log-level": "LOUD"}
    status = blocked(after_config_changed(context, state(wrong)))
    assert status.startswith("inverter.port must be a port number from 1 to 65535, not 70000. ")
    assert "log.level must be " in status
    assert "-----" not in status


def test_the_secret_reaches_the_snap_and_so_does_a_new_one(
    context: Context, snapd: FakeSnapd
) -> None:
    after_config_changed(context, with_secret(CREDENTIALS))
    assert snapd.options["inverter.username"] == "user"
    assert snapd.options["inverter.password"] == SECRET
    renewed = testing.Secret(
        CREDENTIALS.tracked_content,
        latest_content={"username": "user", "password": "12345"},
        id=CREDENTIALS.id,
    )
    context.run(context.on.secret_changed(renewed), with_secret(renewed))
    assert snapd.options["inverter.password"] == "12345"


def test_a_secret_that_is_taken_back_is_forgotten(context: Context, snapd: FakeSnapd) -> None:
    after_config_changed(context, with_secret(CREDENTIALS))
    after_config_changed(context, state(HOST))
    assert snapd.options["inverter.password"] == ""


def test_a_secret_that_cannot_be_read_blocks_the_unit_with_the_command(
    context: Context, snapd: FakeSnapd
) -> None:
    status = blocked(after_config_changed(context, with_secret()))
    assert status.startswith(
        "the secret of inverter-credentials cannot be read: juju grant-secret"
    )
    assert "inverter.password" not in [key for key, text in snapd.options.items() if text]


def test_a_secret_without_a_key_blocks_the_unit_with_the_command(context: Context) -> None:
    half = testing.Secret({"username": "user"}, id=CREDENTIALS.id)
    status = blocked(after_config_changed(context, with_secret(half)))
    assert status == (
        "the secret of inverter-credentials has no password: "
        "juju update-secret NAME username=… password=…"
    )


def test_the_secret_is_in_no_log_line_status_or_result(context: Context, snapd: FakeSnapd) -> None:
    bad = testing.Secret({"username": "user", "password": f"{SECRET}\x07"}, id=CREDENTIALS.id)
    for secret in (CREDENTIALS, bad):
        before = with_secret(secret)
        assert SECRET not in str(after_config_changed(context, before))
        snapd.app_answer = {"inverters": [ANSWER]}
        if secret is CREDENTIALS:
            context.run(context.on.action("test-connection"), before)
            assert SECRET not in str(context.action_results)
    assert any(line.level == "DEBUG" for line in context.juju_log)
    assert not [line for line in context.juju_log if SECRET in line.message]


def test_the_action_gives_the_apps_answer_with_dashed_keys(
    context: Context, snapd: FakeSnapd
) -> None:
    snapd.app_answer = {"inverters": [ANSWER]}
    context.run(context.on.action("test-connection"), state(HOST))
    assert context.action_results == {
        "inverter": {
            "name": "inverter",
            "success": "true",
            "latency-ms": {"min": "1.0", "median": "2.5", "max": "4.0"},
            "model": "SH10RT",
            "error": "null",
        }
    }


def test_an_inverter_without_an_answer_fails_the_action_with_the_cause(
    context: Context, snapd: FakeSnapd
) -> None:
    error = {"class": "no-route", "message": "Nobody answers at 192.168.1.10."}
    snapd.app_answer = {"inverters": [ANSWER | {"success": False, "error": error}]}
    with pytest.raises(testing.ActionFailed) as failed:
        context.run(context.on.action("test-connection"), state(HOST))
    assert failed.value.message == "Nobody answers at 192.168.1.10."
    assert context.action_results is not None
    assert context.action_results["inverter"]["error"]["class"] == "no-route"


def test_an_app_that_fails_fails_the_action_with_its_words(
    context: Context, snapd: FakeSnapd
) -> None:
    snapd.app_answer = "sungather: The daemon does not answer.\n"
    with pytest.raises(testing.ActionFailed) as failed:
        context.run(context.on.action("test-connection"), state(HOST))
    assert failed.value.message == "sungather: The daemon does not answer."


def test_an_action_on_a_blocked_unit_fails_with_what_blocks_it(context: Context) -> None:
    with pytest.raises(testing.ActionFailed) as failed:
        context.run(context.on.action("test-connection"), state())
    assert failed.value.message.startswith("say where the inverter is")


def test_the_snap_is_removed_with_the_unit(context: Context, snapd: FakeSnapd) -> None:
    after_config_changed(context, state(HOST))
    context.run(context.on.remove(), state(HOST))
    assert (snapd.revision, snapd.changes[-1]) == ("", "remove")
