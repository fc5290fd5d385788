"""The snap's health: one word, one line, and only when it changes."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fake_snapctl import Snapd
from hypothesis import given
from hypothesis import strategies as st

from sungather.reading import Problem, Reading, State
from sungather.service import Health, SimpleService
from sungather.snap import health, set_aside
from sungather.snap.health import (
    SnapHealth,
    SnapHealthService,
    snap_health,
    without_daemon,
    without_inverter,
)

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def reading(state: State, name: str = "roof", kind: str = "") -> Reading:
    return Reading(name, state, NOW, problem=Problem(kind, "…") if kind else None)


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (State.OK, "okay"),
        (State.ASLEEP, "waiting"),
        (State.CONNECTING, "waiting"),
        (State.UNREACHABLE, "waiting"),
        (State.BUSY, "blocked"),
        (State.NOT_AN_INVERTER, "blocked"),
        (State.MISCONFIGURED, "blocked"),
    ],
)
def test_every_state_has_its_word(state: State, status: str) -> None:
    assert snap_health([reading(state)], []).status == status


def test_the_worst_counts_and_the_others_are_counted() -> None:
    states = [State.OK, State.ASLEEP, State.BUSY, State.MISCONFIGURED]
    found = snap_health([reading(one, f"n{one}", "busy") for one in states], [])
    assert (found.status, found.code) == ("blocked", "busy")
    assert found.message.startswith("nbusy is busy")
    assert found.message.endswith("(+1 more)")


def test_an_exporter_that_waits_is_well_and_one_that_is_blocked_is_not() -> None:
    good = [reading(State.OK)]
    assert snap_health(good, [Health("mqtt", "waiting", "no broker")]) == SnapHealth("okay")
    found = snap_health(good, [Health("mqtt", "blocked", "the broker refused the password")])
    assert found == SnapHealth("blocked", "mqtt: the broker refused the password", "mqtt-blocked")


def test_the_page_without_its_port_is_blocked() -> None:
    page = Health("web", "blocked", "The page cannot listen on *:8090: Address already in use.")
    found = snap_health([reading(State.OK)], [page])
    assert (found.status, found.code) == ("blocked", "web-blocked")
    assert found.message.startswith("web: The page cannot listen on *:8090")


@pytest.mark.parametrize("name", ["control", "storage", "outbox", "history"])
def test_a_disk_that_takes_nothing_is_waited_for(name: str) -> None:
    found = snap_health([reading(State.OK)], [Health(name, "waiting", "read-only file system")])
    assert found == SnapHealth("waiting", f"{name}: read-only file system", f"{name}-waiting")
    assert snap_health([reading(State.OK)], [Health(name, "starting")]).status == "okay"


def test_without_a_daemon_health_says_what_became_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As systemd tells it. With the longest name of an instance every command is whole."""
    monkeypatch.setenv("SNAP_INSTANCE_NAME", "sungather_abcdefghij")
    refused = {"SERVICE_RESULT": "exit-code", "EXIT_STATUS": "2"}
    killed = {"SERVICE_RESULT": "signal", "EXIT_STATUS": "KILL"}
    asked = {"SERVICE_RESULT": "success", "EXIT_STATUS": "0"}
    hung = {"SERVICE_RESULT": "timeout", "EXIT_STATUS": "KILL"}
    logs, start = "snap logs sungather_abcdefghij", "snap start --enable sungather_abcdefghij"
    for environment, status, command, code in (
        (refused, "blocked", logs, "daemon-options"),
        (killed, "waiting", logs, "daemon-ended"),
        (asked, "blocked", start, "daemon-stopped"),
        (hung, "blocked", start, "daemon-stopped"),
        ({}, "blocked", start, "daemon-stopped"),
    ):
        word, message, coded = without_daemon(environment).arguments
        assert (word, coded) == (status, f"--code={code}")
        assert message.endswith(f"sudo {command}"), "the charm knows these codes too"
    assert "snap set sungather_abcdefghij inverter.host=" in without_inverter().arguments[1]


