"""Who is known to be on the network before anybody is connected to.

The kernel's table of neighbours has hardware addresses, and those of Sungrow begin alike. WiNet-S
dongles announce themselves by multicast DNS with their inverter's type, serial number and model.
Asking takes one ordinary UDP socket: answers to it come by unicast (RFC 6762, 6.7).
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sungather import mdns
from sungather.untrusted import fit_to_show

SUNGROW_MAC: Final = bytes.fromhex("ac199f")
SERVICE: Final = mdns.name_of("_http._tcp.local")
WINET: Final = "winet-webserver"
"""So the names of dongles' instances begin, in any case."""
_HOST: Final = "sungrow"
_ASK_AT: Final = (0.0, 0.7)
_KERNEL_ANSWERS: Final = 0.5
_MOST_PARTS: Final = 64
_ERROR, _DONE, _NEIGHBOUR = 2, 3, 28
"""NLMSG_ERROR, NLMSG_DONE, RTM_NEWNEIGH."""
_ADDRESS, _HARDWARE = 1, 2
"""NDA_DST and NDA_LLADDR."""
_NDMSG: Final = 12
_ALL_NEIGHBOURS: Final = struct.pack(
    "=IHHIIBBHiHBB",
    *(16 + _NDMSG, 30, 0x0301, 1, 0),  # RTM_GETNEIGH, NLM_F_REQUEST | NLM_F_DUMP
    *(socket.AF_INET, 0, 0, 0, 0, 0, 0),
)


@dataclass(frozen=True, slots=True)
class Announced:
    """What a dongle says of itself without being connected to."""

    host: str
    dongle: str = ""
    """"WiNet-S"."""
    model: str = ""
    serial: str = ""
    """Model and serial number of its inverter."""


def by_hardware_address() -> set[str]:
    """IPv4 addresses of neighbours with Sungrow's prefix; none where the kernel does not tell.

    It is asked by netlink (rtnetlink(7)): a strictly confined snap may not read /proc/net/arp.
    """
    if not hasattr(socket, "AF_NETLINK"):  # not Linux
        return set()
    found: set[str] = set()
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
            kernel.settimeout(_KERNEL_ANSWERS)
            kernel.send(_ALL_NEIGHBOURS)
            for _ in range(_MOST_PARTS):
                part = kernel.recv(65536)
                found |= sungrows(part)
                if any(kind in (_DONE, _ERROR) for kind, _ in _messages(part)):
                    break
    except OSError:
        pass
    return found


def sungrows(part: bytes) -> set[str]:
    """Addresses with Sungrow's prefix in a part of the kernel's list of neighbours."""
    found: set[str] = set()
    for kind, message in _messages(part):
        if kind == _NEIGHBOUR:
            attributes = dict(_attributes(message[_NDMSG:]))
            address, hardware = attributes.get(_ADDRESS, b""), attributes.get(_HARDWARE, b"")
            if len(address) == 4 and hardware.startswith(SUNGROW_MAC):
                found.add(socket.inet_ntoa(address))
    return found


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and content of each netlink message."""
    while len(data) >= 16:
        length, kind = struct.unpack_from("=IH", data)
        if length < 16:
            return
        yield kind, data[16:length]
        data = data[_aligned(length) :]


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and content of each routing attribute of a message."""
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        if length < 4:
            return
        yield kind, data[4:length]
        data = data[_aligned(length) :]


def _aligned(length: int) -> int:
    return (length + 3) // 4 * 4


async def listen(
    found: Callable[[Announced], None],
    seconds: float,
    interfaces: Sequence[str] = (),
    port: int = mdns.PORT,
) -> None:
    """Ask all dongles who they are, and hand on each that says so, once.

    `interfaces` are our addresses from which to ask. Where nothing can be sent, nothing is found.
    """
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.bind(("", 0))
        question = mdns.Question(SERVICE, mdns.PTR, unicast=True)
        query = mdns.written(mdns.Message(questions=(question,)))
        told: set[str] = set()

        async def ask() -> None:
            for at in _ASK_AT:
                await asyncio.sleep(at)
                for one in interfaces:
                    with contextlib.suppress(OSError):
                        own = socket.inet_aton(one)
                        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, own)
                        await loop.sock_sendto(sock, query, (mdns.GROUP, port))

        asking = asyncio.create_task(ask())
        try:
            async with asyncio.timeout(seconds):
                while True:
                    data, (host, *_) = await loop.sock_recvfrom(sock, 9000)
                    one = announced(data, host)
                    if one is not None and one.host not in told:
                        told.add(one.host)
                        found(one)
        except (TimeoutError, OSError):
            pass
        finally:
            asking.cancel()


def announced(data: bytes, sender: str) -> Announced | None:
    """The dongle that a packet tells of; None if it tells of none."""
    try:
        message = mdns.parsed(data)
    except ValueError:
        return None
    instances = [
        one.target
        for one in message.records
        if one.type == mdns.PTR and mdns.lower(one.name) == SERVICE and one.target
    ]
    texts: dict[str, str] = {}
    host = sender
    is_dongle = any(name[0].lower().startswith((WINET, _HOST)) for name in instances)
    for record in message.records:
        if record.type == mdns.SRV and record.target:
            is_dongle = is_dongle or record.target[0].lower().startswith(_HOST)
        host = record.address or host
        for text in record.texts:
            key, _, value = text.partition("=")
            texts.setdefault(key.lower(), value)
    if not is_dongle:
        return None
    board, inverter = (texts.get(key, "").split(";") for key in ("board", "inverter"))
    return Announced(host, _part(board, 2), _part(inverter, 5), _part(inverter, 2))


def _part(parts: list[str], number: int) -> str:
    return fit_to_show(parts[number], longest=40) if len(parts) > number else ""
