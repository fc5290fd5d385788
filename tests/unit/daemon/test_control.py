"""The control socket: whoever talks to it, it answers; and it comes back by itself."""

import asyncio
import json
import logging
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sungather import control as client
from sungather.clock import Clock
from sungather.control import ask_daemon
from sungather.daemon import control_server
from sungather.daemon.control import Control
from sungather.errors import DaemonError


class Poller:
    """Scans as long as it must."""

    def __init__(self) -> None:
        self.scans = 0
        self.begun = asyncio.Event()
        self.goes_on = asyncio.Event()

    async def scan(self, complete: bool) -> tuple[object, ...]:
        assert complete
        self.scans += 1
        self.begun.set()
        await self.goes_on.wait()
        return ()


@asynccontextmanager
async def running(path: Path, poller: Poller | None = None) -> AsyncGenerator[Control]:
    control = Control(path, [], Clock(), cast(Any, None), lambda _: asyncio.sleep(0.01))
    control.collector = cast(Any, SimpleNamespace(pollers=[poller] if poller else [], services=[]))
    task = asyncio.create_task(control.run())
    try:
        yield control
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 (nothing tells)
            await asyncio.sleep(0.01)


async def said(path: Path, line: bytes) -> dict[str, Any]:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(line)
    try:
        async with asyncio.timeout(20):
            return cast(dict[str, Any], json.loads(await reader.readline()))
    finally:
        writer.close()


async def test_sixty_at_once_become_one_reading(tmp_path: Path) -> None:
    path, poller = tmp_path / "control.sock", Poller()
    async with running(path, poller):
        await until(path.exists)
        asking = [asyncio.create_task(ask_daemon(path, "run-once", [])) for _ in range(60)]
        await poller.begun.wait()
        await asyncio.sleep(0.1)
        poller.goes_on.set()
        assert await asyncio.gather(*asking) == [{"inverters": []}] * 60
        assert poller.scans == 1
        await ask_daemon(path, "run-once", [])
        assert poller.scans == 2


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 60_000 + b"\n",
        b"[" * 200_000 + b"\n",
        b'{"command": ' + b'{"a":' * 10_000 + b"\n",
        b'{"command": {}, "inverters": []}\n',
        b'{"command": "\\u001b[31m\\nforged", "inverters": []}\n',
        b"\xff\xfe\n",
        b"\n",
    ],
    ids=[
        "lists",
        "200,000 deep",
        "objects",
        "no name",
        "a forgery",
        "no UTF-8",
        "nothing",
    ],
)
async def test_nonsense_has_an_answer_without_a_traceback(
    line: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "control.sock"
    async with running(path):
        await until(path.exists)
        answer = await said(path, line)
    assert answer.keys() == {"error"}
    assert str(answer["error"]).isprintable()
    assert not [one for one in caplog.records if one.levelno >= logging.ERROR]


async def test_who_says_nothing_is_left_after_a_while_and_more_than_some_are_not_let_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_server, "_MOST_CLIENTS", 3)
    path = tmp_path / "control.sock"
    async with running(path):
        await until(path.exists)
        silent = [await asyncio.open_unix_connection(path) for _ in range(3)]
        reader, writer = await asyncio.open_unix_connection(path)
        async with asyncio.timeout(20):
            assert await reader.read() == b""
        writer.close()
        for _, one in silent:
            one.close()
    monkeypatch.setattr(control_server, "_REQUEST_SECONDS", 0.05)
    async with running(path):
        await until(path.exists)
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"{")
        async with asyncio.timeout(20):
            assert await reader.read() == b""
        writer.close()


