"""A real daemon in a network of its own finds an inverter whose address has changed."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Generator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[3]
RUN = """
import sys
from sungather.cli.command_line import main
from sungather.daemon import find_again
find_again.WAITS, find_again.LOOK_EVERY = (1.0, 5.0, 5.0), 0.5
sys.exit(main(sys.argv[1:]))
"""


def _missing() -> str:
    if shutil.which("ip") is None:
        return "the ip command (iproute2) is missing"
    return "" if os.geteuid() == 0 else "network namespaces need root"


pytestmark = pytest.mark.skipif(bool(_missing()), reason=_missing())


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@pytest.fixture
def home() -> Generator[tuple[str, str]]:
    """The namespaces of a collector at 10.71.0.1 and of an inverter at 10.71.0.20."""
    ours, theirs = f"sg-lost-{os.getpid()}", f"sg-moved-{os.getpid()}"
    try:
        for namespace in (ours, theirs):
            ip("netns", "add", namespace)
            ip("-n", namespace, "link", "set", "lo", "up")
        ip("-n", ours, "link", "add", "lan", "type", "veth", "peer", "name", "lan", "netns",
           theirs)  # fmt: skip
        for namespace, address in ((ours, "10.71.0.1/24"), (theirs, "10.71.0.20/24")):
            ip("-n", namespace, "address", "add", address, "dev", "lan")
            ip("-n", namespace, "link", "set", "lan", "up")
        yield ours, theirs
    finally:
        for namespace in (ours, theirs):
            subprocess.run(["ip", "netns", "del", namespace], check=False, capture_output=True)


def test_the_daemon_finds_an_inverter_at_another_address(
    home: tuple[str, str], tmp_path: Path
) -> None:
    ours, theirs = home
    python = [sys.executable, "-c", RUN]
    simulator = ["simulate", "--model", "SH10RT", "--host", "10.71.0.20", "--port", "502"]
    common = [f"storage.directory={tmp_path}", "inverter.scan-interval=1", "inverter.timeout=1"]
    common += ["web.enabled=false", "inverter.find-again=true"]
    options = [word for one in common for word in ("--set", one)]
    with subprocess.Popen(
        ["ip", "netns", "exec", theirs, *python, *simulator],
        cwd=PROJECT,
        stderr=subprocess.PIPE,
        text=True,
    ) as inverter:
        assert inverter.stderr is not None
        try:
            assert "answers on" in inverter.stderr.readline()
            inside = ["ip", "netns", "exec", ours, *python]
            once = [*inside, "run-once", "10.71.0.20", *options]
            subprocess.run(once, cwd=PROJECT, check=True, capture_output=True, timeout=120)
            with subprocess.Popen(
                [*inside, "run", "10.71.0.10", *options],
                cwd=PROJECT,
                stderr=subprocess.PIPE,
                text=True,
            ) as daemon:
                assert daemon.stderr is not None
                log: list[str] = []
                giving_up = threading.Timer(120, daemon.kill)
                giving_up.start()
                try:
                    for line in daemon.stderr:
                        log.append(line)
                        if "inverter is ok" in line:
                            break
                finally:
                    giving_up.cancel()
                    daemon.terminate()
                    log += daemon.stderr.readlines()
        finally:
            inverter.terminate()
    said = "".join(log)
    assert "was at 10.71.0.10 and is found at 10.71.0.20" in said
    assert "inverter is ok (SH10RT)" in said
    assert "Traceback" not in said
