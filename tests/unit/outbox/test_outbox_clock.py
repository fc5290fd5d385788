"""A clock that is wrong holds up as little as can be, loses nothing, and is named."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from sungather.exporters.delivery import Status
from sungather.outbox import Outbox, OutboxLimits
from sungather.service import Health
from tests.outbox_parts import NOON, Time
from tests.unit.outbox.test_outbox import deliver_all, opened, powers, take


def health(outbox: Outbox, time: Time) -> Health:
    return Status("influxdb", time.clock).health(outbox.feed("influxdb"))


@pytest.mark.parametrize("ahead", [timedelta(hours=3), timedelta(days=1), timedelta(days=3650)])
async def test_a_reading_from_the_future_of_another_run_delays_nothing(
    tmp_path: Path, ahead: timedelta
) -> None:
    wrong = Time(NOON + ahead)
    async with opened(tmp_path, time=wrong, boot="first") as outbox:
        take(outbox, wrong, 1)
    time = Time(NOON)
    async with opened(tmp_path, time=time, boot="second") as outbox:
        take(outbox, time, 2)
        assert powers(await deliver_all(outbox.feed("influxdb"))) == [1, 2]
        assert health(outbox, time).message == ""


async def test_what_was_read_before_is_delivered_while_the_clock_is_waited_for(
    tmp_path: Path,
) -> None:
    time = Time(NOON)
    async with opened(tmp_path, time=time, boot="first") as outbox:
        take(outbox, time, 1, 2)
    late = Time(NOON - timedelta(minutes=50))
    async with opened(tmp_path, time=late, boot="second") as outbox:
        take(outbox, late, 3)
        assert powers(await deliver_all(outbox.feed("influxdb"))) == [1, 2]
        said = health(outbox, late)
        assert (said.state, said.queue) == ("waiting", 1)
        assert "10 minutes at most" in said.message
        late.pass_by(minutes=11)
        assert powers(await deliver_all(outbox.feed("influxdb"))) == [3]
        said = health(outbox, late)
        assert said.state != "waiting"
        assert "Readings carry the time that it shows" in said.message
        late.set(NOON + timedelta(hours=9))
        take(outbox, late, 4)
        assert powers(await deliver_all(outbox.feed("influxdb"))) == [4]
        assert health(outbox, late).message == ""


async def test_a_clock_that_was_never_set_is_said_and_holds_up_only_what_it_has_stamped(
    tmp_path: Path,
) -> None:
    time = Time(NOON)
    async with opened(tmp_path, time=time, boot="first") as outbox:
        take(outbox, time, 1)
    never = Time(NOON.replace(year=1970))
    async with opened(tmp_path, time=never, boot="second") as outbox:
        take(outbox, never, 2)
        assert powers(await deliver_all(outbox.feed("influxdb"))) == [1]
        said = health(outbox, never)
        assert (said.state, said.queue) == ("waiting", 1)
        assert "never set: it shows 1970-06-21 12:00 UTC" in said.message
        assert "24 hours at most" in said.message
        never.pass_by(days=1)
        take(outbox, never, 3)
        assert powers(await deliver_all(outbox.feed("influxdb"))) == [2, 3]
        said = health(outbox, never)
        assert (said.state, said.queue, said.rejected) == ("starting", 0, 0)
        assert "readings carry the time that it shows" in said.message


async def test_a_clock_that_is_wrong_for_a_while_makes_nothing_too_old(tmp_path: Path) -> None:
    """A backlog of days, and the clock at 2036 for a minute."""
    time = Time(NOON)
    async with opened(tmp_path, time=time, boot="first") as outbox:
        take(outbox, time, *range(5))
    time.pass_by(days=2)
    async with opened(tmp_path, time=time, boot="second", limits=OutboxLimits(days=14)) as outbox:
        right = time.now
        time.set(NOON.replace(year=2036))
        take(outbox, time, 5)
        await outbox.tick()
        time.set(right + timedelta(seconds=70))
        take(outbox, time, 6)
        await outbox.tick()
        assert powers(await deliver_all(outbox.feed("influxdb"))) == list(range(7))
    # Nor does one row of such a clock, in a later run.
    async with opened(tmp_path / "later", time=time, boot="first") as outbox:
        take(outbox, time, *range(5))
        time.set(NOON.replace(year=2036))
        outbox._ledger._time.boot = "other"  # pyright: ignore[reportPrivateUsage]
        take(outbox, time, 5)
        await outbox.flush()
    time.set(NOON + timedelta(days=3))
    async with opened(tmp_path / "later", time=time, boot="third") as outbox:
        time.pass_by(hours=2)
        await outbox.tick()
        assert powers(await deliver_all(outbox.feed("influxdb"))) == list(range(6))


async def test_what_was_given_up_is_kept_with_its_content_and_sent_again_behind_nobody(
    tmp_path: Path,
) -> None:
    time = Time(NOON)
    async with opened(tmp_path, "influxdb", "mqtt", time=time) as outbox:
        take(outbox, time, 1, 2, 3)
        feed = outbox.feed("influxdb")
        batch = await feed.batch_now(10)
        await feed.ack(batch, {batch[1].id: "too odd"})
        (kept,) = await feed.rejected()
        assert (kept.values, kept.reason, kept.name) == ({"pv_power": 2}, "too odd", "roof")
        await deliver_all(outbox.feed("mqtt"))
    async with opened(tmp_path, "influxdb", "mqtt", time=time) as outbox:
        feed = outbox.feed("influxdb")
        assert [one.id for one in await feed.rejected()] == [kept.id], "on the disk"
        assert await feed.send_again() == 1
        take(outbox, time, 4)
        async with asyncio.timeout(10):
            first = await feed.batch(10)
        assert powers(first) == [2, 4]
        assert powers(await feed.batch_now(10)) == [2, 4], "until they are acknowledged"
        await feed.ack(first)
        stats = feed.stats()
        assert (stats.queue, stats.delivered, stats.rejected) == (0, 4, 0)
        assert await feed.rejected() == []
        assert powers(await deliver_all(outbox.feed("mqtt"))) == [4], "mqtt had it"
    async with opened(tmp_path, "influxdb", "mqtt", time=time) as outbox:
        assert await outbox.feed("influxdb").rejected() == []
