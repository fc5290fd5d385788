"""The page is found by multicast DNS where a person wants that."""

import asyncio
import socket
from pathlib import Path

from sungather import mdns
from sungather.clock import Clock
from sungather.daemon.assembly import page
from sungather.mdns import Message, Question, parsed, written
from sungather.options.configuration import load
from sungather.web.announce import SERVICES, PageAnnouncement


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def test_whoever_asks_for_web_servers_or_for_sungather_gets_address_and_port() -> None:
    one = PageAnnouncement(8080, "attic.lan")
    for service in SERVICES:
        said = one.answer_to(Message((Question(service, mdns.PTR),), number=7), "192.168.1.2")
        assert parsed(written(said)) == said
        (pointer,) = [r for r in said.records if r.type == mdns.PTR]
        (server,) = [r for r in said.records if r.type == mdns.SRV]
        (address,) = [r for r in said.records if r.type == mdns.A]
        assert (pointer.name, pointer.target) == (service, server.name)
        assert (server.port, server.target, address.name) == (8080, address.name, server.target)
        assert (address.address, said.number) == ("192.168.1.2", 7)
    printers = mdns.name_of("_ipp._tcp.local")
    assert not one.answer_to(Message((Question(printers, mdns.PTR),)), "192.168.1.2").records


async def test_a_simple_question_is_answered_to_the_one_who_asked() -> None:
    port = free_port()
    one = PageAnnouncement(8080, "attic", port)
    running = asyncio.create_task(one.run())
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.bind(("127.0.0.1", 0))
        question = written(Message((Question(SERVICES[1], mdns.PTR),), number=9))
        async with asyncio.timeout(20):
            await one.opened.wait()
            await loop.sock_sendto(sock, b"no message", ("127.0.0.1", port))
            await loop.sock_sendto(sock, question, ("127.0.0.1", port))
            data, _ = await loop.sock_recvfrom(sock, 9000)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    said = parsed(data)
    assert (said.number, said.is_answer, said.questions[0].name) == (9, True, SERVICES[1])
    assert {r.address for r in said.records if r.type == mdns.A} == {"127.0.0.1"}


def test_nothing_is_announced_unless_somebody_wants_it(tmp_path: Path) -> None:
    base = ["inverter.host=192.0.2.1", f"storage.directory={tmp_path}"]
    for more, there in (([], False), (["web.announce=true"], True)):
        services = page(load(None, [*base, *more]), [], Clock(), None)
        assert any(one.name == "announcement" for one in services) is there
