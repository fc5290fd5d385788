"""`sungather discover`: finds Sungrow devices on private networks, politely.

First come those who are known to be there: by their hardware address, and dongles that say who
they are (`neighbours.py`). Then every address is asked for port 502; other ports only where one is
known or answers. A host gets one short session at a time. Nothing is logged in to. Public networks
are refused, and the number of sockets is bounded.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import IPv4Network

from sungather import errors
from sungather.device.advice import connection_advice
from sungather.device.found import Found
from sungather.device.identify import (
    CLUSTER_UNITS,
    LOGGER,
    MANAGER_PLATE,
    MANAGER_UNIT,
    Identity,
    identify_inverter,
    identify_manager,
)
from sungather.device.neighbours import Announced, by_hardware_address, listen
from sungather.device.networks import interface_addresses
from sungather.reading import Path
from sungather.transports import Transport
from sungather.transports.factory import HOME_MANAGER_PORTS
from sungather.transports.modbus import ModbusTransport
from sungather.transports.tls_port import is_open

MODBUS_PORT = 502
WEB_PORTS = (443, 8082)
_BESIDE = 1.5
"""Seconds for an answer of a unit other than 1."""

_LATER = 5.0

Report = Callable[[int, int], None]
"""Called with the hosts looked at so far, and how many there are."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How politely to look."""

    at_once: int = 256
    """Sockets that are open at the same time."""
    patience: float = 1.3
    """Seconds for a connection to open; the kernel knocks a second time after one."""
    answer: float = 4.0
    """Seconds for an answer."""
    listen: float = 1.5
    """Seconds for dongles to say who they are."""


async def discover(
    networks: Sequence[IPv4Network],
    report: Report | None = None,
    pace: Pace | None = None,
    on_found: Callable[[Found], None] | None = None,
) -> list[Found]:
    """Look at every host of the networks; what was found, in the order of addresses.

    Those come first that are known to be there: `on_found` is called as soon as one is.
    """
    search = _Search(pace or Pace(), on_found)
    hosts = sorted({host for network in networks for host in network.hosts()})
    texts = {str(host) for host in hosts}
    looks: dict[str, asyncio.Task[list[Found]]] = {}
    done = 0

    def begin(host: str) -> None:
        if host in texts and host not in looks:
            looks[host] = asyncio.create_task(search.look(host))
            looks[host].add_done_callback(count)

    def count(_: object) -> None:
        nonlocal done
        done += 1
        if report is not None:
            report(done, len(hosts))

    def announced(one: Announced) -> None:
        if one.host in texts:
            search.announced(one)
            begin(one.host)

    own = [str(address) for address, _ in interface_addresses() if not address.is_loopback]
    listening = asyncio.create_task(listen(announced, search.pace.listen, own))
    try:
        for host in sorted(by_hardware_address()):
            search.known.add(host)
            begin(host)
        await asyncio.sleep(0)  # those first
        for host in hosts:
            begin(str(host))
        await asyncio.gather(*looks.values())
        await listening
    finally:
        for task in (listening, *looks.values()):
            task.cancel()
    found = {str(host): looks[str(host)].result() for host in hosts}
    return [search.named(one) for host in found for one in found[host] or search.said(host)]


