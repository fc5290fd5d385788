"""A day's curve as SVG, with a gap wherever nothing was read; pure.

Below the line of the house stands who fed it, above that line where the rest went: nothing lies
under anything. The drawing stretches with the page while its texts do not: positions are
percentages, and lines and areas sit in an inner drawing that is scaled without its strokes.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from html import escape
from itertools import accumulate
from math import ceil, floor, log10
from types import MappingProxyType
from typing import Final

from sungather.history.periods import Energies
from sungather.history.service import DayHistory
from sungather.household import FLOWS
from sungather.reading import State
from sungather.web.flow import Flow
from sungather.web.language import ABSENT, SPACE, Language

LEGEND: Final = "<!--legend-->"
"""Stands where the legend belongs: its energies are newer than a drawing that is kept."""
_HEIGHT: Final = 230
_TOP: Final = 20
"""Room for the label of the highest point."""
_LEVEL_HEIGHT: Final = 46
_LAYERS: Final = ("pv", "battery_discharge", "grid_import", "battery_charge", "grid_export")
"""Class of what is stacked, from the ground: three feed the house, two take the rest."""
_LINES: Final = ("pv", "house")
_SILENT: Final = frozenset(State) - {State.OK, State.CONNECTING}

Points = Sequence[tuple[int, float | None]]
"""Unix time -> what is drawn there."""
Run = list[tuple[float, float]]
"""Points that follow each other without a gap."""


def section(
    day: DayHistory,
    today: date,
    timezone: tzinfo,
    inverter: str,
    say: Language,
    patience: int = 0,
    days: Mapping[date, Energies] = MappingProxyType({}),
) -> str:
    """The whole section: choice of the day, drawing, and the same as a table.

    `patience`: seconds without a reading that are no gap, where scans are that far apart;
    `days`: the energies of days before, to compare with.
    """
    gap = max(day.step, patience)
    flows = {at: Flow(*sample.means) for at, sample in day.samples.items()}
    known = any(flow != Flow() for flow in flows.values())
    inside = _figure(day, flows, timezone, gap, say) if known else _nothing(day, today, say)
    return _choice(day.day, today, inverter, say) + inside + _compared(day.day, days, say)


def _nothing(day: DayHistory, today: date, say: Language) -> str:
    key = "begins" if day.day == today else "silent" if day.samples else "nothing"
    return f'<p class="empty">{say(f"curve.{key}")}</p>'


def _compared(day: date, days: Mapping[date, Energies], say: Language) -> str:
    """The solar energy of the day before, a week before, and a year before."""
    year_ago = date(day.year - 1, day.month, min(day.day, 28) if day.month == 2 else day.day)
    compared = {
        "day-before": day - timedelta(days=1),
        "week-before": day - timedelta(days=7),
        "year-before": year_ago,
    }
    told = [
        say(f"curve.{key}", energy=f"{say.kwh(days[then]['pv'])}{SPACE}kWh")
        for key, then in compared.items()
        if "pv" in days.get(then, {})
    ]
    return f'<p class="quiet">{say("energy.pv")}: {", ".join(told)}</p>' if told else ""


def _choice(day: date, today: date, inverter: str, say: Language) -> str:
    kept = f"&amp;inverter={escape(inverter)}" if inverter else ""
    before, after = day - timedelta(days=1), day + timedelta(days=1)
    following = (
        f'<a class="step" rel="next" href="?day={after}{kept}#day"'
        f' aria-label="{say("curve.next")}">›</a>'
        if day < today
        else '<span class="step" aria-hidden="true">›</span>'
    )
    hidden = (
        f'<input type="hidden" name="inverter" value="{escape(inverter)}">' if inverter else ""
    )
    return (
        '<div class="days">'
        f'<a class="step" rel="prev" href="?day={before}{kept}#day"'
        f' aria-label="{say("curve.before")}">‹</a>'
        f'<h2 id="day-title">{say.day_title(day, today)}</h2>{following}'
        f'<form class="pick" action="#day">{hidden}<label>'
        f'<span class="quiet">{say("curve.go")}</span>'
        f'<input type="date" name="day" value="{day}" max="{today}" required></label>'
        f"<button>{say('curve.show')}</button></form></div>"
    )


def legend_id(day: date) -> str:
    """The id of the element around the legend of a day."""
    return f"legend-{day}"


def legend(flows: Collection[str], energies: Mapping[str, float], say: Language) -> str:
    """What the colours mean, with the kWh of the day where they are counted."""
    items: list[str] = []
    for flow in FLOWS:
        if flow in flows or flow in energies:
            kwh = f" <b>{say.kwh(energies[flow])}</b>{SPACE}kWh" if flow in energies else ""
            swatch = "swatch dash" if flow == "house" else "swatch"
            items.append(
                f'<li><span class="{swatch} s-{flow}"></span><span>{say(f"energy.{flow}")}{kwh}'
                "</span></li>"
            )
    return f'<ul class="legend">{"".join(items)}</ul>'


def legend_of(day: DayHistory, say: Language) -> str:
    """The legend of a day that is over."""
    known = {
        flow for sample in day.samples.values() for flow in FLOWS
        if getattr(Flow(*sample.means), flow) is not None
    }  # fmt: skip
    return legend(known, day.energies, say)


def _figure(
    day: DayHistory, flows: Mapping[int, Flow], timezone: tzinfo, gap: int, say: Language
) -> str:
    layers = _layers(flows)
    lines = {key: [(at, getattr(flow, key)) for at, flow in flows.items()] for key in _LINES}
    every = [mean for points in (*lines.values(), *layers.values()) for _, mean in points]
    scale = _Scale(max([200.0, *(mean for mean in every if mean is not None)]))
    steps = (day.end - day.start) // day.step
    areas = "".join(
        f'<path class="area s-{key}" d="{_area(_runs(day, points, gap), scale.y)}"/>'
        for key, points in reversed(layers.items())
    )
    drawn = "".join(
        _line(key, _runs(day, points, gap), scale)
        for key, points in lines.items()
        if any(mean is not None for _, mean in points)
    )
    inner = (
        f'<svg x="0" y="0" width="100%" height="{_HEIGHT}" viewBox="0 0 {steps} {_HEIGHT}"'
        ' preserveAspectRatio="none">'
    )
    return (
        f'<div class="chart" data-start="{day.start}" data-end="{day.end}" data-gap="{gap}">'
        f'<div id="{legend_id(day.day)}">{LEGEND}</div>'
        f'<div class="plot" tabindex="0" role="group" aria-label="{say("curve.plot")}">'
        f'<svg class="curve" height="{_HEIGHT + 24}" width="100%" aria-hidden="true">'
        f"{inner}{_bands(day, timezone, gap, say)}{areas}</svg>"
        f"{scale.grid(say)}{_hours(day, timezone)}{inner}{drawn}</svg>"
        f"{_highest(day, lines['pv'], scale, timezone, say)}</svg>"
        f"{_level(day, flows, steps, gap, say)}"
        '<output class="reading" hidden></output></div>'
        f"{_table(day, flows, timezone, say)}</div>"
    )


def _layers(flows: Mapping[int, Flow]) -> dict[str, Points]:
    """Class -> the upper edge of its layer, in W: who fed the house, and where the rest went."""
    parts = {at: _parts(flow) for at, flow in flows.items()}
    edges = {at: list(accumulate(found)) for at, found in parts.items()}
    return {
        key: [(at, found[index] if found else None) for at, found in edges.items()]
        for index, key in enumerate(_LAYERS)
        if any(found and found[index] for found in parts.values())
    }


def _parts(flow: Flow) -> Sequence[float]:
    """The watts of each layer; empty where nothing is known.

    Without a meter nobody knows where solar power goes: then it is one layer.
    """
    if flow.house is None:
        return () if flow.pv is None else (flow.pv, 0.0, 0.0, 0.0, 0.0)
    bought = min(flow.grid_import or 0.0, flow.house)
    given = min(flow.battery_discharge or 0.0, flow.house - bought)
    sun = min(flow.pv or 0.0, flow.house - bought - given)
    known = sun + given + bought
    # Meters are read one after the other: what they differ by is shared out among the sources.
    share = flow.house / known if known >= 1 else 0.0
    rest = flow.battery_charge or 0.0, flow.grid_export or 0.0
    return sun * share, given * share, bought * share, *rest


class _Scale:
    """Watts to the pixels of the drawing."""

    def __init__(self, highest: float) -> None:
        rough = highest / 4
        power = 10.0 ** floor(log10(rough))
        self.step = power * next(f for f in (1, 2, 5, 10) if f * power >= rough)
        self.high = ceil(highest / self.step) * self.step

    def y(self, watts: float) -> float:
        return _TOP + (1 - watts / self.high) * (_HEIGHT - _TOP - 2)

    def grid(self, say: Language) -> str:
        count = round(self.high / self.step)
        digits = max(0, -floor(log10(self.step / 1000) + 1e-9))
        return (
            "".join(
                f'<line class="{"rule" if index else "zero"}" x1="0" x2="100%" y1="{y:.1f}"'
                f' y2="{y:.1f}"/><text class="tick end" x="-6" y="{y + 4:.1f}">'
                f"{say.number(index * self.step / 1000, digits) if index else 0}</text>"
                for index in range(count + 1)
                for y in (self.y(index * self.step),)
            )
            + f'<text class="tick end" x="-6" y="{_TOP - 9}">kW</text>'
        )


def _runs(day: DayHistory, points: Points, gap: int) -> list[Run]:
    """Points that follow each other without a gap; x in steps from midnight."""
    runs: list[Run] = []
    previous = None
    for at, mean in points:
        if mean is None:
            continue
        if previous is None or at - previous > gap:
            runs.append([])
        runs[-1].append(((at - day.start) / day.step + 0.5, mean))
        previous = at
    return runs


def _line(key: str, runs: Sequence[Run], scale: _Scale) -> str:
    path = "".join(
        "M" + "L".join(f"{x:g} {scale.y(y):.1f}" for x, y in run) + ("h0" * (len(run) == 1))
        for run in runs
    )
    return f'<path class="line s-{key}" d="{path}"/>'


def _area(runs: Sequence[Run], y: Callable[[float], float]) -> str:
    """What lies between the runs and zero; layers above cover it, so each shows its own part."""
    return "".join(
        f"M{run[0][0]:g} {y(0):.1f}L"
        + "L".join(f"{x:g} {y(figure):.1f}" for x, figure in run)
        + f"L{run[-1][0]:g} {y(0):.1f}z"
        for run in runs
    )


def _highest(
    day: DayHistory, points: Points, scale: _Scale, timezone: tzinfo, say: Language
) -> str:
    """The day's maximum of solar power, marked where it was."""
    known = [(mean, at) for at, mean in points if mean]
    if not known:
        return ""
    mean, at = max(known)
    share = (at + day.step / 2 - day.start) / (day.end - day.start)
    side = "start" if share < 0.15 else "end" if share > 0.85 else "mid"
    x, y = f"{100 * share:.2f}%", scale.y(mean)
    told = say("curve.highest", power=say.power(mean), time=_hhmm(at, timezone))
    return (
        f'<circle class="peak" cx="{x}" cy="{y:.1f}" r="3.5"/>'
        f'<text class="peak {side}" x="{x}" y="{y - 8:.1f}">{told}</text>'
    )


