"""What tells that a value is absent though its words are none of the documented marks for it.

Absent is absent, never 0; and −1 is −1. The marks of a register (`Register.absent`) decide:

* `zero`: 0 is no value; another register of the same name has it.
* `zero-masked`: 0 is no value on a path that answers 0 where the inverter says "not available".
* `ones`: a signed register that only newer firmware has, with another one of the same name. All
  ones are −1 only next to words that are others.
* `meter`, `meter-total` (energy over the lifetime): a smart meter that was never commissioned
  answers 0 everywhere, and nothing was ever counted.
* `meter-load`: without that meter an inverter gives out its own generation as the load, unless it
  works without the grid.
* `battery`: a hybrid without a battery answers 0, the battery's voltage included; so does a dongle
  for what it does not pass on of a battery.
* `meter2`: the second meter, all 0 on a path that masks.
* `no-alarm`: holds only while the inverter's state is a fault or an alarm.

A battery's power of 0 in the newer register is none while the older one says that it flows: so
answers a dongle that does not forward it, also where the path does not tell of a dongle.

A battery's power and current are absent, too, where nothing tells whether it charges: neither the
device (`Truth.battery_sign`) nor the balance of the inverter (`sign_by_balance`).
"""

from collections.abc import Iterable, Mapping

from sungather.reading import Path
from sungather.registers import Space, codes
from sungather.registers.device import Device
from sungather.registers.kinds import kind, raw_number
from sungather.registers.tables import Register

ALL_ONES = 0xFFFF

RUN = 8
"""So many words of all ones in a row are no values but unsupported registers.

LAN firmware answers all ones on signed registers that it does not support; it was measured to do
so in rows of 12 to 32. Small negative values side by side fill seven words at most.
"""

_METER = frozenset({"meter", "meter-total"})

_BATTERY_POWER = 5214
"""s32, > 0 discharging: the one register whose sign every firmware has right."""
_BATTERY_VOLTAGE = 13020
_PACK_VOLTAGE = 10741
"""Of a battery itself, which is never without."""
_POWER_FLOW = 13001
_CHARGING, _DISCHARGING = 1 << 1, 1 << 2
_OLD_BATTERY_POWER = 13022
"""s16, unsigned in older firmware."""
_PV_POWER, _OUTPUT, _LOAD, _EXPORT = 5017, 13034, 13008, 13010
"""32 bits each; the output and the export are > 0 out of the inverter and into the grid."""
_RESTING = 50
"""W of a battery that neither charges nor discharges, as the device says."""
_SYSTEM_STATE, _GRID_STATE = 13000, 13030
_OFF_GRID = {(_SYSTEM_STATE, 0x1000), (_SYSTEM_STATE, 0x0041), (_GRID_STATE, 0xAA)}
_WORK_STATE = 5038
_ALARM_STATES = (0x5500, 0x9100)

_CAPACITY_OF_A_HOUSE = 500
"""In 0.1 kWh; more than that is in 0.01 kWh."""
_MISLEADING_DONGLES = ("SH-RT", "SH-RS")
"""Families old enough for a WiNet-S firmware that answers capacities in 0.01 kWh."""


