"""`inverter.devices`, and where batteries and wall boxes usually are."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sungather.device.sub_device_places import usual_units
from sungather.options.devices import SubDeviceKind, WantedDevice, wanted_devices
from sungather.reading import Path
from sungather.registers.models import model_named


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("auto", (WantedDevice(SubDeviceKind.BATTERY), WantedDevice(SubDeviceKind.CHARGER))),
        ("none", ()),
        ("battery", (WantedDevice(SubDeviceKind.BATTERY),)),
        ("charger:247", (WantedDevice(SubDeviceKind.CHARGER, 247),)),
        (
            "battery:200,battery:201 , charger",
            (
                WantedDevice(SubDeviceKind.BATTERY, 200),
                WantedDevice(SubDeviceKind.BATTERY, 201),
                WantedDevice(SubDeviceKind.CHARGER),
            ),
        ),
        ("battery:2, battery:2", (WantedDevice(SubDeviceKind.BATTERY, 2),)),
    ],
)
def test_the_option_is_auto_none_or_a_list(text: str, wanted: tuple[WantedDevice, ...]) -> None:
    assert wanted_devices(text) == wanted


@pytest.mark.parametrize(
    "text", ["", "all", "battery:", "battery:0", "battery:249", "battery:²", "auto, battery", ","]
)
def test_anything_else_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match=r"neither auto|needs a unit"):
        wanted_devices(text)


@given(st.text())
def test_no_text_does_more_than_be_refused(text: str) -> None:
    try:
        wanted_devices(text)
    except ValueError as error:
        assert str(error)  # noqa: PT017 (both outcomes are right)


@pytest.mark.parametrize(
    ("model", "path", "connection", "batteries", "chargers"),
    [
        ("SH10RT", Path.CABLE, "modbus", (200, 201, 202, 203), ()),
        ("SH10RT", Path.DONGLE, "modbus", (2, 200, 201, 202, 203), (3, 248)),
        ("SH10RT", Path.DONGLE, "http", (2, 200, 201, 202, 203), (3, 248)),
        ("SH5.0RS", Path.UNKNOWN, "modbus", (2, 200, 201, 202, 203), (3, 248)),
        ("SH15T", Path.UNKNOWN, "modbus", (2, 200, 201, 202, 203), (3, 248)),
        ("SG10RT", Path.UNKNOWN, "modbus", (), (3, 248)),
    ],
)
def test_devices_are_looked_for_only_where_they_can_be(
    model: str,
    path: Path,
    connection: str,
    batteries: tuple[int, ...],
    chargers: tuple[int, ...],
) -> None:
    inverter = replace(model_named(model), path=path)
    assert usual_units(SubDeviceKind.BATTERY, inverter, connection) == batteries
    assert usual_units(SubDeviceKind.CHARGER, inverter, connection) == chargers
