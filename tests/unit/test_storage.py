"""Small facts on disk survive restarts, and their loss is no drama."""

import asyncio
import json
import logging
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Generator
from pathlib import Path

import pytest

from sungather import own_file
from sungather import storage as storage_module
from sungather.errors import OptionsError
from sungather.options.keys import option
from sungather.own_file import open_own
from sungather.storage import Claim, Storage
from tests.support import claimed


async def test_what_was_saved_is_loaded_by_the_next_process(tmp_path: Path) -> None:
    storage = Storage(tmp_path / "new")
    storage.save("facts", {"a": [1, "ü"]})
    await storage.close()
    assert Storage(tmp_path / "new").load("facts") == {"a": [1, "ü"]}


def test_nothing_saved_is_empty(tmp_path: Path) -> None:
    assert Storage(tmp_path).load("facts") == {}


@pytest.mark.parametrize("written", [False, True])
async def test_what_was_removed_is_gone_at_once_and_for_the_next_process(
    tmp_path: Path, written: bool
) -> None:
    storage = Storage(tmp_path)
    for name in ("facts-a", "facts-b", "others"):
        storage.save(name, {"a": 1})
    if written:
        await storage.close()
    storage.remove("facts-a")
    storage.remove("never-there")
    assert storage.load("facts-a") == {}
    assert storage.names("facts-") == ["facts-b"]
    await storage.close()
    assert Storage(tmp_path).names("") == ["facts-b", "others"]


@pytest.mark.parametrize("damage", [b"", b"{", b"[1]", b"\xff\xfe", b"null"])
def test_a_damaged_file_is_set_aside_and_begun_anew(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "facts.json").write_bytes(damage)
    assert Storage(tmp_path).load("facts") == {}
    assert (tmp_path / "facts.json.damaged").read_bytes() == damage


