"""One device, read scan by scan: identify -> plan -> read -> Reading.

The same reader serves inverters and sub-devices. What differs is an argument (how to identify the
device) or, for inverters, what is made of the values (`inverter.py`).
"""

import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import chain, repeat

from sungather import errors
from sungather.clock import Clock
from sungather.device.identify import Identify, Identity
from sungather.device.line import Line
from sungather.device.requester import Requester
from sungather.device.session import Session
from sungather.device.states import problem_of, state_of
from sungather.options.configuration import InverterOptions
from sungather.reading import FaultReport, Measurement, Path, Problem, Reading, State, measured
from sungather.registers import Block
from sungather.registers.device import Device
from sungather.registers.refusals import QUIRKS, WAITS
from sungather.registers.sub_device_judge import SubDeviceJudge
from sungather.registers.word_cache import WordCache
from sungather.storage import Storage
from sungather.transports import Transport

log = logging.getLogger(__name__)

_KINDS = {"ems": "home-manager", "logger": "logger"}
"""Family -> kind, of what may stand in an inverter's place."""
_SILENT = frozenset({errors.Silent.kind, errors.ConnectionLost.kind})


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a scan says: the state, and the values that are published with it."""

    state: State
    problem: Problem | None = None
    measurements: Mapping[str, Measurement] = field(default_factory=dict[str, Measurement])
    impossible: tuple[str, ...] = ()
    """Names whose value this scan read and left out, since it cannot be."""


class DeviceReader:
    """Reads one device. Not for concurrent use: the inverter's `Poller` sees to that.

    `options` are the inverter's, but name, unit and retries are the device's own; `kind` and
    `via` are those of its readings. `read_level`: see `Session`.
    """

    def __init__(
        self,
        options: InverterOptions,
        transport: Transport,
        identify: Identify,
        storage: Storage,
        clock: Clock,
        kind: str = "inverter",
        via: str = "",
        read_level: int = 0,
        line: Line | None = None,
    ) -> None:
        self.options = options
        self.line = line or Line(clock)
        """The connection, and who else is read over it."""
        self._transport = transport
        self._identify = identify
        self._storage = storage
        self._clock = clock
        self._kind = kind
        self._via = via
        self._read_level = read_level
        self.words = WordCache()
        """What the device has answered since it last said who it is."""
        self._requester = Requester(
            transport, options.unit, options.retries, clock, words=self.words
        )
        self._session: Session | None = None
        self._judge = SubDeviceJudge()
        self._remembered: Device | None = None
        """What answered in an earlier run."""
        self._lost = True
        """Whether the device must say again who it is."""
        self._unsaid: set[Block] = set()
        """What it refused when it said so; a refusal may pass."""
        self._waits: Iterator[timedelta] = iter(())
        self._ask_at = 0.0
        """When it is asked for that again, and how long it is left alone after that."""
        connecting = Reading(options.name, State.CONNECTING, clock.now())
        self.newest = self._reading(connecting, Judgement(State.CONNECTING))

    @property
    def device(self) -> Device | None:
        """What answered last; None before anything did."""
        return self._session.identity.device if self._session else None

    @property
    def session(self) -> Session | None:
        """The session with the device, while it is there and answers."""
        return None if self._lost or self.newest.state is not State.OK else self._session

    async def scan(self, complete: bool = False) -> Reading:
        """Read what is due (`complete`: everything) and judge the state.

        Never raises for trouble with the device: that is a reading, too.
        """
        started, requests = self._clock.monotonic(), self._transport.requests
        try:
            await self._ask_again()
            session = await self.identified()
            fresh, trouble = await session.read(complete)
        except errors.InverterError as error:
            self._lost = True
            judgement = Judgement(*self._judge_silence(error))
        else:
            judgement = self._judge_values(session, fresh)
            if trouble is not None and judgement.problem is None:
                judgement = replace(judgement, problem=problem_of(trouble))
        asked, took = self._transport.requests - requests, self._clock.monotonic() - started
        self.newest = self._reading(self.newest, judgement, asked, took)
        return self.newest

    def leave_out(self, state: State, problem: Problem | None) -> Reading:
        """A reading without values, for a scan in which the device was not asked."""
        self.newest = self._reading(self.newest, Judgement(state, problem))
        return self.newest

    def forget_refusals(self) -> None:
        """Ask for everything again, also of devices like this one that are not read now."""
        for name in self._storage.names(QUIRKS):
            self._storage.remove(name)
        self.words.clear()
        if self._session is not None:
            self._session.forget_refusals()

    async def identified(self) -> Session:
        """The session with the device that answers now.

        It is asked who it is at the start and after every loss: behind an address from the
        router another device may answer tomorrow.
        """
        if self._session is not None and not self._lost:
            return self._session
        self.words.clear()
        self._unsaid.clear()
        identity = await self._identify(self._read)
        self._lost = False
        self._waits = chain(WAITS, repeat(WAITS[-1]))
        self._ask_at = self._clock.monotonic() + next(self._waits).total_seconds()
        if self._session is not None and self._session.identity == identity:
            self._session.forget_values()
        else:
            self._session, self._judge = self._begin(identity), SubDeviceJudge()
        return self._session

    async def _read(self, block: Block, retries: int | None = None) -> Sequence[int]:
        """Read a block; only once if the scan before was met with silence.

        A device that has run out of sessions needs quiet, and each further try opens another.
        """
        problem = self.newest.problem
        silent = problem is not None and problem.kind in _SILENT
        # A part of what was refused as a whole is asked for next.
        self._unsaid = {one for one in self._unsaid if not one.holds(block)}
        try:
            return await self._requester.read(block, retries=0 if silent else retries)
        except errors.Refused:
            self._unsaid.add(block)
            raise

    def _ask_unit(self, unit: int) -> None:
        """Ask another unit from now on."""
        self.options = replace(self.options, unit=unit)
        self._requester.unit = unit

    async def _ask_again(self) -> None:
        """Have it say again who it is if it gives now what it refused to say then."""
        if self._lost or not self._unsaid or self._clock.monotonic() < self._ask_at:
            return
        self._ask_at = self._clock.monotonic() + next(self._waits).total_seconds()
        for block in self._unsaid:
            with contextlib.suppress(errors.Refused, errors.Busy):
                await self._requester.read(block)
                self._lost = True
                return

    def _begin(self, identity: Identity) -> Session:
        """A session with a device that has just said who it is."""
        return Session(
            identity,
            self._requester,
            self.options,
            self._storage,
            self._clock,
            self._read_level,
            self.line,
        )

    def _judge_silence(self, error: errors.InverterError) -> tuple[State, Problem]:
        return state_of(error), problem_of(error)

    def _judge_values(self, session: Session, fresh: frozenset[str]) -> Judgement:
        """Judge what the device has said; `fresh` are the names that this scan has read."""
        values = session.values()
        moment = self._clock.monotonic()
        impossible, notes = self._judge.impossible(values, fresh, moment)
        for note in notes:
            log.warning("%s: %s", self.options.name, note)
        values = {name: value for name, value in values.items() if name not in impossible}
        shown = measured(values, session.units(), fresh)
        return Judgement(State.OK, None, shown, tuple(sorted(impossible & fresh)))

    def _faults(self, state: State) -> FaultReport | None:
        if state is State.OK and self._session is not None:
            return self._session.faults()
        if self._via:
            return None
        asleep = state is State.ASLEEP
        return FaultReport(unknown="the inverter is asleep" if asleep else "there is no reading")

    def _reading(
        self, before: Reading, judgement: Judgement, requests: int = 0, took: float = 0.0
    ) -> Reading:
        now, known, device = self._clock.now(), self._session, self.device or self._remembered
        return Reading(
            name=self.options.name,
            state=judgement.state,
            time=now,
            model=device.model if device else "",
            family=device.family if device else "",
            serial=known.identity.serial if known else "",
            firmware=known.firmware() if known else {},
            transport=self._transport.name,
            path=device.path if device else Path.UNKNOWN,
            measurements=judgement.measurements,
            impossible=judgement.impossible,
            absent=known.absent() if known else (),
            refused=known.refusals() if known else (),
            faults=self._faults(judgement.state),
            requests=requests,
            duration_ms=took * 1000,
            problem=judgement.problem,
            since=before.since if before.state is judgement.state else now,
            kind=_KINDS.get(device.family, self._kind) if device else self._kind,
            via=self._via,
            other_models=device.other_models if device else (),
            connection=f"{self.options.host.lower()}:{self.options.port or ''}",
        )
