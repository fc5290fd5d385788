"""The daemon's Unix socket: commands use the running daemon's connection, not a second one.

An inverter accepts very few connections, so while the daemon runs, `run-once`, `readings`,
`test-connection`, `get-inverter-info` and `rejected` ask it. One JSON object a line: the request
is `{"command": NAME, "inverters": […]}`, the answer `{"answer": {…}}`. A command that means other
inverters than the daemon's gets `{"other": true}` and connects by itself. While the answer takes
its time, empty lines say that the daemon is alive: one that hangs holds up nobody for long. The
socket is there whether the page is or not.
"""

import asyncio
import json
from pathlib import Path
from typing import Any, cast

from sungather import errors
from sungather.privileges import in_snap, instance
from sungather.untrusted import parsed_json

SOCKET = "control.sock"
SIGN_OF_LIFE_EVERY = 2.0
"""Seconds between two empty lines of a daemon that is at work on an answer."""
HANGS_AFTER = 5.0
"""Seconds without a line, after which a daemon hangs."""
_LONGEST_LINE = 16 * 1024 * 1024

Targets = list[list[str | int | None]]
"""Name, host, port, connection and unit of each inverter that a command means; [] for whatever
the daemon has."""


async def ask_daemon(path: Path, command: str, targets: Targets) -> Any:
    """The running daemon's answer, in the shape that `answers.py` has for the command.

    None when none runs, or one with other inverters.

    Raises:
        DaemonError: the daemon is there, but gives no answer, or none to this user.
    """
    try:
        reader, writer = await asyncio.open_unix_connection(path, limit=_LONGEST_LINE)
    except PermissionError:
        raise errors.DaemonError(
            f"The daemon's socket {path} is not open to this user. Run the command with sudo."
        ) from None
    except OSError:
        return None
    try:
        writer.write(json.dumps({"command": command, "inverters": targets}).encode() + b"\n")
        line = await _answer_line(reader)
    except TimeoutError:
        again = f"sudo snap restart {instance()}" if in_snap() else "restart it"
        raise errors.DaemonError(
            f"The running daemon hangs: it has said nothing for {HANGS_AFTER:g} seconds. "
            f"What helps: {again}."
        ) from None
    except (OSError, ValueError):
        line = b""
    finally:
        writer.close()
    reply: dict[str, object] = {"error": "it stopped meanwhile"}
    if line:
        try:
            reply = cast(dict[str, object], parsed_json(line))
        except ValueError:
            reply = {"error": "what it said is no answer"}
    if "other" in reply:
        return None
    if "answer" not in reply:
        raise errors.DaemonError(f"The running daemon gave no answer: {reply.get('error')}.")
    return reply["answer"]


async def _answer_line(reader: asyncio.StreamReader) -> bytes:
    """The line with the answer, empty if the daemon ended; a `TimeoutError` if it hangs."""
    while True:
        async with asyncio.timeout(HANGS_AFTER):
            line = await reader.readline()
        if line != b"\n":
            return line
