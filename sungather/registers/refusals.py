"""What a device refuses, remembered for that device with its firmware, over one path.

Asking for what is not there costs a request each time, or the session. So what a diagnosis finds
out is kept across restarts. But refusals pass: a device may refuse what it has while it starts or
is updated. So everything is asked again after minutes, then after hours, then after days.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

from sungather.reading import Path, Refusal
from sungather.registers import Block, Space
from sungather.registers.diagnose import Findings
from sungather.registers.plan import Address, UnreadableRanges

WAITS = (
    timedelta(minutes=5),
    timedelta(hours=2),
    timedelta(days=1),
    timedelta(days=7),
    timedelta(days=30),
)
"""From a lesson until everything is asked again: the longer, the more often nothing new came of
it. The last one goes on."""
_CLOCK_SET_BACK = timedelta(hours=1)
"""A lesson that lies further ahead was learned with a wrong clock."""

SILENT = "no answer, or the connection is closed"
"""Reason of what stayed unanswered."""
AGAIN = "again "
"""Start of the names of groups that are only there to ask for something again."""
FAILING = "the device reports a failure"
"""Reason of what was answered with contention (exception 4, 5, 6, 10 or 11) again and again."""

STRIKES = 3
"""So often a block stays unanswered, while others are answered, before it is to blame."""

_HIGHEST_REGISTER = 65536


QUIRKS = "refused-"
"""With this all names begin under which quirks are stored."""


def quirks_name(code: int, firmware: str, path: Path, device: str = "") -> str:
    """Name under which the quirks of a device are stored; fit for a file name.

    `device` tells it from its twins, of which one may be broken: the serial number. Without it:
    the name that builds before 1.0.0 gave to all of them.
    """

    def plain(text: str) -> str:
        return "".join(c if c.isascii() and (c.isalnum() or c in "-.") else "_" for c in text)

    kind = f"{QUIRKS}{code:04x}-{plain(firmware) or 'unknown'}-{path}"
    return f"{kind}-{plain(device)}" if device else kind


@dataclass(slots=True)
class DeviceQuirks:
    """What a device refuses."""

    unreadable: UnreadableRanges = field(default_factory=UnreadableRanges)
    widest: int | None = None
    """Registers of the widest block that is accepted, if one was refused for its width."""
    refused: dict[Block, str] = field(default_factory=dict[Block, str])
    """Fields that cannot be had, with the reason: not worth asking for."""
    isolated: dict[Block, str] = field(default_factory=dict[Block, str])
    """Fields of blocks that stayed unanswered, to be read in groups on their own."""
    learned_at: datetime | None = None
    """When the newest of this was learned."""
    rounds: int = 0
    """How often everything was asked again, and nothing else was refused than before."""
    before: frozenset[Block] = frozenset()
    """Fields that could not be had in the round before, and have not been read since."""

    def learn(self, findings: Findings, now: datetime) -> None:
        """Add what a diagnosis has found out."""
        self._note(findings.refused, now)
        self.unreadable |= findings.unreadable
        if findings.widest is not None:
            self.widest = min(findings.widest, self.widest or findings.widest)
        self.refused.update(findings.refused)
        if self.unreadable or self.widest:
            self.learned_at = self.learned_at or now

    def _note(self, lost: Iterable[Block], now: datetime) -> None:
        """A field that was not known to be refused is worth asking for again soon."""
        lost = set(lost)
        if lost - self.refused.keys() - self.before:
            self.rounds, self.learned_at = 0, now
        elif lost:
            self.learned_at = self.learned_at or now

    def give_up(
        self,
        block: Block,
        fields: Iterable[Block],
        reason: str,
        now: datetime,
        *,
        whole: bool = False,
    ) -> None:
        """Take note that `block` is to blame for silence or a closed session (see `Strikes`).

        `fields` are those read in it. Several are from now on read in two halves, each isolated
        from everything else, until the culprit is alone; `whole` gives all of them up at once.
        """
        members = sorted(f for f in set(fields) if block.holds(f))
        middle = len(members) // 2
        if whole or not middle:
            self._note(members, now)
            for member in members:
                self.isolated.pop(member, None)
                self.refused[member] = reason
        else:
            for half in (members[:middle], members[middle:]):
                self.isolated |= dict.fromkeys(half, f"silent {half[0].space} {half[0].start}")
        self.learned_at = self.learned_at or now

    def wanted(self, fields: Iterable[Block]) -> list[Block]:
        """The fields without those that cannot be had."""
        return [field for field in fields if field not in self.refused]

    def refusals(self, left_out: Iterable[Block] = ()) -> tuple[Refusal, ...]:
        """What cannot be had, for the reading; neighbours with one reason become one row.

        `left_out`: further fields that a plan found no request for.
        """
        reasons = dict.fromkeys(left_out, "no allowed request contains it") | self.refused
        rows: list[Refusal] = []
        for lost in sorted(reasons):
            last = rows[-1] if rows else None
            row = Refusal(str(lost.space), lost.start, lost.count, reasons[lost])
            if (
                last is not None
                and (last.space, last.reason) == (row.space, row.reason)
                and lost.start <= last.start + last.count
            ):
                count = max(last.count, lost.end - last.start + 1)
                rows[-1] = Refusal(last.space, last.start, count, last.reason)
                continue
            rows.append(row)
        return tuple(rows)

    def expired(self, now: datetime) -> bool:
        """Learned so long ago that it is worth asking again."""
        if self.learned_at is None:
            return False
        wait = WAITS[min(self.rounds, len(WAITS) - 1)]
        return not -_CLOCK_SET_BACK <= now - self.learned_at <= wait

    def asked_again(self) -> "DeviceQuirks":
        """What holds while everything is asked again.

        What stayed unanswered is read on its own, after everything else: it may do so again.
        """
        doubted = [one for one, why in self.refused.items() if why in (SILENT, FAILING)]
        return DeviceQuirks(
            isolated={one: f"{AGAIN}{one.space} {one.start}" for one in doubted},
            rounds=min(self.rounds + 1, len(WAITS) - 1),
            before=self.before | self.refused.keys(),
        )

    def given(self, fields: Iterable[Block]) -> bool:
        """Take note that these fields were read; True if that is news."""
        news = self.before.intersection(fields)
        self.before -= news
        return bool(news)

    def as_json(self) -> dict[str, object]:
        """Everything, for `from_json`."""
        return {
            "no_start": _addresses_as_json(self.unreadable.no_start),
            "no_contain": _addresses_as_json(self.unreadable.no_contain),
            "widest": self.widest,
            "refused": [[*_block_as_json(b), text] for b, text in sorted(self.refused.items())],
            "apart": [[*_block_as_json(b), text] for b, text in sorted(self.isolated.items())],
            "learned_at": self.learned_at and self.learned_at.isoformat(),
            "rounds": self.rounds,
            "before": [_block_as_json(block) for block in sorted(self.before)],
        }

    @classmethod
    def from_json(cls, content: object) -> "DeviceQuirks | None":
        """What `as_json` gave; None if it is damaged in any way. Half a truth is not kept."""
        try:
            saved = cast(Mapping[str, Any], content)
            return cls(
                UnreadableRanges(_addresses(saved["no_start"]), _addresses(saved["no_contain"])),
                None if saved["widest"] is None else _number(saved["widest"]),
                _blocks(saved["refused"]),
                _blocks(saved["apart"]),
                None if saved["learned_at"] is None else _moment(saved["learned_at"]),
                _count(saved.get("rounds", 0)),  # neither is in files of builds before 1.0.0
                frozenset(_block(*one) for one in saved.get("before", ())),
            )
        except (AttributeError, KeyError, TypeError, ValueError):
            return None


class Strikes:
    """Tells a block that makes the device silent, or close the session, from a bad network.

    A silence counts against a block once another block has been answered after it. So a device
    that is switched off, or a network that is down, incriminates nothing.
    """

    def __init__(self) -> None:
        self._needed: dict[Block, int] = {}
        self._counted: dict[Block, int] = {}
        self._open: set[Block] = set()

    def silent(self, block: Block, *, tries: int = STRIKES) -> None:
        """No answer, or a closed session, after all retries; `tries` times are a proof."""
        self._needed[block] = tries
        self._open.add(block)

    def answered(self, block: Block) -> tuple[Block, ...]:
        """An answer, whatever it says. Returns the blocks that are thereby proved guilty."""
        if not self._needed:
            return ()
        for forget in (self._needed, self._counted):
            forget.pop(block, None)
        self._open.discard(block)
        for suspect in self._open:
            self._counted[suspect] = self._counted.get(suspect, 0) + 1
        guilty = [s for s in self._open if self._counted[s] >= self._needed[s]]
        self._open.clear()
        for suspect in guilty:
            del self._needed[suspect], self._counted[suspect]
        return tuple(sorted(guilty))

    def suspects_last(self, blocks: Sequence[Block]) -> list[Block]:
        """The blocks in their order, but those with a silence on record at the end.

        So that one of them cannot keep the others from being read.
        """
        if not self._needed:
            return list(blocks)
        return sorted(blocks, key=lambda block: block in self._needed)


def _addresses_as_json(addresses: Iterable[Address]) -> dict[str, list[int]]:
    pairs = sorted(addresses)
    return {str(space): [n for where, n in pairs if where is space] for space in Space}


def _block_as_json(block: Block) -> list[object]:
    return [str(block.space), block.start, block.count]


def _number(saved: object) -> int:
    if type(saved) is not int or not 1 <= saved <= _HIGHEST_REGISTER:
        raise ValueError("not a register's number")
    return saved


def _count(saved: object) -> int:
    if type(saved) is not int or not 0 <= saved < len(WAITS):
        raise ValueError("not a number of rounds")
    return saved


def _block(space: str, start: object, count: object) -> Block:
    return Block(Space(space), _number(start), _number(count))


def _moment(saved: str) -> datetime:
    moment = datetime.fromisoformat(saved)
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    return moment


def _addresses(saved: Mapping[str, Iterable[object]]) -> frozenset[Address]:
    return frozenset((Space(space), _number(n)) for space, ns in saved.items() for n in ns)


def _blocks(saved: Iterable[tuple[str, object, object, object]]) -> dict[Block, str]:
    blocks: dict[Block, str] = {}
    for space, start, count, reason in saved:
        if not isinstance(reason, str):
            raise TypeError("not a text")
        blocks[_block(space, start, count)] = reason
    return blocks
