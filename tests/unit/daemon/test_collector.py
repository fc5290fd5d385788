"""The loop: slots are kept, whatever a device is, and nobody takes anybody along."""

import asyncio
import logging
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support import ManualClock

from sungather.clock import Clock
from sungather.daemon import collector
from sungather.daemon.collector import BACK_OFF, Collector, Poller, close_all, forget
from sungather.device.inverter import Inverter
from sungather.device.line import Line
from sungather.reading import Problem, Reading, State
from sungather.service import Health
from sungather.transports.winet_endpoints import PIN

MOMENT = datetime(2026, 6, 21, tzinfo=UTC)
LONG = 10.0
"""Seconds for what takes no time, or for ever."""


def reading(state: State = State.OK, kind: str = "") -> Reading:
    problem = Problem(kind, "A sentence.") if kind else None
    return Reading("inverter", state, MOMENT, problem=problem)


class Scripted:
    """Stands for an inverter: gives the readings it was told, then repeats the last."""

    def __init__(self, *readings: Reading, interval: float = 30.0) -> None:
        self.options = SimpleNamespace(scan_interval=interval, name="inverter")
        self.line = Line(Clock())
        self.newest = Reading("inverter", State.CONNECTING, MOMENT)
        self.scans = 0
        self.closed = False
        self.trouble: Exception | None = None
        self._script = list(readings)

    async def scan(self, complete: bool = False) -> Reading:
        if self.trouble is not None:
            raise self.trouble
        self.newest = self._script[min(self.scans, len(self._script) - 1)]
        self.scans += 1
        return self.newest

    async def close(self) -> None:
        self.closed = True


class Taker:
    """A service that keeps what it gets; `trouble` is raised by its first run."""

    def __init__(self, trouble: Exception | None = None) -> None:
        self.name = "taker"
        self.taken: list[Reading] = []
        self.runs = 0
        self.restarted = asyncio.Event()
        self._trouble = trouble

    def on_reading(self, reading: Reading) -> None:
        self.taken.append(reading)

    async def run(self) -> None:
        self.runs += 1
        if self._trouble is not None and self.runs == 1:
            raise self._trouble
        self.restarted.set()
        await asyncio.Event().wait()

    def health(self) -> Health:
        return Health(self.name, "ok")


async def pauses(inverter: Scripted, count: int) -> list[float]:
    """How long the poller waits after each of the first scans, which take no time."""
    time = ManualClock()
    waited: list[float] = []
    enough = asyncio.Event()

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        time.tick(seconds)
        if len(waited) == count:
            enough.set()
            await asyncio.Event().wait()

    poller = Poller(cast(Inverter, inverter), None, [], time.clock, sleep)
    task = asyncio.create_task(poller.run())
    await enough.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return waited


async def test_a_scan_takes_place_at_every_slot() -> None:
    assert await pauses(Scripted(reading()), 3) == [30, 30, 30]


async def test_slots_that_a_slow_scan_has_missed_are_left_out() -> None:
    time = ManualClock()
    waited: list[float] = []

    class Slow(Scripted):
        async def scan(self, complete: bool = False) -> Reading:
            time.tick(70 if self.scans == 0 else 10)
            return await super().scan(complete)

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        time.tick(seconds)
        if len(waited) == 2:
            raise asyncio.CancelledError

    poller = Poller(cast(Inverter, Slow(reading())), None, [], time.clock, sleep)
    with pytest.raises(asyncio.CancelledError):
        await poller.run()
    assert waited == [20, 20]


@pytest.mark.parametrize("kind", ["busy", "connection-lost", "silent"])
async def test_an_exhausted_device_is_tried_early_after_growing_quiet_with_jitter(
    kind: str,
) -> None:
    waited = await pauses(Scripted(reading(State.UNREACHABLE, kind), interval=3600), 6)
    for seconds, step in zip(waited, [*BACK_OFF, BACK_OFF[-1], BACK_OFF[-1]], strict=True):
        assert step <= seconds <= 1.2 * step


@pytest.mark.parametrize("kind", ["busy", "connection-lost", "silent"])
async def test_a_device_that_answers_nothing_is_asked_at_every_slot(kind: str) -> None:
    assert max(await pauses(Scripted(reading(State.UNREACHABLE, kind), interval=10), 20)) < 10.1


