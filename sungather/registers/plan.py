"""The read plan: the provably fewest requests that read a set of fields, then fewest registers.

A *field* is the block of registers that one value takes; all its words come from one request, so
that a value is never torn. A request may start only on a register that the device knows and that
is no hole for starts, may not contain a register that is a hole for contents, and has a greatest
width. Nothing else restricts it: it may begin before and end after what is needed.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sungather.registers import Block, Space

Address = tuple[Space, int]
"""A register: its space and its documented number."""


@dataclass(frozen=True, slots=True)
class UnreadableRanges:
    """What a device refuses, register by register."""

    no_start: frozenset[Address] = frozenset()
    """Registers on which no block may start, though a larger block may contain them."""
    no_contain: frozenset[Address] = frozenset()
    """Registers that no block may contain."""

    def __or__(self, other: "UnreadableRanges") -> "UnreadableRanges":
        return UnreadableRanges(self.no_start | other.no_start, self.no_contain | other.no_contain)

    def __bool__(self) -> bool:
        return bool(self.no_start or self.no_contain)


@dataclass(frozen=True, slots=True)
class Plan:
    """The requests of one complete cycle, and the proof that fewer do not do."""

    blocks: tuple[Block, ...]
    """Input before holding registers, each by address; isolated groups come last."""
    lower_bound: tuple[Block, ...]
    """As many fields as there are blocks, no two of which fit in one allowed request."""
    left_out: tuple[Block, ...]
    """Fields that no allowed request can hold."""


def plan(
    fields: Iterable[Block],
    widest: int,
    starts: Mapping[Space, frozenset[int]],
    unreadable: UnreadableRanges,
    isolated: Mapping[Block, str] = MappingProxyType({}),
) -> Plan:
    """Plan the requests that read all `fields`.

    Args:
        fields: What is wanted, in any order; they may repeat, overlap and hold each other.
        widest: The most registers that one request may have.
        starts: Registers known to the device, on which a block may start. The starts of the
            fields need not be in here.
        unreadable: What the device refuses.
        isolated: Field -> name of a group read on its own, after everything else. No other
            block contains its registers, whether its fields are wanted now or not. A field that
            shares registers with a group belongs to it; two groups must not share registers.
    """
    owner = {at: name for field, name in isolated.items() for at in _registers(field)}
    groups: dict[str, list[Block]] = {}
    for field in sorted(set(fields)):
        name = next((owner[at] for at in _registers(field) if at in owner), _TOGETHER)
        groups.setdefault(name, []).append(field)
    plans: list[Plan] = []
    for name in sorted(groups):
        others = frozenset(at for at, group in owner.items() if group != name)
        refused = UnreadableRanges(unreadable.no_start, unreadable.no_contain | others)
        for space in Space:
            members = [field for field in groups[name] if field.space is space]
            known = starts.get(space, frozenset[int]()) | {field.start for field in members}
            plans.append(_plan_space(members, _Requests(space, widest, known, refused)))
    return Plan(
        blocks=tuple(block for part in plans for block in part.blocks),
        lower_bound=tuple(field for part in plans for field in part.lower_bound),
        left_out=tuple(field for part in plans for field in part.left_out),
    )


_TOGETHER = ""
"""Name of the group of all fields that are in no other; sorts before every other."""


def _registers(field: Block) -> list[Address]:
    return [(field.space, n) for n in range(field.start, field.end + 1)]


class _Requests:
    """Which requests are allowed in one space.

    How far a request reaches to the right never falls when it starts further to the right. So the
    best request that holds a field is the one from the last possible start before it, and two
    fields fit in one request only if they fit in that one.
    """

    def __init__(
        self, space: Space, widest: int, starts: frozenset[int], unreadable: UnreadableRanges
    ) -> None:
        self._starts = sorted(n for n in starts if (space, n) not in unreadable.no_start)
        self._walls = sorted(n for where, n in unreadable.no_contain if where is space)
        self._widest = widest

    def start_for(self, field: Block) -> int | None:
        """The last register at or before the field on which a block may start."""
        at = bisect_right(self._starts, field.start)
        return self._starts[at - 1] if at else None

    def reach(self, start: int) -> int:
        """The last register that a block from `start` can contain (< start: none)."""
        wall = bisect_left(self._walls, start)
        end = start + self._widest - 1
        return min(end, self._walls[wall] - 1) if wall < len(self._walls) else end


def _plan_space(fields: list[Block], allowed: _Requests) -> Plan:
    reach: dict[Block, int] = {}
    start: dict[Block, int] = {}
    left_out: list[Block] = []
    for field in sorted(fields):
        first = allowed.start_for(field)
        if first is None or allowed.reach(first) < field.end:
            left_out.append(field)
        else:
            start[field], reach[field] = first, allowed.reach(first)
    needed = _outermost(start)
    return Plan(
        blocks=_fewest_registers(needed, start, reach),
        lower_bound=_leaders(needed, reach),
        left_out=tuple(left_out),
    )


def _outermost(fields: Iterable[Block]) -> list[Block]:
    """The fields that no other field holds, by address: starts and ends both rise."""
    outer: list[Block] = []
    for field in sorted(fields, key=lambda field: (field.start, -field.count)):
        if not outer or field.end > outer[-1].end:
            outer.append(field)
    return outer


def _leaders(fields: list[Block], reach: Mapping[Block, int]) -> tuple[Block, ...]:
    """From left to right, each time the first field that the best request before did not reach."""
    leaders: list[Block] = []
    for field in fields:
        if not leaders or field.end > reach[leaders[-1]]:
            leaders.append(field)
    return tuple(leaders)


def _fewest_registers(
    fields: list[Block], start: Mapping[Block, int], reach: Mapping[Block, int]
) -> tuple[Block, ...]:
    """Cut the row of fields into runs, one request each: fewest runs, then fewest registers."""
    best: list[tuple[int, int]] = [(0, 0)]
    """best[n]: (requests, registers) that the first n fields take."""
    first_of_run: list[int] = []
    earliest = 0
    for last, field in enumerate(fields):
        while reach[fields[earliest]] < field.end:
            earliest += 1
        cost, first = min(
            ((best[i][0] + 1, best[i][1] + field.end - start[fields[i]] + 1), i)
            for i in range(earliest, last + 1)
        )
        best.append(cost)
        first_of_run.append(first)
    blocks: list[Block] = []
    end = len(fields)
    while end:
        first, last = fields[first_of_run[end - 1]], fields[end - 1]
        blocks.append(Block(last.space, start[first], last.end - start[first] + 1))
        end = first_of_run[end - 1]
    return tuple(reversed(blocks))
