"""`sungather discover`: finds Sungrow devices on private networks, politely.

A host gets one look: Modbus on port 502, and only if that is no cable to an inverter the ports of
a WiNet-S. Nothing is logged in to. Public networks are refused, and the rate is bounded.
"""

import asyncio
import contextlib
import ipaddress
import socket
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, IPv4Network

from sungather import errors
from sungather.device.advice import connection_advice
from sungather.device.identify import Identity, identify_inverter
from sungather.reading import Path
from sungather.transports import Transport
from sungather.transports.modbus import ModbusTransport

MODBUS_PORT = 502
WEB_PORTS = (443, 8082)
LARGEST = 1024
"""Addresses in one network; more would take minutes and is hardly a home's."""
PRIVATE = tuple(
    IPv4Network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "127.0.0.0/8")
)
"""RFC 1918, RFC 3927 (link-local), and the machine itself."""
_UNITS = (1, 2)  # the second inverter of a cascade answers on 2, and only there

Report = Callable[[int, int], None]
"""Called with the hosts looked at so far, and how many there are."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How politely to look."""

    at_once: int = 32
    """Hosts looked at at the same time."""
    per_second: float = 50.0
    """Connections opened, at most."""
    patience: float = 1.0
    """Seconds for a connection to open."""
    answer: float = 4.0
    """Seconds for an answer."""


@dataclass(frozen=True, slots=True)
class Found:
    """A Sungrow device, and the options to read it."""

    host: str
    connection: str
    """"modbus", "sungrow" or "http"."""
    unit: int
    model: str
    """"" if the device does not say before a login."""
    serial: str
    path: Path
    what: str
    """What answered, for a person."""
    why: str
    """Why this connection is the best of those that answer there."""
    display_model: str = ""
    """All models that the device may be, for a person; "" if `model` is all that is known."""


def networks_of(texts: Iterable[str]) -> tuple[IPv4Network, ...]:
    """Networks in CIDR form.

    Raises:
        OptionsError: A sentence for each network that is refused.
    """
    networks: list[IPv4Network] = []
    problems: list[str] = []
    for text in texts:
        try:
            network = ipaddress.ip_network(text.strip(), strict=False)
        except ValueError:
            problems.append(f"{text!r} is not a network. Write it like 192.168.1.0/24.")
            continue
        if not isinstance(network, IPv4Network):
            problems.append(f"{text} is IPv6, which is too large to look through.")
        elif not any(network.subnet_of(private) for private in PRIVATE):
            problems.append(
                f"{text} is not a private network; only private networks can be scanned."
            )
        elif network.num_addresses > LARGEST:
            problems.append(
                f"{text} has {network.num_addresses} addresses; at most {LARGEST} are looked "
                f"through (a /22). Give the part in which the inverter is."
            )
        else:
            networks.append(network)
    if problems:
        raise errors.OptionsError(problems)
    return tuple(networks)


def own_networks() -> tuple[IPv4Network, ...]:
    """The private networks that this machine is in; of a large one the /24 around the machine."""
    found: dict[IPv4Network, None] = {}
    for address, mask in _interface_addresses():
        network = IPv4Network(f"{address}/{mask}", strict=False)
        if address.is_loopback or not any(network.subnet_of(private) for private in PRIVATE):
            continue
        if network.num_addresses > LARGEST:
            network = IPv4Network(f"{address}/24", strict=False)
        if network.num_addresses > 1:
            found[network] = None
    return tuple(found)


def _interface_addresses() -> list[tuple[IPv4Address, IPv4Address]]:
    """Address and net mask of each interface that has them, from the kernel."""
    try:
        import fcntl
    except ImportError:  # not a Unix: there the network must be given
        return []
    get_address, get_mask = 0x8915, 0x891B
    found: list[tuple[IPv4Address, IPv4Address]] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        for _, name in socket.if_nameindex():
            request = struct.pack("256s", name.encode()[:15])
            try:
                answers = [fcntl.ioctl(asker, what, request) for what in (get_address, get_mask)]
            except OSError:
                continue  # an interface without an IPv4 address
            found.append((IPv4Address(answers[0][20:24]), IPv4Address(answers[1][20:24])))
    return found


async def discover(
    networks: Sequence[IPv4Network], report: Report | None = None, pace: Pace | None = None
) -> list[Found]:
    """Look at every host of the networks; what was found, in the order of addresses."""
    search = _Search(pace or Pace())
    hosts = sorted({host for network in networks for host in network.hosts()})
    done = 0

    async def look(host: IPv4Address) -> list[Found]:
        nonlocal done
        async with search.turn:
            found = await search.look(str(host))
        done += 1
        if report is not None:
            report(done, len(hosts))
        return found

    return [one for found in await asyncio.gather(*map(look, hosts)) for one in found]


