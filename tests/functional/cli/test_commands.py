"""The commands as people and programs call them: a real process each, on a simulated inverter."""

import asyncio
import json
import os
import re
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from real_parts import free_port
from support import daytime_zone

from sungather.simulator import HTTP_SERVER, Faults, Server, device_named, serve, stranger
from sungather.simulator.certificate import throwaway_context
from sungather.simulator.frontend import reads_from
from sungather.simulator.winet import SH10RT, Dongle, WinetPort
from tests.stand_ins import Reply, Request, site


@pytest.fixture
async def server() -> AsyncGenerator[Server]:
    async with await serve(device_named("SH10RT"), port=free_port()) as running:
        yield running


class Shell:
    """Runs `sungather` with a state directory of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("SUNGATHER")},
            "STATE_DIRECTORY": str(directory / "state"),
            "TZ": daytime_zone(),
        }

    async def start(self, *words: object) -> Process:
        command = [sys.executable, "-m", "sungather", *map(str, words)]
        return await asyncio.create_subprocess_exec(
            *command, stdout=PIPE, stderr=PIPE, env=self.environment
        )

    async def __call__(self, *words: object) -> tuple[int, str, str]:
        process = await self.start(*words)
        out, err = await process.communicate()
        return process.returncode or 0, out.decode(), err.decode()

    async def json(self, *words: object) -> tuple[int, dict[str, Any]]:
        code, out, _ = await self(*words, "--format", "json")
        return code, json.loads(out)


@pytest.fixture
def sungather(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


class Arrivals(list[Any]):
    """A list that tells when something is put into it."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived = asyncio.Event()

    def append(self, item: Any) -> None:
        super().append(item)
        self.arrived.set()


def at(server: Server, **options: object) -> list[str]:
    chosen = {"host": "127.0.0.1", "port": server.port, "timeout": 0.5, "retries": 0, **options}
    settings = [f"inverter.{key.replace('_', '-')}={value}" for key, value in chosen.items()]
    return [f"--set={setting}" for setting in (*settings, "web.enabled=false")]


async def listening(daemon: Process, state: Path) -> Path:
    """The daemon's socket, once it has read the inverter."""
    assert daemon.stderr is not None
    async for line in daemon.stderr:
        if b" is ok" in line:
            return state / "control.sock"
    raise AssertionError("the daemon ended")


async def stop(daemon: Process) -> int:
    daemon.send_signal(signal.SIGTERM)
    async with asyncio.timeout(10):
        return await daemon.wait()


async def test_run_once_gives_the_documented_object(server: Server, sungather: Shell) -> None:
    code, answer = await sungather.json("run-once", *at(server))
    assert code == 0
    (one,) = answer["inverters"]
    assert one.keys() >= {
        *("name", "state", "model", "family", "serial", "firmware", "transport", "path", "time"),
        *("values", "units", "absent", "refused", "requests", "duration_ms"),
    }
    assert (one["name"], one["state"], one["path"]) == ("inverter", "ok", "cable")
    assert one["time"].endswith("Z")
    assert len(one["values"]["pv_power_of_today"]) == 96
    assert one["units"]["pv_power"] == "W"


async def test_every_household_figure_is_there(server: Server, sungather: Shell) -> None:
    _, answer = await sungather.json("run-once", *at(server))
    figures = {"pv_power", "house_power", "grid_import_power", "grid_export_power"}
    figures |= {"battery_charge_power", "battery_discharge_power", "battery_level"}
    for what in ("pv", "house", "grid_import", "grid_export", "battery_charge"):
        figures |= {f"{what}_energy_today", f"{what}_energy_total"}
    assert figures <= answer["inverters"][0]["values"].keys()


async def test_json_is_alone_on_standard_output(server: Server, sungather: Shell) -> None:
    code, out, _ = await sungather("run-once", *at(server), "--format", "json")
    assert code == 0
    assert out.count("\n") == 1


async def test_a_table_for_people(server: Server, sungather: Shell) -> None:
    code, out, _ = await sungather("run-once", *at(server))
    assert code == 0
    assert "SH10RT" in out
    assert "battery level" in out


async def test_an_unreachable_inverter_is_exit_code_3(sungather: Shell, server: Server) -> None:
    await server.go_dark()
    code, answer = await sungather.json("run-once", *at(server))
    assert code == 3
    assert answer["inverters"][0]["state"] == "unreachable"
    assert answer["inverters"][0]["error"]["class"] == "port-closed"


