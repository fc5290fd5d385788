"""A day's curve as SVG, with a gap wherever nothing was read; pure.

The drawing stretches with the page while its texts do not: positions are percentages, and the
lines sit in an inner drawing that is scaled without its strokes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from html import escape
from math import ceil, floor, log10
from typing import Final

from sungather.history.service import DayHistory
from sungather.history.store import Sample
from sungather.reading import State
from sungather.web import formats
from sungather.web.flow import Flow

_HEIGHT: Final = 230
_TOP: Final = 14
"""Room for the uppermost label."""
_LEVEL_HEIGHT: Final = 46

Run = list[tuple[float, float]]
"""Points that follow each other without a gap."""


@dataclass(frozen=True, slots=True)
class _Series:
    key: str
    """Name of an attribute of `Flow`, whose fields are the means of a sample."""
    title: str
    energies: tuple[tuple[str, str], ...] = ()
    """(label before it, flow) of the energies that the legend tells."""

    def mean(self, sample: Sample) -> float | None:
        return getattr(Flow(*sample.means), self.key)


_SERIES: Final = (
    _Series("pv", "Solar", (("", "pv"),)),
    _Series("house", "House", (("", "house"),)),
    _Series("grid", "Grid", (("bought", "grid_import"), ("sold", "grid_export"))),
    _Series("battery", "Battery", (("out", "battery_discharge"), ("in", "battery_charge"))),
)
_LEVEL: Final = _Series("battery_level", "Battery level")
_BANDS: Final = {
    State.ASLEEP: "asleep",
    State.UNREACHABLE: "unreachable",
    State.BUSY: "busy: another client",
    State.NOT_AN_INVERTER: "not an inverter",
    State.MISCONFIGURED: "misconfigured",
}


def section(
    day: DayHistory, today: date, timezone: tzinfo, inverter: str, patience: int = 0
) -> str:
    """The whole section: choice of the day, legend, drawing, and the same as a table.

    `patience`: seconds without a reading that are no gap, where scans are that far apart.
    """
    gap = max(day.step, patience)
    return _choice(day.day, today, inverter) + (
        _figure(day, timezone, gap) if day.samples else _nothing(day.day == today)
    )


def _nothing(is_today: bool) -> str:
    text = (
        "The curve begins with the first minutes of readings."
        if is_today
        else "Nothing was recorded on this day."
    )
    return f'<p class="empty">{text}</p>'


def _choice(day: date, today: date, inverter: str) -> str:
    kept = f"&amp;inverter={escape(inverter)}" if inverter else ""
    before, after = day - timedelta(days=1), day + timedelta(days=1)
    following = (
        f'<a class="step" rel="next" href="?day={after}{kept}#day" aria-label="Next day">›</a>'
        if day < today
        else '<span class="step" aria-hidden="true">›</span>'
    )
    hidden = (
        f'<input type="hidden" name="inverter" value="{escape(inverter)}">' if inverter else ""
    )
    return (
        '<div class="days">'
        f'<a class="step" rel="prev" href="?day={before}{kept}#day" aria-label="Day before">‹</a>'
        f'<h2 id="day-title">{formats.day_title(day, today)}</h2>{following}'
        f'<form class="pick" action="#day">{hidden}<label>'
        f'<span class="quiet">Go to day</span>'
        f'<input type="date" name="day" value="{day}" max="{today}" required></label>'
        "<button>Show</button></form></div>"
    )


def _figure(day: DayHistory, timezone: tzinfo, gap: int) -> str:
    shown = [
        (series, [(at, series.mean(sample)) for at, sample in day.samples.items()])
        for series in _SERIES
    ]
    shown = [(s, points) for s, points in shown if any(mean is not None for _, mean in points)]
    every = [mean for _, points in shown for _, mean in points if mean is not None]
    scale = _Scale(min([0.0, *every]), max([200.0, *every]))
    lines = "".join(
        _lines(series.key, _runs(day, points, gap), scale, filled=series.key == "pv")
        for series, points in shown
    )
    steps = (day.end - day.start) // day.step
    return (
        f'<div class="chart" data-start="{day.start}" data-end="{day.end}"'
        f' data-gap="{gap}">'
        f"{_legend([series for series, _ in shown], day.energies)}"
        f'<div class="plot" tabindex="0" role="group" aria-label="Power over the day. Arrow keys'
        f' read the values one by one.">'
        f'<svg class="curve" height="{_HEIGHT + 24}" width="100%" aria-hidden="true">'
        f"{scale.grid()}{_hours(day, timezone)}"
        f'<svg x="0" y="0" width="100%" height="{_HEIGHT}" viewBox="0 0 {steps} {_HEIGHT}"'
        f' preserveAspectRatio="none">{_bands(day, timezone, gap)}{lines}</svg></svg>'
        f"{_level(day, steps, gap)}"
        '<output class="reading" hidden></output></div>'
        f"{_table(day, timezone)}</div>"
    )


class _Scale:
    """Watts to the pixels of the drawing."""

    def __init__(self, lowest: float, highest: float) -> None:
        span = highest - lowest
        rough = span / 4
        power = 10.0 ** floor(log10(rough))
        self.step = power * next(f for f in (1, 2, 5, 10) if f * power >= rough)
        self.low = floor(lowest / self.step) * self.step
        self.high = ceil(highest / self.step) * self.step

    def y(self, watts: float) -> float:
        return _TOP + (self.high - watts) / (self.high - self.low) * (_HEIGHT - _TOP - 2)

    def grid(self) -> str:
        count = round((self.high - self.low) / self.step)
        return "".join(
            f'<line class="{"zero" if abs(watts) < 0.5 else "rule"}" x1="0" x2="100%"'
            f' y1="{self.y(watts):.1f}" y2="{self.y(watts):.1f}"/>'
            f'<text class="tick" x="0" y="{self.y(watts) - 3:.1f}">{_tick(watts)}</text>'
            for watts in (self.low + index * self.step for index in range(count + 1))
        )


def _tick(watts: float) -> str:
    return "0" if abs(watts) < 0.5 else f"{watts / 1000:g}{formats.SPACE}kW".replace("-", "−")


def _runs(day: DayHistory, points: Sequence[tuple[int, float | None]], gap: int) -> list[Run]:
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


def _lines(key: str, runs: Sequence[Run], scale: _Scale, filled: bool) -> str:
    path = "".join(
        "M" + "L".join(f"{x:g} {scale.y(y):.1f}" for x, y in run) + ("h0" * (len(run) == 1))
        for run in runs
    )
    area = f'<path class="area s-{key}" d="{_area(runs, scale.y)}"/>' if filled else ""
    return f'{area}<path class="line s-{key}" d="{path}"/>'


def _area(runs: Sequence[Run], y: Callable[[float], float]) -> str:
    """What lies between the runs and zero."""
    return "".join(
        f"M{run[0][0]:g} {y(0):.1f}L"
        + "L".join(f"{x:g} {y(figure):.1f}" for x, figure in run)
        + f"L{run[-1][0]:g} {y(0):.1f}z"
        for run in runs
    )


def _bands(day: DayHistory, timezone: tzinfo, gap: int) -> str:
    """Where an inverter was asleep or gave no answer."""
    drawn: list[str] = []
    begun: tuple[State, int] | None = None
    last = day.start
    for at, sample in [*day.samples.items(), (day.end, None)]:
        state = None if sample is None else sample.state
        if begun and (state is not begun[0] or at - last > gap):
            drawn.append(_band(day, begun, last + day.step, timezone))
            begun = None
        if begun is None and state is not None and state in _BANDS:
            begun = state, at
        last = at
    return "".join(drawn)


def _band(day: DayHistory, begun: tuple[State, int], end: int, timezone: tzinfo) -> str:
    state, start = begun
    kind = "asleep" if state is State.ASLEEP else "lost"
    title = f"{_BANDS[state]} {_hhmm(start, timezone)}–{_hhmm(end, timezone)}"
    x, width = (start - day.start) / day.step, (end - start) / day.step
    return (
        f'<rect class="band {kind}" x="{x:g}" y="0" width="{width:g}" height="{_HEIGHT}">'
        f"<title>{title}</title></rect>"
    )


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


def _legend(shown: Sequence[_Series], energies: Mapping[str, float]) -> str:
    items: list[str] = []
    for series in shown:
        told = " · ".join(
            f"{label} {formats.kwh(energies[flow])}".strip()
            for label, flow in series.energies
            if flow in energies
        )
        energy = f' <span class="quiet">{told}{formats.SPACE}kWh</span>' if told else ""
        items.append(
            f'<label class="key"><input type="checkbox" checked id="s-{series.key}">'
            f'<span class="swatch s-{series.key}"></span>{series.title}{energy}</label>'
        )
    return f'<fieldset class="legend"><legend>Show</legend>{"".join(items)}</fieldset>'


def _level(day: DayHistory, steps: int, gap: int) -> str:
    points = [(at, _LEVEL.mean(sample)) for at, sample in day.samples.items()]
    runs = _runs(day, points, gap)
    if not runs:
        return ""
    bottom = _LEVEL_HEIGHT
    shape = _area(runs, lambda level: bottom - level / 100 * bottom)
    return (
        f'<svg class="curve level" height="{_LEVEL_HEIGHT}" width="100%" aria-hidden="true">'
        f'<svg width="100%" height="100%" viewBox="0 0 {steps} {bottom}"'
        f' preserveAspectRatio="none"><path class="area s-level" d="{shape}"/></svg>'
        '<line class="rule" x1="0" x2="100%" y1="0.5" y2="0.5"/>'
        '<text class="tick" x="0" y="13">Battery level</text></svg>'
    )


def _table(day: DayHistory, timezone: tzinfo) -> str:
    """The means of each hour, for those who would rather read than look."""
    hours: dict[int, list[Sample]] = {}
    for at, sample in day.samples.items():
        hours.setdefault((at - day.start) // 3600, []).append(sample)
    columns = [(series, formats.power) for series in _SERIES] + [(_LEVEL, formats.percent)]
    known = day.samples.values()
    columns = [c for c in columns if any(c[0].mean(one) is not None for one in known)]
    head = "".join(f'<th scope="col">{series.title}</th>' for series, _ in columns)
    rows = "".join(
        f'<tr><th scope="row">{_hhmm(day.start + 3600 * hour, timezone)}</th>'
        + "".join(f"<td>{write(_average(samples, series))}</td>" for series, write in columns)
        + "</tr>"
        for hour, samples in sorted(hours.items())
    )
    return (
        '<details class="as-table"><summary>As a table</summary><div class="wide" tabindex="0"'
        ' role="region" aria-label="Hourly means"><table><caption>Hourly means. Grid and battery:'
        " what comes from them; with −, what goes to them.</caption>"
        f'<thead><tr><th scope="col">From</th>{head}</tr></thead><tbody>{rows}</tbody></table>'
        "</div></details>"
    )


def _average(samples: Sequence[Sample], series: _Series) -> float | None:
    known = [value for sample in samples if (value := series.mean(sample)) is not None]
    return sum(known) / len(known) if known else None
