"""Sub-devices of an inverter: found once and quietly, then read after it over its connection.

Each is a device of its own: a `Reading` with a name, a serial number and values, whose `via` is
the inverter's name. Trouble with one of them never costs the inverter a value.
"""

import asyncio
import logging
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import cast

from sungather import errors
from sungather.clock import Clock
from sungather.device.identify import Identity, Read, identify_sub_device
from sungather.device.reader import DeviceReader
from sungather.device.sub_device_places import FIRST_BATTERY, usual_units
from sungather.options.configuration import InverterOptions
from sungather.options.devices import SubDeviceKind, wanted_devices
from sungather.reading import Reading, State
from sungather.registers.device import Device
from sungather.storage import Storage
from sungather.transports import Transport

log = logging.getLogger(__name__)

LOOK_AGAIN_AFTER = timedelta(days=7)
"""What was found, or not, holds so long across restarts."""
PAUSE = 300.0
"""Seconds for which a device that does not answer is left alone."""
LOOK_FOR = 3.0
"""Seconds in which a device that is looked for must say who it is. Real ones take 0.5 s at most;
what is not there is often silent, and would cost a whole timeout and its retries."""
_LIFETIME = ("battery_pack_total_charge", "battery_pack_total_discharge")
_TRIES = 3
"""Scans in which a unit is asked who it is, while contention leaves that open."""


_Place = tuple[SubDeviceKind, int]
"""SubDeviceKind and unit of a device that is there, or that the options say is."""


@dataclass(slots=True)
class _UnitSearch:
    """One entry of the option, as far as it is not settled yet."""

    kind: SubDeviceKind
    units: list[int]
    """Where there may be devices."""
    listed: bool
    """The options say that there is one: nothing to find out."""
    tries: int = 0
    """How often contention left the first unit open."""
    found: set[Hashable] = field(default_factory=set[Hashable])
    """What tells each that was found from others: one battery may answer on two units."""


