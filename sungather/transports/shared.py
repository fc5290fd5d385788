"""One connection for several users: each request waits for its turn, first come, first served."""

import asyncio
from collections.abc import Sequence

from sungather.registers import Block
from sungather.transports import Transport


class SharedTransport:
    """One user's side of a connection; `for_another` makes that of another user.

    Between two requests of one user there is one at most of each other.
    """

    def __init__(self, transport: Transport, turn: asyncio.Lock | None = None) -> None:
        self.name = transport.name
        self.widest = transport.widest
        self.requests = 0
        """Requests of this user."""
        self._transport = transport
        self._turn = turn or asyncio.Lock()

    def for_another(self) -> "SharedTransport":
        """The same connection for another user."""
        return SharedTransport(self._transport, self._turn)

    @property
    def connects(self) -> int:
        """Connections opened so far, for whomever."""
        return self._transport.connects

    async def connect(self) -> None:
        """Open the connection unless it is open."""
        async with self._turn:
            await self._transport.connect()

    async def read(self, block: Block, unit: int) -> Sequence[int]:
        """Read one block when it is our turn; see `Transport`."""
        async with self._turn:
            before = self._transport.requests
            try:
                return await self._transport.read(block, unit)
            except asyncio.CancelledError:
                # An answer that comes late must not be taken for that to the next request.
                await self._transport.close()
                raise
            finally:
                self.requests += self._transport.requests - before

    async def close(self) -> None:
        """Close the connection at once, also under a request; harmless when closed."""
        await self._transport.close()
