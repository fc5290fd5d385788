"""The control socket as a service: what the commands get from the running daemon."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Final

from sungather import answers
from sungather.back_off import Sleep
from sungather.clock import Clock
from sungather.control import Targets
from sungather.daemon.collector import FORGETTABLE, Collector, Poller, forget
from sungather.daemon.control_server import ControlServer, Handler
from sungather.exporters import Exporters
from sungather.reading import Reading
from sungather.service import Health

log = logging.getLogger(__name__)

_RETRY_SECONDS: Final = 10.0


class Control:
    """The running daemon's answers to the commands."""

    name = "control"

    def __init__(
        self,
        socket: Path,
        targets: Targets,
        clock: Clock,
        exporters: Exporters,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.collector: Collector | None = None
        self._clock = clock
        self._exporters = exporters
        self._sleep = sleep
        self._server = ControlServer(socket, targets, self._handlers())
        self._health = Health(self.name, "starting")
        self._under_way: dict[str, asyncio.Task[Mapping[str, object]]] = {}

    def on_reading(self, reading: Reading) -> None:
        """Nothing to keep: the pollers hold the newest readings."""

    async def run(self) -> None:
        """Serve; a socket that cannot be made, or was removed, is tried again."""
        while True:
            try:
                await self._server.run(self._works)
            except OSError as error:
                self._trouble(
                    f"The control socket cannot be opened ({error}), so the commands cannot use "
                    "this daemon's connection. Check storage.directory. It is tried again."
                )
                await self._sleep(_RETRY_SECONDS)
            else:
                self._trouble("The control socket was removed; it is made anew.")

    def health(self) -> Health:
        """Whether commands reach the daemon."""
        return self._health

    def _works(self) -> None:
        if self._health.message:
            log.info("The control socket is open.")
        self._health = Health(self.name, "ok")

    def _trouble(self, message: str) -> None:
        if message != self._health.message:
            log.warning("%s", message)
        self._health = replace(self._health, state="waiting", message=message)

    def _handlers(self) -> dict[str, Handler]:
        return {
            "run-once": lambda: self._shared("run-once", self._run_once),
            "readings": self._readings,
            "test-connection": lambda: self._shared("test-connection", self._test),
            "get-inverter-info": self._info,
            "write-down": self._write_down,
            **{f"forget-{what}": partial(self._forget, what) for what in FORGETTABLE},
            "rejected": lambda: self._exporters.rejected(),
            "rejected-again": lambda: self._exporters.rejected(again=True),
        }

    async def _shared(
        self, name: str, work: Callable[[], Awaitable[Mapping[str, object]]]
    ) -> Mapping[str, object]:
        """One piece of work for all who ask for it while it is under way."""

        async def carry_out() -> Mapping[str, object]:
            return await work()

        task = self._under_way.get(name)
        if task is None or task.done():
            task = self._under_way[name] = asyncio.create_task(carry_out())
        return await asyncio.shield(task)

    def _pollers(self) -> Sequence[Poller]:
        return self.collector.pollers if self.collector else ()

    async def _run_once(self) -> answers.ReadingsAnswer:
        found = await asyncio.gather(*(one.scan(complete=True) for one in self._pollers()))
        return answers.of_readings(chain.from_iterable(found))

    async def _readings(self) -> answers.ReadingsAnswer:
        services = self.collector.services if self.collector else ()
        health = [one.health() for one in services if one is not self]
        newest = chain.from_iterable(poller.newest for poller in self._pollers())
        return answers.of_readings(newest, self._clock.now(), health)

    async def _test(self) -> answers.ConnectionsAnswer:
        return {"inverters": list(await asyncio.gather(*(p.test() for p in self._pollers())))}

    async def _info(self) -> answers.InvertersAnswer:
        return {"inverters": [one.inverter.info() for one in self._pollers()]}

    async def _forget(self, what: str) -> answers.ForgottenAnswer:
        return await forget(self._pollers(), what)

    async def _write_down(self) -> Mapping[str, object]:
        await self._exporters.write_down()
        return {}
