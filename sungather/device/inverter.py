"""One inverter: the device reader, and what is made of an inverter's values and silence.

In its place may be a home manager or a logger, which stands for a plant and never sleeps.
"""

import asyncio
import contextlib
import logging
import statistics
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from zoneinfo import ZoneInfo

from sungather import errors
from sungather.answers import ConnectionAnswer, InverterAnswer, of_faults, of_problem
from sungather.clock import Clock
from sungather.device.advice import connection_advice
from sungather.device.identify import (
    CLUSTER_UNITS,
    DEVICE_TYPE,
    MANAGER_PLATE,
    MANAGER_UNIT,
    MANAGERS,
    Identity,
    Read,
    identify_inverter,
    identify_manager,
)
from sungather.device.line import Line
from sungather.device.night import NightRule, NightSite, is_silence, night_rule_of
from sungather.device.reader import DeviceReader, Judgement
from sungather.device.session import Session
from sungather.device.states import answers_zeros, problem_of, while_asleep
from sungather.options.configuration import InverterOptions
from sungather.reading import Path, Problem, State, measured
from sungather.registers.derive import Derivation
from sungather.registers.device import Device
from sungather.registers.models import device_for, model_named
from sungather.storage import Storage
from sungather.transports import Transport

log = logging.getLogger(__name__)

