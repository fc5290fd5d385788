"""One inverter: the device reader, and what is made of an inverter's values and silence."""

import contextlib
import logging
import statistics
from collections.abc import Sequence
from functools import partial
from typing import cast
from zoneinfo import ZoneInfo

from sungather import errors
from sungather.answers import ConnectionAnswer, InverterAnswer, of_faults, of_problem
from sungather.clock import Clock
from sungather.device.advice import connection_advice
from sungather.device.identify import DEVICE_TYPE, Identity, identify_inverter
from sungather.device.reader import DeviceReader, Judgement
from sungather.device.session import Session
from sungather.device.states import NightRule, answers_zeros, night_rule_of
from sungather.options.configuration import InverterOptions
from sungather.reading import Path, Problem, State, measured
from sungather.registers.derive import Derivation
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


class Inverter(DeviceReader):
    """Reads one inverter; derives values, knows the night, and keeps counters over restarts."""

    def __init__(
        self,
        options: InverterOptions,
        transport: Transport,
        storage: Storage,
        timezone: ZoneInfo,
        clock: Clock,
    ) -> None:
        identify = partial(
            identify_inverter,
            transport=transport.name,
            model=options.model,
            meter=options.smart_meter != "false",
        )
        super().__init__(options, transport, identify, storage, clock)
        self._memory_name = f"inverter-{options.name}"
        memory = storage.load(self._memory_name)
        self._derivation = Derivation.from_json(memory.get("derivation"), timezone)
        self._night = _night_rule(memory.get("dusk"))
        self._serial = str(memory.get("serial") or "")
        """Whose counters are remembered."""
        self._remembered_at = clock.monotonic()
        self.others: Sequence[DeviceReader] = ()
        """The other inverters of the site."""

    async def close(self) -> None:
        """Close the connection, and put on disk what must survive a restart."""
        await self._transport.close()
        if self._session is not None:
            self._remember()
        await self._storage.close()

    async def test(self) -> ConnectionAnswer:
        """The answer of `test-connection` for this inverter."""
        answer: ConnectionAnswer = {
            "name": self.options.name,
            "success": False,
            "latency_ms": None,
            "transport": self._transport.name,
            "path": str(Path.UNKNOWN),
            "model": "",
            "display_model": "",
            "serial": "",
            "best": None,
            "warning": None,
            "faults": None,
            "error": None,
        }
        try:
            self._lost = True
            identity = (await self.identified()).identity
            latencies = [await self._latency() for _ in range(_LATENCY_SAMPLES)]
        except errors.InverterError as error:
            _, problem = self._judge_silence(error)
            answer["error"] = of_problem(problem)
            return answer
        answer["success"] = True
        answer["latency_ms"] = {
            "min": round(min(latencies), 1),
            "median": round(statistics.median(latencies), 1),
            "max": round(max(latencies), 1),
        }
        answer["path"] = str(identity.device.path)
        answer["model"] = identity.device.model
        answer["display_model"] = identity.device.display_model
        answer["serial"] = identity.serial
        advice = connection_advice(self.options.connection, identity.device.path)
        answer["best"] = {"connection": advice.connection, "why": advice.why}
        reading = await self.scan()
        answer["faults"] = of_faults(reading.faults) if reading.faults else None
        if reading.state is State.OK and reading.problem is not None:
            answer["warning"] = of_problem(reading.problem)
        return answer

    def info(self) -> InverterAnswer:
        """The answer of `get-inverter-info` for this inverter, from the newest reading."""
        reading = self.newest
        device = self.device
        answer: InverterAnswer = {
            "name": reading.name,
            "state": str(reading.state),
            "model": reading.model,
            "display_model": reading.display_model,
            "family": reading.family,
            "nominal_power_kw": device.nominal_kw if device else None,
            "phases": device.phases if device else None,
            "mppt_count": device.mppts if device else None,
            "serial": reading.serial,
            "firmware": dict(reading.firmware),
            "battery": "battery_level" in reading.measurements if reading.measurements else None,
            "transport": reading.transport,
            "path": str(reading.path),
            "faults": of_faults(reading.faults) if reading.faults else None,
        }
        if reading.problem is not None:
            answer["error"] = of_problem(reading.problem)
        return answer

    async def _latency(self) -> float:
        started = self._clock.monotonic()
        with contextlib.suppress(errors.Refused):  # a refusal is an answer, and as quick
            await self._requester.read(DEVICE_TYPE)
        return (self._clock.monotonic() - started) * 1000

    def _begin(self, identity: Identity) -> Session:
        if identity.serial and self._serial not in ("", identity.serial):
            self._derivation.forget()
        self._serial = identity.serial or self._serial
        return super()._begin(identity)

    def _judge_silence(self, error: errors.InverterError) -> tuple[State, Problem]:
        if self._night is not None and self._night.explains(error):
            return State.ASLEEP, _SLEEPS
        return super()._judge_silence(error)

    def _judge_values(self, session: Session, fresh: frozenset[str]) -> Judgement:
        device = session.identity.device
        said = session.values()
        zeros = answers_zeros(device, said)
        if zeros and (self._night is None or self._night.resting):
            return Judgement(State.ASLEEP, _SLEEPS)
        derived = self._derivation.step(
            said,
            device,
            self._clock.now(),
            self._clock.monotonic(),
            fresh,
            self._others_kw(),
        )
        for note in derived.notes:
            log.warning("%s: %s", self.options.name, note)
        values = {n: v for n, v in said.items() if n not in derived.rejected} | derived.values
        # Zeros by day are a grid that failed: they say nothing about the sun.
        night = self._night if zeros else night_rule_of(device, values)
        if night != self._night or self._clock.monotonic() > self._remembered_at + _REMEMBER_EVERY:
            self._night = night
            self._remember()
        units = session.units() | derived.units
        impossible = tuple(sorted(derived.impossible & fresh))
        fresh = frozenset(fresh & values.keys()) | frozenset(derived.values)
        problem = None
        if derived.meter_problem:
            problem = Problem(errors.MeterWrong.kind, derived.meter_problem)
        return Judgement(State.OK, problem, measured(values, units, fresh), impossible)

    def _others_kw(self) -> float | None:
        """Nominal power of the other inverters of the site; None if one is not known yet."""
        total = 0.0
        for other in self.others:
            if other.device is None or other.device.nominal_kw is None:
                return None
            total += other.device.nominal_kw
        return total

    def _remember(self) -> None:
        self._remembered_at = self._clock.monotonic()
        night = self._night
        self._storage.save(
            self._memory_name,
            {
                "serial": self._serial,
                "derivation": self._derivation.as_json(),
                "dusk": {"hybrid": night.hybrid, "resting": night.resting} if night else None,
            },
        )


def _night_rule(saved: object) -> NightRule | None:
    if not isinstance(saved, dict):
        return None
    content = cast(dict[str, object], saved)
    return NightRule(hybrid=content.get("hybrid") is True, resting=content.get("resting") is True)