@pytest.mark.parametrize("kind", ["no-route", "port-closed", "name-not-found", "not-a-sungrow"])
async def test_a_device_that_is_not_there_is_tried_at_every_slot(kind: str) -> None:
    assert max(await pauses(Scripted(reading(State.UNREACHABLE, kind)), 1)) <= 30


async def test_a_sleeping_inverter_is_asked_at_every_slot() -> None:
    assert max(await pauses(Scripted(reading(State.ASLEEP, "asleep")), 1)) <= 30


async def test_a_good_reading_ends_the_quiet() -> None:
    lost = reading(State.UNREACHABLE, "silent")
    waited = await pauses(Scripted(lost, lost, reading(), lost), 4)
    assert waited[0] < waited[1]
    assert BACK_OFF[0] <= waited[3] <= 1.2 * BACK_OFF[0]


class Slow(Scripted):
    """An inverter whose scans take their time, on a clock that only scans and pauses move."""

    def __init__(self, *durations: float, interval: float = 30.0) -> None:
        super().__init__(reading(), interval=interval)
        self.now = 1000.0
        self.begun: list[float] = []
        """Seconds from the first scan to the beginning of each."""
        self.enough = asyncio.Event()
        self._durations = durations

    async def scan(self, complete: bool = False) -> Reading:
        self.begun.append(self.now - 1000.0)
        self.now += self._durations[len(self.begun) - 1]
        return await super().scan(complete)

    async def sleep(self, seconds: float) -> None:
        self.now += max(0.0, seconds)
        if len(self.begun) == len(self._durations):
            self.enough.set()
            await asyncio.Event().wait()


async def begun(inverter: Slow) -> list[float]:
    """When each of the scans began."""
    clock = Clock(monotonic=lambda: inverter.now)
    poller = Poller(cast(Inverter, inverter), None, [], clock, inverter.sleep)
    task = asyncio.create_task(poller.run())
    await inverter.enough.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return inverter.begun


async def test_scans_keep_their_slots_however_long_each_takes() -> None:
    inverter = Slow(0.5, 12.0, 29.0, 3.0, 0.0)
    assert await begun(inverter) == [0, 30, 60, 90, 120]


@pytest.mark.parametrize("interval", [5.0, 30.0, 300.0])
async def test_slots_that_a_slow_scan_has_missed_are_not_made_up_for(
    interval: float,
) -> None:
    """No burst of scans after it; and the next one is no further away than a slot."""
    long = 4.25 * interval
    inverter = Slow(0.0, long, 0.0, 0.0, 0.0, 0.0, interval=interval)
    found = await begun(inverter)
    assert all(after - before >= interval for before, after in pairwise(found)), found
    assert interval + long <= found[2] <= 2 * interval + long
    assert [after - before for before, after in pairwise(found[3:])] == [interval] * 2


class Away(Scripted):
    """An inverter that is away from one moment to another, on a clock that is not the machine's.

    Each scan takes some time; what it meets is decided by when it begins.
    """

    def __init__(
        self,
        interval: float,
        begin: float,
        length: float,
        kind: str,
        takes: float,
        state: State = State.UNREACHABLE,
    ) -> None:
        super().__init__(reading(), interval=interval)
        self.time = ManualClock()
        self.begun: list[float] = []
        self.good: list[float] = []
        """When the good scans began."""
        self.back = begin + length
        self._begin = begin
        self._lost = reading(state, kind)
        self._takes = takes
        self.patience = self.back + 10 * interval + 1000
        """When the test fails, as it would never end."""

    async def scan(self, complete: bool = False) -> Reading:
        began = self.time.passed
        self.begun.append(began)
        self.time.tick(self._takes)
        away = self._begin <= began < self.back
        self.newest = self._lost if away else reading()
        if not away:
            self.good.append(began)
        return self.newest

    async def sleep(self, seconds: float) -> None:
        self.time.tick(max(0.0, seconds))
        assert self.time.passed < self.patience, "it is not read again"
        if len([began for began in self.good if began >= self.back]) == 3:
            raise asyncio.CancelledError

    def after_the_outage(self) -> list[float]:
        """When the first three good scans after it began."""
        poller = Poller(cast(Inverter, self), None, [], self.time.clock, self.sleep)
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(poller.run())
        return self.good[-3:]


