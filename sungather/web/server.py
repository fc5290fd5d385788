"""The web server as a service: which address answers what."""

import asyncio
import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta, tzinfo
from importlib import resources
from typing import Final

import sungather
from sungather.clock import Clock
from sungather.history.periods import Span
from sungather.history.service import History
from sungather.options.table import WebOptions
from sungather.reading import Reading, State, rfc3339
from sungather.service import Health
from sungather.site import AUTO, Plant
from sungather.web import api, bars, curve, page
from sungather.web.door import own_address
from sungather.web.http import HttpServer, Limits, Request, Response, gzip, takes_gzip
from sungather.web.live import Live
from sungather.web.metrics import Metrics
from sungather.web.page_model import PageModel

log = logging.getLogger(__name__)

_RETRY_SECONDS: Final = 30.0
_JSON: Final = "application/json"
_HTML: Final = "text/html; charset=utf-8"
_TYPES: Final = {
    "style.css": "text/css; charset=utf-8",
    "app.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
    "manifest.webmanifest": "application/manifest+json",
}
_FOR_EVER: Final = {"Cache-Control": "public, max-age=31536000, immutable"}
_EARLIEST: Final = date(2000, 1, 1)
_LATE_SCAN: Final = 1.5
"""Scans that may pass between two points of a curve before that is a gap."""
_STALE_SCANS: Final = 3.5
"""Scans without news after which a reading is no longer called live."""


