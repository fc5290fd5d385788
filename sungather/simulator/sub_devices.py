"""The sub-devices of a simulated inverter: an SBR battery and a wall box, each on its unit id.

The battery's figures are those of the inverter's site, so that both sides tell the same story.
"""

from typing import Final

from sungather.simulator.device import Image, LivingDevice, SimulatedDevice
from sungather.simulator.words import Quantity, image, read_tables

MODULES: Final = 8
"""Modules that the registers have room for."""
SBR_MODULE: Final = 3200
"""Wh of one module."""
SBR_CODES: Final = {2: 0x20E6, 3: 0x20E7, 4: 0x20E8, 5: 0x20E9, 6: 0x20EA, 7: 0x20EB, 8: 0x20EC}
"""Device type codes by the number of modules."""
CELLS_REFUSED: Final = frozenset(range(10757, 10895))
"""What a dongle's Modbus refuses of a battery."""
IDLE, CHARGING = 1, 3
"""Register 21317."""


_TABLES: Final = read_tables("sub_devices.table")


def battery(
    inverter: LivingDevice, serial: str = "S2305170042", *, path: str = "cable"
) -> SimulatedDevice:
    """The battery of a simulated hybrid, on unit 200 of its LAN port.

    `path` "dongle" is what a dongle's Modbus leaves of it, on unit 2.
    """

    def words() -> Image:
        return {"input": image(_TABLES["input of a battery"], _battery(inverter, serial))}

    dongle = path == "dongle"
    return SimulatedDevice(
        "SBR",
        words,
        hole=0 if dongle else 0xFFFF,
        refused={"input": CELLS_REFUSED} if dongle else None,
    )


def _battery(inverter: LivingDevice, serial: str) -> dict[str, Quantity]:
    now, site = inverter.now(), inverter.model.site
    modules = max(2, min(MODULES, site.capacity // SBR_MODULE))
    level = 100 * now.stored / (site.capacity * 3600)
    volts = (192 + 0.1 * level) * site.capacity / 9600
    cell = 3.15 + 0.0025 * level
    values: dict[str, Quantity] = {
        "code": SBR_CODES[modules],
        "serial": serial,
        "firmware": "SBRBCU-S_22011.01.30",
        "voltage": volts,
        "current": now.flow.battery / volts,
        "temperature": 23.5,
        "level": level,
        "health": inverter.model.battery_health,
        "charged": now.lifetime.charge,
        "discharged": now.lifetime.discharge,
        "highest": cell + 0.004,
        "highest_at": 2 << 8 | 6,
        "lowest": cell - 0.005,
        "lowest_at": 1 << 8 | 20,
        "warmest": 25.1,
        "warmest_at": 1 << 8,
        "coolest": 22.2,
        "coolest_at": modules << 8,
    }
    for n in range(1, MODULES + 1):
        there = n <= modules
        values |= {
            f"module_{n}_highest": cell + 0.004 - 0.001 * abs(n - 2) if there else 0,
            f"module_{n}_lowest": cell - 0.005 + 0.001 * (n - 1) if there else 0,
            f"module_{n}_cells": 4 if there else 0,
            f"module_{n}_serial": f"EM032P{n:05}S" if there else "",
        }
    return values


class WallBox(SimulatedDevice):
    """An AC22E wall box, on unit 3 of a dongle. Set `power` (W) to have it charge a car."""

    def __init__(self, serial: str = "C2307120815") -> None:
        super().__init__("AC22E-01", self._image, hole=0)
        self.serial = serial
        self.power = 0

    def _image(self) -> Image:
        charging = self.power > 0
        values: dict[str, Quantity] = {
            "serial": self.serial,
            "model": "AC22E-01",
            "code": 0x3F80,
            "firmware": "LE-01.1E1.001.",
            "total": 280_557 * 3600,
            "volts": 230.4 if charging else 0,
            "amperes": self.power / 3 / 230.4,
            "power": self.power,
            "session": 105 * 3600,
            "pilot": 5.97 if charging else 9.04,
            "status": CHARGING if charging else IDLE,
            "begun": 1_788_890_175,
            "ended": 0 if charging else 1_788_893_775,
        }
        return {
            "input": image(_TABLES["input of a wall box"], values),
            "holding": image(_TABLES["holding of a wall box"], values),
        }
