"""What is wrong now, for the top of the page: faults, silence, exports that fail; pure.

A night is no trouble. Each trouble is told once on the page, and here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Final

from sungather.errors import Asleep, MeterWrong, ProbablyAsleep
from sungather.reading import Reading, State
from sungather.service import Health
from sungather.web import codes
from sungather.web.page_model import PageModel

NIGHT: Final = frozenset({Asleep.kind, ProbablyAsleep.kind})


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is wrong, as HTML."""

    what: str
    """Two or three words, such as "Fault" or "InfluxDB"."""
    sentence: str
    link: str = ""
    """Id of the card with more about it."""


def troubles(model: PageModel) -> list[Trouble]:
    """All that is wrong with what the page is about, the worst first."""
    return [*_faults(model), *_silences(model), *_services(model)]


def is_failing(health: Health) -> bool:
    """Whether a person should know of the state of a service."""
    return health.state in ("blocked", "waiting") and bool(health.message)


def _whose(reading: Reading, model: PageModel) -> str:
    return "" if model.one is reading else f"{escape(model.name(reading))}: "


def _faults(model: PageModel) -> Iterator[Trouble]:
    say = model.say
    for reading in model.told:
        judged = model.faults_of(reading)
        for fault in judged.active if judged else ():
            told = f"{_whose(reading, model)}{codes.linked(fault.text, say)}"
            if advice := codes.advice(fault.text, say):
                told += f'<span class="do">{advice}</span>'
            yield Trouble(say("trouble.fault"), told, "faults")


def _silences(model: PageModel) -> Iterator[Trouble]:
    say = model.say
    for reading in model.told:
        whose = _whose(reading, model)
        problem = reading.problem
        if problem is not None and problem.kind not in NIGHT:
            partial = reading.state is State.OK and problem.kind != MeterWrong.kind
            what = say.term("problem", "incomplete" if partial else problem.kind)
            yield Trouble(what, f"{whose}{say.foreign(problem.message)}")
        elif reading.state is State.OK and reading.name in model.stale:
            since = say.clock(reading.time, model.now, model.timezone)
            yield Trouble(say("state.overdue"), f"{whose}{say('trouble.newest', time=since)}")


def _services(model: PageModel) -> Iterator[Trouble]:
    say = model.say
    for health in model.services:
        if is_failing(health):
            yield Trouble(
                say.term("service", health.name), say.foreign(health.message), "services"
            )


def banner(model: PageModel) -> str:
    """The inside of the banner; "" while nothing is wrong.

    `data-count` is for the title of the page.
    """
    found = troubles(model)
    if not found:
        return ""
    rows = "".join(f"<li>{_head(one)} <span>{one.sentence}</span></li>" for one in found)
    return f'<ul class="trouble" data-count="{len(found)}">{rows}</ul>'


def _head(one: Trouble) -> str:
    sign = '<svg aria-hidden="true"><use href="#i-warn"/></svg>'
    what = f"<b>{one.what}</b>"
    return f'{sign}<a href="#{one.link}">{what}</a>' if one.link else f"{sign}{what}"
