"""The daemon's Unix socket: commands use the running daemon's connection, not a second one.

An inverter accepts very few connections, so while the daemon runs, `run-once`, `readings`,
`test-connection` and `get-inverter-info` ask it. One JSON object a line: the request is
`{"command": NAME, "inverters": […]}`, the answer `{"answer": {…}}`. A command that means other
inverters than the daemon's gets `{"other": true}` and connects by itself. The socket is there
whether the page is or not.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import cast

from sungather import errors
from sungather.configuration import InverterOptions

log = logging.getLogger(__name__)

SOCKET = "control.sock"
_LONGEST_PATH = 107  # bytes of a Unix socket's path on Linux, less the final NUL
_LONGEST_LINE = 16 * 1024 * 1024

Answer = dict[str, object]
Targets = list[list[str | int | None]]
"""Name, host, port, connection and unit of each inverter that a command means; [] for whatever
the daemon has."""
Handler = Callable[[], Awaitable[Answer]]


class ControlServer:
    """Serves the commands of the running daemon."""

    def __init__(self, path: Path, targets: Targets, handlers: Mapping[str, Handler]) -> None:
        self._path = path
        self._targets = targets
        self._handlers = handlers
        self._clients: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serve until cancelled. Raises OSError when the socket cannot be made."""
        if len(bytes(self._path)) > _LONGEST_PATH:
            raise OSError(f"the path {self._path} is too long for a socket")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._accept, self._path)
        self._path.chmod(0o660)
        try:
            await asyncio.Event().wait()
        finally:
            server.close()
            for client in self._clients:
                client.cancel()
            self._path.unlink(missing_ok=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a client in a task of our own: a stop must not wait for one that says nothing."""
        client = asyncio.create_task(self._serve(reader, writer))
        self._clients.add(client)
        client.add_done_callback(self._clients.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError, ValueError):
                line = await reader.readline()
                writer.write(json.dumps(await self._answer(line)).encode() + b"\n")
                await writer.drain()
        finally:
            writer.close()

    async def _answer(self, line: bytes) -> Answer:
        try:
            request = cast(dict[str, object], json.loads(line))
            name, targets = request["command"], request["inverters"]
        except (ValueError, TypeError, KeyError):
            return {"error": "it did not understand the request"}
        if targets not in ([], self._targets):
            return {"other": True}
        handler = self._handlers.get(str(name))
        if handler is None:
            return {"error": f"it has no command {name!r}; restart it after an update"}
        try:
            return {"answer": await handler()}
        except Exception:
            log.exception("the command %s failed", name)
            return {"error": "it failed to carry out the command; its log says more"}


async def ask_daemon(path: Path, command: str, targets: Targets) -> Answer | None:
    """The running daemon's answer; None when none runs, or one with other inverters.

    Raises `DaemonError` when the daemon is there but gives no answer, or not to this user.
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
        await writer.drain()
        line = await reader.readline()
    except (OSError, ValueError):
        line = b""
    finally:
        writer.close()
    reply: dict[str, object] = json.loads(line) if line else {"error": "it stopped meanwhile"}
    if "other" in reply:
        return None
    if "answer" not in reply:
        raise errors.DaemonError(f"The running daemon gave no answer: {reply.get('error')}.")
    return cast(Answer, reply["answer"])


def targets_of(inverters: Iterable[InverterOptions]) -> Targets:
    """What a command and a daemon must agree on to mean the same inverters."""
    return [[one.name, one.host, one.port, one.connection, one.unit] for one in inverters]
