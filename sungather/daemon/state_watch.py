"""Notices that the state directory was removed while the daemon runs, and makes it anew.

The outbox, the history and the control socket look after their own files; the lock and the small
JSON files are made again here.
"""

import asyncio
import logging
from typing import Final

from sungather.back_off import Sleep
from sungather.errors import OptionsError
from sungather.reading import Reading
from sungather.service import Health
from sungather.storage import Claim, Storage

log = logging.getLogger(__name__)

_LOOK_EVERY: Final = 20.0


class StateWatch:
    """The service."""

    name = "storage"

    def __init__(self, claim: Claim, storage: Storage, sleep: Sleep = asyncio.sleep) -> None:
        self._claim = claim
        self._storage = storage
        self._sleep = sleep
        self._trouble = ""

    def on_reading(self, reading: Reading) -> None:
        """Nothing to do."""

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await self._sleep(_LOOK_EVERY)

    async def look(self) -> None:
        """Look once; on a thread, because the disk may hang."""
        directory = self._storage.directory
        if await asyncio.to_thread(self._claim.is_whole):
            if self._trouble:
                log.info("The state directory %s is there.", directory)
            self._trouble = ""
            return
        try:
            await asyncio.to_thread(self._claim.take)
        except OptionsError:
            trouble = (
                f"The state directory {directory} was removed, and another daemon of SunGather "
                "works in it now. Stop one of the two."
            )
        else:
            self._storage.save_again()
            trouble = (
                f"The state directory {directory}, or the lock in it, was removed. "
                "It is made anew."
                if await asyncio.to_thread(self._claim.is_whole)
                else f"The state directory {directory}, or the lock in it, cannot be made. "
                "It is tried again."
            )
        if trouble != self._trouble:
            log.warning("%s", trouble)
        self._trouble = trouble

    def health(self) -> Health:
        """Whether the state directory is there, and this daemon's."""
        return Health(self.name, "waiting" if self._trouble else "ok", self._trouble)
