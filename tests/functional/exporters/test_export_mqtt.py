"""MQTT through a real broker: what people see, and what happens when the broker does not."""

import asyncio
import gc
import json
import socket
import subprocess
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from sungather.exporters.mqtt_client import MqttClient
from sungather.reading import FaultReport, State
from tests.mqtt_parts import BATTERY, DISCOVERY, OPTIONS, STATE, STATUS, at, audience, bench
from tests.outbox_parts import Time, reading, sub_device
from tests.plain_values import measurements
from tests.real_parts import free_port, mosquitto, running, tool

AVAILABILITY, CONNECTION = "sungather/roof/availability", "sungather/roof/connection"


async def test_state_availability_and_discovery_are_retained(tmp_path: Path) -> None:
    with running(mosquitto(tmp_path)) as server:
        async with bench(tmp_path, at(server)) as b:
            one = reading(b.time.now, pv_power=4821, run_state="Run", units={"pv_power": "W"})
            b.take(replace(one, faults=FaultReport()))
            await b.drained()
            async with audience(server.port) as late:
                await late.hears(lambda: len(late.heard) >= 5)
                assert all(retained for _, _, retained in late.heard)
                assert late.on(STATUS) == ["online"]
                assert late.on("sungather/roof/availability") == ["online"]
                assert late.on("sungather/roof/connection") == ["ok"]
                (state,) = late.on("sungather/roof/state")
                assert json.loads(state) == {
                    "time": "2026-06-21T12:00:00.000Z", "serial": "A223098765",
                    "pv_power": 4821, "run_state": "Run", "fault": False, "faults": "none",
                }  # fmt: skip
                (config,) = late.on(DISCOVERY)
                assert set(json.loads(config)["cmps"]) == {
                    "pv_power", "run_state", "connection", "fault",
                }  # fmt: skip
            assert b.mqtt.health().state == "ok"
            assert b.mqtt.health().delivered == 1


@pytest.mark.parametrize("value_topics", ["true", "only"])
async def test_each_value_has_a_topic_of_its_own_on_request(
    value_topics: str, tmp_path: Path
) -> None:
    with running(mosquitto(tmp_path)) as server:
        options = replace(
            at(server), value_topics=value_topics, exclude="soc", homeassistant=False
        )
        async with bench(tmp_path, options) as b, audience(server.port) as all_:
            known = {"units": {"pv_power": "W"}, "run_state": "Run", "soc": 50}
            one = reading(b.time.now, pv_power=4821, pv_energy_today=1.25, **known)  # type: ignore[arg-type]
            b.take(replace(one, faults=FaultReport()))
            await b.drained()
            await all_.heard_all_so_far(server.port)
            values = {
                topic.removeprefix("sungather/roof/values/"): text
                for topic, text in all_.retained().items()
                if topic.startswith("sungather/roof/values/")
            }
            assert values == {
                "time": "2026-06-21T12:00:00.000Z", "serial": "A223098765", "pv_power": "4821",
                "pv_energy_today": "1.25", "run_state": "Run", "fault": "false", "faults": "none",
            }  # fmt: skip
            assert bool(all_.on(STATE)) == (value_topics == "true")
            b.take_powers(4822)
            await b.drained()
            await all_.heard_all_so_far(server.port)
            assert all_.on("sungather/roof/values/pv_energy_today")[-1] == ""
            assert all_.on("sungather/roof/values/pv_power") == ["4821", "4822"]


async def test_a_value_that_is_no_more_is_removed_also_after_runs_that_read_nothing(
    tmp_path: Path,
) -> None:
    with running(mosquitto(tmp_path)) as server:
        options, time = replace(at(server), value_topics="true"), Time()
        for one in (
            reading(time.now, pv_power=1, soc=50),
            reading(time.now, state=State.UNREACHABLE),
            reading(time.now, pv_power=2),
        ):
            async with bench(tmp_path, options, time) as b, audience(server.port) as all_:
                b.take(one)
                await all_.hears(lambda: all_.on(CONNECTION)[-1:] == [str(one.state)])  # noqa: B023
                await b.drained()
                await all_.heard_all_so_far(server.port)
        async with audience(server.port) as late:
            await late.heard_all_so_far(server.port)
            values = {topic for topic in late.retained() if "/values/" in topic}
            assert "sungather/roof/values/pv_power" in values
            assert "sungather/roof/values/soc" not in values


