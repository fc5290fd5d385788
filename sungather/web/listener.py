"""Who is let in: sockets, and the limits that keep one client from shutting out the others.

A client that only sits there makes way for the next one, so a crowd of silent connections costs
nobody a page. What streams or is being answered stays; there is room for so many of these, in
all and of one address.
"""

import asyncio
import errno
import logging
import resource
import socket
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

log = logging.getLogger(__name__)

BUFFER: Final = 16 * 1024
_BACKLOG: Final = 256
_MOST: Final = 400
_KEPT_FREE: Final = 40
"""File descriptors for all else: inverters, exporters, files, the control socket."""
_EXHAUSTED: Final = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_PAUSE: Final = 1.0
"""Seconds without new clients after the system has run out of something."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one server and one client may take."""

    connections: int = _MOST
    of_one_address: int = 200
    streams: int = 200
    streams_of_one_address: int = 100
    request_seconds: float = 15.0
    """Until a request's headers are complete; also how long a silent connection is kept."""
    write_seconds: float = 30.0
    """How long a client may leave what is sent to it unread."""
    header_bytes: int = 16 * 1024


def limits_within(descriptors: int) -> Limits:
    """Limits for a process that may have so many files and sockets open."""
    most = max(8, min(_MOST, descriptors - _KEPT_FREE))
    return Limits(most, most // 2, most // 2, most // 4)


def limits_of_this_process() -> Limits:
    """Limits that leave enough file descriptors for polling."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return limits_within(soft if soft >= 0 else _MOST + _KEPT_FREE)


class Guest:
    """One client that was let in."""

    def __init__(self, network: bytes) -> None:
        self.network = network
        self.waits = True
        """Whether nothing is being done for it: it may have to make way."""
        self.streams = False
        self.task: asyncio.Task[None] | None = None


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter, Guest], Awaitable[None]]


class Listener:
    """Listens on one port, and has `serve` talk to each client that is let in."""

    def __init__(self, serve: Serve, limits: Limits) -> None:
        self._serve = serve
        self._limits = limits
        self._listeners: list[socket.socket] = []
        self._accepting: list[asyncio.Task[None]] = []
        self._guests: dict[Guest, None] = {}
        """In the order in which they came."""
        self._complained = False

    async def open(self, address: str | None, port: int) -> int:
        """Listen; without an address on all, IPv4 and IPv6.

        Returns:
            The port.

        Raises:
            OSError: the address cannot be listened on.
        """
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(
            address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        try:
            for family, _, _, _, where in dict.fromkeys(found):
                self._listen(family, where)
        except BaseException:
            self._close()
            raise
        if not self._listeners:
            raise OSError(errno.EADDRNOTAVAIL, "The address is not one of this machine")
        self._accepting = [loop.create_task(self._accept(one)) for one in self._listeners]
        return int(self._listeners[0].getsockname()[1])

    def _listen(self, family: int, where: tuple[object, ...]) -> None:
        try:
            listener = socket.socket(family, socket.SOCK_STREAM)
        except OSError:
            return  # a machine without IPv6
        self._listeners.append(listener)
        listener.setblocking(False)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            listener.bind(where)
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL:
                raise
            self._listeners.remove(listener)
            listener.close()
        else:
            listener.listen(_BACKLOG)

    async def close(self) -> None:
        """Close the port and every connection."""
        tasks = [*self._accepting, *(one.task for one in self._guests if one.task is not None)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._close()

    def _close(self) -> None:
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        self._accepting.clear()

    def may_stream(self, guest: Guest) -> bool:
        """Whether there is room for another stream; if so, it is this guest's."""
        streams = [one for one in self._guests if one.streams]
        own = sum(1 for one in streams if one.network == guest.network)
        guest.streams = (
            len(streams) < self._limits.streams and own < self._limits.streams_of_one_address
        )
        return guest.streams

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                channel, where = await loop.sock_accept(listener)
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._complain(error)
                    await asyncio.sleep(_PAUSE)
            else:
                self._let_in(channel, Guest(_network(channel.family, where[0])))
            # One at a time, so that those who make way have closed when others come.
            await asyncio.sleep(0)

    def _let_in(self, channel: socket.socket, guest: Guest) -> None:
        if not self._has_room(guest):
            channel.close()
            return
        self._guests[guest] = None
        guest.task = asyncio.get_running_loop().create_task(self._welcome(channel, guest))
        # Also where it was cancelled before it began.
        guest.task.add_done_callback(lambda _: channel.close())

    def _complain(self, error: OSError) -> None:
        if not self._complained:
            self._complained = True
            log.warning("The page takes no new clients for a moment: %s.", error.strerror)

    def _has_room(self, guest: Guest) -> bool:
        """Whether there is room for another; one that only waits makes way for it."""
        own = [one for one in self._guests if one.network == guest.network]
        if len(own) >= self._limits.of_one_address:
            return self._make_way(own)
        if len(self._guests) >= self._limits.connections:
            return self._make_way(self._guests)
        return True

    def _make_way(self, guests: Iterable[Guest]) -> bool:
        oldest = next((one for one in guests if one.waits), None)
        if oldest is None:
            return False
        del self._guests[oldest]
        if oldest.task is not None:
            oldest.task.cancel()
        return True

    async def _welcome(self, channel: socket.socket, guest: Guest) -> None:
        try:
            reader, writer = await asyncio.open_connection(sock=channel, limit=BUFFER)
            try:
                await self._serve(reader, writer, guest)
            finally:
                writer.transport.abort()
        except (OSError, asyncio.CancelledError):
            pass  # it has gone; or it had to make way, or the server stops
        finally:
            with suppress(KeyError):
                del self._guests[guest]


def own_address() -> str:
    """This machine's address in its network, as other devices know it; "" if there is none.

    The system names the address that it would send from. Nothing is sent.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((_ELSEWHERE, 9))
        except OSError:
            return ""
        return str(probe.getsockname()[0])


_ELSEWHERE = "192.0.2.1"
"""An address of documentation (RFC 5737), that no machine has."""


def _network(family: int, address: str) -> bytes:
    """What counts as one client: an IPv4 address, or the network of an IPv6 address (/64)."""
    if family == socket.AF_INET6:
        return socket.inet_pton(family, address.partition("%")[0])[:8]
    return socket.inet_pton(family, address)
