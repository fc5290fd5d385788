"""What stands for a whole plant: an iHomeManager beside an inverter, a logger before several."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

from sungather.simulator.day import Tally
from sungather.simulator.device import Clock, Image, LivingDevice, SimulatedDevice, device_named
from sungather.simulator.quantities import LOADS
from sungather.simulator.words import Quantity, image, read_tables

MANAGER_UNIT: Final = 247
HOME_MANAGER, LOGGER = "iHomeManager", "Logger1000"
PLANTS: Final = (HOME_MANAGER, LOGGER)
BEHIND_LOGGER: Final = (1, 2, 11)
"""Units of the inverters: each has the address that somebody has given it."""

_TABLES: Final = read_tables("plants.table")


def home_manager(inverter: LivingDevice) -> SimulatedDevice:
    """The iHomeManager of a simulated hybrid's site; it knows no panels."""

    def words() -> Image:
        now, site = inverter.now(), inverter.model.site
        values: dict[str, Quantity] = {
            "protocol_number": "AW0",
            "devices": 3,
            "faulty": 0,
            "nominal": inverter.model.nominal,
            "capacity": site.capacity * 3600,
            "battery_limit": site.battery_power,
            "active": now.flow.active,
            "grid": now.flow.grid,
            "load": now.flow.house,
            "battery": now.flow.battery,
            "level": 100 * now.stored / (site.capacity * 3600) if site.capacity else None,
            "imported": now.lifetime.imported,
            "exported": now.lifetime.exported,
            "firmware": "WINET-IHM-V11_V01_B",
        }
        shares = zip("abc", LOADS, strict=True)
        values |= {f"grid_{phase}": round(now.flow.grid * share) for phase, share in shares}
        return {
            "input": image(_TABLES["input of a home manager"], values),
            "holding": image(_TABLES["holding of a home manager"], values),
        }

    return SimulatedDevice(HOME_MANAGER, words)


def logger(inverters: Sequence[LivingDevice]) -> SimulatedDevice:
    """A Logger1000 with these inverters behind it."""

    def words() -> Image:
        nows = [one.now() for one in inverters]
        today = max(now.moment for now in nows).date()
        values: dict[str, Quantity] = {
            "protocol_number": "AA0",
            "devices": len(inverters),
            "faulty": 0,
            "nominal": sum(one.model.nominal for one in inverters),
            "active": sum(now.flow.active for now in nows),
            "reactive": -18,
            "today": sum(_output(now.today) for now in nows),
            "total": sum(_output(now.lifetime) for now in nows),
            "month": sum(_since(one, today.replace(day=1)) for one in inverters),
            "year": sum(_since(one, today.replace(month=1, day=1)) for one in inverters),
        }
        return {"input": image(_TABLES["input of a logger"], values)}

    return SimulatedDevice(LOGGER, words)


def _output(sums: Tally) -> int:
    return sums.direct + sums.exported + sums.discharge


def _since(inverter: LivingDevice, first: date) -> int:
    """J since that day began."""
    now = inverter.now()
    days = (now.moment.date() - first).days
    whole = (inverter.life.day(first + timedelta(days=n)) for n in range(days))
    return sum(map(_output, whole)) + _output(now.today)


def plant_named(name: str, *, clock: Clock, speed: float = 1.0) -> dict[int, SimulatedDevice]:
    """The units of one of `PLANTS`, as they answer at its address; {} if it is none."""
    match next((known for known in PLANTS if known.lower() == name.lower()), ""):
        case "iHomeManager":
            return {MANAGER_UNIT: home_manager(device_named("SH10RT", clock=clock, speed=speed))}
        case "Logger1000":
            inverters = [
                device_named(
                    "SG10RT",
                    clock=clock,
                    speed=speed,
                    meter=False,
                    serial=f"A22123456{unit:02}",
                    seed=unit,
                )
                for unit in BEHIND_LOGGER
            ]
            units = dict[int, SimulatedDevice](zip(BEHIND_LOGGER, inverters, strict=True))
            return units | {MANAGER_UNIT: logger(inverters)}
        case _:
            return {}
