"""The web server as a service: which address answers what."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, timedelta, tzinfo
from typing import Final

import sungather
from sungather.clock import Clock
from sungather.history.cashbook import Cashbook
from sungather.history.periods import Span
from sungather.history.service import History
from sungather.options.all_options import WebOptions
from sungather.reading import Reading, State, rfc3339
from sungather.service import Health
from sungather.site import AUTO, Plant, summed
from sungather.web import api, bars, curve, page, plain
from sungather.web.files import StaticFiles
from sungather.web.http import HttpServer, Limits, Request, Response
from sungather.web.language import chosen, languages
from sungather.web.listener import own_address
from sungather.web.live import Live, View
from sungather.web.metrics import Metrics
from sungather.web.money_card import money_of, sums_of_month
from sungather.web.page_model import PageModel

log = logging.getLogger(__name__)

_RETRY_SECONDS: Final = 30.0
_JSON: Final = "application/json"
_HTML: Final = "text/html; charset=utf-8"
_COOKIE: Final = "sungather-language"
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
        cashbook: Cashbook | None = None,
    ) -> None:
        """`services` tells the health of everything; `scan_interval` is the longest, in s.

        `meter`: the option `site.meter`; `cashbook`: where prices are known.
        """
        self._cashbook = cashbook
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
        self._files = StaticFiles()
        self._curves: dict[tuple[View, date], tuple[int, str, str]] = {}
        """What of which day -> the minute in which it was drawn, the drawing, and its legend."""
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
            "/codes": self._codes,
            "/report": self._report,
            "/api/v1/energies.csv": self._energies_csv,
            "/api/v1/history": self._day,
        }
        known = request.query.get("inverter", "") in ("", *self._readings)
        if path in answers:
            return await answers[path](request) if known else _missing("No such inverter.")
        moment = self._clock.now()
        match path:
            case "/events" if known:
                stream = self._live.stream(_view(request))
                headers = {"X-Accel-Buffering": "no"}
                return Response(content_type="text/event-stream", headers=headers, stream=stream)
            case "/api/v1/now":
                return Response(api.now(self._newest(), moment, self._plant, self._stale()), _JSON)
            case "/api/v1/money":
                return self._money()
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

    def _money(self) -> Response:
        if self._cashbook is None:
            return _missing("No prices are known: see the option tariff.import.")
        return Response(api.money(self._cashbook, self._history.today()), _JSON)

    def _newest(self) -> list[Reading]:
        return list(self._readings.values())

    def _stale(self) -> frozenset[str]:
        limit = self._clock.now() - self._stale_after
        return frozenset(r.name for r in self._readings.values() if r.time < limit)

    def _model(self, view: View) -> PageModel:
        readings = self._newest()
        names = [view.inverter] if view.inverter else list(self._readings)
        return PageModel(
            now=self._clock.now(),
            timezone=self._timezone,
            readings=readings,
            chosen=view.inverter,
            totals=self._history.totals,
            faults=[fault for name in names for fault in self._history.faults(name)],
            services=tuple(self._services()),
            plant=self._plant,
            say=languages()[view.language],
            stale=self._stale(),
            money=money_of(self._cashbook, self._history.today()),
        )

    def _parts(self, view: View) -> dict[str, page.Part]:
        return page.parts(self._model(view))

    async def _page(self, request: Request) -> Response:
        view, day = _view(request), self._asked_day(request)
        drawn = page.Drawn(day, await self._curve(view, day), await self._bars(request, view))
        html = page.page(self._model(view), drawn, self._files.addresses, sungather.__version__)
        return _document(request, html)

    async def _codes(self, request: Request) -> Response:
        html = plain.codes_document(languages()[_view(request).language], self._files.addresses)
        return _document(request, html)

    async def _report(self, request: Request) -> Response:
        view, today = _view(request), self._history.today()
        model, names = self._model(view), self._names(view.inverter)
        asked = self._asked_day(request, "of")
        book = None if view.inverter else self._cashbook
        html = plain.report(
            asked,
            today,
            await self._history.energies(names, _EARLIEST, today),
            self._readings.get(names[0]) if len(names) == 1 else None,
            ", ".join(f"{model.name(one)} ({one.display_model})" for one in model.shown),
            model.say,
            self._files.addresses,
            sums_of_month(book, asked, model.say) if book else (),
        )
        return _document(request, html)

    async def _curve_part(self, request: Request) -> Response:
        html = await self._curve(_view(request), self._asked_day(request))
        return Response(html.encode(), _HTML)

    async def _curve(self, view: View, day: date) -> str:
        """Drawn at most once a minute for all who look; today's legend is always new."""
        key, minute = (view, day), int(self._clock.monotonic() // 60)
        say, today = languages()[view.language], self._history.today()
        known = self._curves.get(key)
        if known is None or known[0] != minute:
            names = self._names(view.inverter)
            found = await self._history.day(names, day)
            a_year = await self._history.energies(names, day - timedelta(days=366), day)
            html = curve.section(
                found,
                today,
                self._timezone,
                view.inverter,
                say,
                self._patience,
                a_year,
            )
            if len(self._curves) >= 8:
                self._curves.pop(next(iter(self._curves)))
            known = self._curves[key] = minute, html, curve.legend_of(found, say)
        _, html, legend = known
        if day == today:
            legend = page.legend(self._model(view))
        return html.replace(curve.LEGEND, legend)

    async def _bars_part(self, request: Request) -> Response:
        html = await self._bars(request, _view(request))
        return Response(html.encode(), _HTML)

    async def _bars(self, request: Request, view: View) -> str:
        """The card of bars that the query asks for: the days of this month, if for none."""
        span = request.query.get("span", "")
        today, names = self._history.today(), self._names(view.inverter)
        return bars.section(
            Span(span) if span in set(Span) else Span.MONTH,
            self._asked_day(request, "of"),
            today,
            await self._history.energies(names, _EARLIEST, today),
            self._readings.get(names[0]) if len(names) == 1 else None,
            view.inverter,
            languages()[view.language],
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
        return [reading.name for reading in summed(self._readings.values())]

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
            readings,
            self._services(),
            request.headers.get("accept", ""),
            money_of(self._cashbook, self._history.today()),
            self._plant.powers(summed(self._newest()), stale),
        )
        return Response(body, content_type, headers={"Vary": "Accept"})


def _view(request: Request) -> View:
    """What the page is about, and in which language; see `_document`."""
    parts = (part.strip().partition("=") for part in request.headers.get("cookie", "").split(";"))
    kept = {name: value for name, _, value in parts}
    asked = request.query.get("lang") or kept.get(_COOKIE, "")
    say = chosen(asked, request.headers.get("accept-language", ""))
    return View(request.query.get("inverter", ""), say.code)


def _document(request: Request, html: str) -> Response:
    """A page; a language that was asked for is kept by the browser, below the page's own path."""
    headers = {"Vary": "Accept-Language, Cookie"}
    if (lang := request.query.get("lang")) in languages():
        headers["Set-Cookie"] = f"{_COOKIE}={lang}; Max-Age=31536000; SameSite=Lax; HttpOnly"
    return Response(html.encode(), _HTML, headers=headers)


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
