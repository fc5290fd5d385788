"""Finds an inverter again by its serial number, where a router has given it another address.

Only inverters are looked for whose `find-again` is on: their host may then be one that nobody
typed. The new address stands in the state directory, beside the host of the options that it stands
for, until that option changes; the options themselves stay as they are.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from ipaddress import IPv4Network
from typing import NamedTuple

from sungather import errors
from sungather.back_off import Sleep
from sungather.clock import Clock
from sungather.daemon.dongle_memory import DongleMemories
from sungather.device.inverter import Inverter
from sungather.options.all_options import InverterOptions
from sungather.options.configuration import Configuration
from sungather.reading import Path, State
from sungather.service import SimpleService
from sungather.storage import Storage

log = logging.getLogger(__name__)

WAITS = (300.0, 900.0, 3600.0)
"""Seconds of silence before the first look through the network, and between further ones."""
LOOK_EVERY = 10.0
_FILE = "found-again"
_LOST = frozenset({State.UNREACHABLE, State.NOT_AN_INVERTER})
_NETWORK_BITS = 24


class FoundPlace(NamedTuple):
    """Where an inverter is."""

    host: str
    path: Path


Look = Callable[[Sequence[IPv4Network]], Awaitable[Mapping[str, FoundPlace]]]
"""Looks through networks; serial number -> where that inverter is."""


def at_found_addresses(configuration: Configuration, storage: Storage) -> Configuration:
    """The options with the addresses that were found in the place of those that were given."""
    found = storage.load(_FILE)

    def moved(one: InverterOptions) -> InverterOptions:
        host = found.get(one.host.lower())
        return replace(one, host=host) if one.find_again and isinstance(host, str) else one

    return replace(configuration, inverters=tuple(map(moved, configuration.inverters)))


class FindAgain(SimpleService):
    """Watches for inverters that nobody answers for, and looks for them."""

    name = "find-again"

    def __init__(
        self,
        given: Sequence[InverterOptions],
        storage: Storage,
        clock: Clock,
        moved: Callable[[], None],
        look: Look | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """`given`: the inverters as the options have them.

        `moved` is called when one was found at another address, which is written down by then.
        """
        self.inverters: Sequence[Inverter] = ()
        """Those that are read, in the order of `given`."""
        self._given = given
        self._storage = storage
        self._clock = clock
        self._moved = moved
        self._look = look or _look
        self._sleep = sleep
        self._next_look: dict[str, float] = {}
        """Inverter -> when it is looked for."""
        self._looks: dict[str, int] = {}

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await self._sleep(LOOK_EVERY)
            await self.round()

    async def round(self) -> None:
        """Look for all that have been silent for long enough."""
        due: dict[str, tuple[InverterOptions, Inverter]] = {}
        now = self._clock.monotonic()
        for given, inverter in zip(self._given, self.inverters, strict=True):
            name, serial = given.name, inverter.serial
            if not given.find_again or not serial or inverter.newest.state not in _LOST:
                self._next_look.pop(name, None)
                self._looks.pop(name, None)
            elif now >= self._next_look.setdefault(name, now + WAITS[0]):
                self._looks[name] = self._looks.get(name, 0) + 1
                wait = WAITS[min(self._looks[name], len(WAITS) - 1)]
                self._next_look[name] = now + wait
                due[serial] = given, inverter
        if due:
            await self._look_for(due)

    async def _look_for(self, lost: Mapping[str, tuple[InverterOptions, Inverter]]) -> None:
        names = ", ".join(given.name for given, _ in lost.values())
        log.info("Looking for %s in the network, by serial number.", names)
        try:
            there = await self._look(_networks(one.options.host for _, one in lost.values()))
        except (OSError, errors.SungatherError) as error:
            log.warning("Looking for %s failed: %s", names, error)
            return
        has_moved = False
        for serial, (given, inverter) in lost.items():
            now = inverter.options
            host, path = there.get(serial, FoundPlace(now.host, Path.UNKNOWN))
            if host == now.host:
                continue
            if path is Path.DONGLE and inverter.cabled:
                log.warning(
                    "%s (%s) was read over a cable at %s, where nobody answers. Its dongle is at "
                    "%s; it is not read there, for a cable tells more. Check the cable.",
                    *(given.name, serial, now.host, host),
                )
                continue
            log.warning(
                "%s (%s) was at %s and is found at %s, where it is read from now on. Write that "
                "address into the options, and have the router keep it.",
                *(given.name, serial, now.host, host),
            )
            # Whoever says the serial number there must show the same certificate as well.
            memories = DongleMemories(self._storage)
            memories.of(replace(given, host=host)).update(memories.of(now))
            kept = {**self._storage.load(_FILE), given.host.lower(): host}
            self._storage.save(_FILE, kept)
            has_moved = True
        if has_moved:
            self._moved()


def _networks(hosts: Iterable[str]) -> tuple[IPv4Network, ...]:
    """The machine's own networks, and those around the addresses that were lost."""
    from sungather.device.networks import PRIVATE, own_networks  # only where one is lost

    found = dict.fromkeys(own_networks())
    for host in hosts:
        try:
            around = IPv4Network(f"{host}/{_NETWORK_BITS}", strict=False)
        except ValueError:  # a name
            continue
        is_known = any(around.overlaps(network) for network in found)
        if not is_known and any(around.subnet_of(private) for private in PRIVATE):
            found[around] = None
    return tuple(found)


async def _look(networks: Sequence[IPv4Network]) -> dict[str, FoundPlace]:
    """Serial number -> place; a cable goes before the dongle of the same inverter."""
    from sungather.device.discover import discover  # only where one is lost

    found = sorted(await discover(networks), key=lambda one: one.path is not Path.CABLE)
    there: dict[str, FoundPlace] = {}
    for one in found:
        there.setdefault(one.serial, FoundPlace(one.host, one.path))
    return there
