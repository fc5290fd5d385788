"""The newest words of one device, exactly as it gave them, for programs that ask for words.

What is kept are whole exchanges, each with its time. A range may be put together from several,
but only where no documented value is cut: a value is never torn between two moments.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import TypeAlias

from sungather.registers import Block, Space
from sungather.registers.catalogue import Register, Tier
from sungather.registers.plan import Address

KEPT = 7500.0
"""Seconds after which any exchange is dropped: two periods of the slowest tier, and a scan."""
_WIDEST_GAP = 125
"""Registers between two documented ones that still count as lying between them."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One block and the words that the device answered."""

    block: Block
    words: Sequence[int]
    at: float
    """When it was answered; monotonic seconds."""


class WordMap:
    """How long each word of a device holds, and which words make up one value."""

    def __init__(self, registers: Iterable[Register], lifetime: Mapping[Tier, float]) -> None:
        """`lifetime`: seconds for which the words of a tier hold, 0 for the fast one."""
        self._lifetime: dict[Address, float] = {}
        self._joined: set[Address] = set()
        """Registers whose value goes on in the next one."""
        self.tiers: dict[Address, Tier] = {}
        """The tier with which a register is read; of several, the fastest."""
        last: Register | None = None
        for one in sorted(registers, key=lambda one: one.block):
            for n in range(one.address, one.block.end + 1):
                at = (one.space, n)
                self._lifetime[at] = min(self._lifetime.get(at, inf), lifetime[one.tier])
                self.tiers[at] = min(self.tiers.get(at, one.tier), one.tier, key=_TIERS.index)
                if n < one.block.end:
                    self._joined.add(at)
            if last is not None and last.space is one.space:
                gap = range(last.block.end + 1, one.address)
                slower = max(lifetime[last.tier], lifetime[one.tier])
                if len(gap) <= _WIDEST_GAP:
                    # What no document knows changes as slowly as the slower of its neighbours.
                    self._lifetime |= {(one.space, n): slower for n in gap}
            if last is None or last.space is not one.space or last.block.end < one.block.end:
                last = one

    def holds_for(self, at: Address, fast: float) -> float:
        """Seconds for which a word holds; `fast` for one of the fast tier or nobody's."""
        return self._lifetime.get(at, 0.0) or fast

    def may_cut_after(self, at: Address) -> bool:
        """Whether what follows may come from another exchange."""
        return at not in self._joined


_TIERS = tuple(Tier)
_Held: TypeAlias = tuple[int, int, Exchange]
"""First and last register of an exchange of the space in question, and the exchange."""


class WordCache:
    """The newest exchange of each block."""

    def __init__(self) -> None:
        self._exchanges: dict[Block, Exchange] = {}
        self._by_space: dict[Space, list[_Held]] = {space: [] for space in Space}
        self.newest = -inf
        """When the device has answered last; monotonic seconds."""
        self.losses = 0
        """How often everything was forgotten."""

    def add(self, block: Block, words: Sequence[int], at: float) -> None:
        """Keep what the device has just answered."""
        if block not in self._exchanges:
            kept = self._exchanges.items()
            self._exchanges = {b: one for b, one in kept if one.at >= at - KEPT}
        self._exchanges[block] = Exchange(block, words, at)
        held: dict[Space, list[_Held]] = {space: [] for space in Space}
        for one in self._exchanges.values():
            held[one.block.space].append(_held(one))
        self._by_space = held
        self.newest = at

    def clear(self) -> None:
        """Forget everything: another device may answer from now on."""
        self._exchanges.clear()
        for held in self._by_space.values():
            held.clear()
        self.losses += 1

    def starts_at(self, space: Space, start: int) -> bool:
        """Whether the device has given a block that starts there."""
        return any(first == start for first, _, _ in self._by_space[space])

    def read(self, wanted: Block, known: WordMap, now: float, fast: float) -> list[int] | None:
        """Words of the range, each young enough, no value torn; None if they cannot be had."""
        pieces = _pieces(wanted, self._by_space[wanted.space], known, now, fast)
        if pieces is None:
            return None
        words: list[int] = []
        for one, start, end in pieces:
            first = one.block.start
            words += one.words[start - first : end - first + 1]
        return words

    def would_suffice(
        self, blocks: Iterable[Block], wanted: Block, known: WordMap, now: float, fast: float
    ) -> list[Block] | None:
        """Those of `blocks` that must be read so that `read` gives the range; None: none would.

        Nothing that is young enough is asked for again.
        """
        fresh = [_held(Exchange(b, (), now)) for b in blocks if b.space is wanted.space]
        # Those that are there come first, so that they win against a block still to be read.
        pieces = _pieces(wanted, [*self._by_space[wanted.space], *fresh], known, now, fast)
        if pieces is None:
            return None
        return list(dict.fromkeys(one.block for one, _, _ in pieces if not one.words))


def _held(exchange: Exchange) -> _Held:
    return exchange.block.start, exchange.block.end, exchange


def _pieces(
    wanted: Block, held: Iterable[_Held], known: WordMap, now: float, fast: float
) -> list[tuple[Exchange, int, int]] | None:
    """Exchange, first and last register of each piece of the range, or None.

    From left to right, each time the exchange that reaches furthest, and of those the newest:
    an exchange that reaches less far helps nobody to get on.
    """
    space, start, end = wanted.space, wanted.start, wanted.end
    near = [one for one in held if one[0] <= end and one[1] >= start]
    pieces: list[tuple[Exchange, int, int]] = []
    at = start
    while at <= end:
        best: tuple[int, bool, float, Exchange] | None = None
        for first, last, one in near:
            if not first <= at <= last:
                continue
            age, reach = now - one.at, 0
            for n in range(at, min(end, last) + 1):
                if age > known.holds_for((space, n), fast):
                    break
                if n == end or known.may_cut_after((space, n)):
                    reach = n
            ranked = reach, bool(one.words), one.at
            if reach and (best is None or ranked > best[:3]):
                best = (*ranked, one)
        if best is None:
            return None
        pieces.append((best[3], at, best[0]))
        at = best[0] + 1
    return pieces
