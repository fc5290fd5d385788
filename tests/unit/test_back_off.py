"""Waits grow, are bounded, are spread, and begin anew."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sungather.back_off import BackOff

SECONDS = st.floats(0.01, 1e6)


@pytest.mark.parametrize(
    ("back_off", "waits"),
    [
        (BackOff(1, 8), [1, 2, 4, 8, 8]),
        (BackOff(1, 10), [1, 2, 4, 8, 10, 10]),
        (BackOff(5, 90, between=(20, 45)), [5, 20, 45, 90, 90]),
        (BackOff(5, 90, between=()), [5, 90, 90]),
        (BackOff(3, 3), [3, 3, 3]),
    ],
)
def test_waits_grow_to_the_longest_and_begin_anew(back_off: BackOff, waits: list[float]) -> None:
    for _ in range(2):
        assert [back_off.next() for _ in waits] == waits
        back_off.reset()


@given(first=SECONDS, factor=st.floats(1, 1e4), low=st.floats(0.1, 1), high=st.floats(1, 3))
def test_no_wait_leaves_its_bounds(first: float, factor: float, low: float, high: float) -> None:
    longest = first * factor
    even, uneven = BackOff(first, longest), BackOff(first, longest, spread=(low, high))
    for _ in range(20):
        step, wait = even.next(), uneven.next()
        assert first <= step <= longest
        assert step * low <= wait <= step * high * (1 + 1e-9)
    assert even.next() == longest


async def test_wait_sleeps_the_step_or_as_long_as_is_asked() -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    back_off = BackOff(1, 60, spread=(1.0, 1.5), sleep=sleep, uniform=lambda _, high: high)
    await back_off.wait()
    await back_off.wait(at_least=10)
    await back_off.wait(at_least=2)
    assert slept == [1.5, 10, 6.0]
