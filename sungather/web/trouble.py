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
from sungather.web import formats
from sungather.web.page_model import PageModel

NIGHT: Final = frozenset({Asleep.kind, ProbablyAsleep.kind})


_PARTIAL: Final = {MeterWrong.kind: "Smart meter"}
"""Kind of a problem beside which there are values -> what is in trouble."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is wrong."""

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
    return "" if model.one is reading else f"{reading.name}: "


def _faults(model: PageModel) -> Iterator[Trouble]:
    for reading in model.told:
        judged = model.faults_of(reading)
        for fault in judged.active if judged else ():
            yield Trouble("Fault", f"{_whose(reading, model)}{fault.text}", "faults")


def _silences(model: PageModel) -> Iterator[Trouble]:
    for reading in model.told:
        whose = _whose(reading, model)
        problem = reading.problem
        if problem is not None and problem.kind not in NIGHT:
            partial = reading.state is State.OK
            what = _PARTIAL.get(problem.kind, "Incomplete") if partial else formats.state(reading)
            yield Trouble(what, f"{whose}{problem.message}")
        elif reading.state is State.OK and reading.name in model.stale:
            since = formats.clock(reading.time, model.now, model.timezone)
            yield Trouble("No news", f"{whose}The newest reading is of {since}.")


def _services(model: PageModel) -> Iterator[Trouble]:
    for health in model.services:
        if is_failing(health):
            yield Trouble(formats.service(health.name), health.message, "services")


def banner(model: PageModel) -> str:
    """The inside of the banner; "" while nothing is wrong.

    `data-count` is for the title of the page.
    """
    found = troubles(model)
    if not found:
        return ""
    rows = "".join(f"<li>{_head(one)} <span>{escape(one.sentence)}</span></li>" for one in found)
    return f'<ul class="trouble" data-count="{len(found)}">{rows}</ul>'


def _head(one: Trouble) -> str:
    what = f"<b>{escape(one.what)}</b>"
    sign = '<svg aria-hidden="true"><use href="#i-warn"/></svg>'
    return f'{sign}<a href="#{one.link}">{what}</a>' if one.link else f"{sign}{what}"