class WebServer:
    """Serves the page, the API, the metrics and the live stream; a `Service`."""

    name = "web"

    def __init__(
        self,
        options: WebOptions,
        *,
        history: History,
        services: Callable[[], Sequence[Health]],
        timezone: tzinfo,
        clock: Clock | None = None,
        scan_interval: float = 30.0,
        limits: Limits | None = None,
        meter: str = AUTO,
    ) -> None:
        """`services` tells the health of everything; `scan_interval` is the longest, in s.

        `meter`: the option `site.meter`.
        """
        self._options = options
        self._hosts = frozenset(_bare(one) for one in options.hosts.split(",") if one)
        """The hosts that are answered; empty for all."""
        self._history = history
        self._services = services
        self._timezone = timezone
        self._clock = clock or Clock()
        self._stale_after = timedelta(seconds=max(20.0, scan_interval * _STALE_SCANS))
        self._patience = round(scan_interval * _LATE_SCAN)
        self._http = HttpServer(self._answer, limits)
        self._metrics = Metrics()
        self._live = Live(
            self._parts,
            lambda: rfc3339(self._clock.now()),
            several=lambda: len(self._readings) > 1,
        )
        self._readings: dict[str, Reading] = {}
        self._plant = Plant(meter)
        self._files = _Files()
        self._curves: dict[tuple[str, date], tuple[int, str]] = {}
        self._listening = asyncio.Event()
        self._health = Health(self.name, "starting")
        self.port: int | None = None
        """The port that it listens on, once it does."""

    def on_reading(self, reading: Reading) -> None:
        """Show a new reading."""
        self._readings[reading.name] = reading
        self._metrics.on_reading(reading)
        self._plant.on_reading(reading)
        self._live.changed()

    async def run(self) -> None:
        """Serve until cancelled. A port that is taken is tried again."""
        while True:
            try:
                self.port = await self._http.start(
                    self._options.address or None, self._options.port
                )
            except OSError as error:
                self._refused(error)
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            try:
                self._health = Health(self.name, "ok", last_success=self._clock.now())
                log.info("The page is at %s", self.url_for_others)
                self._listening.set()
                await self._live.run()
            finally:
                self._listening.clear()
                self._health = Health(self.name, "stopped")
                await self._http.stop()

    async def listening(self) -> str:
        """Wait until the page is there; its address."""
        await self._listening.wait()
        return self.url

    @property
    def url(self) -> str:
        """The page's address, as this machine can open it."""
        return self._url("localhost" if self._is_everywhere else self._options.address)

    @property
    def url_for_others(self) -> str:
        """The page's address as a phone in the same network can open it, as far as known."""
        own = own_address() if self._is_everywhere else ""
        return self._url(own) if own else self.url

    @property
    def _is_everywhere(self) -> bool:
        return self._options.address in ("", "0.0.0.0", "::")  # noqa: S104 (compared, not bound)

    def _url(self, host: str) -> str:
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port or self._options.port}/"

    def health(self) -> Health:
        """Whether the page is being served."""
        return self._health

    def _refused(self, error: OSError) -> None:
        where = f"{self._options.address or '*'}:{self._options.port}"
        message = (
            f"The page cannot listen on {where}: {error.strerror or error}. "
            "Choose another web.port, or stop what uses it. Tried again every "
            f"{_RETRY_SECONDS:.0f} seconds; everything else goes on."
        )
        if self._health.message != message:
            log.error(message)
        self._health = replace(self._health, state="blocked", message=message)

    async def _answer(self, request: Request) -> Response:
        if self._hosts and _host_of(request) not in self._hosts:
            # 421: the request was meant for somebody else.
            refusal = "The page is not served under this name; see web.hosts."
            return Response(f"{refusal}\n".encode(), status=421)
        path = request.path
        if path.startswith("/static/"):
            return self._files.answer(request)
        answers = {
            "/": self._page,
            "/curve": self._curve_part,
            "/bars": self._bars_part,
            "/api/v1/energies.csv": self._energies_csv,
            "/api/v1/history": self._day,
        }
        known = request.query.get("inverter", "") in ("", *self._readings)
        if path in answers:
            return await answers[path](request) if known else _missing("No such inverter.")
        moment = self._clock.now()
        match path:
            case "/events" if known:
                stream = self._live.stream(request.query.get("inverter", ""))
                headers = {"X-Accel-Buffering": "no"}
                return Response(content_type="text/event-stream", headers=headers, stream=stream)
            case "/api/v1/now":
                return Response(api.now(self._newest(), moment, self._plant, self._stale()), _JSON)
            case "/api/v1/health":
                return Response(api.health(self._newest(), self._services(), moment), _JSON)
            case "/api/v1/openapi.json":
                return Response(self._files.openapi(), _JSON)
            case "/healthz":
                return Response(b"ok\n")
            case "/metrics":
                return self._exposition(request)
            case _:
                return _missing("There is nothing at this address.")

    def _newest(self) -> list[Reading]:
        return list(self._readings.values())

    def _stale(self) -> frozenset[str]:
        limit = self._clock.now() - self._stale_after
        return frozenset(r.name for r in self._readings.values() if r.time < limit)

    def _model(self, chosen: str) -> PageModel:
        readings = self._newest()
        names = [chosen] if chosen else list(self._readings)
        return PageModel(
            now=self._clock.now(),
            timezone=self._timezone,
            readings=readings,
            chosen=chosen,
            totals=self._history.totals,
            faults=[fault for name in names for fault in self._history.faults(name)],
            services=tuple(self._services()),
            plant=self._plant,
            stale=self._stale(),
        )

    def _parts(self, chosen: str) -> dict[str, page.Part]:
        return page.parts(self._model(chosen))

    async def _page(self, request: Request) -> Response:
        chosen = request.query.get("inverter", "")
        day = self._asked_day(request)
        drawn = page.Drawn(day, await self._curve(chosen, day), await self._bars(request, chosen))
        html = page.page(self._model(chosen), drawn, self._files.addresses, sungather.__version__)
        return Response(html.encode(), _HTML)

    async def _curve_part(self, request: Request) -> Response:
        html = await self._curve(request.query.get("inverter", ""), self._asked_day(request))
        return Response(html.encode(), _HTML)

    async def _curve(self, chosen: str, day: date) -> str:
        """Drawn at most once a minute for all who look."""
        key, minute = (chosen, day), int(self._clock.monotonic() // 60)
        known = self._curves.get(key)
        if known is not None and known[0] == minute:
            return known[1]
        found = await self._history.day(self._names(chosen), day)
        today = self._history.today()
        html = curve.section(found, today, self._timezone, chosen, self._patience)
        if len(self._curves) >= 8:
            self._curves.pop(next(iter(self._curves)))
        self._curves[key] = minute, html
        return html

    async def _bars_part(self, request: Request) -> Response:
        html = await self._bars(request, request.query.get("inverter", ""))
        return Response(html.encode(), _HTML)

    async def _bars(self, request: Request, chosen: str) -> str:
        """The card of bars that the query asks for: the days of this month, if for none."""
        span = request.query.get("span", "")
        today, names = self._history.today(), self._names(chosen)
        return bars.section(
            Span(span) if span in set(Span) else Span.MONTH,
            self._asked_day(request, "of"),
            today,
            await self._history.energies(names, _EARLIEST, today),
            self._readings.get(names[0]) if len(names) == 1 else None,
            chosen,
        )

    async def _energies_csv(self, request: Request) -> Response:
        names = self._names(request.query.get("inverter", ""))
        first, last = self._asked_day(request, "first"), self._asked_day(request, "last")
        days = await self._history.energies(names, first, last)
        disposition = f'attachment; filename="energies-{first}-{last}.csv"'
        return Response(
            api.energies_csv(days),
            "text/csv; charset=utf-8",
            headers={"Content-Disposition": disposition},
        )

    async def _day(self, request: Request) -> Response:
        names = self._names(request.query.get("inverter", ""))
        day = await self._history.day(names, self._asked_day(request))
        return Response(api.history(day, names, str(self._timezone)), _JSON)

    def _names(self, chosen: str) -> list[str]:
        """The inverters that a page or an answer is about."""
        if chosen:
            return [chosen]
        return [r.name for r in self._readings.values() if r.is_inverter]

    def _asked_day(self, request: Request, name: str = "day") -> date:
        """The day of the query; today where that is missing, no date, or still to come."""
        today = self._history.today()
        try:
            asked = date.fromisoformat(request.query.get(name, ""))
        except ValueError:
            return today
        return max(_EARLIEST, min(asked, today))

    def _exposition(self, request: Request) -> Response:
        stale = self._stale()
        readings = [
            replace(r, measurements={}, faults=None)
            if r.name in stale and r.state is State.OK
            else r
            for r in self._newest()
        ]
        body, content_type = self._metrics.exposition(
            readings, self._services(), request.headers.get("accept", "")
        )
        return Response(body, content_type, headers={"Vary": "Accept"})


class _Files:
    """The static files: read at the first request, kept packed."""

    def __init__(self) -> None:
        self._packed: dict[str, tuple[bytes, bytes]] = {}
        self._addresses: dict[str, str] = {}

    @property
    def addresses(self) -> Mapping[str, str]:
        """File name -> relative address that changes with the file."""
        if not self._addresses:
            for name in _TYPES:
                body = _read(name)
                self._packed[name] = body, gzip(body, 9)
                mark = hashlib.sha256(body).hexdigest()[:10]
                self._addresses[name] = f"static/{name}?v={mark}"
        return self._addresses

    def answer(self, request: Request) -> Response:
        """A static file."""
        name = request.path.removeprefix("/static/")
        if name not in self.addresses:
            return _missing("There is no such file.")
        plain, packed = self._packed[name]
        headers = {**_FOR_EVER, "Vary": "Accept-Encoding"}
        if takes_gzip(request):
            return Response(packed, _TYPES[name], headers={**headers, "Content-Encoding": "gzip"})
        return Response(plain, _TYPES[name], headers=headers)

    def openapi(self) -> bytes:
        """The description of the API, with the program's version."""
        document = json.loads(_read("openapi.json"))
        document["info"]["version"] = sungather.__version__
        return json.dumps(document).encode()


def _read(name: str) -> bytes:
    return resources.files("sungather.web").joinpath("static", name).read_bytes()


def _host_of(request: Request) -> str:
    """The host that the request names, without the port."""
    host = request.headers.get("host", "").strip()
    if host.startswith("["):  # an IPv6 address
        return _bare(host[1:].partition("]")[0])
    return _bare(host.partition(":")[0])


def _bare(host: str) -> str:
    return host.strip().rstrip(".").lower()


def _missing(text: str) -> Response:
    return Response(f"{text}\n".encode(), status=404)