async def test_history_arrays_have_a_topic_of_their_own(tmp_path: Path) -> None:
    with running(mosquitto(tmp_path)) as server:
        async with bench(tmp_path, at(server)) as b, audience(server.port) as all_:
            b.take(reading(b.time.now, pv_power=1, pv_power_of_today=[1.0, None]))
            b.take_powers(2)
            await b.drained()
            await all_.heard_all_so_far(server.port)
            assert [json.loads(text) for text in all_.on("sungather/roof/arrays")] == [
                {"time": "2026-06-21T12:00:00.000Z", "pv_power_of_today": [1.0, None]}
            ]
            assert all("of_today" not in text for text in all_.on(STATE))


async def test_what_the_broker_does_not_let_us_write_is_said_and_not_called_delivered(
    tmp_path: Path,
) -> None:
    """MQTT 5 tells; the library does not listen."""
    acl = tmp_path / "acl"
    acl.write_text("topic read #\ntopic write sungather/status/#\n")
    with running(mosquitto(tmp_path, f"allow_anonymous true\nacl_file {acl}\n")) as server:
        async with bench(tmp_path, at(server)) as b:
            b.take_powers(1)
            await b.drained()
            await b.is_in_state("blocked")
            said = b.mqtt.health()
            assert "takes nothing from us on" in said.message
            assert "Not authorized" in said.message
            assert (said.delivered, said.rejected) == (0, 1)
            (kept,) = await b.mqtt.rejected()
            assert f"nothing on {STATE.replace('state', 'history')}" in kept.reason


async def test_what_the_broker_lets_us_write_arrives_beside_what_it_does_not(
    tmp_path: Path,
) -> None:
    acl = tmp_path / "acl"
    acl.write_text("topic read #\ntopic write sungather/#\ntopic write so far\n")
    with running(mosquitto(tmp_path, f"allow_anonymous true\nacl_file {acl}\n")) as server:
        async with bench(tmp_path, at(server)) as b, audience(server.port) as heard:
            b.take_powers(1)
            await b.drained()
            await b.is_in_state("blocked")
            assert "takes nothing from us on homeassistant/device" in b.mqtt.health().message
            assert (b.mqtt.health().delivered, b.mqtt.health().rejected) == (1, 0)
            await heard.hears(lambda: heard.on(STATE))


@pytest.mark.parametrize("limit", ["max_packet_size", "message_size_limit"])
async def test_a_broker_that_takes_no_long_messages_is_named_as_that(
    limit: str, tmp_path: Path
) -> None:
    with running(mosquitto(tmp_path, f"allow_anonymous true\n{limit} 2000\n")) as server:
        async with bench(tmp_path, at(server)) as b:
            many = {f"a_{number}_voltage": number for number in range(100)}
            b.take(replace(reading(b.time.now), measurements=measurements(many)))
            await b.says("takes no message as long as ours")


async def test_a_broker_is_reached_over_websockets(tmp_path: Path) -> None:
    port = free_port()
    sockets = f"listener {port} 127.0.0.1\nprotocol websockets\nallow_anonymous true\n"
    with running(mosquitto(tmp_path, f"allow_anonymous true\n{sockets}")):
        options = replace(OPTIONS, port=port, transport="websockets")
        async with bench(tmp_path, options) as b:
            b.take_powers(1)
            await b.drained()
            assert b.mqtt.health().state == "ok"


