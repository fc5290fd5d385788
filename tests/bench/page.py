"""Figures of a daemon whose page is open."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from tests.bench.daemon import running_daemon
from tests.bench.device import device_apart
from tests.bench.figures import Figure, cpu_seconds, rss_megabytes
from tests.browser import CHROMIUM, chromium
from tests.real_parts import free_port

CYCLES = 100
"""Scans of one second, after which memory and CPU are read."""
PAGES = 100
SECONDS = 50
"""How long 100 pages are served, at a scan every 5 seconds."""
FILES = ("", "static/style.css", "static/app.js", "static/icon.svg", "static/manifest.webmanifest")


async def page() -> list[Figure]:
    """Memory and CPU with one page open and with a hundred; the weight; the first paint."""
    return [*await _weight_and_paint(), *await _one_page(), *await _hundred_pages()]


async def _one_page() -> list[Figure]:
    async with _daemon(scan_interval=1) as (pid, port):
        async with _open_page(port):
            await asyncio.sleep(5)
            used = cpu_seconds(pid)
            await asyncio.sleep(CYCLES)
            spent = (cpu_seconds(pid) - used) / CYCLES * 1000
            memory = rss_megabytes(pid)
        return [
            Figure("CPU a cycle with one page open, SH10RT level 1", spent, 3, "ms"),
            Figure(f"RSS with the page open after {CYCLES} cycles", memory, 40, "MB"),
        ]


async def _hundred_pages() -> list[Figure]:
    async with _daemon(scan_interval=5) as (pid, port), contextlib.AsyncExitStack() as stack:
        for _ in range(PAGES):
            await stack.enter_async_context(_open_page(port))
        await asyncio.sleep(6)
        used = cpu_seconds(pid)
        await asyncio.sleep(SECONDS)
        share = (cpu_seconds(pid) - used) / SECONDS * 100
        memory = rss_megabytes(pid)
    return [
        Figure(f"{PAGES} open pages at 5 s scans, share of one core", share, 10, "%"),
        Figure(f"RSS with {PAGES} open pages", memory, None, "MB"),
    ]


async def _weight_and_paint() -> list[Figure]:
    async with _daemon(scan_interval=5) as (_, port):
        weight = sum([len(await _get(port, f"/{name}")) for name in FILES]) / 1024
        found = [Figure("page weight, gzipped, all files", weight, 60, "kB")]
        if CHROMIUM is not None:
            async with chromium() as browser:
                tab = await browser.page(390, 844)
                await tab.open(f"http://127.0.0.1:{port}/")
                await tab.until("performance.getEntriesByName('first-contentful-paint').length")
                paint = await tab.run(
                    "performance.getEntriesByName('first-contentful-paint')[0].startTime"
                )
            found.append(Figure("first paint on loopback", float(paint), None, "ms"))
    return found


async def _get(port: int, path: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"GET {path} HTTP/1.1\r\nHost: here\r\nAccept-Encoding: gzip\r\nConnection: close"
    writer.write(f"{head}\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return answer


@contextlib.asynccontextmanager
async def _open_page(port: int) -> AsyncGenerator[None]:
    """What a browser does: the page, its files, then the live stream."""
    for name in FILES:
        await _get(port, f"/{name}")
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /events HTTP/1.1\r\nHost: here\r\n\r\n")

    async def listen() -> None:
        while await reader.read(65536):
            pass

    listening = asyncio.create_task(listen())
    try:
        yield
    finally:
        listening.cancel()
        writer.close()


@contextlib.asynccontextmanager
async def _daemon(scan_interval: float) -> AsyncGenerator[tuple[int, int]]:
    """A daemon on a simulated inverter that has a reading: its process and the page's port."""
    port = free_port()
    async with device_apart() as device:
        settings = {
            "inverter.host": "127.0.0.1",
            "inverter.port": device,
            "inverter.scan-interval": scan_interval,
            "web.enabled": "true",
            "web.address": "127.0.0.1",
            "web.port": port,
        }
        async with running_daemon(settings) as daemon:
            yield daemon.pid, port
