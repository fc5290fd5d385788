"""The JSON API; pure. Described by `openapi.json`, which the program serves."""

import csv
import io
import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from datetime import date, datetime

from sungather import answers
from sungather.history.cashbook import Cashbook
from sungather.history.periods import Energies
from sungather.history.service import DayHistory
from sungather.household import BATTERY_LEVEL, FLOWS
from sungather.money import Balance
from sungather.reading import FaultReport, Reading, State, rfc3339
from sungather.service import Health
from sungather.site import Plant, summed


def energies_csv(days: Mapping[date, Energies]) -> bytes:
    """The energies of days in kWh, one day a line; empty where nobody counted."""
    text = io.StringIO()
    lines = csv.writer(text)
    lines.writerow(["day", *(f"{flow}_kwh" for flow in FLOWS)])
    for day, energies in days.items():
        lines.writerow([day, *(_cell(energies.get(flow)) for flow in FLOWS)])
    return text.getvalue().encode()


def _cell(kwh: float | None) -> str:
    return "" if kwh is None else f"{kwh:.3f}"


def now(readings: Sequence[Reading], moment: datetime, plant: Plant, stale: Set[str]) -> bytes:
    """`/api/v1/now`: the newest reading of every inverter with its age, and the sum.

    `stale` are the names of those whose reading is overdue.
    """
    inverters = summed(readings)
    of = plant.sources(reading.name for reading in inverters)
    powers = plant.powers(inverters, stale)
    return _json(
        {
            "time": rfc3339(moment),
            "inverters": [
                answers.of_reading(_overdue(reading) if reading.name in stale else reading, moment)
                for reading in readings
            ],
            "sum": {_published(figure): amount for figure, amount in powers.items()},
            "sum_of": {_published(figure): of[figure] for figure in powers},
        }
    )


def _overdue(reading: Reading) -> Reading:
    """Of its faults nothing is known any more."""
    if reading.faults is None or reading.state is not State.OK:
        return reading
    return replace(reading, faults=FaultReport(unknown="the newest reading is old"))


def _published(figure: str) -> str:
    return figure if figure == BATTERY_LEVEL else f"{figure}_power"


def money(book: Cashbook, today: date) -> bytes:
    """`/api/v1/money`: what each period so far comes to."""
    tariff, paid_back, outlook = book.tariff, book.paid_back(today), book.outlook(today)
    years = outlook and outlook.years
    return _json(
        {
            "currency": tariff.currency,
            "periods": {
                name: {
                    "first": one.first.isoformat(),
                    "last": one.last.isoformat(),
                    "days": one.balance.days,
                    "days_missing": one.missing,
                    "days_estimated": one.balance.estimated,
                    "days_split": one.balance.split,
                    **{
                        key: None if amount is None else round(amount, 4)
                        for key, amount in amounts(one.balance).items()
                    },
                }
                for name, one in book.statements(today)
            },
            "paid": tariff.paid,
            "paid_back": None if paid_back is None else round(paid_back, 4),
            "left": None if outlook is None else round(outlook.left, 2),
            "years_left": None if years is None else round(years, 2),
            "pace_since": outlook.first.isoformat() if outlook and outlook.first else None,
        }
    )


def amounts(one: Balance) -> dict[str, float | None]:
    """The figures of a balance by their published names; None where they are not known."""
    split = one.split > 0
    return {
        "bill": one.bill,
        "cost": one.cost,
        "revenue": one.revenue,
        "standing": one.standing,
        "without_system": one.without_system,
        "saving": one.saving,
        "battery_saving": one.battery_saving if split else None,
        "self_sufficiency": one.self_sufficiency,
        "independence": one.independence,
        "self_consumption": one.self_consumption,
        "grid_charged_energy": one.grid_charged if split else None,
        "battery_sold_energy": one.battery_sold if split else None,
    }


def history(day: DayHistory, inverters: Sequence[str], timezone: str) -> bytes:
    """`/api/v1/history`: the means of a local day, null where nothing is known."""
    return _json(
        {
            "day": day.day.isoformat(),
            "timezone": timezone,
            "start": day.start,
            "end": day.end,
            "step": day.step,
            "inverters": list(inverters),
            "names": list(day.figures),
            "energies": day.energies,
            "samples": [
                [at, str(sample.state), *(_short(mean) for mean in sample.means)]
                for at, sample in day.samples.items()
            ],
        }
    )


def _short(mean: float | None) -> float | None:
    return None if mean is None else round(mean, 1)


def health(readings: Sequence[Reading], services: Sequence[Health], moment: datetime) -> bytes:
    """`/api/v1/health`: how inverters and services are doing."""
    return _json(
        {
            "time": rfc3339(moment),
            "inverters": [
                {
                    "name": reading.name,
                    "state": str(reading.state),
                    "since": rfc3339(reading.since) if reading.since else None,
                    "time": rfc3339(reading.time),
                    "error": answers.of_problem(reading.problem) if reading.problem else None,
                }
                for reading in readings
            ],
            "services": [answers.of_health(service) for service in services],
        }
    )


def _json(content: object) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
