"""Words from the cache: never torn, never too old, exactly as the device gave them."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st
from scripted_transport import register

from sungather.registers import Block, Space
from sungather.registers.catalogue import Register, Tier, registers_for
from sungather.registers.models import model_named
from sungather.registers.word_cache import KEPT, WordCache, WordMap

LIFETIME = {Tier.FAST: 0.0, Tier.SLOW: 150.0, Tier.HOURLY: 7230.0, Tier.HISTORY: 7230.0}
FAST = 5.0


def block(start: int, count: int) -> Block:
    return Block(Space.INPUT, start, count)


def cache_of(*exchanges: tuple[int, list[int], float]) -> WordCache:
    cache = WordCache()
    for start, words, at in exchanges:
        cache.add(block(start, len(words)), words, at)
    return cache


def known(*registers: Register) -> WordMap:
    return WordMap(registers, LIFETIME)


PAIR = register("energy", 10, decode="u32")
SLOW = register("slow", 20, Tier.SLOW)


def test_words_are_those_of_the_newest_exchange() -> None:
    cache = cache_of((10, [1, 2, 3], 0.0), (11, [7, 8], 1.0))
    assert cache.read(block(11, 2), known(), 2.0, FAST) == [7, 8]
    cache.add(block(10, 3), [4, 0xFFFF, 6], 2.0)
    assert cache.read(block(10, 3), known(), 2.0, FAST) == [4, 0xFFFF, 6]


def test_a_range_comes_from_several_exchanges_between_values() -> None:
    cache = cache_of((8, [8, 9], 0.0), (10, [10, 11], 1.0), (12, [12], 2.0))
    assert cache.read(block(8, 5), known(PAIR), 2.0, FAST) == [8, 9, 10, 11, 12]


def test_two_halves_of_a_value_never_come_from_two_exchanges() -> None:
    cache = cache_of((9, [9, 10], 0.0), (11, [11, 12], 0.0))
    assert cache.read(block(9, 4), known(), 1.0, FAST) is not None
    assert cache.read(block(9, 4), known(PAIR), 1.0, FAST) is None


def test_a_newer_exchange_of_half_a_value_does_not_tear_it() -> None:
    cache = cache_of((10, [1, 2, 3], 0.0), (11, [22, 33], 1.0))
    assert cache.read(block(10, 3), known(PAIR), 2.0, FAST) == [1, 2, 3]


def test_fast_words_hold_as_long_as_asked_and_slow_ones_as_long_as_their_tier() -> None:
    cache = cache_of((10, [1, 2], 0.0), (20, [3], 0.0))
    words = known(PAIR, SLOW)
    assert cache.read(block(10, 2), words, FAST, FAST) == [1, 2]
    assert cache.read(block(10, 2), words, FAST + 0.1, FAST) is None
    assert cache.read(block(20, 1), words, 150.0, FAST) == [3]
    assert cache.read(block(20, 1), words, 150.1, FAST) is None


def test_what_nobody_documented_is_as_slow_as_its_slower_neighbour_or_else_fast() -> None:
    words = known(PAIR, SLOW, register("other", 23, Tier.SLOW))
    assert words.holds_for((Space.INPUT, 15), FAST) == 150.0
    assert words.holds_for((Space.INPUT, 21), FAST) == 150.0
    assert words.holds_for((Space.INPUT, 24), FAST) == FAST
    assert words.holds_for((Space.HOLDING, 15), FAST) == FAST


def test_only_what_is_missing_would_be_read() -> None:
    cache = cache_of((20, [3], 0.0))
    words = known(PAIR, SLOW, register("beside", 19))
    blocks = [block(10, 2), block(19, 2), block(30, 1)]
    assert cache.would_suffice(blocks, block(10, 2), words, 10.0, FAST) == [block(10, 2)]
    assert cache.would_suffice(blocks, block(20, 1), words, 10.0, FAST) == []
    assert cache.would_suffice(blocks, block(12, 1), words, 10.0, FAST) is None


def test_a_cleared_cache_and_old_exchanges_give_nothing() -> None:
    cache = cache_of((10, [1, 2], 0.0), (20, [3], KEPT + 1))
    assert not cache.starts_at(Space.INPUT, 10), "older than anything holds"
    assert cache.starts_at(Space.INPUT, 20)
    assert not cache.starts_at(Space.HOLDING, 20)
    cache.clear()
    assert cache.read(block(20, 1), known(SLOW), KEPT + 1, FAST) is None


SH10RT = registers_for(model_named("SH10RT"), 3)
VALUES = [one.block for one in SH10RT if one.count > 1 and one.space is Space.INPUT]
WORDS = WordMap(SH10RT, LIFETIME)
_NEAR = st.tuples(st.integers(-8, 3), st.integers(1, 20))
"""Where a range starts, counted from a value's first register, and how long it is."""


@given(
    value=st.sampled_from(VALUES),
    blocks=st.lists(_NEAR, min_size=1, max_size=8),
    wanted=_NEAR,
)
def test_no_documented_value_is_ever_torn(
    value: Block, blocks: Iterable[tuple[int, int]], wanted: tuple[int, int]
) -> None:
    """Each exchange is stamped: all words of one value bear the same stamp."""
    cache = WordCache()
    for stamp, (offset, count) in enumerate(blocks):
        cache.add(block(value.start + offset, count), [stamp] * count, 0.1 * stamp)
    asked = block(value.start + wanted[0], wanted[1])
    found = cache.read(asked, WORDS, 2.0, FAST)
    if found is None:
        return
    assert len(found) == asked.count
    for one in VALUES:
        if asked.holds(one):
            stamps = found[one.start - asked.start : one.end - asked.start + 1]
            assert len(set(stamps)) == 1, one
