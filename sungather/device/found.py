"""What `discover` has found, and the options to read it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from sungather.reading import Path


@dataclass(frozen=True, slots=True)
class Found:
    """A Sungrow device, and the options to read it."""

    host: str
    connection: str
    """A value of `inverter.connection`."""
    unit: int
    model: str
    """"" if the device does not say before a login."""
    serial: str
    path: Path
    what: str
    """What answered, for a person."""
    why: str
    """Why this connection is the best of those that answer there."""
    display_model: str = ""
    """All models that the device may be, for a person; "" if `model` is all that is known."""
    behind: int = 0
    """Devices behind it, of a logger."""


def options_text(found: Sequence[Found]) -> str:
    """Options to paste: of one device the short form, of several `inverters.NAME`.

    Of two endpoints of one inverter (the same serial number) only the better one is not a comment.
    """
    best = _best_endpoints(found)
    lines: list[str] = []
    if len(best) == 1:
        lines += ["inverter:", *_lines(best[0], "  ")]
    elif best:
        lines.append("inverters:")
        names: set[str] = set()
        for one in best:
            name = _free_name(one, names)
            lines += [f"  {name}:", *_lines(one, "    ")]
    lines += [
        f"# {one.host} is another way to {one.display_model or one.model} {one.serial}, "
        f"with connection {one.connection}."
        for one in found
        if one not in best
    ]
    return "".join(f"{line}\n" for line in lines)


def _best_endpoints(found: Sequence[Found]) -> list[Found]:
    order = {Path.CABLE: 0, Path.DONGLE: 2, Path.UNKNOWN: 1}
    best: dict[str, Found] = {}
    for one in sorted(found, key=lambda each: order[each.path]):
        best.setdefault(one.serial or one.host, one)
    return [one for one in found if one in best.values()]


def _lines(one: Found, indent: str) -> list[str]:
    who = ", ".join(
        text for text in (one.display_model or one.model, one.serial, one.what) if text
    )
    lines = [f"# {who}", f"host: {one.host}"]
    if one.connection != "modbus":
        lines.append(f"connection: {one.connection}")
    if one.unit != 1:
        lines.append(f"unit: {one.unit}")
    if one.behind:
        lines.append(
            f"# {one.behind} devices are behind it. With their units, which its page lists under "
            "Device"
        )
        lines.append("# Monitoring, they are read, too, in the place of the line above:")
        lines.append(f"# units: 1-{one.behind},{one.unit}")
    return [indent + line for line in lines]


def _free_name(one: Found, taken: set[str]) -> str:
    letters = (c if c.isascii() and c.isalnum() else "-" for c in one.model.lower())
    words = [word for word in "".join(letters).split("-") if word]
    wanted = "-".join(words)[:30].strip("-") or "inverter"
    name, number = wanted, 1
    while name in taken:
        number += 1
        name = f"{wanted}-{number}"
    taken.add(name)
    return name
