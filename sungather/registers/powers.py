"""The household's powers of one inverter, from what it says at one moment; pure.

What the house uses is the inverter's load register where that says something. Where it reads 0 or
nothing, it is what inverter and grid give together; where that is not known either, or makes no
sense, it is absent. No house uses less than nothing: then the meter is at fault, or measures what
other inverters feed in.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from sungather.household import error_of, house_of
from sungather.reading import Value
from sungather.registers.device import Device


@dataclass(slots=True)
class Powers:
    """What flows, and what the inverter says wrongly about its load."""

    flows: dict[str, float] = field(default_factory=dict[str, float])
    """Household flow -> W, never negative; absent flows have no known source."""
    false_load: str = ""
    """The name of the load register whose value is not the load."""
    negative_house: float | None = None
    """What the house would use, in W, where that is below 0."""


def off_grid(values: Mapping[str, Value]) -> bool:
    """Whether the inverter says that it works without the grid."""
    states = (str(values.get(name, "")).lower() for name in ("grid_state", "system_state"))
    return any("off grid" in state or "off-grid" in state for state in states)


def powers(
    said: Mapping[str, float],
    device: Device,
    *,
    without_grid: bool = False,
    doubted: Set[str] = frozenset(),
) -> Powers:
    """The household's powers, as far as their sources are there.

    PV is what comes from the panels on hybrids (5017), and what the inverter gives on string
    inverters. `without_grid`: see `off_grid`; the house then hangs on the inverter alone.
    `doubted`: names whose values of this moment were impossible; nothing stands in for them.
    """
    found = Powers()
    flows = found.flows
    if device.family == "ems":
        _add_home_manager(flows, said)
        return found
    pv = said.get("total_dc_power" if device.hybrid else "total_active_power")
    if pv is not None:
        flows["pv"] = max(0, pv)
    if (battery := said.get("battery_power")) is not None and device.hybrid:
        flows["battery_charge"] = max(0, -battery)
        flows["battery_discharge"] = max(0, battery)
    grid = _from_grid(said, device)
    if grid is not None:
        flows["grid_import"] = max(0, grid)
        flows["grid_export"] = max(0, -grid)
    load = "load_power_hybrid" if device.hybrid else "load_power"
    if load in doubted:
        return found
    if grid is not None or without_grid:
        _add_house(found, said, load, without_grid)
    elif load in said and not device.hybrid:
        # Without a meter a string inverter gives out its own generation as the load.
        found.false_load = load
    return found


def _add_home_manager(flows: dict[str, float], said: Mapping[str, float]) -> None:
    """What a home manager measures; it knows no panels."""
    if (load := said.get("load_power")) is not None and load >= 0:
        flows["house"] = load
    for name, into, out in (
        ("grid_power", "grid_import", "grid_export"),
        ("battery_power", "battery_discharge", "battery_charge"),
    ):
        if (power := said.get(name)) is not None:
            flows[into], flows[out] = max(0, power), max(0, -power)


def _add_house(found: Powers, said: Mapping[str, float], load: str, without_grid: bool) -> None:
    told, error = said.get(load), error_of(found.flows.values())
    if told is not None and told < -error:
        house = told
    else:
        backup = said.get("total_backup_power") if without_grid else None
        told_by = (power for power in (told, backup) if power is not None and power > 0)
        house = next(told_by, None) or _balance(found.flows, said, without_grid)
    if house is None:
        return
    if told == 0 and abs(house) > error:
        found.false_load = load
    if house < -error:
        found.negative_house = house
    else:
        found.flows["house"] = max(0, house)


def _balance(
    flows: Mapping[str, float], said: Mapping[str, float], without_grid: bool
) -> float | None:
    """What inverter and grid give to the house, in W; None where the flows say otherwise."""
    if without_grid:
        return house_of({**flows, "grid_import": 0, "grid_export": 0})
    balance, inverter = house_of(flows), said.get("total_active_power")
    if inverter is None:
        return balance
    given = inverter + flows["grid_import"] - flows["grid_export"]
    error = error_of(flows.values(), share=_CONVERSION)
    return given if balance is None or abs(given - balance) <= error else None


_CONVERSION = 0.1
"""The share of the power that a hybrid may lose between panels, battery and its output."""


def _from_grid(said: Mapping[str, float], device: Device) -> float | None:
    """Power from the grid in W, < 0 into the grid; the signs of the registers differ."""
    if not device.meter:
        return None
    if not device.hybrid:
        return said.get("meter_power")
    exported = said.get("export_power_hybrid")
    return -exported if exported is not None else said.get("meter_total_power")
