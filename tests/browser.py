"""Debian's Chromium without a window, driven over its DevTools protocol."""

import asyncio
import base64
import itertools
import json
import os
import shutil
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="needs chromium (Debian package chromium)"
)
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--remote-debugging-port=0",
)
_PATIENCE = 20.0
"""Seconds until a browser that does nothing is called hung."""

Json = dict[str, Any]


class ProtocolError(Exception):
    """The browser refused a command, as it does while a page is being left."""


class Browser:
    """A running Chromium."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Json]] = {}
        self._pages: dict[str, Page] = {}

    async def listen(self) -> None:
        async for text in self._socket:
            message: Json = json.loads(text)
            if "id" in message:
                self._answers.pop(message["id"]).set_result(message)
            elif (page := self._pages.get(message.get("sessionId", ""))) is not None:
                page.heard(message["method"], message["params"])

    async def send(self, method: str, session: str = "", **parameters: Any) -> Json:
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        message = {"id": number, "method": method, "params": parameters}
        await self._socket.send(json.dumps(message | ({"sessionId": session} if session else {})))
        async with asyncio.timeout(_PATIENCE):
            told = await answer
        if "error" in told:
            raise ProtocolError(f"{method}: {told['error']}")
        return told["result"]

    async def page(
        self,
        width: int = 1280,
        height: int = 900,
        *,
        dark: bool = False,
        scripts: bool = True,
        scale: float = 1,
    ) -> "Page":
        """An empty page of its own, with a cache of its own."""
        context = (await self.send("Target.createBrowserContext"))["browserContextId"]
        target = (
            await self.send("Target.createTarget", url="about:blank", browserContextId=context)
        )["targetId"]
        session = (await self.send("Target.attachToTarget", targetId=target, flatten=True))[
            "sessionId"
        ]
        page = self._pages[session] = Page(self, session, target)
        for domain in ("Page", "Runtime", "Network", "Log"):
            await page.send(f"{domain}.enable")
        await page.send("Page.setLifecycleEventsEnabled", enabled=True)
        await page.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=width < 600,
        )
        features = [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        await page.send("Emulation.setEmulatedMedia", features=features)
        if not scripts:
            await page.send("Emulation.setScriptExecutionDisabled", value=True)
        return page


class Page:
    """One tab: what it asked for and complained about is kept."""

    def __init__(self, browser: Browser, session: str, target: str) -> None:
        self._browser = browser
        self._target = target
        self._session = session
        self._loaded: set[str] = set()
        """Ids of the documents that were loaded whole."""
        self._news = asyncio.Event()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.received = 0
        """Bytes as they came over the wire, of what was received whole."""

    async def send(self, method: str, **parameters: Any) -> Json:
        return await self._browser.send(method, self._session, **parameters)

    def heard(self, method: str, told: Json) -> None:
        if method == "Page.lifecycleEvent":
            if told["name"] == "load":
                self._loaded.add(told["loaderId"])
                self._news.set()
        elif method == "Network.requestWillBeSent":
            if not told["request"]["url"].startswith("data:"):  # the browser's own icons
                self.requests.append(told["request"]["url"])
        elif method == "Network.loadingFinished":
            self.received += int(told["encodedDataLength"])
        elif method == "Log.entryAdded":
            self.complaints.append(told["entry"]["text"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(str(told["exceptionDetails"]))

    async def open(self, url: str) -> None:
        """Load a document, and wait until it, and not the one before, is there."""
        told = await self.send("Page.navigate", url=url)
        assert "errorText" not in told, told["errorText"]
        async with asyncio.timeout(_PATIENCE):
            while told["loaderId"] not in self._loaded:
                self._news.clear()
                await self._news.wait()

    async def close(self) -> None:
        await self._browser.send("Target.closeTarget", targetId=self._target)

    async def run(self, script: str) -> Any:
        """The value of an expression, awaited if it is a promise."""
        told = await self.send(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    async def until(self, condition: str) -> None:
        """Wait until an expression is true in the page."""
        async with asyncio.timeout(_PATIENCE):
            while not await self._is(condition):  # noqa: ASYNC110 (another process)
                await asyncio.sleep(0.03)

    async def _is(self, condition: str) -> bool:
        try:
            return await self.run(f"!!({condition})")
        except ProtocolError:
            return False

    async def text(self, selector: str) -> str:
        """What a person reads in an element, which has to be there."""
        found = f"document.querySelector({json.dumps(selector)})"
        return await self.run(f"(e => e.innerText ?? e.textContent)({found})")

    async def key(self, name: str) -> None:
        codes = {"Tab": 9, "Enter": 13, "ArrowRight": 39, "ArrowLeft": 37}
        for kind in ("rawKeyDown", "keyUp"):
            await self.send(
                "Input.dispatchKeyEvent",
                type=kind,
                key=name,
                code=name,
                windowsVirtualKeyCode=codes[name],
            )

    async def screenshot(self, file: Path, *, whole: bool = True) -> None:
        area: Json = {}
        if whole:
            size = (await self.send("Page.getLayoutMetrics"))["cssContentSize"]
            area = {"captureBeyondViewport": True, "clip": {**size, "x": 0, "y": 0, "scale": 1}}
        told = await self.send("Page.captureScreenshot", **area)
        await asyncio.to_thread(file.write_bytes, base64.b64decode(told["data"]))


@asynccontextmanager
async def chromium() -> AsyncGenerator[Browser]:
    """Start the browser; ended with the block."""
    assert CHROMIUM is not None
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as home:
        process = await asyncio.create_subprocess_exec(
            CHROMIUM,
            *_FLAGS,
            f"--user-data-dir={home}",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with connect(await _endpoint(process), max_size=None) as socket:
                browser = Browser(socket)
                listening = asyncio.create_task(browser.listen())
                try:
                    yield browser
                finally:
                    listening.cancel()
                    await asyncio.gather(listening, return_exceptions=True)
        finally:
            process.kill()
            await process.communicate()


async def _endpoint(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    async with asyncio.timeout(_PATIENCE):
        async for line in process.stderr:
            if line.startswith(b"DevTools listening on "):
                return line.decode().split()[-1]
    raise AssertionError("Chromium ended before it listened")