class _Search:
    def __init__(self, pace: Pace) -> None:
        self.turn = asyncio.Semaphore(pace.at_once)
        self._pace = pace
        self._next = 0.0

    async def look(self, host: str) -> list[Found]:
        """One host. A host that is no Sungrow device, whatever it does, is simply not found."""
        try:
            found = await self._modbus(host)
        except errors.NoRoute:
            return []
        if found is not None and found.path is Path.CABLE:
            return [found]
        web = await self._web(host, found)
        return [one for one in (web or found,) if one is not None]

    async def _modbus(self, host: str) -> Found | None:
        """What answers Modbus.

        Raises:
            NoRoute: There is nothing at the address.
        """
        transport = ModbusTransport(host, MODBUS_PORT, self._pace.answer)
        try:
            if not await self._connects(transport):
                return None
            for unit in _UNITS:
                with contextlib.suppress(errors.Silent):
                    identity = await identify_inverter(
                        partial(transport.read, unit=unit), transport.name
                    )
                    return _found(host, transport, unit, identity)
        except (errors.NotModbus, errors.ConnectionLost):
            pass
        except errors.InverterError:
            return None
        finally:
            await transport.close()
        return await self._encrypted(host)

    async def _encrypted(self, host: str) -> Found | None:
        """Silent or broken off in plain Modbus: perhaps it wants encryption."""
        from sungather.transports.sungrow import SungrowTransport  # for the few that need it

        await self._wait()
        transport = SungrowTransport(host, MODBUS_PORT, self._pace.answer)
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
            transport = WinetTransport(host, port, self._pace.answer, memory={}, login=False)
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

    async def _connects(self, transport: ModbusTransport) -> bool:
        await self._wait()
        try:
            async with asyncio.timeout(self._pace.patience):
                await transport.connect()
        except (TimeoutError, errors.PortClosed, errors.ConnectionLost):
            return False
        return True

    async def _listens(self, host: str, port: int) -> bool:
        await self._wait()
        try:
            async with asyncio.timeout(self._pace.patience):
                _, writer = await asyncio.open_connection(host, port)
        except OSError:
            return False
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return True

    async def _wait(self) -> None:
        """Until the next connection may be opened."""
        clock = asyncio.get_running_loop().time
        mine = max(self._next, clock())
        self._next = mine + 1 / self._pace.per_second
        await asyncio.sleep(mine - clock())


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


def options_text(found: Sequence[Found]) -> str:
    """Options to paste: of one device the short form, of several `inverters.NAME`.

    Of two endpoints of one inverter (the same serial number) only the better one is not a comment.
    """
    best = _best_endpoints(found)
    lines: list[str] = []
    if len(best) == 1:
        lines += ["inverter:", *_lines(best[0], "  ")]
    elif best:
        lines.append("inverters:")
        names: set[str] = set()
        for one in best:
            name = _free_name(one, names)
            lines += [f"  {name}:", *_lines(one, "    ")]
    lines += [
        f"# {one.host} is another way to {one.display_model or one.model} {one.serial}, "
        f"with connection {one.connection}."
        for one in found
        if one not in best
    ]
    return "".join(f"{line}\n" for line in lines)


def _best_endpoints(found: Sequence[Found]) -> list[Found]:
    order = {Path.CABLE: 0, Path.DONGLE: 2, Path.UNKNOWN: 1}
    best: dict[str, Found] = {}
    for one in sorted(found, key=lambda each: order[each.path]):
        best.setdefault(one.serial or one.host, one)
    return [one for one in found if one in best.values()]


def _lines(one: Found, indent: str) -> list[str]:
    who = ", ".join(
        text for text in (one.display_model or one.model, one.serial, one.what) if text
    )
    lines = [f"# {who}", f"host: {one.host}"]
    if one.connection != "modbus":
        lines.append(f"connection: {one.connection}")
    if one.unit != 1:
        lines.append(f"unit: {one.unit}")
    return [indent + line for line in lines]


def _free_name(one: Found, taken: set[str]) -> str:
    letters = (c if c.isascii() and c.isalnum() else "-" for c in one.model.lower())
    words = [word for word in "".join(letters).split("-") if word]
    wanted = "-".join(words)[:30].strip("-") or "inverter"
    name, number = wanted, 1
    while name in taken:
        number += 1
        name = f"{wanted}-{number}"
    taken.add(name)
    return name
