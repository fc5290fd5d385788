"""Which trouble is worth another try, how often, and with what pause."""

from collections.abc import Sequence
from contextlib import suppress

import pytest
from support import ManualClock

from sungather import errors
from sungather.device.requester import WRONG_UNIT_AFTER, Requester
from sungather.registers import Block, Space

BLOCK = Block(Space.INPUT, 5000, 2)
WORDS = (1, 2)


class Scripted:
    """A transport that gives what it is told to, one thing a request."""

    name = "modbus"
    widest = 125
    connects = 0
    requests = 0

    def __init__(self, *script: Sequence[int] | Exception) -> None:
        self.script = list(script)

    async def connect(self) -> None: ...

    async def close(self) -> None: ...

    async def read(self, block: Block, unit: int) -> Sequence[int]:
        self.requests += 1
        answer = self.script.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def requester(transport: Scripted, retries: int = 3) -> tuple[Requester, list[float], ManualClock]:
    pauses: list[float] = []
    time = ManualClock()

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        time.tick(seconds)

    return Requester(transport, 1, retries, time.clock, sleep), pauses, time


@pytest.mark.parametrize("trouble", [errors.Silent(""), errors.ConnectionLost("")])
async def test_silence_and_loss_are_tried_again_at_once(trouble: Exception) -> None:
    asking, pauses, _ = requester(Scripted(trouble, trouble, WORDS))
    assert await asking.read(BLOCK) == WORDS
    assert pauses == []


async def test_contention_is_tried_again_after_growing_pauses() -> None:
    asking, pauses, _ = requester(Scripted(*[errors.Busy("")] * 3, WORDS))
    assert await asking.read(BLOCK) == WORDS
    assert [0.1 <= pauses[0] <= 0.2, 0.2 <= pauses[1] <= 0.4, 0.4 <= pauses[2] <= 0.8] == [
        True
    ] * 3


@pytest.mark.parametrize(
    "trouble", [errors.Refused("illegal data address"), errors.PortClosed(""), errors.NoRoute("")]
)
async def test_what_is_final_for_this_scan_is_not_tried_again(trouble: Exception) -> None:
    transport = Scripted(trouble, WORDS)
    asking, _, _ = requester(transport)
    with pytest.raises(type(trouble)):
        await asking.read(BLOCK)
    assert transport.requests == 1


async def test_the_tries_are_retries_plus_one() -> None:
    transport = Scripted(*[errors.Silent("")] * 10)
    asking, _, _ = requester(transport, retries=2)
    with pytest.raises(errors.Silent):
        await asking.read(BLOCK)
    assert transport.requests == 3


async def test_contention_for_an_hour_blames_the_unit_and_an_answer_starts_anew() -> None:
    transport = Scripted(errors.Busy(""), WORDS, errors.Busy(""), errors.Busy(""))
    asking, _, time = requester(transport, retries=0)
    with pytest.raises(errors.Busy):
        await asking.read(BLOCK)
    await asking.read(BLOCK)
    time.tick(3600)
    with pytest.raises(errors.Busy):
        await asking.read(BLOCK)
    time.tick(3600)
    with pytest.raises(errors.WrongUnit):
        await asking.read(BLOCK)


@pytest.mark.parametrize("final", [errors.Refused("illegal data address"), WORDS])
async def test_any_answer_of_the_device_ends_the_hour_of_contention(
    final: Sequence[int] | Exception,
) -> None:
    """A refusal as well: there is somebody on that unit."""
    script = [errors.Busy(""), errors.Silent(""), final, errors.Busy("")]
    asking, _, time = requester(Scripted(*script), retries=0)
    for waited in (0, WRONG_UNIT_AFTER / 2, WRONG_UNIT_AFTER / 4):
        time.tick(waited)
        with suppress(errors.InverterError):
            await asking.read(BLOCK)
    time.tick(WRONG_UNIT_AFTER / 2)
    with pytest.raises(errors.Busy):
        await asking.read(BLOCK)


async def test_silence_does_not_end_the_hour_of_contention() -> None:
    asking, _, time = requester(
        Scripted(errors.Busy(""), errors.Silent(""), errors.Busy("")), retries=0
    )
    for error, waited in ((errors.Busy, 0), (errors.Silent, 60), (errors.WrongUnit, 3600)):
        time.tick(waited)
        with pytest.raises(error):
            await asking.read(BLOCK)


@pytest.mark.parametrize(("of_the_block", "tries"), [(None, 4), (0, 1), (1, 2)])
async def test_a_block_may_have_fewer_tries_than_the_others(
    of_the_block: int | None, tries: int
) -> None:
    transport = Scripted(*[errors.Silent("")] * 9)
    asking, _, _ = requester(transport, retries=3)
    with pytest.raises(errors.Silent):
        await asking.read(BLOCK, of_the_block)
    assert transport.requests == tries


async def test_the_pauses_of_one_request_do_not_lengthen_those_of_the_next() -> None:
    busy = errors.Busy("")
    asking, pauses, _ = requester(Scripted(busy, busy, WORDS, busy, WORDS))
    await asking.read(BLOCK)
    await asking.read(BLOCK)
    assert 0.1 <= pauses[2] <= 0.2


async def test_a_refusal_is_an_answer_and_ends_the_hour_of_contention() -> None:
    transport = Scripted(errors.Busy(""), errors.Refused("no"), errors.Busy(""))
    asking, _, time = requester(transport, retries=0)
    with pytest.raises(errors.Busy):
        await asking.read(BLOCK)
    with pytest.raises(errors.Refused):
        await asking.read(BLOCK)
    time.tick(3600)
    with pytest.raises(errors.Busy):
        await asking.read(BLOCK)
