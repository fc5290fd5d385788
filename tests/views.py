"""The page in all its states, without a server: what a person may get to see."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from households import BERLIN, DAY, NOW, SERVICES, reading, silent

from sungather.history.cashbook import Statement
from sungather.history.periods import Energies, Span
from sungather.history.service import DayHistory
from sungather.history.store import Fault, Sample
from sungather.history.totals import Energy, Totals
from sungather.household import FIGURES, FLOWS
from sungather.money import Balance
from sungather.reading import FaultReport, Reading, State, Value
from sungather.service import Health
from sungather.site import Plant
from sungather.web import bars, curve, page, plain
from sungather.web.files import StaticFiles
from sungather.web.language import Language
from sungather.web.money_card import Money
from sungather.web.page_model import PageModel
from tests.plain_values import measurements

_UNITS = {
    "battery_pack_voltage": "V",
    "battery_pack_temperature": "°C",
    "max_module_temperature": "°C",
    "min_module_temperature": "°C",
    "charger_total_energy": "kWh",
}


def battery(at: datetime = NOW, name: str = "house-battery-1", **more: Value) -> Reading:
    """What an SBR tells."""
    values: dict[str, Value] = {
        "battery_pack_voltage": 402.3,
        "battery_pack_level": 64.0,
        "battery_pack_health": 99.0,
        "battery_pack_temperature": 24.1,
        "battery_pack_total_charge": 4321.0,
        "max_cell_voltage": 3.3123,
        "min_cell_voltage": 3.3034,
        "max_module_temperature": 25.1,
        "min_module_temperature": 22.2,
        **more,
    }
    told = measurements(values, _UNITS)
    return replace(
        reading("house", at), name=name, model="SBR128", serial="S2305170042", family="battery",
        kind="battery", via="house", faults=None, absent=(), firmware={}, measurements=told,
    )  # fmt: skip


def charger(at: datetime = NOW, **more: Value) -> Reading:
    """What a wall box tells while a car is at it."""
    values: dict[str, Value] = {
        "charger_status": "Charging",
        "charger_power": 3680,
        "charger_session_energy": 7.36,
        "charger_session_start": "2026-06-18 13:05:00",
        "charger_total_energy": 2805.4,
        "charger_phase_a_voltage": 231.2,
        "charger_phase_a_current": 16.0,
        **more,
    }
    told = measurements(values, _UNITS)
    return replace(
        reading("house", at), name="house-charger-1", model="AC22E-01", serial="C2307120815",
        family="ev-charger", kind="charger", via="house", absent=(), firmware={},
        measurements=told,
    )  # fmt: skip


def model_of(
    say: Language,
    readings: Sequence[Reading] = (),
    chosen: str = "",
    services: Sequence[Health] = SERVICES,
    totals: Mapping[str, Totals] | None = None,
    faults: Sequence[Fault] = (),
    stale: frozenset[str] = frozenset(),
    plant: Plant | None = None,
    money: Money | None = None,
) -> PageModel:
    """What the page is made of; the plant knows the readings."""
    plant = plant or Plant()
    for one in readings:
        plant.on_reading(one)
    known = totals or {}

    def totals_of(name: str) -> Mapping[str, Totals]:
        return known

    return PageModel(
        now=NOW, timezone=BERLIN, readings=readings, chosen=chosen, totals=totals_of,
        faults=faults, services=services, plant=plant, say=say, stale=stale,
        money=money,
    )  # fmt: skip


def day_of(samples: Mapping[int, Sample], day: date = DAY) -> DayHistory:
    """A day in Berlin with samples at these steps of five minutes."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=BERLIN).astimezone(UTC)
    start = int(midnight.timestamp())
    shifted = {start + 300 * at: sample for at, sample in samples.items()}
    return DayHistory(day, start, start + 86400, 300, shifted, {"pv": 12.3})


TOTALS = {
    flow: Totals(Energy(12.3), Energy(20.1), Energy(99.0, DAY), Energy(99.0, DAY), Energy(4000.0))
    for flow in FLOWS
}
BALANCE = Balance(
    days=9, split=8, estimated=1, pv=200, house=90, imported=20, exported=130, cost=7, revenue=10,
    standing=4, at_grid_prices=32, split_pv=180, split_house=80, split_imported=18,
    self_consumed=60, grid_charged=2, battery_sold=1, discharged=30, battery_saving=5.5,
)  # fmt: skip
MONEY = Money(
    "EUR",
    {
        "today": Statement(BALANCE, DAY, DAY, 0),
        "total": Statement(BALANCE, DAY - timedelta(days=10), DAY, 2, DAY),
    },
    14500.0,
    0.22,
)
"""With days that were not counted, and others that were estimated."""
_FAULTY = reading(inverter_alarm="083 Fan 2 Stall Alarm; 532 String 3 Reverse Connection Alarm")
_PAST = Fault("house", "battery_fault", "707 Battery Over-temperature Fault", NOW, NOW)
_UNKNOWN = FaultReport(unknown="the device refuses battery_fault (register 13066)")
_TROUBLED = [silent(state, kind="silent", message="It does not answer.") for state in State]

