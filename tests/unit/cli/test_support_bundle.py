"""One file for a bug report: what is needed, and no secret."""

import asyncio
import json
import stat
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sungather.cli import support_bundle
from sungather.control import SOCKET
from sungather.daemon.control_server import ControlServer
from sungather.daemon.log_files import FILE
from sungather.options.configuration import Configuration, load

SECRET = "hunter2-of-the-broker"
SERIAL = "A2340500001"
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    file = tmp_path / "options.yaml"
    file.write_text(
        f"inverter:\n  host: 192.168.1.10\nmqtt:\n  password: '{SECRET}'\n"
        f"storage:\n  directory: {tmp_path}\n"
    )
    return load(file)


@asynccontextmanager
async def daemon(directory: Path) -> AsyncGenerator[None]:
    async def answer() -> dict[str, object]:
        return {"inverters": [{"name": "roof", "serial": SERIAL, "values": {"pv_power": 1234}}]}

    handlers = {"readings": answer, "get-inverter-info": answer}
    server = asyncio.create_task(ControlServer(directory / SOCKET, [], handlers).run())
    while not (directory / SOCKET).is_socket():  # noqa: ASYNC110 (another task makes it)
        await asyncio.sleep(0)
    yield
    server.cancel()


async def test_it_has_versions_options_readings_files_and_the_log(
    configuration: Configuration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNAP_NAME", "sungather")
    monkeypatch.setenv("SNAP_COMMON", str(tmp_path))
    (tmp_path / "logs").mkdir()
    (tmp_path / f"logs/{FILE}.1").write_text("INFO the older line\n")
    (tmp_path / f"logs/{FILE}").write_text(f"INFO {SERIAL} with {SECRET}\n")
    async with daemon(tmp_path):
        text = await support_bundle.bundle(configuration, NOW)
    assert '"inverter.host": "192.168.1.10"' in text
    assert '"pv_power": 1234' in text
    assert "options.yaml" in text
    assert text.index("the older line") < text.index("with (secret)")
    assert '"pymodbus"' in text


async def test_neither_secrets_nor_whole_serial_numbers_are_in_it(
    configuration: Configuration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNAP_NAME", "sungather")
    monkeypatch.setenv("SNAP_COMMON", str(tmp_path))
    (tmp_path / "logs").mkdir()
    (tmp_path / f"logs/{FILE}").write_text(f"INFO {SERIAL} with {SECRET}\n")
    async with daemon(tmp_path):
        text = await support_bundle.bundle(configuration, NOW)
    assert SECRET not in text
    assert SERIAL not in text
    assert '"mqtt.password": "(secret)"' in text
    assert '"serial": "A23…"' in text


async def test_without_a_daemon_it_says_so(configuration: Configuration) -> None:
    assert "no daemon is running" in await support_bundle.bundle(configuration, NOW)


def test_the_snap_keeps_the_newest_one_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNAP_NAME", "sungather")
    monkeypatch.setenv("SNAP_COMMON", str(tmp_path))
    support_bundle.write("one", support_bundle.place(NOW))
    newer = support_bundle.place(NOW.replace(hour=13))
    support_bundle.write("two", newer)
    assert list(newer.parent.iterdir()) == [newer]
    assert stat.S_IMODE(newer.stat().st_mode) == 0o640


def test_elsewhere_it_is_written_where_one_is() -> None:
    assert support_bundle.place(NOW) == Path("sungather-support-20260601-120000.txt")


async def test_a_secret_is_masked_in_json_and_line_by_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = 'first "line" of it\nsecond line of it'
    file = tmp_path / "options.yaml"
    file.write_text(
        f"inverter: {{host: h}}\nmqtt: {{tls: {{cert: c, key: {json.dumps(secret)}}}}}\n"
    )
    monkeypatch.setenv("SNAP_NAME", "sungather")
    monkeypatch.setenv("SNAP_COMMON", str(tmp_path))
    (tmp_path / "logs").mkdir()
    (tmp_path / f"logs/{FILE}").write_text(f"INFO {json.dumps(secret)}\nINFO second line of it\n")
    text = await support_bundle.bundle(load(file), NOW)
    assert "line of it" not in text