async def test_with_several_inverters_the_worst_exit_code_counts(sungather: Shell) -> None:
    async with await serve(stranger()) as odd, await serve(device_named("SG10RT")) as good:
        words = [
            f"--set=inverters.{name}.{key}={value}"
            for name, port in (("roof", good.port), ("meter", odd.port))
            for key, value in (("host", "127.0.0.1"), ("port", port))
        ]
        code, answer = await sungather.json("run-once", *words)
    assert code == 4
    assert {one["name"]: one["state"] for one in answer["inverters"]} == {
        "roof": "ok",
        "meter": "not-an-inverter",
    }


@pytest.mark.parametrize(
    ("faults", "kind", "code"),
    [
        (Faults(silent=True), "silent", 3),
        (Faults(banner=HTTP_SERVER), "not-modbus", 4),
        (Faults(busy=1000), "busy", 4),
        (Faults(close_every=1), "connection-lost", 3),
    ],
)
async def test_test_connection_names_the_class_and_the_remedy(
    sungather: Shell, faults: Faults, kind: str, code: int
) -> None:
    async with await serve(device_named("SH10RT"), faults=faults) as server:
        exit_code, answer = await sungather.json("test-connection", *at(server))
    (one,) = answer["inverters"]
    assert (exit_code, one["success"], one["error"]["class"]) == (code, False, kind)
    assert one["error"]["message"].endswith(".")


async def test_test_connection_measures_the_latency(server: Server, sungather: Shell) -> None:
    code, answer = await sungather.json("test-connection", *at(server))
    (one,) = answer["inverters"]
    assert (code, one["success"], one["model"], one["path"]) == (0, True, "SH10RT", "cable")
    assert 0 <= one["latency_ms"]["min"] <= one["latency_ms"]["median"]


async def test_get_inverter_info_tells_what_it_is(server: Server, sungather: Shell) -> None:
    code, answer = await sungather.json("get-inverter-info", *at(server))
    (one,) = answer["inverters"]
    assert code == 0
    assert (one["nominal_power_kw"], one["phases"], one["mppt_count"]) == (10.0, 3, 2)
    assert one["battery"] is True
    assert one["firmware"]


async def test_readings_without_a_daemon_say_how_to_start_one(sungather: Shell) -> None:
    code, out, err = await sungather("readings", "--set", "inverter.host=127.0.0.1")
    assert (code, out) == (3, "")
    assert "'sungather run'" in err
    code, out, err = await sungather("readings")
    assert (code, out) == (3, "")
    assert "'sungather run ADDRESS'" in err, "without an inverter to read it cannot be started"
    assert "missing" not in err


async def test_a_daemon_with_other_options_is_not_told_as_none(
    server: Server, sungather: Shell
) -> None:
    daemon = await sungather.start("run", *at(server))
    await listening(daemon, sungather.directory / "state")
    try:
        code, out, err = await sungather("readings", "--set", "inverter.host=192.0.2.1")
        assert (code, out) == (3, "")
        assert "A daemon is running, but it reads other inverters" in err
        assert "Leave out --set" in err
    finally:
        assert await stop(daemon) == 0


async def test_commands_use_the_running_daemons_connection(
    server: Server, sungather: Shell
) -> None:
    daemon = await sungather.start("run", *at(server))
    try:
        await listening(daemon, sungather.directory / "state")
        await sungather.json("run-once")  # behind the first scan, with all that it looks for
        asked = len(server.requests)
        code, newest = await sungather.json("readings")
        assert code == 0
        assert newest["inverters"][0]["values"]["battery_level"]
        assert newest["inverters"][0]["age_s"] >= 0
        assert len(server.requests) == asked
        for command in ("run-once", "test-connection", "get-inverter-info"):
            code, _ = await sungather.json(command)
            assert code == 0
        assert server.connections == 1
        other = device_named("SG10RT")
        async with await serve(other) as elsewhere:
            _, answer = await sungather.json("run-once", *at(elsewhere))
        assert answer["inverters"][0]["model"].startswith("SG10RT")
    finally:
        assert await stop(daemon) == 0


async def test_what_a_device_refused_is_forgotten_by_the_daemon(
    server: Server, sungather: Shell
) -> None:
    server.faults.cannot_contain = {"input": range(13023, 13024)}
    daemon = await sungather.start("run", *at(server))
    await listening(daemon, sungather.directory / "state")
    server.faults.cannot_contain = {}
    try:
        assert (await sungather.json("run-once"))[1]["inverters"][0]["refused"]
        code, answer = await sungather.json("forget", "refusals")
        assert (code, answer) == (0, {"forgotten": "refusals", "inverters": ["inverter"]})
        (one,) = (await sungather.json("run-once"))[1]["inverters"]
        assert (one["refused"], "battery_level" in one["values"]) == ([], True)
    finally:
        assert await stop(daemon) == 0


