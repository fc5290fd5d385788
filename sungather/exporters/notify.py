"""Messages to a phone or a webhook: once when something goes wrong, once when it is over.

What was told is kept over restarts. A night is no trouble: an inverter that sleeps, or probably
does, begins and ends nothing.
"""

import asyncio
import json
import logging
from collections import deque
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from sungather.back_off import BackOff, Sleep
from sungather.clock import Clock
from sungather.errors import Asleep, Blocked, ProbablyAsleep, Unavailable
from sungather.exporters.delivery import BLOCKED_WAIT, FIRST_WAIT, LONGEST_WAIT
from sungather.http_client import HttpClient, retry_after
from sungather.options.all_options import NotifyOptions
from sungather.reading import Reading, State, rfc3339
from sungather.service import Health

log = logging.getLogger(__name__)

_NIGHT: Final = frozenset({Asleep.kind, ProbablyAsleep.kind})
_EVERY: Final = 10.0
"""Seconds between two looks at what does not come by itself: silence."""
_MOST_WAITING: Final = 50
_FAULT, _SILENT, _EXPORT = "fault", "silent", "export"
_TITLES: Final = {
    _FAULT: ("Fault", "Fault is over"),
    _SILENT: ("No readings", "Readings again"),
    _EXPORT: ("Export fails", "Export works again"),
}
"""What is wrong -> title of its beginning, and of its end."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to tell."""

    kind: str
    begins: bool
    message: str
    time: str

    @property
    def title(self) -> str:
        """A few words in ASCII, as a header may hold them."""
        return _TITLES[self.kind][not self.begins]


class TroubleWatch:
    """What is wrong now, and what of it was told; no input, no output."""

    def __init__(self, told: MutableMapping[str, str], clock: Clock, patience: float) -> None:
        """`told`: key of a trouble -> its message; `patience`: seconds before silence is one."""
        self._told = told
        self._clock = clock
        self._patience = patience
        self._good: dict[str, float] = {}
        """Inverter or exporter -> when it was last well, or first heard of; monotonic."""
        self._newest: dict[str, Reading] = {}

    def on_reading(self, reading: Reading) -> Iterator[Notice]:
        """What a reading changes."""
        self._newest[reading.name] = reading
        now = self._clock.monotonic()
        # A night counts as well: the silence of a morning begins in the morning.
        if reading.state is State.OK or _is_night(reading) or reading.name not in self._good:
            self._good[reading.name] = now
        if reading.state is State.OK:
            yield from self._end(f"{_SILENT} {reading.name}")
        if reading.faults is None:
            return
        start = f"{_FAULT} {reading.name} "
        active = {f"{start}{one.register} {one.text}": one.text for one in reading.faults.active}
        for key, text in active.items():
            yield from self._begin(key, f"{reading.name}: {text}")
        if not reading.faults.unknown:
            for key in [one for one in self._told if one.startswith(start)]:
                if key not in active:
                    yield from self._end(key)

    def look(self, services: Sequence[Health]) -> Iterator[Notice]:
        """What time has changed, and how exporters are doing."""
        now = self._clock.monotonic()
        for name, reading in self._newest.items():
            silent = now - self._good[name] >= self._patience
            if silent and not _is_night(reading) and reading.is_inverter:
                why = f" {reading.problem.message}" if reading.problem else ""
                yield from self._begin(f"{_SILENT} {name}", f"{name} gives no readings.{why}")
        for health in services:
            key, name = f"{_EXPORT} {health.name}", f"export {health.name}"
            if health.state not in ("waiting", "blocked") or not health.message:
                self._good[name] = now
                if health.state == "ok":
                    yield from self._end(key)
            elif now - self._good.setdefault(name, now) >= self._patience:
                yield from self._begin(key, f"{health.name}: {health.message}")

    def _begin(self, key: str, message: str) -> Iterator[Notice]:
        if key not in self._told:
            self._told[key] = message
            yield self._notice(key, message, begins=True)

    def _end(self, key: str) -> Iterator[Notice]:
        if (message := self._told.pop(key, None)) is not None:
            yield self._notice(key, message, begins=False)

    def _notice(self, key: str, message: str, *, begins: bool) -> Notice:
        kind = key.partition(" ")[0]
        if not begins and kind != _FAULT:  # what was wrong then is no news now
            message = message.partition(" gives no readings.")[0].partition(":")[0]
        return Notice(kind, begins, message, rfc3339(self._clock.now()))


