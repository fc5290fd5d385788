"""How long an exporter waits, and what its state says, with a destination that does as told."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path

import pytest

from sungather.errors import Blocked, Unavailable
from sungather.exporters.delivery import BLOCKED_WAIT, FIRST_WAIT, LONGEST_WAIT, Delivery, Status
from sungather.outbox import Outbox, OutboxLimits, Record
from tests.outbox_parts import Time, reading


class Scripted:
    """Stands for the other side: each call has the outcome that is next."""

    batch = 10

    def __init__(self, *outcomes: Unavailable | Mapping[int, str]) -> None:
        self._outcomes = list(outcomes)
        self.got: list[list[object]] = []
        self.closed = False

    async def deliver(self, records: Sequence[Record]) -> Mapping[int, str]:
        self.got.append([record.values["pv_power"] for record in records])
        outcome = self._outcomes.pop(0)
        if isinstance(outcome, Unavailable):
            raise outcome
        return outcome

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def outbox(tmp_path: Path, time: Time) -> AsyncGenerator[Outbox]:
    path = tmp_path / "outbox.sqlite3"
    outbox = await Outbox.open(path, OutboxLimits(), ("lines",), time.clock, "boot")
    yield outbox
    await outbox.close()


def delivery_to(destination: Scripted, outbox: Outbox, time: Time) -> Delivery:
    outbox.on_reading(reading(time.now, pv_power=1))
    return Delivery("lines", outbox.feed("lines"), destination, time.clock)


async def test_each_wait_is_longer_and_a_success_begins_anew(outbox: Outbox, time: Time) -> None:
    down = Unavailable("It is down.")
    delivery = delivery_to(Scripted(down, down, down, {}, down, down), outbox, time)
    waits = [await delivery.round() for _ in range(4)]
    outbox.on_reading(reading(time.now, pv_power=2))
    waits += [await delivery.round() for _ in range(2)]
    assert waits == [1, 2, 4, 0, 1, 2]


def test_each_change_is_logged_once(caplog: pytest.LogCaptureFixture, time: Time) -> None:
    caplog.set_level("INFO")
    status = Status("lines", time.clock)
    for happens in (
        *[status.works] * 3,
        *[lambda: status.waits(Unavailable("It is down."))] * 3,
        *[status.works] * 3,
    ):
        happens()
    said = ["lines: delivering", "lines: It is down.", "lines: delivering"]
    assert caplog.messages == said


async def test_no_wait_is_longer_than_the_longest(outbox: Outbox, time: Time) -> None:
    delivery = delivery_to(Scripted(*[Unavailable("It is down.")] * 9), outbox, time)
    assert [await delivery.round() for _ in range(9)][-2:] == [LONGEST_WAIT] * 2


@pytest.mark.parametrize(
    ("error", "wait"),
    [
        (Unavailable("Later.", 0.0), FIRST_WAIT),
        (Unavailable("Later.", 17.0), 17.0),
        (Unavailable("Later.", 7200.0), 7200.0),
        (Blocked("Somebody must act."), BLOCKED_WAIT),
        (Blocked("Somebody must act.", 0.0), BLOCKED_WAIT),
        (Blocked("Somebody must act.", 7200.0), 7200.0),
    ],
)
async def test_the_other_side_says_how_long_but_is_never_asked_all_the_time(
    outbox: Outbox, time: Time, error: Unavailable, wait: float
) -> None:
    delivery = delivery_to(Scripted(error), outbox, time)
    assert await delivery.round() == wait
    blocked = isinstance(error, Blocked)
    assert delivery.health().state == ("blocked" if blocked else "waiting")


async def test_what_fails_comes_again_and_what_is_refused_is_set_aside(
    outbox: Outbox, time: Time
) -> None:
    destination = Scripted(Unavailable("It is down."), {})
    delivery = delivery_to(destination, outbox, time)
    (record,) = await outbox.feed("lines").batch(10)
    destination._outcomes[1] = {record.id: "too odd"}  # pyright: ignore[reportPrivateUsage]
    await delivery.round()
    await delivery.round()
    assert destination.got == [[1], [1]]
    assert [one.reason for one in await delivery.rejected()] == ["too odd"]
    health = delivery.health()
    assert (health.queue, health.delivered, health.rejected) == (0, 0, 1)
