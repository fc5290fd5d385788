"""Answers for people: tables on a terminal. Programs take `--format json`."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import cast

from rich.console import Console, Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from sungather import household
from sungather.daemon import answers
from sungather.daemon.answers import Answer
from sungather.options.file import parse
from sungather.options.option import OptionValue
from sungather.options.values import text_of
from sungather.privileges import in_snap
from sungather.reading import Reading

Row = Mapping[str, object]

STATE_COLOURS = {
    "ok": "green",
    "asleep": "blue",
    "connecting": "yellow",
    "busy": "yellow",
    "unreachable": "red",
    "not-an-inverter": "red",
    "misconfigured": "red",
}
_HOUSEHOLD = ("pv_", "house_", "grid_import_", "grid_export_", "battery_")
"""Starts of the names that people look for first."""


def show(command: str, answer: Answer) -> None:
    """Print the answer of a command."""
    console = Console(highlight=False)
    for part in _SHOWS[command](answer):
        console.print(part)


def reading(one: Row) -> RenderableType:
    """One inverter's reading: a headline, the values, and what is missing."""
    parts: list[RenderableType] = [_headline(one)]
    error = cast(Row | None, one.get("error"))
    if error:
        parts.append(Text(str(error["message"]), style="yellow"))
    values = cast(Mapping[str, object], one["values"])
    if values:
        parts.append(_values(values, cast(Mapping[str, str], one["units"])))
    absent = cast(Sequence[str], one["absent"])
    if absent:
        parts.append(Text(f"not available here: {', '.join(absent)}", style="dim"))
    for refused in cast(Sequence[Row], one["refused"]):
        parts.append(
            Text(
                f"refused: {refused['space']} {_span(refused)} ({refused['reason']})", style="dim"
            )
        )
    return Group(*parts)


def summary(one: Reading) -> Text:
    """One line of the household's figures."""
    moment = one.time.astimezone().strftime("%H:%M:%S")
    figures = [
        f"{name.removesuffix('_power').replace('_', ' ')} {one.value(name)} W"
        for name in household.POWERS
        if name in one.measurements
    ]
    return Text(f"{moment}  {one.name} {one.state}  {', '.join(figures)}")


def _headline(one: Row) -> Text:
    state = str(one["state"])
    text = Text.assemble(
        (str(one["name"]), "bold"), "  ", (state, STATE_COLOURS.get(state, "")), "  "
    )
    facts = [str(one.get(key) or "") for key in ("model", "serial")]
    path = str(one["path"])
    facts.append(str(one["transport"]) + (f", {path}" if path != "unknown" else ""))
    if "time" in one:
        moment = datetime.fromisoformat(str(one["time"])).astimezone()
        facts.append(moment.strftime("%H:%M:%S"))
    if "age_s" in one:
        facts.append(f"{one['age_s']} s old")
    if "requests" in one:
        facts.append(f"{one['requests']} requests, {one['duration_ms']} ms")
    return text.append("  ".join(fact for fact in facts if fact), style="dim")


