"""The local history: what it keeps, for how long, and what it survives."""

import asyncio
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import households
import pytest
from households import BERLIN, NOW, Watch, reading, ready, running, silent
from plain_values import measurements

from sungather import worker
from sungather.history import service
from sungather.history.service import History
from sungather.history.totals import Energy
from sungather.reading import Reading, State, Value
from tests.support import Hang

TODAY = date(2026, 6, 18)


def opened(file: Path | None, watch: Watch | None = None, **more: Any) -> History:
    return History(file, BERLIN, clock=(watch or Watch()).clock, commit_seconds=3600, **more)


async def test_means_survive_a_restart(tmp_path: Path) -> None:
    for watts in (1000.0, 3000.0):
        history = opened(tmp_path / "history.db")
        async with running(history):
            await ready(history)
            history.on_reading(reading(pv_power=watts))
    history = opened(tmp_path / "history.db")
    async with running(history):
        await ready(history)
        day = await history.day(["house"], TODAY)
        (sample,) = day.samples.values()
        assert sample.means[0] == 2000.0, "two parts of one step are one mean"
        assert sample.readings == 2


async def test_readings_from_before_the_file_was_open_are_kept(tmp_path: Path) -> None:
    history = opened(tmp_path / "history.db")
    history.on_reading(reading(pv_power=400))
    async with running(history):
        await ready(history)
        await history.commit()
        assert len((await history.day(["house"], TODAY)).samples) == 1


async def test_a_gap_stays_a_gap() -> None:
    history = opened(None)
    async with running(history):
        await ready(history)
        for minutes in (0, 5, 40):
            history.on_reading(reading(at=NOW + timedelta(minutes=minutes)))
        await history.commit()
        times = list((await history.day(["house"], TODAY)).samples)
        assert [b - a for a, b in pairwise(times)] == [300, 2100]


async def test_a_value_that_is_absent_is_not_zero_in_the_mean() -> None:
    history = opened(None)
    async with running(history):
        await ready(history)
        history.on_reading(reading("garage"))
        await history.commit()
        (sample,) = (await history.day(["garage"], TODAY)).samples.values()
        assert sample.means[1] is None, "the garage measures no house power"


async def test_a_silent_step_keeps_its_state_and_no_values() -> None:
    history = opened(None)
    async with running(history):
        await ready(history)
        history.on_reading(silent(State.UNREACHABLE))
        await history.commit()
        (sample,) = (await history.day(["house"], TODAY)).samples.values()
        assert sample.state is State.UNREACHABLE
        assert set(sample.means) == {None}


async def test_the_day_is_the_sites_and_has_23_hours_in_march() -> None:
    history = opened(None)
    async with running(history):
        await ready(history)
        spring = await history.day(["house"], date(2026, 3, 29))
        assert spring.end - spring.start == 23 * 3600
        assert datetime.fromtimestamp(spring.start, BERLIN).hour == 0


async def test_several_inverters_add_up_and_the_level_is_their_mean() -> None:
    history = opened(None)
    async with running(history):
        await ready(history)
        history.on_reading(reading(pv_power=1000, battery_level=40.0))
        history.on_reading(reading("garage", pv_power=500, battery_level=60.0))
        await history.commit()
        (sample,) = (await history.day(["house", "garage"], TODAY)).samples.values()
        assert sample.means[0] == 1500
        assert sample.means[6] == 50.0


def only(name: str, at: datetime = NOW, **values: Value) -> Reading:
    return replace(reading(name, at), measurements=measurements(values))


METERED = {"grid_import_power": 0, "grid_export_power": 8000, "house_power": 0}