async def test_a_battery_behind_an_inverter_is_a_device_behind_its_device(
    tmp_path: Path,
) -> None:
    server = mosquitto(tmp_path)
    with running(server):
        async with bench(tmp_path, at(server)) as b, audience(server.port) as all_:
            b.take(sub_device(b.time.now))
            b.take_powers(4821)
            await all_.hears(lambda: all_.on(BATTERY))
            announced = [topic for topic, _, _ in all_.heard if topic.endswith("/config")]
            assert announced[:2] == [DISCOVERY, BATTERY], "Home Assistant wants the inverter first"
            assert json.loads(all_.on(BATTERY)[0])["dev"]["via_device"] == ("sungather_A223098765")
            await all_.hears(lambda: all_.on("sungather/roof-battery-1/availability"))
            assert all_.on("sungather/roof-battery-1/availability")[-1] == "online"
            state = json.loads(all_.on("sungather/roof-battery-1/state")[0])
            assert state["soc"] == 64.5
            await b.drained()
        async with bench(tmp_path, at(server)) as b, audience(server.port) as all_:
            topic = "sungather/roof-battery-1/availability"
            await all_.hears(lambda: all_.on(topic)[-1:] == ["offline"])


async def test_entities_are_announced_to_an_empty_broker_while_the_inverter_sleeps(
    tmp_path: Path,
) -> None:
    server = mosquitto(tmp_path)
    with running(server):
        async with bench(tmp_path, at(server)) as b:
            b.take_powers(1)
            await b.drained()
            b.take(reading(b.time.now, state=State.ASLEEP))
            server.kill()
            await b.is_in_state("waiting")
            await asyncio.to_thread(server.start)
            async with audience(server.port) as all_:
                await all_.hears(lambda: all_.on("sungather/roof/connection") == ["asleep"])
                await all_.hears(lambda: all_.on(DISCOVERY))
                await all_.hears(lambda: all_.on("sungather/roof/availability"))
                (config,) = all_.on(DISCOVERY)
                assert json.loads(config)["cmps"]["pv_power"]["unit_of_meas"] == "W"
                assert all_.on("sungather/roof/availability") == ["online"]
                assert json.loads(all_.on(STATE)[0])["pv_power"] == 0


async def test_an_inverter_that_does_not_answer_is_unavailable_and_says_why(
    tmp_path: Path,
) -> None:
    with running(mosquitto(tmp_path)) as server:
        async with audience(server.port) as all_, bench(tmp_path, at(server)) as b:
            b.take_powers(1)
            await b.drained()
            b.take(reading(b.time.now, state=State.UNREACHABLE))
            await all_.hears(lambda: all_.on("sungather/roof/connection")[-1:] == ["unreachable"])
            assert all_.on("sungather/roof/availability")[-1] == "offline"
            assert len(all_.on(STATE)) == 1
            for power in (2, 3):
                b.take_powers(power)
                await b.drained()
            await all_.heard_all_so_far(server.port)
            assert all_.on("sungather/roof/connection") == ["ok", "unreachable", "ok"]
            told = all_.on("sungather/roof/availability")
            assert told == ["online", "offline", "online"], "said when it changes"


async def test_a_broker_killed_and_restarted_empty_gets_discovery_state_and_the_history(
    tmp_path: Path,
) -> None:
    server = mosquitto(tmp_path)
    with running(server):
        async with bench(tmp_path, at(server)) as b:
            b.take_powers(1)
            await b.drained()
            server.kill()
            await b.is_in_state("waiting")
            b.take_powers(2, 3, 4)
            await b.outbox.flush()
            assert b.mqtt.health().queue == 3
            await asyncio.to_thread(server.start)
            async with audience(server.port) as all_:
                await b.drained()
                await all_.heard_all_so_far(server.port)
                assert all_.retained().keys() >= {DISCOVERY, STATE}
                said = [all_.retained().get(topic) for topic in (STATUS, AVAILABILITY, CONNECTION)]
                assert said == ["online", "online", "ok"]
                states = [json.loads(text)["pv_power"] for text in all_.on("sungather/roof/state")]
                assert states[-1] == 4
                assert b.mqtt.health().delivered == 4