async def test_what_a_device_refused_is_forgotten_without_a_daemon(
    server: Server, sungather: Shell
) -> None:
    server.faults.cannot_contain = {"input": range(13023, 13024)}
    await sungather("run-once", *at(server))
    server.faults.cannot_contain = {}
    assert (await sungather.json("run-once", *at(server)))[1]["inverters"][0]["refused"]
    code, out, _ = await sungather("forget", "refusals", *at(server))
    assert (code, "What inverter refused is forgotten" in out) == (0, True)
    assert not (await sungather.json("run-once", *at(server)))[1]["inverters"][0]["refused"]


@pytest.mark.parametrize("daemon_runs", [False, True])
@pytest.mark.parametrize("what", ["refusals", "certificate", "sub-devices"])
async def test_everything_that_the_command_line_offers_can_be_forgotten(
    server: Server, sungather: Shell, what: str, daemon_runs: bool
) -> None:
    daemon = await sungather.start("run", *at(server)) if daemon_runs else None
    if daemon is not None:
        await listening(daemon, sungather.directory / "state")
    code, answer = await sungather.json("forget", what, *at(server))
    assert (code, answer["forgotten"]) == (0, what)
    if daemon is not None:
        assert await stop(daemon) == 0


async def test_a_replaced_dongle_is_trusted_once_the_old_certificate_is_forgotten(
    sungather: Shell,
) -> None:
    dongles = [Dongle(reads_from({1: device_named("SH10RT")}), devices=(SH10RT,)) for _ in "ab"]
    async with WinetPort(dongles[0], tls=throwaway_context()) as old:
        port = old.port
        words = [f"--set=inverter.{key}" for key in ("connection=http", f"port={port}")]
        words += ["--set=inverter.host=127.0.0.1", "--set=inverter.retries=0"]
        assert (await sungather("test-connection", *words))[0] == 0
    async with WinetPort(dongles[1], tls=throwaway_context(), port=port):
        code, answer = await sungather.json("test-connection", *words)
        assert (code, answer["inverters"][0]["error"]["class"]) == (4, "certificate-changed")
        assert "'sungather forget certificate'" in answer["inverters"][0]["error"]["message"]
        assert (await sungather("forget", "certificate", *words))[0] == 0
        assert (await sungather("test-connection", *words))[0] == 0


async def test_a_configuration_with_secrets_that_everybody_can_read_is_said_at_the_start(
    server: Server, sungather: Shell
) -> None:
    file = sungather.directory / "sungather.yaml"
    file.write_text("mqtt:\n  password: hunter2\n")
    file.chmod(0o644)
    daemon = await sungather.start("run", "--config", file, *at(server))
    assert daemon.stderr is not None
    said = b""
    async with asyncio.timeout(60):
        while b"Every user of this machine can read" not in said:
            line = await daemon.stderr.readline()
            assert line, "the daemon ended"
            said += line
    assert b"hunter2" not in said
    await stop(daemon)


async def test_the_daemon_stops_cleanly_while_the_inverter_is_silent(
    server: Server, sungather: Shell
) -> None:
    daemon = await sungather.start("run", *at(server, timeout=60))
    await listening(daemon, sungather.directory / "state")
    server.faults.silent = True
    server.requests = arrivals = Arrivals()
    scan = asyncio.create_task(sungather("run-once"))
    await arrivals.arrived.wait()
    assert await stop(daemon) == 0
    assert not (sungather.directory / "state" / "control.sock").exists()
    await scan


async def test_a_client_that_says_nothing_does_not_hold_up_the_stop(
    server: Server, sungather: Shell
) -> None:
    daemon = await sungather.start("run", *at(server))
    socket = await listening(daemon, sungather.directory / "state")
    _, writer = await asyncio.open_unix_connection(socket)
    daemon.send_signal(signal.SIGTERM)
    _, err = await daemon.communicate()
    writer.close()
    assert daemon.returncode == 0
    assert "Traceback" not in err.decode()


async def test_a_second_daemon_leaves_the_first_alone(server: Server, sungather: Shell) -> None:
    daemon = await sungather.start("run", *at(server))
    await listening(daemon, sungather.directory / "state")
    code, _, err = await sungather("run", *at(server))
    assert code == 2
    assert "Another daemon" in err
    code, _ = await sungather.json("readings")
    assert code == 0
    assert server.connections == 1
    assert await stop(daemon) == 0


