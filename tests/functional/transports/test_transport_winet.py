"""The web API of a WiNet-S against the simulated dongle, each known fault by its name."""

import asyncio
import gc
import logging
import ssl
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import cast

import pytest

from sungather import errors
from sungather.registers import Block, Space
from sungather.simulator.certificate import self_signed, server_context, throwaway_context
from sungather.simulator.modbus import Answer, ExceptionCode, ModbusRequest
from sungather.simulator.winet import BATTERY, SH10RT, Cut, Dongle, Firmware, WinetPort
from sungather.transports import winet_endpoints
from sungather.transports.winet import WinetTransport
from sungather.transports.winet_endpoints import Endpoint
from sungather.transports.winet_session import Generation

BLOCK = Block(Space.INPUT, 5000, 3)
WORDS = [5000, 5001, 5002]
SHORT = 0.3
"""Seconds: the deadline of requests that are meant to stay unanswered."""


def own_numbers(request: ModbusRequest) -> Answer:
    """Devices in which every register holds its own documented number (10000 more in holding)."""
    if request.start == 6100:
        return ExceptionCode.ILLEGAL_ADDRESS
    offset = 0 if request.space == "input" else 10000
    unit = (request.unit - 1) * 100
    return [n + offset + unit for n in range(request.start, request.start + request.count)]


def open_descriptors() -> int:
    """File descriptors of this process."""
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture(scope="module")
def tls() -> ssl.SSLContext:
    return throwaway_context()


@asynccontextmanager
async def connected(
    dongle: Dongle,
    tls: ssl.SSLContext | None,
    *,
    deadline: float = 5.0,
    memory: dict[str, str] | None = None,
    username: str = "",
    password: str = "",
    ca: str = "",
    ping_every: float = 8.0,
    rival_pause: float = 0.0,
) -> AsyncGenerator[tuple[WinetPort, WinetTransport], None]:
    """One port of the dongle and a transport to it."""
    async with WinetPort(dongle, tls=tls) as port:
        transport = WinetTransport(
            port.host,
            port.port,
            deadline,
            memory={} if memory is None else memory,
            username=username,
            password=password,
            ca=ca,
            ping_every=ping_every,
            rival_pause=rival_pause,
        )
        try:
            yield port, transport
        finally:
            await transport.close()


@pytest.mark.parametrize("firmware", list(Firmware))
async def test_every_generation_is_read_over_one_websocket_and_one_http_connection(
    firmware: Firmware, tls: ssl.SSLContext
) -> None:
    dongle = Dongle(own_numbers, firmware)
    newer = firmware is Firmware.WITH_LOGIN
    async with connected(dongle, tls if newer else None) as (port, transport):
        for _ in range(50):
            assert list(await transport.read(BLOCK, 1)) == WORDS
        holding = Block(Space.HOLDING, 13000, transport.widest)
        assert list(await transport.read(holding, 1)) == list(range(23000, 23100))
        assert dongle.logins == (1 if newer else 0)
        # A plain port is found out by one TLS handshake that fails.
        assert port.connections == (2 if newer else 3)
        assert (transport.connects, transport.requests) == (2, 51)
        assert transport.generation is not None


async def test_the_request_for_registers_says_all_that_the_dongle_wants_to_know(
    tls: ssl.SSLContext,
) -> None:
    dongle = Dongle(own_numbers, devices=(SH10RT, BATTERY))
    async with connected(dongle, tls) as (_, transport):
        await transport.read(Block(Space.HOLDING, 33046, 2), 2)
        asked = dict(dongle.asked[0])
        assert asked.pop("token") in dongle.tokens
        assert asked.pop("time123456").isdigit()
        assert asked == {
            "dev_id": "2",
            "dev_type": "44",
            "dev_code": str(BATTERY.code),
            "type": "3",
            "param_addr": "33046",
            "param_num": "2",
            "param_type": "1",
            "lang": "en_us",
        }


