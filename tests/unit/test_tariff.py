"""Prices as people write them down."""

from contextlib import suppress
from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sungather.tariff import parse_prices

MONDAY = datetime(2026, 6, 15)


def at(text: str, days: int, hours: float) -> float | None:
    return parse_prices(text).at(MONDAY + timedelta(days=days, hours=hours))


@pytest.mark.parametrize(
    ("text", "days", "hours", "price"),
    [
        ("0.34", 0, 12, 0.34),
        ("-0.02", 0, 12, -0.02),
        ("0.36, 22:00-06:00 0.24", 0, 21.9, 0.36),
        ("0.36, 22:00-06:00 0.24", 0, 22, 0.24),
        ("0.36, 22:00-06:00 0.24", 1, 5.99, 0.24),
        ("0.36, 22:00-06:00 0.24", 1, 6, 0.36),
        ("22:00-24:00 0.24, 0.36", 0, 23.9, 0.24),
        ("22:00-00:00 0.24, 0.36", 0, 23.9, 0.24),
        ("0.36, sa-su 0.29", 4, 23.9, 0.36),
        ("0.36, sa-su 0.29", 5, 0, 0.29),
        ("0.36, su 0.29", 5, 0, 0.36),
        ("0.36, fr-mo 0.29", 0, 1, 0.29),
        ("0.36, mo-fr 17:00-20:00 0.45", 4, 18, 0.45),
        ("0.36, mo-fr 17:00-20:00 0.45", 5, 18, 0.36),
        ("0.36, fr 22:00-06:00 0.20", 5, 5, 0.20),  # the night of Friday
        ("0.36, fr 22:00-06:00 0.20", 4, 5, 0.36),
        ("0.36, 8:00-10:00 0.1, 9:00-12:00 0.2", 0, 9.5, 0.1),  # the first that holds
        ("0.31; from 2026-06-16 0.36", 0, 23.9, 0.31),
        ("0.31; from 2026-06-16 0.36", 1, 0, 0.36),
        ("from 2026-06-16 0.36", 0, 12, None),
        ("0.31; from 2020-01-01 0.2; from 2026-06-15 0.36, 12:00-14:00 0.1", 0, 13, 0.1),
    ],
)
def test_the_price_of_a_moment(text: str, days: int, hours: float, price: float | None) -> None:
    assert at(text, days, hours) == price


def test_a_day_with_one_price_is_known_as_such() -> None:
    prices = parse_prices("0.31; from 2026-01-01 0.36, 22:00-06:00 0.24")
    assert prices.all_day(date(2025, 12, 31)) == 0.31
    assert prices.all_day(date(2026, 1, 1)) is None
    assert not prices.is_daily
    assert parse_prices("0.31; from 2026-01-01 0.36").is_daily


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("0,34", "One price, and only one"),
        ("34 ct", "A price is a number"),
        ("", "A price is a number"),
        ("nan", "A price is a number"),
        ("22:00-06:00 0.24", "One price, and only one"),
        ("0.3, 0.4", "One price, and only one"),
        ("0.3, 25:00-26:00 0.4", "A time is written"),
        ("0.3, 24:30-26:00 0.4", "A time is written"),
        ("0.3, 23:00-24:30 0.4", "A day ends at 24:00"),
        ("0.3, 9:00-9:00 0.4", "A time begins"),
        ("0.3, xx-fr 0.4", "The days of a week are mo, tu"),
        ("0.3, always 0.4", "A time is written"),
        ("0.3; 0.4", "needs a later day"),
        ("from 2026-02-01 0.3; from 2026-01-01 0.4", "needs a later day"),
        ("0.3; from 2026-02-30 0.4", "comes a day"),
        ("0.3; from tomorrow 0.4", "comes a day"),
        ("0.3;", "needs a later day"),
    ],
)
def test_what_is_no_price_gets_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        parse_prices(text)


@given(st.text("0123456789.,;:- frommotuwesa", max_size=40))
def test_no_text_makes_it_stumble(text: str) -> None:
    with suppress(ValueError):
        prices = parse_prices(text)
        assert prices.at(datetime(9999, 12, 31, 23, 59)) is not None


@given(st.integers(0, 7 * 24 * 60 - 1))
def test_there_is_a_price_in_every_minute_of_a_week(minute: int) -> None:
    text = "0.36, 22:00-06:00 0.24, mo-fr 17:00-20:00 0.45, sa-su 0.29"
    assert parse_prices(text).at(MONDAY + timedelta(minutes=minute)) is not None
