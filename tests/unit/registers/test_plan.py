"""The read plan against brute force, and on the lists of a real collector."""

from collections.abc import Iterable, Mapping
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from incumbent import FIELDS

from sungather.registers import Block, Space
from sungather.registers.plan import Plan, UnreadableRanges, plan

IN, HOLD = Space.INPUT, Space.HOLDING
NOWHERE: Mapping[Space, frozenset[int]] = {}


def block(start: int, count: int = 1, space: Space = IN) -> Block:
    return Block(space, start, count)


def ranges(
    no_start: Iterable[int] = (), no_contain: Iterable[int] = (), space: Space = IN
) -> UnreadableRanges:
    return UnreadableRanges(
        frozenset((space, n) for n in no_start), frozenset((space, n) for n in no_contain)
    )


# --- against brute force ---

LAST = 14


def allowed_requests(
    widest: int, starts: frozenset[int], refused: UnreadableRanges
) -> list[Block]:
    """Every request between registers 1 and LAST, straight from the definition."""
    return [
        block(first, count)
        for first in starts
        if (IN, first) not in refused.no_start
        for count in range(1, min(widest, LAST - first + 1) + 1)
        if not any((IN, n) in refused.no_contain for n in range(first, first + count))
    ]


def cheapest_cover(fields: list[Block], requests: list[Block]) -> tuple[int, int]:
    """(requests, registers) of the best set of requests that holds all fields."""
    cost_of: dict[int, int] = {}
    for request in requests:
        held = sum(1 << i for i, field in enumerate(fields) if request.holds(field))
        cost_of[held] = min(cost_of.get(held, request.count), request.count)
    best = {0: (0, 0)}
    for covered in range(1 << len(fields)):
        if covered not in best:
            continue
        count, registers = best[covered]
        for held, cost in cost_of.items():
            now = (count + 1, registers + cost)
            best[covered | held] = min(best.get(covered | held, now), now)
    return best[(1 << len(fields)) - 1]


def check(fields: Iterable[Block], requests: list[Block], answer: Plan) -> None:
    readable = [f for f in fields if any(request.holds(f) for request in requests)]
    assert set(answer.left_out) == set(fields) - set(readable)
    assert all(request in requests for request in answer.blocks)
    assert all(any(request.holds(f) for request in answer.blocks) for f in readable)
    assert (len(answer.blocks), sum(b.count for b in answer.blocks)) == cheapest_cover(
        readable, requests
    )
    assert len(answer.lower_bound) == len(answer.blocks)
    assert set(answer.lower_bound) <= set(readable)
    for one, other in combinations(answer.lower_bound, 2):
        assert not any(request.holds(one) and request.holds(other) for request in requests)


small_fields = st.builds(block, st.integers(1, LAST), st.integers(1, 4)).filter(
    lambda field: field.end <= LAST
)
registers = st.frozensets(st.integers(1, LAST), max_size=4)


@settings(max_examples=600)
@given(
    fields=st.frozensets(small_fields, min_size=1, max_size=6),
    widest=st.integers(1, 9),
    known=registers,
    no_start=registers,
    no_contain=registers,
)
def test_plan_and_lower_bound_are_as_good_as_brute_force(
    fields: frozenset[Block],
    widest: int,
    known: frozenset[int],
    no_start: frozenset[int],
    no_contain: frozenset[int],
) -> None:
    refused = ranges(no_start, no_contain)
    requests = allowed_requests(widest, known | {f.start for f in fields}, refused)
    check(fields, requests, plan(fields, widest, {IN: known}, refused))


