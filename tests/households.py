"""Hand-made readings of a living household, and a web server that shows them."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from sungather.clock import Clock
from sungather.history.cashbook import Cashbook
from sungather.history.service import History
from sungather.options.all_options import WebOptions
from sungather.reading import ActiveFault, FaultReport, Problem, Reading, State, Value
from sungather.reading import Path as Way
from sungather.service import ClientTraffic, Health
from sungather.simulator.day import Life, Site
from sungather.tariff import Tariff, parse_prices
from sungather.web import WebServer
from sungather.web.http import Limits
from tests.plain_values import measurements

BERLIN = ZoneInfo("Europe/Berlin")
DAY = date(2026, 6, 18)
NOW = datetime(2026, 6, 18, 13, 20, 3, tzinfo=UTC)
HYBRID = Site(7800, 10000, (-0.7, 0.9), 950, capacity=12800, battery_power=6600, seed=11)
STRING = Site(6200, 6000, (0.2,), 0, seed=5)
LIVES = {
    "house": Life(HYBRID, DAY - timedelta(days=2)),
    "garage": Life(STRING, DAY - timedelta(days=2)),
}
UNITS = {
    "W": ("_power", "meter_total_power", "total_dc_power"),
    "kWh": ("_energy_today", "_energy_total", "_yields"),
    "V": ("_voltage",),
    "A": ("_current",),
    "°C": ("_temperature",),
    "%": ("_level", "_of_healthy"),
    "Hz": ("_frequency",),
    "h": ("total_running_time",),
}


TARIFF = Tariff(
    "EUR",
    parse_prices("0.31; from 2026-06-17 0.36, 22:00-06:00 0.24"),
    parse_prices("0.08"),
    parse_prices("0.45"),
    paid=14500.0,
    saved_before=3200.0,
)


class Watch:
    """A clock that moves only when told."""

    def __init__(self, start: datetime = NOW) -> None:
        self.moment = start
        self.clock = Clock(lambda: self.moment, lambda: self.moment.timestamp())

    def tick(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


def reading(name: str = "house", at: datetime = NOW, **more: Value) -> Reading:
    """What a household's inverter says at a moment; `more` adds and replaces values."""
    now = LIVES[name].at(at.astimezone(BERLIN).replace(tzinfo=None))
    flow, hybrid = now.flow, name == "house"
    values: dict[str, Value] = {
        "pv_power": flow.dc,
        "run_state": "ON",
        "total_active_power": flow.active,
        "internal_temperature": round(31 + flow.dc / 600, 1),
        "grid_frequency": 49.98,
        "total_running_time": 8123,
        "work_state_1": "Run",
    }
    energies = {"pv": "pv"}
    if hybrid:
        values |= {
            "house_power": flow.house,
            "grid_import_power": max(0, flow.grid),
            "grid_export_power": max(0, -flow.grid),
            "battery_charge_power": flow.charge,
            "battery_discharge_power": flow.discharge,
            "battery_level": round(now.stored / 36 / HYBRID.capacity, 1),
            "battery_temperature": 24.6,
            "battery_voltage": 402.1,
            "battery_state_of_healthy": 99.0,
            "system_state": "Running (on-grid)",
            "inverter_alarm": "none",
            "battery_fault": "none",
            "daily_pv_energy_yields": [18.7, 20.1, None, 12.4],
            "monthly_power_yields": 512.3,
        }
        energies |= {
            "house": "house",
            "grid_import": "imported",
            "grid_export": "exported",
            "battery_charge": "charge",
            "battery_discharge": "discharge",
        }
    for flow_name, key in energies.items():
        values[f"{flow_name}_energy_today"] = round(getattr(now.today, key) / 3.6e6, 1)
        values[f"{flow_name}_energy_total"] = round(getattr(now.lifetime, key) / 3.6e6, 1)
    for index, watts in enumerate(flow.pv, 1):
        volts = 480.0 + 35 * index
        values[f"mppt_{index}_voltage"] = volts
        values[f"mppt_{index}_current"] = round(watts / volts, 1)
    for index, phase in enumerate("abc"):
        values[f"phase_{phase}_voltage"] = round(233.4 + index / 3, 1)
        values[f"phase_{phase}_current"] = round(abs(flow.active) / 3 / 233, 1)
    values |= more
    return Reading(
        name=name,
        state=State.OK,
        time=at,
        model="SH10RT" if hybrid else "SG6.0RT",
        family="SH-RT" if hybrid else "SG-RT",
        serial="A2290123456" if hybrid else "A2301987654",
        firmware={"arm": "SAPPHIRE-H_03011.95.03"},
        path=Way.CABLE,
        measurements=measurements(
            values, {n: unit for n in values for unit, ends in UNITS.items() if n.endswith(ends)}
        ),
        absent=("backup_power",),
        requests=5,
        duration_ms=212.5,
        since=at - timedelta(hours=9),
        faults=_told(values),
    )