async def test_the_house_of_a_day_is_the_balance_of_all_and_unknown_without_one_of_them() -> None:
    watch = Watch()
    history = opened(None, watch)
    async with running(history):
        await ready(history)
        energies: dict[str, Any] = {
            "grid_import_energy_today": 1.0,
            "grid_export_energy_today": 20.0,
        }
        history.on_reading(
            only("house", pv_power=4000, **METERED, pv_energy_today=14.0, **energies)
        )
        history.on_reading(only("garage", pv_power=5000, pv_energy_today=9.0))
        watch.tick(300)
        lost = replace(only("garage", watch.moment), state=State.UNREACHABLE)
        history.on_reading(only("house", watch.moment, pv_power=4000, **METERED))
        history.on_reading(lost)
        watch.tick(300)
        history.on_reading(
            only("house", watch.moment, pv_power=100, grid_import_power=700, grid_export_power=0)
        )
        history.on_reading(replace(lost, state=State.ASLEEP, time=watch.moment))
        await history.commit()
        day = await history.day(["house", "garage"], TODAY)
        means = [sample.means[:4] for sample in day.samples.values()]
        assert means == [(9000, 1000, 0, 8000), (None, None, 0, 8000), (100, 800, 700, 0)]
        assert day.energies["house"] == 4.0
        assert day.energies["pv"] == 23.0


async def test_totals_and_faults_survive_a_restart(tmp_path: Path) -> None:
    watch = Watch()
    history = opened(tmp_path / "history.db", watch)
    async with running(history):
        await ready(history)
        early = NOW - timedelta(days=20)
        history.on_reading(reading(at=early, pv_energy_today=10.0, pv_energy_total=1000.0))
        history.on_reading(
            reading(
                pv_energy_today=5.0,
                pv_energy_total=1200.0,
                inverter_alarm="083 Fan 2 Stall Alarm; 532 String",
            )
        )
        before, faults = history.totals("house"), history.faults("house")
    history = opened(tmp_path / "history.db", watch)
    async with running(history):
        await ready(history)
        assert history.totals("house") == before
        assert [fault.text for fault in history.faults("house")] == [f.text for f in faults]
        pv = history.totals("house")["pv"]
        assert pv.year is not None
        assert (pv.year.kwh, pv.year.since) == (210.0, early.date())


async def test_a_counter_that_was_reset_counts_from_its_reset_after_a_restart_too(
    tmp_path: Path,
) -> None:
    history = opened(tmp_path / "history.db")
    async with running(history):
        await ready(history)
        for days, today, total in (
            (14, 10.0, 1000.0),
            (8, 9.0, 1200.0),
            (6, 3.0, 3.0),
            (0, 5, 50),
        ):
            history.on_reading(
                reading(
                    at=NOW - timedelta(days=days), pv_energy_today=today, pv_energy_total=total
                )
            )
        before = history.totals("house")["pv"]
    assert before.month is not None
    assert (before.month.kwh, before.month.since) == (47.0, TODAY - timedelta(days=6))
    history = opened(tmp_path / "history.db")
    async with running(history):
        await ready(history)
        assert history.totals("house")["pv"] == before


async def test_one_reading_from_a_clock_that_is_ahead_blanks_nothing(tmp_path: Path) -> None:
    file, watch = tmp_path / "history.db", Watch()
    history = opened(file, watch)
    async with running(history):
        await ready(history)
        history.on_reading(reading(pv_energy_today=5.0, pv_energy_total=1200.0))
        await history.commit()
        right, watch.moment = watch.moment, datetime(2036, 1, 1, 12, tzinfo=UTC)
        ahead = reading(pv_energy_today=5.0, pv_energy_total=1200.0)
        history.on_reading(replace(ahead, time=watch.moment))
        await history.commit()
        watch.moment = right + timedelta(minutes=1)
        history.on_reading(replace(ahead, time=watch.moment))
        shown = history.totals("house")["pv"]
    assert shown.today is not None
    assert shown.today.kwh == 5.0
    history = opened(file, watch)
    async with running(history):
        await ready(history)
        again = history.totals("house")["pv"]
        assert again.today == replace(shown.today, as_of=again.today and again.today.as_of)
        assert (await history.day(["house"], TODAY)).samples, "nothing was thrown away"
        assert (await history.day(["house"], TODAY)).energies["pv"] == 5.0


