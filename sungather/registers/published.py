"""Every name under which a value can be published, whatever the model and the level."""

from collections.abc import Mapping, Set
from functools import cache

from sungather.household import BATTERY_LEVEL
from sungather.registers import Space
from sungather.registers.catalogue import all_registers
from sungather.registers.derive import UNITS

_DERIVED_TEXTS = ("last_reset", "run_state")


@cache
def names_of_inverters() -> Set[str]:
    """Names of registers, and of what is derived from them."""
    registers = {one.name for one in all_registers(sub_devices=False)}
    return frozenset({*registers, *UNITS, *_DERIVED_TEXTS, BATTERY_LEVEL})


@cache
def units_of_inverters() -> Mapping[str, str]:
    """Name -> unit, for the names of inverters that have one."""
    units = {one.name: one.unit for one in all_registers(sub_devices=False) if one.unit}
    return {**units, **UNITS, BATTERY_LEVEL: "%"}


@cache
def lowest_level(name: str) -> int:
    """The smallest level at which some inverter publishes this value; 1 for what is derived."""
    levels = [one.level for one in all_registers(sub_devices=False) if one.name == name]
    return 1 if name in UNITS else min(levels, default=1)


@cache
def names_of_settings() -> Set[str]:
    """Names of inverters' holding registers, where no input register has the same name."""
    registers = list(all_registers(sub_devices=False))
    measured = {one.name for one in registers if one.space is not Space.HOLDING}
    return frozenset({one.name for one in registers} - measured)


@cache
def all_names() -> Set[str]:
    """The same, with the names of batteries, wall boxes and other sub-devices."""
    return names_of_inverters() | {one.name for one in all_registers(sub_devices=True)}
