"""The command line itself: what argparse takes and refuses before any command runs."""

import json
import logging
import shlex
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from sungather import __version__
from sungather.cli import arguments, commands
from sungather.cli.command_help import COMMANDS
from sungather.cli.command_line import main


@pytest.fixture(autouse=True)
def logging_stays_as_it_was() -> Generator[None]:
    """A command sets it up for its process, which here is that of all tests."""
    root, collector = logging.getLogger(), logging.getLogger("sungather.daemon.collector")
    before = root.level, collector.level, [*root.handlers]
    yield
    root.setLevel(before[0])
    collector.setLevel(before[1])
    root.handlers[:] = before[2]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory with nothing in it, and a current directory in that."""
    (tmp_path / "here").mkdir()
    for name in ("SUNGATHER_CONFIG", "XDG_CONFIG_HOME", "SNAP_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TZ", "Europe/Berlin")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("simulate --port 99999", "--port: must be a whole number from 0 to 65535, not '99999'"),
        ("simulate --port -1", "--port: must be a whole number from 0 to 65535, not '-1'"),
        ("simulate --latency nan", "--latency: must be a number from 0 to 600000, not 'nan'"),
        ("simulate --speed 0", "--speed: must be a number from 0.01 to 100000, not '0'"),
        ("demo --speed inf", "--speed: must be a number from 0.01 to 100000, not 'inf'"),
        ("demo --seconds soon", "--seconds: must be a number from 0 to 604800, not 'soon'"),
        (
            "registers --max-registers 0",
            "--max-registers: must be a whole number from 10 to 125, not '0'",
        ),
    ],
)
def test_a_number_out_of_bounds_is_told_in_a_sentence(
    words: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words.split()) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["help"], ["--help"]])
def test_without_a_command_there_is_help_with_examples(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert not ended.value.code
    said = capsys.readouterr().out
    assert "sungather run 192.168.1.10" in said
    assert arguments.DOCS in said


@pytest.mark.parametrize("words", [["version"], ["--version"], ["-V"]])
def test_the_version_is_told_however_it_is_asked(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(words)
    assert capsys.readouterr().out == f"sungather {__version__}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shows_examples_that_can_be_typed(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["help", command])
    assert f"examples:\n  sungather {command}" in capsys.readouterr().out
    for example in COMMANDS[command].examples:
        words = shlex.split(example.partition(">")[0].partition("|")[0])
        assert arguments.parse(words).command == command


@pytest.mark.parametrize("command", COMMANDS)
def test_the_exit_codes_of_inverters_stand_where_an_inverter_is_read(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["help", command])
    reads = {"run", "run-once", "readings", "test-connection", "get-inverter-info"}
    assert ("every inverter gave a reading" in capsys.readouterr().out) is (command in reads)


def test_a_file_of_sungather_0_5_is_told_with_the_command_that_turns_it_into_options(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(
        "inverter: {host: 192.168.1.10, model: SH10RT, use_local_time: false}\n"
        "exports: [{name: mqtt, enabled: true, host: broker}]\n"
    )
    assert main(["check-config", "--config", str(file)]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert f"sungather import-config {file} > sungather.yaml" in said


def test_a_file_that_cannot_be_read_hides_whether_an_inverter_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check-config", "--config", str(tmp_path)]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert "this is a directory" in said


@pytest.mark.parametrize(
    ("words", "sentence", "usage"),
    [
        ("rn", "There is no command 'rn'. Did you mean run?", "usage: sungather [-h]"),
        ("xyz", "There is no command 'xyz'. 'sungather help'", "usage: sungather [-h]"),
        ("run --hlep", "run does not take --hlep. Did you mean --help?", "usage: sungather run"),
        ("demo --prot=1", "demo does not take --prot=1. Did you mean --port?", "sungather demo"),
        (
            "--format table run-once",
            "--format stands after the command, as in: sungather run-once --format json.",
            "usage: sungather [-h]",
        ),
        ("--set=mqtt.password=b run", "--set stands after the command", "sungather [-h]"),
        ("run host other", "run does not take other.", "usage: sungather run"),
        ("readings 192.168.1.10", "readings does not take 192.168.1.10.", "sungather readings"),
    ],
)
def test_a_slip_of_the_fingers_is_told_with_what_may_be_meant(
    words: str, sentence: str, usage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words.split()) == 2
    said = capsys.readouterr()
    assert sentence in said.err
    assert usage in said.err
    assert "password" not in said.err
    assert not said.out


@pytest.mark.parametrize("words", ["rn --format json", "run --format json --colour"])
def test_a_program_gets_its_mistake_as_json(
    words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words.split()) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["class"] == "wrong-options"
    assert "no command" in error["message"] or "--colour" in error["message"]


@pytest.mark.parametrize(
    ("command", "typed"),
    [
        ("run", "sungather run 192.168.1.10"),
        ("test-connection", "sungather test-connection 192.168.1.10"),
        ("check-config", "sungather check-config --set inverter.host=192.168.1.10"),
    ],
)
def test_without_an_inverter_the_whole_command_is_shown(
    command: str, typed: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command]) == 2
    said = capsys.readouterr().err
    assert typed in said
    assert "sungather discover" in said


def test_in_the_snap_it_is_the_command_of_the_snap(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SNAP_NAME", "sungather")
    monkeypatch.setenv("SNAP_INSTANCE_NAME", "sungather_barn")
    monkeypatch.setattr("sungather.privileges.drop_root", lambda: None)
    assert main(["check-config"]) == 2
    said = capsys.readouterr().err
    assert "sudo snap set sungather_barn inverter.host=192.168.1.10" in said
    assert "sudo sungather_barn.discover" in said


def test_ports_that_take_root_are_opened_before_it_is_given_up(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []

    def give_up() -> None:
        steps.append("root is given up")
        raise SystemExit

    def take_note(address: str, ports: list[int]) -> None:
        steps.append(f"open {ports}")

    monkeypatch.setenv("SNAP_NAME", "sungather")
    monkeypatch.setattr("sungather.privileges.drop_root", give_up)
    monkeypatch.setattr("sungather.modbus_server.early_ports.open_early", take_note)
    settings = ["inverter.host=a", "modbus-server.enabled=true", "modbus-server.port=502"]
    with pytest.raises(SystemExit):
        main(["run", *(f"--set={one}" for one in settings)])
    assert steps == ["open [502]", "root is given up"]


def test_an_address_may_follow_the_command(home: Path) -> None:
    chosen = arguments.parse(["run", "192.168.1.10", "--set", "web.port=80"])
    assert chosen.settings == ["web.port=80", "inverter.host=192.168.1.10"]


def test_a_file_that_nobody_named_is_found_and_said(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    content = "inverter: {host: 192.168.1.10}\n"
    for directory in (home / ".config/sungather", home / "here"):
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "sungather.yaml").write_text(content)
    assert main(["check-config"]) == 0
    said = capsys.readouterr()
    assert "Options are read from sungather.yaml." in said.err
    assert said.out.startswith("Set by you (sungather.yaml):\n  inverter.host  192.168.1.10\n")
    (home / "here/sungather.yaml").unlink()
    assert main(["check-config", "--format", "json"]) == 0
    said = capsys.readouterr()
    assert f"Options are read from {home}/.config/sungather/sungather.yaml." in said.err
    assert json.loads(said.out)["given"] == ["inverter.host"]


def test_a_file_that_is_named_is_the_only_one(home: Path, tmp_path: Path) -> None:
    (home / "here/sungather.yaml").write_text("inverter: {host: 192.168.1.10}\n")
    (tmp_path / "empty.yaml").write_text("")
    assert main(["check-config", "--config", str(tmp_path / "empty.yaml")]) == 2


@pytest.mark.parametrize("shell", arguments.SHELLS)
def test_a_shell_can_complete_every_command(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", shell]) == 0
    said = capsys.readouterr().out
    assert all(command in said for command in COMMANDS)


def test_the_simulator_lists_its_faults(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--fault", "list"]) == 0
    assert "  cannot-start=REGISTERS" in capsys.readouterr().out.splitlines()


def test_a_dump_that_the_capture_does_not_have_names_those_it_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = {"input": {"5000": 1}}
    content = {"addresses": "documented", "dumps": {"lan": words, "dongle": words}}
    file = tmp_path / "capture.json"
    file.write_text(json.dumps(content))
    assert main(["simulate", "--capture", str(file), "--dump", "wlan"]) == 2
    assert "lan" in capsys.readouterr().err


def test_in_a_parallel_instance_a_path_is_told_as_it_is_on_the_host(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SNAP_NAME", "sungather")
    monkeypatch.setenv("SNAP_INSTANCE_NAME", "sungather_two")
    assert main(["readings", "--config", "/var/snap/sungather/x1/none.yaml"]) == 2
    assert "/var/snap/sungather_two/x1/none.yaml" in capsys.readouterr().err


@pytest.mark.parametrize("port", [502, 5502])
def test_a_new_port_that_takes_root_ends_the_daemon_for_systemd_to_start_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, port: int
) -> None:
    ended: list[int] = []
    monkeypatch.setattr(commands, "_begin_anew", lambda: ended.append(1))
    file = tmp_path / "sungather.yaml"
    file.write_text(f"inverter: {{host: a}}\nmodbus-server: {{enabled: true, port: {port}}}\n")
    chosen = arguments.parse(["run", "--config", str(file)])
    changed = commands._changed_options(chosen)  # pyright: ignore[reportPrivateUsage]
    assert changed.modbus_ports == [port]
    assert bool(ended) is (port == 502)


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("snap", "says"),
    [
        ("", ("'sungather run'", "'sungather run-once'")),
        ("sungather", ("'sudo snap start sungather_two'", "'sudo sungather_two.run-once'")),
    ],
)
def test_without_a_daemon_the_command_that_starts_it_is_told(
    snap: str,
    says: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SNAP_NAME", snap)
    monkeypatch.setenv("SNAP_INSTANCE_NAME", "sungather_two")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert main(["readings", "--set", "inverter.host=192.168.1.10"]) == 3
    said = capsys.readouterr().err
    assert [command for command in says if command not in said] == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_before_the_loop_runs_is_swallowed_by_nothing(number: int) -> None:
    """Python prints what is raised while it collects garbage, and goes on."""
    program = (
        "import os, sys\n"
        "from sungather.cli import command_line, commands\n"
        "class Garbage:\n"
        "    def __del__(self):\n"
        f"        os.kill(os.getpid(), {number:d})\n"
        "        [None for _ in range(1000)]\n"
        "def run(chosen):\n"
        "    garbage = Garbage()\n"
        "    del garbage\n"
        "    print('it goes on')\n"
        "    return 1\n"
        "commands.run = run\n"
        "sys.exit(command_line.main(['run', '192.0.2.1']))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_in_the_snap_the_missing_inverter_is_what_keeps_the_daemon_from_running(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SNAP_NAME", "sungather")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert main(["readings"]) == 2
    said = capsys.readouterr().err
    assert "sudo snap set sungather inverter.host=" in said
    assert "snap start" not in said
