"""Devices behind an inverter: found once and quietly, then read after it over its connection.

Each is a device of its own: a `Reading` with a name, a serial number and values, whose `via` is
the inverter's name. Trouble with one of them never costs the inverter a value.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import cast

from sungather import errors
from sungather.clock import Clock
from sungather.device.block_reader import BlockReader
from sungather.device.identify import Identity
from sungather.device.requester import Requester
from sungather.device.session import Session
from sungather.device.states import problem_of, state_of
from sungather.device.sub_device_identity import identify_behind
from sungather.device.sub_device_places import FIRST_BATTERY, usual_units
from sungather.options.configuration import InverterOptions
from sungather.options.devices import SubDeviceKind, WantedDevice, wanted_devices
from sungather.reading import Problem, Reading, State
from sungather.registers.catalogue import registers_for
from sungather.registers.device import Device
from sungather.storage import Storage
from sungather.transports import Transport

log = logging.getLogger(__name__)

LOOK_AGAIN_AFTER = timedelta(days=7)
"""What was found, or not, holds so long across restarts."""
PAUSE = 300.0
"""Seconds for which a device that does not answer is left alone."""
_TRIES = 3  # scans in which to look, when contention left it open whether there is a device


@dataclass(slots=True)
class _Member:
    """A device that is there, or that the options say is."""

    kind: SubDeviceKind
    unit: int
    name: str
    newest: Reading
    session: Session | None = None
    quiet_until: float = 0.0


class Behind:
    """All devices behind one inverter. Used by the inverter's reader, between its requests.

    Raises `OptionsError` if `inverter.devices` cannot be understood.
    """

    def __init__(
        self, options: InverterOptions, transport: Transport, storage: Storage, clock: Clock
    ) -> None:
        try:
            self._wanted = wanted_devices(options.devices)
        except ValueError as error:
            raise errors.OptionsError([f"inverter.devices: {error}."]) from None
        self._options = options
        self._transport = transport
        self._storage = storage
        self._clock = clock
        self._memory_name = f"behind-{options.name}"
        self._serial: str | None = None
        self._tries = 0
        self._members: list[_Member] = []

    @property
    def newest(self) -> tuple[Reading, ...]:
        """The newest reading of each device, batteries first."""
        return tuple(member.newest for member in self._members)

    async def scan(
        self, inverter: Reading, device: Device | None, complete: bool = False
    ) -> tuple[Reading, ...]:
        """Read what is behind the inverter, whose own reading has just ended.

        Without a good reading of the inverter nothing behind it is asked. Never raises for
        trouble with a device.
        """
        if not self._wanted:
            return ()
        if inverter.state is not State.OK or device is None:
            for member in self._members:
                member.newest = self._without_values(member, inverter.state, inverter.problem)
            return self.newest
        if inverter.serial != self._serial:
            await self._look(inverter, device)
        for member in self._members:
            await self._read(member, device, complete)
        return self.newest

    # Finding

    async def _look(self, inverter: Reading, device: Device) -> None:
        """Find out once what there is; again later if contention left that open."""
        remembered = self._remembered(inverter.serial)
        if remembered is not None:
            self._serial = inverter.serial
            self._set_members(remembered)
            return
        found: dict[tuple[SubDeviceKind, int], Identity | None] = {}
        settled = True
        for wanted in self._wanted:
            here, sure = await self._search(wanted, device)
            found |= here
            settled = settled and sure
        self._set_members(found)
        for member in self._members:
            identity = found[member.kind, member.unit]
            if identity is not None:
                self._begin(member, identity)
                log.info("Behind %s: %s %s", inverter.name, identity.device.model, identity.serial)
        self._tries += 1
        if settled or self._tries >= _TRIES:
            self._serial = inverter.serial
            self._tries = 0
            self._remember(inverter.serial)

    async def _search(
        self, wanted: WantedDevice, device: Device
    ) -> tuple[dict[tuple[SubDeviceKind, int], Identity | None], bool]:
        """Devices of one entry of the option, and whether that is the last word."""
        if wanted.unit is not None:
            return {(wanted.kind, wanted.unit): None}, True
        found: dict[tuple[SubDeviceKind, int], Identity | None] = {}
        serials: set[str] = set()
        settled = True
        for unit in usual_units(wanted.kind, device, self._transport.name):
            try:
                identity = await self._ask_who(wanted.kind, unit, device)
            except (errors.Refused, errors.WrongUnit):
                identity = None
            except errors.Busy:
                identity, settled = None, False
            except errors.InverterError:
                break  # silence costs a whole timeout: the further units are not there either
            if identity is not None and identity.serial not in serials:
                serials.add(identity.serial)
                found[wanted.kind, unit] = identity
            elif identity is None and unit >= FIRST_BATTERY:
                break  # they are numbered without gaps
        return found, settled

    # Reading

    async def _read(self, member: _Member, inverter: Device, complete: bool) -> None:
        if self._clock.monotonic() < member.quiet_until:
            return
        started, requests = self._clock.monotonic(), self._transport.requests
        try:
            if member.session is None:
                identity = await self._ask_who(member.kind, member.unit, inverter)
                if identity is None:
                    raise errors.WrongUnit(
                        f"There is no {member.kind} on unit {member.unit}. Check inverter.devices."
                    )
                self._begin(member, identity)
            session = cast(Session, member.session)
            fresh, trouble = await session.read(complete)
        except errors.InverterError as error:
            member.quiet_until = self._clock.monotonic() + PAUSE
            member.session = None
            member.newest = self._without_values(member, state_of(error), problem_of(error))
            return
        device = session.identity.device
        member.newest = replace(
            self._without_values(member, State.OK, problem_of(trouble) if trouble else None),
            model=device.model,
            family=device.family,
            serial=session.identity.serial,
            firmware=session.firmware(),
            path=device.path,
            values=session.values(),
            units=session.units(),
            fresh=fresh,
            absent=session.absent(),
            refused=session.refusals(),
            requests=self._transport.requests - requests,
            duration_ms=(self._clock.monotonic() - started) * 1000,
        )

    def _without_values(self, member: _Member, state: State, problem: Problem | None) -> Reading:
        before, now = member.newest, self._clock.now()
        return Reading(
            name=member.name,
            state=state,
            time=now,
            model=before.model,
            family=before.family,
            serial=before.serial,
            firmware=before.firmware,
            transport=self._transport.name,
            path=before.path,
            problem=problem,
            since=before.since if before.state is state else now,
            kind=str(member.kind),
            via=self._options.name,
        )

    async def _ask_who(self, kind: SubDeviceKind, unit: int, inverter: Device) -> Identity | None:
        requester = self._requester(unit)
        return await identify_behind(requester.ask, kind, unit, inverter, self._transport.name)

    def _requester(self, unit: int) -> Requester:
        return Requester(self._transport, unit, min(self._options.retries, 1), self._clock)

    # Members

    def _set_members(self, places: Iterable[tuple[SubDeviceKind, int]]) -> None:
        """The devices from now on, numbered by kind in the order in which they were found."""
        self._members = []
        numbers = dict.fromkeys(SubDeviceKind, 0)
        for kind, unit in places:
            numbers[kind] += 1
            name = f"{self._options.name}-{kind}-{numbers[kind]}"
            newest = Reading(name, State.CONNECTING, self._clock.now())
            self._members.append(_Member(kind, unit, name, newest))

    def _begin(self, member: _Member, identity: Identity) -> None:
        registers = registers_for(identity.device, self._options.level)
        blocks = BlockReader(
            self._requester(member.unit),
            identity.device,
            registers,
            next(iter(identity.firmware.values()), ""),
            self._options.max_registers,
            self._storage,
            self._clock,
        )
        interval = self._options.scan_interval
        member.session = Session(identity, registers, blocks, interval, self._clock)

    # Memory

    def _remembered(self, serial: str) -> list[tuple[SubDeviceKind, int]] | None:
        """What was found behind this inverter before, if that still holds."""
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
                "found": [[str(member.kind), member.unit] for member in self._members],
            },
        )
