"""The first minute: what the demo shows on a small terminal."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, timedelta
from typing import cast

import pytest
from households import NOW, reading
from rich.console import Console

from sungather.cli import arguments, demo
from sungather.cli.demo import Opener, Screen, SinceReading
from sungather.daemon.collector import Collector
from sungather.history.cashbook import Cashbook
from sungather.history.service import History
from sungather.household import FLOWS
from sungather.options.all_options import WebOptions
from sungather.service import Service
from sungather.web.server import WebServer

SPEED = 600.0
PAGE = "http://192.168.1.5:8080/"


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    monkeypatch.setenv("FORCE_COLOR", "1")
    made = Screen(SPEED)
    assert made.shows_to_people
    return made


def lines_of(screen: Screen) -> list[str]:
    """What stands on a terminal of 80 columns."""
    console = Console(width=80, color_system=None)
    with console.capture() as captured:
        console.print(screen._live.get_renderable())  # pyright: ignore[reportPrivateUsage]
    return captured.get().splitlines()


def test_on_80_by_24_the_household_stands_above_and_the_page_for_the_phone_last(
    screen: Screen,
) -> None:
    screen.page_is_at(PAGE)
    screen.on_reading(reading())
    lines = lines_of(screen)
    assert len(lines) < 24
    known = [line.partition("  ")[0].strip() for line in lines[3:-2]]
    assert known == [*(flow.replace("_", " ") for flow in FLOWS), "battery level"]
    assert lines[-1] == f"The page: {PAGE}   Ctrl-C stops."


def test_a_scan_takes_the_milliseconds_that_it_takes_and_no_simulated_ones(
    screen: Screen,
) -> None:
    screen.on_reading(replace(reading(pv_power=4200), duration_ms=17_860.0, requests=14))
    assert "14 requests, 29.8 ms" in " ".join(lines_of(screen)[:2])


def test_a_reading_on_the_page_is_as_old_as_it_is_for_who_looks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Though the day runs 600 times as fast: "Live 2 min ago" looks like stale data."""
    passed = iter([0.0, 100.0, 103.0])
    monkeypatch.setattr(demo.time, "monotonic", lambda: next(passed))
    since = SinceReading(NOW - timedelta(hours=5))
    since.on_reading(reading(at=NOW))
    assert since.now() == NOW + timedelta(seconds=3)


async def test_a_phone_is_told_its_address_and_this_machine_opens_its_own(
    screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Page:
        url, url_for_others = "http://localhost:8080/", PAGE

        async def listening(self) -> str:
            return self.url

    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    await Opener(cast(WebServer, Page()), screen).run()
    screen.on_reading(reading())
    assert opened == [Page.url]
    assert PAGE in lines_of(screen)[-1]


def test_what_it_is_worth_is_shown_with_made_up_prices(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    served: list[Service] = []

    def collector(_: object, services: Sequence[Service]) -> Collector:
        served.extend(services)
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "Collector", collector)
    chosen = arguments.parse(["demo", "--port", "0", "--format", "json"])
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(demo.demo(chosen))
    (book,) = (one for one in served if isinstance(one, Cashbook))
    (web,) = (one for one in served if isinstance(one, WebServer))
    assert web._cashbook is book  # pyright: ignore[reportPrivateUsage]
    assert book.tariff.currency == "EUR"


@pytest.mark.parametrize(
    ("address", "known", "told"),
    [
        ("", "192.168.1.5", "http://192.168.1.5:8080/"),
        ("0.0.0.0", "192.168.1.5", "http://192.168.1.5:8080/"),
        ("::", "192.168.1.5", "http://192.168.1.5:8080/"),
        ("", "", "http://localhost:8080/"),
        ("127.0.0.1", "192.168.1.5", "http://127.0.0.1:8080/"),
        ("fd00::5", "192.168.1.5", "http://[fd00::5]:8080/"),
    ],
)
def test_the_address_of_the_page_is_one_that_a_phone_can_open(
    monkeypatch: pytest.MonkeyPatch, address: str, known: str, told: str
) -> None:
    monkeypatch.setattr("sungather.web.server.own_address", lambda: known)
    options = WebOptions(address=address, port=8080)
    web = WebServer(options, history=History(None, UTC), services=list, timezone=UTC)
    assert web.url_for_others == told
