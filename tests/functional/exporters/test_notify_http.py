"""Messages over a real connection: what is posted, what is tried again, and what is never said."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import pytest
from households import reading

from sungather.exporters.notify import Notifier
from sungather.options.all_options import NotifyOptions

pytestmark = pytest.mark.asyncio

SECRET_PATH, TOKEN = "/private-topic-7f3a", "tk_hunter2"
FAN = "083 Fan 2 Stall Alarm"


class Receiver:
    """A web server that answers as told, and keeps what was posted."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.posted: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self.url = ""
        self.writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                fields = dict(line.lower().split(": ", 1) for line in head.splitlines()[1:-1])
                body = await reader.readexactly(int(fields["content-length"]))
                await self.posted.put((head, body.decode()))
                status = self.statuses.pop(0) if self.statuses else 200
                writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode())
        writer.transport.abort()


@asynccontextmanager
async def receiver(*statuses: int) -> AsyncGenerator[Receiver]:
    found = Receiver(*statuses)
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}{SECRET_PATH}"
    try:
        yield found
    finally:
        for writer in found.writers:
            writer.transport.abort()
        server.close()
        await asyncio.sleep(0)


@asynccontextmanager
async def notifier(url: str) -> AsyncGenerator[tuple[Notifier, list[float]]]:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        if seconds == 10.0:  # the look at silence
            await asyncio.Event().wait()
        waits.append(seconds)
        await asyncio.sleep(0)

    options = NotifyOptions(enabled=True, url=url, token=TOKEN)
    made = Notifier(options, {}, lambda: (), sleep=sleep)
    task = asyncio.create_task(made.run())
    try:
        yield made, waits
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


async def test_a_fault_is_posted_with_the_token_and_its_end_too() -> None:
    async with receiver() as other, notifier(other.url) as (made, _), asyncio.timeout(20):
        made.on_reading(reading(inverter_alarm=FAN))
        head, body = await other.posted.get()
        assert head.startswith(f"POST {SECRET_PATH} HTTP/1.1")
        assert f"Authorization: Bearer {TOKEN}" in head
        assert body == f"house: {FAN}"
        made.on_reading(reading())
        head, _ = await other.posted.get()
        assert "Title: SunGather: Fault is over" in head
    assert other.posted.empty()


async def test_a_receiver_that_is_busy_gets_it_again_and_only_once() -> None:
    async with receiver(503, 429, 200) as other, notifier(other.url) as (made, waits):
        async with asyncio.timeout(20):
            made.on_reading(reading(inverter_alarm=FAN))
            for _ in range(3):
                await other.posted.get()
            while made.health().delivered < 1:  # noqa: ASYNC110 (nobody else waits for it)
                await asyncio.sleep(0)
        assert waits[0] < waits[1], "it waits longer each time"
        assert other.posted.empty()
        assert made.health().state == "ok"


async def test_neither_address_nor_token_is_ever_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with receiver(403) as other, notifier(other.url) as (made, _), asyncio.timeout(20):
        made.on_reading(reading(inverter_alarm=FAN))
        await other.posted.get()
        await other.posted.get()  # again, after it was refused
    said = caplog.text
    assert "answers 403" in said
    assert SECRET_PATH not in said
    assert TOKEN not in said
    assert TOKEN not in repr(NotifyOptions(url=other.url, token=TOKEN))
    assert SECRET_PATH not in repr(NotifyOptions(url=other.url, token=TOKEN))
