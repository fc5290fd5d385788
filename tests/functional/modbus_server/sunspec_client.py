"""The SunSpec Alliance's own client, with its own definitions of the models."""

# It has no types.
# pyright: basic

from typing import Any

from sunspec2.modbus import client


def scanned(port: int) -> dict[int, dict[str, Any]]:
    """All models that SunSpec's client finds, with the values that it makes of them."""
    device = client.SunSpecModbusClientDeviceTCP(slave_id=126, ipaddr="127.0.0.1", ipport=port)
    try:
        device.scan()
        return {
            number: {name: point.cvalue for name, point in found[0].points.items()}
            for number, found in device.models.items()
            if isinstance(number, int)
        }
    finally:
        device.close()
