"""A simulated inverter: words behind addresses, no sockets. Any front end can serve it.

The rules of the real ones: a block has to start on a register that the device knows, otherwise
exception 2; other addresses inside a block read 0xFFFF on a LAN port, and 0 through a dongle.
"""

import difflib
from collections.abc import Callable, Container, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from sungather.errors import OptionsError
from sungather.simulator.day import Now, life_of
from sungather.simulator.history import HistoryArrays
from sungather.simulator.modbus import WIDEST, Answer, ExceptionCode
from sungather.simulator.models import MODELS, Model
from sungather.simulator.quantities import quantities
from sungather.simulator.words import image, read_tables

Clock = Callable[[], datetime]
Image = Mapping[str, Mapping[int, int]]
"""Space ("input", "holding") -> documented address -> word."""

_COMMON: Final = read_tables("common.table")
_STRING: Final = read_tables("string.table")
_HYBRID: Final = read_tables("hybrid.table")

DONGLE_ZEROS: Final = (
    (5009, 5010), (5022, 5024), (5031, 5032), (5088, 5089), (5232, 5256), (5609, 5620),
    (5630, 5630), (5632, 5634), (5659, 5664), (5737, 5737), (5741, 5750), (13000, 13000),
    (13015, 13016), (13043, 13043), (13048, 13049),
)  # fmt: skip
"""What a WiNet-S serves over Modbus as 0, although its inverter has a value."""
REFUSED_BY_DONGLE: Final = frozenset(
    address
    for first, last in (
        (2613, 2643), (5046, 5077), (5142, 5159), (5665, 5696), (6100, 6827), (33001, 65536),
    )
    for address in range(first, last + 1)
)  # fmt: skip
"""Documented input registers that no block through a WiNet-S may contain."""


class SimulatedDevice:
    """One device on one unit id.

    Args:
        name: For people.
        words: The words as they are now.
        hole: What an address without a word reads inside a block; None refuses the block.
        refused: Per space, documented addresses that no block may contain.
    """

    def __init__(
        self,
        name: str,
        words: Callable[[], Image],
        *,
        hole: int | None = 0xFFFF,
        refused: Mapping[str, Container[int]] | None = None,
    ) -> None:
        self.name = name
        self._words = words
        self._hole = hole
        self._refused = refused or {}

    def read(self, space: str, wire_address: int, count: int) -> Answer:
        """Words of a block, or the exception that refuses it. Addresses as on the wire."""
        if not 1 <= count <= WIDEST:
            return ExceptionCode.ILLEGAL_VALUE
        block = range(wire_address + 1, wire_address + 1 + count)
        words = self._words().get(space, {})
        refused = self._refused.get(space, ())
        if block.start not in words or any(address in refused for address in block):
            return ExceptionCode.ILLEGAL_ADDRESS
        if self._hole is None and any(address not in words for address in block):
            return ExceptionCode.ILLEGAL_ADDRESS
        return [words.get(address, self._hole or 0) for address in block]


