"""The daemon's end of the control socket; the other end and the form are in `control.py`."""

import asyncio
import contextlib
import json
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final, cast

from sungather.control import SIGN_OF_LIFE_EVERY, Targets
from sungather.own_file import is_same_file
from sungather.untrusted import fit_to_show, parsed_json

log = logging.getLogger(__name__)

LOOK_EVERY: Final = 20.0
"""Seconds between two looks at whether the socket is still there."""
_LONGEST_PATH: Final = 107  # bytes of a Unix socket's path on Linux, less the final NUL
_REQUEST_SECONDS: Final = 15.0
"""Until a request has come, and until its answer has been taken."""
_REMOVE_WITHIN: Final = 0.5
"""Seconds that a stop waits for a disk."""
_MOST_CLIENTS: Final = 100
_BUFFER: Final = 64 * 1024
_LOOK_LONGEST: Final = 64
"""Buffers of a request without end that are read before the connection is cut."""

Handler = Callable[[], Awaitable[Mapping[str, object]]]
"""Gives the answer of a command, in the shape that `answers.py` has for it."""


class ControlServer:
    """Serves the commands of the running daemon."""

    def __init__(self, path: Path, targets: Targets, handlers: Mapping[str, Handler]) -> None:
        self._path = path
        self._targets = targets
        self._handlers = handlers
        self._clients: set[asyncio.Task[None]] = set()

    async def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Serve until cancelled, or until somebody has removed the socket.

        Raises:
            OSError: the socket cannot be made.
        """
        # On a thread, like every other use of this disk: it may hang.
        listener, made = await asyncio.to_thread(self._listener)
        try:
            server = await asyncio.start_unix_server(self._accept, sock=listener)
        except BaseException:
            listener.close()
            raise
        ready()
        try:
            while await asyncio.to_thread(is_same_file, self._path, made):  # noqa: ASYNC110
                await asyncio.sleep(LOOK_EVERY)
        finally:
            server.close()
            for client in self._clients:
                client.cancel()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_REMOVE_WITHIN):
                    await asyncio.to_thread(self._remove, made)

    def _listener(self) -> tuple[socket.socket, os.stat_result]:
        if len(bytes(self._path)) > _LONGEST_PATH:
            raise OSError(f"the path {self._path} is too long for a socket")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        try:
            listener.bind(bytes(fresh))
            listener.listen(_MOST_CLIENTS)
            fresh.chmod(0o660)
            made = fresh.lstat()
            fresh.replace(self._path)
        except BaseException:
            listener.close()
            raise
        return listener, made

    def _remove(self, made: os.stat_result) -> None:
        with contextlib.suppress(OSError):
            if is_same_file(self._path, made):
                self._path.unlink()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a client in a task of our own: a stop must not wait for one that says nothing."""
        if len(self._clients) >= _MOST_CLIENTS:
            writer.transport.abort()
            return
        client = asyncio.create_task(self._serve(reader, writer))
        self._clients.add(client)
        client.add_done_callback(self._clients.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.set_write_buffer_limits(0)  # drained means: handed over
        try:
            with contextlib.suppress(OSError, ValueError):  # a timeout is an OSError
                async with asyncio.timeout(_REQUEST_SECONDS):
                    line = await _line(reader)
                answer = asyncio.create_task(self._answer(line))
                try:
                    while not (await asyncio.wait((answer,), timeout=SIGN_OF_LIFE_EVERY))[0]:
                        if not writer.is_closing():
                            writer.write(b"\n")
                finally:
                    answer.cancel()
                writer.write(json.dumps(answer.result()).encode() + b"\n")
                async with asyncio.timeout(_REQUEST_SECONDS):
                    await writer.drain()
                    if not line:
                        await _rest(reader)
        finally:
            # Not closed politely: that would wait for ever for one that never reads.
            writer.transport.abort()

    async def _answer(self, line: bytes) -> dict[str, object]:
        try:
            request = cast(dict[str, object], parsed_json(line))
            name, targets = request["command"], request["inverters"]
        except (ValueError, TypeError, KeyError):
            return {"error": "it did not understand the request"}
        if targets not in ([], self._targets):
            return {"other": True}
        handler = self._handlers.get(name) if isinstance(name, str) else None
        if handler is None:
            which = fit_to_show(str(name), longest=40)
            return {"error": f"it has no command {which!r}; restart it after an update"}
        try:
            return {"answer": await handler()}
        except Exception:
            log.exception("the command %s failed", name)
            return {"error": "it failed to carry out the command; its log says more"}


async def _line(reader: asyncio.StreamReader) -> bytes:
    """A request; b"" for one that is longer than any."""
    try:
        return await reader.readline()
    except ValueError:
        return b""


async def _rest(reader: asyncio.StreamReader) -> None:
    """Take what still comes of a request that is too long, so that its client gets the answer."""
    for _ in range(_LOOK_LONGEST):
        if not await reader.read(_BUFFER):
            break
