"""The page announces itself by multicast DNS, so that phones and programs find it.

It answers who asks for web servers, or for SunGather, in the same network, and says good-bye.
"""

import asyncio
import contextlib
import logging
import socket
from dataclasses import replace
from typing import Final

import sungather
from sungather import mdns
from sungather.mdns import DnsRecord, Message
from sungather.service import Health, SimpleService

log = logging.getLogger(__name__)

SERVICES: Final = tuple(map(mdns.name_of, ("_http._tcp.local", "_sungather._tcp.local")))
_ALL: Final = mdns.name_of("_services._dns-sd._udp.local")
_AGAIN: Final = 60.0


class PageAnnouncement(SimpleService):
    """Answers questions for the page at `port`; a `Service`."""

    name = "announcement"

    def __init__(self, port: int, machine: str = "", mdns_port: int = mdns.PORT) -> None:
        self._port = port
        self._mdns_port = mdns_port
        self._machine = (machine or socket.gethostname()).partition(".")[0] or "sungather"
        self._health = Health(self.name, "starting")
        self.opened = asyncio.Event()
        """Set once questions are heard."""

    def health(self) -> Health:
        """Whether it is announced."""
        return self._health

    async def run(self) -> None:
        """Answer until cancelled; where the port cannot be had, it is tried again."""
        while True:
            try:
                await self._answer_all()
            except OSError as error:
                sentence = f"The page cannot be announced by multicast DNS ({error.strerror})."
                if self._health.message != sentence:
                    log.warning("%s It is tried again.", sentence)
                self._health = Health(self.name, "waiting", sentence)
                await asyncio.sleep(_AGAIN)

    async def _answer_all(self) -> None:
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            for option in (socket.SO_REUSEADDR, getattr(socket, "SO_REUSEPORT", 0)):
                if option:
                    sock.setsockopt(socket.SOL_SOCKET, option, 1)
            sock.bind(("", self._mdns_port))
            group = socket.inet_aton(mdns.GROUP) + socket.inet_aton("0.0.0.0")  # noqa: S104
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
            self._health = Health(self.name, "ok")
            self.opened.set()
            everybody = (mdns.GROUP, self._mdns_port)
            with contextlib.suppress(OSError):
                hello = replace(self.answer_to(_hello(), _own_address(mdns.GROUP)), number=0)
                await loop.sock_sendto(sock, mdns.written(hello), everybody)
            try:
                while True:
                    data, sender = await loop.sock_recvfrom(sock, 9000)
                    with contextlib.suppress(ValueError, OSError):
                        await self._answer(sock, data, sender)
            finally:
                with contextlib.suppress(OSError):
                    bye = self.answer_to(_hello(), _own_address(mdns.GROUP))
                    sock.sendto(mdns.written(bye, ttl=0), everybody)

    async def _answer(self, sock: socket.socket, data: bytes, sender: tuple[str, int]) -> None:
        """Answer a packet if it asks for us: by unicast whoever wants that."""
        message = mdns.parsed(data)
        answer = self.answer_to(message, _own_address(sender[0]))
        if message.is_answer or not answer.records:
            return
        simple = sender[1] != self._mdns_port
        alone = simple or all(one.unicast for one in message.questions)
        if not simple:
            answer = replace(answer, questions=(), number=0)
        to = sender if alone else (mdns.GROUP, self._mdns_port)
        await asyncio.get_running_loop().sock_sendto(sock, mdns.written(answer), to)

    def answer_to(self, message: Message, address: str) -> Message:
        """What there is to say to these questions; `address` is ours for the one who asks."""
        host = (f"sungather-{self._machine}", "local")
        records: dict[DnsRecord, None] = {}
        for question in message.questions:
            asked = mdns.lower(question.name)
            if asked == _ALL:
                records |= {DnsRecord(_ALL, mdns.PTR, target=one): None for one in SERVICES}
            for service in SERVICES:
                instance = (f"SunGather on {self._machine}", *service)
                if asked not in (service, mdns.lower(instance), mdns.lower(host)):
                    continue
                texts = ("path=/", "api=/api/v1", f"version={sungather.__version__}")
                records |= dict.fromkeys((
                    DnsRecord(service, mdns.PTR, target=instance),
                    DnsRecord(instance, mdns.SRV, target=host, port=self._port),
                    DnsRecord(instance, mdns.TXT, texts=texts),
                    DnsRecord(host, mdns.A, address=address),
                ))  # fmt: skip
        return Message(message.questions, tuple(records), is_answer=True, number=message.number)


def _hello() -> Message:
    return Message(tuple(mdns.Question(service, mdns.PTR) for service in SERVICES))


def _own_address(other: str) -> str:
    """Our address on the way to another one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((other, mdns.PORT))
        return str(sock.getsockname()[0])
