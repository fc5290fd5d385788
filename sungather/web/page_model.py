"""What there is to show."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from typing import Final

from sungather.history.store import Fault
from sungather.history.totals import Totals
from sungather.reading import FaultReport, Reading
from sungather.service import Health
from sungather.site import HOME_MANAGER, LOGGER, Plant, summed
from sungather.web.language import Language
from sungather.web.money_card import Money

UNNAMED: Final = "inverter"
"""The name of an inverter whose options give it none."""


@dataclass(frozen=True, slots=True)
class PageModel:
    """Everything that the page shows, but the day's curve."""

    now: datetime
    timezone: tzinfo
    readings: Sequence[Reading]
    """The newest of every inverter."""
    chosen: str
    """The inverter that the page is about; "" for all together."""
    totals: Callable[[str], Mapping[str, Totals]]
    """Inverter -> flow -> energies."""
    faults: Sequence[Fault]
    services: Sequence[Health]
    plant: Plant
    say: Language
    stale: frozenset[str] = frozenset()
    """Inverters whose newest reading is overdue."""
    money: Money | None = None
    """What all inverters together have saved; None where no prices are known."""

    @property
    def inverters(self) -> list[Reading]:
        """The readings of inverters."""
        return [r for r in self.readings if r.is_inverter]

    @property
    def devices(self) -> list[Reading]:
        """The readings of sub-devices."""
        return [r for r in self.readings if not r.is_inverter]

    @property
    def shown(self) -> list[Reading]:
        """The readings that the page is about: one, or those that the site's sums are of."""
        if self.chosen:
            return [r for r in self.readings if r.name == self.chosen]
        return summed(self.readings)

    @property
    def told(self) -> list[Reading]:
        """The readings whose faults the page tells: those shown, and on the first page all."""
        return self.shown if self.chosen else list(self.readings)

    def faults_of(self, reading: Reading) -> FaultReport | None:
        """What can be said of its faults now: of an overdue reading nothing any more."""
        if reading.faults is not None and reading.name in self.stale:
            return FaultReport(unknown=self.say("faults.old"))
        return reading.faults

    def name(self, reading: Reading) -> str:
        """What people call it: an inverter by its name, if it has one, a device by its kind."""
        if reading.is_inverter:
            return self.say("device.inverter") if reading.name == UNNAMED else reading.name
        title = self.say.texts.get(f"device.{reading.family}", reading.name)
        alike = [r for r in self.devices if r.family == reading.family]
        beside = [r.name for r in alike if r.via == reading.via]
        if len(beside) > 1:
            title = f"{title} {beside.index(reading.name) + 1}"
        return title if len(beside) == len(alike) else f"{title} ({reading.via})"

    @property
    def listed(self) -> list[Reading]:
        """What the page has links to in a card of its own."""
        return self.inverters if len(self.inverters) > 1 and not self.chosen else []

    @property
    def about_a_device(self) -> bool:
        """Whether the page is about a sub-device: it has no flow, day or sums."""
        return any(
            r.name == self.chosen and r.family not in (HOME_MANAGER, LOGGER) for r in self.devices
        )

    @property
    def one(self) -> Reading | None:
        """The reading, where the page is about one inverter."""
        return self.shown[0] if len(self.shown) == 1 else None

    @property
    def today(self) -> date:
        """The local day."""
        return self.now.astimezone(self.timezone).date()
