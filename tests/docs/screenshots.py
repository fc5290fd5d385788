"""Makes the pictures of the docs: `python -m tests.docs.screenshots` (needs chromium).

Two show what `sungather demo` shows at three in the afternoon of its simulated day; the others a
household that has been looked at for seven weeks, on a phone and on paper.
"""

import asyncio
import re
import sys
from datetime import timedelta
from pathlib import Path

import households
from views import battery, charger

from sungather.simulator.day import Life
from tests.browser import Page, chromium

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
_SPEED = 240
"""A reading every four minutes of the day, so that the curve has no gaps."""
_FROM_SUNRISE_TO_THREE = 10 * 3600 / _SPEED
"""Seconds; the demo's day begins at five."""


async def main() -> None:
    """Run the demo until its afternoon, and take every picture."""
    demo = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sungather", "demo", "--speed", str(_SPEED)),
        *("--address", "127.0.0.1", "--port", "0"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert demo.stderr is not None
        url = await _address(demo.stderr)
        print(f"the demo's morning takes {_FROM_SUNRISE_TO_THREE:.0f} seconds", file=sys.stderr)
        await asyncio.sleep(_FROM_SUNRISE_TO_THREE)
        await _take(url)
    finally:
        demo.terminate()
        await demo.communicate()
    await _take_the_household()


async def _address(lines: asyncio.StreamReader) -> str:
    async for line in lines:
        if found := re.search(rb"http://\S+", line):
            return found[0].decode()
    raise SystemExit("the demo ended before it said where its page is")


async def _take(url: str) -> None:
    async with chromium() as browser:
        for name, dark in (("page-light", False), ("page-dark", True)):
            page = await browser.page(1000, 596, dark=dark, scale=1.5)
            await page.open(url)
            await page.until("document.querySelector('svg') !== null")
            await _save(page, name)


async def _take_the_household() -> None:
    begin = households.DAY - timedelta(days=48)
    households.LIVES["house"] = Life(households.HYBRID, begin)
    scene = households.household(
        days=48, step=900, services=households.SERVICES[:1], tariff=households.TARIFF
    )
    async with scene as (web, _, _), chromium() as browser:
        for device in (battery(), charger()):
            web.on_reading(device)
        for name, dark, show, address in (
            ("phone", False, "body", ""),
            ("phone-german-dark", True, "#bars", "?lang=de"),
            ("money", False, "#money", ""),
            ("month", False, "body", "report?of=2026-05-01"),
        ):
            width, height = (900, 760) if name == "month" else (390, 760)
            page = await browser.page(width, height, dark=dark, scale=1.5)
            await page.open(f"{web.url}{address}")
            await page.run(f"document.querySelector('{show}').scrollIntoView()")
            await _save(page, name)


async def _save(page: Page, name: str) -> None:
    file = PICTURES / f"{name}.png"
    await page.screenshot(file, whole=False)
    print(f"{file.name}: {file.stat().st_size // 1024} kB", file=sys.stderr)


if __name__ == "__main__":
    asyncio.run(main())
