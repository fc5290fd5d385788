"""Packs the snap and the charm for real, from the files that git knows, outside the tree."""

import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import vm

ROOT = Path(__file__).parents[2]
TOOLS = Path(__file__).with_name("tools")
"""A project of its own, whose lock says what packs and what judges the charm."""
_UBUNTU = 'ID=ubuntu\nID_LIKE=debian\nNAME="Ubuntu"\nVERSION_ID="24.04"\nVERSION_CODENAME=noble\n'
_APT_MODULES = ("apt", "aptsources", "apt_pkg*.so", "apt_inst*.so")
DEBIAN_PACKAGES = (
    *("mmdebstrap", "arch-test", "uidmap", "squashfs-tools", "e2fsprogs", "iproute2"),
    *("openssh-client", "snapd", "python3-apt", "python3-venv", "debian-archive-keyring"),
    *("mosquitto", "mosquitto-clients", "openssl"),
)
"""What the lab needs of the machine that it runs on."""


@dataclass(frozen=True)
class Packed:
    """What is under test; ask with `.result()`."""

    snap: Future[Path]
    charm: Future[Path]


def debian_packages_are_there() -> bool:
    """Whether all of `DEBIAN_PACKAGES` are installed."""
    query = ["dpkg-query", "--show", "--showformat=${db:Status-Status}\n", *DEBIAN_PACKAGES]
    states = subprocess.run(query, capture_output=True, text=True, check=False).stdout.split()
    return states.count("installed") == len(DEBIAN_PACKAGES)


def install_debian_packages() -> None:
    """Install what is missing of `DEBIAN_PACKAGES`."""
    with vm.locked("debian-packages"):
        if debian_packages_are_there():
            return
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        install = ["apt-get", "install", "-qq", "--no-install-recommends", *DEBIAN_PACKAGES]
        for command in (["apt-get", "update", "-qq"], install):
            subprocess.run(command, env=environment, check=True)


def tools() -> Path:
    """A virtual environment with the tools that pack, made at the first call.

    They want Debian's own python-apt, and so Debian's own Python.
    """
    directory = locked_tools("pack", Path("/usr/bin/python3"))
    (packages,) = directory.glob("lib/python3*/site-packages")
    for pattern in _APT_MODULES:
        for found in Path("/usr/lib/python3/dist-packages").glob(pattern):
            with suppress(FileExistsError):
                (packages / found.name).symlink_to(found)
    return directory


def locked_tools(group: str, python: Path) -> Path:
    """A virtual environment with a group of `TOOLS`, as locked, made at the first call."""
    seed = (TOOLS / "uv.lock").read_bytes() + os.fsencode(python)
    with vm.locked(f"{group}-{hashlib.sha256(seed).hexdigest()[:12]}") as directory:
        if not directory.exists():
            sync = [sys.executable, "-m", "uv", "sync", "-q", "--locked", "--project", TOOLS]
            which = ["--only-group", group, "--python", python, "--no-python-downloads"]
            environment = os.environ | {"UV_PROJECT_ENVIRONMENT": str(directory)}
            try:
                subprocess.run([*sync, *which], env=environment, check=True)
            except BaseException:
                shutil.rmtree(directory, ignore_errors=True)
                raise
    return directory


def once(out: Path, pack: Callable[[Path, Path], Path], python: Path) -> Path:
    """What `pack` makes in `out`, made by the first of this run's workers that asks."""
    with Path(f"{out}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = out / "done"
        if not done.exists():
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir()
            done.write_text(str(pack(out, python)))
        return Path(done.read_text())


def pack_snap(out: Path, python: Path) -> Path:
    """Build the snap; `python` is a CPython 3.12."""
    program = Path(__file__).with_name("snap_build.py")
    project = staged(out)
    root = vm.image(python) / "root"
    _run([_interpreter(), program, project, out, python, root], out, python)
    (snap,) = out.glob("*.snap")
    return snap


def pack_charm(out: Path, python: Path) -> Path:
    """Pack the charm with charmcraft, which takes this machine for an Ubuntu 24.04 meanwhile."""
    project = staged(out)
    (out / "os-release").write_text(_UBUNTU)
    script = (
        'mount --bind "$1/os-release" /usr/lib/os-release && cd "$2" && '
        'exec charmcraft pack --destructive-mode --platform="$3"'
    )
    machine = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
    arguments = (str(out), str(project), f"ubuntu-24.04-{machine}")
    _run(["unshare", "--mount", "sh", "-euc", script, "sh", *arguments], out, python)
    (packed,) = project.glob("*.charm")
    return _pointed_to_ubuntus_python(packed, out / packed.name)


def _pointed_to_ubuntus_python(packed: Path, charm: Path) -> Path:
    """The same charm, as if it were packed where its Python 3.12 is the system's own."""
    with zipfile.ZipFile(packed) as source, zipfile.ZipFile(charm, "w") as target:
        for entry in source.infolist():
            content = source.read(entry)
            if entry.filename == "venv/pyvenv.cfg":
                content = re.sub(rb"(?m)^home = .*", b"home = /usr/bin", content)
            target.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return charm


def _interpreter() -> Path:
    return tools() / "bin/python"


def staged(out: Path) -> Path:
    """A copy of the project, without what git ignores."""
    project = out / "project"
    known = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, known.stdout.split("\0")):
        if (ROOT / name).is_file():
            target = project / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
    return project


def _run(command: list[object], out: Path, python: Path) -> None:
    """Run a packing tool; its output is shown only if it fails."""
    binaries = out / "bin"
    binaries.mkdir()
    for name in ("python3", "python3.12"):
        (binaries / name).symlink_to(python)
    path = f"{binaries}:{tools() / 'bin'}:{os.environ['PATH']}"
    done = subprocess.run(
        [str(part) for part in command],
        env=os.environ | {"PATH": path, "XDG_RUNTIME_DIR": str(out)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise AssertionError(f"packing failed: {command}\n{done.stdout}")
