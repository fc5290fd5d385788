"""Whole moments of households, as words: what is published of house, grid, panels and battery.

One case a kind of trouble, each in another family than the one before: a load register that says
nothing, batteries whose words have no sign, blackouts, meters that are absent, turned or torn.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from register_words import read

from sungather.reading import Path, Value
from sungather.registers.derive import Derivation
from sungather.registers.device import Device
from sungather.registers.models import model_named

NOON = datetime(2026, 6, 15, 10, tzinfo=UTC)
NOTHING = [0xFFFF, 0x7FFF]
"""Of a signed number of 32 bits."""
ON_GRID, OFF_GRID = 0x0040, 0x1000
"""System states (13000): grid-tied, and working without the grid."""


def s32(number: int) -> list[int]:
    return [number & 0xFFFF, number >> 16 & 0xFFFF]


def string(
    pv: int, meter: Sequence[int] | int, load: Sequence[int] | int, counted: int = 40_000
) -> dict[int, Sequence[int]]:
    """A string inverter with a meter that has counted something, unless `counted` is 0."""
    return {
        5017: s32(pv),
        5031: s32(pv),
        5038: [0],
        5083: s32(meter) if isinstance(meter, int) else meter,
        5091: s32(load) if isinstance(load, int) else load,
        5093: [0] * 2,
        5095: s32(counted),
        5097: [0] * 2,
        5099: s32(counted),
    }


def hybrid(
    pv: int,
    load: Sequence[int] | int,
    export: Sequence[int] | int,
    output: int,
    battery: int,
    flow: int = 0,
    state: int = ON_GRID,
    **more: Sequence[int],
) -> dict[int, Sequence[int]]:
    """A hybrid; `battery` is the word of 13022, `flow` that of 13001."""
    words: dict[int, Sequence[int]] = {
        5017: s32(pv),
        13000: [state, flow],
        13008: s32(load) if isinstance(load, int) else load,
        13010: s32(export) if isinstance(export, int) else export,
        13020: [2000, 30, battery & 0xFFFF, 650],
        13034: s32(output),
        13037: s32(21_873),
        13046: s32(58_411),
    }
    return words | {int(name[1:]): given for name, given in more.items()}


def house(
    model: str, words: Mapping[int, Sequence[int]], path: Path = Path.CABLE
) -> tuple[Device, dict[str, Value]]:
    known = model_named(model)
    device = replace(known, path=path, masked=path is Path.DONGLE)
    said = read(words, device, level=3).values
    derived = Derivation(ZoneInfo("Europe/Berlin")).step(said, device, NOON, 0.0)
    kept = {name: value for name, value in said.items() if name not in derived.rejected}
    return device, kept | derived.values


CASES = {
    "SG5.0RS, load not available: the balance": (
        "SG5.0RS",
        string(3000, -2200, NOTHING),
        {"house_power": 800, "grid_export_power": 2200, "pv_power": 3000},
    ),
    "SG10RT, load 0 beside an import: the balance": (
        "SG10RT",
        string(1000, 2650, 0),
        {"house_power": 3650, "grid_import_power": 2650, "load_power": None},
    ),
    "SG8.0RS, a load that agrees with the balance": (
        "SG8.0RS",
        string(4550, -3400, 1175),
        {"house_power": 1175, "load_power": 1175},
    ),
    "SG8.0RS, a negative load: its meter is turned": (
        "SG8.0RS",
        string(1000, -3400, -2400),
        {"house_power": None, "grid_export_power": 3400},
    ),
    "SG6.0RT, somebody else feeds in behind the meter": (
        "SG6.0RT",
        string(4550, -9000, 0),
        {"house_power": None, "grid_export_power": 9000, "pv_power": 4550},
    ),
    "SG3K-D with a meter": (
        "SG3K-D",
        string(700, 1490, 2190),
        {"meter_power": 1490, "load_power": 2190, "house_power": 2190, "grid_import_power": 1490},
    ),
    "SG5K-D without a meter: its own generation is no load": (
        "SG5K-D",
        string(2140, 0, 2140, counted=0),
        {"meter_power": None, "load_power": None, "house_power": None, "pv_power": 2140},
    ),
    "SG33CX without a meter": (
        "SG33CX",
        {5017: s32(21_100), 5031: s32(21_000), 5038: [0], 5091: s32(21_000)},
        {"house_power": None, "load_power": None, "grid_import_power": None, "pv_power": 21_000},
    ),
    "SG8.0RS, the meter's high word torn": (
        "SG8.0RS",
        string(4550, [62_136, 0xFFEE], 0),
        {"meter_power": None, "grid_export_power": None, "pv_power": 4550},
    ),
    "SG5.0RS, its own power torn": (
        "SG5.0RS",
        string(2210 + 65_536, -3400, 0),
        {"total_active_power": None, "pv_power": None, "grid_export_power": 3400},
    ),
    "SH10RT, the battery torn, the others right": (
        "SH10RT",
        hybrid(3200, 850, -300, 550, 900, 0x19, p5214=[900, 16]),
        {"battery_power": None, "battery_discharge_power": None, "pv_power": 3200}
        | {"house_power": 850, "grid_import_power": 300},
    ),
    "SH8.0RS discharges, and only the flow says so": (
        "SH8.0RS",
        hybrid(0, 1200, -10, 1190, 1234, 0x2C),
        {"battery_power": 1234, "battery_discharge_power": 1234, "battery_charge_power": 0},
    ),
    "SH5.0RT-20 charges, and only the word's sign says so": (
        "SH5.0RT-20",
        hybrid(5000, 600, 500, 1100, -3786),
        {"battery_power": -3786, "battery_charge_power": 3786},
    ),
    "SH15T charges by its newer register": (
        "SH15T",
        hybrid(9000, 2500, 300, 2800, 6200, 0x2B, p5214=s32(-6200)),
        {"battery_power": -6200, "battery_charge_power": 6200, "house_power": 2500},
    ),
    "SH10RT in a blackout by day": (
        "SH10RT",
        hybrid(3000, 1000, NOTHING, 1000, 2000, 0x1B, OFF_GRID, p5214=s32(-2000)),
        {"house_power": 1000, "battery_charge_power": 2000, "grid_import_power": None},
    ),
    "SH10RS in a blackout, and only the backup's power is known": (
        "SH10RS",
        hybrid(0, 0, NOTHING, 0, 700, 0x1C, OFF_GRID, p5214=s32(700), p5726=s32(640)),
        {"house_power": 640, "grid_import_power": None},
    ),
    "SH10T in a blackout, of which nothing but the flows is known": (
        "SH10T",
        hybrid(2000, NOTHING, NOTHING, 0, 1500, 0x1B, OFF_GRID, p5214=s32(-1500)),
        {"house_power": 500, "grid_export_power": None},
    ),
    "SH10RT beside a string inverter on one meter": (
        "SH10RT",
        hybrid(1000, 0, 5000, 950, 0),
        {"house_power": None, "grid_export_power": 5000, "pv_power": 1000},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_published_of_a_household(case: str) -> None:
    model, words, expected = CASES[case]
    _, values = house(model, words)
    assert {name: values.get(name) for name in expected} == expected


SIGNS = {
    "charges from the grid at night": (hybrid(0, 500, -3000, -2500, 2500), -2500),
    "charges from the sun": (hybrid(5000, 4000, 50, 4050, 950), -950),
    "discharges by day": (hybrid(2000, 2800, 600, 3400, 1500), 1500),
    "discharges at night": (hybrid(0, 217, -33, 184, 184), 184),
    "too little to tell": (hybrid(100, 100, 0, 100, 60), None),
    "a balance that fits neither": (hybrid(4000, 1000, 0, 1000, 1500), None),
    "rests": (hybrid(3000, 2000, 1000, 2960, 0), 0),
}


@pytest.mark.parametrize("case", SIGNS)
@pytest.mark.parametrize("model", ["SH6.0RT-V112", "SH5.0RS", "SH10RS", "SH10RT"])
def test_a_battery_behind_a_dongle_that_gives_no_sign(model: str, case: str) -> None:
    """13001 stays 0, and 13022 has none."""
    words, power = SIGNS[case]
    device, values = house(model, words, Path.DONGLE)
    assert device.masked
    assert values.get("battery_power") == power
    known = power is not None
    assert values.get("battery_charge_power") == (max(0, -power) if known else None)
    assert values.get("battery_discharge_power") == (max(0, power) if known else None)
