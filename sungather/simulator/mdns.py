"""What a WiNet-S says of itself by multicast DNS: all records in one answer, byte by byte."""

import asyncio
import socket
import struct
from typing import cast

_GROUP, _PORT = "224.0.0.251", 5353


def answer(question: bytes, host: str, *, code: int, serial: str, model: str) -> bytes:
    """The answer of a dongle at `host`, with the inverter's type code, serial number and model."""
    service = _name("_http", "_tcp", "local")
    instance = _name("WiNet-WebServer", "_http", "_tcp", "local")
    machine = _name("SUNGROWB2300000001", "local")
    texts = (
        "board=SUNGROW;1;WiNet-S;B2300000001;1;",
        f"inverter=1;{code};{serial};1;516;{model};1;1;",
    )
    records = (
        (service, 12, instance),
        (instance, 33, struct.pack(">HHH", 0, 0, 80) + machine),
        (instance, 16, b"".join(bytes([len(one)]) + one.encode() for one in texts)),
        (machine, 1, socket.inet_aton(host)),
    )
    out = question[:2] + struct.pack(">5H", 0x8400, 0, len(records), 0, 0)
    for name, kind, data in records:
        out += name + struct.pack(">HHIH", kind, 1, 120, len(data)) + data
    return out


def _name(*labels: str) -> bytes:
    return b"".join(bytes([len(one)]) + one.encode() for one in labels) + b"\0"


class Announcer(asyncio.DatagramProtocol):
    """Answers everybody who asks for web servers, by unicast."""

    def __init__(self, host: str, *, code: int, serial: str, model: str) -> None:
        self.host = host
        self.asked = 0
        """Questions that were answered."""
        self._facts = code, serial, model
        self._transport: asyncio.DatagramTransport | None = None

    async def listen(self, port: int = _PORT) -> int:
        """Join the group on the interface of `host`; the port that it listens on."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("", port))
        both = socket.inet_aton(_GROUP) + socket.inet_aton(self.host)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, both)
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, sock=sock)
        return cast(int, sock.getsockname()[1])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """What asyncio calls first."""
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer a question for web servers."""
        if self._transport is None or _name("_http", "_tcp", "local") not in data:
            return
        code, serial, model = self._facts
        self.asked += 1
        said = answer(data, self.host, code=code, serial=serial, model=model)
        self._transport.sendto(said, addr)

    def close(self) -> None:
        """Be silent from now on."""
        if self._transport is not None:
            self._transport.close()