_SLEEPS = Problem(
    errors.Asleep.kind,
    "The inverter sleeps until there is sun on the panels again. We keep checking.",
)
_PROBABLY = "The inverter is unreachable, probably asleep; it will be asked at every scan."
_PROBABLY_IF = (
    "The inverter is unreachable. If it has no battery, it is probably asleep; it will be asked "
    "at every scan."
)
_NOT_ITSELF_FOR = 3600.0
_LATENCY_SAMPLES = 5
_LOOK_FOR = 3.0
"""Seconds in which what may be a home manager must answer on a unit."""
_LOOK_AGAIN = 600.0
"""Seconds after which what has never said who it is may be something else again."""
_LOOK_BESIDE = 1.5
"""Seconds for each of the units of a cluster."""
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
        site: NightSite | None = None,
        read_level: int = 0,
        line: Line | None = None,
    ) -> None:
        """`site` says when it is night; without one, only the time zone does.

        `read_level`: see `Session`. `line`: the connection, where others are read over it.
        """
        line = line or Line(clock)
        if line.shared:
            # Behind a logger a unit that is not there would keep the others waiting.
            options = replace(options, retries=min(options.retries, 1))
        super().__init__(
            options, transport, self._who, storage, clock, read_level=read_level, line=line
        )
        self._memory_name = f"inverter-{options.name}"
        memory = storage.load(self._memory_name)
        self._derivation = Derivation.from_json(memory.get("derivation"), timezone)
        # "dusk" is what 1.0.0.dev0 called it.
        self._night = NightRule.from_json(memory.get("night_rule", memory.get("dusk")))
        self._site = site or NightSite(timezone)
        unit = f"/{options.unit}" if options.unit != 1 else ""
        self._place = f"{options.host.lower()}:{options.port or ''}{unit}"
        self._serial = str(memory.get("serial") or "")
        """Whose counters are remembered."""
        self.cabled = memory.get("cabled") is True
        """Whether the inverter was last read over a cable, in an earlier run, too."""
        self._remembered_at = clock.monotonic()
        self._refuses_since: float | None = None
        """Since when it has not even said who it is."""
        self._own_unit = options.unit
        """That of the options; a home manager has its own."""
        self._look_at = clock.monotonic()
        """When it may be looked for a home manager."""
        self._may_be_another = options.unit == 1 and not line.shared
        """Whether its place leaves open what it is; what others are beside is an inverter."""
        unit = memory.get("unit")
        if isinstance(unit, int) and unit in CLUSTER_UNITS and self._may_be_another:
            self._ask_unit(unit)
        manages = self._may_be_another or options.unit == MANAGER_UNIT
        if isinstance(code := memory.get("manager"), int) and manages:
            self._remembered = device_for(code)
            self._ask_unit(MANAGER_UNIT)
            self.leave_out(State.CONNECTING, None)
        self.others: Sequence[DeviceReader] = ()
        """The other inverters of the site."""

    @property
    def serial(self) -> str:
        """Its serial number, also while it has not answered yet; "" while nobody knows."""
        return self._serial

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
            # The wall, also at night: whoever tests wants to know it.
            answer["error"] = of_problem(problem_of(error))
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
            await self._requester.read(MANAGER_PLATE if self._manager else DEVICE_TYPE)
        return (self._clock.monotonic() - started) * 1000

    async def _who(self, read: Read) -> Identity:
        """Ask who it is.

        What was an inverter is still taken for one that is not itself for an hour in which it
        refuses to say so. Where nobody has ever said so, it may be a home manager.
        """
        if self.options.unit == MANAGER_UNIT:
            with contextlib.suppress(errors.Refused, errors.NotSungrow, errors.UnitSilent):
                return await identify_manager(read)
            self._ask_unit(self._own_unit)
        try:
            return await self._inverter_or_manager(read)
        except errors.RefusesAll:
            now = self._clock.monotonic()
            self._refuses_since = self._refuses_since or now
            if self._is_known and now - self._refuses_since < _NOT_ITSELF_FOR:
                raise errors.NotItself("even to say who it is") from None
            raise

    async def _inverter_or_manager(self, read: Read) -> Identity:
        """Who it is; while nobody knows, others are asked before silence is believed.

        These are a home manager or a logger, and the slave of a cluster at its own address.
        """
        now = self._clock.monotonic()
        at_home = self.options.unit == self._own_unit
        unknown = self._may_be_another and not (self._is_known and at_home)
        if not unknown or now < self._look_at:
            return await self._inverter(read)
        try:
            async with asyncio.timeout(_LOOK_FOR):
                return await self._inverter(partial(self._read, retries=0))
        except (TimeoutError, errors.Silent, errors.ConnectionLost, errors.Busy) as error:
            trouble: Exception = error
        except errors.NotSungrow as error:
            trouble = error
        self._look_at = now + _LOOK_AGAIN
        once = partial(self._read, retries=0)
        silent = isinstance(trouble, TimeoutError | errors.Silent | errors.UnitSilent)
        others = [one for one in (1, *CLUSTER_UNITS) if one != self.options.unit]
        for unit in (MANAGER_UNIT, *(others if silent else ())):
            self._ask_unit(unit)
            with contextlib.suppress(errors.InverterError, TimeoutError):
                async with asyncio.timeout(_LOOK_FOR if unit == MANAGER_UNIT else _LOOK_BESIDE):
                    if unit == MANAGER_UNIT:
                        return await identify_manager(once)
                    return await self._inverter(once)
        self._ask_unit(self._own_unit)
        if isinstance(trouble, errors.NotSungrow):
            raise trouble
        return await self._inverter(read)

    async def _inverter(self, read: Read) -> Identity:
        meter = self.options.smart_meter != "false"
        name = self._transport.name
        logger = await self.line.ends_at_logger(self._transport, self._own_unit)
        through = Path.LOGGER if logger else None
        identity = await identify_inverter(read, name, self.options.model, meter, through)
        self._refuses_since = None
        return identity

    @property
    def _is_known(self) -> bool:
        """Whether an inverter has answered at this place before."""
        return self._night is not None and self._night.place == self._place

    @property
    def _manager(self) -> Device | None:
        """The home manager or logger that answers here, or did in an earlier run."""
        device = self.device or self._remembered
        return device if device is not None and device.family in MANAGERS else None

    def _begin(self, identity: Identity) -> Session:
        manages, managed = identity.device.family in MANAGERS, self._manager is not None
        another = identity.serial and self._serial not in ("", identity.serial)
        if another or ((managed or (self._serial and manages)) and managed != manages):
            self._derivation.forget()
            self._night = None
        self._remembered = None
        self._serial = "" if manages else identity.serial or self._serial
        self.cabled = identity.device.path is Path.CABLE
        return super()._begin(identity)

    def _judge_silence(self, error: errors.InverterError) -> tuple[State, Problem]:
        if self._manager is not None:
            return super()._judge_silence(error)
        now, night = self._clock.now(), self._night
        if night is not None and night.explains(error, self._place, now, self._site):
            self._note(night.silent(now))
            return State.ASLEEP, _SLEEPS
        if said := self._probably_asleep(error):
            error = errors.ProbablyAsleep(f"{said} {error}")
        return super()._judge_silence(error)

    def _probably_asleep(self, error: errors.InverterError) -> str:
        """What to say if silence from the start may well be sleep; "" if not.

        Nobody has seen this inverter at dusk, so it is no more than likely.
        """
        silent = isinstance(error, errors.Unreachable) and is_silence(error)
        if not silent or self._session is not None:
            return ""
        if not self._site.is_probably_night(self._clock.now()):
            return ""
        match self._has_battery():
            case None:
                return _PROBABLY_IF
            case True:
                return ""
            case False:
                return _PROBABLY

    def _has_battery(self) -> bool | None:
        """Whether the family has a battery side; None if nobody has told."""
        if self.options.model != "auto":
            return model_named(self.options.model).hybrid
        if self._night is not None and self._night.place in ("", self._place):
            return self._night.hybrid
        return None

    def _judge_values(self, session: Session, fresh: frozenset[str]) -> Judgement:
        device, now = session.identity.device, self._clock.now()
        said = session.all_values()
        zeros = self._manager is None and answers_zeros(device, said)
        # Zeros by day are a grid that failed: they say nothing about the sun.
        night = night_rule_of(device, said, self._place, session.identity.serial, now)
        before = self._night or replace(night, resting=True)
        asleep = zeros and before.resting and before.is_night(now, self._site)
        if asleep:
            said = while_asleep(said, session.metered)
        derived = self._derivation.step(
            said,
            device,
            now,
            self._clock.monotonic(),
            fresh,
            self._others_kw(),
            home_manager=any(one.newest.family == "ems" for one in self.others),
        )
        for note in derived.notes:
            log.warning("%s: %s", self.options.name, note)
        shown = session.published - derived.rejected
        values = {n: v for n, v in said.items() if n in shown} | derived.values
        if zeros:
            night = replace(night, resting=before.resting)
        else:
            night = night_rule_of(device, values, self._place, session.identity.serial, now)
        self._note(None if self._manager else night.after(self._night))
        if asleep and "grid_import_power" not in values:
            return Judgement(State.ASLEEP, _SLEEPS)
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
            if other.newest.family in MANAGERS:
                continue
            if other.device is None or other.device.nominal_kw is None:
                return None
            total += other.device.nominal_kw
        return total

    def _note(self, night: NightRule | None) -> None:
        """Put on disk what is news, else what has not been for a while."""
        news = night is not None and not night.says_the_same(self._night)
        self._night = night
        if news or self._clock.monotonic() > self._remembered_at + _REMEMBER_EVERY:
            self._remember()

    def _remember(self) -> None:
        self._remembered_at = self._clock.monotonic()
        self._storage.save(
            self._memory_name,
            {
                "serial": self._serial,
                "cabled": self.cabled,
                "manager": self._manager.code if self._manager else None,
                "unit": self.options.unit,
                "derivation": self._derivation.as_json(),
                "night_rule": self._night and self._night.as_json(),
            },
        )
