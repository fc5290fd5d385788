"""Why a device refuses a block: found out with a few smaller requests, never guessed.

A block is refused because no block may start on its first register, because it contains a
register that no block may contain, or because it is too wide. Three facts tell them apart:

* A block of one register, or of one field, that is refused cannot be started there.
* From a start that works, the longest accepted block ends just before the culprit (binary search).
* A shorter block that ends on the culprit and has another start is accepted if width was the
  reason, and refused if the culprit is.
"""

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from sungather.registers import Block, Space
from sungather.registers.plan import Plan, UnreadableRanges, plan

FILLER_REASON = "reads as filler, and only inside larger blocks"


@dataclass(frozen=True, slots=True)
class Findings:
    """What one diagnosis has found out; sound at any time, complete when it has ended."""

    unreadable: UnreadableRanges
    widest: int | None
    """Registers of the widest accepted block, when the device refused a wider one for that."""
    read: Mapping[Block, tuple[int, ...]]
    """Words of the fields that a probe read."""
    refused: Mapping[Block, str]
    """Fields that cannot be had, and the reason the device gave."""


class Diagnosis:
    """Finds out how the fields of a refused block can be read.

    Ask the device for `probe` and tell what it said with `accepted` or `refused`, until `probe`
    is None. If the connection fails in between, take `findings` and leave the rest to the next
    refusal.
    """

    def __init__(
        self,
        block: Block,
        fields: Iterable[Block],
        reason: str,
        *,
        widest: int,
        starts: Mapping[Space, frozenset[int]],
        unreadable: UnreadableRanges,
        isolated: Mapping[Block, str] = MappingProxyType({}),
        masked: bool = False,
    ) -> None:
        """Begin with a block that was refused for `reason` while it carried `fields`.

        `widest`, `starts`, `unreadable` and `isolated` are what the block was planned with.
        `masked`: the path answers 0 where there is no value.
        """
        self.probe: Block | None = None
        self._space = block.space
        self._fields = sorted(field for field in fields if block.holds(field))
        known = starts.get(block.space, frozenset[int]())
        self._starts = known | {field.start for field in self._fields}
        self._no_start = {n for space, n in unreadable.no_start if space is block.space}
        self._no_contain = {n for space, n in unreadable.no_contain if space is block.space}
        self._widest = widest
        self._isolated = isolated
        self._narrowed = False
        self._filler = (0, 0xFFFF) if masked else (0xFFFF,)
        self._accepted: list[Block] = []
        self._refused: dict[Block, str] = {block: reason}
        self._read: dict[Block, tuple[int, ...]] = {}
        self._last_reason = reason
        self._dialogue = self._investigate()
        self._advance(first=True)

    def accepted(self, words: Sequence[int]) -> None:
        """The device answered the probe with these words."""
        probe = self._asked()
        self._accepted.append(probe)
        for field in self._fields:
            if probe.holds(field):
                offset = field.start - probe.start
                self._read[field] = tuple(words[offset : offset + field.count])
        self._advance(answer=True)

    def refused(self, reason: str) -> None:
        """The device refused the probe for good."""
        self._refused[self._asked()] = reason
        self._last_reason = reason
        self._advance(answer=False)

    @property
    def findings(self) -> Findings:
        """What is known so far."""
        read = {field: words for field, words in self._read.items() if not self._is_hollow(field)}
        hollow = dict.fromkeys(self._read.keys() - read.keys(), FILLER_REASON)
        refused = {field: self._reason_for(field) for field in self._plan().left_out}
        return Findings(
            self._ranges(), self._widest if self._narrowed else None, read, refused | hollow
        )

    def _is_hollow(self, field: Block) -> bool:
        """Refused alone, and filler in a larger block: there is no such value."""
        words = set(self._read[field])
        return field.start in self._no_start and any(words == {fill} for fill in self._filler)

    def _reason_for(self, field: Block) -> str:
        at = [block for block in self._refused if block.start == field.start]
        return self._refused[min(at)] if at else self._last_reason

    def _asked(self) -> Block:
        if self.probe is None:
            raise ValueError("The diagnosis has ended; there is no probe to answer.")
        return self.probe

    def _advance(self, *, answer: bool = False, first: bool = False) -> None:
        try:
            self.probe = next(self._dialogue) if first else self._dialogue.send(answer)
        except StopIteration:
            self.probe = None

    def _ranges(self) -> UnreadableRanges:
        return UnreadableRanges(
            frozenset((self._space, n) for n in self._no_start),
            frozenset((self._space, n) for n in self._no_contain),
        )

    def _plan(self) -> Plan:
        starts = {self._space: self._starts}
        return plan(self._fields, self._widest, starts, self._ranges(), self._isolated)

    def _investigate(self) -> Generator[Block, bool, None]:
        """Plan with what is known, and explain every refusal, until all of the plan is proved."""
        careful = False
        while unproved := [block for block in self._plan().blocks if not self._proved(block)]:
            block = unproved[0]
            if careful and not self._startable(block.start):
                careful = not (yield from self._explain_start(block))
            elif not (yield from self._works(block)):
                if self._startable(block.start) or (yield from self._explain_start(block)):
                    yield from self._explain_contents(block)
                else:
                    careful = True

    def _works(self, block: Block) -> Generator[Block, bool, bool]:
        """Whether the device gives the block; asked only if that does not follow already."""
        if self._proved(block):
            return True
        if block in self._refused:
            return False
        return (yield block)

    def _proved(self, block: Block) -> bool:
        return self._startable(block.start) and any(big.holds(block) for big in self._accepted)

    def _startable(self, start: int) -> bool:
        return any(block.start == start for block in self._accepted)

    def _explain_start(self, block: Block) -> Generator[Block, bool, bool]:
        """Whether blocks may start where this one does; if not, that is noted."""
        if (yield from self._works_alone(block.start)):
            return True
        self._no_start.add(block.start)
        return False

    def _works_alone(self, start: int) -> Generator[Block, bool, bool]:
        """Whether the smallest block from `start` is given: its shortest field, one register."""
        field = next((field for field in self._fields if field.start == start), None)
        if field is not None and (yield from self._works(field)):
            return True
        return (yield from self._works(Block(self._space, start, 1)))

    def _explain_contents(self, block: Block) -> Generator[Block, bool, None]:
        """Find the first register that a refused block should not reach, and why."""
        start = block.start
        good = max(big.end for big in self._accepted if big.start == start)
        bad = min(big.end for big in self._refused if big.start == start)
        while bad - good > 1:
            middle = (good + bad) // 2
            if (yield from self._works(self._from_to(start, middle))):
                good = middle
            else:
                bad = middle
        if (yield from self._too_wide(start, bad)):
            self._widest, self._narrowed = bad - start, True
        else:
            self._no_contain.add(bad)

    def _too_wide(self, start: int, culprit: int) -> Generator[Block, bool, bool]:
        """Whether the block from `start` to `culprit` was refused for its width.

        Blocks that start further to the right are narrower than one that was accepted. Without
        such a start the question stays open, and the answer makes no difference: every block
        that contains the culprit is then at least as wide.
        """
        between = sorted(n for n in self._starts - self._no_start if start < n < culprit)
        for other in reversed(between):
            if (yield from self._works(self._from_to(other, culprit))):
                return True
            if (yield from self._works(self._from_to(other, culprit - 1))):
                return False
            self._no_start.add(other)
        if culprit not in self._starts or culprit in self._no_start:
            return False
        return (yield from self._works_alone(culprit))

    def _from_to(self, start: int, end: int) -> Block:
        return Block(self._space, start, end - start + 1)
