"""The daemon's end of the control socket; the other end and the form are in `control.py`."""

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import cast

from sungather.control import Targets

log = logging.getLogger(__name__)

_LONGEST_PATH = 107  # bytes of a Unix socket's path on Linux, less the final NUL

Handler = Callable[[], Awaitable[Mapping[str, object]]]
"""Gives the answer of a command, in the shape that `answers.py` has for it."""


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

    async def _answer(self, line: bytes) -> dict[str, object]:
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
