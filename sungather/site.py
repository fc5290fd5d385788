"""Several inverters as one household: whose meter counts, and what they do together.

A sum is known only if all its parts are. The house is the balance of the sums: the inverter with
the meter cannot tell the load apart from what the others feed in.
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


def sources(parts: Mapping[str, Collection[str]], meter: str) -> dict[str, tuple[str, ...]]:
    """Figure -> the inverters that it is of."""
    names = tuple(parts)
    found = {"pv": names, "house": names} | dict.fromkeys(GRID, metered(parts, meter))
    for figure in (*BATTERY, BATTERY_LEVEL):
        found[figure] = tuple(name for name, flows in parts.items() if figure in flows)
    return found


def together(parts: Mapping[str, Amounts], meter: str, unit: str = "W") -> dict[str, float]:
    """Figure -> what the inverters do together; a figure of which a part is missing is absent.

    Args:
        parts: Inverter -> what it tells. One inverter alone says everything by itself.
        meter: See `metered`.
        unit: Of the flows, W or kWh.
    """
    if len(parts) == 1:
        (only,) = parts.values()
        return {figure: amount for figure, amount in only.items() if amount is not None}
    found: dict[str, float] = {}
    of = sources(parts, meter)
    for figure in (*INTO_HOUSE, BATTERY_LEVEL):
        amounts = [parts[name].get(figure) for name in of[figure]]
        known = [amount for amount in amounts if amount is not None]
        if known and len(known) == len(amounts):
            found[figure] = sum(known) / (len(known) if figure == BATTERY_LEVEL else 1)
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

    def on_reading(self, reading: Reading) -> None:
        """Remember what the inverter has; it may not tell at night."""
        self._figures.setdefault(reading.name, set()).update(_told(reading))

    def has_battery(self, name: str) -> bool:
        """Whether the inverter has, or had, a battery to tell of."""
        return not self._figures.get(name, set()).isdisjoint((*BATTERY, BATTERY_LEVEL))

    def sources(self, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Figure -> those of the inverters that it is of."""
        return sources({name: self._figures.get(name, set()) for name in names}, self.meter)

    def several_meters(self, names: Iterable[str]) -> bool:
        """Whether more than one inverter has a meter, and nobody said which one counts."""
        having = [name for name in names if GRID[0] in self._figures.get(name, ())]
        return self.meter == AUTO and len(having) > 1

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
        return together(parts, self.meter)


ASLEEP: Final[Mapping[str, float]] = {"pv": 0.0}
"""What an inverter that sleeps is known to do."""


def _told(reading: Reading) -> dict[str, float]:
    """Figure -> what the reading tells of it; nothing unless its state is `ok`."""
    if reading.state is not State.OK:
        return {}
    figures = {**{flow: f"{flow}_power" for flow in FLOWS}, BATTERY_LEVEL: BATTERY_LEVEL}
    numbers = ((figure, reading.number(name)) for figure, name in figures.items())
    return {figure: amount for figure, amount in numbers if amount is not None}
