"""The log as files beside standard error: rotated, bounded, and never in the collector's way."""

import io
import logging
import os
import sys
import time
from contextlib import suppress
from logging.handlers import QueueHandler, RotatingFileHandler
from pathlib import Path
from queue import Full, Queue
from threading import Event, Thread

from sungather.own_file import is_same_file

FILE = "sungather.log"
LARGEST = 1_000_000
"""Bytes of one file."""
OLDER = 4
"""How many older files are kept: sungather.log.1 to .4."""
FLUSH_WITHIN = 0.2
"""Seconds that the end of the program waits for the last lines."""
_MOST_WAITING = 2000
"""Lines that wait for a disk."""


class LogThread(QueueHandler):
    """Has lines written into files by a thread of its own: their disk may hang.

    A directory that cannot be written is said on standard error, and the program goes on.
    """

    def __init__(self, directory: Path) -> None:
        self._lines: Queue[logging.LogRecord | Event] = Queue(_MOST_WAITING)
        super().__init__(self._lines)
        Thread(target=self._write, args=(directory,), name="log", daemon=True).start()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (the library's name)
        """Leave out a line when too many wait: it is on standard error anyway."""

    def flush(self, within: float = FLUSH_WITHIN) -> None:
        """Wait until all lines are in the files, but not for a disk that hangs."""
        written = Event()
        with suppress(Full):
            self._lines.put_nowait(written)
            written.wait(within)

    def _write(self, directory: Path) -> None:
        files: LogFiles | None = None
        try:
            directory.mkdir(parents=True, exist_ok=True)
            files = LogFiles(directory / FILE)
        except OSError as error:
            _say(f"The log cannot be written to {directory}: {error.strerror}.")
        while True:
            line = self._lines.get()
            if isinstance(line, Event):
                line.set()
            elif files is not None:
                files.handle(line)


class LogFiles(RotatingFileHandler):
    """A log file that its owner and its group may read; a full disk is said once."""

    def __init__(self, file: Path, largest: int = LARGEST, older: int = OLDER) -> None:
        self._file = file
        super().__init__(file, maxBytes=largest, backupCount=older, encoding="utf-8")
        file.chmod(0o640)
        form = logging.Formatter(
            "%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S"
        )
        form.converter = time.gmtime
        self.setFormatter(form)
        self._complained = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write into the file that is there now; a restored snapshot has brought another one."""
        if self.stream and not is_same_file(self._file, self._made):
            self.close()
        super().emit(record)

    def _open(self) -> io.TextIOWrapper:
        # Through no link: the directory may be one that others can write to.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        opened = os.open(self._file, flags, 0o640)
        stream = open(opened, "a", encoding="utf-8")  # noqa: PTH123, SIM115
        self._made = os.fstat(stream.fileno())
        return stream

    def doRollover(self) -> None:  # noqa: N802 (the library's name)
        """Begin a new file, with the modes of the first."""
        super().doRollover()
        self._file.chmod(0o640)

    def handleError(  # noqa: N802 (the library's name)
        self,
        record: logging.LogRecord,  # noqa: ARG002
    ) -> None:
        """Say once that the files cannot be written: the line is on standard error anyway."""
        if not self._complained:
            self._complained = True
            error = sys.exc_info()[1]
            why = getattr(error, "strerror", None) or type(error).__name__
            _say(f"The log file {self._file} cannot be written: {why}.")


def _say(sentence: str) -> None:
    print(f"WARNING {sentence}", file=sys.stderr)