async def test_what_was_missed_comes_on_the_history_topic_with_its_own_time(
    tmp_path: Path,
) -> None:
    server = mosquitto(tmp_path)
    with running(server):
        async with bench(tmp_path, replace(at(server), port=1)) as b:
            b.take_powers(1, 2, 3)
            await b.is_in_state("waiting")
        time = b.time
        time.pass_by(minutes=5)
        async with audience(server.port) as all_, bench(tmp_path, at(server), time) as b:
            b.take_powers(4)
            await b.drained()
            await all_.heard_all_so_far(server.port)
            late = [json.loads(text) for text in all_.on("sungather/roof/history")]
            assert [(one["time"], one["pv_power"]) for one in late] == [
                ("2026-06-21T12:00:00.000Z", 1),
                ("2026-06-21T12:00:30.000Z", 2),
                ("2026-06-21T12:01:00.000Z", 3),
            ]
            states = [json.loads(text)["pv_power"] for text in all_.on("sungather/roof/state")]
            assert states == [4], "an old value is never shown as the present"
            async with audience(server.port) as later:
                await later.heard_all_so_far(server.port)
                assert [json.loads(text)["pv_power"] for text in later.on(STATE)] == [4]
                assert later.on("sungather/roof/history") == [], "nothing of it is retained"


async def test_what_was_published_as_state_is_not_sent_as_history_too(tmp_path: Path) -> None:
    with running(mosquitto(tmp_path)) as server:
        async with audience(server.port) as all_, bench(tmp_path, at(server)) as b:
            for power in (1, 2, 3, 4):
                b.take_powers(power)
                await b.drained()
            await all_.heard_all_so_far(server.port)
            assert [json.loads(text)["pv_power"] for text in all_.on(STATE)] == [1, 2, 3, 4]
            assert all_.on("sungather/roof/history") == []


async def test_a_clock_that_was_set_makes_no_history_of_what_was_published_as_state(
    tmp_path: Path,
) -> None:
    heard = asyncio.Event()

    async def until_somebody_listens(_: float) -> None:
        await heard.wait()

    server = mosquitto(tmp_path)
    async with bench(tmp_path, at(server), sleep=until_somebody_listens) as b:
        b.take_powers(1)
        await b.is_in_state("waiting")
        await b.outbox.flush()
        b.time.set(b.time.now + timedelta(hours=1))
        with running(server):
            async with audience(server.port) as all_:
                heard.set()
                await b.drained()
                await all_.heard_all_so_far(server.port)
                assert [json.loads(text)["pv_power"] for text in all_.on(STATE)] == [1]
                assert all_.on("sungather/roof/history") == []