def _bands(day: DayHistory, timezone: tzinfo, gap: int, say: Language) -> str:
    """Where an inverter was asleep or gave no answer."""
    return "".join(
        f'<rect class="band {"asleep" if state is State.ASLEEP else "lost"}"'
        f' x="{(start - day.start) / day.step:g}" y="0" width="{(end - start) / day.step:g}"'
        f' height="{_HEIGHT}"><title>{say(f"state.{state}")} '
        f"{_hhmm(start, timezone)}–{_hhmm(end, timezone)}</title></rect>"
        for state, start, end in _silences(day, gap)
    )


def _silences(day: DayHistory, gap: int) -> Iterator[tuple[State, int, int]]:
    """(state, from, to) of the times without values, Unix seconds."""
    begun: tuple[State, int] | None = None
    last = day.start
    for at, sample in [*day.samples.items(), (day.end, None)]:
        state = None if sample is None else sample.state
        if begun and (state is not begun[0] or at - last > gap):
            yield *begun, last + day.step
            begun = None
        if begun is None and state is not None and state in _SILENT:
            begun = state, at
        last = at


def _hhmm(seconds: int, timezone: tzinfo) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC).astimezone(timezone):%H:%M}"


def _hours(day: DayHistory, timezone: tzinfo) -> str:
    length = day.end - day.start
    marks = ['<text class="tick" x="0" y="100%" dy="-4">00:00</text>']
    for hour in (6, 12, 18):
        local = datetime(day.day.year, day.day.month, day.day.day, hour, tzinfo=timezone)
        x = 100 * (local.timestamp() - day.start) / length
        marks.append(
            f'<line class="rule" x1="{x:.2f}%" x2="{x:.2f}%" y1="{_TOP}" y2="{_HEIGHT}"/>'
            f'<text class="tick mid" x="{x:.2f}%" y="100%" dy="-4">{hour:02}:00</text>'
        )
    marks.append('<text class="tick end" x="100%" y="100%" dy="-4">24:00</text>')
    return "".join(marks)