async def test_sighup_is_ignored(server: Server, sungather: Shell) -> None:
    daemon = await sungather.start("run", *at(server))
    await listening(daemon, sungather.directory / "state")
    daemon.send_signal(signal.SIGHUP)
    code, _ = await sungather.json("readings")
    assert code == 0
    assert await stop(daemon) == 0


async def test_wrong_options_are_told_all_at_once(sungather: Shell) -> None:
    code, out, err = await sungather(
        *("run", "--set", "inverter.hots=1.2.3.4"),
        *("--set", "inverter.level=7", "--set", "inverter.scan-interval=-5"),
    )
    assert (code, out) == (2, "")
    assert "inverter.host" in err
    assert "inverter.level" in err
    assert "inverter.scan-interval" in err
    assert "Traceback" not in err


async def test_registers_shows_the_plan_and_its_proof(sungather: Shell) -> None:
    code, answer = await sungather.json("registers", "--model", "SG10RT", "--level", "2")
    assert code == 0
    assert len(answer["requests"]) == len(answer["lower_bound"])
    assert len(answer["registers"]) > len(answer["requests"]) > 0
    assert all(row["source"] for row in answer["registers"])


async def test_the_table_of_registers_cuts_no_name(sungather: Shell) -> None:
    _, out, _ = await sungather("registers", "--model", "SH10RT")
    assert "battery_charge_power_from_pv_today" in out
    assert "13008–13009" in out


async def test_an_unknown_model_names_near_ones(sungather: Shell) -> None:
    code, _, err = await sungather("registers", "--model", "SH10TR")
    assert code == 2
    assert "SH10RT" in err


async def test_options_prints_the_json_schema(sungather: Shell) -> None:
    code, schema = await sungather.json("options")
    assert code == 0
    assert schema["$schema"].startswith("https://json-schema.org/")


async def test_check_config_shows_what_is_in_force(sungather: Shell, tmp_path: Path) -> None:
    file = tmp_path / "sungather.yaml"
    file.write_text("inverter:\n  host: 192.168.1.10\n  level: 2\n")
    code, answer = await sungather.json("check-config", "--config", file)
    assert code == 0
    assert answer["options"]["inverter.level"] == 2


@pytest.mark.parametrize("connection", ["modbus", "sungrow", "http", "http-without-login"])
async def test_the_simulator_is_a_command_for_every_connection(
    sungather: Shell, connection: str
) -> None:
    simulated = ("--model", "SG5.0RS", "--connection", connection, "--port", 0)
    process = await sungather.start("simulate", *simulated)
    assert process.stderr is not None
    announced = re.search(rb"127\.0\.0\.1:(\d+)", await process.stderr.readline())
    assert announced is not None
    port = announced[1].decode()
    way = connection.removesuffix("-without-login")
    settings = {"host": "127.0.0.1", "port": port, "connection": way}
    words = [f"--set=inverter.{key}={value}" for key, value in settings.items()]
    code, answer = await sungather.json("test-connection", *words)
    assert (code, answer["inverters"][0]["model"]) == (0, "SG5.0RS")
    assert await stop(process) == 0


async def test_the_demo_reads_a_simulated_day(sungather: Shell) -> None:
    process = await sungather.start("demo", "--format", "json")
    assert process.stdout is not None
    lines = [json.loads(await process.stdout.readline()) for _ in range(6)]
    assert await stop(process) == 0
    assert lines[0]["state"] == "connecting"
    lines = [line for line in lines[1:] if "via" not in line]
    times = [line["time"] for line in lines]
    assert times == sorted(times)
    assert {line["state"] for line in lines} == {"ok"}
    assert all(line["values"]["house_power"] > 0 for line in lines)


async def test_the_demo_takes_address_and_port_and_ends_well_by_ctrl_c(
    sungather: Shell,
) -> None:
    port = free_port()
    words = ("demo", "--address", "127.0.0.1", "--port", port)
    process = await sungather.start(*words)
    assert process.stderr is not None
    first = await process.stderr.readline()
    assert b"Ctrl-C stops it" in first
    assert f"at http://127.0.0.1:{port}/" in (await process.stderr.readline()).decode()
    process.send_signal(signal.SIGINT)
    async with asyncio.timeout(10):
        assert await process.wait() == 0
    # Also one that has hardly begun.
    process = await sungather.start(*words)
    assert process.stderr is not None
    await process.stderr.readline()
    process.send_signal(signal.SIGINT)
    async with asyncio.timeout(10):
        assert await process.wait() == 0


