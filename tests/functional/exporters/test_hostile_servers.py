"""Brokers and servers that send too much, nonsense, or our own secrets back."""

import asyncio
import json
import logging
import tracemalloc
from base64 import b64encode
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path

import pytest
from outbox_parts import Time
from stand_ins import Reply, Request, site

from sungather.errors import Blocked, Unavailable
from sungather.exporters.influxdb import Influxdb
from sungather.exporters.mqtt import Mqtt
from sungather.exporters.mqtt_broker import KEEP_ALIVE
from sungather.exporters.mqtt_broker import Broker as MqttBroker
from sungather.exporters.mqtt_guard import LONGEST
from sungather.exporters.pvoutput import Pvoutput
from sungather.options.all_options import InfluxdbOptions, MqttOptions, PvoutputOptions
from sungather.outbox import Outbox, OutboxLimits, Record
from sungather.outbox.record import milliseconds

CONNACK = b"\x20\x03\x00\x00\x00"
MB = 1024 * 1024


@dataclass
class Broker:
    """A stand-in for a broker: accepts whoever comes, and answers with `flood`."""

    flood: bytes
    port: int = 0
    taken: int = 0
    """Bytes of the flood that the client has taken off our hands."""


@asynccontextmanager
async def broker(flood: bytes) -> AsyncGenerator[Broker]:
    one = Broker(flood)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.set_write_buffer_limits(0)
        try:
            await reader.read(1000)
            writer.write(CONNACK)
            await reader.read(1000)
            for start in range(0, len(flood), 65536):
                writer.write(flood[start : start + 65536])
                await writer.drain()
                one.taken = start
            await reader.read()
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        one.port = server.sockets[0].getsockname()[1]
        yield one


async def complaint_about(
    flood: bytes, directory: Path, kind: type[Unavailable] = Unavailable
) -> tuple[str, Broker]:
    """What MQTT says of a broker that sends this after the greeting."""
    time = Time()
    file = directory / "outbox.sqlite3"
    outbox = await Outbox.open(file, OutboxLimits(), ("mqtt",), time.clock, "boot")
    try:
        async with broker(flood) as one:
            options = MqttOptions(host="127.0.0.1", port=one.port, topic="sungather")
            mqtt = Mqtt(options, outbox.feed("mqtt"), time.clock, UTC, {}, timeout=1.0)
            with pytest.raises(kind) as caught:
                await mqtt.step()
            return str(caught.value), one
    finally:
        await outbox.close()


async def test_a_packet_of_more_than_a_megabyte_ends_the_connection_before_it_comes(
    tmp_path: Path,
) -> None:
    announced = b"\x30\x80\x80\x80\x40"  # 2^27 bytes
    said, one = await complaint_about(announced + b"x" * (32 * MB), tmp_path)
    assert "announces a packet of 134217728 bytes" in said
    assert one.taken < 16 * MB  # what was under way, not what was announced


async def test_a_packet_of_half_a_megabyte_is_put_up_with(tmp_path: Path) -> None:
    length = LONGEST // 2
    head = bytes((0x30, length & 127 | 128, length >> 7 & 127 | 128, length >> 14))
    flood = head + b"\x00\x01t" + b"x" * (length - 3) + b"\xf0\x00"
    said, _ = await complaint_about(flood, tmp_path)
    assert "announces" not in said


