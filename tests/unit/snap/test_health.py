"""The snap's health: one word, one line, and only when it changes."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from fake_snapctl import Snapd
from hypothesis import given
from hypothesis import strategies as st

from sungather.reading import Problem, Reading, State
from sungather.service import Health
from sungather.snap.health import SnapHealth, SnapHealthService, snap_health

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


async def test_snapd_is_told_changes_only() -> None:
    told: list[str] = []
    service = SnapHealthService(tell=lambda *words: told.append(words[0]))
    states = [State.OK, State.OK, State.UNREACHABLE, State.UNREACHABLE, State.OK]
    for state in states:
        await service.tell(reading(state))
    assert told == ["okay", "waiting", "okay"]


async def test_readings_that_are_taken_are_told_in_time() -> None:
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    service = SnapHealthService(tell=lambda *_: loop.call_soon_threadsafe(told.set))
    working = asyncio.create_task(service.run())
    service.on_reading(reading(State.OK))
    await asyncio.wait_for(told.wait(), 10)
    working.cancel()


async def test_what_snapd_did_not_hear_is_told_again(caplog: pytest.LogCaptureFixture) -> None:
    told: list[str] = []

    def deaf(*words: str) -> None:
        told.append(words[0])
        if len(told) < 3:
            raise OSError("no snapd")

    service = SnapHealthService(tell=deaf)
    for _ in range(4):
        await service.tell(reading(State.OK))
    assert told == ["okay"] * 3
    assert caplog.text.count("snapd was not told") == 1
    assert service.health().state == "ok"


async def test_it_is_told_through_snapctl(fake: Snapd) -> None:
    await SnapHealthService().tell(reading(State.BUSY, kind="busy"))
    assert fake.state.health[0] == "blocked"
    assert fake.state.health[2] == "--code=busy"
