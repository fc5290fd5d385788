"""The seam between charm and snap: every option exists on both sides, apps run clean."""

import contextlib
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import config
import desired_options
import extra_options
import process
import snap_apps
from sungather.cli.command_help import COMMANDS
from sungather.options.all_options import OPTIONS
from sungather.options.check import check
from sungather.options.keys import option


def test_every_config_option_of_the_charm_is_a_field_and_has_one_place(
    charmcraft: dict[str, Any],
) -> None:
    named = {name.replace("-", "_") for name in charmcraft["config"]["options"]}
    assert named == config.Config.model_fields.keys()
    tables = [*config.OPTIONS, *config.SECRETS, *config.OF_THE_CHARM]
    assert sorted(named) == sorted(tables)


@pytest.mark.parametrize("key", config.GOVERNED)
def test_every_option_that_the_charm_sets_is_one_of_the_snap(key: str) -> None:
    row = option(key)
    assert row is not None


def test_what_the_snap_keeps_secret_comes_from_secrets_alone() -> None:
    governed = {key for row in config.SECRETS.values() for key in row.keys.values()}
    assert {row.key for row in OPTIONS if row.secret} <= governed
    assert not governed & set(config.OPTIONS.values())


def test_defaults_of_the_charm_are_those_of_its_typed_config(charmcraft: dict[str, Any]) -> None:
    for name, row in charmcraft["config"]["options"].items():
        default = config.Config.model_fields[name.replace("-", "_")].default
        assert row.get("default") == default, name


def problems(texts: dict[str, str]) -> tuple[object, ...]:
    """What the snap has against these options; an empty text is one that is not set."""
    given = {key: text for key, text in texts.items() if text}
    return check(given, need_inverter=False).problems


def test_the_defaults_of_the_charm_are_good_options_of_the_snap() -> None:
    assert problems(config.snap_options(config.Config())) == ()


@pytest.mark.parametrize(
    ("said", "passed"),
    [("auto", "auto"), ("yes", "true"), ("no", "false"), ("true", "true"), ("false", "false")],
)
def test_a_smart_meter_can_be_there_absent_or_asked_for(said: str, passed: str) -> None:
    texts = config.snap_options(config.Config(smart_meter=said))
    assert texts["inverter.smart-meter"] == passed
    assert problems(texts) == ()


@pytest.mark.parametrize("connection", ["modbus", "sungrow", "http", "modbus-tls"])
@pytest.mark.parametrize(("port", "passed"), [(0, ""), (502, "502"), (443, "443")])
def test_a_port_that_is_named_is_passed_on_with_any_connection(
    connection: str, port: int, passed: str
) -> None:
    settings = config.Config(connection_type=connection, inverter_port=port)
    assert config.snap_options(settings)["inverter.port"] == passed


def test_the_site_is_passed_on_also_on_the_equator() -> None:
    settings = config.Config(site_latitude="0.0", site_longitude="-78.5", site_meter="all")
    texts = config.snap_options(settings)
    found = [texts[f"site.{part}"] for part in ("latitude", "longitude", "meter")]
    assert found == ["0.0", "-78.5", "all"]
    assert problems(texts) == ()


def test_prices_are_passed_on_and_without_them_there_is_no_money() -> None:
    prices = "0.31; from 2026-01-01 0.36, 22:00-06:00 0.24"
    settings = config.Config(
        tariff_currency="EUR", tariff_import=prices, tariff_standing="0.45", tariff_paid="14500"
    )
    texts = config.snap_options(settings)
    assert texts["tariff.import"] == prices
    topic = config.Config(tariff_import_topic="evcc/site/tariffGrid")
    assert config.snap_options(topic)["tariff.import-topic"] == "evcc/site/tariffGrid"
    assert problems(texts) == ()
    assert config.snap_options(config.Config())["tariff.import"] == ""
    assert problems(config.snap_options(config.Config())) == ()


def together(extra: str, *, polls: bool = True, **settings: str) -> dict[str, str]:
    one = config.Config(inverter_host="10.0.0.1", **settings)  # pyright: ignore[reportArgumentType] (the tests give texts alone)
    found = desired_options.options(one, {}, extra_options.parse(extra), {}, {}, polls=polls)
    return {key: text for key, text in found.items() if text is not None}