def _values(values: Mapping[str, object], units: Mapping[str, str]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_column(style="dim")
    names = sorted(values, key=lambda name: (not name.startswith(_HOUSEHOLD), name))
    for name in names:
        table.add_row(name, _value(values[name]), units.get(name, ""))
    return table


def _value(value: object) -> str:
    if isinstance(value, list):
        items = cast(list[object], value)
        filled = [item for item in items if item is not None]
        return f"{len(items)} values, {_value(max(cast(list[float], filled), default=0))} at most"
    return f"{value:,}".replace(",", " ") if isinstance(value, int | float) else str(value)


def _span(block: Row) -> str:
    start, count = cast(int, block["start"]), cast(int, block["count"])
    return f"{start}" if count == 1 else f"{start}–{start + count - 1}"


def _readings(answer: Answer) -> list[RenderableType]:
    devices = cast(Sequence[Row], answer.get("devices", ()))
    parts: list[RenderableType] = [reading(one) for one in (*answers.inverters(answer), *devices)]
    exporters = cast(Sequence[Row], answer.get("exporters", ()))
    if exporters:
        table = Table("exporter", "state", "queue", "last success", "", box=None, pad_edge=False)
        for one in exporters:
            table.add_row(
                *(str(one[key] or "") for key in ("name", "state", "queue", "last_success")),
                str(one["message"]),
            )
        parts.append(table)
    return parts


def _rejected(answer: Answer) -> list[RenderableType]:
    exporters = cast(Sequence[Row], answer["exporters"])
    table = Table("exporter", "time", "reading", "reason", box=None, pad_edge=False)
    for exporter in exporters:
        for one in cast(Sequence[Row], exporter["rejected"]):
            words = (str(one[key]) for key in ("time", "name", "reason"))
            table.add_row(str(exporter["name"]), *map(Text, words))
    parts: list[RenderableType] = [table] if table.row_count else [Text("Nothing was refused.")]
    if "again" in answer:
        parts.append(Text(f"{answer['again']} of them are sent once more.", style="bold"))
    return parts


def _test(answer: Answer) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for one in answers.inverters(answer):
        if one["success"]:
            latency = cast(Mapping[str, float], one["latency_ms"])
            parts.append(
                Text.assemble(
                    (str(one["name"]), "bold"),
                    "  ",
                    ("success", "green"),
                    f"  {one['model']}  {one['serial']}  {one['transport']}, path {one['path']}  "
                    f"{latency['min']} / {latency['median']} / {latency['max']} ms "
                    "(min / median / max)",
                )
            )
            parts.append(Text(cast(Mapping[str, str], one["best"])["why"], style="dim"))
            continue
        error = cast(Mapping[str, str], one["error"])
        parts.append(
            Text.assemble(
                (str(one["name"]), "bold"), "  ", (error["class"], "red"), f"  {error['message']}"
            )
        )
    return parts


def _info(answer: Answer) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for one in answers.inverters(answer):
        table = Table(box=None, show_header=False, pad_edge=False)
        for key, value in one.items():
            if isinstance(value, Mapping):
                for name, text in cast(Mapping[str, object], value).items():
                    table.add_row(f"{key}: {name}".replace("_", " "), str(text))
            else:
                table.add_row(key.replace("_", " "), "unknown" if value is None else str(value))
        parts.append(table)
    return parts


def _discovered(answer: Answer) -> list[RenderableType]:
    found = cast(Sequence[Row], answer["found"])
    if not found:
        where = ", ".join(cast(Sequence[str], answer["networks"])) or "no private network"
        return [
            Text(
                f"No Sungrow device was found ({where}). Is the inverter on and on this network? "
                "Is Modbus switched on in it? If you know its address, test-connection says more. "
                "Another network is searched with --network, such as --network 192.168.1.0/24."
            )
        ]
    table = Table("address", "what", "model", "serial", "connection", box=None, pad_edge=False)
    for one in found:
        table.add_row(
            *(str(one[key]) for key in ("host", "what", "model", "serial", "connection"))
        )
    if in_snap():
        settings = parse(str(answer["options"]).encode()).texts
        typed = " ".join(f"{key}={text}" for key, text in settings.items())
        command = Text(f"sudo snap set sungather {typed}")
        return [table, Text("\nTake them over with:\n", style="bold"), command]
    return [table, Text("\nOptions to paste:\n", style="bold"), Text(str(answer["options"]))]


def _configuration(answer: Answer) -> list[RenderableType]:
    table = Table("option", "value", box=None, pad_edge=False)
    for key, value in cast(Mapping[str, object], answer["options"]).items():
        table.add_row(key, "" if value is None else text_of(cast(OptionValue, value)))
    return [table, Text("The options are right.", style="green")]


def _map(answer: Answer) -> list[RenderableType]:
    table = Table(
        "space",
        Column("register", no_wrap=True),
        Column("name", no_wrap=True),
        "unit",
        "tier",
        "source",
        box=None,
        pad_edge=False,
    )
    rows = cast(Sequence[Row], answer["registers"])
    sources = list(dict.fromkeys(str(row["source"]) for row in rows))
    for row in rows:
        words = (str(row[key]) for key in ("name", "unit", "tier"))
        source = f"[{sources.index(str(row['source'])) + 1}]"
        table.add_row(str(row["space"]), _span(row), *words, Text(source))
    requests = cast(Sequence[Row], answer["requests"])
    proof = ", ".join(_span(field) for field in cast(Sequence[Row], answer["lower_bound"]))
    return [
        table,
        Text(),
        *(Text(f"[{number}] {source}") for number, source in enumerate(sources, 1)),
        Text(f"\n{len(requests)} requests read all of it:", style="bold"),
        Text(", ".join(f"{block['space']} {_span(block)}" for block in requests)),
        Text(f"Fewer cannot: no two of these fit in one request: {proof}", style="dim"),
    ]


def _options(answer: Answer) -> list[RenderableType]:
    table = Table("option", "takes", "default", "meaning", box=None, pad_edge=False)
    for row in cast(Sequence[Mapping[str, str]], answer["options"]):
        table.add_row(*(row[key] for key in ("key", "takes", "default", "help")))
    return [table]


_SHOWS: dict[str, Callable[[Answer], list[RenderableType]]] = {
    "run-once": _readings,
    "readings": _readings,
    "test-connection": _test,
    "get-inverter-info": _info,
    "rejected": _rejected,
    "discover": _discovered,
    "check-config": _configuration,
    "registers": _map,
    "options": _options,
}
