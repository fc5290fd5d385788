"""Readings on standard output: a table for people, one line of JSON a reading for programs."""

import asyncio
import json
import sys
from typing import TextIO

from sungather import answers
from sungather.reading import Reading, Value
from sungather.service import Health
from sungather.worker import Worker


class Console:
    """The service. It shows the present: with a reader that is slow, readings are left out."""

    name = "console"

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._newest: dict[str, Reading] = {}
        self._changed = asyncio.Event()
        self._message = ""
        self._worker = Worker("console")

    def on_reading(self, reading: Reading) -> None:
        """Print it soon."""
        self._newest[reading.name] = reading
        self._changed.set()

    async def run(self) -> None:
        """Print until cancelled; a standard output that is gone ends nothing else."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            while self._newest:
                name = next(iter(self._newest))
                text = self._text(self._newest.pop(name))
                try:
                    await self._worker.call(self._print, text)
                except (OSError, ValueError) as error:
                    self._message = f"Standard output cannot be written: {error}."
                else:
                    self._message = ""

    def health(self) -> Health:
        """Whether the last reading could be printed."""
        return Health(self.name, "waiting" if self._message else "ok", self._message)

    def _text(self, reading: Reading) -> str:
        if self._stream.isatty():
            return table(reading)
        return json.dumps(answers.of_reading(reading), separators=(",", ":"), ensure_ascii=False)

    # A terminal or pipe whose reader is stuck holds up this thread, and nobody else.
    def _print(self, text: str) -> None:
        self._stream.write(f"{text}\n")
        self._stream.flush()


def table(reading: Reading) -> str:
    """One reading for a terminal: a heading, then name, value and unit in columns."""
    heading = " · ".join(
        part
        for part in (
            reading.name,
            reading.display_model,
            reading.serial,
            f"{reading.kind} behind {reading.via}" if reading.via else "",
            str(reading.state),
            reading.time.astimezone().strftime("%Y-%m-%d %H:%M:%S"),
        )
        if part
    )
    faults = reading.faults
    told = [reading.problem.message] if reading.problem else []
    if faults and (faults.active or not reading.problem):
        told.append(f"faults: {faults.text}")
    rows = [(name, _shown(one.value), one.unit) for name, one in reading.measurements.items()]
    names = max((len(row[0]) for row in rows), default=0)
    figures = max((len(row[1]) for row in rows), default=0)
    lines = [f"{name:<{names}}  {value:>{figures}} {unit}".rstrip() for name, value, unit in rows]
    return "\n".join([heading, *told, *lines, ""])


def _shown(value: Value) -> str:
    if isinstance(value, list):
        return ", ".join("–" if item is None else str(item) for item in value)
    return str(value)