@settings(max_examples=300)
@given(
    fields=st.frozensets(small_fields, min_size=1, max_size=6),
    quiet=st.frozensets(small_fields, min_size=1, max_size=2),
    widest=st.integers(1, 9),
    no_start=registers,
)
def test_no_other_request_contains_what_is_read_in_isolation_and_both_parts_stay_best(
    fields: frozenset[Block], quiet: frozenset[Block], widest: int, no_start: frozenset[int]
) -> None:
    isolated = dict.fromkeys(quiet, "quiet")
    kept_out = {n for field in quiet for n in range(field.start, field.end + 1)}
    own = {f for f in fields if kept_out & set(range(f.start, f.end + 1))}
    answer = plan(fields, widest, NOWHERE, ranges(no_start), isolated)
    parts = (
        plan(fields - own, widest, NOWHERE, ranges(no_start, kept_out)),
        plan(own, widest, NOWHERE, ranges(no_start)),
    )
    for name in ("blocks", "lower_bound", "left_out"):
        assert getattr(answer, name) == getattr(parts[0], name) + getattr(parts[1], name)
    for part, members in zip(parts, (fields - own, own), strict=True):
        walls = kept_out if part is parts[0] else ()
        known = frozenset(f.start for f in members)
        check(members, allowed_requests(widest, known, ranges(no_start, walls)), part)


# --- single rules ---


def test_a_block_may_begin_on_a_known_register_before_a_field_that_cannot_start_one() -> None:
    answer = plan([block(20)], 100, {IN: frozenset({10, 15})}, ranges(no_start=[20]))
    assert answer.blocks == (block(15, 6),)


def test_a_field_without_any_possible_start_is_unreadable_and_costs_no_request() -> None:
    assert plan([block(20)], 100, NOWHERE, ranges(no_start=[20])) == Plan((), (), (block(20),))


def test_a_hole_in_one_space_does_not_matter_in_the_other() -> None:
    refused = ranges(no_start=[5], no_contain=[6], space=HOLD)
    assert plan([block(5), block(7)], 100, NOWHERE, refused).blocks == (block(5, 3),)


def test_an_unreadable_field_does_not_hide_a_readable_one_inside_it() -> None:
    answer = plan([block(1, 10), block(3, 2)], 100, NOWHERE, ranges(no_contain=[9]))
    assert answer == Plan((block(3, 2),), (block(3, 2),), (block(1, 10),))


def test_of_two_plans_with_equal_requests_the_one_with_fewer_registers_is_taken() -> None:
    answer = plan([block(1), block(9), block(11)], 10, NOWHERE, UnreadableRanges())
    assert answer.blocks == (block(1), block(9, 3))


def test_input_comes_before_holding_and_isolated_groups_come_last() -> None:
    fields = [block(13250, 3), block(5006, space=HOLD), block(5000), block(13280), block(40)]
    isolated = {block(13250, 3): "firmware", block(13280): "more"}
    answer = plan(fields, 100, NOWHERE, UnreadableRanges(), isolated)
    assert answer.blocks == (
        block(40),
        block(5000),
        block(5006, space=HOLD),
        block(13250, 3),
        block(13280),
    )


def test_registers_read_in_isolation_stay_out_of_blocks_even_when_not_wanted_now() -> None:
    answer = plan([block(10), block(30)], 100, NOWHERE, UnreadableRanges(), {block(20): "quiet"})
    assert answer.blocks == (block(10), block(30))


def test_no_fields_need_no_requests() -> None:
    assert plan([], 100, NOWHERE, UnreadableRanges()) == Plan((), (), ())


@pytest.mark.parametrize(
    ("model", "level", "widest", "requests"),
    [
        pytest.param("SG10RT", 1, 125, 3, id="SG10RT level 1"),
        pytest.param("SG10RT", 1, 100, 3, id="SG10RT level 1, 100 registers"),
        pytest.param("SG10RT", 2, 125, 4, id="SG10RT level 2"),
        pytest.param("SG10RT", 2, 100, 5, id="SG10RT level 2, 100 registers"),
        pytest.param("SH10RT", 1, 125, 7, id="SH10RT level 1"),
        pytest.param("SH10RT", 1, 100, 8, id="SH10RT level 1, 100 registers"),
        pytest.param("SH10RT", 2, 125, 13, id="SH10RT level 2"),
        pytest.param("SH10RT", 2, 100, 13, id="SH10RT level 2, 100 registers"),
    ],
)
def test_what_the_incumbent_reads_takes_this_many_requests(
    model: str, level: int, widest: int, requests: int
) -> None:
    answer = plan(FIELDS[model, level], widest, NOWHERE, UnreadableRanges())
    assert len(answer.blocks) == len(answer.lower_bound) == requests
    assert not answer.left_out
