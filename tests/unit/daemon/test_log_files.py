"""The log as files: bounded, with tight modes, and no trouble when the disk is full."""

import errno
import io
import logging
import os
import stat
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import cast

import pytest

from sungather.daemon.log_files import FILE, LogFiles, LogThread

LONG = 60.0


@pytest.fixture(autouse=True)
def _handlers() -> Generator[None]:
    before, level = list(logging.getLogger().handlers), logging.getLogger().level
    yield
    logging.getLogger().setLevel(level)
    for handler in logging.getLogger().handlers[:]:
        if handler not in before:
            logging.getLogger().removeHandler(handler)
            handler.close()


def record(text: str) -> logging.LogRecord:
    return logging.LogRecord("sungather", logging.WARNING, "", 0, text, None, None)


def log_to(directory: Path) -> LogThread:
    handler = LogThread(directory)
    logging.getLogger().addHandler(handler)
    return handler


def test_lines_go_into_the_file_that_is_there_now(tmp_path: Path) -> None:
    """`snap restore` puts another directory in the place of the one that was opened."""
    logs = tmp_path / "logs"
    handler = log_to(logs)
    logging.getLogger("sungather.x").warning("before")
    handler.flush(LONG)
    logs.rename(tmp_path / "replaced")
    logs.mkdir()
    (logs / FILE).write_text("restored\n")
    logging.getLogger("sungather.x").warning("after")
    handler.flush(LONG)
    restored, line = (logs / FILE).read_text().splitlines()
    assert restored == "restored"
    assert line.endswith("after")


def test_no_symbolic_link_is_followed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    victim, logs = tmp_path / "victim", tmp_path / "logs"
    victim.write_text("precious")
    victim.chmod(0o600)
    logs.mkdir()
    (logs / FILE).symlink_to(victim)
    handler = log_to(logs)
    logging.getLogger("sungather.x").warning("a line")
    handler.flush(LONG)
    assert (victim.read_text(), victim.stat().st_mode & 0o777) == ("precious", 0o600)
    assert "cannot be written" in capsys.readouterr().err


def test_lines_have_a_time_and_a_level(tmp_path: Path) -> None:
    handler = log_to(tmp_path / "logs")
    logging.getLogger("sungather.x").warning("roof is %s", "busy")
    handler.flush(LONG)
    line = (tmp_path / "logs" / FILE).read_text()
    assert line.endswith("Z WARNING roof is busy\n")
    assert line.startswith("20")


def test_what_is_below_the_level_is_left_out(tmp_path: Path) -> None:
    logging.getLogger().setLevel("ERROR")
    handler = log_to(tmp_path)
    logging.getLogger("sungather.x").warning("not this")
    handler.flush(LONG)
    assert (tmp_path / FILE).read_text() == ""


@pytest.mark.parametrize("lines", [10, 5000])
def test_a_disk_that_hangs_holds_up_neither_the_program_nor_its_end(
    lines: int, tmp_path: Path
) -> None:
    # Opening a pipe that nobody reads hangs, as a disk does.
    os.mkfifo(tmp_path / FILE)
    program = f"""
import logging
from pathlib import Path
from sungather.daemon.log_files import LogThread
handler = LogThread(Path({str(tmp_path)!r}))
logging.getLogger().addHandler(handler)
for number in range({lines}):
    logging.error("line %d", number)
print("said")
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, timeout=LONG, check=True
    )
    assert (ended.stdout, ended.stderr) == (b"said\n", b"")


def test_files_are_bounded_and_only_their_group_may_read_them(tmp_path: Path) -> None:
    handler = LogFiles(tmp_path / FILE, largest=1000, older=2)
    for number in range(200):
        handler.emit(record(f"line {number}"))
    handler.close()
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == [FILE, f"{FILE}.1", f"{FILE}.2"]
    assert all(file.stat().st_size <= 1000 for file in files)
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o640}
    assert "line 199" in files[0].read_text()


def test_a_directory_that_cannot_be_written_is_said_and_the_program_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "logs").touch()
    log_to(tmp_path / "logs").flush(LONG)
    assert "The log cannot be written" in capsys.readouterr().err


class FullDisk(io.StringIO):
    def write(self, text: str, /) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_is_said_once_and_without_a_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = LogFiles(tmp_path / FILE, largest=0)
    before = handler.setStream(cast("io.TextIOWrapper", FullDisk()))
    assert before is not None
    before.close()
    handler.emit(record("one"))
    handler.emit(record("two"))
    handler.close()
    said = capsys.readouterr().err
    assert said.count("cannot be written: No space left on device") == 1
    assert "Traceback" not in said