async def test_an_early_reset_leaves_the_days_energy_as_it_was(tmp_path: Path) -> None:
    """An inverter whose clock is ahead begins its new day before midnight."""
    history = opened(tmp_path / "history.db")
    async with running(history):
        await ready(history)
        for minutes, kwh in ((0, 21.3), (1, 0.0), (2, 0.1)):
            at = NOW + timedelta(minutes=minutes)
            history.on_reading(reading(at=at, pv_energy_today=kwh, pv_energy_total=1200.0))
            await history.commit()
        assert (await history.day(["house"], TODAY)).energies["pv"] == 21.3
        today = history.totals("house")["pv"].today
        assert today is not None
        assert today.kwh == 0.1, "and the newest is what the inverter says now"


async def test_a_fault_keeps_when_it_was_first_and_last_seen() -> None:
    history = opened(None)
    async with running(history):
        await ready(history)
        for minutes in (0, 7, 30):
            history.on_reading(
                reading(at=NOW + timedelta(minutes=minutes), inverter_alarm="532 String")
            )
        (fault,) = history.faults("house")
        assert (fault.first, fault.last) == (NOW, NOW + timedelta(minutes=30))


async def test_a_damaged_file_is_set_aside_and_a_new_one_begun(tmp_path: Path) -> None:
    file = tmp_path / "history.db"
    file.write_bytes(b"this was never a database" * 300)
    history = opened(file)
    async with running(history):
        await ready(history)
        history.on_reading(reading())
        await history.commit()
        assert history.health().state == "ok"
    assert (tmp_path / "history.db.damaged").read_bytes().startswith(b"this was never")


async def test_a_disk_that_refuses_costs_nothing_but_memory(tmp_path: Path) -> None:
    history = opened(tmp_path / "history.db")
    async with running(history):
        await ready(history)
        with closing(sqlite3.connect(tmp_path / "history.db")) as other:
            other.execute("alter table samples rename to away")
        history.on_reading(reading(pv_power=700))
        await history.commit()
        assert history.health().state == "waiting"
        assert history.health().queue == 1
        assert "samples" in history.health().message
        with closing(sqlite3.connect(tmp_path / "history.db")) as other:
            other.execute("alter table away rename to samples")
        history.on_reading(reading(pv_power=900))
        await history.commit()
        assert history.health().state == "ok"
        (sample,) = (await history.day(["house"], TODAY)).samples.values()
        assert sample.means[0] == 800


async def test_energies_that_a_disk_refused_are_written_though_nothing_new_comes(
    tmp_path: Path,
) -> None:
    file = tmp_path / "history.db"
    history = opened(file)
    async with running(history):
        await ready(history)
        with closing(sqlite3.connect(file)) as other:
            other.execute("alter table energies rename to away")
        history.on_reading(only("house", pv_energy_total=1000.0))
        await history.commit()
        assert history.health().state == "waiting"
        with closing(sqlite3.connect(file)) as other:
            other.execute("alter table away rename to energies")
    again = opened(file)
    async with running(again):
        await ready(again)
        lifetime = again.totals("house")["pv"].lifetime
        assert lifetime is not None
        assert lifetime.kwh == 1000.0, "of an inverter without a counter of the day"


async def test_a_step_that_was_read_is_not_silent_for_what_came_while_the_disk_refused(
    tmp_path: Path,
) -> None:
    file = tmp_path / "history.db"
    history = opened(file)
    async with running(history):
        await ready(history)
        with closing(sqlite3.connect(file)) as other:
            other.execute("alter table samples rename to away")
        history.on_reading(reading(pv_power=700))
        refused = asyncio.create_task(history.commit())
        await asyncio.sleep(0)
        history.on_reading(silent(State.UNREACHABLE))
        await refused
        with closing(sqlite3.connect(file)) as other:
            other.execute("alter table away rename to samples")
        await history.commit()
        (sample,) = (await history.day(["house"], TODAY)).samples.values()
        assert (sample.state, sample.means[0]) == (State.OK, 700)


