"""Servers from the distribution, started for a test on free ports of the loopback interface."""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

_STARTS_WITHIN = 30.0
_SHARES = 16
_given: set[int] = set()


def tool(name: str, package: str) -> str:
    """Path of a program; the test is left out, with the package's name, where it is missing."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed (Debian package {package})")
    return found


def free_port() -> int:
    """A port that nobody listens on, and that stays so: for what opens it later, or again.

    Nobody gets one twice, such as one server for two purposes. Whoever asks for port 0 or connects
    gets one from 32768 on; each process of pytest-xdist has its share of those below.
    """
    share = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _SHARES
    while True:
        port = secrets.choice(range(10_000 + share, 32_768, _SHARES))
        if port in _given:
            continue
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            _given.add(port)
            return port


class Server:
    """A program that listens on a port; can be killed and started again."""

    def __init__(self, command: Sequence[str], port: int, log: Path) -> None:
        self.port = port
        self._command = command
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + _STARTS_WITHIN
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        self.kill()
        pytest.fail(f"{self._command[0]} does not start: {self._log.read_text()[-2000:]}")

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Stop it without closing its connections: a half-open TCP connection for the peer."""
        if self._process is not None:
            os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on after `freeze`."""
        if self._process is not None:
            os.kill(self._process.pid, signal.SIGCONT)


@contextmanager
def running(server: Server) -> Generator[Server]:
    """Start, and kill at the end."""
    server.start()
    try:
        yield server
    finally:
        server.kill()


def mosquitto(directory: Path, settings: str = "allow_anonymous true\n") -> Server:
    """An MQTT broker without persistence: it forgets everything when it is killed."""
    program = tool("mosquitto", "mosquitto")
    port = free_port()
    file = directory / "mosquitto.conf"
    file.write_text(f"listener {port} 127.0.0.1\npersistence false\nuser root\n{settings}")
    return Server([program, "-c", str(file)], port, directory / "mosquitto.log")


def influxd(directory: Path, http: str = "", data: str = "") -> Server:
    """InfluxDB 1.x; `http` and `data` are further settings of these sections."""
    program = tool("influxd", "influxdb")
    port = free_port()
    file = directory / "influxdb.conf"
    file.write_text(
        f'reporting-disabled = true\nbind-address = "127.0.0.1:{free_port()}"\n'
        f'[meta]\ndir = "{directory}/meta"\n'
        f'[data]\ndir = "{directory}/data"\nwal-dir = "{directory}/wal"\n{data}\n'
        f'[http]\nbind-address = "127.0.0.1:{port}"\n{http}'
    )
    return Server([program, "-config", str(file)], port, directory / "influxd.log")


def victoria_metrics(directory: Path) -> Server:
    """VictoriaMetrics, which takes InfluxDB's writes."""
    program = tool("victoria-metrics", "victoria-metrics")
    port = free_port()
    return Server(
        [
            program,
            f"-storageDataPath={directory}/vm",
            f"-httpListenAddr=127.0.0.1:{port}",
            "-retentionPeriod=100y",
        ],
        port,
        directory / "victoria-metrics.log",
    )
