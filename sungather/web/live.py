"""The live stream: pages that are open get the parts that changed, as server-sent events.

A page is rendered once for all who look at it, and again for each who begins to. A client that
reads slowly skips what it missed: it gets the newest of each part, so it costs no more memory
than any other.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncGenerator, Callable
from typing import Final, NamedTuple

from sungather.web.page import Part

log = logging.getLogger(__name__)

_GAP: Final = 0.2
"""Seconds in which the readings of several inverters become one event."""
_HEARTBEAT: Final = 5.0
"""Seconds after which pages are rendered without news: a reading that is overdue is no longer
called live. The event shows that the stream is alive, and notices clients that left."""


class View(NamedTuple):
    """What a page is about."""

    inverter: str
    """Its name; "" for all."""
    language: str
    """Code of the language."""


Render = Callable[[View], dict[str, Part]]


class _Shown(NamedTuple):
    key: object
    html: str
    version: int
    """In which it was new."""


class _Board:
    """The newest parts of one page, and when each changed."""

    def __init__(self) -> None:
        self.version = 0
        self.failed = False
        """Whether its page could not be rendered last; it stays as it was then."""
        self.clients = 0
        self._parts: dict[str, _Shown] = {}
        self._newest = b""

    def show(self, parts: dict[str, Part], now: str) -> None:
        """Take the parts of a page rendered at `now`."""
        version = self.version + 1
        found: dict[str, _Shown] = {}
        for name, part in parts.items():
            shown = self._parts.get(name)
            if shown is None or shown.key != part.key:
                shown = _Shown(part.key, part.html(), version)
            found[name] = shown
        self.version, self._parts = version, found
        self._newest = self._event(self.version - 1, now)

    def since(self, version: int, now: str) -> bytes:
        """The event that brings a client from `version` to the newest."""
        return self._newest if version == self.version - 1 else self._event(version, now)

    def _event(self, version: int, now: str) -> bytes:
        changed = {
            name: shown.html for name, shown in self._parts.items() if shown.version > version
        }
        data = json.dumps({"now": now, "parts": changed}, ensure_ascii=False)
        return f"data: {data}\n\n".encode()


class Live:
    """Tells open pages about new readings."""

    def __init__(
        self, render: Render, now: Callable[[], str], several: Callable[[], bool]
    ) -> None:
        """`render(view)` gives a page's parts, `now` the time in RFC 3339.

        `several`: whether more readings may follow at once; a lone one is shown without delay.
        """
        self._render = render
        self._now = now
        self._several = several
        self._boards: dict[View, _Board] = {}
        self._changed = asyncio.Event()
        self._shown = asyncio.Condition()

    @property
    def clients(self) -> int:
        """How many pages are open."""
        return sum(board.clients for board in self._boards.values())

    def changed(self) -> None:
        """Something that a page shows is new."""
        self._changed.set()

    async def run(self) -> None:
        """Render and tell, until cancelled. Without open pages nothing is rendered."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_HEARTBEAT):
                    await self._changed.wait()
            if self._changed.is_set() and self._several():
                await asyncio.sleep(_GAP)
            self._changed.clear()
            now = self._now()
            for view, board in self._boards.items():
                self._show(board, view, now)
            async with self._shown:
                self._shown.notify_all()

    def _show(self, board: _Board, view: View, now: str) -> None:
        """Render one page; a bug in it costs this page alone, and is said once."""
        try:
            board.show(self._render(view), now)
        except Exception:
            if not board.failed:
                log.exception("the open page %r could not be rendered", view.inverter)
            board.failed = True
        else:
            board.failed = False

    async def stream(self, view: View) -> AsyncGenerator[bytes]:
        """The events for one page that is about `view`."""
        board = self._boards.setdefault(view, _Board())
        board.clients += 1
        try:
            # What others were shown last may be older than the page that this client has.
            self._show(board, view, self._now())
            seen = board.version
            yield b"retry: 3000\n" + board.since(0, self._now())
            while True:
                async with self._shown:
                    while board.version == seen:
                        await self._shown.wait()
                event = board.since(seen, self._now())
                seen = board.version
                yield event
        finally:
            board.clients -= 1
            if not board.clients:
                self._boards.pop(view, None)