async def test_a_clock_that_is_years_ahead_throws_nothing_away() -> None:
    watch = Watch()
    history = opened(None, watch, keep_days=2)
    async with running(history):
        await ready(history)
        history.on_reading(reading())
        await history.commit()
        watch.tick(3650 * 86400)
        await history.commit()
        assert (await history.day(["house"], TODAY)).samples


async def test_a_directory_that_is_mended_later_is_used_then_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(service, "_RETRY_SECONDS", 0.01)
    directory = tmp_path / "state"
    directory.touch()  # nothing can be made in it
    history = opened(directory / "history.db")
    async with running(history):
        history.on_reading(reading(pv_power=700))
        await ready(history)
        assert history.health().state == "waiting"
        directory.unlink()
        async with asyncio.timeout(20):
            while history.health().state != "ok":  # noqa: ASYNC110 (it tells nobody)
                await asyncio.sleep(0.01)
        await history.commit()
        (sample,) = (await history.day(["house"], TODAY)).samples.values()
        assert sample.means[0] == 700
    assert caplog.text.count("cannot be opened") == 1


async def test_a_directory_removed_while_running_loses_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "state" / "history.db"
    history = opened(file)
    async with running(history):
        await ready(history)
        history.on_reading(reading(pv_power=700))
        await history.commit()
        shutil.rmtree(file.parent)
        await history.commit()
        assert "made anew" in caplog.text
    again = opened(file)
    async with running(again):
        await ready(again)
        (sample,) = (await again.day(["house"], TODAY)).samples.values()
        assert sample.means[0] == 700


async def test_old_samples_are_thrown_away() -> None:
    watch = Watch()
    history = opened(None, watch, keep_days=2)
    async with running(history):
        await ready(history)
        history.on_reading(reading())
        await history.commit()
        assert (await history.day(["house"], TODAY)).samples
        watch.tick(3 * 86400)
        history.on_reading(reading(at=watch.moment))
        await history.commit()
        assert not (await history.day(["house"], TODAY)).samples


async def test_a_clock_that_was_never_set_is_not_recorded() -> None:
    history = opened(None)
    async with running(history):
        await ready(history)
        history.on_reading(reading(at=datetime(1970, 1, 1, 5, tzinfo=UTC)))
        assert history.health().queue == 0


async def test_a_day_of_readings_is_a_few_transactions_and_kilobytes(tmp_path: Path) -> None:
    file = tmp_path / "history.db"
    history = opened(file)
    async with running(history):
        await ready(history)
        await households.lived(history)
    assert file.stat().st_size < 64 * 1024


async def test_taking_readings_does_not_wait_for_a_locked_file(tmp_path: Path) -> None:
    file = tmp_path / "history.db"
    history = opened(file)
    async with running(history):
        await ready(history)
        with closing(sqlite3.connect(file)) as other:
            other.execute("begin immediate")
            history.on_reading(reading())
            writing = asyncio.create_task(history.commit())
            await asyncio.sleep(0)
            history.on_reading(reading(at=NOW + timedelta(minutes=5)))
            assert not writing.done(), "the commit waits in its own thread, nobody else does"
            other.execute("rollback")
        await writing
        assert history.health().state == "ok"


