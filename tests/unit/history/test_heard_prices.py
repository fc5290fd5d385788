"""Prices that come one by one: how long they hold, what is none, and what stays of them."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from households import BERLIN, Watch

from sungather.history.heard_prices import HeardPrices
from sungather.storage import MemoryStorage, Storage
from sungather.tariff import parse_prices

NOON = datetime(2026, 6, 18, 10, 0, 5, tzinfo=UTC)
"""Five seconds late, as prices are."""


def heard(watch: Watch, storage: Storage | None = None, written: str = "0.30") -> HeardPrices:
    kept = storage or MemoryStorage()
    return HeardPrices(
        "import", "evcc/site/tariffGrid", parse_prices(written), kept, BERLIN, 5400, watch.clock
    )


def local(hours: float = 0) -> datetime:
    return (NOON.replace(second=0) + timedelta(hours=hours)).astimezone(BERLIN)


def test_a_price_holds_from_its_step_on_until_another_comes() -> None:
    watch = Watch(NOON)
    prices = heard(watch)
    assert prices.at(local()) == 0.30
    prices.hear(b"0.25")
    watch.moment += timedelta(hours=1)
    prices.hear(b" -0.02\n")
    told = [prices.at(local(hours)) for hours in (-0.1, 0, 0.9, 1, 2.4)]
    assert told == [0.30, 0.25, 0.25, -0.02, -0.02]
    assert [prices.is_known(local(hours)) for hours in (-0.1, 0, 2.4)] == [True, True, True]


def test_a_price_that_is_not_told_again_gets_old_and_that_is_said() -> None:
    watch = Watch(NOON)
    prices = heard(watch)
    prices.hear(b"0.25")
    watch.moment += timedelta(hours=1)
    prices.hear(b"0.25")
    watch.moment += timedelta(minutes=89)
    assert prices.trouble() == ""
    assert prices.at(local(2.4)) == 0.25
    watch.moment += timedelta(minutes=2)
    assert prices.trouble() == (
        "No price has come on evcc/site/tariffGrid for 90 minutes. The written price stands in "
        "until one comes."
    )
    assert prices.at(local(2.6)) == 0.30
    assert not prices.is_known(local(2.6))


@pytest.mark.parametrize(
    "content", [b"unavailable", b"", b"nan", b"1e3", b"0,31", b"31 ct", b"1234567", b"\xff"]
)
def test_what_is_no_price_ends_the_one_before_and_is_said(content: bytes) -> None:
    watch = Watch(NOON)
    prices = heard(watch)
    prices.hear(b"0.25")
    watch.moment += timedelta(hours=1)
    prices.hear(content)
    assert "What has come on evcc/site/tariffGrid is no price" in prices.trouble()
    assert [prices.at(local(hours)) for hours in (0.9, 1)] == [0.25, 0.30]
    assert not prices.is_known(local(1))
    prices.hear(b"0.26")
    assert prices.trouble() == ""


async def test_an_old_hour_keeps_its_price_over_restarts(tmp_path: Path) -> None:
    watch, storage = Watch(NOON), Storage(tmp_path)
    prices = heard(watch, storage)
    for _ in range(30):
        prices.hear(f"0.{watch.moment.hour:02}".encode())
        watch.moment += timedelta(hours=1)
    await storage.close()
    again = heard(watch, Storage(tmp_path), "0.99")
    for hours in range(30):
        assert again.at(local(hours)) == float(f"0.{(10 + hours) % 24:02}"), hours
    assert again.at(local(-1)) == 0.99


async def test_a_price_that_lasts_over_midnight_holds_there(tmp_path: Path) -> None:
    watch = Watch(NOON.replace(hour=23, minute=30))
    prices = heard(watch)
    prices.hear(b"0.25")
    assert prices.at(local(14)) == 0.25, "0:00 UTC"


def test_days_since_the_first_have_no_single_price() -> None:
    watch = Watch(NOON)
    prices = heard(watch)
    assert prices.all_day(date(2026, 6, 18)) == 0.30
    prices.hear(b"unavailable")
    assert prices.all_day(date(2026, 6, 18)) == 0.30, "no price has come"
    prices.hear(b"0.25")
    found = [prices.all_day(date(2026, 6, day)) for day in (17, 18, 19)]
    assert found == [0.30, None, None]


def test_a_price_that_is_told_again_and_again_is_seldom_written() -> None:
    class Counting(MemoryStorage):
        written = 0

        def save(self, name: str, content: dict[str, object]) -> None:
            self.written += 1
            super().save(name, content)

    watch, storage = Watch(NOON), Counting()
    prices = heard(watch, storage)
    for _ in range(360):
        prices.hear(b"0.25")
        watch.moment += timedelta(seconds=10)
    assert storage.written == 2 + 3, "at first, and each quarter of an hour"


def test_days_of_which_no_curve_is_kept_are_forgotten() -> None:
    watch, storage = Watch(NOON), MemoryStorage()
    prices = heard(watch, storage)
    prices.hear(b"0.25")
    watch.moment += timedelta(days=401)
    prices.hear(b"0.26")
    assert storage.names("prices-") == ["prices-import", "prices-import-2027-07-24"]
    assert prices.all_day(date(2026, 6, 19)) is None, "its price is not known, and not the written"


def test_a_price_holds_also_after_the_clock_has_gone_back() -> None:
    watch = Watch(NOON + timedelta(hours=3))
    prices = heard(watch)
    prices.hear(b"0.25")
    watch.moment = NOON
    prices.hear(b"0.25")
    assert [prices.at(local(hours)) for hours in (0, 1, 2)] == [0.25, 0.25, 0.30]


def test_a_damaged_file_tells_nothing() -> None:
    watch, storage = Watch(NOON), MemoryStorage()
    storage.save("prices-import", {"first": NOON.timestamp()})
    at = NOON.timestamp()
    rows = [[at, at, "x"], 5, [at], [at, at, float("inf")], [at, at, None, 1]]
    storage.save("prices-import-2026-06-18", {"told": rows})
    assert heard(watch, storage).at(local(0.1)) == 0.30


def test_without_its_topic_old_hours_keep_their_prices_and_new_days_have_the_written_one() -> None:
    watch, storage = Watch(NOON), MemoryStorage()
    heard(watch, storage).hear(b"0.25")
    storage.save("prices-import-of-old", {})
    later = HeardPrices(
        "import", "", parse_prices("0.30"), storage, BERLIN, 5400, Watch(NOON).clock
    )
    assert later.at(local(0.5)) == 0.25
    assert later.trouble() == ""
    found = [later.all_day(date(2026, 6, day)) for day in (17, 18, 20)]
    assert found == [0.30, None, 0.30]
    assert [later.is_known(local(hours)) for hours in (0.5, 5, 48)] == [True, False, True]
