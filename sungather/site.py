"""Several inverters as one household: whose meter counts, and what they do together.

A sum is known only if all its parts are. The house is the balance of the sums: the inverter with
the meter cannot tell the load apart from what the others feed in. A home manager can: grid, house
and battery are its own there, and the panels the inverters'.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from sungather.household import (
    BATTERY_LEVEL,
    FLOWS,
    INTO_HOUSE,
    error_of,
    house_of,
)
from sungather.reading import Reading, State

AUTO: Final = "auto"
"""The grid's figures are those of the only inverter that has a meter."""
ALL: Final = "all"
"""Each inverter with a meter has a grid connection of its own."""

HOME_MANAGER: Final = "ems"
LOGGER: Final = "logger"
_HYBRIDS: Final = ("SH", "MG")
"""What the families of devices begin with, or are."""

GRID: Final = ("grid_import", "grid_export")
BATTERY: Final = ("battery_charge", "battery_discharge")

Amounts = Mapping[str, float | None]
"""What an inverter tells of each flow: W or kWh, of `BATTERY_LEVEL` %; None where it is not known
now. A flow that the inverter does not have is not in here."""


def metered(parts: Mapping[str, Collection[str]], meter: str) -> tuple[str, ...]:
    """The inverters whose meters count together, of inverter -> its flows; none if not known.

    `meter`: the name of an inverter, `AUTO` or `ALL`.
    """
    having = tuple(name for name, flows in parts.items() if GRID[0] in flows)
    if meter == ALL:
        return having
    if meter == AUTO:
        return having if len(having) == 1 else ()
    return (meter,) if meter in parts else ()


def sources(
    parts: Mapping[str, Collection[str]], meter: str, managers: Collection[str] = ()
) -> dict[str, tuple[str, ...]]:
    """Figure -> the inverters, or home managers, that it is of.

    `managers` are the home managers of `parts`; they count unless `meter` names another.
    """
    inverters = {name: flows for name, flows in parts.items() if name not in managers}
    counting = [name for name in parts if name in managers and meter in (AUTO, ALL, name)]
    names = tuple(inverters)
    found = {"pv": names, "house": names} | dict.fromkeys(GRID, metered(inverters, meter))
    for figure in (*BATTERY, BATTERY_LEVEL):
        found[figure] = tuple(name for name, flows in inverters.items() if figure in flows)
    for figure in ("house", *GRID, *BATTERY, BATTERY_LEVEL):
        if telling := tuple(name for name in counting if figure in parts[name]):
            found[figure] = telling
    return found


def together(
    parts: Mapping[str, Amounts],
    meter: str,
    unit: str = "W",
    managers: Collection[str] = (),
) -> dict[str, float]:
    """Figure -> what the inverters do together; a figure of which a part is missing is absent.

    Args:
        parts: Inverter -> what it tells. One inverter alone says everything by itself.
        meter: See `metered`.
        unit: Of the flows, W or kWh.
        managers: See `sources`.
    """
    if len(parts) == 1:
        (only,) = parts.values()
        return {figure: amount for figure, amount in only.items() if amount is not None}
    found: dict[str, float] = {}
    of = sources(parts, meter, managers)
    measured = ("house",) if set(of["house"]) <= set(managers) else ()
    for figure in (*INTO_HOUSE, BATTERY_LEVEL, *measured):
        amounts = [parts[name].get(figure) for name in of[figure]]
        known = [amount for amount in amounts if amount is not None]
        if known and len(known) == len(amounts):
            found[figure] = sum(known) / (len(known) if figure == BATTERY_LEVEL else 1)
    if measured:
        return found
    flows = [flow for flow in INTO_HOUSE if of[flow] or flow not in BATTERY]
    house = house_of(found, flows)
    if house is not None and house >= -error_of([found[flow] for flow in flows], unit):
        found["house"] = max(0.0, house)
    return found


class Plant:
    """The inverters of a site, and what each of them has."""

    def __init__(self, meter: str = AUTO) -> None:
        """`meter`: the option `site.meter`, see `metered`."""
        self.meter = meter
        self._figures: dict[str, set[str]] = {}
        self.managers: set[str] = set()
        """Names of the home managers."""

    def on_reading(self, reading: Reading) -> None:
        """Remember what the inverter has; it may not tell at night."""
        if reading.family == HOME_MANAGER:
            self.managers.add(reading.name)
        else:
            self.managers.discard(reading.name)
        self._figures.setdefault(reading.name, set()).update(_told(reading))

    def has_battery(self, name: str) -> bool:
        """Whether the inverter has, or had, a battery to tell of."""
        return not self._figures.get(name, set()).isdisjoint((*BATTERY, BATTERY_LEVEL))

    def sources(self, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Figure -> those of the inverters that it is of."""
        parts = {name: self._figures.get(name, set[str]()) for name in names}
        return sources(parts, self.meter, self.managers)

    def several_meters(self, names: Iterable[str]) -> bool:
        """Whether more than one inverter has a meter, and nobody said which one counts."""
        having = {name for name in names if GRID[0] in self._figures.get(name, ())}
        return self.meter == AUTO and len(having) > 1 and not having & self.managers

    def powers(self, readings: Sequence[Reading], stale: Collection[str] = ()) -> dict[str, float]:
        """Figure -> W (the battery's level: %) of these inverters together, where known.

        `stale` are the names of those whose reading is overdue.
        """
        parts: dict[str, Amounts] = {}
        for reading in readings:
            amounts: dict[str, float | None] = dict.fromkeys(self._figures.get(reading.name, ()))
            if reading.name not in stale:
                amounts |= _told(reading)
                if reading.state is State.ASLEEP and len(readings) > 1:
                    amounts |= ASLEEP
            parts[reading.name] = amounts
        return together(parts, self.meter, managers=self.managers)


def summed(readings: Iterable[Reading]) -> list[Reading]:
    """Those of the newest readings that the site's sums are made of.

    A logger stands for the string inverters behind it. A hybrid's part of its power may be the
    battery's: then the inverters count themselves, and so they do behind another's logger.
    """
    known = list(readings)
    hybrids = {one.connection for one in known if one.family.startswith(_HYBRIDS)}
    plants = {
        one.connection for one in known if one.family == LOGGER and one.connection not in hybrids
    }
    return [
        one
        for one in known
        if (one.family == HOME_MANAGER)
        or (one.is_inverter and one.connection not in plants)
        or (one.family == LOGGER and one.connection in plants)
    ]


ASLEEP: Final[Mapping[str, float]] = {"pv": 0.0}
"""What an inverter that sleeps is known to do."""


def _told(reading: Reading) -> dict[str, float]:
    """Figure -> what the reading tells of it; nothing unless its state is `ok`."""
    if reading.state is not State.OK:
        return {}
    figures = {**{flow: f"{flow}_power" for flow in FLOWS}, BATTERY_LEVEL: BATTERY_LEVEL}
    numbers = ((figure, reading.number(name)) for figure, name in figures.items())
    return {figure: amount for figure, amount in numbers if amount is not None}