def _told(values: Mapping[str, Value]) -> FaultReport:
    """The faults that the values of fault registers tell."""
    return FaultReport(
        tuple(
            ActiveFault(register, text)
            for register in ("inverter_alarm", "battery_fault")
            for text in str(values.get(register, "none")).split("; ")
            if text != "none"
        )
    )


def silent(
    state: State, name: str = "house", at: datetime = NOW, kind: str = "", message: str = ""
) -> Reading:
    """A scan without values."""
    problem = Problem(kind or str(state), message) if message else None
    known = reading(name, at)
    return replace(
        known,
        state=state,
        measurements={},
        absent=(),
        problem=problem,
        faults=FaultReport(unknown="there is no reading"),
        since=at - timedelta(hours=1, minutes=38),
    )


async def lived(
    history: History,
    names: Sequence[str] = ("house",),
    days: int = 1,
    until: datetime = NOW,
    step: int = 300,
) -> None:
    """Let the history see the days before `until`, with a gap and a silence on the last one."""
    at = datetime(DAY.year, DAY.month, DAY.day, tzinfo=BERLIN).astimezone(UTC)
    at -= timedelta(days=days - 1)
    while at < until:
        local = at.astimezone(BERLIN)
        if not (local.date() == DAY and (local.hour, local.minute // 15) in ((6, 2), (6, 3))):
            for name in names:
                seen = reading(name, at)
                if local.date() == DAY and local.hour == 10 and local.minute < 25:
                    seen = silent(State.UNREACHABLE, name, at, message="silent")
                elif name == "garage" and seen.values["pv_power"] == 0:
                    seen = silent(State.ASLEEP, name, at)
                history.on_reading(seen)
        at += timedelta(seconds=step)
    await history.commit()


SERVICES = (
    Health("mqtt", "ok", delivered=1204, last_success=NOW - timedelta(seconds=4)),
    Health(
        "influxdb",
        "waiting",
        "influx.example:8086 does not answer: connection refused. Nothing is lost.",
        queue=37,
        delivered=1102,
        last_success=NOW - timedelta(minutes=19),
    ),
    Health(
        "modbus-server",
        "ok",
        clients=(ClientTraffic("192.168.1.5", 2, 379, 371, 6, {2: 1, 11: 1}),),
        asked={"roof": 4},
    ),
)


@asynccontextmanager
async def running(*services: History | WebServer) -> AsyncGenerator[None]:
    """Run services until the block ends."""
    tasks = [asyncio.create_task(service.run()) for service in services]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


async def ready(history: History) -> None:
    """Wait until a running history has opened its file."""
    async with asyncio.timeout(20):
        while history.health().state == "starting":  # noqa: ASYNC110 (nobody else waits for it)
            await asyncio.sleep(0.001)


@asynccontextmanager
async def household(
    names: Sequence[str] = ("house",),
    *,
    days: int = 1,
    watch: Watch | None = None,
    services: Sequence[Health] = SERVICES,
    limits: Limits | None = None,
    step: int = 300,
    meter: str = "auto",
    tariff: Tariff | None = None,
) -> AsyncGenerator[tuple[WebServer, History, Watch]]:
    """A web server on a free port that shows a household with some history."""
    watch = watch or Watch()
    history = History(None, BERLIN, clock=watch.clock, commit_seconds=3600, meter=meter)
    book = Cashbook(history, tariff, BERLIN, 3 * step // 2) if tariff else None
    web = WebServer(
        WebOptions(address="127.0.0.1", port=0),
        history=history,
        services=lambda: [web.health(), history.health(), *services],
        timezone=BERLIN,
        clock=watch.clock,
        limits=limits,
        meter=meter,
        cashbook=book,
    )
    async with running(history, web):
        await web.listening()
        await ready(history)
        if names:
            await lived(history, names, days, watch.moment, step)
        for name in names:
            web.on_reading(reading(name, watch.moment))
            if book is not None:
                book.on_reading(reading(name, watch.moment))
        if book is not None:
            await book.count()
        yield web, history, watch
