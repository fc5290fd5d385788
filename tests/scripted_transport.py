"""A strict stand-in for a transport: devices whose words the test knows, without sockets.

It keeps the promises of `sungather.transports.Transport`, and what real devices do: a block that
starts on a register that the device does not have is refused, and a connection is closed after
silence and opened by the next request.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from support import OPTIONS, ManualClock, storage_in

from sungather import errors
from sungather.device.inverter import Inverter
from sungather.device.sub_devices import SubDevices
from sungather.registers import Block, Space
from sungather.registers.catalogue import Register, Tier
from sungather.registers.kinds import kind
from sungather.simulator.device import SimulatedDevice
from sungather.simulator.modbus import ExceptionCode
from sungather.transports import Transport

Trouble = Callable[[Block, int], Exception | None]
"""What happens to a request for a block from a unit; None: it is answered."""

_FINAL = {
    ExceptionCode.ILLEGAL_FUNCTION: "illegal function",
    ExceptionCode.ILLEGAL_ADDRESS: "illegal data address",
    ExceptionCode.ILLEGAL_VALUE: "illegal data value",
    ExceptionCode.MEMORY_PARITY: "memory parity error",
}


def simple_device(words: Mapping[int, int]) -> SimulatedDevice:
    """A device that has these input registers and no others; `words` may change meanwhile."""
    return SimulatedDevice("simple", lambda: {"input": words})


class ScriptedTransport:
    """Devices by their unit ids; `trouble` can be set at any time."""

    name = "modbus"

    def __init__(self, units: Mapping[int, SimulatedDevice], widest: int = 125) -> None:
        self.widest = widest
        self.connects = 0
        self.requests = 0
        self.units = dict(units)
        self.replaced: dict[int, int] = {}
        """Input registers, of any unit, whose words are others than the device's."""
        self.trouble: Trouble = lambda block, unit: None
        self.asked: list[tuple[int, Block]] = []
        """Unit and block of every request."""
        self.connected = False

    async def connect(self) -> None:
        if not self.connected:
            self.connects += 1
            self.connected = True

    async def close(self) -> None:
        self.connected = False

    async def read(self, block: Block, unit: int) -> Sequence[int]:
        assert 1 <= block.count <= self.widest, "wider than one request can carry"
        assert 1 <= block.start <= block.end <= 0x10000
        self.asked.append((unit, block))
        self.requests += 1
        trouble = self.trouble(block, unit)
        if trouble is None and unit not in self.units:
            trouble = errors.Silent(f"Unit {unit} does not answer.")
        lost = isinstance(trouble, errors.Silent | errors.ConnectionLost)
        if lost or not isinstance(trouble, errors.Unreachable):
            await self.connect()
        if lost:
            await self.close()
        if trouble is not None:
            raise trouble
        answer = self.units[unit].read(block.space, block.start - 1, block.count)
        if isinstance(answer, ExceptionCode):
            reason = _FINAL.get(answer)
            raise errors.Refused(reason) if reason else errors.Busy("The device is busy.")
        if block.space is Space.INPUT:
            numbers = range(block.start, block.end + 1)
            return [self.replaced.get(n, word) for n, word in zip(numbers, answer, strict=True)]
        return answer

    def starts(self, unit: int = 1) -> list[int]:
        """First registers of what a unit was asked for since the last call of `forget`."""
        return [block.start for asked, block in self.asked if asked == unit]

    def forget(self) -> None:
        """Begin to count anew."""
        self.asked.clear()


def silent_at(*starts: int) -> Trouble:
    """No answer for blocks that begin there."""
    return lambda block, unit: errors.Silent("No answer.") if block.start in starts else None


def nobody_answers(block: Block, unit: int) -> Exception:
    """No answer to anything."""
    return errors.Silent("No answer.")


def register(
    name: str, address: int, tier: Tier = Tier.FAST, group: str = "", decode: str = "u16"
) -> Register:
    """An input register that is nothing but a number."""
    return Register(
        name=name,
        space=Space.INPUT,
        address=address,
        kind=decode,
        count=kind(decode).count,
        length=1,
        scale=1,
        unit="",
        level=1,
        tier=tier,
        codes="",
        bit=None,
        group=group,
        absent=frozenset(),
        source="",
        note="",
    )


def inverter_on(
    transport: Transport,
    storage: Path,
    time: ManualClock,
    *,
    read_level: int = 0,
    **options: Any,
) -> Inverter:
    """The reader of what answers on unit 1, as after a start."""
    chosen = replace(OPTIONS, **options)
    zone = ZoneInfo("Europe/Berlin")
    store = storage_in(storage)
    return Inverter(chosen, transport, store, zone, time.clock, read_level=read_level)


def sub_devices_on(
    transport: ScriptedTransport, storage: Path, time: ManualClock, **options: Any
) -> SubDevices:
    """The reader of what is behind it."""
    return SubDevices(replace(OPTIONS, **options), transport, storage_in(storage), time.clock)
