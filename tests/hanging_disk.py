"""`sungather` on a disk that hangs: `python -m tests.hanging_disk DIRECTORY WORDS …`.

Whatever uses a file below DIRECTORY waits as long as `DIRECTORY.hangs` is there, and the first
time says "HANGS" on standard error. What the thread of the event loop uses is said, too: "LOOP".
"""

import asyncio
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from sungather.cli.command_line import main

_exists = os.stat


def _watch(directory: str) -> None:
    said: set[str] = set()

    def say(text: str) -> None:
        if text not in said:
            said.add(text)
            os.write(2, f"{text}\n".encode())

    def hangs() -> bool:
        try:
            _exists(f"{directory}.hangs")
        except FileNotFoundError:
            return False
        return True

    def use(what: str, file: object) -> None:
        name = str(file.decode() if isinstance(file, bytes) else file)
        if not name.startswith(f"{directory}{os.sep}") and name != directory:
            return
        if asyncio._get_running_loop() is not None:  # pyright: ignore[reportPrivateUsage]
            say(f"LOOP {what} {name}")
        while hangs():
            say("HANGS")
            time.sleep(0.05)

    def audited(event: str, words: tuple[Any, ...]) -> None:
        if event == "socket.bind":
            use(event, words[1])
        elif event in ("open", "sqlite3.connect") or event.startswith("os."):
            for word in words[:2]:
                use(event, word)

    def seen(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(file: Any, *words: Any, **more: Any) -> Any:
            use(function.__name__, file)
            return function(file, *words, **more)

        return call

    os.stat, os.lstat = seen(os.stat), seen(os.lstat)
    sys.addaudithook(audited)


if __name__ == "__main__":
    _watch(os.path.abspath(sys.argv[1]))  # noqa: PTH100 (pathlib is what is watched)
    sys.argv[1:2] = []
    sys.exit(main())
