"""The snap's daemon takes new options up by itself: it reads its file again when that changes.

A restart by systemd for each `snap set` would soon meet systemd's limit of starts.
"""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from sungather.errors import OptionsError
from sungather.options.configuration import Configuration

log = logging.getLogger(__name__)

QUIET = 1.0
"""Seconds without a further change, after which a change counts: options come one by one."""
_LOOK_EVERY = 0.25


class WatchedFile:
    """The file of options, and whether it is still the one that was read last."""

    def __init__(
        self, file: Path, read: Callable[[], Configuration], begin_anew: Callable[[], NoReturn]
    ) -> None:
        self._file = file
        self._read = read
        self._begin_anew = begin_anew
        self._seen = self._stamp()

    def read(self) -> Configuration:
        """The options as they are now.

        Raises:
            OptionsError: They cannot be used.
        """
        self._seen = self._stamp()
        return self._read()

    async def other_than(
        self, current: Configuration, is_whole: Callable[[], bool]
    ) -> Configuration:
        """Wait for options of which something that is in force differs from `current`.

        Options that cannot be used are said, and change nothing. `is_whole` says, on a thread,
        whether the state directory is the one that was opened. `snap restore` brings another one,
        and a file of options with it; the program begins anew then.
        """
        while True:
            await self._changed(is_whole)
            if not await asyncio.to_thread(is_whole):
                log.warning("The state directory is another one; the daemon begins anew in it.")
                self._begin_anew()
            try:
                new = await asyncio.to_thread(self.read)
            except OptionsError as error:
                problems = " ".join(error.problems)
                log.warning("New options cannot be used, so the old ones stay: %s", problems)
                continue
            if new.in_force != current.in_force:
                return new

    async def _changed(self, is_whole: Callable[[], bool]) -> None:
        # Each look on a thread: a disk may hang, and the loop may not.
        while True:
            before = await asyncio.to_thread(self._stamp)
            if before in (self._seen, None):
                await asyncio.sleep(_LOOK_EVERY)
                continue
            # What is still open would soon be written over what was restored.
            if not await asyncio.to_thread(is_whole):
                return
            await asyncio.sleep(QUIET)
            if before == await asyncio.to_thread(self._stamp):
                return

    def _stamp(self) -> tuple[int, int, int] | None:
        """What is another after each change; None while there is no file."""
        try:
            found = self._file.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size
