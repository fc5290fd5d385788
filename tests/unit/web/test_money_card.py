"""Money on the page, in the API and in the metrics."""

import json
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from households import DAY, TARIFF, household, reading
from views import BALANCE, MONEY, TOTALS, model_of

from sungather.history.cashbook import Outlook, Statement
from sungather.web import api, money_card, page
from sungather.web.language import languages
from sungather.web.live import View
from sungather.web.metrics import Metrics
from sungather.web.money_card import Money

ENGLISH, GERMAN = languages()["en"], languages()["de"]


def rows(html: str) -> dict[str, list[str]]:
    found = re.findall(r'<tr><th scope="row">([^<]*)</th>(.*?)</tr>', html)
    return {name: re.findall("<td>([^<]*)</td>", cells) for name, cells in found}


def test_the_card_tells_bill_saving_and_the_batterys_part_of_it() -> None:
    told = rows(money_card.card(MONEY, DAY, ENGLISH))
    assert told["Bill"] == ["1.00", "–", "–", "1.00"]
    assert told["Without solar"] == ["36.00", "–", "–", "36.00"]
    assert told["Saved"] == ["35.00", "–", "–", "35.00"]
    assert told["of that, by the battery"] == ["5.50", "–", "–", "5.50"]
    assert told["Self-sufficiency"][0] == "80\u00a0%"
    assert told["Self-consumption"][0] == "33\u00a0%"


def test_it_says_how_much_of_it_was_counted() -> None:
    html = money_card.card(MONEY, DAY, ENGLISH)
    for note in (
        "Days not counted: 2.",
        "Days partly estimated: 1.",
        "Battery savings and shares cover 8 of 9 days.",
        "2.0\u00a0kWh went from the grid into the battery.",
    ):
        assert note in html
    assert 'since <span class="whole">8 Jun</span>' in html
    good = replace(BALANCE, split=9, estimated=0, grid_charged=0.0)
    clean = Money("EUR", {"total": Statement(good, DAY, DAY, 0)}, None, None)
    assert "Days" not in money_card.card(clean, DAY, ENGLISH)


def test_what_is_paid_back_is_there_only_where_somebody_said_what_was_paid() -> None:
    html = money_card.card(MONEY, DAY, GERMAN)
    assert "<b>22\u00a0%</b> <span>zurückgezahlt</span>" in html
    assert "3.190 von 14.500\u00a0EUR" in html
    assert "paid back" not in money_card.card(replace(MONEY, paid=None), DAY, ENGLISH)


def test_what_is_left_is_told_with_the_time_from_which_its_years_are_known() -> None:
    known = Outlook(11_310.0, 6.44, DAY.replace(year=2025))
    html = money_card.card(replace(MONEY, outlook=known), DAY, ENGLISH)
    left = f"{ENGLISH.money(11_310)}\u00a0EUR"
    assert f"{left} to go. At the pace since" in html
    assert "18 Jun 2025" in html
    unknown = replace(MONEY, outlook=Outlook(11_310.0, None, None))
    german = money_card.card(unknown, DAY, GERMAN)
    assert "11.310\u00a0EUR fehlen noch. Wie lange das dauert" in german
    assert "Jahre" not in german


def test_what_is_not_known_is_a_dash_and_no_row_of_zeros() -> None:
    bare = replace(BALANCE, split=0, discharged=0.0, split_house=0.0, split_pv=0.0)
    told = rows(
        money_card.card(
            Money("EUR", {"today": Statement(bare, DAY, DAY, 0)}, None, None), DAY, ENGLISH
        )
    )
    assert told.keys() == {"Bill", "Without solar", "Saved"}


def test_without_prices_there_is_no_word_of_money() -> None:
    parts = page.parts(model_of(ENGLISH, [reading()], totals=TOTALS))
    assert "money" not in parts
    with_money = page.parts(model_of(ENGLISH, [reading()], totals=TOTALS, money=MONEY))
    assert "Saved" in with_money["money"].html()
    one = model_of(ENGLISH, [reading(), reading("garage")], "garage", money=MONEY)
    assert "money" not in page.parts(one), "prices are those of the whole house"


def test_the_share_of_today_is_the_same_in_both_cards() -> None:
    parts = page.parts(model_of(ENGLISH, [reading()], totals=TOTALS, money=MONEY))
    assert "<b>80\u00a0%</b> <span>Self-sufficiency today" in parts["totals"].html()
    assert "<b>33\u00a0%</b> <span>Self-consumption today" in parts["totals"].html()


def test_metrics_have_it_by_period() -> None:
    body, _ = Metrics().exposition([], [], "", MONEY)
    text = body.decode()
    for line in (
        'sungather_bill{period="today",currency="EUR"} 1',
        'sungather_saving{period="total",currency="EUR"} 35',
        'sungather_battery_saving{period="today",currency="EUR"} 5.5',
        'sungather_self_sufficiency_ratio{period="today"} 0.8',
        "sungather_paid_back_ratio 0.22",
    ):
        assert f"{line}\n" in text
    assert b"sungather_bill" not in Metrics().exposition([], [], "")[0]


@pytest.mark.asyncio
async def test_the_api_and_the_report_agree_with_the_page() -> None:
    async with household(days=3, tariff=TARIFF) as (web, _, _):
        book = web._cashbook  # pyright: ignore[reportPrivateUsage]
        assert book is not None
        told = json.loads(api.money(book, DAY))
        assert told["currency"] == "EUR"
        total, today = told["periods"]["total"], told["periods"]["today"]
        assert total["first"] == "2026-06-16"
        assert (total["days"], total["days_missing"]) == (3, 0)
        assert total["saving"] == pytest.approx(total["without_system"] - total["bill"], abs=1e-3)
        assert today["first"] == today["last"] == "2026-06-18"
        assert 0 < today["self_sufficiency"] <= 1
        assert told["paid_back"] == pytest.approx((3200 + total["saving"]) / 14500, abs=1e-4)
        assert told["left"] == pytest.approx(14500 - 3200 - total["saving"], abs=1e-2)
        assert (told["years_left"], told["pace_since"]) == (None, None), "of three days"
        card = money_card.card(web._model(View("", "en")).money or MONEY, DAY, ENGLISH)  # pyright: ignore[reportPrivateUsage]
        assert rows(card)["Saved"][3] == ENGLISH.money(total["saving"])
        report = dict(money_card.sums_of_month(book, DAY, ENGLISH))
        assert report["Saved"] == f"{ENGLISH.money(total['saving'])}\u00a0EUR"
        assert money_card.sums_of_month(book, DAY - timedelta(days=60), ENGLISH) == []
