"""The seam between charm and snap: every option exists on both sides, apps run clean."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

import sungather_snap
from config import OPTIONS, SECRETS, Config
from sungather.options import option


def test_every_config_option_of_the_charm_is_a_field_and_reaches_the_snap(
    charmcraft: dict[str, Any],
) -> None:
    named = {name.replace("-", "_") for name in charmcraft["config"]["options"]}
    assert named == Config.model_fields.keys()
    assert named == OPTIONS.keys() | SECRETS.keys()


def test_every_option_that_the_charm_sets_is_one_of_the_snap() -> None:
    keys = [*OPTIONS.values(), *(key for keys in SECRETS.values() for key in keys.values())]
    assert all(option(key) is not None for key in keys)
    secret = [key for key in keys if (row := option(key)) is not None and row.secret]
    assert secret == ["inverter.password"]


def test_defaults_of_the_charm_are_those_of_its_typed_config(charmcraft: dict[str, Any]) -> None:
    for name, row in charmcraft["config"]["options"].items():
        default = Config.model_fields[name.replace("-", "_")].default
        assert row.get("default") == default, name


def test_a_snaps_app_runs_without_the_paths_that_dispatch_sets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "snap"
    names = '$(env | cut -d= -f1 | tr "\\n" " ")'
    program.write_text(f"""#!/bin/sh\necho '{{"inverters": [{{"names": "'"{names}"'"}}]}}'\n""")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", "/charm/src")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/charm/lib")
    (answer,) = sungather_snap.test_connection()
    seen = answer["names"].split()
    assert "PATH" in seen
    assert not {"PYTHONPATH", "LD_LIBRARY_PATH"} & set(seen)


def test_an_app_that_prints_no_json_is_an_error_in_its_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "snap"
    program.write_text("#!/bin/sh\necho 'inverter.host is missing' >&2\nexit 2\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(sungather_snap.AppFailed, match=r"^inverter.host is missing$"):
        sungather_snap.test_connection()


def test_a_program_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*command: str, timeout: float) -> None:
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr("sungather_snap._run", hang)
    with pytest.raises(sungather_snap.AppFailed, match="no answer"):
        sungather_snap.test_connection()
