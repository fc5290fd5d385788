"""Connection advice: a cable before a dongle, the web API before the dongle's Modbus."""

import pytest

from sungather.device.advice import connection_advice
from sungather.reading import Path


@pytest.mark.parametrize(
    ("connection", "path", "encrypted", "web_api", "best", "says"),
    [
        ("modbus", Path.CABLE, False, None, "modbus", "own LAN port, the best way"),
        ("modbus", Path.CABLE, False, True, "modbus", "own LAN port, the best way"),
        ("sungrow", Path.CABLE, True, None, "sungrow", "own LAN port, the best way"),
        ("sungrow", Path.CABLE, False, None, "modbus", "own LAN port, the best way"),
        ("http", Path.DONGLE, False, None, "http", "best way through a WiNet-S"),
        ("modbus", Path.DONGLE, False, None, "http", "connection http"),
        ("modbus", Path.DONGLE, False, True, "http", "connection http"),
        ("modbus", Path.DONGLE, False, False, "modbus", "A cable"),
        ("sungrow", Path.DONGLE, True, False, "sungrow", "A cable"),
        ("modbus", Path.UNKNOWN, False, True, "http", "connection http"),
        ("modbus", Path.UNKNOWN, False, None, "modbus", "cannot be told"),
        ("sungrow", Path.UNKNOWN, True, None, "sungrow", "encrypted"),
    ],
)
def test_the_best_way_and_its_reason(
    connection: str, path: Path, encrypted: bool, web_api: bool | None, best: str, says: str
) -> None:
    advice = connection_advice(connection, path, encrypted=encrypted, web_api=web_api)
    assert advice.connection == best
    assert says in advice.why
