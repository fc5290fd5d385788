"""One inverter: identify -> plan -> read -> Reading."""

import contextlib
import logging
import statistics
from typing import cast
from zoneinfo import ZoneInfo

from sungather import errors
from sungather.clock import Clock
from sungather.device.advice import best_way
from sungather.device.block_reader import BlockReader
from sungather.device.identify import DEVICE_TYPE, identify
from sungather.device.requester import Requester
from sungather.device.session import Session
from sungather.device.states import Dusk, answers_zeros, dusk_of, problem_of, state_of
from sungather.options.configuration import InverterOptions
from sungather.reading import Path, Problem, Reading, State, Value
from sungather.registers.catalogue import registers_for
from sungather.registers.derive import Derivation
from sungather.registers.device import Device
from sungather.storage import Storage
from sungather.transports import Transport

log = logging.getLogger(__name__)

_SLEEPS = Problem(
    errors.Asleep.kind,
    "The inverter sleeps until there is sun on the panels again. It is asked at every scan.",
)
_LATENCY_SAMPLES = 5
_REMEMBER_EVERY = 900.0
"""Seconds between two writes of what must survive a restart; gentle to SD cards."""


class Inverter:
    """Reads one inverter scan by scan. Not for concurrent use: its `Poller` sees to that."""

    def __init__(
        self,
        options: InverterOptions,
        transport: Transport,
        storage: Storage,
        timezone: ZoneInfo,
        clock: Clock,
    ) -> None:
        self.options = options
        self.newest = Reading(
            options.name, State.CONNECTING, clock.now(), transport=transport.name
        )
        self._transport = transport
        self._storage = storage
        self._clock = clock
        self._requester = Requester(transport, options.unit, options.retries, clock)
        self._memory_name = f"inverter-{options.name}"
        memory = storage.load(self._memory_name)
        self._derivation = Derivation.from_json(memory.get("derivation"), timezone)
        self._dusk = _dusk(memory.get("dusk"))
        self._serial = str(memory.get("serial") or "")
        """Whose counters are remembered."""
        self._remembered_at = clock.monotonic()
        self._session: Session | None = None
        self._lost = True
        """Whether the device must say again who it is."""

    @property
    def device(self) -> Device | None:
        """What answered last; None before anything did."""
        return self._session.identity.device if self._session else None

    async def close(self) -> None:
        """Close the connection, and put on disk what must survive a restart."""
        await self._transport.close()
        if self._session is not None:
            self._remember()
        await self._storage.close()

    async def scan(self, complete: bool = False) -> Reading:
        """Read what is due (`complete`: everything) and judge the state.

        Never raises for trouble with the device: that is a reading, too.
        """
        started, requests = self._clock.monotonic(), self._transport.requests
        try:
            session = await self._identified()
            fresh, trouble = await session.read(complete)
        except errors.InverterError as error:
            self._lost = True
            state, problem = self._judge_silence(error)
            values: dict[str, Value] = {}
            units: dict[str, str] = {}
            fresh: frozenset[str] = frozenset()
        else:
            state, values, units, derived = self._judge_values(session)
            problem = problem_of(trouble) if trouble else None
            if state is State.ASLEEP:
                problem = _SLEEPS
            fresh = (fresh & values.keys()) | derived
        now = self._clock.now()
        known, device = self._session, self.device
        self.newest = Reading(
            name=self.options.name,
            state=state,
            time=now,
            model=device.model if device else "",
            family=device.family if device else "",
            serial=known.identity.serial if known else "",
            firmware=known.firmware() if known else {},
            transport=self._transport.name,
            path=device.path if device else Path.UNKNOWN,
            values=values,
            units=units,
            fresh=fresh,
            absent=known.absent() if known else (),
            refused=known.refusals() if known else (),
            requests=self._transport.requests - requests,
            duration_ms=(self._clock.monotonic() - started) * 1000,
            problem=problem,
            since=self.newest.since if self.newest.state is state else now,
        )
        return self.newest

    async def test(self) -> dict[str, object]:
        """The answer of `test-connection` for this inverter."""
        answer: dict[str, object] = {
            "name": self.options.name,
            "success": False,
            "latency_ms": None,
            "transport": self._transport.name,
            "path": str(Path.UNKNOWN),
            "model": "",
            "serial": "",
            "best": None,
            "error": None,
        }
        try:
            self._lost = True
            identity = (await self._identified()).identity
            latencies = [await self._latency() for _ in range(_LATENCY_SAMPLES)]
        except errors.InverterError as error:
            _, problem = self._judge_silence(error)
            answer["error"] = {"class": problem.kind, "message": problem.message}
            return answer
        answer["success"] = True
        answer["latency_ms"] = {
            "min": round(min(latencies), 1),
            "median": round(statistics.median(latencies), 1),
            "max": round(max(latencies), 1),
        }
        answer["path"] = str(identity.device.path)
        answer["model"] = identity.device.model
        answer["serial"] = identity.serial
        advice = best_way(self.options.connection, identity.device.path)
        answer["best"] = {"connection": advice.connection, "why": advice.why}
        return answer

    def info(self) -> dict[str, object]:
        """The answer of `get-inverter-info` for this inverter, from the newest reading."""
        reading = self.newest
        device = self.device
        answer: dict[str, object] = {
            "name": reading.name,
            "state": str(reading.state),
            "model": reading.model,
            "family": reading.family,
            "nominal_power_kw": device.nominal_kw if device else None,
            "phases": device.phases if device else None,
            "mppt_count": device.mppts if device else None,
            "serial": reading.serial,
            "firmware": dict(reading.firmware),
            "battery": "battery_level" in reading.values if reading.values else None,
            "transport": reading.transport,
            "path": str(reading.path),
        }
        if reading.problem is not None:
            answer["error"] = {"class": reading.problem.kind, "message": reading.problem.message}
        return answer

    async def _latency(self) -> float:
        started = self._clock.monotonic()
        with contextlib.suppress(errors.Refused):  # a refusal is an answer, and as quick
            await self._requester.ask(DEVICE_TYPE)
        return (self._clock.monotonic() - started) * 1000

    async def _identified(self) -> Session:
        """The session with the device that answers now.

        It is asked who it is at the start and after every loss: behind an address from the
        router another inverter may answer tomorrow.
        """
        known = self._session
        if known is not None and not self._lost:
            return known
        identity = await identify(
            self._requester.ask,
            self._transport.name,
            self.options.model,
            meter=self.options.smart_meter != "false",
        )
        self._lost = False
        if known is not None and known.identity == identity:
            known.forget_values()
            return known
        if identity.serial and self._serial not in ("", identity.serial):
            self._derivation.forget()
        self._serial = identity.serial or self._serial
        registers = registers_for(identity.device, self.options.level)
        blocks = BlockReader(
            self._requester,
            identity.device,
            registers,
            identity.firmware.get("arm_software_version", ""),
            self.options.max_registers,
            self._storage,
            self._clock,
        )
        interval = self.options.scan_interval
        self._session = Session(identity, registers, blocks, interval, self._clock)
        return self._session

    def _judge_silence(self, error: errors.InverterError) -> tuple[State, Problem]:
        if self._dusk is not None and self._dusk.explains(error):
            return State.ASLEEP, _SLEEPS
        return state_of(error), problem_of(error)

    def _judge_values(
        self, session: Session
    ) -> tuple[State, dict[str, Value], dict[str, str], frozenset[str]]:
        """The state, all values and units, and the names of what follows from the values."""
        device = session.identity.device
        said = session.values()
        zeros = answers_zeros(device, said)
        if zeros and (self._dusk is None or self._dusk.resting):
            return State.ASLEEP, {}, {}, frozenset()
        derived = self._derivation.step(said, device, self._clock.now(), self._clock.monotonic())
        for note in derived.notes:
            log.warning("%s: %s", self.options.name, note)
        values = {n: v for n, v in said.items() if n not in derived.rejected} | derived.values
        # Zeros by day are a grid that failed: they say nothing about the sun.
        dusk = self._dusk if zeros else dusk_of(device, values)
        if dusk != self._dusk or self._clock.monotonic() > self._remembered_at + _REMEMBER_EVERY:
            self._dusk = dusk
            self._remember()
        return State.OK, values, session.units() | derived.units, frozenset(derived.values)

    def _remember(self) -> None:
        self._remembered_at = self._clock.monotonic()
        dusk = self._dusk
        self._storage.save(
            self._memory_name,
            {
                "serial": self._serial,
                "derivation": self._derivation.as_json(),
                "dusk": {"hybrid": dusk.hybrid, "resting": dusk.resting} if dusk else None,
            },
        )


def _dusk(saved: object) -> Dusk | None:
    if not isinstance(saved, dict):
        return None
    content = cast(dict[str, object], saved)
    return Dusk(hybrid=content.get("hybrid") is True, resting=content.get("resting") is True)
