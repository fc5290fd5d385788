"""What an earlier release left in the state directory, also when it was killed, is read."""

import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import support
from households import BERLIN, DAY, Watch, ready, running

from sungather.history.service import History
from sungather.outbox import Outbox, OutboxLimits
from sungather.reading import State
from sungather.simulator import device_named, serve
from sungather.storage import Storage, StoredTexts
from tests.outbox_parts import Time

LEFT = {
    version.name: version
    for version in Path(__file__).parent.iterdir()
    if version.name[0].isdigit()
}


@pytest.fixture(params=LEFT)
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of the state directory that a release left."""
    return shutil.copytree(LEFT[request.param], tmp_path / "state")


def set_aside(state: Path) -> list[Path]:
    """Files that were taken for damaged."""
    return list(state.glob("*.damaged*"))


async def test_what_was_owed_is_delivered_and_what_was_acknowledged_is_not(state: Path) -> None:
    time = Time()
    time.pass_by(hours=1)
    outbox = await Outbox.open(
        state / "outbox.sqlite3",
        OutboxLimits(),
        ("mqtt", "influxdb", "pvoutput"),
        time.clock,
        "boot",
    )
    owed = {"mqtt": range(18, 22), "influxdb": range(10, 22), "pvoutput": range(3, 22)}
    counts = {"mqtt": (18, 0), "influxdb": (9, 1), "pvoutput": (3, 0)}
    for name, figures in owed.items():
        feed = outbox.feed(name)
        before = feed.stats()
        assert (before.delivered, before.rejected) == counts[name]
        records = await feed.batch_now(100)
        assert [record.values["pv_power"] for record in records] == list(figures)
        assert {(record.name, record.serial) for record in records} == {("roof", "A223098765")}
        await feed.ack(records)
        assert feed.stats().queue == 0
    notes = await outbox.feed("pvoutput").notes()
    assert notes == {"interval": "5", "ready 1781000000": "1"}
    await outbox.close()
    assert not set_aside(state)


async def test_the_history_shows_its_curve_its_totals_and_its_faults(state: Path) -> None:
    history = History(state / "history.sqlite", BERLIN, clock=Watch().clock)
    async with running(history):
        await ready(history)
        day = await history.day(["house"], DAY)
        assert len(day.samples) == 62
        states = [sample.state for sample in day.samples.values()]
        assert states.count(State.UNREACHABLE) == 4
        assert day.energies["pv"] == 15.3
        assert len((await history.day(["house"], date(2026, 6, 16))).samples) == 96
        pv = history.totals("house")["pv"]
        assert pv.today is not None
        assert pv.month is not None
        assert pv.lifetime is not None
        assert (pv.today.kwh, pv.lifetime.kwh) == (15.3, 1087.3)
        assert (round(pv.month.kwh, 1), pv.month.since) == (87.3, date(2026, 6, 15))
        (fault,) = history.faults("house")
        assert fault.text == "083 Fan 2 Stall Alarm"
        assert fault.first == datetime(2026, 6, 16, 7, 5, 3, tzinfo=UTC)
    assert not set_aside(state)


async def test_what_was_learned_of_the_device_is_used(state: Path) -> None:
    time = support.ManualClock()
    async with await serve(device_named("SH10RT", clock=time.local)) as server:
        server.faults.cannot_contain = {"input": range(13023, 13024)}
        inverter = support.inverter_at(server.port, state, time.clock)
        reading = await inverter.scan(complete=True)
        await inverter.close()
    assert reading.state is State.OK
    assert not any(start <= 13023 < start + n for _, _, start, n in server.requests)
    # Counted on, not begun anew: the counters of the earlier run were this device's.
    assert Storage(state).load("inverter-inverter")["serial"] == reading.serial
    assert dict(StoredTexts(Storage(state), "way-inverter")) == {"http://192.0.2.7": "sha256:00"}
