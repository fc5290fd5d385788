"""The lab's virtual machine: a Debian with a real snapd that enforces AppArmor.

It runs as an ordinary process (User-mode Linux) in a network namespace of its own, at 10.77.0.2,
and reaches no other network than this machine's end of the wire, 10.77.0.1. There are 14
addresses, so that looking for inverters takes no time. A second one can stand beside it.
"""

import base64
import contextlib
import fcntl
import hashlib
import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Generator
from pathlib import Path

ADDRESS = "10.77.0.2"
SECOND_ADDRESS = "10.77.0.3"
HOST_ADDRESS = "10.77.0.1"
_IMAGE_SCRIPT = Path(__file__).with_name("image.sh")
_BOOT_SECONDS = 300
_MEMORY = "2G"


Answer = subprocess.CompletedProcess[str]


def cache_directory() -> Path:
    """Where images and build tools are kept between runs, outside the tree."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "sungather-lab"


@contextlib.contextmanager
def locked(name: str) -> Generator[Path]:
    """A path in the cache, with everybody else who wants the same one kept out."""
    path = cache_directory() / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with Path(f"{path}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield path


def image(python: Path) -> Path:
    """The directory with the image, built at the first call (some four minutes)."""
    seed = _IMAGE_SCRIPT.read_bytes() + os.fsencode(python.resolve())
    with locked(f"image-{hashlib.sha256(seed).hexdigest()[:12]}") as directory:
        if not directory.exists():
            fresh = directory.with_suffix(".new")
            shutil.rmtree(fresh, ignore_errors=True)
            subprocess.run(["bash", _IMAGE_SCRIPT, fresh, python], check=True)
            _install_stand_ins(fresh)
            fresh.rename(directory)
    return directory


def _install_stand_ins(directory: Path) -> None:
    """First boot: what every test needs installed, and the Store told to be out of reach."""
    with VirtualMachine(directory, keep=True) as machine:
        # Without it every start of snapd waits half a minute for the Store.
        machine.run("snap wait system seed.loaded && snap set system store.access=offline")
        machine.run("snap install --dangerous snapd.snap && snap install --dangerous core24.snap")
        machine.run("rm snapd.snap core24.snap && sync")


class VirtualMachine:
    """A running machine; a context manager. What it writes is lost at the end.

    Args:
        directory: what `image` gave.
        keep: write into the image itself.
        beside: a machine whose neighbours this one has too: inverters and brokers.
    """

    def __init__(
        self, directory: Path, *, keep: bool = False, beside: "VirtualMachine | None" = None
    ) -> None:
        self.address = ADDRESS if beside is None else SECOND_ADDRESS
        self._name = f"snaplab{os.getpid()}" + ("" if beside is None else "b")
        self._beside = beside
        self._namespace = self._name if beside is None else beside._namespace
        self._wire = "lab0" if beside is None else "lab1"
        self._directory = directory
        self._disk = "disk.img" if keep else f"{self._name}.cow,/lab/disk.img"
        self._keep = keep
        self._console = directory / f"{self._name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._ssh = [
            *("-i", str(directory / "id"), "-o", "StrictHostKeyChecking=no"),
            *("-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"),
            *("-o", "ConnectTimeout=5", "-o", f"ControlPath=/tmp/{self._name}.%r.ssh"),
        ]

    def __enter__(self) -> "VirtualMachine":
        try:
            self._make_network()
            self._boot()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._process is not None:
            if self._keep:
                self.run("systemctl poweroff", check=False)
                self._process.wait(120)
            else:
                self._process.kill()
                self._process.wait()
        self._disconnect()
        if self._beside is None:
            subprocess.run(["ip", "netns", "delete", self._namespace], check=False)
        else:
            subprocess.run(self.inside("ip", "link", "delete", self._wire), check=False)
        for leftover in self._directory.glob(f"{self._name}.*"):
            leftover.unlink()

    def run(
        self,
        command: str,
        *,
        check: bool = True,
        timeout: float = 300,
        given: str = "",
        user: str = "root",
    ) -> Answer:
        """Run a shell command in the machine, in the user's home; `given` is standard input."""
        answer = subprocess.run(
            self.inside("ssh", *self._ssh, f"{user}@{self.address}", command),
            input=given,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and answer.returncode:
            raise AssertionError(
                f"in the machine, exit code {answer.returncode}: {command}\n"
                f"{answer.stdout}{answer.stderr}"
            )
        return answer

    def put(self, *files: Path, to: str = "/root/") -> None:
        """Copy files or directories into the machine."""
        command = self.inside(
            "scp", "-qr", *self._ssh, *map(str, files), f"root@{self.address}:{to}"
        )
        subprocess.run(command, check=True)

    def write(self, file: str, content: str) -> None:
        """Write a file that root alone can read, its content on no command line."""
        self.run(f"umask 077 && cat >{file}", given=content)

    def inside(self, *command: str) -> list[str]:
        """The command that runs `command` on this host, but in the machine's network."""
        return ["ip", "netns", "exec", self._namespace, *command]

    def restart(self, *, power_cut: bool = False) -> None:
        """Shut down and start again; or as after a power cut, without a word to anybody."""
        assert self._process is not None
        if power_cut:
            self._process.kill()
        else:
            self.run("systemctl poweroff", check=False)
        self._process.wait(120)
        self._disconnect()
        self._boot()

    def ensure_running(self) -> None:
        """Start it again, if a test that failed has left it down."""
        if self.run("true", check=False).returncode:
            self.restart(power_cut=True)

    def log_in_anew(self) -> None:
        """Take up what /etc/environment says by now."""
        self._disconnect()
        assert self._connected()

    def _disconnect(self) -> None:
        subprocess.run(
            self.inside("ssh", *self._ssh, "-O", "exit", self.address), capture_output=True
        )

    def _make_network(self) -> None:
        wire = [
            self.inside("ip", "tuntap", "add", "dev", self._wire, "mode", "tap"),
            self.inside("ip", "link", "set", self._wire, "up"),
        ]
        if self._beside is None:
            address = ["ip", "address", "add", f"{HOST_ADDRESS}/28", "dev", self._wire]
            namespace = ["ip", "netns", "add", self._namespace]
            up = self.inside("ip", "link", "set", "lo", "up")
            commands = [namespace, up, *wire, self.inside(*address)]
        else:
            route = ["ip", "route", "add", self.address, "dev", self._wire]
            commands = [*wire, self.inside(*route)]
        for command in commands:
            subprocess.run(command, check=True)

    def _boot(self) -> None:
        root = self._directory / "root"
        kernel = [
            *("/usr/bin/env", "-i", "TMPDIR=/tmp", "HOME=/root", "/usr/bin/linux.uml"),
            *(f"mem={_MEMORY}", "seccomp=on", f"ubd0=/lab/{self._disk}", "root=/dev/ubda", "rw"),
            *("con=null", "con0=fd:0,fd:1", f"umid={self._name}", "security=apparmor"),
            f"vec0:transport=tap,ifname={self._wire},depth=128,gro=1",
            *([] if self._beside is None else [_credential(self.address)]),
        ]
        # The kernel needs the C library it was built with, so it runs from the image's own root;
        # its memory is a file in /tmp, which must allow execution.
        mounts = [
            ["mount", "-t", "proc", "proc", f"{root}/proc"],
            ["mount", "--rbind", "/dev", f"{root}/dev"],
            ["mount", "--bind", f"{self._directory}", f"{root}/lab"],
            ["mount", "-t", "tmpfs", "-o", "size=6G,exec", "tmpfs", f"{root}/tmp"],
        ]
        script = " && ".join(map(shlex.join, [*mounts, ["exec", "chroot", f"{root}", *kernel]]))
        with self._console.open("wb") as console:
            self._process = subprocess.Popen(
                self.inside("unshare", "--mount", "--propagation", "private", "sh", "-c", script),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + _BOOT_SECONDS
        while not self._connected():
            if self._process.poll() is not None or time.monotonic() > deadline:
                last = self._console.read_text(errors="replace")[-2000:]
                raise AssertionError(f"the machine did not start; its console ends with:\n{last}")
            time.sleep(1)

    def _connected(self) -> bool:
        """Try to make the one connection that all commands then share."""
        command = ["ssh", *self._ssh, "-o", "ControlMaster=yes", "-fN", f"root@{self.address}"]
        nowhere = subprocess.DEVNULL
        done = subprocess.run(
            self.inside(*command), stdin=nowhere, stdout=nowhere, stderr=nowhere, check=False
        )
        return done.returncode == 0


def _credential(address: str) -> str:
    """Another address than the image has: for the kernel, see systemd.system-credentials."""
    network = f"[Match]\nName=vec0\n[Network]\nAddress={address}/28\nLinkLocalAddressing=no\n"
    text = base64.b64encode(network.encode()).decode()
    return f"systemd.set_credential_binary=network.network.05-lab:{text}"