@pytest.mark.parametrize(
    "packet",
    [b"\x30\x05\x00\x02\xff\xfe!", b"\x30\x05\x00\x02#/!", b"\x30\x01\x00", b"\x32\x03\x00\x01t"],
    ids=["a topic that is not UTF-8", "a topic with #", "no topic", "no number"],
)
async def test_what_is_no_mqtt_is_said_without_a_traceback(
    packet: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    said, _ = await complaint_about(packet, tmp_path)
    assert "sends packets that are not MQTT" in said
    assert not [one for one in caplog.records if one.levelno >= logging.ERROR]


async def test_a_session_that_was_taken_over_is_named_as_that_where_the_broker_tells(
    tmp_path: Path,
) -> None:
    disconnect = b"\xe0\x01\x8e"  # DISCONNECT of MQTT 5, session taken over
    said, _ = await complaint_about(disconnect, tmp_path, Blocked)
    assert "another client has connected with the client id 'sungather-" in said
    assert "see mqtt.client-id" in said


async def test_a_broker_that_never_answers_keeps_no_connection_of_ours() -> None:
    """The library leaves each open until its keep-alive of half a minute is over."""
    gone = [asyncio.Event() for _ in range(5)]
    come = iter(gone)

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while await reader.read(1000):
                pass
        next(come).set()
        writer.close()

    async with await asyncio.start_server(mute, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        broker = MqttBroker(MqttOptions(host="127.0.0.1", port=port), timeout=0.1)
        for one in gone:
            with pytest.raises(Unavailable):
                async with broker.connected("house", "status", 1):
                    pass
            await asyncio.wait_for(one.wait(), KEEP_ALIVE / 2)


async def test_messages_that_the_library_would_keep_for_ever_end_the_connection(
    tmp_path: Path,
) -> None:
    flood = b"".join(b"\x34\x06\x00\x01t" + bytes(divmod(n, 256)) + b"x" for n in range(1, 60_000))
    said, _ = await complaint_about(flood, tmp_path)
    assert "QoS 2" in said


async def test_messages_that_nobody_has_asked_for_take_no_memory(tmp_path: Path) -> None:
    publish = b"\x30\xa0\x8d\x06\x00\x01t\x00" + b"x" * 99_996  # 100 kB, QoS 0
    tracemalloc.start()
    try:
        flood = publish * 300
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        _, one = await complaint_about(flood, tmp_path)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert one.taken > 10 * MB, "it was read"
    assert most - before < 5 * MB


TOKEN = "a-token-of-ours=="
FORGERY = "\x1b[31m\n2026-01-01 ERROR forged"


def echo(request: Request) -> Reply:
    """Everything that the client sent, as text."""
    sent = [*request.headers.values(), request.body.decode("utf-8", "replace")]
    return Reply(401, json.dumps({"message": f"no: {' '.join(sent)}{FORGERY}"}).encode())


@pytest.mark.parametrize("version", ["1", "2", "3"])
@pytest.mark.parametrize("password", ["", TOKEN])
async def test_an_influxdb_that_sends_our_secrets_back_does_not_have_them_shown(
    version: str, password: str
) -> None:
    name = "me" if password else ""
    with site(echo) as server:
        destination = Influxdb(
            InfluxdbOptions(
                url=server.url,
                version=version,
                bucket="solar",
                token="" if password else TOKEN,
                username=name,
                password=password,
            )
        )
        with pytest.raises(Unavailable) as caught:
            await destination.deliver([record()])
        destination.close()
    said = str(caught.value)
    assert TOKEN not in said
    assert b64encode(f"me:{TOKEN}".encode()).decode() not in said
    assert said.isprintable()
    assert "(secret)" in said


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 200_000,
        b'{"message":' + b'{"a":' * 10_000,
        b'{"error":' + b"[" * 400 + b"]" * 400 + b"}",
    ],
    ids=["no end of lists", "no end of objects", "a list for a message"],
)
async def test_an_answer_nested_without_end_is_an_answer_all_the_same(body: bytes) -> None:
    with site(lambda _: Reply(503, body)) as server:
        destination = Influxdb(InfluxdbOptions(url=server.url, version="2", bucket="solar"))
        with pytest.raises(Unavailable, match="answered 503"):
            await destination.deliver([record()])
        destination.close()


async def test_a_server_that_finds_fault_with_what_was_never_sent_is_not_asked_for_ever() -> None:
    def answer(request: Request) -> Reply:
        text = f'input field "f{len(server.requests)}" is a float, already exists as a string'
        return Reply(400, json.dumps({"message": text}).encode())

    with site(answer) as server:
        destination = Influxdb(InfluxdbOptions(url=server.url, version="2", bucket="solar"))
        with pytest.raises(Blocked, match="was not sent to it"):
            await destination.deliver([record()])
        destination.close()
        assert len(server.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 500])
async def test_a_pvoutput_that_sends_our_key_back_does_not_have_it_shown(
    status: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def answer(request: Request) -> Reply:
        said = f"no: {request.headers['x-pvoutput-apikey']}{FORGERY}"
        limits = {"X-Rate-Limit-Remaining": "9" * 5000, "X-Rate-Limit-Reset": "9" * 5000}
        return Reply(status, said.encode(), limits)

    time = Time()
    file = tmp_path / "outbox.sqlite3"
    outbox = await Outbox.open(file, OutboxLimits(), ("pvoutput",), time.clock, "boot")
    with site(answer) as server:
        options = PvoutputOptions(api_key=TOKEN, system_id="1")
        exporter = Pvoutput(options, outbox.feed("pvoutput"), time.clock, UTC, url=server.url)
        await exporter.round()
        exporter.close()
    await outbox.close()
    said = exporter.health().message
    assert TOKEN not in said + caplog.text
    assert said.isprintable()
    assert "(secret)" in said


async def test_what_is_no_http_is_quoted_on_one_line_without_our_secrets() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        sent = next(line for line in head.splitlines() if line.startswith("Authorization"))
        writer.write(f"{sent}\r\n\r\n".encode())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        options = InfluxdbOptions(
            url=f"http://127.0.0.1:{port}", version="2", bucket="solar", token=TOKEN
        )
        destination = Influxdb(options)
        with pytest.raises(Unavailable, match="does not answer as a web server") as caught:
            await destination.deliver([record()])
        destination.close()
    assert TOKEN not in str(caught.value)


def record() -> Record:
    """One that is owed."""
    time = Time()
    moment = milliseconds(time.now)
    return Record(1, "roof", "SH10RT", "A1", moment, moment, {"pv_power": 1})
