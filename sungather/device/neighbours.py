"""Who is known to be on the network before anybody is connected to.

The kernel's table of neighbours has hardware addresses, and those of Sungrow begin alike. WiNet-S
dongles announce themselves by multicast DNS with their inverter's type, serial number and model.
Asking takes one ordinary UDP socket: answers to it come by unicast (RFC 6762, 6.7).
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sungather import mdns
from sungather.strangers import fit_to_show

SUNGROW_MAC: Final = "ac:19:9f"
SERVICE: Final = mdns.name_of("_http._tcp.local")
WINET: Final = "winet-webserver"
"""So the names of dongles' instances begin, in any case."""
_HOST: Final = "sungrow"
_ASK_AT: Final = (0.0, 0.7)
_TABLE: Final = Path("/proc/net/arp")


@dataclass(frozen=True, slots=True)
class Announced:
    """What a dongle says of itself without being connected to."""

    host: str
    dongle: str = ""
    """"WiNet-S"."""
    model: str = ""
    serial: str = ""
    """Model and serial number of its inverter."""


def by_hardware_address(table: Path = _TABLE) -> set[str]:
    """Addresses of neighbours with Sungrow's prefix; none where the table cannot be read."""
    try:
        lines = table.read_text("ascii", "replace").splitlines()[1:]
    except OSError:
        return set()
    rows = (line.split() for line in lines)
    return {row[0] for row in rows if len(row) > 3 and row[3].lower().startswith(SUNGROW_MAC)}


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
