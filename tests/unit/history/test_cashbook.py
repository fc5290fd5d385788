"""Days of the history in money: prices of the moment, counters, gaps, and what is not known."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from households import BERLIN, DAY, Watch, household, reading
from views import day_of

from sungather.history.cashbook import Cashbook, Outlook, balance_of_day
from sungather.history.heard_prices import HeardPrices
from sungather.history.service import DayHistory, History
from sungather.history.store import Sample
from sungather.household import FIGURES
from sungather.money import Balance, SiteMoney
from sungather.reading import State
from sungather.storage import MemoryStorage
from sungather.tariff import Tariff, parse_prices

STEPS = 288


def tariff(buy: str = "0.30", sell: str = "0.10", standing: str = "0") -> Tariff:
    return Tariff("EUR", parse_prices(buy), parse_prices(sell), parse_prices(standing))


def sample(powers: Mapping[str, float], state: State = State.OK) -> Sample:
    return Sample(state, 10, tuple(powers.get(f.removesuffix("_power")) for f in FIGURES))


def day_with(steps: dict[int, Sample], day: date = DAY, **counted: float) -> DayHistory:
    return replace(day_of(steps, day), energies=counted)


def house(**powers: float) -> Sample:
    return sample({"pv": 0, "grid_import": 0, "grid_export": 0, **powers})


FLAT = {n: house(grid_import=1000) for n in range(STEPS)}


def counted(found: Balance | None) -> Balance:
    assert found is not None
    return found


def test_energy_costs_what_its_hour_costs() -> None:
    prices = tariff("0.36, 22:00-06:00 0.24", standing="0.45")
    found = counted(
        balance_of_day(day_with(FLAT, pv=0, grid_import=24, grid_export=0), prices, BERLIN)
    )
    assert found.cost == pytest.approx(16 * 0.36 + 8 * 0.24)
    assert found.bill == pytest.approx(16 * 0.36 + 8 * 0.24 + 0.45)
    assert (found.days, found.split, found.estimated) == (1, 1, 0)


def test_the_curve_is_scaled_to_what_the_counter_counted() -> None:
    found = counted(
        balance_of_day(day_with(FLAT, pv=0, grid_import=30, grid_export=0), tariff(), BERLIN)
    )
    assert found.imported == pytest.approx(30)
    assert found.cost == pytest.approx(9)


def test_what_was_not_recorded_goes_into_the_gap_and_is_called_estimated() -> None:
    gap = {n: one for n, one in FLAT.items() if not 240 <= n < 264}  # 20 to 22 o'clock
    prices = tariff("0.30, 20:00-22:00 0.50")
    whole = day_with(gap, pv=0, grid_import=26, grid_export=0)
    found = counted(balance_of_day(whole, prices, BERLIN))
    assert found.cost == pytest.approx(22 * 0.30 + 4 * 0.50)
    assert found.estimated == 1
    same = counted(balance_of_day(whole, tariff(), BERLIN))
    assert same.estimated == 0, "one price is one price"


def test_a_day_without_a_curve_counts_only_where_it_has_one_price() -> None:
    bare = day_with({}, pv=10, grid_import=2, grid_export=7)
    found = counted(balance_of_day(bare, tariff(), BERLIN))
    assert found.bill == pytest.approx(2 * 0.30 - 7 * 0.10)
    assert found.saving == pytest.approx(5 * 0.30 - found.bill)
    assert found.self_sufficiency is None
    assert balance_of_day(bare, tariff("0.30, sa-su 0.20, 8:00-9:00 0.1"), BERLIN) is None


def test_scans_that_are_far_apart_leave_no_gaps_between_them() -> None:
    sparse = {n: one for n, one in FLAT.items() if n % 6 == 0}  # a scan in half an hour
    prices = tariff("0.36, 22:00-06:00 0.24")
    told = day_with(sparse, pv=0, grid_import=24, grid_export=0)
    assert balance_of_day(told, prices, BERLIN) is None
    found = counted(balance_of_day(told, prices, BERLIN, 2700))
    assert found.cost == pytest.approx(16 * 0.36 + 8 * 0.24, rel=0.01)
    assert (found.split, found.estimated) == (1, 0)


def test_half_a_curve_tells_costs_but_not_what_came_from_where() -> None:
    half = {n: one for n, one in FLAT.items() if n % 10 < 7}
    prices = tariff("0.36, 22:00-06:00 0.24")
    found = counted(
        balance_of_day(day_with(half, pv=0, grid_import=24, grid_export=0), prices, BERLIN)
    )
    assert found.cost == pytest.approx(16 * 0.36 + 8 * 0.24, rel=0.01)
    assert found.split == 0
    assert found.self_sufficiency is None


@pytest.mark.parametrize("missing", ["pv", "grid_import", "grid_export"])
def test_without_one_of_the_counters_nothing_is_said(missing: str) -> None:
    energies = {"pv": 0.0, "grid_import": 24.0, "grid_export": 0.0}
    del energies[missing]
    assert balance_of_day(day_with(FLAT, DAY, **energies), tariff(), BERLIN) is None


def test_a_battery_that_flows_but_is_not_counted_leaves_the_day_unknown() -> None:
    flowing = {n: house(grid_import=500, battery_discharge=500) for n in range(STEPS)}
    assert (
        balance_of_day(day_with(flowing, pv=0, grid_import=12, grid_export=0), tariff(), BERLIN)
        is None
    )


def test_days_before_the_first_price_are_not_counted() -> None:
    later = tariff("from 2026-07-01 0.36")
    assert (
        balance_of_day(day_with(FLAT, pv=0, grid_import=24, grid_export=0), later, BERLIN) is None
    )


def test_old_months_keep_their_prices() -> None:
    prices = tariff("0.31; from 2026-06-18 0.36")
    before, after = (
        counted(
            balance_of_day(day_with({}, at, pv=0, grid_import=1, grid_export=0), prices, BERLIN)
        )
        for at in (DAY - timedelta(days=1), DAY)
    )
    assert (before.cost, after.cost) == (pytest.approx(0.31), pytest.approx(0.36))


@pytest.mark.parametrize(("at", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25)])
def test_a_day_of_23_or_25_hours_has_its_night_price_for_as_long_as_the_night_is(
    at: date, hours: int
) -> None:
    steps = {n: house(grid_import=1000) for n in range(hours * 12)}
    prices = tariff("0.36, 0:00-06:00 0.24")
    found = counted(
        balance_of_day(day_with(steps, at, pv=0, grid_import=hours, grid_export=0), prices, BERLIN)
    )
    assert found.cost == pytest.approx(18 * 0.36 + (hours - 18) * 0.24)


def test_a_string_inverter_that_sleeps_makes_no_gap() -> None:
    asleep = sample({"grid_import": 1000, "grid_export": 0}, State.ASLEEP)
    found = counted(
        balance_of_day(
            day_with(dict.fromkeys(range(STEPS), asleep), pv=0, grid_import=24, grid_export=0),
            tariff("0.36, 22:00-06:00 0.24"),
            BERLIN,
        )
    )
    assert found.split == 1


def test_hours_without_the_price_that_should_have_come_make_a_day_estimated() -> None:
    begin = datetime(2026, 6, 18, tzinfo=BERLIN)
    for late, estimated in ((1, 0), (2, 1)):
        watch = Watch(begin.astimezone(UTC))
        terms = tariff("0.30", "0")
        heard = HeardPrices(
            "import", "price", terms.buy, MemoryStorage(), BERLIN, 3600, watch.clock
        )
        for hour in range(24):
            if not 10 <= hour < 10 + late:
                heard.hear(b"0.20")
            watch.moment += timedelta(hours=1)
        found = counted(
            balance_of_day(
                day_with(FLAT, pv=0, grid_import=24, grid_export=0),
                replace(terms, buy=heard),
                BERLIN,
            )
        )
        assert found.estimated == estimated
        assert found.cost == pytest.approx((24 - late) * 0.20 + late * 0.30)


@pytest.mark.asyncio
async def test_a_price_that_does_not_come_shows_in_the_health_of_money() -> None:
    watch, terms = Watch(), tariff()
    heard = HeardPrices("import", "price", terms.buy, MemoryStorage(), BERLIN, 60, watch.clock)
    book = Cashbook(History(None, BERLIN), replace(terms, buy=heard), BERLIN)
    assert book.health().state == "ok"
    watch.moment += timedelta(minutes=2)
    assert book.health().state == "waiting"
    assert "No price has come on price for 1 minutes." in book.health().message


@pytest.mark.asyncio
async def test_a_cashbook_says_from_when_it_counts_and_what_is_paid_back() -> None:
    async with household(days=3) as (_, history, watch):
        terms = replace(tariff(standing="0.5"), paid=1000.0, saved_before=100.0)
        book = Cashbook(history, terms, BERLIN)
        assert dict(book.statements(DAY)) == {}, "nothing before the first look"
        assert book.paid_back(DAY) is None
        book.on_reading(reading())
        await book.count()
        found = dict(book.statements(DAY))
        assert found["month"].since == date(2026, 6, 16)
        assert found["today"].since is None
        assert found["today"].balance.days == 1
        assert found["total"].balance.days == 3
        assert found["total"].missing == 0
        sums = found["total"].balance
        assert sums.standing == pytest.approx(1.5)
        assert sums.saving == pytest.approx(sums.without_system - sums.bill)
        assert book.paid_back(DAY) == pytest.approx((100 + sums.saving) / 1000)
        book.on_reading(reading("garage", watch.moment))
        assert dict(book.statements(DAY)) == {}, "other inverters, other sums"


def lived_for(
    days: int, a_day: float, *, missing: int = 0, before: float = 0, since: date | None = None
) -> Cashbook:
    """A cashbook that knows the days before today, the oldest of them missing."""
    terms = replace(tariff(), paid=10_000.0, saved_before=before, since=since)
    book = Cashbook(History(None, BERLIN), terms, BERLIN)
    book._days |= {  # pyright: ignore[reportPrivateUsage]
        DAY - timedelta(days=n): Balance(days=1, at_grid_prices=a_day)
        for n in range(1, days + 1)
        if n == days or n > missing
    }
    return book


def test_what_is_left_is_told_and_the_years_when_a_whole_one_is_known() -> None:
    found = lived_for(365, 2.0).outlook(DAY)
    assert found is not None
    assert (found.left, found.first) == (10_000 - 730, DAY - timedelta(days=365))
    assert found.years == pytest.approx((10_000 - 730) / 730.5)
    assert lived_for(364, 2.0).outlook(DAY) == Outlook(10_000 - 728, None, None)
    gaps = lived_for(365, 2.0, missing=36).outlook(DAY)
    assert gaps is not None
    assert gaps.years == pytest.approx((10_000 - 658) / 730.5), "missing days save nothing"
    assert lived_for(365, 2.0, missing=37).outlook(DAY) == Outlook(10_000 - 656, None, None)


def test_years_before_the_count_tell_it_with_what_they_have_saved() -> None:
    since = DAY - timedelta(days=1000)
    found = lived_for(100, 2.0, before=1800, since=since).outlook(DAY)
    assert found is not None
    assert (found.left, found.first) == (8000, since)
    assert found.years == pytest.approx(8000 / 730.5)
    assert lived_for(100, 2.0, before=1800).outlook(DAY) == Outlook(8000, None, None)
    unsaid = lived_for(100, 2.0, since=since).outlook(DAY)
    assert unsaid == Outlook(9800, None, None), "nobody said what those years have saved"
    young = lived_for(100, 2.0, before=400, since=DAY - timedelta(days=364)).outlook(DAY)
    assert young == Outlook(9400, None, None)


def test_there_is_no_outlook_of_what_is_paid_back_or_saves_nothing() -> None:
    assert lived_for(365, 30.0).outlook(DAY) is None
    assert lived_for(365, -1.0).outlook(DAY) == Outlook(10_365, None, None)
    book = lived_for(365, 2.0)
    book.tariff = replace(book.tariff, paid=None)
    assert book.outlook(DAY) is None


@pytest.mark.asyncio
async def test_money_agrees_with_what_the_inverter_counted() -> None:
    async with household(days=2) as (_, history, _):
        book = Cashbook(history, tariff(), BERLIN)
        book.on_reading(reading())
        await book.count()
        yesterday = dict(book.statements(DAY))["yesterday"].balance
        before = DAY - timedelta(days=1)
        energies = (await history.energies(["house"], before, before))[before]
        assert yesterday.imported == pytest.approx(energies["grid_import"])
        assert yesterday.exported == pytest.approx(energies["grid_export"])
        assert yesterday.house == pytest.approx(energies["house"], abs=0.5)
        assert yesterday.battery_saving != 0


@pytest.mark.asyncio
async def test_others_are_told_after_a_count_and_not_before_all_inverters_were_heard_of() -> None:
    async with household(days=3) as (_, history, watch):
        book, told = Cashbook(history, tariff(), BERLIN), list[SiteMoney]()
        book.tell(told.append, ["house", "garage"])
        book.on_reading(reading())
        await book.count()
        assert told == [], "the bill of one inverter is not that of the house"
        book.on_reading(replace(reading("garage", watch.moment), family="ems"))
        await book.count()
        (heard,) = told
        assert heard.currency == "EUR"
        today, month = heard.times["today"], heard.times["month"]
        assert today.begin.isoformat() == "2026-06-18T00:00:00+02:00"
        assert month.begin.isoformat() == "2026-06-16T00:00:00+02:00"
        assert month.balance.days == 3
