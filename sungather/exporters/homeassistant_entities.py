"""Which entity of Home Assistant a published name becomes: words, class, precision, place. Pure.

A person sees the household figures, and the first figures of batteries and wall boxes. All else is
there, but disabled until somebody enables it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sungather.household import BATTERY_LEVEL, FLOWS, HOUSEHOLD
from sungather.reading import Value

FAULT = "fault"
"""Key of the state message: whether there is a fault; null while nobody knows."""
FAULTS = "faults"
"""Key of the state message: the faults in words."""
NO_ENTITIES = frozenset({"last_reset", "timestamp"})
"""Names of SunGather 0.5 that say of others since when they count."""
_FIRST = HOUSEHOLD | {
    *(f"battery_pack_{one}" for one in ("level", "health", "voltage", "current", "temperature")),
    *("charger_power", "charger_session_energy", "charger_total_energy"),
}
"""What a person looks at."""
_ENABLED = _FIRST | {"system_state", "work_state_1", "internal_temperature", "charger_status"}
_UNCOUNTED = frozenset(
    {
        *(f"{flow}_energy_today" for flow in FLOWS),
        *("house_energy_total", "charger_session_energy"),
    }
)
"""Energies without long-term statistics: so the energy dashboard offers one entity for each of its
slots. What the house uses is its own sum, and what a day or a charge brought is in the total."""


@dataclass(frozen=True, slots=True)
class Sort:
    """What a unit says about an entity."""

    device_class: str | None
    precision: int | None
    state_class: str | None = "measurement"


_BY_UNIT: Mapping[str, Sort] = {
    "W": Sort("power", 0),
    "kW": Sort("power", 2),
    "VA": Sort("apparent_power", 0),
    "var": Sort("reactive_power", 0),
    # Home Assistant did not take kvar as a unit of reactive power in 2024.12.
    "kvar": Sort(None, 1),
    "V": Sort("voltage", 1),
    "mV": Sort("voltage", 0),
    "A": Sort("current", 1),
    "Hz": Sort("frequency", 2),
    "°C": Sort("temperature", 1),
    "Wh": Sort("energy", 0, "total_increasing"),
    "kWh": Sort("energy", 1, "total_increasing"),
    "MWh": Sort("energy", 2, "total_increasing"),
    "%": Sort(None, 1),
    "h": Sort("duration", 0, "total_increasing"),
    "min": Sort("duration", 0, "total_increasing"),
    "s": Sort("duration", 0),
    "kg": Sort("weight", 1, "total_increasing"),
    "kΩ": Sort(None, 0),
}
_BY_NAME: Mapping[str, Sort] = {
    BATTERY_LEVEL: Sort("battery", 0),
    "battery_pack_level": Sort("battery", 0),
    "soc": Sort("battery", 0),
    "soh": Sort(None, 1),
    "battery_capacity": Sort("energy_storage", 1),
    "power_factor": Sort("power_factor", 3),
    "cycle_count": Sort(None, 1, "total_increasing"),
}
"""Names whose unit does not tell all."""
_FINER: Mapping[str, tuple[re.Pattern[str], int]] = {
    "V": (re.compile(r"cell_|discharge_end"), 3),
    "A": (re.compile(r"string_\d|meter_phase"), 2),
    "kWh": (re.compile(r"charger_|meter_total"), 2),
}
"""Unit -> names that are measured more finely than others in it, and to how many digits."""
_CODE = Sort(None, None, None)
"""Numbers without a unit: codes, versions, dates; and hours and minutes of a timetable."""

_TITLES: Mapping[str, str] = {
    "start_stop": "On/off switch",
    "run_state": "Operation",
    "running_state": "Operation bits",
    "system_state": "State",
    "work_state_1": "State",
    "work_state_2": "State bits",
    "battery_bcu_firmware": "Battery module firmware",
    "soc": "Charge level",
    "soh": "Health",
    FAULT: "Fault",
    "connection": "Connection",
}
_WORDS: Mapping[str, str] = {
    "temp": "temperature", "comm": "communication", "bdc-side": "BDC side",
    **{word.lower(): word for word in (
        "PV", "MPPT", "DC", "AC", "PID", "BMS", "BDC", "DSP", "ARM", "EMS", "DRM", "SVG", "CO2",
        "SOC", "SOH", "CV", "DO",
    )},
}  # fmt: skip
_ICONS: Mapping[str, str] = {
    "pv": "solar-power",
    "house": "home-lightning-bolt",
    "grid_import": "transmission-tower-import",
    "grid_export": "transmission-tower-export",
    "battery_charge": "battery-plus",
    "battery_discharge": "battery-minus",
}
_STATE_ICON, _FIRMWARE_ICON = "mdi:state-machine", "mdi:chip"


def title(name: str, *, of_sub_device: bool = False) -> str:
    """Words for a person: pv_energy_today is "PV energy today"."""
    if name in _TITLES:
        return _TITLES[name]
    if of_sub_device:
        # It is a device of its own, whose name stands before this.
        name = re.sub(r"^(battery_pack|charger)_", "", name)
    words = [_WORDS.get(word.lower(), word) for word in re.split(r"[_-]+", name) if word]
    text = re.sub(r"\b([abc]) phase\b", r"phase \1", " ".join(words))
    text = re.sub(r"\bphase ([abc])\b", lambda found: f"phase {found[1].upper()}", text)
    return text[:1].upper() + text[1:]


def entity(
    name: str, unit: str, value: Value, *, of_sub_device: bool = False
) -> dict[str, object]:
    """What one value becomes, in Home Assistant's abbreviations, but for where it is.

    `value` is any value that it has had: it tells texts, switches and numbers apart.
    """
    words = title(name, of_sub_device=of_sub_device)
    found: dict[str, object] = {"p": platform(value), "name": words}
    if name not in _FIRST:
        found["ent_cat"] = "diagnostic"
    if name not in _ENABLED:
        found["en"] = False
    if icon := _icon(name, value):
        found["ic"] = icon
    if isinstance(value, (bool, str)):
        return found
    sort = _sort(name, unit)
    found |= {
        "dev_cla": sort.device_class,
        "unit_of_meas": unit or None,
        "stat_cla": None if name in _UNCOUNTED else sort.state_class,
        "sug_dsp_prc": sort.precision,
    }
    return {key: said for key, said in found.items() if said is not None}


def platform(value: Value) -> str:
    """The platform of Home Assistant that shows such a value."""
    return "binary_sensor" if isinstance(value, bool) else "sensor"


def _icon(name: str, value: Value) -> str:
    flow = re.sub(r"_(power|energy_today|energy_total)$", "", name)
    if name in HOUSEHOLD and flow in _ICONS:
        return f"mdi:{_ICONS[flow]}"
    if "firmware" in name or "software" in name:
        return _FIRMWARE_ICON
    return _STATE_ICON if isinstance(value, str) and "state" in name else ""


def _sort(name: str, unit: str) -> Sort:
    if name in _BY_NAME:
        return _BY_NAME[name]
    if not unit or (unit in ("h", "min") and "running" not in name):
        return _CODE
    sort = _BY_UNIT.get(unit, Sort(None, None))
    finer = _FINER.get(unit)
    if finer is not None and finer[0].search(name):
        return Sort(sort.device_class, finer[1], sort.state_class)
    return sort
