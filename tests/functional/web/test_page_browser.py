"""The page in a real browser: what a person sees, hears and can do."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from browser import Browser, Page, chromium, needs_chromium
from households import BERLIN, NOW, TARIFF, household, reading, silent
from views import battery, charger

from sungather.reading import FaultReport, Reading, State
from tests.plain_values import measurements

pytestmark = [needs_chromium, pytest.mark.asyncio(loop_scope="module")]

AXE = Path(__file__).parents[2] / "npm/node_modules/axe-core/axe.min.js"
FAULT = "083 Fan 2 Stall Alarm"
SOMEWHERE = "192.168.1.10 does not answer on port 502. Check that it is on, and its address."
PHONE, DESKTOP = 390, 1280
HOSTILE = '"><img src=x onerror=document.title="owned">'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncGenerator[Browser]:
    async with chromium() as started:
        yield started


async def rules(page: Page) -> list[str]:
    """What axe-core has against the page, by WCAG 2.2 AA and its best practices."""
    if not AXE.exists():
        pytest.skip("needs axe-core (npm ci --prefix tests/npm)")
    await page.run(await asyncio.to_thread(AXE.read_text))
    found: Any = await page.run(
        "axe.run(document, {resultTypes: ['violations']}).then(told => "
        "told.violations.map(v => [v.id, v.help, v.nodes.map(n => n.html.slice(0, 200))]))"
    )
    return [json.dumps(one) for one in found]


async def test_a_person_sees_what_happens_now(browser: Browser) -> None:
    async with household() as (web, _, _):
        page = await browser.page(PHONE, 844)
        web.on_reading(
            reading(
                pv_power=4820,
                house_power=1540,
                grid_import_power=0,
                grid_export_power=1640,
                battery_charge_power=1640,
                battery_discharge_power=0,
                battery_level=64.0,
            )
        )
        await page.open(web.url)
        assert "Live" in await page.text("#status")
        assert await page.text(".sentence") == (
            "Solar is producing 4.82\u00a0kW, the house uses 1.54\u00a0kW, the battery takes "
            "1.64\u00a0kW and 1.64\u00a0kW goes to the grid."
        )
        assert await page.text(".node.pv .watts") == "4.82kW"
        assert await page.text(".node.battery .label") == "64\u00a0%"
        assert page.complaints == []


STATES = {
    State.OK: ("Live", "just now"),
    State.CONNECTING: ("Connecting", "waiting for the first answer"),
    State.ASLEEP: ("Asleep", "since 13:42"),
    State.UNREACHABLE: ("Unreachable", "since 13:42"),
    State.BUSY: ("Busy", "since 13:42"),
    State.NOT_AN_INVERTER: ("Not an inverter", "since 13:42"),
    State.MISCONFIGURED: ("Misconfigured", "since 13:42"),
}


@pytest.mark.parametrize("state", State)
async def test_every_state_is_said_in_words_and_shows_no_old_value(
    browser: Browser, state: State
) -> None:
    async with household() as (web, _, _):
        web.on_reading(reading() if state is State.OK else silent(state, message=SOMEWHERE))
        page = await browser.page(PHONE, 844)
        await page.open(web.url)
        shown = await page.text("#status")
        for words in STATES[state]:
            assert words in shown
        watts = await page.text(".node.pv .watts")
        if state is State.OK:
            assert "W" in watts
        else:
            assert watts == "–"
            night = state is State.ASLEEP
            if night:
                assert "sleeps until the sun is up" in shown
                assert await page.text("#trouble") != SOMEWHERE
            else:
                assert SOMEWHERE in await page.text("#trouble")
            assert "No faults" not in await page.text("#faults")


async def test_an_overdue_reading_is_not_called_live(browser: Browser) -> None:
    async with household() as (web, _, watch):
        watch.tick(600)
        page = await browser.page()
        await page.open(web.url)
        assert "No news" in await page.text("#status")
        assert "10 min ago" in await page.text("#status")
        assert await page.text(".node.pv .watts") == "–"
        web.on_reading(reading("garage", watch.moment, pv_power=1500))
        await page.open(web.url)
        assert "1 of 2 live" in await page.text("#status")
        assert "house: No news" in await page.text("#status")
        assert await page.text(".node.pv .watts") == "–"
        assert "1.50" in await page.text("#inverters")


async def test_a_value_that_is_absent_is_a_dash_and_never_zero(browser: Browser) -> None:
    async with household(["garage"]) as (web, _, _):
        page = await browser.page()
        await page.open(web.url)
        assert await page.text(".node.house .watts") == "–"
        assert await page.text(".node.grid .watts") == "–"
        assert await page.run("document.querySelector('.node.battery')") is None
        await page.run("document.querySelector('#all details').open = true")
        assert await page.text("#v-backup_power") == "–"


async def test_new_readings_appear_by_themselves(browser: Browser) -> None:
    async with household() as (web, _, watch):
        page = await browser.page()
        await page.open(web.url)
        await page.run("document.querySelector('.flow').mark = 1")
        watch.tick(5)
        web.on_reading(reading(at=watch.moment, pv_power=1234))
        await page.until("document.querySelector('.node.pv .watts').textContent === '1.23kW'")
        assert await page.run("document.querySelector('.flow').mark") == 1, "changed in place"
        web.on_reading(silent(State.UNREACHABLE, at=watch.moment, message=SOMEWHERE))
        await page.until("document.querySelector('#status').innerText.includes('Unreachable')")
        assert await page.text(".node.pv .watts") == "–"


async def test_the_age_counts_on_between_readings(browser: Browser) -> None:
    async with household() as (web, _, _):
        page = await browser.page()
        await page.open(web.url)
        await page.until("/^[2-9] s ago$/.test(document.querySelector('time.ago').textContent)")


async def test_a_page_that_lost_the_server_says_so_and_greys_its_values(browser: Browser) -> None:
    page = await browser.page()
    async with household() as (web, _, _):
        await page.open(web.url)
        assert await page.text("#connection") == ""
    # The server is gone, so the page does not wait for a heartbeat that may still come.
    await page.until("document.body.classList.contains('lost')")
    assert await page.run("getComputedStyle(document.querySelector('.pill')).display") == "none"
    assert "these values are old" in await page.text("#connection")


async def test_the_curve_has_real_gaps_and_shows_silence(browser: Browser) -> None:
    async with household() as (web, _, _):
        page = await browser.page()
        await page.open(web.url)
        line = await page.run("document.querySelector('.line.s-house').getAttribute('d')")
        assert line.count("M") == 3, "night to 6:30, from 7:00, after the silence"
        bands = "[...document.querySelectorAll('.band title')].map(t => t.textContent)"
        assert await page.run(bands) == ["Unreachable 10:00–10:25"]


async def test_todays_curve_grows_while_the_page_is_open(browser: Browser) -> None:
    async with household() as (web, history, watch):
        page = await browser.page()
        await page.open(web.url)
        path = "document.querySelector('.line.s-pv').getAttribute('d')"
        before = await page.run(path)
        watch.tick(600)
        later = reading(at=watch.moment)
        history.on_reading(later)
        await history.commit()
        async with asyncio.timeout(20):
            while (now := await page.run(path)) == before:
                web.on_reading(later)  # the page asks for the curve at most every other second
                await asyncio.sleep(0.3)
        assert now.startswith(before)


async def test_a_late_answer_about_today_does_not_replace_the_day_chosen_meanwhile(
    browser: Browser,
) -> None:
    async with household(days=2) as (web, _, watch):
        page = await browser.page()
        await page.open(web.url)
        await page.run(
            "{ const ask = fetch; window.fetch = async (address) => {"
            "  const answer = await ask(address);"
            "  if (window.release) return answer;"
            "  const html = await answer.text();"
            "  await new Promise((resolve) => { window.release = resolve; });"
            "  return { ok: true, text: async () => html }; }; }"
        )
        watch.tick(600)
        async with asyncio.timeout(20):
            while not await page.run("!!window.release"):
                web.on_reading(
                    reading(at=watch.moment)
                )  # the page asks at most every other second
                await asyncio.sleep(0.3)
        await page.run("document.querySelector('a[rel=prev]').click()")
        await page.until("document.getElementById('day-title').textContent === 'Yesterday'")
        await page.run("window.release()")
        assert await page.text("#day-title") == "Yesterday"
        assert "day=2026-06-17" in await page.run("location.search")


async def test_days_back_are_a_step_away_and_the_way_forward_too(browser: Browser) -> None:
    async with household(days=2) as (web, _, _):
        page = await browser.page()
        await page.open(web.url)
        await page.run("document.querySelector('a[rel=prev]').click()")
        await page.until("document.getElementById('day-title').textContent === 'Yesterday'")
        assert "day=2026-06-17" in await page.run("location.search")
        assert await page.run("document.activeElement.rel") == "prev"
        await page.until("document.querySelector('.line.s-pv')")
        await page.open(f"{web.url}?day=2026-06-17")
        assert await page.text("#day-title") == "Yesterday"
        await page.run("document.querySelector('a[rel=next]').click()")
        await page.until("document.getElementById('day-title').textContent === 'Today'")


async def test_the_arrow_keys_read_the_curve(browser: Browser) -> None:
    async with household() as (web, _, _):
        page = await browser.page()
        await page.open(web.url)
        await page.run("document.querySelector('.plot').focus()")
        await page.key("ArrowRight")
        await page.until("document.querySelector('.reading').textContent.startsWith('12:00')")
        await page.key("ArrowLeft")
        await page.until("document.querySelector('.reading').textContent.startsWith('11:55')")
        assert "Solar" in await page.text(".reading")


async def test_the_keyboard_reaches_the_values_first(browser: Browser) -> None:
    async with household(["house", "garage"]) as (web, _, _):
        page = await browser.page()
        await page.open(web.url)
        await page.key("Tab")
        assert await page.run("document.activeElement.className") == "skip"
        for _ in range(3):
            await page.key("Tab")
        assert await page.run("document.activeElement.textContent") == "house"


async def test_the_search_leaves_what_is_looked_for(browser: Browser) -> None:
    async with household() as (web, _, watch):
        page = await browser.page()
        await page.open(web.url)
        await page.run(
            "{ document.querySelector('#all details').open = true;"
            "const field = document.getElementById('search'); field.value = 'mppt volt';"
            "field.dispatchEvent(new Event('input')); }"
        )
        rows = "[...document.querySelectorAll('#values tbody tr')].filter(r => !r.hidden).length"
        assert await page.run(rows) == 2
        web.on_reading(reading(at=watch.moment, mppt_3_voltage=1.0))
        await page.until(f"{rows} === 3")
        assert "3 of " in await page.text("#found")


async def test_totals_name_their_period_and_the_day_they_begin(browser: Browser) -> None:
    async with household(days=2) as (web, history, _):
        page = await browser.page()
        await page.open(web.url)
        text = await page.text("#totals")
        for word in ("Today", "June", "2026", "Lifetime", "since 17 Jun", "Self-sufficiency"):
            assert word in text
        today = history.totals("house")["house"].today
        assert today is not None
        assert f"{today.kwh:.1f}" in text


async def test_faults_are_decoded_with_their_times(browser: Browser) -> None:
    async with household() as (web, history, _):
        old = reading(at=NOW - timedelta(days=9), battery_fault="932 Over-temperature")
        now = reading(inverter_alarm=f"{FAULT}; 532 String 3")
        for one in (old, now):
            history.on_reading(one)
        web.on_reading(now)
        page = await browser.page()
        await page.open(web.url)
        text = await page.text("#faults")
        assert FAULT in text
        assert "first seen 15:20 · still there" in text
        assert "No faults" not in text
        await page.run("document.querySelector('#faults details').open = true")
        assert "9 Jun 15:20" in await page.text("#faults .past")


async def test_a_phone_shows_faults_on_its_first_screen(browser: Browser) -> None:
    async with household() as (web, _, _):
        web.on_reading(reading(inverter_alarm=f"{FAULT}; 532 String 3"))
        page = await browser.page(PHONE, 844)
        await page.open(web.url)
        assert FAULT in await page.text("#trouble")
        assert "532 String 3" in await page.text("#trouble")
        assert await page.run("document.title") == "(3) SunGather", "and an exporter"
        place = "document.querySelector('#trouble li:last-child').getBoundingClientRect().bottom"
        assert float(str(await page.run(place))) < 844


async def test_what_is_not_known_of_faults_is_said_and_never_that_there_are_none(
    browser: Browser,
) -> None:
    async with household() as (web, _, _):
        reason = "the device refuses battery_fault (register 13066)"
        web.on_reading(replace(reading(), faults=FaultReport(unknown=reason)))
        page = await browser.page()
        await page.open(web.url)
        text = await page.text("#faults")
        assert f"Unknown: {reason}." in text
        assert "No faults" not in text


async def test_a_battery_has_no_word_about_faults(browser: Browser) -> None:
    async with household() as (web, _, _):
        battery = replace(
            reading(), name="house-battery-1", family="battery", kind="battery", via="house",
            faults=None,
        )  # fmt: skip
        web.on_reading(battery)
        page = await browser.page()
        await page.open(f"{web.url}?inverter=house-battery-1")
        assert (
            await page.run("getComputedStyle(document.getElementById('faults')).display") == "none"
        )
        assert "No faults" not in await page.text("body")


async def test_several_inverters_have_a_sum_and_a_page_each(browser: Browser) -> None:
    async with household(["house", "garage"]) as (web, _, watch):
        for name, watts in (("house", 3000), ("garage", 1500)):
            web.on_reading(reading(name, pv_power=watts))
        page = await browser.page(PHONE, 844)
        await page.open(web.url)
        assert await page.text(".node.pv .watts") == "4.50kW"
        assert "2 of 2 live" in await page.text("#status")
        web.on_reading(silent(State.ASLEEP, "garage", watch.moment))
        await page.until("document.querySelector('.node.pv .watts').textContent === '3.00kW'")
        assert "garage: Asleep" in await page.text("#status")
        await page.run("document.querySelector('nav a:last-child').click()")
        await page.until("document.title.endsWith('garage · SunGather')")
        await page.until("document.readyState === 'complete'")
        assert "SG6.0RT" in await page.text("#status")
        assert "asleep" in (await page.text("#status")).lower()


async def test_a_battery_behind_the_inverter_has_a_page_and_is_in_no_sum(
    browser: Browser,
) -> None:
    async with household() as (web, _, watch):
        web.on_reading(reading(pv_power=3000, battery_level=50.0))
        known = reading("house", watch.moment, cell_voltage=3.31, battery_level=90.0)
        battery = replace(
            known,
            name="house-battery-1",
            model="SBR128",
            family="battery",
            measurements={
                n: v for n, v in known.measurements.items() if "cell" in n or "level" in n
            },
        )
        web.on_reading(battery)
        page = await browser.page(PHONE, 844)
        await page.open(web.url)
        assert "of 2 live" not in await page.text("#status")
        assert await page.text(".node.battery .label") == "50\u00a0%"
        assert "MPPT 2" in await page.text("#details")
        assert "SBR128" in await page.text("#battery")
        await page.run("document.querySelector('#battery a').click()")
        await page.until("document.title.includes('Battery')")
        await page.until("document.readyState === 'complete'")
        assert await page.run("document.querySelector('#day, #totals, .flow')") is None
        web.on_reading(replace(battery, measurements=measurements({"cell_voltage": 3.42})))
        await page.until(
            "document.querySelector('#v-cell_voltage').textContent.startsWith('3.42')"
        )
        assert page.complaints == []


async def test_months_and_years_are_shown_without_leaving_the_page(browser: Browser) -> None:
    async with household(days=40) as (web, _, _):
        page = await browser.page(PHONE, 844)
        await page.open(web.url)
        assert "June 2026" in await page.text("#bars")
        before = list(page.requests)
        await page.run("document.querySelector('#bars .tabs a:nth-child(2)').click()")
        await page.until("document.querySelector('#bars-title').textContent === '2026'")
        assert await page.run("document.activeElement.textContent") == "Year"
        assert await page.run("document.querySelectorAll('#bars rect.s-pv').length") == 2
        asked = page.requests[len(before) :]
        assert [url for url in asked if "static/" not in url] == [
            f"{web.url}bars?span=year&of=2026-06-18&inverter=&lang=en"
        ]
        link = await page.run("document.querySelector('#bars a[download]').getAttribute('href')")
        assert link == "api/v1/energies.csv?first=2026-01-01&last=2026-12-31"
        assert page.complaints == []


async def test_a_month_is_printed_whole_and_light(browser: Browser) -> None:
    async with household(days=40) as (web, _, _):
        page = await browser.page(DESKTOP, dark=True)
        await page.open(web.url)
        paint = "getComputedStyle(document.body).backgroundColor"
        assert await page.run(paint) != "rgb(255, 255, 255)"
        await page.run("[...document.querySelectorAll('#bars .links a')].at(-1).click()")
        await page.until("document.querySelector('h1')?.textContent === 'June 2026'")
        assert await page.run("document.querySelectorAll('.periods tbody tr').length") == 18
        dark = [{"name": "prefers-color-scheme", "value": "dark"}]
        await page.send("Emulation.setEmulatedMedia", media="print", features=dark)
        assert await page.run(paint) == "rgb(255, 255, 255)"
        ink = "getComputedStyle(document.querySelector('.periods td')).color"
        assert await page.run(ink) == "rgb(0, 0, 0)"
        assert page.complaints == []


@pytest.mark.parametrize("language", ["en", "de"])
async def test_on_a_phone_the_header_is_one_line_and_no_table_is_cut(
    browser: Browser, language: str
) -> None:
    async with household(["house", "garage"], days=2) as (web, _, _):
        for device in (battery(), charger()):
            web.on_reading(device)
        page = await browser.page(PHONE, 844)
        for inverter in ("", "house"):
            await page.open(f"{web.url}?lang={language}&inverter={inverter}")
            header = "document.querySelector('header').getBoundingClientRect().height"
            assert await page.run(header) < 64
            await page.run("document.querySelectorAll('details').forEach(d => d.open = true)")
            wide = "[...document.querySelectorAll('.wide')]"
            cut = f"{wide}.filter(e => e.scrollWidth > e.clientWidth).length"
            assert await page.run(cut) == 0


async def test_how_exporters_are_doing_is_shown(browser: Browser) -> None:
    async with household() as (web, _, _):
        page = await browser.page()
        await page.open(web.url)
        text = await page.text("#services")
        assert "InfluxDB waiting" in text
        assert "37 waiting" not in text, "plumbing is behind a fold"
        await page.run("document.querySelector('#services details').open = true")
        assert "37 waiting" in await page.text("#services")
        assert "connection refused" in await page.text("#trouble")


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
async def test_without_scripts_everything_can_be_read(browser: Browser, width: int) -> None:
    async with household(days=2) as (web, _, _):
        page = await browser.page(width, scripts=False)
        await page.open(f"{web.url}?day=2026-06-17")
        for selector, text in {
            "#status": "Live",
            ".sentence": "Solar is producing",
            "#day-title": "Yesterday",
            "#totals": "Yesterday",
            "#faults": "No faults now",
            "#details": "MPPT 2",
            "#services": "MQTT",
        }.items():
            assert text in await page.text(selector), selector
        values = "document.querySelector('#v-pv_power').textContent.endsWith('W')"
        assert await page.run(values)
        assert await page.run("document.querySelector('.line.s-pv').getBBox().width > 0")
        assert len(page.requests) <= 4, "page, style, icon and no script"


async def _forward(
    port: int, prefix: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """What an ingress does: one request, its prefix taken off."""
    onward = None
    with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        if head.startswith(f"GET {prefix}/"):
            upstream, onward = await asyncio.open_connection("127.0.0.1", port)
            changed = head.replace(f"GET {prefix}/", "GET /", 1)
            onward.write(changed.replace("Connection: keep-alive", "Connection: close").encode())
            while data := await upstream.read(65536):
                writer.write(data)
                await writer.drain()
        else:
            writer.write(b"HTTP/1.1 502 Outside\r\nContent-Length: 0\r\n\r\n")
    writer.close()
    if onward is not None:
        onward.close()


@asynccontextmanager
async def ingress(port: int, prefix: str) -> AsyncGenerator[str]:
    clients: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        clients.add(task)
        await _forward(port, prefix, reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}{prefix}/"
    finally:
        server.close()
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)


async def test_under_a_path_prefix_everything_works(browser: Browser) -> None:
    async with household(["house", "garage"], days=2) as (web, _, watch):
        assert web.port is not None
        async with ingress(web.port, "/api/ingress/x1") as url:
            page = await browser.page()
            await page.open(f"{url}?inverter=house")
            web.on_reading(reading(at=watch.moment, pv_power=1234))
            await page.until("document.querySelector('.node.pv .watts').textContent === '1.23kW'")
            await page.run("document.querySelector('a[rel=prev]').click()")
            await page.until("document.getElementById('day-title').textContent === 'Yesterday'")
            await page.run("document.querySelector('.brand').click()")
            await page.until(
                "document.title.endsWith(') SunGather') && document.querySelector('#inverters')"
            )
            assert await page.run("location.pathname") == "/api/ingress/x1/"
            assert [one for one in page.requests if not one.startswith(url)] == []
            assert page.complaints == []
            await page.open("about:blank")


async def test_a_german_browser_gets_a_german_page_and_a_choice_is_kept(browser: Browser) -> None:
    async with household(["house", "garage"], days=2) as (web, _, watch):
        assert web.port is not None
        async with ingress(web.port, "/api/ingress/x1") as url:
            page = await browser.page(PHONE, 844)
            await page.send("Network.setExtraHTTPHeaders", headers={"Accept-Language": "de-DE"})
            await page.open(url)
            assert await page.run("document.documentElement.lang") == "de"
            assert "Solar liefert" in await page.text(".sentence")
            web.on_reading(reading("house", watch.moment, pv_power=1234))
            await page.until("document.querySelector('#flow').innerText.includes('Einspeisung')")
            await page.until("/^vor \\d s$/.test(document.querySelector('time.ago').textContent)")
            await page.run("document.querySelector('.plot').focus()")
            await page.key("ArrowRight")
            await page.until(
                "/Solar \\d+,\\d/.test(document.querySelector('.reading').textContent)"
            )
            await page.run("document.querySelector('footer a[lang=en]').click()")
            await page.until("document.documentElement?.lang === 'en'")
            await page.open(f"{url}?inverter=garage")
            assert await page.run("document.documentElement.lang") == "en", "kept by the browser"
            assert [one for one in page.requests if not one.startswith(url)] == []
            assert page.complaints == []
            await page.open("about:blank")


async def test_the_page_asks_nobody_else_and_weighs_less_than_60_kb(browser: Browser) -> None:
    async with household(days=2) as (web, _, _):
        known = reading()
        more = {f"register_{n}": n / 7 for n in range(150)}
        web.on_reading(replace(known, measurements={**known.measurements, **measurements(more)}))
        page = await browser.page()
        await page.open(web.url)
        await page.run(
            "document.querySelector('.plot').dispatchEvent(new PointerEvent("
            "'pointermove', {bubbles: true, clientX: 900, clientY: 200}))"
        )
        await page.until("!document.querySelector('.reading').hidden")
        assert [one for one in page.requests if not one.startswith(web.url)] == []
        assert 5_000 < page.received < 60_000
        assert page.complaints == []


def awkward(name: str = "house") -> Reading:
    """Everything that a device says is a piece of HTML."""
    told = reading(name, inverter_alarm=HOSTILE, work_state_1=HOSTILE)
    return replace(told, model=HOSTILE, serial=HOSTILE, firmware={HOSTILE: HOSTILE})


async def test_what_a_device_says_is_text_and_never_html(browser: Browser) -> None:
    async with household() as (web, history, _):
        history.on_reading(awkward())
        web.on_reading(awkward())
        page = await browser.page()
        await page.open(web.url)
        web.on_reading(replace(awkward(), serial=HOSTILE + "2"))
        await page.until("document.querySelector('#status').innerText.includes('>2')")
        assert await page.run("document.images.length") == 0
        web.on_reading(silent(State.BUSY, message=HOSTILE))
        await page.until("document.querySelector('.trouble')?.innerText.includes('<img')")
        assert await page.run("document.images.length") == 0
        assert await page.run("document.title") != "owned"


VIEWS = ["good", "lost", "night", "faults", "two", "empty", "devices", "money"]


@asynccontextmanager
async def view(name: str) -> AsyncGenerator[str]:
    names = {"two": ["house", "garage"], "empty": []}.get(name, ["house"])
    tariff = TARIFF if name == "money" else None
    async with household(names, days=2, tariff=tariff) as (web, history, watch):
        if name == "lost":
            web.on_reading(silent(State.UNREACHABLE, message=SOMEWHERE))
        elif name == "night":
            dark = (NOW - timedelta(hours=11, minutes=12)).astimezone(BERLIN)
            watch.moment = dark
            web.on_reading(reading(at=dark))
        elif name == "faults":
            now = reading(inverter_alarm=f"{FAULT}; 532 String 3 Reverse Connection Alarm")
            history.on_reading(now)
            web.on_reading(now)
        elif name == "two":
            web.on_reading(silent(State.ASLEEP, "garage"))
        elif name == "devices":
            for device in (battery(), charger()):
                web.on_reading(device)
        yield web.url


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", VIEWS)
async def test_the_page_fits_every_screen_and_axe_finds_nothing_against_it(
    browser: Browser, name: str, dark: bool, language: str
) -> None:
    async with view(name) as url:
        for width in (320, PHONE, 768, DESKTOP):
            page = await browser.page(width, dark=dark)
            await page.open(f"{url}?lang={language}")
            await page.run("document.querySelectorAll('details').forEach(d => d.open = true)")
            assert await page.run("document.documentElement.scrollWidth") <= width
            if width in (PHONE, DESKTOP):
                assert await rules(page) == [], width
            await page.close()


@pytest.mark.parametrize("address", ["report", "codes", "?inverter=house-battery-1"])
async def test_other_documents_fit_and_axe_finds_nothing_against_them(
    browser: Browser, address: str
) -> None:
    async with view("devices") as url:
        for width, dark in ((320, False), (PHONE, True), (DESKTOP, False)):
            page = await browser.page(width, dark=dark)
            await page.open(f"{url}{address}")
            assert await page.run("document.documentElement.scrollWidth") <= width
            assert await rules(page) == [], width
            await page.close()