def _is_night(reading: Reading) -> bool:
    problem = reading.problem
    return reading.state is State.ASLEEP or (problem is not None and problem.kind in _NIGHT)


class Notifier:
    """Posts what there is to tell; a `Service`."""

    name = "notify"

    def __init__(
        self,
        options: NotifyOptions,
        told: MutableMapping[str, str],
        services: Callable[[], Sequence[Health]],
        clock: Clock | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """`told`: see `TroubleWatch`; `services`: the health of the exporters."""
        self._options = options
        self._services = services
        self._clock = clock or Clock()
        self._sleep = sleep
        self._watch = TroubleWatch(told, self._clock, options.patience)
        self._waiting: deque[Notice] = deque(maxlen=_MOST_WAITING)
        self._news = asyncio.Event()
        self._health = Health(self.name, "ok")
        parts = urlsplit(options.url)
        # Whoever knows the path may post there: sentences name the server alone.
        self._client = HttpClient(f"{parts.scheme}://{parts.netloc}", "The receiver of notices")
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def on_reading(self, reading: Reading) -> None:
        """Tell what it changes."""
        self._tell(self._watch.on_reading(reading))

    async def run(self) -> None:
        """Post until cancelled."""
        looking = asyncio.create_task(self._look())
        back_off = BackOff(FIRST_WAIT, LONGEST_WAIT)
        try:
            while True:
                await self._news.wait()
                while self._waiting:
                    try:
                        await self._post(self._waiting[0])
                    except Unavailable as error:
                        self._failed(error)
                        wait = max(back_off.next(), error.retry_after or 0.0)
                        await self._sleep(BLOCKED_WAIT if isinstance(error, Blocked) else wait)
                        continue
                    back_off.reset()
                    self._waiting.popleft()
                    self._worked()
                self._news.clear()
        finally:
            looking.cancel()
            self._client.close()

    def health(self) -> Health:
        """Whether the other side takes what is posted."""
        known = self._health
        waiting = len(self._waiting)
        return Health(
            self.name, known.state, known.message, waiting, known.delivered,
            last_success=known.last_success,
        )  # fmt: skip

    async def _look(self) -> None:
        while True:
            await self._sleep(_EVERY)
            self._tell(self._watch.look(self._services()))

    def _tell(self, notices: Iterator[Notice]) -> None:
        for notice in notices:
            log.info("notice: %s: %s", notice.title, notice.message)
            self._waiting.append(notice)
            self._news.set()

    async def _post(self, notice: Notice) -> None:
        """Post one.

        Raises:
            Unavailable: it was not taken; it is tried again.
        """
        headers, body = request_of(notice, self._options.format)
        if self._options.token:
            headers["Authorization"] = f"Bearer {self._options.token}"
        answer = await self._client.request("POST", self._path, headers, body)
        if 200 <= answer.status < 300:
            return
        said = f"The receiver of notices answers {answer.status}."
        if answer.status == 429 or answer.status >= 500:
            raise Unavailable(said, retry_after(answer))
        raise Blocked(f"{said} Check notify.url and notify.token.")

    def _failed(self, error: Unavailable) -> None:
        state = "blocked" if isinstance(error, Blocked) else "waiting"
        if self._health.message != str(error):
            log.warning("notify: %s", error)
        self._health = Health(
            self.name, state, str(error), 0, self._health.delivered,
            last_success=self._health.last_success,
        )  # fmt: skip

    def _worked(self) -> None:
        delivered = self._health.delivered + 1
        now = self._clock.now()
        self._health = Health(self.name, "ok", delivered=delivered, last_success=now)


def request_of(notice: Notice, form: str) -> tuple[dict[str, str], bytes]:
    """Headers and body: as ntfy takes them, or one JSON object."""
    if form == "json":
        content = {
            "event": notice.kind,
            "state": "begins" if notice.begins else "ends",
            "title": f"SunGather: {notice.title}",
            "message": notice.message,
            "time": notice.time,
        }
        text = json.dumps(content, ensure_ascii=False)
        return {"Content-Type": "application/json"}, text.encode()
    headers = {
        "Content-Type": "text/plain; charset=utf-8",
        "Title": f"SunGather: {notice.title}",
        "Priority": "high" if notice.begins and notice.kind == _FAULT else "default",
        "Tags": "warning" if notice.begins else "white_check_mark",
    }
    return headers, notice.message.encode()
