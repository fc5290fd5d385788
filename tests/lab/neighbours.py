"""What stands beside the machine, at its only neighbour's address: an inverter and a broker."""

import contextlib
import json
import shlex
import shutil
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from vm import HOST_ADDRESS, VirtualMachine

_PATIENCE = 90


@contextlib.contextmanager
def simulated_inverter(machine: VirtualMachine, port: int = 502) -> Generator[None]:
    """A simulated SH10RT on a port of the machine's only neighbour, with a single session."""
    command = [sys.executable, "-m", "sungather", "simulate", "--model", "SH10RT"]
    address = ["--host", HOST_ADDRESS, "--port", str(port), "--fault", "sessions=1"]
    inside = machine.inside(*command, *address)
    with subprocess.Popen(inside, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        if "answers on" not in first:
            raise AssertionError(f"no simulated inverter: {first}{process.stderr.read()}")
        try:
            yield
        finally:
            process.terminate()


class Broker:
    """A real mosquitto beside the machine, which wants a password, and somebody who listens."""

    USER, PASSWORD = "collector", "hunter2-of-the-broker"

    def __init__(self, machine: VirtualMachine, directory: Path) -> None:
        self._machine = machine
        self._directory = directory
        directory.chmod(0o755)
        accounts = directory / "accounts"
        subprocess.run(
            [_program("mosquitto_passwd"), "-b", "-c", accounts, self.USER, self.PASSWORD],
            check=True,
        )
        self._settings = directory / "mosquitto.conf"
        self._settings.write_text(
            f"listener 1883 {HOST_ADDRESS}\nuser root\npassword_file {accounts}\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, unless it runs; clients come back by themselves."""
        if self._process is not None:
            return
        self._process = subprocess.Popen(
            self._machine.inside(_program("mosquitto"), "-c", str(self._settings)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def stop(self) -> None:
        """Take it away without a word."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @contextlib.contextmanager
    def heard(self) -> Generator[Callable[[Callable[[str, Any], bool]], None]]:
        """Listen to all that is published from now on; gives a function to wait for a message.

        It is started, if it does not run.
        """
        self.start()
        account = ["-h", HOST_ADDRESS, "-u", self.USER, "-P", self.PASSWORD]
        command = ["mosquitto_sub", *account, "-t", "sungather/#", "-F", "%t %p", "-q", "1"]
        # With -d it says when it has subscribed; line by line it says so at once.
        listening = shlex.join(["stdbuf", "-oL", *command, "-d"])
        script = f"until {shlex.join([*command, '-W', '1', '-E'])}; do sleep 0.2; done; "
        words = self._machine.inside("sh", "-c", f"{script} exec {listening}")
        with subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            lines = process.stdout
            assert lines is not None
            last: deque[str] = deque(maxlen=5)

            def wait_for_line(wanted: Callable[[str], bool]) -> None:
                # Nothing at all may come, so the end is that of the lines.
                giving_up = threading.Timer(_PATIENCE, process.kill)
                giving_up.start()
                try:
                    for line in lines:
                        last.append(line)
                        if wanted(line):
                            return
                finally:
                    giving_up.cancel()
                raise AssertionError(f"the broker did not hear what was awaited, but {list(last)}")

            def wait(wanted: Callable[[str, Any], bool]) -> None:
                def is_wanted(line: str) -> bool:
                    topic, _, payload = line.partition(" ")
                    with contextlib.suppress(ValueError):
                        return wanted(topic, json.loads(payload))
                    return False  # a line about the connection

                wait_for_line(is_wanted)

            try:
                wait_for_line(lambda line: line.startswith("Subscribed"))
                yield wait
            finally:
                process.kill()


def _program(name: str) -> str:
    found = shutil.which(name, path="/usr/sbin:/usr/bin")
    assert found is not None, name
    return found
