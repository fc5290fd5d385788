"""In the snap root is given up for good, and the files are the daemon's."""

import json
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from sungather.privileges import (
    ROOT_GROUP,
    STATE,
    USER,
    drop_root,
    in_snap,
    logs_directory,
    on_host,
    prepare,
)

root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: only root can be given up")

_HOOK_AND_DAEMON_IN_A_CONTAINER = """
import ctypes, os, pathlib, sys
from sungather.privileges import drop_root, let_read, prepare
assert ctypes.CDLL(None, use_errno=True).unshare(0x10000000) == 0  # CLONE_NEWUSER
print(flush=True)
sys.stdin.readline()
os.setresgid(0, 0, 0)
os.setresuid(0, 0, 0)
directory = pathlib.Path(sys.argv[1])
prepare(directory)
options = directory / "sungather.yaml"
options.touch(0o600)
let_read(options)
print(drop_root(), os.geteuid(), flush=True)
"""
_REPORT = """
import json, os, sys
from sungather.privileges import drop_root
assert drop_root() == ""
open(sys.argv[1] + "/made", "w").close()
try:
    os.setuid(0)
    back = True
except PermissionError:
    back = False
print(json.dumps([os.getresuid(), os.getresgid(), os.getgroups(), back]))
"""


def dropped(directory: Path, name: str) -> list[object]:
    done = subprocess.run(
        [sys.executable, "-c", _REPORT, directory],
        env={"SNAP_NAME": name, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.fixture
def reachable() -> Generator[Path]:
    """A directory whose parents every user may pass; pytest's own are closed."""
    with tempfile.TemporaryDirectory(prefix="sungather-") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


@root
def test_root_is_given_up_for_good(reachable: Path) -> None:
    prepare(reachable)
    assert dropped(reachable / STATE, "sungather") == [[USER] * 3, [USER] * 3, [], False]
    made = (reachable / STATE / "made").stat()
    assert (made.st_uid, made.st_gid) == (USER, ROOT_GROUP)
    assert stat.S_IMODE(made.st_mode) == 0o640


@root
def test_in_a_container_with_few_users_the_containers_root_goes_on_and_says_so(
    reachable: Path,
) -> None:
    """As Proxmox and nested LXD make them: 65536 numbers, and snap_daemon is none of them."""
    first = 100000
    os.chown(reachable, first, first)
    with subprocess.Popen(
        [sys.executable, "-c", _HOOK_AND_DAEMON_IN_A_CONTAINER, reachable],
        env={"SNAP_NAME": "sungather", "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as container:
        assert container.stdout is not None
        if not container.stdout.readline():
            pytest.skip("this system makes no user namespaces, as within a chroot")
        for kind in ("uid_map", "gid_map"):
            Path(f"/proc/{container.pid}/{kind}").write_text(f"0 {first} 65536\n")
        said, _ = container.communicate("\n", timeout=60)
    assert container.returncode == 0
    assert f"has no user {USER}" in said
    assert said.endswith("idmap) changes that. 0\n")
    options = (reachable / "sungather.yaml").stat()
    assert (options.st_uid, stat.S_IMODE(options.st_mode)) == (first, 0o640)


@root
def test_within_another_snap_root_stays_root(tmp_path: Path) -> None:
    assert dropped(tmp_path, "a-terminal")[0] == [0, 0, 0]


def test_an_ordinary_user_stays_who_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNAP_NAME", "sungather")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    before = os.getresuid()
    assert drop_root() == ""
    assert os.getresuid() == before


@root
def test_files_are_the_daemons_and_nobody_elses(tmp_path: Path) -> None:
    below = tmp_path / "below"
    below.mkdir()
    (below / "open").touch()
    (below / "open").chmod(0o666)
    (below / "link").symlink_to("/etc/passwd")
    passwd = Path("/etc/passwd").stat()
    prepare(tmp_path)
    modes = {
        path.name: (path.lstat().st_uid, path.lstat().st_gid, stat.S_IMODE(path.lstat().st_mode))
        for path in (below, below / "open")
    }
    assert modes == {"below": (USER, 0, 0o2750), "open": (USER, 0, 0o660)}
    assert tmp_path.stat().st_uid == 0, "snapd lets nobody change $SNAP_COMMON itself"
    assert (below / "link").lstat().st_uid == USER
    assert Path("/etc/passwd").stat() == passwd, "a link leads nowhere"


@root
def test_what_is_the_daemons_already_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "own"
    file.touch(0o600)
    os.chown(file, USER, ROOT_GROUP)
    prepare(tmp_path)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_paths_of_a_parallel_instance_are_those_of_the_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """snapd maps /var/snap/sungather_two to /var/snap/sungather in it."""
    said = "/var/snap/sungather/x1/sungather.yaml: not open to this user."
    assert on_host(said) == said
    monkeypatch.setenv("SNAP_NAME", "sungather")
    assert on_host(said) == said
    monkeypatch.setenv("SNAP_INSTANCE_NAME", "sungather_two")
    assert on_host(said) == "/var/snap/sungather_two/x1/sungather.yaml: not open to this user."


def test_only_the_snap_has_log_files() -> None:
    assert in_snap({"SNAP_NAME": "sungather"})
    assert not in_snap({"SNAP_NAME": "code"})
    assert not in_snap({})
    assert logs_directory() is None