_STATES: Mapping[str, dict[str, object]] = {
    "empty": {},
    "house": {"readings": [reading(), battery(), charger()], "totals": TOTALS},
    "battery": {"readings": [reading(), battery(), charger()], "chosen": "house-battery-1"},
    "charger": {"readings": [reading(), battery(), charger()], "chosen": "house-charger-1"},
    "two batteries": {"readings": [reading(), battery(), battery(name="house-battery-2")]},
    "no car": {"readings": [reading(), charger(charger_status="Idle", charger_power=0)]},
    "string inverter": {"readings": [reading("garage")], "totals": {"pv": TOTALS["pv"]}},
    "two": {"readings": [reading(), silent(State.ASLEEP, "garage", kind="asleep")]},
    "two meters": {"readings": [reading(), replace(reading(), name="garage")]},
    "faults": {"readings": [_FAULTY], "faults": [_PAST]},
    "faults of two": {"readings": [_FAULTY, replace(reading("garage"), faults=_UNKNOWN)]},
    "faults unknown": {"readings": [replace(reading(), faults=_UNKNOWN)]},
    "stale": {"readings": [reading()], "stale": frozenset({"house"}), "totals": TOTALS},
    "night": {
        "readings": [silent(State.ASLEEP, kind="asleep", message="It sleeps.")],
        "totals": TOTALS,
    },
    "perhaps night": {
        "readings": [silent(State.UNREACHABLE, kind="probably-asleep", message="It may sleep.")]
    },
    "money": {"readings": [reading()], "totals": TOTALS, "money": MONEY},
    "money of a first day": {"readings": [reading()], "money": Money("EUR", {}, None, None)},
    "incomplete": {"readings": [replace(reading(), problem=_TROUBLED[0].problem)]},
    **{f"is {one.state}": {"readings": [one]} for one in _TROUBLED},
}
VIEWS = tuple(_STATES)

_DAYS: dict[date, Energies] = {
    DAY - timedelta(days=n): {"pv": 20.0 + n / 9, "grid_export": 15.0, "house": 9.0}
    for n in range(60)
}
_SOME = Sample(State.OK, 10, (4000.0, 600.0, 0.0, 2000.0, 1400.0, 0.0, 55.0))
_SAMPLES = {
    **{n: Sample(State.ASLEEP, 0, (None,) * len(FIGURES)) for n in range(9)},
    **dict.fromkeys(range(100, 160), _SOME),
    170: Sample(State.UNREACHABLE, 0, (None,) * len(FIGURES)),
}


def documents(view: str, say: Language) -> dict[str, str]:
    """Name -> HTML of the documents and parts that a person may see in this state."""
    model = model_of(say, **_STATES[view])  # pyright: ignore[reportArgumentType]
    files = StaticFiles().addresses
    drawn = {
        f"curve {name}": curve.section(day, DAY, BERLIN, "", say)
        for name, day in (
            ("full", day_of(_SAMPLES)),
            ("today", day_of({})),
            ("nothing", day_of({}, DAY - timedelta(days=3))),
            ("silent", day_of({1: _SAMPLES[170]}, DAY - timedelta(days=1))),
        )
    }
    own = model.readings[0] if model.readings else None
    drawn |= {
        f"bars {name}": bars.section(span, day, DAY, days, own, "", say)
        for name, span, day, days in (
            ("month", Span.MONTH, DAY, _DAYS),
            ("month before", Span.MONTH, DAY - timedelta(days=31), _DAYS),
            ("year", Span.YEAR, DAY, _DAYS),
            ("years", Span.YEARS, DAY, _DAYS),
            ("nothing", Span.MONTH, DAY, {}),
        )
    }
    whole = page.Drawn(DAY, drawn["curve full"].replace(curve.LEGEND, page.legend(model)), "")
    return {
        "page": page.page(model, whole, files, "1"),
        "codes": plain.codes_document(say, files),
        "report": plain.report(DAY, DAY, _DAYS, own, "house", say, files),
        "report of nothing": plain.report(DAY, DAY, {}, None, "house", say, files),
        **drawn,
    }