KINDS = ["no-route", "port-closed", "silent", "connection-lost", "busy", "not-itself"]


@given(
    interval=st.floats(1, 3600),
    begin=st.floats(0, 5),
    length=st.floats(0, 100),
    kind=st.sampled_from(KINDS),
    takes=st.floats(0, 0.9),
    state=st.sampled_from([State.UNREACHABLE, State.BUSY, State.OK]),
)
@example(interval=300, begin=9.5, length=2, kind="silent", takes=0.1, state=State.UNREACHABLE)
@example(interval=3600, begin=2, length=0.02, kind="silent", takes=0.1, state=State.UNREACHABLE)
@example(interval=120, begin=0, length=30, kind="busy", takes=0.1, state=State.BUSY)
@example(interval=1, begin=2, length=450, kind="silent", takes=0.1, state=State.UNREACHABLE)
@example(interval=10, begin=2, length=31, kind="silent", takes=0.9, state=State.UNREACHABLE)
@example(interval=10, begin=2, length=360, kind="busy", takes=0.9, state=State.BUSY)
@example(interval=30, begin=2, length=9, kind="connection-lost", takes=0, state=State.OK)
def test_an_inverter_that_is_back_is_read_within_one_interval(
    interval: float, begin: float, length: float, kind: str, takes: float, state: State
) -> None:
    """Whatever the outage was: refused, unanswered, busy, broken off; also one in part (ok).

    `begin` and `length` of the time that it is away are in intervals, and `takes`, in seconds or
    intervals, is what a scan takes.
    """
    takes = min(takes, takes * interval)
    inverter = Away(interval, begin * interval, length * interval, kind, takes, state)
    first, second, third = inverter.after_the_outage()
    assert first - inverter.back <= interval + 0.001
    assert second - first == pytest.approx(interval)
    assert third - second == pytest.approx(interval)


@given(
    interval=st.floats(1, 3600),
    takes=st.floats(0, 0.9),
    kind=st.sampled_from(["silent", "connection-lost", "busy"]),
)
def test_one_that_answers_nothing_is_not_hammered(
    interval: float, takes: float, kind: str
) -> None:
    """No more than one scan an interval, and where that is long, those of the back-off."""
    inverter = Away(interval, 0, 20 * interval, kind, takes * interval)
    inverter.after_the_outage()
    early = [BACK_OFF[min(n, len(BACK_OFF) - 1)] for n in range(len(inverter.begun))]
    for (before, after), quiet in zip(pairwise(inverter.begun), early, strict=False):
        assert after - before >= min(interval, quiet) - 0.001


async def test_every_reading_goes_to_every_service() -> None:
    takers = [Taker(), Taker()]
    poller = Poller(cast(Inverter, Scripted(reading())), None, takers, Clock())
    await poller.scan()
    assert [len(taker.taken) for taker in takers] == [1, 1]


