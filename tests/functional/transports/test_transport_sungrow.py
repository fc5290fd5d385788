"""Encrypted Modbus/TCP against the simulated dongle, each known fault by its name."""

import asyncio
from collections.abc import Callable
from datetime import date

import pytest

from sungather import errors
from sungather.registers import Block, Space
from sungather.simulator.encrypted import (
    EncryptedFaults,
    EncryptedServer,
    KeyAnswer,
    OldKey,
)
from sungather.simulator.modbus import Answer, ExceptionCode, ModbusRequest
from sungather.transports.sungrow import SungrowTransport

BLOCK = Block(Space.INPUT, 5000, 3)
WORDS = [5000, 5001, 5002]
SHORT = 0.3
"""Seconds: the deadline of requests that are meant to stay unanswered."""


def own_numbers(request: ModbusRequest) -> Answer:
    """A device in which every register holds its own documented number."""
    if request.unit != 1:
        return ExceptionCode.GATEWAY_TARGET
    if request.start == 6100:
        return ExceptionCode.ILLEGAL_ADDRESS
    return list(range(request.start, request.start + request.count))


def transport_to(
    server: EncryptedServer, timeout: float = 5.0, today: Callable[[], date] = date.today
) -> SungrowTransport:
    return SungrowTransport(server.host, server.port, timeout, today)


async def test_fifty_reads_take_one_connection_and_one_key() -> None:
    async with EncryptedServer(own_numbers) as server:
        transport = transport_to(server)
        for _ in range(50):
            assert list(await transport.read(BLOCK, 1)) == WORDS
        assert transport.encrypted
        assert (server.connections, server.key_questions, server.encrypted_requests) == (1, 1, 50)
        assert (transport.connects, transport.requests) == (1, 50)
        await transport.close()


async def test_the_widest_read_comes_through_whole() -> None:
    async with EncryptedServer(own_numbers) as server:
        transport = transport_to(server)
        block = Block(Space.HOLDING, 13000, transport.widest)
        assert list(await transport.read(block, 1)) == list(range(13000, 13100))
        await transport.close()


@pytest.mark.parametrize("answer", [key for key in KeyAnswer if key is not KeyAnswer.KEY])
async def test_a_device_without_encryption_is_read_in_plain_modbus(answer: KeyAnswer) -> None:
    async with EncryptedServer(own_numbers, faults=EncryptedFaults(answer)) as server:
        transport = transport_to(server, timeout=SHORT * 2)
        for _ in range(3):
            assert list(await transport.read(BLOCK, 1)) == WORDS
        assert not transport.encrypted
        refuses_to_answer = answer in (KeyAnswer.SILENCE, KeyAnswer.CLOSE)
        assert server.connections == (2 if refuses_to_answer else 1)
        await transport.close()


async def test_an_answer_for_another_client_before_the_key_is_dropped() -> None:
    faults = EncryptedFaults(foreign_before_key=True)
    async with EncryptedServer(own_numbers, faults=faults) as server:
        transport = transport_to(server)
        assert list(await transport.read(BLOCK, 1)) == WORDS
        assert transport.encrypted
        assert transport.foreign == 1
        await transport.close()


@pytest.mark.parametrize("ignores", [False, True], ids=["cuts off", "ignores"])
async def test_a_device_that_wants_a_new_connection_for_its_key_gets_one_and_only_one(
    ignores: bool,
) -> None:
    faults = EncryptedFaults(new_connection=True, ignores_same_connection=ignores)
    async with EncryptedServer(own_numbers, faults=faults) as server:
        transport = transport_to(server, timeout=3 * SHORT)
        for _ in range(5):
            assert list(await transport.read(BLOCK, 1)) == WORDS
        assert (server.connections, server.key_questions) == (2, 1)

        server.hang_up()
        with pytest.raises(errors.ConnectionLost):
            await transport.read(BLOCK, 1)
        # Learned: the next key is used on a new connection at once, without a failed try.
        asked = transport.requests
        assert list(await transport.read(BLOCK, 1)) == WORDS
        assert transport.requests == asked + 1
        assert (server.connections, server.key_questions) == (4, 2)
        await transport.close()


async def test_the_key_is_asked_for_again_when_the_day_turns() -> None:
    day = date(2026, 3, 28)
    async with EncryptedServer(own_numbers) as server:
        transport = transport_to(server, today=lambda: day)
        await transport.read(BLOCK, 1)
        day = date(2026, 3, 29)
        server.new_day()
        assert list(await transport.read(BLOCK, 1)) == WORDS
        assert (server.key_questions, server.encrypted_requests) == (2, 2)
        await transport.close()


async def test_a_device_whose_day_turns_before_ours_costs_no_block() -> None:
    async with EncryptedServer(own_numbers) as server:
        transport = transport_to(server)
        await transport.read(BLOCK, 1)
        server.new_day()
        assert list(await transport.read(BLOCK, 1)) == WORDS
        assert server.key_questions == 2
        await transport.close()


@pytest.mark.parametrize(
    ("reaction", "error"),
    [(OldKey.CLOSE, errors.ConnectionLost), (OldKey.SILENCE, errors.Silent)],
)
async def test_a_device_that_rejects_the_old_key_wordlessly_is_back_with_the_next_read(
    reaction: OldKey, error: type[errors.InverterError]
) -> None:
    async with EncryptedServer(own_numbers, faults=EncryptedFaults(old_key=reaction)) as server:
        transport = transport_to(server, timeout=SHORT)
        await transport.read(BLOCK, 1)
        server.new_day()
        with pytest.raises(error):
            await transport.read(BLOCK, 1)
        assert list(await transport.read(BLOCK, 1)) == WORDS
        await transport.close()


async def test_answers_that_never_decrypt_end_as_a_lost_connection() -> None:
    noise = b"\x01\x00\x0c\x04" + bytes(16)
    async with EncryptedServer(own_numbers, faults=EncryptedFaults(noise=noise)) as server:
        transport = transport_to(server)
        with pytest.raises(errors.ConnectionLost, match="cannot be decrypted"):
            await transport.read(BLOCK, 1)
        assert server.key_questions == 2
        await transport.close()


async def test_what_is_no_answer_at_all_ends_as_a_lost_connection() -> None:
    faults = EncryptedFaults(noise=b"SSH-2.0-dropbear\r\n")
    async with EncryptedServer(own_numbers, faults=faults) as server:
        transport = transport_to(server, timeout=SHORT)
        with pytest.raises(errors.Unreachable):
            await transport.read(BLOCK, 1)
        await transport.close()


async def test_after_a_cancelled_read_its_late_answer_is_never_taken_for_the_next_one() -> None:
    async with EncryptedServer(own_numbers) as server:
        transport = transport_to(server)
        await transport.read(BLOCK, 1)
        server.faults.silent = True
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SHORT):
                await transport.read(BLOCK, 1)
        server.faults.silent = False
        other = Block(Space.INPUT, 13000, 3)
        assert list(await transport.read(other, 1)) == [13000, 13001, 13002]
        assert server.connections == 2
        await transport.close()
