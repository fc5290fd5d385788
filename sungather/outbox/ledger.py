"""Who still owes what: cursors, and what to do when the disk does not play along.

All of it runs on the outbox's one thread; only `stats` and `trouble` are read from elsewhere.
"""

import logging
import sqlite3
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path

from sungather.outbox.housekeeping import keep_bounds
from sungather.outbox.limits import (
    DELETE_AFTER,
    MEMORY_ROWS,
    MINUTE_ROWS,
    SAVE_CURSORS_AFTER,
    FeedStats,
    OutboxLimits,
)
from sungather.outbox.record import OutboxRow, Record, RejectedRecord
from sungather.outbox.rejections import Rejections, described, unusable
from sungather.outbox.store import Changes, Cursor, OutboxFile
from sungather.outbox.timekeeper import JUMP_MS, Timekeeper
from sungather.sqlite_file import NewerFileError, is_damage

log = logging.getLogger(__name__)

_HOUSEKEEPING_EVERY = 16


class Ledger:
    """The outbox without threads and without waiting."""

    def __init__(
        self, path: Path, limits: OutboxLimits, exporters: Sequence[str], timekeeper: Timekeeper
    ) -> None:
        self.trouble = ""
        """What is wrong with the disk, in words; empty when all is well."""
        self.blocked = False
        """Whether a person must act on that."""
        self._file = OutboxFile(path, self._adopt, self._lost)
        self._limits = limits
        self._time = timekeeper
        self._tail: deque[OutboxRow] = deque()
        self._next_id = timekeeper.now_ms()
        self._cursors = {name: Cursor(self._next_id - 1) for name in exporters}
        self._pending = dict.fromkeys(exporters, 0)
        self._reserved = dict.fromkeys(exporters, 0)
        self._notes: dict[str, dict[str, str]] = {name: {} for name in exporters}
        self._unsaved_notes: dict[tuple[str, str], str | None] = {}
        self._rejections = Rejections(self._file, exporters)
        self._missing = dict.fromkeys(exporters, 0)
        """Readings owed from a file that was set aside, until it is known what of it is left."""
        self._unsaved_acks = 0
        self._deleted_up_to = 0
        self._commits = 0
        self._started = False
        self._full_said = False

    @property
    def why_slow(self) -> str:
        """See `SqliteFile.why_slow`."""
        return self._file.why_slow

    def open(self) -> None:
        """Open the file, or go on in memory when that does not work."""
        try:
            self._file.open()
        except (sqlite3.Error, OSError) as error:
            self._failed(error)

    def _adopt(self) -> None:
        """Go on from what the file, just opened, says."""
        store = self._file
        saved = store.cursors()
        newest = store.newest()
        top = max([newest.id if newest else 0, *(cursor.position for cursor in saved.values())])
        if not self._started:
            # Nothing was read yet: go on counting where the last run ended. Where the cursors
            # were lost, everything that is left is owed.
            self._next_id = top + 1
            first = 0 if store.salvaged or not saved else top
            self._cursors = {name: Cursor(first) for name in self._cursors}
        store.forget([name for name in saved if name not in self._cursors])
        for name, cursor in self._cursors.items():
            self._adopt_exporter(name, cursor, saved.get(name), top)
        if newest is not None and newest.sound:
            self._time.resume(newest.time_ms, newest.boot)
        store.restamp(self._time.boot, self._time.offset_ms, JUMP_MS)
        if store.salvaged:  # what is known of it now, the next run has to know as well
            store.write(Changes(cursors=self._cursors))
        self._started = True

    def _adopt_exporter(self, name: str, now: Cursor, saved: Cursor | None, top: int) -> None:
        store = self._file
        self._notes[name] = store.notes(name) | self._notes[name]
        missing, self._missing[name] = self._missing[name], 0
        if missing:
            # The file was set aside while it was in use: what is in memory is newer.
            owed = store.count_after(now.position)
            now.dropped += max(0, missing - owed)
        elif saved is not None:
            owed = store.count_after(saved.position)
            if owed or now.position <= top:
                self._cursors[name] = saved
        else:
            owed = store.count_after(now.position)
        self._pending[name] += owed

    def _lost(self) -> None:
        """Note what was owed from a file that had to be set aside."""
        for name, cursor in self._cursors.items():
            in_memory = sum(1 for row in self._tail if row.id > cursor.position)
            self._missing[name] = max(0, self._pending[name] - in_memory)
            self._pending[name] = in_memory
            for key, text in self._notes[name].items():
                self._unsaved_notes.setdefault((name, key), text)

    def _failed(self, error: Exception) -> bool:
        """Begin a new file in place of a damaged one, and say so; else note the disk's trouble.

        A trouble is said once, and again when it changes.
        """
        if is_damage(error) and self._file.is_open:
            try:
                self._file.replace(error)
            except (sqlite3.Error, OSError) as another:
                error = another
            else:
                return True
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        trouble = (
            f"The outbox {self._file.path} cannot be used: {why}. "
            "Readings are kept in memory until it can; a restart would lose them."
        )
        if trouble != self.trouble:
            log.error("%s", trouble)
        self.trouble, self.blocked = trouble, isinstance(error, NewerFileError)
        return False

    def add(self, name: str, read_ms: int, body: bytes, more: bool = False) -> None:
        """Take a reading, and commit it unless commits are made by the minute.

        `more` says that the next reading waits already: then one commit does for both.
        """
        self.check_clock()
        self._started = True
        mono_ms = read_ms - self._time.offset_ms
        row = OutboxRow(self._next_id, name, self._time.boot, mono_ms, read_ms, read_ms, body)
        row.seal()
        self._tail.append(row)
        self._next_id += 1
        for exporter in self._pending:
            self._pending[exporter] += 1
        if len(self._tail) >= MINUTE_ROWS or (self._limits.each_reading and not more):
            self.commit()
        if len(self._tail) > MEMORY_ROWS:
            self._thin_out_memory()

    def commit(self, again: bool = True) -> None:
        """Write everything down that is not on the disk yet.

        `again` says to try once more with a new file when this one turns out to be damaged.
        """
        try:
            if not self._file.is_open:
                self._file.open()
            self._file.make_sure()
            self._write()
        except (sqlite3.Error, OSError) as error:
            if self._failed(error) and again:
                self.commit(again=False)
            return
        if self.trouble:
            log.info("The outbox %s can be used again.", self._file.path)
        self.trouble = ""
        self._commits += 1
        if self._commits % _HOUSEKEEPING_EVERY == 0:
            self.keep_house()

    def _write(self) -> None:
        lowest = min((cursor.position for cursor in self._cursors.values()), default=0)
        rows = [row for row in self._tail if row.id > lowest]
        save_cursors = (
            self._unsaved_acks >= SAVE_CURSORS_AFTER
            or self._unsaved_notes
            or self._rejections.is_unsaved
            or not self._commits
        )
        delete = lowest - self._deleted_up_to >= DELETE_AFTER and bool(save_cursors)
        self._file.write(
            Changes(
                rows,
                self._cursors if save_cursors else {},
                tuple(self._rejections.unsaved),
                self._unsaved_notes,
                # The newest stays: it tells the next run how late it is at least.
                lowest - 1 if delete else 0,
                tuple(self._rejections.unsaved_accepted),
            )
        )
        self._tail.clear()
        if save_cursors:
            self._unsaved_acks = 0
            self._unsaved_notes = {}
            self._rejections.saved()
        if delete:
            self._deleted_up_to = lowest

    def flush(self) -> None:
        """Commit, the cursors as well."""
        unsaved = self._unsaved_acks or self._unsaved_notes or self._rejections.is_unsaved
        if unsaved or self._tail or self.trouble:
            self._unsaved_acks += SAVE_CURSORS_AFTER
            self.commit()

    def close(self) -> None:
        """Write everything down, anew where the directory was removed, and release the file."""
        self._unsaved_acks += SAVE_CURSORS_AFTER
        self.commit()
        self._file.close()

    def fetch(self, exporter: str, limit: int) -> list[Record]:
        """The next records that `exporter` owes, behind those that it is to send again.

        Readings of this run of the machine stay while its clock cannot be trusted.
        """
        self.check_clock()
        trusted = self._time.trusted()
        skipped: Counter[str] = Counter()
        again = self._rejections.due(exporter, max(1, limit // 2))
        limit -= len(again)
        records: list[Record] = []
        held = False
        while limit and not records and not held and (rows := self._owed(exporter, limit)):
            for row in rows:
                held = not trusted and row.sound and row.boot == self._time.boot
                why = None if held else unusable(row, records, self._time.boot)
                if held or (why is not None and records):
                    break
                if why is not None:
                    self._skip(exporter, row, why)
                    skipped[why] += 1
        for why, count in skipped.items():
            log.error("%d reading(s) cannot be delivered to %s: %s.", count, exporter, why)
        position = self._cursors[exporter].position
        self._reserved[exporter] = records[-1].id if records else position
        return again + records

    def _owed(self, exporter: str, limit: int) -> list[OutboxRow]:
        """The next readings behind the cursor, on the disk and then in memory."""
        position = self._cursors[exporter].position
        rows: list[OutboxRow] = []
        for last in (False, True) if self._file.is_open else ():
            try:
                rows = self._file.after(position, limit)
            except sqlite3.Error as error:
                if last or not self._failed(error):
                    # What is on the disk comes first, once it can be read again.
                    return []
            else:
                break
        waiting = (row for row in self._tail if row.id > position)
        rows.extend(islice(waiting, limit - len(rows)))
        if not rows:
            self._pending[exporter] = 0
        return rows

    def _skip(self, exporter: str, row: OutboxRow, why: str) -> None:
        cursor = self._cursors[exporter]
        cursor.position = row.id
        cursor.rejected += 1
        self._pending[exporter] -= 1
        self._rejections.add(exporter, row, why)

    def ack(
        self,
        exporter: str,
        acked: Sequence[Record],
        rejected: Mapping[int, str],
        notes: Mapping[str, str | None],
    ) -> None:
        """Move the cursor behind `acked`, of which `rejected` (id -> reason) are set aside."""
        cursor = self._cursors[exporter]
        first = self._rejections.acked(exporter, acked, rejected)
        for record in first:
            if record.id in rejected and (row := self._row(record.id)) is not None:
                self._rejections.add(exporter, row, rejected[record.id])
        refused = sum(1 for record in first if record.id in rejected)
        taken_again = sum(1 for r in acked if r not in first and r.id not in rejected)
        if first:
            cursor.position = max(cursor.position, first[-1].id)
        cursor.delivered += len(first) - refused + taken_again
        cursor.rejected = max(0, cursor.rejected + refused - taken_again)
        self._pending[exporter] = max(0, self._pending[exporter] - len(first))
        self._reserved[exporter] = cursor.position
        self._unsaved_acks += len(acked)
        for key, text in notes.items():
            self._unsaved_notes[exporter, key] = text
            if text is None:
                self._notes[exporter].pop(key, None)
            else:
                self._notes[exporter][key] = text
        lowest = min(cursor.position for cursor in self._cursors.values())
        while self._tail and self._tail[0].id <= lowest:
            self._tail.popleft()
        settled = notes or self._rejections.is_unsaved
        if (settled or self._unsaved_acks >= DELETE_AFTER * SAVE_CURSORS_AFTER) and (
            self._limits.each_reading
        ):
            self.commit()

    def _row(self, number: int) -> OutboxRow | None:
        """A reading as it was stored, in memory or on the disk."""
        found = next((row for row in self._tail if row.id == number), None)
        try:
            return found or self._file.row(number)
        except sqlite3.Error as error:
            self._failed(error)
            return None

    def rejected(self, exporter: str) -> list[RejectedRecord]:
        """What was given up for an exporter, oldest first."""
        return [described(row, why) for row, why in self._rejections.rows(exporter)]

    def send_again(self, exporter: str) -> int:
        """Have what was given up sent once more, where that makes sense; how many."""
        return self._rejections.send_again(exporter)

    def notes(self, exporter: str) -> dict[str, str]:
        """What the exporter wrote down with `ack`."""
        return dict(self._notes[exporter])

    def stats(self, exporter: str) -> FeedStats:
        """Counts of one exporter."""
        cursor = self._cursors[exporter]
        return FeedStats(
            self._pending[exporter] + self._rejections.waiting(exporter),
            cursor.delivered, cursor.rejected, cursor.dropped,
            self._time.doubt, self._time.holds,
        )  # fmt: skip

    def check_clock(self) -> None:
        """Re-stamp what was read in this run of the machine when its clock was set."""
        if not self._time.jumped():
            return
        offset = self._time.offset_ms
        log.warning("The clock was set. Readings that wait are re-stamped.")
        for row in self._tail:
            if abs(row.mono_ms + offset - row.time_ms) > JUMP_MS:
                row.time_ms = row.mono_ms + offset
        if self._file.is_open:
            try:
                self._file.restamp(self._time.boot, offset, JUMP_MS)
            except sqlite3.Error as error:
                self._failed(error)

    def keep_house(self) -> None:
        """Keep the bounds of the file, and count what that costs."""
        if not self._file.is_open:
            return
        behind = min(cursor.position for cursor in self._cursors.values())
        owed = any(self._pending.values())
        try:
            self._file.make_sure()
            for gone, why in keep_bounds(self._file, self._limits, self._time, behind, owed):
                self._dropped(gone, why)
        except (sqlite3.Error, OSError) as error:
            self._failed(error)

    def _thin_out_memory(self) -> None:
        older = islice(self._tail, 0, len(self._tail) // 2, 2)
        gone = {row.id for row in older}
        self._tail = deque(row for row in self._tail if row.id not in gone)
        self._dropped(gone, "full, in memory")

    def _dropped(self, ids: Iterable[int], why: str) -> None:
        """Count readings that went before they were delivered, for each who still owed them."""
        gone = list(ids)
        if not gone:
            return
        for name, cursor in self._cursors.items():
            reached = max(cursor.position, self._reserved[name])
            lost = sum(1 for number in gone if number > reached)
            cursor.dropped += lost
            self._pending[name] = max(0, self._pending[name] - lost)
            if lost and not self._full_said:
                self._full_said = True
                log.warning(
                    "The outbox is %s: the oldest readings for %s are thinned out.", why, name
                )
