#!/usr/bin/python3
"""Writes the command line of every process that it sees to a file, until it is ended."""

import contextlib
import sys
import time
from pathlib import Path


def main(file: str) -> None:
    """Look at all processes again and again; each command line is written once."""
    seen: set[bytes] = set()
    with Path(file).open("wb", buffering=0) as record:
        while True:
            for process in Path("/proc").glob("[0-9]*"):
                # It may end while it is looked at.
                with contextlib.suppress(OSError):
                    line = (process / "cmdline").read_bytes()
                    if line not in seen:
                        seen.add(line)
                        record.write(line.replace(b"\0", b" ") + b"\n")
            time.sleep(0.001)


if __name__ == "__main__":
    main(sys.argv[1])
