"""Makes the pictures of the docs: `python -m tests.docs.screenshots` (needs chromium).

They show what `sungather demo` shows at three in the afternoon of its simulated day.
"""

import asyncio
import re
import sys
from pathlib import Path

from tests.browser import chromium

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
            file = PICTURES / f"{name}.png"
            await page.screenshot(file, whole=False)
            print(f"{file.name}: {file.stat().st_size // 1024} kB", file=sys.stderr)


if __name__ == "__main__":
    asyncio.run(main())
