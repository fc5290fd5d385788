"""Looking through a home network, in network namespaces that the tests make themselves."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

HOME = Path(__file__).parents[2] / "home_network.py"
PROJECT = HOME.parents[2]
SCANNER = """
import asyncio, json, os, sys, time
from dataclasses import asdict
from sungather.device.discover import Pace, discover
from sungather.device.found import options_text
from sungather.device.networks import own_networks
networks, reports, first, most = own_networks(), [], [], 0
pace = Pace(**json.loads(sys.argv[1]))

async def count():
    global most
    while True:
        most = max(most, len(os.listdir("/proc/self/fd")))
        await asyncio.sleep(0.02)

async def search():
    counting = asyncio.create_task(count())
    begin = time.monotonic()
    try:
        return await discover(
            networks,
            lambda done, total: reports.append((done, total)),
            pace,
            lambda one: first.append((one.host, one.model, time.monotonic() - begin)),
        ), time.monotonic() - begin
    finally:
        counting.cancel()

found, took = asyncio.run(search())
print(json.dumps({
    "networks": [str(network) for network in networks],
    "found": {one.host: asdict(one) for one in found},
    "reports": reports,
    "options": options_text(found),
    "first": first,
    "took": took,
    "descriptors": most,
}))
"""
QUICK = json.dumps({"patience": 0.5, "answer": 2.0})


def _missing() -> str:
    if shutil.which("ip") is None:
        return "the ip command (iproute2) is missing"
    return "" if os.geteuid() == 0 else "network namespaces need root"


pytestmark = pytest.mark.skipif(bool(_missing()), reason=_missing())


@dataclass
class Look:
    """What came out of one look through the home network."""

    networks: list[str]
    found: dict[str, dict[str, Any]]
    reports: list[list[int]]
    options: str
    connections: dict[str, int]
    """Connections that each "host:port" of the home has seen."""
    first: list[tuple[str, str, float]]
    """Address and model of each in the order in which they were told, and after how long."""
    took: float
    descriptors: int
    """Most that were open at a time."""


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@pytest.fixture(scope="module")
def look() -> Generator[Look]:
    """A home with many kinds of devices, looked through once from a namespace of its own."""
    home, collector = f"sg-home-{os.getpid()}", f"sg-look-{os.getpid()}"
    try:
        for namespace in (home, collector):
            ip("netns", "add", namespace)
            ip("-n", namespace, "link", "set", "lo", "up")
        ip("-n", home, "link", "add", "lan", "type", "veth", "peer", "name", "lan", "netns",
           collector)  # fmt: skip
        ip("-n", home, "link", "set", "lan", "address", "ac:19:9f:01:02:03")
        for last in range(11, 23):
            ip("-n", home, "address", "add", f"10.66.0.{last}/27", "dev", "lan")
        ip("-n", collector, "address", "add", "10.66.0.1/27", "dev", "lan")
        for namespace in (home, collector):
            ip("-n", namespace, "link", "set", "lan", "up")
        yield _look(home, collector)
    finally:
        for namespace in (home, collector):
            subprocess.run(["ip", "netns", "del", namespace], check=False, capture_output=True)


def _look(home: str, collector: str) -> Look:
    def inside(namespace: str, *arguments: str) -> list[str]:
        return ["ip", "netns", "exec", namespace, sys.executable, *arguments]

    with subprocess.Popen(
        inside(home, str(HOME)),
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as served:
        assert served.stdout is not None
        try:
            assert served.stdout.readline() == "ready\n"
            scan = subprocess.run(
                inside(collector, "-c", SCANNER, QUICK),
                cwd=PROJECT,
                check=True,
                stdout=subprocess.PIPE,
                text=True,
                timeout=120,
            )
            connections, _ = served.communicate("", timeout=30)
        except BaseException:
            served.kill()
            raise
    return Look(**json.loads(scan.stdout), connections=json.loads(connections))


def test_the_machines_own_private_network_is_what_is_looked_through(look: Look) -> None:
    assert look.networks == ["10.66.0.0/27"]


def test_an_inverter_on_a_cable_is_found_and_read_by_modbus(look: Look) -> None:
    found = look.found["10.66.0.11"]
    assert (found["connection"], found["path"], found["model"]) == ("modbus", "cable", "SH10RT")
    assert len(found["serial"]) == 11


def test_a_dongle_with_a_login_is_found_and_known_by_its_modbus(look: Look) -> None:
    found = look.found["10.66.0.12"]
    assert (found["connection"], found["path"], found["model"]) == ("http", "dongle", "SH8.0RT")
    assert "with login" in found["what"]


def test_a_dongle_of_the_older_generation_lists_its_inverter(look: Look) -> None:
    found = look.found["10.66.0.13"]
    assert (found["connection"], found["path"], found["model"]) == ("http", "dongle", "SH10RT")


def test_an_encrypted_dongle_is_found(look: Look) -> None:
    found = look.found["10.66.0.14"]
    assert (found["connection"], found["model"]) == ("sungrow", "SG10RT")


def test_the_second_inverter_of_a_cascade_is_found_on_its_unit(look: Look) -> None:
    found = look.found["10.66.0.18"]
    assert (found["unit"], found["serial"]) == (2, "A2310715999")


def test_an_open_port_alone_is_no_inverter(look: Look) -> None:
    hosts = {f"10.66.0.{last}" for last in (11, 12, 13, 14, 18, 19, 20, 22)}
    assert look.found.keys() == hosts


def test_a_host_is_bothered_as_little_as_can_be(look: Look) -> None:
    assert look.connections["10.66.0.11:502"] == 1
    # The look whether somebody listens is over before TLS begins.
    assert look.connections["10.66.0.12:443"] == 1
    assert look.connections["10.66.0.15:502"] == 1
    assert all(count <= 4 for count in look.connections.values())


def test_progress_is_reported_host_by_host(look: Look) -> None:
    assert look.reports == [[done, 30] for done in range(1, 31)]


def test_the_options_can_be_pasted(look: Look, tmp_path: Path) -> None:
    from sungather.options.configuration import load

    file = tmp_path / "options.yaml"
    file.write_text(look.options)
    inverters = load(file, []).inverters
    assert {one.host: one.connection for one in inverters} == {
        host: one["connection"] for host, one in look.found.items()
    }


def test_a_home_manager_is_found_whose_first_port_is_closed(look: Look) -> None:
    found = look.found["10.66.0.19"]
    assert (found["model"], found["what"], found["unit"]) == ("iHomeManager", "home manager", 247)


def test_a_logger_is_found_in_one_session_though_no_inverter_answers(look: Look) -> None:
    found = look.found["10.66.0.20"]
    assert (found["what"], found["unit"], found["behind"]) == ("logger", 247, 2)
    assert "# units: 1-2,247" in look.options
    assert look.connections["10.66.0.20:502"] == 1


def test_encrypted_modbus_alone_is_said_without_a_session(look: Look) -> None:
    assert look.found["10.66.0.22"]["connection"] == "modbus-tls"
    assert look.connections["10.66.0.22:516"] == 0


def test_a_dongle_that_announces_itself_is_told_first_with_its_model(look: Look) -> None:
    host, model, after = look.first[0]
    assert (host, model) == ("10.66.0.12", "SH8.0RT")
    assert after < 10  # the bound for people is one second; it takes some hundredths


def test_neighbours_are_told_by_the_kernel_though_they_have_said_nothing() -> None:
    ours, theirs = f"sg-near-{os.getpid()}", f"sg-far-{os.getpid()}"
    asked = "from sungather.device.neighbours import by_hardware_address; "
    asked += "print(*sorted(by_hardware_address()))"
    try:
        for namespace in (ours, theirs):
            ip("netns", "add", namespace)
        ip("-n", ours, "link", "add", "lan", "type", "veth", "peer", "name", "lan", "netns",
           theirs)  # fmt: skip
        ip("-n", ours, "address", "add", "10.68.0.1/16", "dev", "lan")
        for namespace in (ours, theirs):
            ip("-n", namespace, "link", "set", "lan", "up")
        for last in range(2, 200):  # more than one answer of the kernel holds
            hardware = f"{'ac:19:9f' if last % 2 else '00:11:22'}:00:00:{last:02x}"
            ip("-n", ours, "neigh", "add", f"10.68.0.{last}", "lladdr", hardware, "dev", "lan")
        inside = ["ip", "netns", "exec", ours, sys.executable, "-c", asked]
        done = subprocess.run(inside, cwd=PROJECT, check=True, capture_output=True, timeout=60)
    finally:
        for namespace in (ours, theirs):
            subprocess.run(["ip", "netns", "del", namespace], check=False, capture_output=True)
    assert set(done.stdout.decode().split()) == {f"10.68.0.{last}" for last in range(3, 200, 2)}


def test_a_network_in_which_nobody_answers_takes_four_seconds_at_most() -> None:
    empty, collector = f"sg-void-{os.getpid()}", f"sg-seek-{os.getpid()}"
    try:
        for namespace in (empty, collector):
            ip("netns", "add", namespace)
            ip("-n", namespace, "link", "set", "lo", "up")
        ip("-n", empty, "link", "add", "lan", "type", "veth", "peer", "name", "lan", "netns",
           collector)  # fmt: skip
        ip("-n", collector, "address", "add", "10.67.0.1/24", "dev", "lan")
        for namespace in (empty, collector):
            ip("-n", namespace, "link", "set", "lan", "up")
        inside = ["ip", "netns", "exec", collector, sys.executable, "-c", SCANNER, "{}"]
        done = subprocess.run(inside, cwd=PROJECT, check=True, capture_output=True, timeout=60)
    finally:
        for namespace in (empty, collector):
            subprocess.run(["ip", "netns", "del", namespace], check=False, capture_output=True)
    said = json.loads(done.stdout)
    assert said["networks"] == ["10.67.0.0/24"]
    assert len(said["reports"]) == 254
    assert said["found"] == {}
    assert said["took"] <= 20  # four seconds where the machine has nothing else to do
    assert said["descriptors"] <= 256 + 16  # those of the process itself
