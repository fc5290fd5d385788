"""Whose the snap on this machine is: one file a unit, in a directory of the charm's own.

A machine has one sungather snap, so one application owns it, through any number of units. Units
that went without a word (`juju remove-unit --force`) own nothing: their charm's directory is gone.
"""

import contextlib
import fcntl
import json
import pathlib
from collections.abc import Generator
from dataclasses import dataclass

DIRECTORY = pathlib.Path("/var/lib/sungather-charm")
_LOCK = "lock"


class OwnedByAnother(Exception):
    """The snap belongs to another application on this machine."""

    def __init__(self, application: str):
        super().__init__(application)
        self.application = application


@dataclass(frozen=True)
class Unit:
    """Who asks."""

    model: str
    """UUID of the model."""
    name: str
    """"sungather/0"."""
    home: pathlib.Path
    """Where its charm lives, as long as it does."""

    @property
    def application(self) -> str:
        """Name of its application."""
        return self.name.partition("/")[0]

    @property
    def file(self) -> str:
        """Name of its file."""
        return f"{self.model}.{self.name.replace('/', '-')}.json"


def claim(unit: Unit, *, polls: bool) -> bool:
    """Own the snap, with others of the application. False if one of those polls, not this one.

    Args:
        unit: who asks.
        polls: whether this unit is to read the inverters.

    Raises:
        OwnedByAnother: another application's unit lives on this machine.
    """
    with _locked():
        others = _others(unit)
        for other in others:
            if (other["model"], other["application"]) != (unit.model, unit.application):
                raise OwnedByAnother(str(other["application"]))
        file = DIRECTORY / unit.file
        text = json.dumps(
            {
                "model": unit.model,
                "application": unit.application,
                "home": str(unit.home),
                "polls": polls,
            }
        )
        if not file.exists() or file.read_text() != text:
            file.write_text(text)
    return polls or not any(other["polls"] for other in others)


def is_last_owner(unit: Unit) -> bool:
    """Whether the unit owns the snap, and nobody else does."""
    with _locked():
        return (DIRECTORY / unit.file).exists() and not _others(unit)


def release(unit: Unit) -> None:
    """Give up what the unit owns."""
    with _locked():
        (DIRECTORY / unit.file).unlink(missing_ok=True)


def _others(unit: Unit) -> list[dict[str, object]]:
    """The claims of all other units that still live."""
    found: list[dict[str, object]] = []
    for file in DIRECTORY.glob("*.json"):
        if file.name == unit.file:
            continue
        entry = json.loads(file.read_text())
        if pathlib.Path(entry["home"]).is_dir():
            found.append(entry)
        else:
            file.unlink()
    return found


@contextlib.contextmanager
def _locked() -> Generator[None]:
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    with (DIRECTORY / _LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
