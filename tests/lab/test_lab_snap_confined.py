"""What confines the packed snap's daemon, and what another user of the machine sees of it."""

import subprocess
from pathlib import Path

import audit_log
import pytest
from snap_machine import (
    COMMON,
    DAEMON_USER,
    DATA,
    VISITOR,
    main_pid,
    readings,
    set_alone,
)
from vm import HOST_ADDRESS, VirtualMachine

SECRET = "swordfish-of-the-broker"
EVERY_CHANGE = "for n in $(snap changes | awk 'NR > 1 {print $1}'); do snap change $n; done"
CONNECT = f"import socket; socket.socket(socket.AF_UNIX).connect('{COMMON}/state/control.sock')"


@pytest.fixture(scope="module")
def running(snapd: VirtualMachine) -> VirtualMachine:
    """The daemon reads an inverter, and has a secret that came by `set-secret`."""
    set_alone(snapd, {"inverter.host": HOST_ADDRESS})
    with audit_log.recorded(snapd):
        snapd.run("sungather.set-secret mqtt.password", given=SECRET)
        readings(snapd)
        seen = audit_log.command_lines(snapd)
    assert any(line.endswith("set-secret mqtt.password") for line in seen)
    assert [line for line in seen if SECRET in line] == []
    return snapd


def as_visitor(machine: VirtualMachine, command: str) -> tuple[int, str]:
    """What an ordinary user sees after logging in."""
    answer = machine.run(command, check=False, user=VISITOR)
    return answer.returncode, answer.stdout + answer.stderr


def test_the_daemon_is_confined_and_not_root(running: VirtualMachine) -> None:
    pid = main_pid(running)
    profile = running.run(f"cat /proc/{pid}/attr/current").stdout
    assert profile == "snap.sungather.daemon (enforce)\n"
    status = running.run(f"cat /proc/{pid}/status").stdout
    fields = dict(line.split(":", 1) for line in status.splitlines())
    assert fields["Uid"].split() == [DAEMON_USER] * 4
    assert fields["Gid"].split() == [DAEMON_USER] * 4
    assert fields["Groups"].split() == []
    assert fields["CapEff"].strip("\t0") == ""
    assert fields["Seccomp"].strip() == "2"


def test_what_is_not_the_snaps_is_refused_to_the_daemons_profile(running: VirtualMachine) -> None:
    files = ("/root/.ssh/authorized_keys", "/etc/shadow", "/proc/1/environ")
    script = "; ".join(f"cat {file}" for file in files)
    with audit_log.recorded(running):
        answer = running.run(f"snap run --shell sungather.daemon -c '{script}'", check=False)
        denials = [x for x in audit_log.denials(running) if "snap.sungather.daemon" in x]
    assert answer.stdout == ""
    assert answer.stderr.count("Permission denied") == len(files)
    for file in files:
        assert [x for x in denials if f'name="{file}"' in x], file


def test_files_are_for_root_and_the_daemon_alone(running: VirtualMachine) -> None:
    listed = running.run(f"find {COMMON} {DATA}/ -printf '%m %u:%g %y %p\\n'").stdout
    for line in listed.splitlines():
        mode, owner, kind, path = line.split(maxsplit=3)
        if path in (f"{DATA}/", COMMON):
            continue
        assert mode[-1] == "0", line
        assert owner in ("root:root", "root:snap_daemon", "snap_daemon:root"), line
        if kind == "f":
            assert mode in ("600", "640"), line
    assert f"640 root:snap_daemon f {DATA}/sungather.yaml" in listed
    assert f"640 snap_daemon:root f {COMMON}/logs/sungather.log" in listed


def test_the_secret_is_nowhere_but_in_roots_own_files(running: VirtualMachine) -> None:
    assert SECRET not in running.run("journalctl --no-pager").stdout
    assert SECRET not in running.run(EVERY_CHANGE).stdout
    search = "grep -rlFf - /var /etc /home /tmp /run 2>/dev/null"
    found = running.run(search, check=False, given=SECRET).stdout.split()
    assert any(file.endswith("sungather.yaml") for file in found)
    for file in found:
        known = ("600 root root", "640 root snap_daemon")
        assert running.run(f"stat -c '%a %U %G' {file}").stdout.strip() in known, file


def test_another_user_sees_neither_files_nor_socket_nor_the_daemons_environment(
    running: VirtualMachine,
) -> None:
    pid = main_pid(running)
    for command in (
        f"cat {DATA}/sungather.yaml",
        f"ls {COMMON}/state",
        f"cat {COMMON}/logs/sungather.log",
        f"cat /proc/{pid}/environ",
        f'python3 -c "{CONNECT}"',
    ):
        code, said = as_visitor(running, command)
        assert code != 0, command
        assert "Permission denied" in said, command
    assert SECRET not in as_visitor(running, "ps axww -o args")[1]


@pytest.mark.parametrize(
    "command",
    ["readings", "run-once", "test-connection", "get-inverter-info", "support-bundle",
     "set-secret mqtt.password"],
)  # fmt: skip
def test_an_ordinary_user_is_told_to_use_sudo_in_one_sentence(
    running: VirtualMachine, command: str
) -> None:
    code, said = as_visitor(running, f"/snap/bin/sungather.{command}")
    assert code == 2
    (line,) = (line for line in said.splitlines() if line.startswith("sungather:"))
    assert "sudo" in line
    assert "Traceback" not in said


def test_who_can_run_the_snap_can_read_its_options_as_security_md_says(
    running: VirtualMachine,
) -> None:
    """The honest boundary: snapd lets every user of the machine ask with `snapctl get`."""
    shell = "snap run --shell sungather -c 'snapctl get mqtt.password'"
    assert SECRET in as_visitor(running, shell)[1]


def test_another_snap_reads_the_log_over_the_slot(running: VirtualMachine, tmp_path: Path) -> None:
    meta = """
name: log-reader
version: "1"
summary: Reads the log over the slot
description: For tests only.
base: core24
confinement: strict
architectures: [amd64]
apps:
  show:
    command: show
plugs:
  logs:
    interface: content
    target: $SNAP/logs
"""
    (tmp_path / "meta").mkdir()
    (tmp_path / "logs").mkdir()
    (tmp_path / "meta/snap.yaml").write_text(meta)
    (tmp_path / "show").write_text('#!/bin/sh\ncat "$SNAP/logs/sungather.log"\n')
    (tmp_path / "show").chmod(0o755)
    tmp_path.chmod(0o755)
    subprocess.run(["snap", "pack", tmp_path, tmp_path], check=True, stdout=subprocess.DEVNULL)
    running.put(tmp_path / "log-reader_1_amd64.snap")
    running.run("snap install --dangerous log-reader_1_amd64.snap")
    running.run("snap connect log-reader:logs sungather:logs")
    assert "inverter is ok" in running.run("snap run log-reader.show").stdout
    running.run("snap remove --purge log-reader")
