"""Unit tests and a minute of the demo on arm64: `tox -e arm64 [PYTEST ARGUMENT …]`.

The processor is emulated (qemu's user mode), the kernel is this machine's own: what is proven is
that Debian's Python and the published arm64 wheels run our code, not how fast, and no hardware.
Needs root, and Debian's packages `PACKAGES`.
"""

import contextlib
import hashlib
import io
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from tests.lab.vm import locked

ROOT = Path(__file__).parents[2]
PACKAGES = ("mmdebstrap", "arch-test", "qemu-user-static", "debian-archive-keyring")
SUITE, PYTHON = "bookworm", "3.11"
INSIDE = ("python3-venv", "ca-certificates", "tzdata")
DEMO_SECONDS = 60
BINFMT = Path("/proc/sys/fs/binfmt_misc")
FORMAT = Path("/usr/lib/binfmt.d/qemu-aarch64.conf")

_MOUNT = """
mount -t proc proc "$1/proc"; mount --rbind /dev "$1/dev"; mount -t tmpfs tmpfs "$1/tmp"
mount --bind "$2" "$1/mnt"; root=$1; shift 2
exec chroot "$root" env --chdir=/mnt/project -i \
    HOME=/root LC_ALL=C.UTF-8 PATH=/mnt/venv/bin:/usr/sbin:/usr/bin "$@"
"""
_ENTER = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-euc", _MOUNT, "sh")


def missing() -> str:
    """What keeps us from it, in one sentence; empty if nothing does."""
    if os.geteuid() != 0:
        return "It needs root: it makes a chroot and mounts in it."
    if platform.machine() == "aarch64":
        return "This machine is an arm64 itself: run `tox -e unit` and `tox -e demo`."
    if not (shutil.which("mmdebstrap") and shutil.which("arch-test") and FORMAT.exists()):
        return f"It needs more packages: apt-get install {' '.join(PACKAGES)}"
    if "binfmt_misc" not in Path("/proc/filesystems").read_text():
        return "It needs the kernel's binfmt_misc: modprobe binfmt_misc"
    return ""


@contextlib.contextmanager
def emulation() -> Generator[None]:
    """The kernel hands arm64 programs to qemu; afterwards all is as it was."""
    ours = BINFMT / FORMAT.stem
    with contextlib.ExitStack() as undo:
        if not (BINFMT / "register").exists():
            subprocess.run(["mount", "-t", "binfmt_misc", "none", BINFMT], check=True)
            undo.callback(subprocess.run, ["umount", BINFMT], check=True)
        if not ours.exists():
            (BINFMT / "register").write_bytes(FORMAT.read_bytes())
            undo.callback(ours.write_text, "-1")
        yield


def mirror() -> list[str]:
    """This machine's own Debian mirror; on other systems none, which is mmdebstrap's own."""
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    own = [line for line in found.splitlines() if line.endswith("/debian/")]
    return [f"deb {one} {SUITE} main" for one in own[:1]]


def debian(root: Path) -> None:
    """A Debian of arm64 in a directory, made at the first run (some five minutes)."""
    if root.exists():
        return
    fresh = root.with_suffix(".new")
    shutil.rmtree(fresh, ignore_errors=True)
    options = ("--quiet", "--arch=arm64", "--variant=minbase", f"--include={','.join(INSIDE)}")
    subprocess.run(["mmdebstrap", *options, SUITE, fresh, *mirror()], check=True)
    (fresh / "etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
    fresh.rename(root)


def fill(work: Path) -> str:
    """The last commit, and the arm64 wheels that its lock says, unpacked by this machine's uv."""
    git = ["git", "-C", str(ROOT)]
    archive = subprocess.run([*git, "archive", "HEAD"], capture_output=True, check=True).stdout
    project = work / "project"
    with tarfile.open(fileobj=io.BytesIO(archive)) as tree:
        tree.extractall(project, filter="data")
    locked = work / "locked.txt"
    groups = [f"--group={name}" for name in ("parallel", "charm", "test")]
    export = ("export", "-q", "--frozen", "--no-emit-project", *groups, "-o", locked)
    arm64 = ("--python-platform=aarch64-manylinux_2_28", f"--python-version={PYTHON}")
    install = ("pip", "install", "-q", "--no-deps", "--target", work / "packages", *arm64)
    for arguments in (export, (*install, "--only-binary=:all:", "-r", locked), (*install, ".")):
        subprocess.run(["uv", *arguments], cwd=project, check=True)
    commit = [*git, "log", "-1", "--format=%h of %cs"]
    return subprocess.run(commit, capture_output=True, text=True, check=True).stdout.strip()


def seen(lines: str) -> str:
    """What the demo's lines of JSON say, in a sentence; the end if it is too little."""
    readings: list[dict[str, Any]] = [json.loads(line) for line in lines.splitlines()]
    own = [one for one in readings if one["name"] == "inverter" and one["state"] == "ok"]
    powers = [one["values"].get("total_dc_power", 0) for one in own]
    states = ", ".join(sorted({one["state"] for one in readings}))
    said = f"{len(readings)} readings in {DEMO_SECONDS} s, {len(own)} of them the inverter's own"
    if max(powers, default=0) == 0:
        sys.exit(f"The demo never saw the sun: {said}.")
    values = max(len(one["values"]) for one in own)
    return (
        f"{said}; states {states}; up to {values} values each, {max(powers)} W from the modules; "
        f"{own[0]['time']} to {own[-1]['time']} of the simulated day"
    )


def main(arguments: Sequence[str]) -> int:
    """Tests, then the demo, and what was seen."""
    if sentence := missing():
        sys.exit(sentence)
    key = hashlib.sha256(" ".join((SUITE, *INSIDE)).encode()).hexdigest()[:12]
    with (
        locked(f"arm64-{key}") as root,
        tempfile.TemporaryDirectory(prefix="sungather-arm64-") as directory,
        emulation(),
    ):
        debian(root)
        commit = fill(Path(directory))

        def inside(*command: str, **more: Any) -> "subprocess.CompletedProcess[str]":
            return subprocess.run([*_ENTER, root, directory, *command], text=True, **more)

        inside("python3", "-m", "venv", "--without-pip", "/mnt/venv", check=True)
        (packages,) = Path(directory).glob("venv/lib/python3*/site-packages")
        (packages / "packages.pth").write_text("/mnt/packages\n")
        inside("python", "-m", "platform", check=True)
        begun = time.monotonic()
        tests = inside(
            "python", "-m", "pytest", "-n", "auto", "-p", "no:cacheprovider", *arguments
        )
        minutes = (time.monotonic() - begun) / 60
        command = (
            "python",
            "-m",
            "sungather",
            "demo",
            "--format",
            "json",
            "--seconds",
            str(DEMO_SECONDS),
        )
        lines = inside(*command, stdout=subprocess.PIPE, check=True).stdout
    print(f"Commit {commit}; tests: exit code {tests.returncode} in {minutes:.0f} minutes.")
    print(f"Demo: {seen(lines)}.")
    return tests.returncode


sys.exit(main(sys.argv[1:] or ["tests/unit"]))
