"""A state directory that is removed while the daemon runs."""

import asyncio
import shutil
from pathlib import Path

import pytest

from sungather.daemon.state_watch import StateWatch
from sungather.storage import Storage
from tests.support import claimed


async def test_a_directory_that_vanishes_is_said_and_made_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    directory = tmp_path / "state"
    storage = Storage(directory)
    with claimed(directory) as claim:
        watch = StateWatch(claim, storage)
        storage.save("facts", {"n": 1})
        await storage.close()
        await watch.look()
        assert (watch.health().state, caplog.text) == ("ok", "")
        shutil.rmtree(directory)
        await watch.look()
        await storage.close()
        assert "made anew" in caplog.text
        assert {file.name for file in directory.iterdir()} == {"daemon.lock", "facts.json"}
        await watch.look()
        assert watch.health().state == "ok"


async def test_it_is_noticed_within_a_minute(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        if not directory.exists():
            raise AssertionError("it was not looked at")
        waited.append(seconds)
        shutil.rmtree(directory)
        if len(waited) == 3:
            raise asyncio.CancelledError

    with claimed(directory) as claim:
        with pytest.raises(asyncio.CancelledError):
            await StateWatch(claim, Storage(directory), sleep).run()
        assert 0 < max(waited) <= 60


async def test_one_that_cannot_be_made_is_said_once_and_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    directory = tmp_path / "state"
    with claimed(directory) as claim:
        watch = StateWatch(claim, Storage(directory))
        shutil.rmtree(directory)
        directory.touch()
        for _ in range(3):
            await watch.look()
        assert watch.health().state == "waiting"
        assert caplog.text.count("cannot be made") == 1
        directory.unlink()
        await watch.look()
        assert claim.is_whole()


async def test_another_daemon_that_took_it_meanwhile_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    directory = tmp_path / "state"
    with claimed(directory) as claim:
        watch = StateWatch(claim, Storage(directory))
        shutil.rmtree(directory)
        with claimed(directory):
            await watch.look()
        assert "another daemon" in watch.health().message
        assert "another daemon" in caplog.text
