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


class ReadByAnother(Exception):
    """Another unit of the application reads other inverters with this machine's snap."""

    def __init__(self, unit: str):
        super().__init__(unit)
        self.unit = unit


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


def claim(unit: Unit, *, polls: bool, own_inverter: bool = False) -> bool:
    """Own the snap, with others of the application. False if one of those polls, not this one.

    A new leader has it though the former one still says that it polls: that is over.

    Args:
        unit: who asks.
        polls: whether this unit is to read inverters.
        own_inverter: whether that is one of its own, and not that of the leader.

    Raises:
        OwnedByAnother: another application's unit lives on this machine.
        ReadByAnother: one of the two units that are to read has an inverter of its own.
    """
    with _locked():
        others = _others(unit)
        for other in others:
            if (other["model"], other["application"]) != (unit.model, unit.application):
                raise OwnedByAnother(str(other["application"]))
        apart = (one for one in others if one["polls"] and (own_inverter or one["own_inverter"]))
        first = next(apart, None) if polls else None
        text = json.dumps(
            {
                "model": unit.model,
                "application": unit.application,
                "unit": unit.name,
                "home": str(unit.home),
                "polls": polls and first is None,
                "own_inverter": own_inverter,
            }
        )
        file = DIRECTORY / unit.file
        if not file.exists() or file.read_text() != text:
            whole = file.with_suffix(".new")
            whole.write_text(text)
            whole.replace(file)
    if first is not None:
        raise ReadByAnother(str(first["unit"]))
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
    for file in sorted(DIRECTORY.glob("*.json")):
        if file.name == unit.file:
            continue
        try:
            entry = json.loads(file.read_text())
        except ValueError:
            continue  # cut by a power failure; its unit writes it anew
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
