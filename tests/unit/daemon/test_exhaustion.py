"""What the event loop complains about without end."""

import asyncio
import errno

import pytest

from sungather.daemon.no_descriptors import Exhaustion


async def test_that_descriptors_are_short_is_said_once_and_all_else_as_always(
    caplog: pytest.LogCaptureFixture,
) -> None:
    loop, handler = asyncio.get_running_loop(), Exhaustion()
    for _ in range(100):
        error = OSError(errno.EMFILE, "Too many open files")
        handler(loop, {"message": "socket.accept() out of system resource", "exception": error})
    (said,) = caplog.records
    assert said.getMessage() == "No new connections are taken for a moment: Too many open files."
    assert said.exc_info is None
    handler(loop, {"message": "a bug", "exception": ValueError("of ours")})
    assert "a bug" in caplog.records[-1].getMessage()
