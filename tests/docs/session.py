"""Runs the blocks of a page as a person would type them, and compares what comes back.

In a block of the language `console`, lines that begin with `$ ` are typed, and the others are
expected. In what is expected, `…` stands for anything within a line, and a line `...` for any
number of lines. Comments before a block say more:

    <!-- terminal: NAME -->   it runs on in a terminal of its own, until a block with the same
                              NAME, or the end of the page
    <!-- file: NAME -->       the block is the content of this file
    <!-- not run: WHY -->     left out
"""

import os
import re
import signal
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.docs.pages import Block

_PATIENCE = 60.0
"""Seconds until a command that should have said something is called hung."""


@dataclass(frozen=True)
class Typed:
    """One command of a block and what it should print."""

    command: str
    expected: str


def typed(text: str) -> list[Typed]:
    """The commands of a block; a backslash at the end of a line continues it."""
    found: list[tuple[str, list[str]]] = []
    continued = False
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line.removeprefix("$ "), []))
        elif continued:
            found[-1] = (f"{found[-1][0]}\n{line}", [])
        elif found:
            found[-1][1].append(line)
        continued = line.endswith("\\") and not (found and found[-1][1])
    return [Typed(command, "\n".join(lines)) for command, lines in found]


def matcher(expected: str) -> re.Pattern[str]:
    """What fits an expected output."""
    parts: list[str] = []
    for line in expected.splitlines():
        if line.strip() == "...":
            parts.append(r"(?:.*\n)*?")
        else:
            words = ".*".join(re.escape(piece) for piece in line.rstrip().split("…"))
            parts.append(rf"{words} *\n")
    return re.compile("".join(parts))


class Terminal:
    """A program that runs on while others are typed."""

    def __init__(self, command: str, directory: Path, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            ["bash", "-c", f"exec {command}"], cwd=directory, env=environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self._said = ""
        self._news = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._news:
                self._said += f"{line.rstrip()}\n"
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def says(self, expected: re.Pattern[str]) -> str:
        """Wait for an output; "" when it has come, else what came in its place."""
        with self._news:
            self._news.wait_for(lambda: self._ended or expected.match(self._said), _PATIENCE)
            return "" if expected.match(self._said) else self._said or "(nothing)"

    def stop(self) -> None:
        """Press Ctrl-C."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()


@dataclass
class Session:
    """One reader of a page, in a directory of its own."""

    directory: Path
    environment: Mapping[str, str]
    ports: Mapping[str, str]
    """Port on the page -> the free one that is used for it."""
    terminals: dict[str, Terminal] = field(default_factory=dict[str, Terminal])

    def follow(self, block: Block) -> str:
        """Do what a block says; "" if all came as expected, else what did not."""
        if block.file:
            text = self._here(block.text)
            (self.directory / block.file).write_text(text, encoding="utf-8")
            return ""
        for one in typed(block.text):
            expected = matcher(self._here(one.expected))
            command = self._here(one.command)
            said = (
                self._begin(block.terminal, command, expected)
                if block.terminal
                else self._run(command, expected)
            )
            if said:
                return f"{block}: {one.command}\n--- expected\n{one.expected}\n--- came\n{said}"
        return ""

    def close(self) -> None:
        """End everything that still runs."""
        while self.terminals:
            self.terminals.popitem()[1].stop()

    def _begin(self, name: str, command: str, expected: re.Pattern[str]) -> str:
        if name in self.terminals:
            self.terminals.pop(name).stop()
        terminal = Terminal(command, self.directory, self.environment)
        self.terminals[name] = terminal
        return terminal.says(expected)

    def _run(self, command: str, expected: re.Pattern[str]) -> str:
        done = subprocess.run(
            ["bash", "-c", command], cwd=self.directory, env=self.environment, check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, timeout=_PATIENCE,
        )  # fmt: skip
        said = "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())
        return "" if expected.fullmatch(said) else said or "(nothing)"

    def _here(self, text: str) -> str:
        for printed, free in self.ports.items():
            text = re.sub(rf"(?<!\d){printed}(?!\d)", free, text)
        return text


def surroundings(home: Path, programs: Path) -> dict[str, str]:
    """The environment of a reader: our programs first, a home of their own, a known zone.

    The terminal is so wide that no line wraps, however many digits a measured figure has.
    """
    return {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOME": str(home),
        "TZ": "Europe/Berlin",
        "COLUMNS": "200",
        "LC_ALL": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
    }