async def test_a_device_is_found_by_its_own_unit_too(tls: ssl.SSLContext) -> None:
    dongle = Dongle(own_numbers, devices=(SH10RT, BATTERY))
    async with connected(dongle, tls) as (_, transport):
        assert list(await transport.read(BLOCK, 200)) == [5100, 5101, 5102]
        assert [device.model for device in transport.devices] == ["SH10RT", "SBR096"]


async def test_a_unit_that_the_dongle_does_not_list_is_named(tls: ssl.SSLContext) -> None:
    async with connected(Dongle(own_numbers), tls) as (_, transport):
        with pytest.raises(errors.WrongUnit, match=r"no unit 7; it lists 1 \(SH10RT\)"):
            await transport.read(BLOCK, 7)


@pytest.mark.parametrize("in_place", [True, False], ids=["same session", "new session"])
async def test_a_token_that_expires_costs_no_block(in_place: bool, tls: ssl.SSLContext) -> None:
    dongle = Dongle(own_numbers)
    dongle.faults.token_life = 3
    dongle.faults.renews_in_place = in_place
    async with connected(dongle, tls) as (port, transport):
        for _ in range(10):
            assert list(await transport.read(BLOCK, 1)) == WORDS
        assert dongle.logins == 4
        assert transport.requests == 13
        assert port.open_connections == 2


async def test_file_descriptors_stay_flat_over_many_token_renewals(tls: ssl.SSLContext) -> None:
    dongle = Dongle(own_numbers)
    dongle.faults.token_life = 1
    dongle.faults.renews_in_place = False
    async with connected(dongle, tls) as (_, transport):
        await transport.read(BLOCK, 1)
        gc.collect()
        before = open_descriptors()
        for _ in range(30):
            await transport.read(BLOCK, 1)
        assert open_descriptors() <= before + 2
        assert dongle.logins == 31


@pytest.mark.parametrize("cut", list(Cut))
async def test_notices_in_between_and_cut_messages_are_put_up_with(
    cut: Cut, tls: ssl.SSLContext
) -> None:
    dongle = Dongle(own_numbers)
    dongle.faults.cut = cut
    dongle.faults.notices = 3
    async with connected(dongle, tls) as (_, transport):
        assert list(await transport.read(BLOCK, 1)) == WORDS


async def test_a_quiet_session_is_kept_awake(tls: ssl.SSLContext) -> None:
    dongle = Dongle(own_numbers)
    async with connected(dongle, tls, ping_every=0.01) as (_, transport):
        await transport.connect()
        async with asyncio.timeout(5):
            await dongle.pinged.wait()
        assert list(await transport.read(BLOCK, 1)) == WORDS


async def test_a_connection_that_the_dongle_closes_between_requests_costs_no_block(
    tls: ssl.SSLContext,
) -> None:
    dongle = Dongle(own_numbers)
    dongle.faults.closes_http = True
    async with connected(dongle, tls) as (port, transport):
        for _ in range(5):
            assert list(await transport.read(BLOCK, 1)) == WORDS
        assert port.open_connections <= 2
        assert dongle.logins == 1


async def test_a_dongle_that_breaks_off_every_request_is_a_lost_connection(
    tls: ssl.SSLContext,
) -> None:
    dongle = Dongle(own_numbers)
    async with connected(dongle, tls) as (_, transport):
        await transport.read(BLOCK, 1)
        dongle.faults.breaks_http = True
        with pytest.raises(errors.ConnectionLost):
            await transport.read(BLOCK, 1)
        dongle.faults.breaks_http = False
        assert list(await transport.read(BLOCK, 1)) == WORDS


