"""A machine that runs out of descriptors or memory for connections: said once, without tracebacks.

asyncio tells it of each connection that it could not accept, again every second.
"""

import asyncio
import errno
import logging
from typing import Any, Final

log = logging.getLogger(__name__)

_EXHAUSTED: Final = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Exhaustion:
    """The exception handler of an event loop."""

    def __init__(self) -> None:
        self._said = False

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Say it once; everything else is told as always."""
        error = context.get("exception")
        if not (isinstance(error, OSError) and error.errno in _EXHAUSTED):
            loop.default_exception_handler(context)
        elif not self._said:
            self._said = True
            log.warning("No new connections are taken for a moment: %s.", error.strerror)