async def test_a_bug_in_one_service_is_logged_and_stops_nobody(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(collector, "_RESTART_SERVICE_AFTER", 0)
    broken, good, inverter = Taker(ValueError("oops")), Taker(), Scripted(reading())
    scanned = asyncio.Event()

    async def sleep(seconds: float) -> None:
        scanned.set()
        await asyncio.Event().wait()

    services: list[Any] = [broken, good]
    poller = Poller(cast(Inverter, inverter), None, services, Clock(), sleep)
    task = asyncio.create_task(Collector([poller], services).run())
    await scanned.wait()
    await broken.restarted.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert "taker stopped working" in caplog.text
    assert [one.state for one in good.taken] == [State.CONNECTING, State.OK]
    assert inverter.closed


async def test_the_end_takes_no_longer_with_many_inverters(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each goes on only when all have begun: one after the other they would wait for ever."""
    everybody = asyncio.Barrier(5)

    class Slow(Scripted):
        async def close(self) -> None:
            await everybody.wait()
            await super().close()
            if self is slow[0]:
                raise ValueError("oops")

    slow = [Slow(reading()) for _ in range(5)]
    pollers = [Poller(cast(Inverter, one), None, [], Clock()) for one in slow]
    async with asyncio.timeout(LONG):
        await close_all(pollers)
    assert all(one.closed for one in slow)
    assert "could not be closed" in caplog.text, "one that fails hides no other"


async def test_a_change_of_state_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    lost = reading(State.UNREACHABLE, "silent")
    in_other_words = replace(lost, problem=Problem("silent", "Another sentence."))
    script = Scripted(reading(), lost, in_other_words, lost)
    poller = Poller(cast(Inverter, script), None, [], Clock())
    with caplog.at_level(logging.INFO):
        for _ in range(4):
            await poller.scan()
    assert [record.levelname for record in caplog.records] == ["INFO", "WARNING"]


async def test_a_partial_reading_is_not_called_ok(caplog: pytest.LogCaptureFixture) -> None:
    poller = Poller(cast(Inverter, Scripted(reading(State.OK, "silent"))), None, [], Clock())
    with caplog.at_level(logging.INFO):
        await poller.scan()
    assert [one.message for one in caplog.records] == [
        "inverter was read only in part: A sentence."
    ]


async def test_what_a_meter_says_wrongly_makes_no_reading_a_partial_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    wrong = reading(State.OK, "meter-wrong")
    poller = Poller(cast(Inverter, Scripted(wrong, reading(), wrong)), None, [], Clock())
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            await poller.scan()
    assert [one.message for one in caplog.records] == ["inverter is ok"]


async def test_a_bug_met_with_one_inverter_does_not_stop_its_polling(
    caplog: pytest.LogCaptureFixture,
) -> None:
    inverter = Scripted(reading())
    inverter.trouble = ValueError("oops")
    assert len(await pauses(inverter, 2)) == 2
    assert "a scan of inverter failed" in caplog.text


async def test_a_service_that_cannot_take_a_reading_keeps_it_from_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Refusing(Taker):
        def on_reading(self, reading: Reading) -> None:
            raise ValueError("oops")

    good = Taker()
    await Poller(cast(Inverter, Scripted(reading())), None, [Refusing(), good], Clock()).scan()
    assert len(good.taken) == 1
    assert "could not take a reading" in caplog.text


async def test_a_partial_reading_changes_no_slot() -> None:
    partial = reading(State.OK, "silent")
    assert await pauses(Scripted(partial, interval=300.0), 2) == [300, 300]
    assert await pauses(Scripted(partial, interval=10.0), 3) == [10, 10, 10]


class Busy(Scripted):
    """An inverter whose scan lasts until it is told to end; says what was asked of it."""

    def __init__(self) -> None:
        super().__init__(reading())
        self.device = None
        self.begun, self.goes_on = asyncio.Event(), asyncio.Event()
        self.did: list[str] = []

    async def scan(self, complete: bool = False) -> Reading:
        self.begun.set()
        await self.goes_on.wait()
        self.did.append("scan")
        return await super().scan(complete)

    async def test(self) -> dict[str, str]:
        self.did.append("test")
        return {}

    def forget_refusals(self) -> None:
        self.did.append("forget refusals")


class Behind:
    """Stands for what is behind an inverter."""

    newest = ()

    def __init__(self, did: list[str]) -> None:
        self._did = did

    async def scan(self, *_: object) -> tuple[Reading, ...]:
        return ()

    def forget_refusals(self) -> None:
        self._did.append("forget refusals behind it")

    def forget(self) -> None:
        self._did.append("forget what is behind it")


@pytest.mark.parametrize(
    ("what", "does"),
    [
        ("test", ["test"]),
        ("refusals", ["forget refusals", "forget refusals behind it"]),
        ("sub-devices", ["forget what is behind it"]),
        ("certificate", []),
    ],
)
async def test_what_a_person_asks_for_waits_for_the_scan_under_way(
    what: str, does: list[str]
) -> None:
    inverter = Busy()
    dongle = {PIN: "remembered", "another": "stays"}
    behind = cast(Any, Behind(inverter.did))
    poller = Poller(cast(Any, inverter), behind, [], Clock(), dongle=dongle)
    scan = asyncio.create_task(poller.scan())
    await inverter.begun.wait()
    asked = asyncio.create_task(poller.test() if what == "test" else forget([poller], what))
    for _ in range(10):
        await asyncio.sleep(0)
    assert inverter.did == []
    assert PIN in dongle
    inverter.goes_on.set()
    await asyncio.gather(scan, asked)
    assert inverter.did == ["scan", *does]
    assert (PIN not in dongle) is (what == "certificate")
    assert "another" in dongle