class Availability:
    """Judges the registers of one reading by everything that was read with them."""

    def __init__(
        self,
        registers: Iterable[Register],
        words: Mapping[Space, Mapping[int, int]],
        device: Device,
    ) -> None:
        self._words = words
        self._input = words.get(Space.INPUT, {})
        self._house_capacity = (
            device.path is not Path.CABLE and device.family in _MISLEADING_DONGLES
        )
        marked = [register for register in registers if register.absent]
        self._zero_is_absent = {"zero"}
        if device.masked:
            self._zero_is_absent.add("zero-masked")
        if device.masked and not any(self._raw(r) for r in marked if "meter2" in r.absent):
            self._zero_is_absent.add("meter2")
        self._meterless = self._never_counted(marked)
        if self._meterless:
            self._zero_is_absent |= _METER
        if 0 in (self._input.get(_BATTERY_VOLTAGE), self._input.get(_PACK_VOLTAGE)):
            self._zero_is_absent.add("battery")

    def absent(self, register: Register, raw: int) -> bool:
        """Whether the register has no value, though `raw` is not the documented mark for it."""
        if raw == 0 and not register.absent.isdisjoint(self._zero_is_absent):
            return True
        if raw == -1 and self._unsupported(register):
            return True
        if raw == 0 and register.address == _BATTERY_POWER and self._old_power_flows:
            return True
        if self._meterless and "meter-load" in register.absent and not self._off_grid:
            return True
        return "no-alarm" in register.absent and not self.alarm

    @property
    def alarm(self) -> bool:
        """Whether the inverter is known to be in a fault or an alarm."""
        return self._input.get(_WORK_STATE) in _ALARM_STATES

    @property
    def quiet(self) -> bool:
        """Whether the inverter is known to be in no fault and no alarm."""
        state = self._input.get(_WORK_STATE, ALL_ONES)
        return codes.known("work_state_1", state) and not self.alarm

    def battery_sign(self) -> int:
        """1 discharging, −1 charging, 0 where the device does not tell."""
        if power := self._number(_BATTERY_POWER, "s32"):
            return 1 if power > 0 else -1
        flow = self._flow
        if flow & (_CHARGING | _DISCHARGING):
            return -1 if flow & _CHARGING else 1
        return -1 if (self._number(_OLD_BATTERY_POWER, "s16") or 0) < 0 else 0

    def signed(self, register: Register, raw: int) -> int | None:
        """Battery power or current, > 0 discharging, whatever sign the firmware gave it.

        None where it flows and nothing tells which way.
        """
        sign = self.battery_sign()
        trusted = register.kind == "battery" and not self._number(_BATTERY_POWER, "s32")
        if raw < 0 and (trusted or not sign):
            return raw  # firmware that leaves the sign out says nothing negative
        power = abs(self._number(_OLD_BATTERY_POWER, "s16") or 0)
        if not raw or (not sign and self._flow and power <= _RESTING):
            return raw
        sign = sign or self._balanced_sign(power)
        return abs(raw) * sign if sign else None

    @property
    def _old_power_flows(self) -> bool:
        """Whether the older register says that the battery does not rest."""
        return abs(self._number(_OLD_BATTERY_POWER, "s16") or 0) > _RESTING

    @property
    def _flow(self) -> int:
        """The bits of the power flow; 0 where the device does not set them."""
        flow = self._input.get(_POWER_FLOW, ALL_ONES)
        return 0 if flow == ALL_ONES else flow

    def _balanced_sign(self, power: int) -> int:
        """The sign of a battery's power by what the panels give and the inverter gives on."""
        pv, output = self._number(_PV_POWER, "u32"), self._number(_OUTPUT, "s32")
        load, export = self._number(_LOAD, "s32"), self._number(_EXPORT, "s32")
        if pv is None or not power:
            return 0
        outputs = [output, None if load is None or export is None else load + export]
        signs = {sign_by_balance(power, pv, given) for given in outputs if given is not None}
        signs.discard(0)
        return signs.pop() if len(signs) == 1 else 0

    @property
    def _off_grid(self) -> bool:
        return any(self._input.get(at) == state for at, state in _OFF_GRID)

    def capacity_scale(self, raw: int) -> float:
        """What one count of register 13039 is, in kWh."""
        return 0.01 if self._house_capacity and raw > _CAPACITY_OF_A_HOUSE else 0.1

    def _unsupported(self, register: Register) -> bool:
        """Whether all ones in a signed register mean that the device does not have it."""
        known = self._words.get(register.space, {})
        first, last = register.address, register.address + register.count - 1
        if "ones" in register.absent:
            beside = [known.get(first - 1), known.get(last + 1)]
            return ALL_ONES in beside or beside == [None, None]
        while known.get(first - 1) == ALL_ONES:
            first -= 1
        while known.get(last + 1) == ALL_ONES:
            last += 1
        return last - first + 1 >= RUN

    def _never_counted(self, marked: list[Register]) -> bool:
        """Whether all of the smart meter is 0 or not available, its lifetime counters 0."""
        totals = [register for register in marked if "meter-total" in register.absent]
        others = [register for register in marked if "meter" in register.absent]
        return (
            bool(totals)
            and all(self._raw(register) == 0 for register in totals)
            and all(self._raw(r) in (None, 0, kind(r.kind).absent) for r in others)
        )

    def _number(self, at: int, name: str) -> int | None:
        """The number in input registers that this reading has; None where it has none."""
        of = kind(name)
        words = [self._input.get(at + offset, ALL_ONES) for offset in range(of.words)]
        raw = raw_number(of, words)
        return None if raw == of.absent or set(words) == {ALL_ONES} else raw

    def _raw(self, register: Register) -> int | None:
        known = self._words.get(register.space, {})
        found = [known.get(at) for at in range(register.address, register.block.end + 1)]
        words = [word for word in found if word is not None]
        return raw_number(kind(register.kind), words) if len(words) == len(found) else None


def sign_by_balance(power: int, pv: int, output: int) -> int:
    """Whether a battery gives (1) or takes (−1) this power, in W; 0 if both or neither may be.

    `pv` is what the panels give, `output` what the inverter gives on. Between them some is lost,
    and they are not measured at the very same moment.
    """
    allowed = _LOSS + _LOSS_SHARE * max(power, pv, abs(output))
    fitting = [sign for sign in (1, -1) if abs(pv + sign * power - output) <= allowed]
    return fitting[0] if len(fitting) == 1 else 0


_LOSS = 80
"""W that an inverter needs for itself, and what changes from one register to the next."""
_LOSS_SHARE = 0.06