class LivingDevice(SimulatedDevice):
    """An inverter whose site lives through its days.

    Its words change at most once a second of real time, as real inverters renew theirs; in
    between, every block shows the same moment.
    """

    def __init__(
        self,
        model: Model,
        *,
        clock: Clock,
        speed: float = 1.0,
        begin: datetime | None = None,
        path: str = "cable",
        meter: bool = True,
    ) -> None:
        dongle = path == "dongle"
        refused = {"input": REFUSED_BY_DONGLE} if dongle else None
        super().__init__(model.name, self._image, hole=0 if dongle else 0xFFFF, refused=refused)
        self.model = model
        self.path = path
        self.meter = meter
        self.speed = speed
        self.asleep = False
        """Up, but with 0 V, 0 Hz and stale counters, as SG-RS behind a WiNet-S at night."""
        self._clock = clock
        self._started = clock().astimezone(UTC)
        # The device's own clock: local time of its start, never moved to or from summer time.
        self._begin = begin.replace(tzinfo=None) if begin else clock().replace(tzinfo=None)
        self.life = life_of(model.site, self._begin.date())
        self._history = HistoryArrays(self.life)
        self._shown: tuple[datetime, bool] | None = None
        self._cached: Image = {}

    def moment(self) -> datetime:
        """What the device's clock shows: local time without a zone."""
        return self._begin + self._real_time() * self.speed

    def now(self) -> Now:
        """The site's state."""
        return self.life.at(self.moment())

    def _real_time(self) -> timedelta:
        passed = self._clock().astimezone(UTC) - self._started
        return timedelta(seconds=int(passed.total_seconds()))

    def _image(self) -> Image:
        moment = self.moment()
        if self._shown != (moment, self.asleep):
            self._shown = (moment, self.asleep)
            self._cached = self._compute(moment)
        return self._cached

    def _compute(self, moment: datetime) -> Image:
        if self.asleep:
            moment = self.life.last_sun(moment)
        now = self.life.at(moment)
        values = quantities(self.model, now, meter=self.meter, asleep=self.asleep)
        values |= self._history.quantities(now)
        tables = _HYBRID if self.model.hybrid else _STRING
        dongle = self.path == "dongle"
        words = image((*_COMMON["input"], *tables["input"]), values, masked=dongle)
        if not self.model.hybrid:
            phases = "three phases" if self.model.phases == 3 else "a single phase"
            words |= image(tables[f"input of {phases}"], values, masked=dongle)
        elif dongle:
            for first, last in DONGLE_ZEROS:
                words |= dict.fromkeys(range(first, last + 1), 0)
            words |= image(tables["input of a dongle"], values)
            if self.model.old_dongle:
                words |= image(tables["input of an old dongle"], values)
        holding = image((*_COMMON["holding"], *tables["holding"]), values)
        return {"input": words, "holding": holding}


def local_clock() -> datetime:
    """The machine's time in its own zone."""
    return datetime.now().astimezone()


def device_names() -> tuple[str, ...]:
    """The inverters that `device_named` knows."""
    return tuple(MODELS)


def device_named(
    name: str,
    *,
    clock: Clock = local_clock,
    speed: float = 1.0,
    begin: datetime | None = None,
    path: str = "cable",
    meter: bool = True,
    serial: str | None = None,
    seed: int | None = None,
) -> LivingDevice:
    """A simulated inverter.

    Args:
        name: One of `device_names`; case does not matter.
        clock: Real time with a zone.
        speed: Seconds that the device lives through in one second of the clock.
        begin: Local time at which its life begins; the clock's time unless told.
        path: "cable" for its LAN port, "dongle" for a WiNet-S that masks what it does not know.
        meter: Whether a smart meter is connected.
        serial: A serial number of 11 characters instead of the model's.
        seed: Another one gives another weather and household.

    Raises:
        OptionsError: No such inverter.
    """
    model = next((m for m in MODELS.values() if m.name.lower() == name.lower()), None)
    if model is None:
        near = difflib.get_close_matches(name.upper(), MODELS, 1, 0.4)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(MODELS)}."
        raise OptionsError([f"There is no simulated inverter {name!r}: {hint}"])
    if serial is not None:
        model = replace(model, serial=serial)
    if seed is not None:
        model = replace(model, site=replace(model.site, seed=seed))
    return LivingDevice(model, clock=clock, speed=speed, begin=begin, path=path, meter=meter)


def stranger(*, zeros: bool = False) -> SimulatedDevice:
    """A Modbus device that is no Sungrow inverter, an energy meter say.

    Registers 4990 to 5000 read 0 or, unless told, are refused with exception 2.
    """
    words = {address: 2300 + address for address in range(1, 101)}
    if zeros:
        words |= dict.fromkeys(range(4900, 5100), 0)
    spaces = {"input": words, "holding": words}
    return SimulatedDevice("stranger", lambda: spaces, hole=None)
