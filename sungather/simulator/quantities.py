"""What one inverter measures in one state of its site, by name and in base units.

Powers between registers agree to the watt: house = dc + battery + import, and the phases add up.
"""

import math
from collections.abc import Sequence

from sungather.simulator.day import Now, noise
from sungather.simulator.models import Model
from sungather.simulator.words import Quantity

RUNNING, STANDBY = 0x0000, 0x1400
"""Register 5038 of string inverters."""
HYBRID_RUNNING = 0x0040
"""Register 13000 of hybrids on the LAN port."""
PHASES = "abc"
Q_P_CURVE = (0, 500, 750, 1000, 1000, 950, 900, 1050, 1000, 200, 0x55, *[0] * 8)
Q_U_CURVE = (0, 30, 930, 970, 1030, 1070, 436, 0, 0, 0xFE4C, 200, 50, 0x55, *[0] * 7)
"""Settings of grid curves in the order of their registers, as raw counts."""
LOADS = (0.5, 0.3, 0.2)
"""How a three-phase household spreads its load."""


def quantities(
    model: Model, now: Now, *, meter: bool, asleep: bool = False
) -> dict[str, Quantity]:
    """All quantities but the history arrays. `asleep`: the sun is gone, the counters are stale."""
    values = _type_plate(model) | _clock(now) | _energies(now, meter=meter)
    values |= _electric(model, now, meter=meter)
    if model.hybrid:
        values |= _battery(model, now)
    if asleep:
        for name in values:
            if name.endswith(("_voltage", "_current")) and values[name] is not None:
                values[name] = 0
        values |= dict.fromkeys(("dc", "active", "apparent", "reactive", "frequency"), 0)
        values |= {"work_state_1": STANDBY, "work_state_2": 1 << 4}
    return values


def _type_plate(model: Model) -> dict[str, Quantity]:
    plate = ("protocol_number", "protocol_version", "arm", "dsp", "serial", "code", "nominal")
    values: dict[str, Quantity] = {name: getattr(model, name) for name in plate}
    values |= {
        "nominal_reactive": round(model.nominal * 0.6),
        "output_type": 1 if model.phases == 3 else 0,
        "capacity": model.site.capacity * 3600,
        "battery_limit": model.site.battery_power,
        "reserve": round(model.site.reserve * 100),
        "no_string_currents": [0xFFFF] * 21,
        "q_p_curve": Q_P_CURVE,
        "q_u_curve": Q_U_CURVE,
    }
    values |= {f"version_{n}": text for n, text in enumerate(model.firmware, 1)}
    return values | {f"module_{n}": text for n, text in enumerate(model.modules, 1)}


def _clock(now: Now) -> dict[str, Quantity]:
    names = ("year", "month", "day", "hour", "minute", "second")
    return {name: getattr(now.moment, name) for name in names}


def _energies(now: Now, *, meter: bool) -> dict[str, Quantity]:
    values: dict[str, Quantity] = {}
    for when, sums in (("today", now.today), ("total", now.lifetime)):
        values |= {f"{when}_{name}": joules for name, joules in sums._asdict().items()}
        values[f"{when}_output"] = sums.direct + sums.exported + sums.discharge
        for name in ("exported", "imported", "direct"):
            values[f"metered_{when}_{name}"] = getattr(sums, name) if meter else None
    pv = now.today.pv
    values["self_consumption"] = 100 * (pv - now.today.exported) / pv if pv else 100
    values["co2_saved"] = 0.7 * now.lifetime.pv / 3_600_000
    # The meter was there before the inverter counted.
    values["meter_imported"] = now.lifetime.imported + 80_784_000
    values["meter_exported"] = now.lifetime.exported + 19_620_000
    return values


def _electric(model: Model, now: Now, *, meter: bool) -> dict[str, Quantity]:
    flow, key = now.flow, int(now.moment.timestamp()) // 10
    seed = model.site.seed

    def about(value: float, spread: float, n: int) -> float:
        return value + spread * (2 * noise(seed + 100 + n, key) - 1)

    load = abs(flow.active) / model.nominal
    awake = flow.dc > 0
    values: dict[str, Quantity] = {
        "dc": flow.dc,
        "active": flow.active,
        "house": flow.house,
        "export": -flow.grid,
        "meter_power": flow.grid if meter else None,
        "metered_load": flow.house if meter else None,
        "reactive": -round(flow.active * 0.004),
        "apparent": math.ceil(abs(flow.active) * 1.0001),
        "power_factor": 1.0,
        "frequency": about(50, 0.03, 0),
        "temperature": about(24 + 24 * load, 0.4, 1),
        "bus_voltage": about(620, 4, 2),
        "ground_voltage": about(-210, 3, 3) if awake else 0,
        "insulation": 1_042_000,
        "work_state_1": RUNNING if awake else STANDBY,
        "work_state_2": 1 << 0 | 1 << 17 if awake else 1 << 4,
        "meter_reactive": -round(flow.house * 0.07) if meter else None,
    }
    string = 0
    for n, (power, strings) in enumerate(zip(flow.pv, model.strings, strict=True), 1):
        volts = about(560 if n == 1 else 440, 8, 10 + n) if power else 0
        amperes = power / volts if volts else 0
        values |= {f"mppt_{n}_voltage": volts, f"mppt_{n}_current": amperes}
        for _ in range(strings):
            string += 1
            values[f"string_{string}_current"] = amperes / strings
    ac = split(flow.active, (1 / model.phases,) * model.phases)
    house = split(flow.house, LOADS if model.phases == 3 else (1,))
    for n, phase in enumerate(PHASES):
        there = n < model.phases
        volts = about(230, 2, 20 + n)
        grid = house[n] - ac[n] if there else 0
        values |= {
            f"phase_{phase}_voltage": volts if there else None,
            f"phase_{phase}_current": abs(ac[n]) / volts if there else None,
            f"meter_{phase}_power": grid if meter and there else None,
            f"meter_{phase}_voltage": volts - 1 if meter and there else None,
            f"meter_{phase}_current": abs(grid) / volts if meter and there else None,
        }
    return values


def _battery(model: Model, now: Now) -> dict[str, Quantity]:
    flow, capacity = now.flow, model.site.capacity * 3600
    level = 100 * now.stored / capacity
    volts = (192 + 0.1 * level) * model.site.capacity / 9600
    amperes = flow.battery / volts
    bits = (flow.dc > 0, flow.charge > 0, flow.discharge > 0, flow.house > 0, flow.grid < 0,
            flow.grid > 0)  # fmt: skip
    return {
        "system_state": HYBRID_RUNNING,
        "power_flow": sum(bit << n for n, bit in enumerate(bits)),
        "battery": flow.battery,
        "battery_power_16": flow.battery if model.signed_battery else abs(flow.battery),
        "battery_voltage": volts,
        "battery_current": amperes if model.signed_battery else abs(amperes),
        "battery_level": level,
        "battery_health": model.battery_health,
        "battery_temperature": 21 + 4 * abs(flow.battery) / model.site.battery_power,
    }


def split(total: int, shares: Sequence[float]) -> list[int]:
    """Whole watts for each share; the last one takes what rounding leaves over."""
    parts = [round(total * share) for share in shares[:-1]]
    return [*parts, total - sum(parts)]
