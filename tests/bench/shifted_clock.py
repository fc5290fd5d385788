"""`sungather` with a wall clock that somebody else sets: `python -m … CLOCK_FILE WORDS …`.

The file holds the seconds by which the clock is wrong, as a double; it may change at any time.
"""

import mmap
import struct
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sungather.cli.command_line import main
from sungather.clock import Clock

WRONG_BY = struct.Struct("d")


def set_clock(file: Path, seconds: float) -> None:
    """Set the clock of whoever runs with this file."""
    with file.open("r+b" if file.exists() else "wb") as stream:
        stream.write(WRONG_BY.pack(seconds))


def _run(file: Path, words: list[str]) -> None:
    with file.open("rb") as stream:
        seen = mmap.mmap(stream.fileno(), WRONG_BY.size, access=mmap.ACCESS_READ)

    def now() -> datetime:
        return datetime.now(UTC) + timedelta(seconds=WRONG_BY.unpack(seen[:])[0])

    # Every clock that the daemon makes has its times from these defaults.
    Clock.__init__.__defaults__ = (now, time.monotonic)
    sys.argv = ["sungather", *words]
    sys.exit(main())


if __name__ == "__main__":
    _run(Path(sys.argv[1]), sys.argv[2:])
