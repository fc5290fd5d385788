"""The lists of the page."""

from datetime import UTC, datetime

import pytest
from households import NOW, SERVICES

from sungather.reading import Problem, Reading, State
from sungather.site import Plant
from sungather.web import lists
from sungather.web.page_model import PageModel


@pytest.mark.parametrize(
    ("state", "kind", "look"),
    [
        (State.ASLEEP, "asleep", "quiet"),
        (State.UNREACHABLE, "probably-asleep", "quiet"),
        (State.UNREACHABLE, "silent", "problem"),
        (State.OK, "busy", "problem"),
    ],
)
def test_a_night_does_not_look_like_trouble(state: State, kind: str, look: str) -> None:
    now = datetime(2026, 6, 21, 22, tzinfo=UTC)
    reading = Reading("inverter", state, now, problem=Problem(kind, "A sentence."))
    assert lists.problem(reading) == f'<p class="{look}">A sentence.</p>'


def test_who_asks_the_modbus_server_is_told() -> None:
    model = PageModel(NOW, UTC, [], "", lambda _: {}, [], SERVICES, Plant())
    told = "192.168.1.5 asked 379 times, 371 from memory (exception 0x02: 1, exception 0x0b: 1)"
    assert told in lists.services(model)
