"""What the simulated front ends share: listening, one task a client, and a clean end."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from ssl import SSLContext
from typing import Self

from sungather.simulator.modbus import Answer, ExceptionCode, ModbusRequest, Readable


class FrontEnd:
    """Listens on `host`:`port` inside `async with`; port 0 takes a free one."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self.host: str = host
        self.port: int = port
        self.connections = 0
        """Connections accepted so far."""
        self.emptied = asyncio.Event()
        """Set when the last client has gone."""
        self._tls: SSLContext | None = None
        self._listener: asyncio.Server | None = None
        self._clients: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    @property
    def open_connections(self) -> int:
        """Clients that are connected now."""
        return len(self._clients)

    async def listen(self) -> None:
        """Open the port; it keeps its number if it is opened again."""
        self._listener = await asyncio.start_server(
            self._accept, self.host, self.port, ssl=self._tls
        )
        self.host, self.port = self._listener.sockets[0].getsockname()[:2]

    async def close(self) -> None:
        """Close the port and all connections; harmless when closed."""
        if self._listener is None:
            return
        self._listener.close()
        tasks = list(self._clients)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._listener.wait_closed()
        self._listener = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Talk to one client until it goes; the connection is closed afterwards."""
        raise NotImplementedError

    def hang_up(self) -> None:
        """Close all connections that are open now."""
        for writer in self._clients.values():
            writer.transport.abort()

    def _leave(self, writer: asyncio.StreamWriter) -> None:
        """Close a connection; with TLS nothing else is sure not to wait for the client."""
        writer.transport.abort()

    async def __aenter__(self) -> Self:
        if self._listener is None:
            await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            return
        self._clients[task] = writer
        self.emptied.clear()
        self.connections += 1
        try:
            await self.serve(reader, writer)
        except (OSError, EOFError):
            pass  # the client went away
        except asyncio.CancelledError:
            pass  # the simulator stops
        finally:
            self._leave(writer)
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            del self._clients[task]
            if not self._clients:
                self.emptied.set()


def reads_from(devices: Mapping[int, Readable]) -> Callable[[ModbusRequest], Answer]:
    """Passes each request on to the device on its unit id."""

    def read(request: ModbusRequest) -> Answer:
        device = devices.get(request.unit)
        if device is None:
            return ExceptionCode.GATEWAY_TARGET
        return device.read(request.space, request.wire, request.count)

    return read
