"""Which published values PVOutput gets, and under which field. Pure."""

from collections.abc import Mapping

from sungather.options.all_options import PvoutputOptions
from sungather.reading import Reading
from sungather.registers.published import units_of_inverters

_POWERS = {"v2": "pv_power", "v4": "house_power"}
_NET_POWERS = {"v2": "grid_export_power", "v4": "grid_import_power"}
_DAY_ENERGIES = {"v1": "pv_energy_today", "v3": "house_energy_today"}
_LIFETIME_ENERGIES = {"v1": "pv_energy_total", "v3": "house_energy_total"}
_CONSUMPTION = ("v3", "v4")
_BASIC = ("v5", "v6")
"""Chosen fields that need no donation."""
_ADDED_UP = ("W", "kW", "var", "kvar", "VA", "kVA", "Wh", "kWh", "kg")
"""Units of what several inverters have together; of a temperature they have a mean."""


class UploadFields:
    """The fields as the options choose them, and the account takes them."""

    def __init__(self, options: PvoutputOptions) -> None:
        self._wanted = options.consumption
        self._chosen = options.chosen
        self._powers = self._without_consumption(_NET_POWERS if options.net else _POWERS)
        energies = _LIFETIME_ENERGIES if options.cumulative else _DAY_ENERGIES
        self.energies = {} if options.net else self._without_consumption(energies)
        """Field -> published name of energies."""
        self.battery = options.battery
        units = units_of_inverters()
        self.averaged = {
            name for name, one in self._chosen.items() if units.get(one) not in _ADDED_UP
        }
        """Fields of which several inverters together give the mean, and not the sum."""
        self._unseen = dict(self._chosen)

    def _without_consumption(self, fields: Mapping[str, str]) -> dict[str, str]:
        return {k: v for k, v in fields.items() if self._wanted or k not in _CONSUMPTION}

    @property
    def means(self) -> Mapping[str, str]:
        """Field -> published name, of those that are averaged over an interval."""
        basic = {name: self._chosen[name] for name in _BASIC if name in self._chosen}
        battery = {"charge": "battery_charge_power", "discharge": "battery_discharge_power"}
        return self._powers | basic | (battery if self.battery else {})

    @property
    def lasts(self) -> Mapping[str, str]:
        """Field -> published name, of those of which the last in an interval counts."""
        return self.energies | self._extended | ({"b2": "battery_level"} if self.battery else {})

    @property
    def _extended(self) -> dict[str, str]:
        return {name: one for name, one in self._chosen.items() if name not in _BASIC}

    @property
    def has_extended(self) -> bool:
        """Whether there are fields v7 to v12."""
        return bool(self._extended)

    def without_donation(self) -> None:
        """Leave out what the account does not take."""
        self._chosen = {name: one for name, one in self._chosen.items() if name in _BASIC}
        self.battery = False

    def see(self, reading: Reading) -> None:
        """Note which of the chosen values an inverter gives."""
        for name, source in list(self._unseen.items()):
            if reading.number(source) is not None:
                del self._unseen[name]

    def not_read(self) -> list[str]:
        """A sentence for each chosen field that no inverter gives a number for; told once."""
        unseen, self._unseen = self._unseen, {}
        return [
            f"pvoutput.{name}: {source} is no number that an inverter here gives, so nothing is "
            "uploaded for it. It may need a higher inverter.level."
            for name, source in unseen.items()
        ]
