"""PVOutput.org: one status an interval, the newest first, the rest as the hourly limit allows.

Readings become slots (see `pvoutput_slots.py`), which are kept with the outbox until PVOutput has
taken them. The API: https://pvoutput.org/help/api_specification.html
"""

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import tzinfo
from typing import cast
from urllib.parse import urlencode

from sungather.clock import Clock
from sungather.errors import Blocked, Unavailable
from sungather.exporters.delivery import DeliveryLoop, Sleep
from sungather.exporters.pvoutput_answers import (
    UploadRefusal,
    refusal,
    results,
    whole_number,
    words_of,
)
from sungather.exporters.pvoutput_fields import UploadFields
from sungather.exporters.pvoutput_slots import (
    Slot,
    data,
    local,
    start_of,
    status,
)
from sungather.http_client import HttpAnswer, HttpClient
from sungather.options.all_options import PvoutputOptions
from sungather.outbox import Feed, Record, RejectedRecord
from sungather.outbox.record import milliseconds
from sungather.outbox.store import REJECTED_KEPT
from sungather.reading import Reading, State
from sungather.service import Health
from sungather.untrusted import fit_to_show

log = logging.getLogger(__name__)

URL = "https://pvoutput.org"
BATCH = 30
IN_HAND = 5
"""Requests an hour left to the user's other tools and to the present."""
GRACE_MS = 5_000
"""How long after its end a slot may still get a reading."""
ONE_BY_ONE = 12
"""Most intervals that are uploaded one by one: an hour's, with the battery's fields."""
_RECORDS = 500
_DEFAULT_WAIT = 60.0


