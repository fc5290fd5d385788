"""What is wrong with the options that snapd holds, all at once: as options, and in the snap."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sungather.options.check import Checked, check
from sungather.options.configuration import configured
from sungather.options.file import Document
from sungather.snap import confined


@dataclass(frozen=True, slots=True)
class Judged:
    """What the options mean, and what is wrong with them."""

    checked: Checked
    problems: list[str]
    """A sentence each."""


def judged(given: Mapping[str, str], stored: Document, common: Path) -> Judged:
    """Judge options.

    Args:
        given: texts by key.
        stored: what snapd holds, for what of it is no text.
        common: $SNAP_COMMON.
    """
    checked = check(given, need_inverter=False, wrong=stored.wrong)
    problems = [sentence for _, sentence in stored.problems]
    problems += [problem.message for problem in checked.problems]
    if not problems:
        problems = confined.problems(configured(checked), common)
    return Judged(checked, problems)