def _level(day: DayHistory, flows: Mapping[int, Flow], steps: int, gap: int, say: Language) -> str:
    """The battery's level below the curve, on a scale of its own."""
    runs = _runs(day, [(at, flow.battery_level) for at, flow in flows.items()], gap)
    if not runs:
        return ""
    bottom = _LEVEL_HEIGHT
    shape = _area(runs, lambda level: bottom - level / 100 * bottom)
    ticks = "".join(
        f'<line class="rule" x1="0" x2="100%" y1="{y:g}" y2="{y:g}"/>'
        f'<text class="tick end" x="-6" y="{y + 4:g}">{level}</text>'
        for level in (0, 50, 100)
        for y in (bottom - level / 100 * bottom,)
    )
    return (
        f'<p class="strip quiet">{say("curve.level")}</p>'
        f'<svg class="curve level" height="{_LEVEL_HEIGHT}" width="100%" aria-hidden="true">'
        f'<svg width="100%" height="100%" viewBox="0 0 {steps} {bottom}"'
        f' preserveAspectRatio="none"><path class="area s-level" d="{shape}"/></svg>{ticks}</svg>'
    )


def _table(day: DayHistory, flows: Mapping[int, Flow], timezone: tzinfo, say: Language) -> str:
    """The means of each hour, for those who would rather read than look."""
    hours: dict[int, list[Flow]] = {}
    for at, flow in flows.items():
        hours.setdefault((at - day.start) // 3600, []).append(flow)

    def kilowatts(mean: float | None) -> str:
        return ABSENT if mean is None else say.number(mean / 1000, 2)

    def level(mean: float | None) -> str:
        return ABSENT if mean is None else say.number(mean, 0)

    columns = [
        (key, level if key == "battery_level" else kilowatts)
        for key in ("pv", "house", "grid", "battery", "battery_level")
        if any(getattr(flow, key) is not None for flow in flows.values())
    ]
    head = "".join(f'<th scope="col">{say(f"energy.{key}")}</th>' for key, _ in columns)
    rows = "".join(
        f'<tr><th scope="row">{_hhmm(day.start + 3600 * hour, timezone)}</th>'
        + "".join(f"<td>{write(_average(means, key))}</td>" for key, write in columns)
        + "</tr>"
        for hour, means in sorted(hours.items())
    )
    return (
        f'<details class="as-table"><summary>{say("table.as")}</summary><div class="wide"'
        f' tabindex="0" role="region" aria-label="{say("table.hourly")}"><table>'
        f"<caption>{say('table.caption')}</caption>"
        f'<thead><tr><th scope="col">{say("table.from")}</th>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div></details>"
    )


def _average(flows: Sequence[Flow], key: str) -> float | None:
    known = [value for flow in flows if (value := getattr(flow, key)) is not None]
    return sum(known) / len(known) if known else None