@pytest.mark.parametrize("service", ["connect", "login", "devicelist"])
async def test_a_dongle_that_stops_answering_is_silent_and_back_with_the_next_read(
    service: str, tls: ssl.SSLContext
) -> None:
    dongle = Dongle(own_numbers)
    dongle.faults.silent_services = frozenset({service})
    async with connected(dongle, tls, deadline=SHORT) as (_, transport):
        with pytest.raises(errors.Silent):
            await transport.read(BLOCK, 1)
        dongle.faults.silent_services = frozenset()
        assert list(await transport.read(BLOCK, 1)) == WORDS


async def test_a_request_for_registers_without_an_answer_is_silent_within_the_deadline(
    tls: ssl.SSLContext,
) -> None:
    dongle = Dongle(own_numbers)
    async with connected(dongle, tls, deadline=SHORT) as (_, transport):
        await transport.read(BLOCK, 1)
        dongle.faults.silent = True
        with pytest.raises(errors.Silent, match=r"within 0\.3 s"):
            await transport.read(BLOCK, 1)
        dongle.faults.silent = False
        assert list(await transport.read(BLOCK, 1)) == WORDS


async def test_a_refused_block_is_refused_only_when_it_fails_twice(tls: ssl.SSLContext) -> None:
    async with connected(Dongle(own_numbers), tls) as (_, transport):
        refused = Block(Space.INPUT, 6100, 10)
        with pytest.raises(errors.Busy, match="6100–6109"):
            await transport.read(refused, 1)
        with pytest.raises(errors.Refused, match="I18N_COMMON_READ_FAILED"):
            await transport.read(refused, 1)


async def test_a_failure_that_passes_is_no_refusal(tls: ssl.SSLContext) -> None:
    dongle = Dongle(own_numbers)
    async with connected(dongle, tls) as (_, transport):
        for _ in range(3):
            dongle.faults.failing_reads = 1
            with pytest.raises(errors.Busy):
                await transport.read(BLOCK, 1)
            assert list(await transport.read(BLOCK, 1)) == WORDS


async def test_an_inverter_that_sleeps_behind_its_dongle_is_silent_not_refused(
    tls: ssl.SSLContext,
) -> None:
    dongle = Dongle(own_numbers)
    async with connected(dongle, tls) as (_, transport):
        await transport.read(BLOCK, 1)
        dongle.faults.linked = False
        with pytest.raises(errors.Busy):
            await transport.read(BLOCK, 1)
        with pytest.raises(errors.Silent, match="behind it"):
            await transport.read(BLOCK, 1)
        assert dongle.logins == 1


async def test_no_free_session_is_busy(tls: ssl.SSLContext) -> None:
    dongle = Dongle(own_numbers)
    dongle.faults.session_limit = 0
    async with connected(dongle, tls) as (port, transport):
        with pytest.raises(errors.Busy, match="normal user limit"):
            await transport.read(BLOCK, 1)
        dongle.faults.session_limit = 1
        assert list(await transport.read(BLOCK, 1)) == WORDS
        assert port.open_connections == 2


async def test_a_rival_that_takes_the_session_over_is_busy_and_is_left_alone_for_a_while(
    tls: ssl.SSLContext,
) -> None:
    dongle = Dongle(own_numbers)
    async with connected(dongle, tls, rival_pause=60) as (_, transport):
        await transport.read(BLOCK, 1)
        await dongle.end_sessions("I18N_COMMON_LOGIN_ELSEWHERE")
        for _ in range(3):
            with pytest.raises(errors.Busy, match="Another client"):
                await transport.read(BLOCK, 1)
        assert dongle.logins == 1


async def test_a_session_that_merely_timed_out_is_opened_again_without_losing_a_block(
    tls: ssl.SSLContext,
) -> None:
    dongle = Dongle(own_numbers)
    async with connected(dongle, tls, rival_pause=60) as (_, transport):
        await transport.read(BLOCK, 1)
        await dongle.end_sessions("login timeout")
        assert list(await transport.read(BLOCK, 1)) == WORDS
        assert dongle.logins == 2


