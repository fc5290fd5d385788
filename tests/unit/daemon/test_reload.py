"""The daemon takes new options up by itself: once, when they have come to rest, if they matter."""

import asyncio
import os
import threading
from pathlib import Path
from typing import NoReturn

import pytest

from sungather.daemon import reload
from sungather.daemon.reload import WatchedFile
from sungather.options.configuration import Configuration, load


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reload, "QUIET", 0.05)
    monkeypatch.setattr(reload, "_LOOK_EVERY", 0.01)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "sungather.yaml"


def write(file: Path, *lines: str) -> None:
    """As the hook does it: a new file in the place of the old one."""
    fresh = file.with_suffix(".new")
    fresh.write_text("\n".join(("inverter: {host: 192.168.1.10}", *lines)))
    fresh.replace(file)


def never() -> NoReturn:
    raise AssertionError("nothing was restored")


class Reads:
    """The options of a file, and how often they were read."""

    def __init__(self, file: Path) -> None:
        self.count = 0
        self._file = file

    def __call__(self) -> Configuration:
        self.count += 1
        return load(self._file)


async def waited(watched: WatchedFile, current: Configuration) -> Configuration:
    async with asyncio.timeout(30):
        return await watched.other_than(current, lambda: True)


async def test_options_that_come_one_after_another_are_taken_up_together(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In each time of quiet that is waited for, another one comes."""
    coming = iter([f"mqtt: {{enabled: true, host: 192.168.1.{number}}}" for number in range(20)])
    sleep = asyncio.sleep

    async def restless(seconds: float) -> None:
        if seconds == reload.QUIET and (line := next(coming, None)):
            write(file, line)
        await sleep(0)

    monkeypatch.setattr(asyncio, "sleep", restless)
    write(file)
    reads = Reads(file)
    watched = WatchedFile(file, reads, never)
    current = watched.read()
    write(file, "mqtt: {enabled: true, host: 192.168.1.99}")
    assert (await waited(watched, current)).mqtt.host == "192.168.1.19"
    assert reads.count == 2


async def test_a_change_between_reading_and_waiting_is_not_missed(file: Path) -> None:
    write(file)
    watched = WatchedFile(file, Reads(file), never)
    current = watched.read()
    write(file, "log: {level: DEBUG}")
    assert (await waited(watched, current)).log.level == "DEBUG"


async def test_what_is_not_in_force_or_cannot_be_used_changes_nothing(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(file)
    reads = Reads(file)
    watched = WatchedFile(file, reads, never)
    task = asyncio.create_task(waited(watched, watched.read()))
    changes = (
        "mqtt: {host: 192.168.1.5}",  # mqtt is off
        "inverter:",  # twice
        "log: {level: LOUD}",
        "log: {level: ERROR}",
    )
    for seen, change in enumerate(changes, 2):
        write(file, change)
        while reads.count < seen:
            await asyncio.sleep(0.01)
            assert not task.done() or seen == len(changes) + 1
    assert (await task).log.level == "ERROR"
    assert sum("the old ones stay" in line for line in caplog.messages) == 2


class BegunAnewError(Exception):
    """Stands for the program that was started again."""


async def test_options_that_come_with_another_state_directory_begin_all_anew(file: Path) -> None:
    """As `snap restore` brings them back; nothing that is open may be written any more."""

    def begin_anew() -> NoReturn:
        raise BegunAnewError

    write(file)
    watched = WatchedFile(file, Reads(file), begin_anew)
    current = watched.read()
    write(file)
    with pytest.raises(BegunAnewError):
        async with asyncio.timeout(30):
            await watched.other_than(current, lambda: False)


async def test_a_file_that_is_gone_for_a_moment_is_waited_for(file: Path) -> None:
    write(file)
    watched = WatchedFile(file, Reads(file), never)
    current = watched.read()
    os.unlink(file)  # noqa: PTH108 (done at once, and no thread is wanted)
    task = asyncio.create_task(waited(watched, current))
    await asyncio.sleep(0)
    write(file, "inverter2:")
    os.utime(file, (1, 1))
    write(file, "site: {timezone: Europe/Kiev}")
    assert str((await task).timezone) == "Europe/Kiev"


async def test_the_loop_leaves_every_look_at_the_file_to_threads(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk may hang."""
    write(file)
    watched = WatchedFile(file, Reads(file), never)
    current = watched.read()
    threads: set[threading.Thread] = set()
    stat = Path.stat

    def seen(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        if path == file:
            threads.add(threading.current_thread())
        return stat(path, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", seen)
    write(file, "log: {level: DEBUG}")
    await waited(watched, current)
    assert threads
    assert threading.main_thread() not in threads