async def test_who_never_reads_the_answer_is_left_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_server, "_REQUEST_SECONDS", 0.2)
    path, longest = tmp_path / "control.sock", 5_000_000
    asked = asyncio.Event()

    async def much() -> dict[str, object]:
        asked.set()
        return {"much": "a" * longest}

    server = control_server.ControlServer(path, [], {"much": much})
    task = asyncio.create_task(server.run())
    await until(path.exists)
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b'{"command": "much", "inverters": []}\n')
    await asked.wait()
    await until(lambda: not server._clients)  # pyright: ignore[reportPrivateUsage]
    async with asyncio.timeout(20):
        assert len(await reader.read()) < longest
    writer.close()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_directory_mended_later_brings_the_socket_by_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    directory = tmp_path / "state"
    directory.touch()  # nothing can be made in it
    path = directory / "control.sock"
    async with running(path) as control:
        await until(lambda: control.health().state == "waiting")
        assert "cannot be opened" in control.health().message
        directory.unlink()
        await until(lambda: control.health().state == "ok")
        assert await ask_daemon(path, "get-inverter-info", []) == {"inverters": []}
    assert caplog.text.count("cannot be opened") == 1
    assert "is open" in caplog.text
    assert not path.exists()


async def test_a_socket_that_was_removed_is_made_anew_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert control_server.LOOK_EVERY <= 60, "it is noticed within a minute"
    monkeypatch.setattr(control_server, "LOOK_EVERY", 0.01)
    path = tmp_path / "state" / "control.sock"
    async with running(path):
        await until(path.exists)
        path.unlink()
        path.parent.rmdir()
        await until(path.exists)
        assert await ask_daemon(path, "get-inverter-info", []) == {"inverters": []}
    assert "was removed" in caplog.text


async def test_an_answer_that_is_none_is_an_error_of_the_daemon(tmp_path: Path) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"[" * 60_000 + b"\n")
        writer.close()

    path = tmp_path / "control.sock"
    async with await asyncio.start_unix_server(serve, path):
        with pytest.raises(DaemonError):
            await ask_daemon(path, "readings", [])


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds become fractions of them, in the same proportion."""
    monkeypatch.setattr(client, "HANGS_AFTER", 1.0)
    monkeypatch.setattr(control_server, "SIGN_OF_LIFE_EVERY", 0.01)


@pytest.mark.usefixtures("quickly")
@pytest.mark.parametrize("snap", [False, True])
async def test_a_daemon_that_hangs_is_told_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, snap: bool
) -> None:
    """As one that was stopped by a signal: the kernel takes the connection all the same."""
    path = tmp_path / "control.sock"
    if snap:
        monkeypatch.setenv("SNAP_NAME", "sungather")
        monkeypatch.setenv("SNAP_INSTANCE_NAME", "sungather_two")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        with pytest.raises(DaemonError, match="hangs") as told:
            await ask_daemon(path, "readings", [])
    assert ("sudo snap restart sungather_two." in str(told.value)) is snap


@pytest.mark.usefixtures("quickly")
async def test_a_daemon_that_takes_its_time_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, poller = tmp_path / "control.sock", Poller()
    async with running(path, poller):
        await until(path.exists)
        asking = asyncio.create_task(ask_daemon(path, "run-once", []))
        await asyncio.sleep(3 * client.HANGS_AFTER)
        poller.goes_on.set()
        assert await asking == {"inverters": []}


@pytest.mark.usefixtures("quickly")
async def test_who_goes_away_stops_nothing_that_was_begun(tmp_path: Path) -> None:
    path, poller = tmp_path / "control.sock", Poller()
    ended = asyncio.Event()

    async def work(what: str) -> dict[str, object]:
        await poller.scan(complete=True)
        ended.set()
        return {"forgotten": what}

    server = control_server.ControlServer(path, [], {"forget": lambda: work("it")})
    task = asyncio.create_task(server.run())
    await until(path.exists)
    _, writer = await asyncio.open_unix_connection(path)
    writer.write(b'{"command": "forget", "inverters": []}\n')
    await poller.begun.wait()
    writer.close()
    await asyncio.sleep(0.1)
    poller.goes_on.set()
    async with asyncio.timeout(20):
        await ended.wait()
    task.cancel()
