"""The lists of the page."""

from datetime import UTC, datetime

import pytest

from sungather.reading import Problem, Reading, State
from sungather.web import lists


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