def test_extra_options_come_as_typed_and_in_any_form() -> None:
    found = extra_options.parse(
        "inverters:\n  roof:\n    host: 10.0.0.2\n    unit: 0123\nmqtt.client-id: no\n"
        "influxdb: {measurement: '22:22'}\n"
    )
    assert found == {
        "inverters.roof.host": "10.0.0.2",
        "inverters.roof.unit": "0123",
        "mqtt.client-id": "no",
        "influxdb.measurement": "22:22",
    }


def test_beside_further_inverters_the_own_one_gets_a_name() -> None:
    found = together("inverters.roof.host: 10.0.0.2\ninverter.unit: 3")
    assert found["inverters.inverter.host"] == "10.0.0.1"
    assert found["inverters.inverter.unit"] == "3"
    assert not [key for key in found if key.startswith("inverter.")]
    assert problems(found) == ()


def test_a_standby_knows_the_inverters_and_may_not_read_them() -> None:
    """So that it can be asked whether it reaches them, and delivers what it owes."""
    found = [together("inverters.roof.host: 10.0.0.2", polls=polls) for polls in (True, False)]
    assert [one.pop("outbox.deliver-only") for one in found] == ["false", "true"]
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("web.port: 80", "web.port has an option of its own: juju config"),
        ("inverters.inverter.host: x", "has an option of its own: juju config"),
        ("mqtt.password: swordfish", "belongs into the secret of mqtt-credentials, as password"),
        ("mqtt: {tls: {key: swordfish}}", "the secret of mqtt-credentials, as tls-key"),
        (
            "inverters.roof.password: swordfish",
            "belongs into the secret of inverter-credentials, as roof-password",
        ),
        ("a: [swordfish", "extra-options: this is not YAML (line 1)"),
        ("[" * 20_000, "extra-options: this is not YAML"),
        ("swordfish", "write options as KEY: VALUE"),
        ("- swordfish", "write options as KEY: VALUE"),
        ("inverter.devices: [swordfish]", "takes one value, no list"),
        ("outbox.days: 1\noutbox: {days: swordfish}", "outbox.days is there twice"),
        ("x: &swordfish {y: *swordfish}", "takes one value"),
        ("outbox: {deliver-only: swordfish}", "outbox.deliver-only is decided by the charm"),
        ("inverters.stdout.host: swordfish", "an inverter cannot be called stdout in Juju"),
        ("inverters: {stderr-encoding: {unit: swordfish}}", "take another name"),
    ],
)
def test_extra_options_that_cannot_be_used_are_told_without_their_values(
    text: str, words: str
) -> None:
    with pytest.raises(extra_options.WrongOptionText) as told:
        extra_options.parse(text)
    assert words in str(told.value)
    assert "swordfish" not in str(told.value)


@given(st.text(alphabet=st.sampled_from("ab:-[]{}&*!|>'\"#, \n.\x00\t%@`é"), max_size=60))
def test_any_text_is_taken_or_refused_with_a_sentence(text: str) -> None:
    with contextlib.suppress(extra_options.WrongOptionText):
        assert all(extra_options.parse(text))


@pytest.mark.parametrize("app", ["run-once", "readings", "test-connection", "get-inverter-info"])
def test_every_app_that_an_action_runs_is_a_command(app: str) -> None:
    assert app in COMMANDS


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that is found in the place of snap."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path / "snap"


def test_a_snaps_app_runs_without_the_paths_that_dispatch_sets(
    program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = '$(env | cut -d= -f1 | tr "\\n" " ")'
    program.write_text(f"""#!/bin/sh\necho '{{"names": "'"{names}"'"}}'\n""")
    program.chmod(0o755)
    monkeypatch.setenv("PYTHONPATH", "/charm/src")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/charm/lib")
    seen = snap_apps.run("readings")["names"].split()
    assert "PATH" in seen
    assert not {"PYTHONPATH", "LD_LIBRARY_PATH"} & set(seen)


def test_an_app_that_prints_no_json_is_an_error_in_its_own_words(program: Path) -> None:
    program.write_text("#!/bin/sh\necho 'inverter.host is missing' >&2\nexit 2\n")
    program.chmod(0o755)
    with pytest.raises(snap_apps.AppFailed, match=r"^inverter.host is missing$"):
        snap_apps.run("test-connection")


def test_a_program_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*command: str, timeout: float) -> None:
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(process, "run", hang)
    with pytest.raises(snap_apps.AppFailed, match="no answer"):
        snap_apps.run("test-connection")