class _Search:
    def __init__(self, pace: Pace, on_found: Callable[[Found], None] | None) -> None:
        self.pace = pace
        self.known: set[str] = set()
        """Addresses of what is known to be Sungrow's."""
        self._sockets = asyncio.Semaphore(pace.at_once)
        self._announced: dict[str, Announced] = {}
        self._on_found = on_found

    def announced(self, one: Announced) -> None:
        """Take note of what a dongle says of itself."""
        self.known.add(one.host)
        self._announced[one.host] = one
        if self._on_found is not None:
            for found in self.said(one.host):
                self._on_found(found)

    def said(self, host: str) -> list[Found]:
        """What a dongle says of itself, as what was found."""
        if (one := self._announced.get(host)) is None:
            return []
        advice = connection_advice("http", Path.DONGLE, web_api=True)
        what = f"{one.dongle or 'WiNet-S'} dongle"
        found = Found(host, "http", 1, one.model, one.serial, Path.DONGLE, what, advice.why)
        return [found]

    def named(self, found: Found) -> Found:
        """With what its dongle says of the inverter, where nothing else has told it."""
        if found.serial or (one := self._announced.get(found.host)) is None:
            return found
        return replace(found, model=found.model or one.model, serial=one.serial)

    async def look(self, host: str) -> list[Found]:
        """One host. A host that is no Sungrow device, whatever it does, is simply not found."""
        async with self._sockets:
            found = await self._look(host)
        if found is None:
            return []
        if self._on_found is not None and host not in self._announced:
            self._on_found(found)
        return [found]

    async def _look(self, host: str) -> Found | None:
        there, found = await self._modbus(host)
        if found is not None and (found.path is Path.CABLE or found.unit == MANAGER_UNIT):
            return found
        if not there and host not in self.known:
            return None
        found = await self._web(host, found) or found
        if found is None and self._is_known(host) and await is_open(host):
            why = "Port 516 is open and 502 is not: encrypted Modbus, which is experimental here."
            said = self._announced.get(host, Announced(host))
            facts = said.model, said.serial, Path.UNKNOWN
            return Found(host, "modbus-tls", 1, *facts, "encrypted Modbus alone", why)
        return found

    async def _modbus(self, host: str) -> tuple[bool, Found | None]:
        """Whether somebody is at the address, and what answers Modbus there."""
        # Whoever gives up a unit before the transport does keeps the session for the next.
        transport = ModbusTransport(host, MODBUS_PORT, self.pace.answer + _LATER)
        try:
            connects = await self._connects(transport)
            if connects is None:
                return False, None
            if not connects:
                return True, await self._home_manager(host)
            found = await self._units(host, transport)
        except (errors.NotModbus, errors.ConnectionLost):
            found = None
        except errors.InverterError:
            return True, None
        finally:
            await transport.close()
        return True, found or await self._encrypted(host)

    async def _units(self, host: str, transport: ModbusTransport) -> Found | None:
        """Who answers on the usual units, in one session; None if all are silent.

        Raises:
            NotSungrow: Somebody else does.
        """
        trouble: errors.InverterError | None = None
        gateway = False
        first = (1, MANAGER_UNIT)
        for unit in (*first, *CLUSTER_UNITS):
            if unit not in first and not (gateway or self._is_known(host)):
                break
            read = partial(transport.read, unit=unit)
            with contextlib.suppress(TimeoutError, errors.Silent):
                try:
                    async with asyncio.timeout(self.pace.answer if unit == 1 else _BESIDE):
                        if unit == MANAGER_UNIT:
                            return await self._manager(host, transport)
                        identity = await identify_inverter(read, transport.name)
                        return _found(host, transport, unit, identity)
                except errors.Busy:
                    gateway = True
                except (errors.Refused, errors.NotSungrow) as error:
                    trouble = error
        if trouble is not None:
            raise errors.NotSungrow(str(trouble))
        return None

    def _is_known(self, host: str) -> bool:
        """Whether it is Sungrow's: by now the kernel knows its hardware address."""
        return host in self.known or host in by_hardware_address()

    async def _manager(self, host: str, transport: ModbusTransport) -> Found:
        """A home manager or a logger.

        Raises:
            InverterError: There is none.
        """
        behind = (await transport.read(MANAGER_PLATE, MANAGER_UNIT))[5]
        identity = await identify_manager(partial(transport.read, unit=MANAGER_UNIT))
        found = _found(host, transport, MANAGER_UNIT, identity)
        logger = identity.device.family == LOGGER
        what = "logger" if logger else "home manager"
        why = "It tells the plant's figures; the inverters behind it are read over it, too."
        if not logger:
            why = "It tells grid, house and battery; read each inverter at its own address, too."
        return replace(found, what=what, why=why, behind=behind if logger else 0)

    async def _home_manager(self, host: str) -> Found | None:
        """A home manager whose first port is closed."""
        for port in HOME_MANAGER_PORTS:
            transport = ModbusTransport(host, port, self.pace.answer)
            try:
                if await self._connects(transport):
                    return await self._manager(host, transport)
            except errors.InverterError:
                continue
            finally:
                await transport.close()
        return None

    async def _encrypted(self, host: str) -> Found | None:
        """Silent or broken off in plain Modbus: perhaps it wants encryption."""
        from sungather.transports.sungrow import SungrowTransport  # for the few that need it

        transport = SungrowTransport(host, MODBUS_PORT, self.pace.answer)
        try:
            identity = await identify_inverter(partial(transport.read, unit=1), transport.name)
        except errors.InverterError:
            return None
        finally:
            await transport.close()
        return _found(host, transport, 1, identity) if transport.encrypted else None

    async def _web(self, host: str, known: Found | None) -> Found | None:
        """The web interface of a WiNet-S, which says what it is before any login."""
        ports = [port for port in WEB_PORTS if await self._listens(host, port)]
        if not ports:
            return None
        from sungather.transports.winet import WinetTransport  # needs TLS and more

        for port in ports:
            transport = WinetTransport(host, port, self.pace.answer, memory={}, login=False)
            try:
                await transport.connect()
                generation = transport.generation
                inverters = [one for one in transport.devices if one.type in (21, 35)]
            except errors.InverterError:
                continue
            finally:
                await transport.close()
            first = inverters[0] if inverters else None
            advice = connection_advice("http", Path.DONGLE, web_api=True)
            return Found(
                host=host,
                connection=advice.connection,
                unit=first.id if first else known.unit if known else 1,
                model=first.model if first else known.model if known else "",
                serial=first.serial if first else known.serial if known else "",
                path=Path.DONGLE,
                what=f"{generation} dongle" if generation else "dongle",
                why=advice.why,
            )
        return None

    async def _connects(self, transport: ModbusTransport) -> bool | None:
        """Whether the port is open; None if there is nobody at the address."""
        try:
            async with asyncio.timeout(self.pace.patience):
                await transport.connect()
        except (errors.PortClosed, errors.ConnectionLost):
            return False
        except (TimeoutError, errors.Unreachable):
            return None
        return True

    async def _listens(self, host: str, port: int) -> bool:
        return await is_open(host, port, self.pace.patience)


def _found(host: str, transport: Transport, unit: int, identity: Identity) -> Found:
    encrypted = transport.name == "sungrow"
    path = Path.DONGLE if encrypted else identity.device.path
    advice = connection_advice(transport.name, path, encrypted=encrypted, web_api=False)
    return Found(
        host=host,
        connection=advice.connection,
        unit=unit,
        model=identity.device.model,
        display_model=identity.device.display_model,
        serial=identity.serial,
        path=path,
        what="inverter" if path is Path.CABLE else f"inverter, path {path}",
        why=advice.why,
    )