class Pvoutput(DeliveryLoop):
    """The service."""

    is_prompt = False  # a reading is taken when its interval is over

    def __init__(
        self,
        options: PvoutputOptions,
        feed: Feed,
        clock: Clock,
        timezone: tzinfo,
        sleep: Sleep = asyncio.sleep,
        url: str = URL,
    ) -> None:
        super().__init__("pvoutput", feed, clock, sleep)
        self._options = options
        self._clock = clock
        self._zone = timezone
        self._server = HttpClient(url, "PVOutput")
        self._interval = 0
        """Minutes; 0 until PVOutput was asked."""
        self._asked = False
        self._fields = UploadFields(options)
        self._open: dict[int, Slot] = {}
        self._ready: dict[int, dict[str, float]] = {}
        self._carry: dict[str, dict[str, float]] = {}
        self._carry_day = ""
        self._closed_ms = 0
        self._remaining = 60
        self._reset = 0.0
        self._uploaded = 0
        self._aside: dict[int, tuple[dict[str, float], str]] = {}
        """Intervals that PVOutput refused for good, and why."""

    # -- service --------------------------------------------------------------------------

    def close(self) -> None:
        """Let go of the connection."""
        self._server.close()

    async def step(self) -> float:
        """Make slots of what was read, upload what is ready; seconds until there is more to do."""
        await self._ask_for_interval()
        await self._consume()
        wait = await self._upload()
        length = self._interval * 60_000
        until_end = (length - (self._now_ms() - GRACE_MS) % length) / 1000
        return min(wait, until_end) if wait else until_end

    def health(self) -> Health:
        """`queue` counts intervals that wait; readings of the present one are none."""
        of_readings = super().health()
        return replace(
            of_readings,
            queue=len(self._ready),
            delivered=self._uploaded,
            rejected=len(self._aside) + of_readings.rejected,
        )

    def on_reading(self, reading: Reading) -> None:
        """Note which of the chosen values are read at all."""
        if reading.state is State.OK and not reading.via:
            self._fields.see(reading)

    # -- readings to slots ----------------------------------------------------------------

    async def load(self) -> None:
        """Take up what an earlier run has noted. `run` does it first."""
        for key, text in (await self._feed.notes()).items():
            kind, _, start = key.partition(" ")
            try:
                content = cast(object, json.loads(text))
                match kind:
                    case "open":
                        self._open[int(start)] = Slot.from_text(int(start), text)
                    case "ready":
                        self._ready[int(start)] = cast(dict[str, float], content)
                    case "carry":
                        day, closed, carry = cast(
                            tuple[str, int, dict[str, dict[str, float]]], content
                        )
                        self._carry_day, self._closed_ms, self._carry = day, closed, carry
                    case "aside":
                        totals, why = cast(tuple[dict[str, float], str], content)
                        self._aside[int(start)] = dict(totals), why
                    case "interval":
                        self._interval = int(str(content))
                    case _:
                        log.warning("pvoutput: a note (%s) is not known and is left out", kind)
            except (TypeError, ValueError):
                log.warning("pvoutput: a note (%s) cannot be read and is left out", kind)

    async def rejected(self) -> list[RejectedRecord]:
        """See `DeliveryLoop`; the intervals that were refused as well."""
        return [*await super().rejected(), *(
            RejectedRecord(start, "interval", start, why, dict(totals))
            for start, (totals, why) in sorted(self._aside.items())
        )]  # fmt: skip

    async def send_again(self) -> int:
        """See `DeliveryLoop`; the intervals that were refused as well."""
        aside, self._aside = self._aside, {}
        self._ready |= {start: totals for start, (totals, _) in aside.items()}
        notes: dict[str, str | None] = {f"aside {start}": None for start in aside}
        notes |= {f"ready {start}": json.dumps(totals) for start, (totals, _) in aside.items()}
        await self._feed.ack([], notes=notes)
        return len(aside) + await super().send_again()

    async def _consume(self) -> None:
        """Count everything that was read into slots, in one step with the outbox's cursor."""
        while True:
            records = await self._feed.batch_now(_RECORDS)
            touched: set[int] = set()
            for record in records:
                touched.add(self._count(record))
            newest_ms = records[-1].time_ms if records else self._now_ms()
            over_ms = newest_ms - GRACE_MS - self._interval * 60_000
            over = [start for start in self._open if start <= over_ms]
            notes = self._close(over)
            notes |= {
                f"open {start}": self._open[start].as_text()
                for start in touched & self._open.keys()
            }
            if records or notes:
                await self._feed.ack(records, notes=notes)
            if not records:
                return

    def _count(self, record: Record) -> int:
        if record.via:
            return -1  # what it does is in its inverter's figures
        start = start_of(record.time_ms, self._interval)
        if self._closed_ms > self._now_ms():
            # The clock was ahead when those slots were closed.
            self._closed_ms = 0
        if start <= self._closed_ms:
            # The clock was set back: that time was uploaded, and half of it would replace it.
            return -1
        slot = self._open.setdefault(start, Slot(start))
        slot.add(record.name, record.values, self._fields.means, self._fields.lasts)
        return start

    def _close(self, starts: Sequence[int]) -> dict[str, str | None]:
        """Make slots that are over ready for upload; the notes that say so."""
        notes: dict[str, str | None] = {}
        for sentence in self._fields.not_read() if starts else ():
            log.warning("%s", sentence)
        for start in sorted(starts):
            slot = self._open.pop(start)
            notes[f"open {start}"] = None
            day = f"{local(start, self._zone):%Y%m%d}"
            if day != self._carry_day and not self._options.cumulative:
                self._carry = {}
            self._carry_day = day
            totals = slot.totals(self._carry, self._fields.averaged)
            for name, share in slot.shares.items():
                energies = {k: v for k, v in share.last.items() if k in self._fields.energies}
                self._carry[name] = {**self._carry.get(name, {}), **energies}
            self._closed_ms = max(self._closed_ms, start)
            if totals.keys() & {"v1", "v2", "v3", "v4"}:
                self._ready[start] = totals
                notes[f"ready {start}"] = json.dumps(totals)
        if notes:
            notes["carry"] = json.dumps((self._carry_day, self._closed_ms, self._carry))
        return notes

    # -- slots to PVOutput ----------------------------------------------------------------

    async def _upload(self) -> float:
        """Upload what is ready, the newest first; seconds to wait if the limit is reached."""
        while self._ready:
            starts = self._next_batch()
            live = start_of(self._now_ms(), self._interval) - max(starts)
            is_live = live <= 2 * self._interval * 60_000
            if self._remaining <= (0 if is_live else IN_HAND) and (wait := self._until_reset()):
                return wait
            few = self._fields.battery and len(self._ready) <= ONE_BY_ONE
            if few and "b1" in self._ready[max(starts)]:
                await self._upload_status(max(starts))
            else:
                await self._upload_batch(starts)
        return 0.0

    def _next_batch(self) -> list[int]:
        newest = sorted(self._ready, reverse=True)[:BATCH]
        if self._options.net:
            # All net records of a batch are of one day.
            day = local(newest[0], self._zone).date()
            newest = [start for start in newest if local(start, self._zone).date() == day]
        return sorted(newest)

    def _until_reset(self) -> float:
        return max(0.0, self._reset - self._clock.now().timestamp())

    async def _upload_batch(self, starts: Sequence[int]) -> None:
        records = {
            start: data(start, self._ready[start], self._zone, self._fields.has_extended)
            for start in starts
        }
        form = {"data": ";".join(records.values())} | self._flags()
        answer = await self._post("addbatchstatus", form)
        if answer.status == 200:
            await self._note_results(records, answer)
            return
        what = refusal(answer.status, words_of(answer))
        if what is UploadRefusal.NO_DONATION and self._fields.has_extended:
            self._without_donation()
        elif what in (UploadRefusal.SET_ASIDE, UploadRefusal.NO_DONATION) and len(starts) == 1:
            await self._give_up(starts, self._said(answer))
        elif what in (UploadRefusal.SET_ASIDE, UploadRefusal.NO_DONATION):
            # One record can spoil a batch: find it.
            half = len(starts) // 2
            await self._upload_batch(starts[:half])
            await self._upload_batch(starts[half:])
        else:
            self._raise(what, answer)

    async def _upload_status(self, start: int) -> None:
        """Upload one interval with the battery's fields, which a batch does not have."""
        form = status(start, self._ready[start], self._zone) | self._flags()
        answer = await self._post("addstatus", form)
        what = refusal(answer.status, words_of(answer))
        if answer.status == 200 and words_of(answer).startswith("OK 200"):
            self._uploaded += 1
            await self._forget([start])
            self._status.works()
        elif what is UploadRefusal.NO_DONATION:
            self._without_donation()
        elif what is UploadRefusal.SET_ASIDE:
            await self._give_up([start], self._said(answer))
        else:
            self._raise(what, answer)

    def _flags(self) -> dict[str, str]:
        if self._options.net:
            return {"n": "1"}
        return {"c1": "1"} if self._options.cumulative else {}

    def _without_donation(self) -> None:
        log.info("pvoutput: v7 to v12 and the battery need a donation; left out from now on")
        self._fields.without_donation()

    async def _note_results(self, records: Mapping[int, str], answer: HttpAnswer) -> None:
        """Take leave of the records that the answer names; the others are sent again."""
        answers = results(words_of(answer))
        refused: list[int] = []
        taken: list[int] = []
        for start, record in records.items():
            day, time, *_ = record.split(",")
            said = answers.get((day, time.replace(":", "")))
            if said in ("1", "2"):
                taken.append(start)
            elif said == "0":
                refused.append(start)
        if not taken and not refused:
            self._raise(UploadRefusal.FOREIGN, answer)
        self._uploaded += len(taken)
        await self._forget(taken)
        await self._give_up(refused, "PVOutput did not add it")
        if missing := len(records) - len(taken) - len(refused):
            raise Unavailable(f"PVOutput said nothing of {missing} interval(s).", _DEFAULT_WAIT)
        self._status.works()

    async def _give_up(self, starts: Sequence[int], why: str) -> None:
        """Keep what was refused for good, so that it can be listed and sent again."""
        notes: dict[str, str | None] = {}
        for start in starts:
            when = local(start, self._zone)
            log.warning("pvoutput: %s is set aside: %s", f"{when:%Y-%m-%d %H:%M}", why)
            self._aside[start] = self._ready[start], why
            notes[f"aside {start}"] = json.dumps(self._aside[start])
        for start in sorted(self._aside)[:-REJECTED_KEPT]:
            del self._aside[start]
            notes[f"aside {start}"] = None
        await self._forget(starts, notes)

    async def _forget(
        self, starts: Sequence[int], notes: Mapping[str, str | None] | None = None
    ) -> None:
        for start in starts:
            del self._ready[start]
        gone: dict[str, str | None] = {f"ready {start}": None for start in starts}
        if starts:
            await self._feed.ack([], notes={**gone, **(notes or {})})

    async def _ask_for_interval(self) -> None:
        """Once a run; until PVOutput can be asked, the interval of the last run does."""
        if self._asked:
            return
        try:
            await self._ask()
        except Unavailable:
            if not self._interval:
                raise
        else:
            self._asked = True

    async def _ask(self) -> None:
        answer = await self._post("getsystem", {})
        if answer.status != 200:
            what = refusal(answer.status, words_of(answer))
            self._raise(UploadRefusal.WAIT if what is UploadRefusal.SET_ASIDE else what, answer)
        if "," not in words_of(answer):
            self._raise(UploadRefusal.FOREIGN, answer)
        # name, …, longitude, status interval; further sections behind semicolons
        text = answer.text.partition(";")[0].rpartition(",")[2].strip()
        self._interval = {"10": 10, "15": 15}.get(text, 5)
        await self._feed.ack([], notes={"interval": str(self._interval)})

    async def _post(self, service: str, form: Mapping[str, str]) -> HttpAnswer:
        answer = await self._server.request(
            "POST",
            f"/service/r2/{service}.jsp",
            {
                "X-Pvoutput-Apikey": self._options.api_key,
                "X-Pvoutput-SystemId": self._options.system_id,
                "X-Rate-Limit": "1",
                "Content-Type": "application/x-www-form-urlencoded",
            },
            urlencode(form).encode(),
        )
        self._remaining = whole_number(answer, "x-rate-limit-remaining", self._remaining - 1)
        self._reset = float(whole_number(answer, "x-rate-limit-reset", round(self._reset)))
        return answer

    def _raise(self, what: UploadRefusal, answer: HttpAnswer) -> None:
        said = f"PVOutput answered {answer.status}: {self._said(answer)}"
        if what is UploadRefusal.FOREIGN:
            raise Blocked(
                f"{said}. This is not how PVOutput answers: check whether a proxy or a login page "
                "stands between. What waits is kept."
            )
        if what is UploadRefusal.PERSON:
            raise Blocked(f"{said}. Check pvoutput.api-key and pvoutput.system-id.")
        wait = self._until_reset() if "exceeded" in answer.text.lower() else 0.0
        raise Unavailable(f"{said}.", wait or _DEFAULT_WAIT)

    def _said(self, answer: HttpAnswer) -> str:
        if answer.is_web_page:
            return "a web page"
        return fit_to_show(answer.text, (self._options.api_key,), 200).rstrip(".")

    def _now_ms(self) -> int:
        return milliseconds(self._clock.now())