async def test_other_users_cannot_read_it(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    storage.save("facts", {})
    await storage.close()
    assert (tmp_path / "facts.json").stat().st_mode & 0o077 == 0


async def test_a_directory_that_cannot_be_made_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    storage = Storage(tmp_path / "file" / "below")
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            storage.save("facts", {})
            await storage.close()
    assert [record.levelname for record in caplog.records] == ["WARNING"]


class StuckDisk:
    """An fsync that does not come back before it is told to."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.goes_on = threading.Event()
        self.calls = 0

    def fsync(self, _: int) -> None:
        self.calls += 1
        self.reached.set()
        self.goes_on.wait()


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Generator[StuckDisk]:
    disk = StuckDisk()
    monkeypatch.setattr(os, "fsync", disk.fsync)
    yield disk
    disk.goes_on.set()


async def test_a_slow_disk_does_not_hold_up_the_loop_and_the_last_write_wins(
    tmp_path: Path, stuck: StuckDisk
) -> None:
    storage = Storage(tmp_path)
    storage.save("facts", {"n": 0})
    async with asyncio.timeout(20):
        await asyncio.to_thread(stuck.reached.wait)
    for number in range(1, 50):
        storage.save("facts", {"n": number})
    storage.save("others", {"n": 50})
    assert storage.load("facts") == {"n": 49}, "what was saved is known at once"
    assert Storage(tmp_path).load("facts") == {}, "still waiting for the first"
    stuck.goes_on.set()
    await storage.close()
    assert json.loads((tmp_path / "facts.json").read_text()) == {"n": 49}
    assert json.loads((tmp_path / "others.json").read_text()) == {"n": 50}
    assert stuck.calls == 3, "what was replaced while it waited is not written"
    storage.save("facts", {"n": 51})
    await storage.close()
    assert Storage(tmp_path).load("facts") == {"n": 51}, "it can be used again"


async def test_closing_does_not_wait_for_a_disk_that_hangs(
    tmp_path: Path,
    stuck: StuckDisk,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("sungather.storage.CLOSE_WITHIN", 0.05)
    storage = Storage(tmp_path)
    storage.save("facts", {})
    async with asyncio.timeout(20):
        await storage.close()
    assert not stuck.goes_on.is_set()
    assert "stuck" in caplog.text


def test_a_process_ends_while_its_disk_hangs(tmp_path: Path) -> None:
    program = """
import asyncio, os, sys, threading
from pathlib import Path
from sungather.storage import Storage

async def main():
    os.fsync = lambda _: threading.Event().wait()
    storage = Storage(Path(sys.argv[1]))
    storage.save("facts", {})
    await storage.close()

asyncio.run(main())
"""
    ended = subprocess.run([sys.executable, "-c", program, str(tmp_path)], timeout=60, check=False)
    assert ended.returncode == 0


def test_a_directory_belongs_to_one_daemon_at_a_time(tmp_path: Path) -> None:
    with claimed(tmp_path / "new"):
        with pytest.raises(OptionsError, match="Another daemon"), claimed(tmp_path / "new"):
            pass
        with claimed(tmp_path / "other"):
            pass
    with claimed(tmp_path / "new"):
        pass


async def test_a_claim_that_hangs_with_its_disk_is_given_up_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, goes_on = threading.Event(), threading.Event()

    def hang(path: Path, flags: int) -> int:
        begun.set()
        assert goes_on.wait(60)
        return open_own(path, flags)

    claim = Claim(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(storage_module, "open_own", hang)
        taking = asyncio.create_task(asyncio.to_thread(claim.take))
        await asyncio.to_thread(begun.wait, 60)
        claim.release()
        goes_on.set()
        await taking
    with claimed(tmp_path):
        pass


def test_a_directory_that_cannot_be_made_can_be_claimed_by_all(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with claimed(tmp_path / "file" / "below"), claimed(tmp_path / "file" / "below"):
        pass


def test_a_lock_file_that_was_removed_lets_no_second_daemon_in(tmp_path: Path) -> None:
    with claimed(tmp_path):
        (tmp_path / "daemon.lock").unlink()
        with pytest.raises(OptionsError), claimed(tmp_path):
            pass


def test_who_wants_a_second_daemon_is_told_all_that_it_needs_of_its_own(tmp_path: Path) -> None:
    with claimed(tmp_path), pytest.raises(OptionsError) as caught, claimed(tmp_path):
        pass
    for key in ("storage.directory", "web.port"):
        assert key in str(caught.value)
        assert option(key) is not None


def test_a_directory_that_was_removed_is_claimed_again(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    with claimed(directory) as claim:
        assert claim.is_whole()
        shutil.rmtree(directory)
        assert not claim.is_whole()
        claim.take()
        assert claim.is_whole()
        with pytest.raises(OptionsError), claimed(directory):
            pass
        shutil.rmtree(directory)
        with claimed(directory), pytest.raises(OptionsError):
            claim.take()


async def test_everything_known_is_written_again_into_a_directory_that_was_removed(
    tmp_path: Path,
) -> None:
    directory = tmp_path / "state"
    directory.mkdir()
    (directory / "loaded.json").write_text('{"a":1}')
    storage = Storage(directory)
    assert storage.load("loaded") == {"a": 1}
    storage.save("saved", {"b": 2})
    await storage.close()
    shutil.rmtree(directory)
    storage.save_again()
    await storage.close()
    fresh = Storage(directory)
    assert (fresh.load("loaded"), fresh.load("saved")) == ({"a": 1}, {"b": 2})


async def test_symbolic_links_are_not_followed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    victim = tmp_path / "victim"
    victim.write_text('{"of": "somebody else"}')
    directory = tmp_path / "state"
    directory.mkdir()
    for name in ("facts.json", "facts.json.new", "daemon.lock"):
        (directory / name).symlink_to(victim)
    storage = Storage(directory)
    assert storage.load("facts") == {}
    assert "symbolic link" in caplog.text
    storage.save("facts", {"ours": 1})
    await storage.close()
    with claimed(directory):
        pass
    assert victim.read_text() == '{"of": "somebody else"}'
    assert Storage(directory).load("facts") == {"ours": 1}


def test_a_link_put_there_after_the_look_is_not_followed_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "link").symlink_to(victim)

    def saw_nothing(_: Path) -> bool:
        return False

    monkeypatch.setattr(own_file, "close_to_others", saw_nothing)
    with pytest.raises(OSError, match="symbolic links"):
        open_own(tmp_path / "link", os.O_RDONLY)


def test_a_file_that_others_can_read_is_closed_to_them(tmp_path: Path) -> None:
    file = tmp_path / "facts.json"
    file.write_text("{}")
    file.chmod(0o664)
    Storage(tmp_path).load("facts")
    assert file.stat().st_mode & 0o777 == 0o600


async def test_once_everything_is_read_no_disk_is_needed(tmp_path: Path) -> None:
    for name in ("facts", "others"):
        (tmp_path / f"{name}.json").write_text(f'{{"name":"{name}"}}')
    (tmp_path / "bad.json").write_text("{")
    storage = Storage(tmp_path)
    await storage.read_all()
    assert (tmp_path / "bad.json.damaged").exists()
    for name in ("facts", "others"):
        (tmp_path / f"{name}.json").unlink()
    os.mkfifo(tmp_path / "late.json")  # to open it hangs, as with a disk that does
    assert storage.load("facts") == {"name": "facts"}
    assert storage.load("late") == storage.load("bad") == {}
    assert storage.names("") == ["facts", "others"]


def test_a_file_nested_without_end_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "facts.json").write_text("[" * 200_000)
    assert Storage(tmp_path).load("facts") == {}
    assert (tmp_path / "facts.json.damaged").exists()


def test_a_daemon_is_seen_by_another_without_the_disk(tmp_path: Path) -> None:
    first, second, elsewhere = Claim(tmp_path), Claim(tmp_path), Claim(tmp_path / "x")
    assert first.hang_out_sign()
    assert not second.hang_out_sign()
    assert elsewhere.hang_out_sign()
    first.release()
    third = Claim(tmp_path)
    assert third.hang_out_sign(), "an end takes the sign in"
    for claim in (second, third, elsewhere):
        claim.release()


def test_the_sign_of_a_snap_has_a_name_that_its_confinement_admits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNAP_INSTANCE_NAME", "sungather_two")
    monkeypatch.setattr(storage_module, "in_snap", lambda: True)
    claim = Claim(tmp_path)
    assert claim.hang_out_sign()
    assert "@snap.sungather_two." in Path("/proc/net/unix").read_text(encoding="ascii")
    claim.release()