async def test_a_closed_session_leaves_no_connection_behind(tls: ssl.SSLContext) -> None:
    dongle = Dongle(own_numbers)
    async with connected(dongle, tls) as (port, transport):
        await transport.read(BLOCK, 1)
        await transport.close()
        await transport.close()
        async with asyncio.timeout(5):
            await port.emptied.wait()
        assert not dongle.sessions


async def test_the_factory_account_is_used_and_said_so_once_if_none_is_set(
    tls: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    dongle = Dongle(own_numbers)
    dongle.faults.token_life = 1
    async with connected(dongle, tls) as (_, transport):
        for _ in range(3):
            await transport.read(BLOCK, 1)
    said = [line for line in caplog.messages if "factory account user" in line]
    assert len(said) == 1
    assert "pw1111" not in caplog.text


async def test_a_wrong_password_is_refused_without_being_echoed(tls: ssl.SSLContext) -> None:
    async with connected(Dongle(own_numbers), tls, username="admin", password="s3cret") as (
        _,
        transport,
    ):
        with pytest.raises(errors.LoginRefused, match="log admin in") as caught:
            await transport.read(BLOCK, 1)
        assert "s3cret" not in str(caught.value)


async def test_a_password_of_ones_own_logs_in(tls: ssl.SSLContext) -> None:
    dongle = Dongle(own_numbers, accounts={"admin": "s3cret"})
    async with connected(dongle, tls, username="admin", password="s3cret") as (_, transport):
        assert list(await transport.read(BLOCK, 1)) == WORDS
        assert transport.generation is Generation.WITH_LOGIN


async def test_the_certificate_seen_first_is_trusted_and_a_changed_one_reported(
    tls: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "sungather")
    memory: dict[str, str] = {}
    async with connected(Dongle(own_numbers), tls, memory=memory) as (_, transport):
        await transport.read(BLOCK, 1)
    assert memory["certificate"] in caplog.text
    async with connected(Dongle(own_numbers), tls, memory=memory) as (_, transport):
        assert list(await transport.read(BLOCK, 1)) == WORDS
    impostor = Dongle(own_numbers)
    trusted = dict(memory)
    async with connected(impostor, throwaway_context(), memory=memory) as (_, transport):
        with pytest.raises(errors.CertificateChanged, match="another certificate"):
            await transport.read(BLOCK, 1)
    assert memory == trusted
    assert not impostor.sessions


async def test_a_trusted_dongle_is_never_talked_to_without_tls(tls: ssl.SSLContext) -> None:
    memory = {"certificate": "00" * 32}
    dongle = Dongle(own_numbers, Firmware.WINET_S)
    async with connected(dongle, None, memory=memory) as (_, transport):
        with pytest.raises(errors.Unreachable):
            await transport.read(BLOCK, 1)
        assert not dongle.asked


async def test_a_web_server_that_is_no_dongle_is_told_apart_and_its_certificate_not_kept(
    tls: ssl.SSLContext,
) -> None:
    memory: dict[str, str] = {}
    dongle = Dongle(own_numbers)
    dongle.path = "/elsewhere"
    async with connected(dongle, tls, memory=memory) as (_, transport):
        with pytest.raises(errors.NotSungrow):
            await transport.read(BLOCK, 1)
    assert memory == {}


@pytest.mark.parametrize(
    "token", ["", "a\ud800b", "a\r\nX-Forged: 1", "\x1b[31m", "a" * 60_000, 7, None, ["a"]]
)
async def test_a_token_that_cannot_be_sent_back_is_no_dongles(
    token: object, tls: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    dongle = Dongle(own_numbers)
    dongle.new_token = lambda good: cast(str, token)
    async with connected(dongle, tls) as (_, transport):
        with pytest.raises(errors.NotSungrow):
            await transport.read(BLOCK, 1)
    assert caplog.text == ""


async def test_the_certificate_itself_as_ca_is_trusted_and_another_refused(
    tmp_path: Path,
) -> None:
    certificate, key = self_signed(tmp_path)
    context, ca = server_context(certificate, key), certificate.read_text()
    async with connected(Dongle(own_numbers), context, ca=ca) as (_, transport):
        assert list(await transport.read(BLOCK, 1)) == WORDS
    async with connected(Dongle(own_numbers), throwaway_context(), ca=ca) as (_, transport):
        with pytest.raises(errors.CertificateUntrusted, match=r"inverter\.tls\.ca"):
            await transport.read(BLOCK, 1)


async def test_a_ca_that_holds_no_certificate_is_said_in_a_sentence(
    tls: ssl.SSLContext,
) -> None:
    async with connected(Dongle(own_numbers), tls, ca="not a certificate") as (_, transport):
        with pytest.raises(errors.CertificateUntrusted, match="PEM"):
            await transport.read(BLOCK, 1)


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"result_code": 1}', b"\xff\xfe", b"[]"])
async def test_an_answer_that_makes_no_sense_is_a_lost_connection(
    body: bytes, tls: ssl.SSLContext
) -> None:
    dongle = Dongle(own_numbers)
    dongle.faults.body = body
    async with connected(dongle, tls) as (_, transport):
        with pytest.raises(errors.ConnectionLost):
            await transport.read(BLOCK, 1)


async def test_which_generation_it_is_is_found_out_and_remembered(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    dongle = Dongle(own_numbers, Firmware.WINET_S)
    memory: dict[str, str] = {}
    async with AsyncExitStack() as stack:
        sockets = await stack.enter_async_context(WinetPort(dongle))
        web = await stack.enter_async_context(WinetPort(dongle))
        unused = await stack.enter_async_context(WinetPort(dongle))
        await unused.__aexit__(None, None, None)
        monkeypatch.setattr(winet_endpoints, "NEW", Endpoint(True, unused.port, unused.port))
        monkeypatch.setattr(winet_endpoints, "OLD", Endpoint(False, sockets.port, web.port))
        transport = WinetTransport("127.0.0.1", None, 5.0, memory=memory)
        assert list(await transport.read(BLOCK, 1)) == WORDS
        assert memory == {"way": f"http:{sockets.port}"}
        assert (sockets.connections, web.connections) == (1, 1)
        await transport.close()

        # The dongle got new firmware overnight: the old ports are closed, the new one is open.
        await sockets.__aexit__(None, None, None)
        dongle.firmware = Firmware.WITH_LOGIN
        new = await stack.enter_async_context(WinetPort(dongle, tls=tls))
        monkeypatch.setattr(winet_endpoints, "NEW", Endpoint(True, new.port, new.port))
        assert list(await transport.read(BLOCK, 1)) == WORDS
        assert memory["way"] == f"https:{new.port}"
        await transport.close()


async def test_closed_ports_are_all_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async with WinetPort(Dongle(own_numbers)) as port:
        pass
    monkeypatch.setattr(winet_endpoints, "NEW", Endpoint(True, port.port, port.port))
    monkeypatch.setattr(winet_endpoints, "OLD", Endpoint(False, port.port, port.port))
    transport = WinetTransport("127.0.0.1", None, 5.0, memory={})
    with pytest.raises(errors.PortClosed, match=f"ports {port.port} and {port.port} are closed"):
        await transport.connect()


@pytest.mark.parametrize("firmware", list(Firmware))
async def test_without_a_login_a_session_tells_what_answers_and_sends_no_password(
    firmware: Firmware, tls: ssl.SSLContext
) -> None:
    dongle = Dongle(own_numbers, firmware)
    newer = firmware is Firmware.WITH_LOGIN
    async with WinetPort(dongle, tls=tls if newer else None) as port:
        transport = WinetTransport(port.host, port.port, 5.0, memory={}, login=False)
        await transport.connect()
        assert (transport.generation is Generation.WITH_LOGIN) == newer
        assert len(transport.devices) == (0 if newer else 1)
        assert dongle.logins == 0
        await transport.close()
