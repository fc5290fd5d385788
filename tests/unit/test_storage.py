"""Small facts on disk survive restarts, and their loss is no drama."""

import logging
from pathlib import Path

import pytest

from sungather.errors import OptionsError
from sungather.storage import Storage, claimed


async def test_what_was_saved_is_loaded_by_the_next_process(tmp_path: Path) -> None:
    storage = Storage(tmp_path / "new")
    storage.save("facts", {"a": [1, "ü"]})
    await storage.close()
    assert Storage(tmp_path / "new").load("facts") == {"a": [1, "ü"]}


def test_nothing_saved_is_empty(tmp_path: Path) -> None:
    assert Storage(tmp_path).load("facts") == {}


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


def test_a_directory_belongs_to_one_daemon_at_a_time(tmp_path: Path) -> None:
    with claimed(tmp_path / "new"):
        with pytest.raises(OptionsError, match="Another daemon"), claimed(tmp_path / "new"):
            pass
        with claimed(tmp_path / "other"):
            pass
    with claimed(tmp_path / "new"):
        pass


def test_a_directory_that_cannot_be_made_can_be_claimed_by_all(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with claimed(tmp_path / "file" / "below"), claimed(tmp_path / "file" / "below"):
        pass
