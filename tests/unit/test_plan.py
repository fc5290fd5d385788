"""The read plan against brute force, and on the lists of a real collector."""

from collections.abc import Iterable, Mapping
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sungather.registers import Block, Space
from sungather.registers.plan import Holes, Plan, plan

IN, HOLD = Space.INPUT, Space.HOLDING
NOWHERE: Mapping[Space, frozenset[int]] = {}


def block(start: int, count: int = 1, space: Space = IN) -> Block:
    return Block(space, start, count)


def holes(
    no_start: Iterable[int] = (), no_contain: Iterable[int] = (), space: Space = IN
) -> Holes:
    return Holes(
        frozenset((space, n) for n in no_start), frozenset((space, n) for n in no_contain)
    )


# --- against brute force ---

LAST = 14


def allowed_requests(widest: int, starts: frozenset[int], refused: Holes) -> list[Block]:
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
    assert set(answer.unreadable) == set(fields) - set(readable)
    assert all(request in requests for request in answer.blocks)
    assert all(any(request.holds(f) for request in answer.blocks) for f in readable)
    assert (len(answer.blocks), sum(b.count for b in answer.blocks)) == cheapest_cover(
        readable, requests
    )
    assert len(answer.certificate) == len(answer.blocks)
    assert set(answer.certificate) <= set(readable)
    for one, other in combinations(answer.certificate, 2):
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
def test_plan_and_certificate_are_as_good_as_brute_force(
    fields: frozenset[Block],
    widest: int,
    known: frozenset[int],
    no_start: frozenset[int],
    no_contain: frozenset[int],
) -> None:
    refused = holes(no_start, no_contain)
    requests = allowed_requests(widest, known | {f.start for f in fields}, refused)
    check(fields, requests, plan(fields, widest, {IN: known}, refused))


@settings(max_examples=300)
@given(
    fields=st.frozensets(small_fields, min_size=1, max_size=6),
    quiet=st.frozensets(small_fields, min_size=1, max_size=2),
    widest=st.integers(1, 9),
    no_start=registers,
)
def test_no_other_request_contains_what_is_read_apart_and_both_parts_stay_best(
    fields: frozenset[Block], quiet: frozenset[Block], widest: int, no_start: frozenset[int]
) -> None:
    apart = dict.fromkeys(quiet, "quiet")
    kept_out = {n for field in quiet for n in range(field.start, field.end + 1)}
    own = {f for f in fields if kept_out & set(range(f.start, f.end + 1))}
    answer = plan(fields, widest, NOWHERE, holes(no_start), apart)
    parts = (
        plan(fields - own, widest, NOWHERE, holes(no_start, kept_out)),
        plan(own, widest, NOWHERE, holes(no_start)),
    )
    for name in ("blocks", "certificate", "unreadable"):
        assert getattr(answer, name) == getattr(parts[0], name) + getattr(parts[1], name)
    for part, members in zip(parts, (fields - own, own), strict=True):
        walls = kept_out if part is parts[0] else ()
        known = frozenset(f.start for f in members)
        check(members, allowed_requests(widest, known, holes(no_start, walls)), part)


# --- single rules ---


def test_a_block_may_begin_on_a_known_register_before_a_field_that_cannot_start_one() -> None:
    answer = plan([block(20)], 100, {IN: frozenset({10, 15})}, holes(no_start=[20]))
    assert answer.blocks == (block(15, 6),)


def test_a_field_without_any_possible_start_is_unreadable_and_costs_no_request() -> None:
    assert plan([block(20)], 100, NOWHERE, holes(no_start=[20])) == Plan((), (), (block(20),))


def test_a_hole_in_one_space_does_not_matter_in_the_other() -> None:
    refused = holes(no_start=[5], no_contain=[6], space=HOLD)
    assert plan([block(5), block(7)], 100, NOWHERE, refused).blocks == (block(5, 3),)


def test_an_unreadable_field_does_not_hide_a_readable_one_inside_it() -> None:
    answer = plan([block(1, 10), block(3, 2)], 100, NOWHERE, holes(no_contain=[9]))
    assert answer == Plan((block(3, 2),), (block(3, 2),), (block(1, 10),))


def test_of_two_plans_with_equal_requests_the_one_with_fewer_registers_is_taken() -> None:
    answer = plan([block(1), block(9), block(11)], 10, NOWHERE, Holes())
    assert answer.blocks == (block(1), block(9, 3))


def test_input_comes_before_holding_and_groups_apart_come_last() -> None:
    fields = [block(13250, 3), block(5006, space=HOLD), block(5000), block(13280), block(40)]
    apart = {block(13250, 3): "firmware", block(13280): "more"}
    answer = plan(fields, 100, NOWHERE, Holes(), apart)
    assert answer.blocks == (
        block(40),
        block(5000),
        block(5006, space=HOLD),
        block(13250, 3),
        block(13280),
    )


