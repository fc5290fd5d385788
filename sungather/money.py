"""What a household pays, what it saves, and what its battery has to do with it; pure.

All of it follows from the energies of short intervals and the prices in them. The house is what
the others leave: pv + import + discharge - export - charge. Solar power serves the house first,
then the battery; so only what is charged beyond the surplus of the sun came from the grid.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Final, NamedTuple

_SUMS: Final = (
    *("pv", "house", "imported", "exported", "cost", "revenue", "at_grid_prices"),
    *("self_consumed", "grid_charged", "battery_sold", "discharged"),
)
"""Fields of `Balance` that are sums over intervals."""
_SPLIT: Final = (
    *("split", "split_pv", "split_house", "split_imported", "self_consumed", "grid_charged"),
    *("battery_sold", "discharged", "battery_saving"),
)
"""Fields of `Balance` that are of split days only."""


class Interval(NamedTuple):
    """The energies of a short time in kWh, none below 0, and what 1 kWh cost and earned in it."""

    pv: float
    imported: float
    exported: float
    charged: float
    discharged: float
    buy: float
    sell: float

    @property
    def house(self) -> float:
        """What the house used."""
        return self.pv + self.imported + self.discharged - self.exported - self.charged


@dataclass(frozen=True, slots=True)
class Balance:
    """Energies in kWh and amounts of money of some days; to be added up."""

    days: int = 0
    estimated: int = 0
    """Days in which prices change and a while was not recorded: its energy was spread out."""
    split: int = 0
    """Days of which is known what came from where; the figures below the line are of these."""
    pv: float = 0.0
    house: float = 0.0
    imported: float = 0.0
    exported: float = 0.0
    cost: float = 0.0
    """Of what was bought."""
    revenue: float = 0.0
    """For what was sold."""
    standing: float = 0.0
    at_grid_prices: float = 0.0
    """What the energy of the house would have cost without panels and battery."""
    # -- of days that are split
    split_pv: float = 0.0
    split_house: float = 0.0
    split_imported: float = 0.0
    self_consumed: float = 0.0
    grid_charged: float = 0.0
    """Into the battery from the grid."""
    battery_sold: float = 0.0
    """Out of the battery to the grid."""
    discharged: float = 0.0
    battery_saving: float = 0.0

    def __add__(self, other: "Balance") -> "Balance":
        return Balance(
            *(getattr(self, one.name) + getattr(other, one.name) for one in fields(Balance))
        )

    @property
    def bill(self) -> float:
        """What is to be paid; below 0: what is earned."""
        return self.cost - self.revenue + self.standing

    @property
    def without_system(self) -> float:
        """What would have to be paid without panels and battery."""
        return self.at_grid_prices + self.standing

    @property
    def saving(self) -> float:
        """What panels and battery have saved."""
        return self.without_system - self.bill

    @property
    def self_sufficiency(self) -> float | None:
        """The share of the house's energy that came from panels and battery, 0 to 1."""
        return _share(self.split_house - (self.split_imported - self.grid_charged), self)

    @property
    def independence(self) -> float | None:
        """The same, with what the grid put into the battery counted as bought: may be below 0."""
        return _share(self.split_house - self.split_imported, self)

    @property
    def self_consumption(self) -> float | None:
        """The share of the solar energy that was not sold, 0 to 1."""
        return self.self_consumed / self.split_pv if self.split_pv > 0 else None


def _share(own: float, balance: Balance) -> float | None:
    return own / balance.split_house if balance.split_house > 0 else None


class CountedTime(NamedTuple):
    """What was counted of a day or a month."""

    begin: datetime
    """Since when."""
    balance: Balance


@dataclass(frozen=True, slots=True)
class SiteMoney:
    """What the present day and month of all inverters together come to."""

    currency: str
    times: Mapping[str, CountedTime]
    """"today" and "month", where something is known of them."""


def balance_of(intervals: Iterable[Interval], *, split: bool = True) -> Balance:
    """What the intervals of one day come to; without a standing charge.

    `split`: whether they are good enough to say what came from where.
    """
    found = dict.fromkeys(_SUMS, 0.0)
    without_battery = 0.0
    for one in intervals:
        house = one.house
        surplus = one.pv - house
        # Meters do not agree to the watt: nobody gives more than there is.
        from_grid = min(one.imported, max(0.0, one.charged - max(0.0, surplus)))
        to_grid = min(one.discharged, max(0.0, one.exported - max(0.0, surplus - one.charged)))
        found["pv"] += one.pv
        found["house"] += house
        found["imported"] += one.imported
        found["exported"] += one.exported
        found["cost"] += one.imported * one.buy
        found["revenue"] += one.exported * one.sell
        found["at_grid_prices"] += house * one.buy
        found["self_consumed"] += one.pv - (one.exported - to_grid)
        found["grid_charged"] += from_grid
        found["battery_sold"] += to_grid
        found["discharged"] += one.discharged
        without_battery += max(0.0, -surplus) * one.buy - max(0.0, surplus) * one.sell
    whole = Balance(
        days=1, split=1, estimated=0, standing=0.0,
        split_pv=found["pv"], split_house=found["house"], split_imported=found["imported"],
        battery_saving=without_battery - (found["cost"] - found["revenue"]),
        **found,
    )  # fmt: skip
    return whole if split else replace(whole, **dict.fromkeys(_SPLIT, 0))


def balance_of_counters(
    pv: float, imported: float, exported: float, stored: float, buy: float, sell: float
) -> Balance:
    """What one day's counters come to, if its prices never change; what came from where is open.

    `stored`: charged less discharged.
    """
    house = pv + imported - exported - stored
    return Balance(
        days=1, pv=pv, house=house, imported=imported, exported=exported,
        cost=imported * buy, revenue=exported * sell, at_grid_prices=house * buy,
    )  # fmt: skip