def test_in_a_parallel_instance_commands_and_paths_are_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SNAP_NAME", "sungather")
    monkeypatch.setenv("SNAP_INSTANCE_NAME", "sungather_two")
    for state in (State.UNREACHABLE, State.MISCONFIGURED):
        assert "; sungather_two.test-connection says" in snap_health([reading(state)], []).message
    disk = Health("outbox", "waiting", "/var/snap/sungather/common/state: read-only")
    assert "/var/snap/sungather_two/common/state" in snap_health([], [disk]).message


async def test_what_no_reading_tells_is_told_as_well_and_its_end_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "_LOOK_EVERY", 0.01)
    told: asyncio.Queue[tuple[str, ...]] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    states = {"web": Health("web", "ok")}
    service = SnapHealthService(
        tmp_path,
        [Changing(states)],
        lambda *words: loop.call_soon_threadsafe(told.put_nowait, words),
    )
    working = asyncio.create_task(service.run())
    async with asyncio.timeout(20):
        assert await told.get() == ("okay",)
        states["web"] = Health("web", "blocked", "Address already in use")
        assert (await told.get())[1] == "web: Address already in use"
        states["web"] = Health("web", "ok")
        assert await told.get() == ("okay",)
        (tmp_path / set_aside.FILE).write_text(json.dumps({"inverter.level": "9"}))
        assert (await told.get())[1] == "inverter.level is refused since a refresh: set it anew"
        (tmp_path / set_aside.FILE).unlink()
        assert await told.get() == ("okay",)
    working.cancel()


class Changing(SimpleService):
    """A service whose health is what the test says."""

    name = "web"

    def __init__(self, states: dict[str, Health]) -> None:
        self._states = states

    def health(self) -> Health:
        return self._states[self.name]


def test_devices_behind_an_inverter_do_not_count() -> None:
    behind = replace(reading(State.UNREACHABLE), via="roof")
    assert snap_health([reading(State.OK), behind], []).status == "okay"


@given(
    name=st.from_regex(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?", fullmatch=True),
    state=st.sampled_from(State),
    count=st.integers(1, 60),
)
def test_snapd_takes_every_message(name: str, state: State, count: int) -> None:
    found = snap_health([reading(state, f"{name}{n}"[-40:]) for n in range(count)], [])
    if found.status == "okay":
        assert found.arguments == ("okay",)
    else:
        status, message, code = found.arguments
        assert status in ("waiting", "blocked")
        assert 7 <= len(message) <= 70
        assert code.startswith("--code=")


async def test_snapd_is_told_changes_only(tmp_path: Path) -> None:
    told: list[str] = []
    service = SnapHealthService(tmp_path, tell=lambda *words: told.append(words[0]))
    states = [State.OK, State.OK, State.UNREACHABLE, State.UNREACHABLE, State.OK]
    for state in states:
        await service.tell(reading(state))
    assert told == ["okay", "waiting", "okay"]


async def test_readings_that_are_taken_are_told_in_time(tmp_path: Path) -> None:
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    service = SnapHealthService(tmp_path, tell=lambda *_: loop.call_soon_threadsafe(told.set))
    working = asyncio.create_task(service.run())
    service.on_reading(reading(State.OK))
    await asyncio.wait_for(told.wait(), 10)
    working.cancel()


async def test_what_snapd_did_not_hear_is_told_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[str] = []

    def deaf(*words: str) -> None:
        told.append(words[0])
        if len(told) < 3:
            raise OSError("no snapd")

    service = SnapHealthService(tmp_path, tell=deaf)
    for _ in range(4):
        await service.tell(reading(State.OK))
    assert told == ["okay"] * 3
    assert caplog.text.count("snapd was not told") == 1
    assert service.health().state == "ok"


async def test_it_is_told_through_snapctl(fake: Snapd, data: Path) -> None:
    await SnapHealthService(data).tell(reading(State.BUSY, kind="busy"))
    assert fake.state.health[0] == "blocked"
    assert fake.state.health[2] == "--code=busy"
