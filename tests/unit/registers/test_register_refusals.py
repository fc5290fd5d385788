"""Learning what a device refuses, against simulated devices that refuse at random."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sungather.reading import Path, Refusal
from sungather.registers import Block, Space
from sungather.registers.diagnose import FILLER_REASON, Diagnosis, Findings
from sungather.registers.plan import UnreadableRanges, plan
from sungather.registers.refusals import (
    AGAIN,
    FAILING,
    SILENT,
    WAITS,
    DeviceQuirks,
    Strikes,
    quirks_name,
)

IN, HOLD = Space.INPUT, Space.HOLDING
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ADDRESS = "illegal data address"


def block(start: int, count: int = 1, space: Space = IN) -> Block:
    return Block(space, start, count)


@dataclass
class Inverter:
    """Answers every register with its number, but refuses what it is told to refuse."""

    no_start: frozenset[int] = frozenset()
    no_contain: frozenset[int] = frozenset()
    widest: int = 125
    filler: int | None = None
    """What it answers for registers on which no block may start; None: their number."""
    asked: list[Block] = field(default_factory=list[Block])
    refused: int = 0

    def gives(self, asked: Block) -> bool:
        inside = set(range(asked.start, asked.end + 1))
        return (
            asked.start not in self.no_start
            and not inside & self.no_contain
            and asked.count <= self.widest
        )

    def read(self, asked: Block) -> list[int] | None:
        self.asked.append(asked)
        if not self.gives(asked):
            self.refused += 1
            return None
        numbers = range(asked.start, asked.end + 1)
        hidden = self.no_start if self.filler is not None else frozenset[int]()
        return [(self.filler or 0) if n in hidden else n for n in numbers]


@dataclass
class Cycle:
    read: dict[Block, tuple[int, ...]]
    refused: int
    probes: int


def scan(
    inverter: Inverter,
    quirks: DeviceQuirks,
    fields: Sequence[Block],
    starts: frozenset[int] = frozenset(),
    widest: int = 100,
    masked: bool = False,
) -> Cycle:
    """One complete cycle: read the plan, and diagnose each block that is refused."""
    read: dict[Block, tuple[int, ...]] = {}
    refused = probes = 0
    width = min(widest, quirks.widest or widest)
    todo = plan(quirks.wanted(fields), width, {IN: starts}, quirks.unreadable)
    for asked in todo.blocks:
        carried = [f for f in quirks.wanted(fields) if asked.holds(f)]
        words = inverter.read(asked)
        if words is not None:
            read |= {f: tuple(words[f.start - asked.start :][: f.count]) for f in carried}
            continue
        refused += 1
        diagnosis = Diagnosis(
            asked,
            carried,
            ADDRESS,
            widest=min(widest, quirks.widest or widest),
            starts={IN: starts},
            unreadable=quirks.unreadable,
            masked=masked,
        )
        while diagnosis.probe is not None:
            probes += 1
            answer = inverter.read(diagnosis.probe)
            if answer is None:
                diagnosis.refused(ADDRESS)
            else:
                diagnosis.accepted(answer)
        quirks.learn(diagnosis.findings, NOW)
        read |= diagnosis.findings.read
    return Cycle(read, refused, probes)


def readable(inverter: Inverter, wanted: Block, starts: frozenset[int], widest: int) -> bool:
    """By definition: a block from a known start, as wide as we would ask, that it gives."""
    return any(
        inverter.gives(block(start, wanted.end - start + 1))
        for start in starts | {wanted.start}
        if start <= wanted.start and wanted.end - start < widest
    )


LAST = 60
some = st.frozensets(st.integers(1, LAST), max_size=8)


@settings(max_examples=400, deadline=None)
@given(
    fields=st.frozensets(
        st.builds(block, st.integers(1, LAST), st.sampled_from([1, 1, 2, 2, 5])),
        min_size=1,
        max_size=20,
    ),
    extra_starts=some,
    no_start=some,
    no_contain=st.frozensets(st.integers(1, LAST), max_size=4),
    limit=st.integers(5, 60),
)
def test_after_learning_every_readable_field_is_read_and_nothing_is_refused_any_more(
    fields: frozenset[Block],
    extra_starts: frozenset[int],
    no_start: frozenset[int],
    no_contain: frozenset[int],
    limit: int,
) -> None:
    inverter = Inverter(no_start, no_contain, limit)
    quirks = DeviceQuirks()
    starts = extra_starts | {f.start for f in fields}
    refused = probes = 0
    for _ in range(len(no_start) + len(no_contain) + limit + 2):
        cycle = scan(inverter, quirks, sorted(fields), starts, widest=50)
        refused += cycle.refused
        probes += cycle.probes
        if not cycle.refused:
            break
    else:
        pytest.fail("refused blocks kept coming")
    asked_before = len(inverter.asked)
    last = scan(inverter, quirks, sorted(fields), starts, widest=50)
    expected = {f for f in fields if readable(inverter, f, starts, 50)}
    assert set(last.read) == expected
    assert all(words == tuple(range(f.start, f.end + 1)) for f, words in last.read.items())
    assert not last.refused
    assert not expected & set(quirks.refused)
    assert quirks.unreadable.no_start <= {(IN, n) for n in no_start | no_contain}
    assert quirks.widest is None or limit <= quirks.widest < 50
    blocks = len(inverter.asked) - asked_before
    assert probes <= (
        3 * len(quirks.unreadable.no_start)
        + 9 * len(quirks.unreadable.no_contain)
        + 9 * (quirks.widest is not None)
        + refused * blocks
    )


@pytest.mark.parametrize("found", [(60, 40), (40, 60), (40, None)])
def test_the_narrowest_limit_that_was_found_holds(found: tuple[int | None, ...]) -> None:
    quirks = DeviceQuirks()
    for widest in found:
        quirks.learn(Findings(UnreadableRanges(), widest, {}, {}), NOW)
    assert quirks.widest == 40


def diagnose(
    inverter: Inverter,
    asked: Block,
    fields: Sequence[Block],
    starts: frozenset[int] = frozenset(),
    masked: bool = False,
) -> tuple[Diagnosis, int]:
    """Diagnose one refused block; the second is the number of probes."""
    before = len(inverter.asked)
    diagnosis = Diagnosis(
        asked,
        fields,
        ADDRESS,
        widest=100,
        starts={asked.space: starts},
        unreadable=UnreadableRanges(),
        masked=masked,
    )
    while diagnosis.probe is not None:
        answer = inverter.read(diagnosis.probe)
        if answer is None:
            diagnosis.refused(ADDRESS)
        else:
            diagnosis.accepted(answer)
    return diagnosis, len(inverter.asked) - before


def spread(first: int, last: int, step: int) -> list[Block]:
    return [block(n) for n in range(first, last + 1, step)]


def test_a_register_that_cannot_start_a_block_is_read_inside_a_larger_one() -> None:
    inverter = Inverter(no_start=frozenset({5741}))
    fields = [block(5739), block(5741), block(5743)]
    quirks = DeviceQuirks()
    diagnosis, _ = diagnose(inverter, block(5741, 3), fields[1:], frozenset({5739}))
    quirks.learn(diagnosis.findings, NOW)
    assert quirks.unreadable == UnreadableRanges(no_start=frozenset({(IN, 5741)}))
    assert set(scan(inverter, quirks, fields).read) == set(fields)


def test_a_hole_in_the_gap_between_two_fields_is_found_to_the_register() -> None:
    inverter = Inverter(no_contain=frozenset({5637}))
    fields = [block(5601, 2), block(5630), block(5640, 2)]
    diagnosis, probes = diagnose(inverter, block(5601, 41), fields)
    assert diagnosis.findings.unreadable == UnreadableRanges(no_contain=frozenset({(IN, 5637)}))
    assert diagnosis.findings.widest is None
    assert set(diagnosis.findings.read) == set(fields)
    assert probes <= 9


def test_a_width_limit_is_not_taken_for_a_hole() -> None:
    inverter = Inverter(widest=62)
    fields = spread(6200, 6299, 3)
    diagnosis, probes = diagnose(inverter, block(6200, 100), fields)
    assert diagnosis.findings.widest == 62
    assert not diagnosis.findings.unreadable
    assert set(diagnosis.findings.read) == set(fields)
    assert probes <= 10


def test_a_width_limit_and_a_hole_at_the_same_register_are_told_apart() -> None:
    inverter = Inverter(widest=30, no_contain=frozenset({130}))
    fields = spread(100, 160, 2)
    diagnosis, _ = diagnose(inverter, block(100, 61), fields)
    assert diagnosis.findings.unreadable.no_contain == {(IN, 130)}
    assert set(diagnosis.findings.refused) == {block(130)}
    assert set(diagnosis.findings.read) == set(fields) - {block(130)}


def test_a_region_that_is_refused_altogether_costs_one_probe_a_field() -> None:
    inverter = Inverter(no_contain=frozenset(range(100, 200)))
    fields = spread(100, 198, 2)
    diagnosis, probes = diagnose(inverter, block(100, 99), fields)
    assert set(diagnosis.findings.refused) == set(fields)
    assert probes <= len(fields) + 1


def test_one_bad_register_among_many_costs_no_more_than_a_binary_search() -> None:
    inverter = Inverter(no_contain=frozenset({163}))
    fields = spread(100, 199, 1)
    diagnosis, probes = diagnose(inverter, block(100, 100), fields)
    assert set(diagnosis.findings.refused) == {block(163)}
    assert probes <= 12


@pytest.mark.parametrize(
    ("filler", "masked", "is_value"),
    [
        pytest.param(0, True, False, id="0 where absent values are masked"),
        pytest.param(0, False, True, id="0 over a cable"),
        pytest.param(0xFFFF, False, False, id="0xFFFF over a cable"),
        pytest.param(0xFFFF, True, False, id="0xFFFF where absent values are masked"),
        pytest.param(17, True, True, id="a number"),
    ],
)
def test_filler_of_a_register_refused_alone_is_no_value(
    filler: int, masked: bool, is_value: bool
) -> None:
    inverter = Inverter(no_start=frozenset({5741}), filler=filler)
    fields = [block(5740), block(5741)]
    diagnosis, _ = diagnose(inverter, block(5741), fields[1:], frozenset({5740}), masked)
    findings = diagnosis.findings
    if is_value:
        assert findings.read == {block(5741): (filler,)}
        assert not findings.refused
    else:
        assert findings.refused == {block(5741): FILLER_REASON}
        assert not findings.read


def test_no_probe_touches_registers_that_are_read_in_isolation() -> None:
    diagnosis = Diagnosis(
        block(13296, 2),
        [block(13296), block(13297)],
        ADDRESS,
        widest=100,
        starts={IN: frozenset({13240})},
        unreadable=UnreadableRanges(),
        isolated={block(13250, 45): "firmware"},
    )
    while diagnosis.probe is not None:
        assert diagnosis.probe.start > 13294
        diagnosis.refused(ADDRESS)
    assert len(diagnosis.findings.refused) == 2


def test_the_reason_of_the_device_stays_with_the_field_it_was_given_for() -> None:
    diagnosis = Diagnosis(
        block(10, 3),
        [block(10), block(12)],
        "first",
        widest=9,
        starts={},
        unreadable=UnreadableRanges(),
    )
    while diagnosis.probe is not None:
        diagnosis.refused(f"no {diagnosis.probe.start}")
    assert diagnosis.findings.refused == {block(10): "no 10", block(12): "no 12"}


def test_a_diagnosis_cut_short_keeps_what_it_has_found() -> None:
    diagnosis = Diagnosis(
        block(10, 3),
        [block(10), block(12)],
        ADDRESS,
        widest=9,
        starts={},
        unreadable=UnreadableRanges(),
    )
    diagnosis.accepted([7])
    assert diagnosis.probe is not None
    assert diagnosis.findings.read == {block(10): (7,)}
    assert not diagnosis.findings.refused


def test_an_answer_without_a_question_is_a_mistake_of_the_caller() -> None:
    diagnosis = Diagnosis(
        block(10), [block(10)], ADDRESS, widest=9, starts={}, unreadable=UnreadableRanges()
    )
    assert diagnosis.probe is None
    with pytest.raises(ValueError, match="ended"):
        diagnosis.accepted([1])


# --- what is remembered ---


def lost(*starts: int) -> Findings:
    return Findings(UnreadableRanges(), None, {}, {block(n): ADDRESS for n in starts})


def test_quirks_expire_the_later_the_more_often_nothing_new_came_of_asking_again() -> None:
    quirks, now = DeviceQuirks(), NOW
    assert not quirks.expired(NOW)
    for wait in (*WAITS, WAITS[-1]):
        quirks.learn(lost(1), now)
        assert not quirks.expired(now + wait)
        now += wait + timedelta(seconds=1)
        assert quirks.expired(now)
        quirks = quirks.asked_again()
        assert not quirks.refused


def test_the_waits_are_minutes_then_hours_then_days() -> None:
    assert timedelta(minutes=1) <= WAITS[0] <= timedelta(minutes=15)
    assert timedelta(hours=1) <= WAITS[1] <= timedelta(hours=12)
    assert WAITS[2] == timedelta(days=1)
    assert sorted(WAITS) == list(WAITS)


@pytest.mark.parametrize("reason", [SILENT, FAILING])
def test_what_gave_no_answer_is_asked_again_on_its_own(reason: str) -> None:
    """It may do so again, and then costs the others nothing."""
    quirks = DeviceQuirks(refused={block(1): reason, block(2): ADDRESS})
    again = quirks.asked_again()
    assert again.wanted([block(1), block(2)]) == [block(1), block(2)]
    assert again.isolated == {block(1): f"{AGAIN}input 1"}


@pytest.mark.parametrize("known", [False, True], ids=["never refused", "read since"])
def test_a_new_refusal_is_asked_again_soon(known: bool) -> None:
    quirks = DeviceQuirks()
    for _ in range(3):
        quirks.learn(lost(1, 2) if known else lost(1), NOW)
        quirks = quirks.asked_again()
    if known:
        assert quirks.given([block(2)])
    quirks.learn(lost(1), NOW)
    assert not quirks.expired(NOW + WAITS[1])
    quirks.learn(lost(2), NOW)
    assert quirks.expired(NOW + WAITS[0] + timedelta(seconds=1))


def test_what_was_learned_with_a_wrong_clock_expires() -> None:
    quirks = DeviceQuirks()
    quirks.learn(lost(1), NOW + timedelta(days=400))
    assert quirks.expired(NOW)


def test_a_file_of_before_is_read_and_asked_again_soon() -> None:
    quirks = DeviceQuirks()
    quirks.learn(lost(1), NOW)
    saved = quirks.as_json()
    del saved["rounds"], saved["before"]
    assert DeviceQuirks.from_json(saved) == quirks


def test_a_silent_block_is_halved_until_the_culprit_is_alone() -> None:
    fields = [block(n, 2) for n in (10, 12, 14, 16)]
    bad = block(14, 2)
    quirks = DeviceQuirks()
    silences = 0
    while True:
        todo = plan(quirks.wanted(fields), 100, {}, UnreadableRanges(), quirks.isolated)
        silent = next((asked for asked in todo.blocks if asked.holds(bad)), None)
        if silent is None:
            break
        silences += 1
        suspects = {one for one in quirks.wanted(fields) if silent.holds(one)}
        quirks.give_up(silent, fields, "silent", NOW)
        groups = [quirks.isolated.get(one, "") for one in sorted(suspects - quirks.refused.keys())]
        assert all(groups), "none of the suspects is read with the others"
        assert len(set(groups)) == min(len(groups), 2), "each half on its own"
    assert silences == 3
    assert quirks.refusals() == (Refusal("input", 14, 2, "silent"),)
    assert set(quirks.wanted(fields)) == set(fields) - {bad}


def test_a_group_known_to_close_the_session_is_given_up_as_a_whole() -> None:
    fields = [block(13250, 15), block(13265, 15), block(13280, 15)]
    quirks = DeviceQuirks()
    quirks.give_up(block(13250, 45), fields, "closes the session", NOW, whole=True)
    assert quirks.wanted(fields) == []
    assert quirks.refusals() == (Refusal("input", 13250, 45, "closes the session"),)


def test_refusals_are_rows_of_neighbours_with_one_reason() -> None:
    quirks = DeviceQuirks(
        refused={
            block(6100, 96): ADDRESS,
            block(6196, 31): ADDRESS,
            block(6227): "other",
            block(6229): ADDRESS,
            block(6196, space=HOLD): ADDRESS,
        }
    )
    rows = [(r.space, r.start, r.count, r.reason) for r in quirks.refusals([block(7000)])]
    assert rows == [
        ("holding", 6196, 1, ADDRESS),
        ("input", 6100, 127, ADDRESS),
        ("input", 6227, 1, "other"),
        ("input", 6229, 1, ADDRESS),
        ("input", 7000, 1, "no allowed request contains it"),
    ]


addresses = st.frozensets(st.tuples(st.sampled_from(Space), st.integers(1, 65536)))
blocks_with_text = st.dictionaries(
    st.builds(Block, st.sampled_from(Space), st.integers(1, 65000), st.integers(1, 125)),
    st.text(max_size=8),
    max_size=4,
)
everything_known = st.builds(
    DeviceQuirks,
    st.builds(UnreadableRanges, addresses, addresses),
    st.none() | st.integers(1, 125),
    blocks_with_text,
    blocks_with_text,
    st.none() | st.datetimes(timezones=st.just(UTC)),
    st.integers(0, len(WAITS) - 1),
    st.frozensets(st.builds(Block, st.sampled_from(Space), st.integers(1, 65000), st.just(2))),
)


@given(everything_known)
def test_quirks_survive_a_restart(quirks: DeviceQuirks) -> None:
    assert DeviceQuirks.from_json(json.loads(json.dumps(quirks.as_json()))) == quirks


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("input"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(
    quirks=everything_known,
    key=st.sampled_from(sorted(DeviceQuirks().as_json())),
    damage=json_values,
)
def test_damaged_quirks_are_refused_as_a_whole_or_are_still_in_bounds(
    quirks: DeviceQuirks, key: str, damage: object
) -> None:
    loaded = DeviceQuirks.from_json(quirks.as_json() | {key: damage})
    if loaded is not None:
        assert all(
            1 <= n <= 65536 for _, n in loaded.unreadable.no_start | loaded.unreadable.no_contain
        )
        assert DeviceQuirks.from_json(json.loads(json.dumps(loaded.as_json()))) == loaded


@pytest.mark.parametrize(
    "content",
    [
        {},
        [],
        "text",
        DeviceQuirks(widest=0).as_json(),
        DeviceQuirks(refused={block(0): "x"}).as_json(),
        DeviceQuirks().as_json() | {"widest": True},
        DeviceQuirks().as_json() | {"no_start": {"coil": [1]}},
        DeviceQuirks().as_json() | {"no_start": {"input": [1.5]}},
        DeviceQuirks().as_json() | {"learned_at": "2026-11-23T12:00:00"},
        DeviceQuirks().as_json() | {"refused": [["input", 1, 1]]},
        DeviceQuirks().as_json() | {"rounds": -1},
        DeviceQuirks().as_json() | {"rounds": len(WAITS)},
        DeviceQuirks().as_json() | {"before": [["input", 1]]},
    ],
)
def test_quirks_that_are_not_whole_are_not_believed(content: object) -> None:
    assert DeviceQuirks.from_json(content) is None


def test_the_name_of_quirks_is_fit_for_a_file_name() -> None:
    name = quirks_name(0x0E03, "ARM_V11/../B é", Path.CABLE, "A1/2")
    assert name == "refused-0e03-ARM_V11_.._B__-cable-A1_2"
    assert quirks_name(0x2C0F, "", Path.UNKNOWN) == "refused-2c0f-unknown-unknown"


# --- silence ---


def test_three_silences_with_answers_of_others_after_each_prove_a_block_guilty() -> None:
    strikes = Strikes()
    bad, good = block(13250, 45), block(5000)
    for _ in range(2):
        strikes.silent(bad)
        assert strikes.answered(good) == ()
    strikes.silent(bad)
    assert strikes.answered(good) == (bad,)
    assert strikes.answered(good) == ()


def test_silence_of_everything_proves_nothing() -> None:
    strikes = Strikes()
    for _ in range(10):
        strikes.silent(block(5000))
        strikes.silent(block(5100))
    assert strikes.answered(block(6000)) == ()


def test_a_block_that_answers_again_has_a_clean_record() -> None:
    strikes = Strikes()
    suspect, other = block(5000), block(5100)
    for _ in range(2):
        strikes.silent(suspect)
        strikes.answered(other)
    strikes.answered(suspect)
    strikes.silent(suspect)
    assert strikes.answered(other) == ()


def test_a_group_read_in_isolation_needs_one_silence_only_but_an_answer_after_it() -> None:
    strikes = Strikes()
    isolated = block(13250, 45)
    strikes.silent(isolated, tries=1)
    assert strikes.answered(isolated) == ()
    strikes.silent(isolated, tries=1)
    assert strikes.answered(block(5000)) == (isolated,)


def test_suspects_are_read_last_so_that_they_block_nobody() -> None:
    strikes = Strikes()
    strikes.silent(block(1))
    assert strikes.suspects_last([block(1), block(2), block(3)]) == [block(2), block(3), block(1)]
    strikes.answered(block(2))
    assert strikes.suspects_last([block(1), block(2)]) == [block(2), block(1)]
