"""The one way in which SQLite files are opened, written, and set aside."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from sungather.sqlite_file import DamagedError, SqliteFile


class Notebook(SqliteFile):
    """A file with one table."""

    schema = "CREATE TABLE lines (text TEXT NOT NULL)"

    def __init__(self, path: Path | None) -> None:
        super().__init__(path)
        self.found: list[str] = []
        self.lost = 0

    def was_opened(self) -> None:
        self.found = [row[0] for row in self.db.execute("SELECT text FROM lines")]
        if "unfit" in self.found:
            raise DamagedError("a line is unfit")

    def was_set_aside(self) -> None:
        self.lost += 1

    def add(self, *lines: str | None) -> None:
        with self.transaction() as db:
            for line in lines:
                db.execute("INSERT INTO lines VALUES (?)", (line,))


def opened(path: Path | None) -> Notebook:
    notebook = Notebook(path)
    notebook.open()
    return notebook


def test_what_was_written_is_found_by_the_next_process(tmp_path: Path) -> None:
    with closing(opened(tmp_path / "new" / "file")) as notebook:
        notebook.add("a", "b")
    with closing(opened(tmp_path / "new" / "file")) as notebook:
        assert notebook.found == ["a", "b"]


def test_a_transaction_is_all_or_nothing_and_the_next_one_works(tmp_path: Path) -> None:
    with closing(opened(tmp_path / "file")) as notebook:
        with pytest.raises(sqlite3.IntegrityError):
            notebook.add("half", None)
        notebook.add("whole")
    with closing(opened(tmp_path / "file")) as notebook:
        assert notebook.found == ["whole"]


def test_each_damaged_file_is_set_aside_under_a_name_of_its_own(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / "file").write_bytes(f"never a database {number}".encode() * 300)
        with closing(opened(tmp_path / "file")) as notebook:
            assert (notebook.found, notebook.lost) == ([], 1)
            notebook.add("works")
    aside = {file.name: file.read_bytes()[:17] for file in tmp_path.glob("file.damaged*")}
    assert aside == {
        "file.damaged": b"never a database ",
        "file.damaged-2": b"never a database ",
        "file.damaged-3": b"never a database ",
    }


def test_the_log_goes_along_with_a_damaged_file(tmp_path: Path) -> None:
    killed = tmp_path / "killed"
    killed.mkdir()
    opened(tmp_path / "file").close()
    with closing(opened(tmp_path / "file")) as notebook:
        notebook.add("in the log alone")
        for suffix in ("", "-wal"):
            shutil.copy(tmp_path / f"file{suffix}", killed)
    log = (killed / "file-wal").read_bytes()
    (killed / "file").write_bytes(b"the first page was overwritten. " * 128)
    with closing(opened(killed / "file")) as notebook:
        assert notebook.lost == 1
        notebook.add("new")
    assert (killed / "file.damaged").read_bytes().startswith(b"the first page")
    assert (killed / "file.damaged-wal").read_bytes() == log
    with closing(opened(killed / "file")) as notebook:
        assert notebook.found == ["new"], "the old log is not applied to the new file"


def test_what_is_read_for_a_salvage_is_closed_to_others_and_follows_no_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim, copy = tmp_path / "victim", tmp_path / "file.damaged.reading"
    victim.write_text("precious")
    copy.symlink_to(victim)
    modes: list[int] = []

    class Looking(Notebook):
        def salvage(self, old: sqlite3.Connection) -> int:
            modes.extend(one.stat().st_mode & 0o777 for one in tmp_path.glob("*.reading"))
            return super().salvage(old)

    opened(tmp_path / "file").close()
    content = bytearray((tmp_path / "file").read_bytes())
    content[:100] = bytes(100)
    (tmp_path / "file").write_bytes(content)
    notebook = Looking(tmp_path / "file")
    notebook.open()
    notebook.close()
    assert modes == [0o600]
    assert victim.read_text() == "precious"
    assert not copy.is_symlink()


def test_a_file_whose_content_is_of_no_use_is_set_aside_whole(tmp_path: Path) -> None:
    with closing(opened(tmp_path / "file")) as notebook:
        notebook.add("unfit", "kept")
    with closing(opened(tmp_path / "file")) as notebook:
        assert (notebook.found, notebook.lost) == ([], 1)
    with closing(sqlite3.connect(tmp_path / "file.damaged")) as aside:
        assert aside.execute("SELECT text FROM lines").fetchall() == [("unfit",), ("kept",)]


def test_a_file_of_another_release_is_left_as_it_is(tmp_path: Path) -> None:
    with closing(opened(tmp_path / "file")) as notebook:
        notebook.add("later")
        notebook.db.execute("PRAGMA user_version=9")
    other = Notebook(tmp_path / "file")
    with pytest.raises(sqlite3.OperationalError, match="another release"):
        other.open()
    assert not other.is_open
    with closing(sqlite3.connect(tmp_path / "file")) as file:
        assert file.execute("SELECT text FROM lines").fetchall() == [("later",)]


def test_a_damaged_file_that_cannot_be_moved_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"never a database" * 300)

    def refuse(*_: object) -> None:
        raise PermissionError(30, "Read-only file system")

    monkeypatch.setattr(Path, "replace", refuse)
    notebook = Notebook(tmp_path / "file")
    with pytest.raises(PermissionError):
        notebook.open()
    assert not notebook.is_open
    monkeypatch.undo()
    notebook.open()
    notebook.close()
    assert (tmp_path / "file.damaged").exists()


def test_without_a_path_it_lives_in_memory() -> None:
    with closing(opened(None)) as notebook:
        notebook.add("a")
        assert notebook.db.execute("SELECT text FROM lines").fetchall() == [("a",)]


def lines_of(path: Path) -> list[str]:
    with closing(opened(path)) as notebook:
        return notebook.found


class Exclusive(Notebook):
    exclusive = True


@pytest.mark.parametrize("kind", [Notebook, Exclusive])
def test_a_file_that_was_removed_is_made_anew_with_all_that_it_held(
    kind: type[Notebook], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "state" / "notes.sqlite"
    notebook = kind(path)
    notebook.open()
    notebook.add("before")
    shutil.rmtree(path.parent)
    notebook.make_sure()
    assert "made anew" in caplog.text
    notebook.add("after")
    caplog.clear()
    notebook.make_sure()
    assert not caplog.records
    notebook.close()
    assert lines_of(path) == ["before", "after"]


def test_a_file_that_cannot_be_made_anew_is_tried_again_and_nothing_is_lost(
    tmp_path: Path,
) -> None:
    path = tmp_path / "state" / "notes.sqlite"
    notebook = opened(path)
    notebook.add("before")
    shutil.rmtree(path.parent)
    path.parent.touch()
    for _ in range(2):
        with pytest.raises(OSError, match="exists"):
            notebook.make_sure()
    notebook.add("meanwhile")
    path.parent.unlink()
    notebook.make_sure()
    notebook.close()
    assert lines_of(path) == ["before", "meanwhile"]


def test_another_file_in_its_place_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "state" / "notes.sqlite"
    notebook = opened(path)
    notebook.add("ours")
    shutil.rmtree(path.parent)
    theirs = opened(path)
    theirs.add("theirs")
    theirs.close()
    notebook.make_sure()
    notebook.close()
    assert lines_of(path) == ["ours"]
    assert lines_of(path.with_name("notes.sqlite.other")) == ["theirs"]


@pytest.mark.parametrize("before", [True, False], ids=["there before", "new"])
def test_it_is_closed_to_others_and_no_link_is_followed(before: bool, tmp_path: Path) -> None:
    path = tmp_path / "notes.sqlite"
    if before:
        path.touch(0o644)
        (tmp_path / "notes.sqlite-wal").touch(0o644)
    notebook = opened(path)
    notebook.add("secret")
    files = list(tmp_path.iterdir())
    assert len(files) > 1
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    notebook.close()
    link = tmp_path / "link.sqlite"
    link.symlink_to(path)
    with pytest.raises(OSError, match="symbolic link"):
        opened(link)
