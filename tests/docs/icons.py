"""Draws the page's icons for phones from its SVG: `python -m tests.docs.icons` (needs chromium).

A phone cuts its own corners, so the ground fills the whole square.
"""

import asyncio
from pathlib import Path

import sungather.web
from tests.browser import chromium

STATIC = Path(sungather.web.__file__).with_name("static")
SIZES = (180, 192, 512)


async def main() -> None:
    """Draw every size."""
    drawing = (STATIC / "icon.svg").read_text("utf-8").replace(' rx="15"', "")
    sized = drawing.replace("<svg ", '<svg style="display:block;width:100vw;height:100vh" ', 1)
    async with chromium() as browser:
        for size in SIZES:
            page = await browser.page(size, size)
            await page.run(f"document.body.style.margin = 0; document.body.innerHTML = `{sized}`")
            await page.screenshot(STATIC / f"icon-{size}.png", whole=False)


if __name__ == "__main__":
    asyncio.run(main())