async def test_a_disk_that_hangs_is_told_and_holds_up_no_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    history, hang = opened(tmp_path / "history.db"), Hang()
    async with running(history):
        await ready(history)
        history.on_reading(reading())
        await history.commit()
        assert (await history.day(["house"], TODAY)).samples
        monkeypatch.setattr(service, "READ_WITHIN", 0.05)
        hanging = history._worker.call(hang)  # pyright: ignore[reportPrivateUsage]
        await hang.begins()
        for _ in range(20):
            assert not (await history.day(["house"], TODAY)).samples
            assert await history.energies(["house"], TODAY, TODAY) == {}
        waiting = history._worker._jobs  # pyright: ignore[reportPrivateUsage]
        assert waiting is not None
        assert waiting.qsize() <= 3, "whoever looks meanwhile puts nothing more into the queue"
        assert caplog.text.count("cannot be read") == 1
        monkeypatch.setattr(worker, "HANGS_AFTER", 0.0)
        assert history.health().state == "waiting"
        assert "does not answer" in history.health().message
        hang.end()
        assert await hanging
        monkeypatch.undo()
        await history.commit()
        assert (await history.day(["house"], TODAY)).samples


_ON_A_STUCK_DISK = """
import asyncio, sys, threading
from datetime import UTC
from pathlib import Path
from households import reading, ready
from sungather.daemon.assembly import until_stopped
from sungather.history.service import History
from sungather.history.store import HistoryFile

def write(*_):
    print("writing", flush=True)
    threading.Event().wait()

async def main():
    HistoryFile.write = write
    history = History(Path(sys.argv[1]), UTC, commit_seconds=0.01)
    history.on_reading(reading())
    await until_stopped(history.run())

asyncio.run(main())
print("ended", flush=True)
"""


def test_a_disk_that_hangs_holds_up_no_stop(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _ON_A_STUCK_DISK, str(tmp_path / "history.db")],
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    ) as daemon:
        assert daemon.stdout is not None
        assert daemon.stdout.readline() == "writing\n"
        daemon.send_signal(signal.SIGTERM)
        try:
            said, _ = daemon.communicate(timeout=60)
        finally:
            daemon.kill()
    assert said == "ended\n"
    assert daemon.returncode == 0


async def test_yesterday_is_known_over_midnight_and_over_a_restart(tmp_path: Path) -> None:
    watch = Watch()
    history = opened(tmp_path / "history.db", watch)
    async with running(history):
        await ready(history)
        history.on_reading(reading(pv_energy_today=5.0, pv_energy_total=1200.0))
        assert history.totals("house")["pv"].yesterday is None
        watch.moment += timedelta(days=1)
        # Asleep since midnight: nothing was read of the new day so far.
        assert history.totals("house")["pv"].yesterday == Energy(5.0)
        history.on_reading(reading(at=watch.moment, pv_energy_today=1.0, pv_energy_total=1201.0))
        assert history.totals("house")["pv"].yesterday == Energy(5.0)
    history = opened(tmp_path / "history.db", watch)
    async with running(history):
        await ready(history)
        assert history.totals("house")["pv"].yesterday == Energy(5.0)
        watch.moment += timedelta(days=1)
        late = reading(at=watch.moment + timedelta(days=1), pv_energy_today=2.0)
        watch.moment = late.time
        history.on_reading(late)
        assert history.totals("house")["pv"].yesterday is None, "nobody counted that day"


@pytest.mark.parametrize(
    ("meter", "exported"), [("house", 8000), ("garage", 300), ("all", 8300), ("auto", None)]
)
async def test_the_meter_that_counts_is_that_of_the_option_in_curve_energies_and_totals(
    meter: str, exported: float | None
) -> None:
    history = opened(None, meter=meter)
    async with running(history):
        await ready(history)
        for name, sold in (("house", 8000), ("garage", 300)):
            history.on_reading(
                only(
                    name,
                    pv_power=9000,
                    pv_energy_today=9.0,
                    grid_import_power=0,
                    grid_export_power=sold,
                    grid_import_energy_today=0.0,
                    grid_export_energy_today=sold / 1000,
                )
            )
        await history.commit()
        both = ["house", "garage"]
        day = await history.day(both, TODAY)
        (sample,) = day.samples.values()
        assert sample.means[3] == exported
        kwh = None if exported is None else pytest.approx(exported / 1000)
        assert day.energies.get("grid_export") == kwh
        counted = await history.energies(both, TODAY, TODAY)
        assert counted[TODAY].get("grid_export") == kwh