def test_registers_read_apart_stay_out_of_blocks_even_when_they_are_not_wanted_now() -> None:
    answer = plan([block(10), block(30)], 100, NOWHERE, Holes(), {block(20): "quiet"})
    assert answer.blocks == (block(10), block(30))


def test_no_fields_need_no_requests() -> None:
    assert plan([], 100, NOWHERE, Holes()) == Plan((), (), ())


# --- the field lists of SunGather 0.5.2 (arrays: first words only) ---

Lists = dict[Space, dict[int, list[int]]]
"""Space -> words of a field -> starts."""

SG10RT_1: Lists = {
    IN: {
        1: [5000, 5003, 5008, 5019, 5038, 5113],
        2: [5004, 5006, 5009, 5031, 5083, 5091, 5128, 5144],
    },
    HOLD: {1: [5006]},
}
SG10RT_2: Lists = {
    IN: {
        1: [
            *(5000, 5001, 5002, 5003, 5008, 5011, 5012, 5013, 5014, 5019, 5020, 5021, 5022),
            *(5023, 5024, 5035, 5036, 5038, 5049, 5071, 5113, 5146, 5147, 5148, 5150, 5151),
            *(7013, 7014, 7015),
        ],
        2: [
            *(5004, 5006, 5009, 5017, 5031, 5033, 5077, 5079, 5081, 5083, 5091, 5128, 5144),
            *(5216, 5218),
        ],
    },
    HOLD: {1: [5006, 5007, 5008, 5019, 5035, 5036, 5037, 5039, 5040, 5041]},
}
SH10RT_1: Lists = {
    IN: {
        1: [
            *(5000, 5003, 5008, 5019, 5113, 6100, 6196, 6290, 6386, 6469, 6565, 6648, 6744),
            *(13005, 13012, 13017, 13022, 13023, 13029, 13030, 13036, 13045),
        ],
        2: [5004, 13003, 13006, 13008, 13010, 13013, 13018, 13034, 13037],
    },
    HOLD: {1: [5006]},
}
SH10RT_2: Lists = {
    IN: {
        1: [
            *(5000, 5001, 5002, 5003, 5008, 5011, 5012, 5013, 5014, 5019, 5020, 5021, 5035),
            *(5036, 5113, 5622, 5623, 5628, 5635, 5636, 5723, 5724, 5725, 5726, 6100, 6196),
            *(6227, 6250, 6290, 6386, 6417, 6429, 6469, 6565, 6596, 6608, 6648, 6744, 6775),
            *(6787, 13000, 13001, 13002, 13005, 13012, 13017, 13020, 13021, 13022, 13023),
            *(13024, 13025, 13026, 13029, 13030, 13031, 13032, 13033, 13036, 13040, 13043),
            13045,
        ],
        2: [
            *(4950, 4952, 5004, 5017, 5033, 5077, 5601, 5603, 5605, 5607, 13003, 13006),
            *(13008, 13010, 13013, 13015, 13018, 13027, 13034, 13037, 13041, 13046),
        ],
        15: [4954, 4969],
    },
    HOLD: {
        1: [
            *(5006, 5007, 5008, 5019, 5036, 5037, 5039, 5040, 13050, 13051, 13052, 13084),
            *(13085, 13086, 13087, 13100, 33047, 33048),
        ]
    },
}


@pytest.mark.parametrize(
    ("lists", "widest", "requests"),
    [
        pytest.param(SG10RT_1, 125, 3, id="SG10RT level 1"),
        pytest.param(SG10RT_1, 100, 3, id="SG10RT level 1, 100 registers"),
        pytest.param(SG10RT_2, 125, 4, id="SG10RT level 2"),
        pytest.param(SG10RT_2, 100, 5, id="SG10RT level 2, 100 registers"),
        pytest.param(SH10RT_1, 125, 7, id="SH10RT level 1"),
        pytest.param(SH10RT_1, 100, 8, id="SH10RT level 1, 100 registers"),
        pytest.param(SH10RT_2, 125, 13, id="SH10RT level 2"),
        pytest.param(SH10RT_2, 100, 13, id="SH10RT level 2, 100 registers"),
    ],
)
def test_what_the_incumbent_reads_takes_this_many_requests(
    lists: Lists, widest: int, requests: int
) -> None:
    fields = [
        Block(space, start, count)
        for space, by_count in lists.items()
        for count, starts in by_count.items()
        for start in starts
    ]
    answer = plan(fields, widest, NOWHERE, Holes())
    assert len(answer.blocks) == len(answer.certificate) == requests
    assert not answer.unreadable
