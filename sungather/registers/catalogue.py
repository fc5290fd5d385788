"""The register map: which registers a device has, what they mean, and how often to read them.

The map itself is in `data/*.table`; `tables.py` describes the form. It is read once a process.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache

from sungather.reading import NOT_INVERTERS, Path
from sungather.registers import Space
from sungather.registers.device import Device
from sungather.registers.plan import UnreadableRanges
from sungather.registers.tables import Register, Row, Tier, read_rows

__all__ = [
    "Register",
    "Tier",
    "all_registers",
    "not_forwarded",
    "registers_for",
    "starts_known",
    "starts_of_others",
]

_INVERTERS = ("common", "string", "hybrid", "settings", "history", "undocumented")
_SUB_DEVICES = ("sub_devices", "home_manager", "logger")
"""Files of devices beside an inverter, each read only if there is one."""
_MANY = 99
"""Trackers or strings that no model has."""
_FILE_OF = {"ems": "home_manager", "logger": "logger"}
"""Family -> its file; batteries and wall boxes share one."""


def registers_for(device: Device, level: int) -> tuple[Register, ...]:
    """The registers that are worth asking this device for, up to the level (1, 2 or 3).

    Those by which others are judged are asked for at every level: without the ones that tell
    faults nobody can say that there is no fault. Below their own level they are not published.

    Several registers of one name are candidates for one value, the preferred one first.
    """
    beside = (_FILE_OF.get(device.family, "sub_devices"),)
    rows = _rows(beside if device.family in NOT_INVERTERS else _INVERTERS)
    return tuple(
        row.register
        for row in rows
        if (row.register.level <= level or row.register.always) and row.suits(device)
    )


def all_registers(*, sub_devices: bool) -> Iterator[Register]:
    """Every register of the map, of inverters or of what is beside them, in the files' order."""
    return (row.register for row in _rows(_SUB_DEVICES if sub_devices else _INVERTERS))


def starts_known(device: Device) -> Mapping[Space, frozenset[int]]:
    """Registers on which a request may start: all that the device's family has, of any level."""
    starts: dict[Space, set[int]] = {space: set() for space in Space}
    for register in registers_for(device, level=3):
        starts[register.space].add(register.address)
    return {space: frozenset(known) for space, known in starts.items()}


def starts_of_others(device: Device) -> Mapping[Space, frozenset[int]]:
    """Registers that other kinds of devices have, and this kind has not, whatever its size."""
    largest = replace(device, phases=None, mppts=_MANY, strings=_MANY, meter=True)
    own, everybodys = starts_known(largest), _starts_of_any()
    return {space: everybodys[space] - own[space] for space in Space}


@cache
def _starts_of_any() -> Mapping[Space, frozenset[int]]:
    known = [one for beside in (False, True) for one in all_registers(sub_devices=beside)]
    return {s: frozenset(one.address for one in known if one.space is s) for s in Space}


_NOT_FORWARDED = frozenset(
    (Space.INPUT, n)
    for first, last in ((4952, 4953), (6100, 6826), (13066, 13079))
    for n in range(first, last + 1)
)
"""By a logger: version of the protocol, past days, alarms of batteries (hybrid V1.1.16, 2)."""


def not_forwarded(device: Device) -> UnreadableRanges:
    """Registers that no request may contain on this way to the device, by the documents."""
    through_logger = device.path is Path.LOGGER
    return UnreadableRanges(no_contain=_NOT_FORWARDED if through_logger else frozenset())


@cache
def _rows(files: tuple[str, ...]) -> tuple[Row, ...]:
    """All rows of the files; rows of one name are in the order in which the files have them."""
    return tuple(row for name in files for row in read_rows(name))
