"""Simulated inverters, for the demo, for tests and for trying the collector without a roof.

Built from the same register documents as the collector, but by a path of its own: nothing here
imports the collector's register map or its decoding.
"""

from sungather.simulator.capture import from_capture
from sungather.simulator.device import (
    LivingDevice,
    SimulatedDevice,
    device_named,
    device_names,
    stranger,
)
from sungather.simulator.faults import ABSURD_CLOCK, HTTP_SERVER, METER_LOST, Faults
from sungather.simulator.modbus import ExceptionCode
from sungather.simulator.plants import home_manager, logger, plant_named
from sungather.simulator.server import Server, serve

__all__ = [
    "ABSURD_CLOCK",
    "HTTP_SERVER",
    "METER_LOST",
    "ExceptionCode",
    "Faults",
    "LivingDevice",
    "Server",
    "SimulatedDevice",
    "device_named",
    "device_names",
    "from_capture",
    "home_manager",
    "logger",
    "plant_named",
    "serve",
    "stranger",
]