class SubDevices:
    """All sub-devices of one inverter, read between its own scans.

    Raises:
        OptionsError: `inverter.devices` cannot be understood.
    """

    def __init__(
        self,
        options: InverterOptions,
        transport: Transport,
        storage: Storage,
        clock: Clock,
        read_level: int = 0,
    ) -> None:
        """`read_level`: see `Session`."""
        try:
            self._wanted = wanted_devices(options.devices)
        except ValueError as error:
            raise errors.OptionsError([f"inverter.devices: {error}."]) from None
        self._options = options
        self._transport = transport
        self._storage = storage
        self._clock = clock
        self._read_level = read_level
        self._memory_name = f"behind-{options.name}"
        self._inverter = Device(0, "", "")  # until a scan tells
        self._serial: str | None = None
        self._searches: list[_UnitSearch] = []
        self._readers: dict[_Place, DeviceReader] = {}
        self._quiet_until: dict[_Place, float] = {}

    @property
    def newest(self) -> tuple[Reading, ...]:
        """The newest reading of each device, batteries first."""
        return tuple(reader.newest for reader in self._readers.values())

    def on_unit(self, unit: int) -> DeviceReader | None:
        """The reader of what was found on a unit."""
        return next((one for (_, at), one in self._readers.items() if at == unit), None)

    async def scan(
        self, inverter: Reading, device: Device | None, complete: bool = False
    ) -> tuple[Reading, ...]:
        """Read the sub-devices of the inverter, whose own reading has just ended.

        Without a good reading of the inverter none of them is asked. Never raises for trouble
        with a device.
        """
        if not self._wanted:
            return ()
        if inverter.state is not State.OK or device is None:
            for reader in self._readers.values():
                reader.leave_out(inverter.state, inverter.problem)
            return self.newest
        self._inverter = device
        if inverter.serial != self._serial:
            self._begin(inverter.serial)
        await self._search(inverter.serial)
        for place, reader in self._readers.items():
            if self._clock.monotonic() < self._quiet_until.get(place, 0.0):
                continue
            if (await reader.scan(complete)).state is not State.OK:
                self._quiet_until[place] = self._clock.monotonic() + PAUSE
        return self.newest

    def forget(self) -> None:
        """Look for all devices again."""
        self._storage.remove(self._memory_name)
        self._serial = None

    def forget_refusals(self) -> None:
        """Ask all devices for everything again."""
        for reader in self._readers.values():
            reader.forget_refusals()

    # Finding

    def _begin(self, serial: str) -> None:
        """Take over what is known of the inverter with this serial number, or begin to search."""
        self._serial = serial
        self._readers, self._quiet_until, self._searches = {}, {}, []
        remembered = self._remembered(serial)
        for place in remembered or ():
            self._readers[place] = self._reader(*place)
        if remembered is None:
            for kind, unit in ((one.kind, one.unit) for one in self._wanted):
                usual = usual_units(kind, self._inverter, self._transport.name)
                units = list(usual) if unit is None else [unit]
                self._searches.append(_UnitSearch(kind, units, listed=unit is not None))

    async def _search(self, serial: str) -> None:
        """Find out once what there is; go on next time where contention leaves it open.

        In the order of the options, so that every device gets the same name each time.
        """
        while self._searches:
            search = self._searches[0]
            while search.units:
                if not await self._look(search, search.units[0]):
                    return
                del search.units[:1]
                search.tries = 0
            del self._searches[0]
            if not self._searches:
                self._remember(serial)

    async def _look(self, search: _UnitSearch, unit: int) -> bool:
        """Look for a device on one unit; False if that has to be done again."""
        place = (search.kind, unit)
        if place in self._readers:
            return True
        reader = self._reader(*place)
        if search.listed:
            self._readers[place] = reader
            return True
        try:
            async with asyncio.timeout(LOOK_FOR):
                identity = (await reader.identified()).identity
        except TimeoutError:
            # An answer that comes late must not be taken for that to the next request.
            await self._transport.close()
        except errors.Busy as error:
            search.tries += 1
            if not isinstance(error, errors.UnitSilent) and search.tries < _TRIES:
                return False
        except errors.InverterError:
            pass  # refused, something else, or silent: there is no such device
        else:
            same = await _told_apart_by(reader, identity.serial)
            if same not in search.found:
                search.found.add(same)
                self._readers[place] = reader
                model = identity.device.model
                log.info("Behind %s: %s %s", self._options.name, model, identity.serial)
            return True
        if unit >= FIRST_BATTERY:
            search.units.clear()  # they are numbered without gaps
        return True

    def _reader(self, kind: SubDeviceKind, unit: int) -> DeviceReader:
        """A reader for the next device of that kind."""

        async def identify(read: Read) -> Identity:
            return await identify_sub_device(
                read, kind, unit, self._inverter, self._transport.name
            )

        options = self._options
        number = 1 + sum(other is kind for other, _ in self._readers)
        own = replace(
            options,
            name=f"{options.name}-{kind}-{number}",
            unit=unit,
            retries=min(options.retries, 1),
        )
        return DeviceReader(
            own,
            self._transport,
            identify,
            self._storage,
            self._clock,
            str(kind),
            options.name,
            self._read_level,
        )

    # Memory

    def _remembered(self, serial: str) -> list[_Place] | None:
        """What was found with this inverter before, if that still holds."""
        memory = self._storage.load(self._memory_name)
        try:
            until = datetime.fromisoformat(str(memory.get("until")))
            places = [
                (SubDeviceKind(kind), int(unit))
                for kind, unit in cast(list[tuple[str, int]], memory.get("found"))
            ]
            same = (memory.get("serial"), memory.get("devices")) == (serial, self._options.devices)
            return places if same and self._clock.now() < until else None
        except (TypeError, ValueError):
            return None

    def _remember(self, serial: str) -> None:
        until = self._clock.now() + LOOK_AGAIN_AFTER
        self._storage.save(
            self._memory_name,
            {
                "serial": serial,
                "devices": self._options.devices,
                "until": until.isoformat(),
                "found": [[str(kind), unit] for kind, unit in self._readers],
            },
        )


async def _told_apart_by(reader: DeviceReader, serial: str) -> Hashable:
    """What two units have in common only if the same device answers on both.

    Its serial number; where it tells none, what it has counted in its life; else where it is. On
    a dongle unit 2 is the first battery, as 200 is.
    """
    if serial:
        return serial
    values = (await reader.scan()).values
    counted = tuple(values.get(name) for name in _LIFETIME)
    return counted if any(counted) else max(reader.options.unit, FIRST_BATTERY)