async def test_whoever_comes_after_a_crash_is_told_by_the_last_will(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients: list[MqttClient] = []

    class Known(MqttClient):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            clients.append(self)

    async def for_ever(_: float) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("sungather.exporters.mqtt_broker.MqttClient", Known)
    with running(mosquitto(tmp_path)) as server:
        async with bench(tmp_path, at(server), sleep=for_ever) as b:
            b.take_powers(1)
            await b.drained()
            # The connection ends as that of a process which is killed: without a good-bye.
            wire = clients[0]._client.socket()  # pyright: ignore[reportPrivateUsage]
            assert isinstance(wire, socket.socket)
            async with audience(server.port) as all_:
                wire.shutdown(socket.SHUT_RDWR)
                await all_.hears(lambda: all_.on(STATUS)[-1:] == ["offline"])
            async with audience(server.port) as late:
                await late.heard_all_so_far(server.port)
                assert late.on(STATUS) == ["offline"]


async def test_home_assistants_birth_message_brings_everything_again(tmp_path: Path) -> None:
    with running(mosquitto(tmp_path)) as server:
        async with bench(tmp_path, at(server)) as b, audience(server.port) as all_:
            b.take_powers(1)
            await b.drained()
            async with aiomqtt.Client("127.0.0.1", server.port) as home_assistant:
                await home_assistant.publish("homeassistant/status", "online", 1)
            await all_.hears(lambda: len(all_.on(DISCOVERY)) == 2)
            await all_.hears(lambda: len(all_.on("sungather/roof/state")) == 2)


async def test_the_last_will_of_an_earlier_connection_is_contradicted(tmp_path: Path) -> None:
    with running(mosquitto(tmp_path)) as server:
        async with bench(tmp_path, at(server)) as b, audience(server.port) as all_:
            b.take_powers(1)
            await b.drained()
            async with aiomqtt.Client("127.0.0.1", server.port) as broker:
                await broker.publish(STATUS, "offline", 1, retain=True)
            await all_.hears(lambda: all_.on(STATUS)[-2:] == ["offline", "online"])


async def test_a_stop_says_offline_and_a_start_does_not_show_old_values_as_new(
    tmp_path: Path,
) -> None:
    with running(mosquitto(tmp_path)) as server:
        async with audience(server.port) as all_:
            async with bench(tmp_path, at(server)) as b:
                b.take_powers(1)
                await b.drained()
            await all_.hears(lambda: all_.on(STATUS)[-1:] == ["offline"])
            async with bench(tmp_path, at(server)) as b:
                await all_.hears(lambda: all_.on(STATUS)[-1:] == ["online"])
                await all_.hears(lambda: all_.on("sungather/roof/availability")[-1] == "offline")


async def test_a_half_open_connection_is_noticed_and_nothing_is_lost(tmp_path: Path) -> None:
    server = mosquitto(tmp_path)
    with running(server):
        async with bench(tmp_path, at(server), patience=0.5) as b:
            b.take_powers(1)
            await b.drained()
            server.freeze()
            b.take_powers(2, 3)
            await b.is_in_state("waiting")
            server.thaw()
            await b.drained()
            await b.is_in_state("ok")
            assert b.mqtt.health().delivered == 3


async def test_a_broker_that_is_down_at_start_is_waited_for(tmp_path: Path) -> None:
    server = mosquitto(tmp_path)
    async with bench(tmp_path, at(server)) as b:
        b.take_powers(1)
        await b.is_in_state("waiting")
        assert "nothing listens" in b.mqtt.health().message
        with running(server):
            await b.drained()


async def test_a_name_that_is_gone_is_waited_for_in_words(tmp_path: Path) -> None:
    async with bench(tmp_path, replace(OPTIONS, host="no-such-host.invalid")) as b:
        await b.is_in_state("waiting")
        assert "cannot be resolved" in b.mqtt.health().message


async def test_a_wrong_password_blocks_and_is_not_shown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    passwords = tmp_path / "passwords"
    program = tool("mosquitto_passwd", "mosquitto")
    await asyncio.to_thread(
        subprocess.run, [program, "-c", "-b", str(passwords), "sun", "right"], check=True
    )
    passwords.chmod(0o644)
    server = mosquitto(tmp_path, f"allow_anonymous false\npassword_file {passwords}\n")
    with running(server):
        wrong = replace(at(server), username="sun", password="wr0ng-pass")
        async with bench(tmp_path, wrong) as b:
            await b.is_in_state("blocked")
            assert "mqtt.password" in b.mqtt.health().message
            assert "wr0ng-pass" not in b.mqtt.health().message + caplog.text
        async with bench(tmp_path, replace(wrong, password="right")) as b:
            b.take_powers(1)
            await b.drained()


async def test_the_topic_payload_and_serial_of_sungather_0_5_are_kept_on_request(
    tmp_path: Path,
) -> None:
    with running(mosquitto(tmp_path)) as server:
        options = replace(at(server), compatibility="sungather-0.5")
        async with bench(tmp_path, options) as b, audience(server.port) as all_:
            long = reading(
                b.time.now.replace(hour=7, minute=5, second=9),
                total_active_power=3367, grid_export_power=1823, grid_import_power=0,
                strings=[1.0], serial_number="A223098765XYZ",
            )  # fmt: skip
            old = {"model": "SG10RT", "other_models": ("SG10RT-20",), "faults": FaultReport()}
            b.take(replace(long, serial="A223098765XYZ", **old))
            await all_.hears(lambda: all_.on("SunGather/A223098765"))
            message = json.loads(all_.on("SunGather/A223098765")[0])
            assert message["serial_number"] == "A223098765"
            assert message["total_active_power"] == 3367
            assert (message["export_to_grid"], message["import_from_grid"]) == (1823, 0)
            assert message["timestamp"] == "2026-6-21 9:05:09"
            assert (message["level"], message["host"], message["port"]) == (1, "192.0.2.1", 502)
            assert "strings" not in message
            b.take(replace(sub_device(b.time.now), serial="A223098765ABC"))
            await all_.hears(lambda: all_.on("sungather/roof-battery-1/state"))
            assert len(all_.on("SunGather/A223098765")) == 1, "it knew no batteries"
            assert list(message)[:2] == ["model", "serial_number"]
            assert (message["model"], message["device_type_code"]) == ("SG10RT", "SG10RT")
            assert "fault" not in message
            assert json.loads(all_.on(STATE)[0])["fault"] is False, "our own stays as it is"


def _certificates(directory: Path) -> None:
    """A certificate authority, a server's and a client's certificate."""
    openssl = tool("openssl", "openssl")

    def run(*arguments: str) -> None:
        subprocess.run([openssl, *arguments], check=True, cwd=directory, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    run("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Test CA",
        "-addext", "keyUsage=critical,keyCertSign")  # fmt: skip
    for name in ("server", "client"):
        run("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (directory / "names").write_text("subjectAltName=IP:127.0.0.1\n")
        run("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-out", f"{name}.pem", "-extfile", "names")  # fmt: skip
    for file in directory.glob("*.key"):
        file.chmod(0o644)


# paho leaves the socket of a handshake that failed to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_tls_with_a_client_certificate_as_text_or_path_and_an_unknown_ca_is_refused(
    tmp_path: Path,
) -> None:
    _certificates(tmp_path)
    settings = (
        f"cafile {tmp_path}/ca.pem\ncertfile {tmp_path}/server.pem\n"
        f"keyfile {tmp_path}/server.key\nrequire_certificate true\nallow_anonymous true\n"
    )
    with running(mosquitto(tmp_path, settings)) as server:
        tls = replace(
            at(server),
            tls_enabled=True,
            tls_ca=(tmp_path / "ca.pem").read_text(),
            tls_cert=str(tmp_path / "client.pem"),
            tls_key=(tmp_path / "client.key").read_text(),
        )
        async with bench(tmp_path, tls) as b:
            b.take_powers(1)
            await b.drained()
        async with bench(tmp_path, replace(tls, tls_ca="")) as b:
            await b.is_in_state("waiting")
            assert "certificate" in b.mqtt.health().message
        async with bench(tmp_path, replace(tls, tls_ca="", tls_insecure=True)) as b:
            b.take_powers(2)
            await b.drained()
        async with bench(tmp_path, replace(tls, tls_key="-----BEGIN NONSENSE")) as b:
            await b.is_in_state("blocked")
            assert "mqtt.tls.key" in b.mqtt.health().message
    gc.collect()  # so that it is this test that leaves it


async def test_a_port_that_is_no_broker_is_given_up_and_tried_again(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        options = replace(OPTIONS, port=listener.getsockname()[1])
        async with bench(tmp_path, options, patience=0.3) as b:
            await b.is_in_state("waiting")


async def test_the_present_is_published_while_the_disk_of_the_outbox_hangs(tmp_path: Path) -> None:
    server = mosquitto(tmp_path)
    goes_on = threading.Event()
    with running(server):
        async with bench(tmp_path, at(server)) as b, audience(server.port) as all_:
            b.take_powers(1)
            await b.drained()
            b.outbox._worker.post(goes_on.wait)  # type: ignore[arg-type]
            try:
                b.take_powers(2)
                b.take(reading(b.time.now, pv_power=3, soc=50))  # something to note
                await all_.hears(lambda: any('"soc":50' in text for text in all_.on(STATE)))
                b.take(reading(b.time.now, state=State.UNREACHABLE))
                await all_.hears(lambda: all_.on(CONNECTION)[-1] == "unreachable")
                server.kill()
                server.start()
                async with audience(server.port) as late:
                    await late.hears(lambda: late.on(CONNECTION)[-1:] == ["unreachable"])
                    b.take_powers(4)
                    await late.hears(lambda: '"pv_power":4' in "".join(late.on(STATE)))
                assert b.mqtt.health().delivered == 1
            finally:
                goes_on.set()
            await b.drained()
            assert b.mqtt.health().delivered == 4
