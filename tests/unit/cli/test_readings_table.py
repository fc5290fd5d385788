"""What `readings` shows on a terminal beside the readings themselves."""

import pytest
from households import SERVICES

from sungather import answers
from sungather.cli import tables


def test_who_asks_the_modbus_server_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    exporters = [answers.of_health(one) for one in SERVICES]
    tables.show("readings", {"inverters": (), "exporters": exporters})
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    asked = ["192.168.1.5", "2", "379", "371", "6", "0x02:", "1,", "0x0b:", "1"]
    assert asked in lines
    assert ["client", "open", "requests", "from", "memory", "passed", "on", "exceptions"] in lines
    assert exporters[-1].get("asked") == {"roof": 4}