async def test_a_port_that_the_demo_cannot_have_is_a_sentence(sungather: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, _, err = await sungather("demo", "--address", "127.0.0.1", "--port", port)
    assert code == 2
    assert f"The port {port} of 127.0.0.1 cannot be opened" in err


async def test_the_log_has_times_of_its_own_outside_the_journal(
    sungather: Shell, server: Server
) -> None:
    daemon = await sungather.start("run", *at(server))
    assert daemon.stderr is not None
    line = (await daemon.stderr.readline()).decode()
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ ", line)
    assert await stop(daemon) == 0


async def test_in_the_journal_the_time_is_the_journals(
    sungather: Shell, server: Server, tmp_path: Path
) -> None:
    with (tmp_path / "journal").open("w+b") as journal:
        place = os.fstat(journal.fileno())
        command = [sys.executable, "-m", "sungather", "run", *at(server)]
        environment = {
            **sungather.environment,
            "JOURNAL_STREAM": f"{place.st_dev}:{place.st_ino}",
        }
        daemon = await asyncio.create_subprocess_exec(*command, stderr=journal, env=environment)
        await listening_at(tmp_path / "state" / "control.sock")
        assert await stop(daemon) == 0
        assert (tmp_path / "journal").read_text().startswith("INFO ")


async def listening_at(control: Path) -> None:
    """Wait for the daemon's socket, whose log cannot be awaited."""
    async with asyncio.timeout(20):
        while not await asyncio.to_thread(control.exists):  # noqa: ASYNC110 (of another process)
            await asyncio.sleep(0.01)


async def test_help_states_the_exit_codes(sungather: Shell) -> None:
    code, out, _ = await sungather("run-once", "--help")
    assert code == 0
    assert "3  an inverter is unreachable" in out


async def test_a_battery_behind_the_inverter_is_a_device_of_its_own(sungather: Shell) -> None:
    process = await sungather.start("simulate", "--model", "SH10RT", "--port", 0)
    assert process.stderr is not None
    announced = re.search(rb"127\.0\.0\.1:(\d+)", await process.stderr.readline())
    assert announced is not None
    words = (f"--set=inverter.port={announced[1].decode()}", "--set=inverter.host=127.0.0.1")
    code, answer = await sungather.json("run-once", *words)
    assert code == 0
    (battery,) = answer["devices"]
    assert (battery["kind"], battery["via"], battery["state"]) == ("battery", "inverter", "ok")
    assert await stop(process) == 0


async def test_what_was_refused_is_listed_and_tried_again_with_and_without_a_daemon(
    server: Server, sungather: Shell
) -> None:
    broken = True

    def answer(request: Request) -> Reply:
        if request.path == "/ping" or not broken:
            return Reply(204)
        said = {"code": "request too large", "message": "not that much"}
        return Reply(413, json.dumps(said).encode())

    with site(answer) as influxdb:
        chosen = {"enabled": "true", "url": influxdb.url, "bucket": "solar", "version": "1"}
        options = at(server) + [f"--set=influxdb.{key}={text}" for key, text in chosen.items()]
        await sungather("run-once", *options)
        code, alone = await sungather.json("rejected", *options)
        assert code == 0
        (exporter,) = alone["exporters"]
        (one,) = exporter["rejected"]
        assert (exporter["name"], one["name"]) == ("influxdb", "inverter")
        assert "not that much" in one["reason"]
        assert "pv_power" in one["values"]
        _, table, _ = await sungather("rejected", *options)
        assert "not that much" in table

        daemon = await sungather.start("run", *options)
        await listening(daemon, sungather.directory / "state")
        _, listed = await sungather.json("rejected", *options)
        assert one in listed["exporters"][0]["rejected"]
        broken = False
        code, again = await sungather.json("rejected", "--again", *options)
        assert (code, again["again"]) == (0, len(again["exporters"][0]["rejected"]))
        async with asyncio.timeout(20):
            while (await sungather.json("rejected", *options))[1]["exporters"][0]["rejected"]:
                pass
        assert await stop(daemon) == 0

        broken = True
        await sungather("run-once", *options)
        broken = False
        _, again = await sungather.json("rejected", "--again", *options)
        assert again["again"] == 1
        _, left = await sungather.json("rejected", *options)
        assert left["exporters"][0]["rejected"] == []
        _, table, _ = await sungather("rejected", *options)
        assert "Nothing was refused." in table
