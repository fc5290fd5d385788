"""The drawing of where power comes from and goes to, as SVG; pure."""

from dataclasses import dataclass
from html import escape
from math import tau
from typing import Final

from sungather.web.language import SPACE, Language

_RADIUS: Final = 50
_ROUND: Final = tau * _RADIUS
_HEADS: Final = {
    "pv": (200, 143, 90),
    "grid": (148, 190, 0),
    "house": (252, 190, 0),
    "battery": (200, 237, -90),
}
"""Middle of each link, and the direction of positive power in degrees."""
_IDLE: Final = 5.0
"""Watts below which nothing is said to flow."""


@dataclass(frozen=True, slots=True)
class Flow:
    """The household's powers in W, all positive or None; battery level in %."""

    pv: float | None = None
    house: float | None = None
    grid_import: float | None = None
    grid_export: float | None = None
    battery_charge: float | None = None
    battery_discharge: float | None = None
    battery_level: float | None = None

    @property
    def grid(self) -> float | None:
        """From the grid; negative: to the grid."""
        return _difference(self.grid_import, self.grid_export)

    @property
    def battery(self) -> float | None:
        """Out of the battery; negative: into it."""
        return _difference(self.battery_discharge, self.battery_charge)

    @property
    def has_battery(self) -> bool:
        """Whether there is anything to say of a battery."""
        return self.battery is not None or self.battery_level is not None


def _difference(plus: float | None, minus: float | None) -> float | None:
    return None if plus is None and minus is None else (plus or 0.0) - (minus or 0.0)


def sentence(flow: Flow, say: Language, car: float | None = None) -> str:
    """What happens now, for everybody and for screen readers; `car`: W into the wall box."""
    parts: list[str] = []
    if flow.pv is not None:
        key = "sentence.pv" if flow.pv >= _IDLE else "sentence.no-pv"
        parts.append(say(key, power=say.power(flow.pv)))
    if flow.house is not None:
        parts.append(say("sentence.house", power=say.power(flow.house)))
    if car is not None and car > _IDLE:
        parts.append(say("sentence.car", power=say.power(car)))
    for key, watts in (("battery", flow.battery), ("grid", flow.grid)):
        if watts is not None:
            way = "idle" if abs(watts) <= _IDLE else "from" if watts > 0 else "to"
            parts.append(say(f"sentence.{key}-{way}", power=say.power(abs(watts))))
    if not parts:
        return ""
    text = say.both(parts)
    return text[:1].upper() + text[1:] + "."


def drawing(flow: Flow, battery: bool, say: Language) -> str:
    """The SVG. `battery`: show its place, also while its values are unknown."""
    grid, stored = flow.grid, flow.battery

    def node(kind: str, x: int, y: int, watts: float | None, label: str, ring: str = "") -> str:
        return _node(kind, x, y, say.power(_size(watts)), label, ring)

    nodes = [
        _link("pv", "M200 106V180", flow.pv),
        _link("grid", "M106 190H190", grid),
        _link("house", "M210 190H294", flow.house),
        node("pv", 200, 56, flow.pv, say("energy.pv")),
        node("grid", 56, 190, grid, say(_grid_label(grid))),
        node("house", 344, 190, flow.house, say("energy.house"), _shares(flow)),
    ]
    height = 250
    if battery:
        height = 384
        level = _arc("level", 0.0, (flow.battery_level or 0.0) / 100)
        known = flow.battery_level is not None
        label = say.percent(flow.battery_level) if known else say("device.battery")
        nodes.insert(3, _link("battery", "M200 274V200", stored))
        nodes.append(node("battery", 200, 324, stored, label, level))
    name = escape(sentence(flow, say) or say("sentence.nothing"))
    return (
        f'<svg class="flow" viewBox="0 0 400 {height}" role="img" aria-label="{name}">'
        f'{"".join(nodes)}<circle class="hub" cx="200" cy="190" r="10"/></svg>'
    )


def _size(power: float | None) -> float | None:
    return None if power is None else abs(power)


def _grid_label(power: float | None) -> str:
    if power is None or abs(power) <= _IDLE:
        return "energy.grid"
    return "energy.grid_import" if power > 0 else "energy.grid_export"


def _link(kind: str, path: str, power: float | None) -> str:
    """A line drawn in the direction of positive power, with a head on it."""
    if power is None or abs(power) <= _IDLE:
        return f'<path class="link" d="{path}"/>'
    size = abs(power)
    speed = "fast" if size > 3000 else "calm" if size > 600 else "slow"
    back = "" if power > 0 else " back"
    width = 3 + min(5.0, size / 1500)
    x, y, turn = _HEADS[kind]
    turn += 0 if power > 0 else 180
    return (
        f'<path class="link" d="{path}"/>'
        f'<path class="stream {kind} {speed}{back}" d="{path}" stroke-width="{width:.1f}"/>'
        f'<path class="head {kind}" d="M-5-8L6 0L-5 8z"'
        f' transform="translate({x} {y}) rotate({turn})"/>'
    )


def _node(kind: str, x: int, y: int, value: str, label: str, ring: str) -> str:
    figure, _, unit = value.partition(SPACE)
    return (
        f'<g class="node {kind}" transform="translate({x} {y})">'
        f'<circle class="disc" r="{_RADIUS}"/>{ring}'
        f'<use href="#i-{kind}" x="-13" y="-38" width="26" height="26"/>'
        f'<text class="watts" y="12">{figure}<tspan class="unit" dx="3">{unit}</tspan></text>'
        f'<text class="label" y="30">{label}</text></g>'
    )


def _arc(kind: str, start: float, end: float) -> str:
    """A part of a node's ring; 0 and 1 are at the top."""
    length = max(0.0, min(1.0, end) - start)
    if length <= 0:
        return ""
    return (
        f'<circle class="arc {kind}" r="{_RADIUS}" transform="rotate({360 * start - 90:.1f})"'
        f' stroke-dasharray="{length * _ROUND:.1f} {_ROUND:.1f}"/>'
    )


def _shares(flow: Flow) -> str:
    """The ring of the house: what share comes from the grid, the battery and the sun."""
    if not flow.house or flow.house <= _IDLE:
        return ""
    grid = min(1.0, max(flow.grid or 0.0, 0.0) / flow.house)
    battery = min(1.0 - grid, max(flow.battery or 0.0, 0.0) / flow.house)
    sun = 1.0 - grid - battery if flow.pv else 0.0
    return (
        _arc("pv", 0.0, sun) + _arc("battery", sun, sun + battery) + _arc("grid", 1.0 - grid, 1.0)
    )
