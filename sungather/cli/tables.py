"""Answers for people: tables on a terminal. Programs take `--format json`."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from rich.console import Console, Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from sungather import answers, household
from sungather.options.file import parse
from sungather.options.values import text_of
from sungather.privileges import in_snap, instance
from sungather.reading import Reading, Value
from sungather.registers.repeated import repeated

STATE_COLOURS = {
    "ok": "green",
    "asleep": "blue",
    "connecting": "yellow",
    "busy": "yellow",
    "unreachable": "red",
    "not-an-inverter": "red",
    "misconfigured": "red",
}
_UNLIMITED = 10_000
"""Columns of what is no terminal: a program that reads lines wants them whole."""


def show(command: str, answer: Mapping[str, object]) -> None:
    """Print the answer of a command: as wide as the terminal, in a pipe without any wrapping."""
    console = Console(highlight=False)
    parts = _SHOWS[command](answer)
    if console.is_terminal:
        for part in parts:
            console.print(part)
        return
    whole = Console(highlight=False, width=_UNLIMITED, color_system=None)
    with whole.capture() as captured:
        for part in parts:
            whole.print(part)
    for line in captured.get().splitlines():
        print(line.rstrip())


def reading(one: answers.ReadingAnswer) -> RenderableType:
    """One inverter's reading: a headline, the values, and what is missing."""
    parts: list[RenderableType] = [_headline(one)]
    figures = household_figures(one["values"], one["units"])
    if "error" in one:
        parts.append(Text(one["error"]["message"], style="yellow"))
    if "faults" in one:
        parts.append(_faults(one["faults"]))
    if figures.row_count:
        parts += [figures, Text()]
    if one["values"]:
        parts.append(_values(one["values"], one["units"]))
    if one["absent"]:
        parts.append(Text(f"not available here: {', '.join(one['absent'])}", style="dim"))
    for refused in one["refused"]:
        what = f"refused: {refused['space']} {_span(refused)} ({refused['reason']})"
        parts.append(Text(what, style="dim"))
    return Group(*parts)


def at_a_glance(one: Reading, page: str) -> RenderableType:
    """The household figures of a reading, and last where the page is: for a small terminal."""
    answer = answers.of_reading(one)
    figures = household_figures(answer["values"], answer["units"])
    below = Text.assemble("\nThe page: ", (page, "bold"), "   Ctrl-C stops.") if page else Text()
    return Group(_headline(answer), Text(), figures, below)


def summary(one: Reading) -> Text:
    """One line of the household's figures."""
    moment = one.time.astimezone().strftime("%H:%M:%S")
    figures = [
        f"{name.removesuffix('_power').replace('_', ' ')} {one.value(name)} W"
        for name in household.POWERS
        if name in one.measurements
    ]
    return Text(f"{moment}  {one.name} {one.state}  {', '.join(figures)}")


def _headline(one: answers.ReadingAnswer) -> Text:
    state, path = one["state"], one["path"]
    text = Text.assemble((one["name"], "bold"), "  ", (state, STATE_COLOURS.get(state, "")), "  ")
    facts = [
        one["display_model"],
        one["serial"],
        one["transport"] + (f", {path}" if path != "unknown" else ""),
        datetime.fromisoformat(one["time"]).astimezone().strftime("%H:%M:%S"),
        f"{one['age_s']} s old" if "age_s" in one else "",
        f"{one['requests']} requests, {one['duration_ms']} ms",
    ]
    return text.append("  ".join(fact for fact in facts if fact), style="dim")


def _faults(faults: answers.FaultsAnswer) -> Text:
    style = "red" if faults["active"] else "" if faults["active"] == [] else "dim"
    return Text(f"faults: {faults['text']}", style=style)


def household_figures(values: Mapping[str, Value], units: Mapping[str, str]) -> Table:
    """What a household asks first, one flow a line: power now, energy of today and in all."""
    table = Table("", box=None, pad_edge=False, header_style="dim")
    for header in ("now", "today", "total"):
        table.add_column(header, justify="right")
    for flow in household.FLOWS:
        names = [f"{flow}_{what}" for what in ("power", "energy_today", "energy_total")]
        if not values.keys().isdisjoint(names):
            cells = (_figure(name, values, units) for name in names)
            table.add_row(flow.replace("_", " "), *cells)
    if household.BATTERY_LEVEL in values:
        table.add_row("battery level", _figure(household.BATTERY_LEVEL, values, units))
    return table


def _figure(name: str, values: Mapping[str, Value], units: Mapping[str, str]) -> str:
    return f"{_value(values[name])} {units.get(name, '')}".strip() if name in values else "–"


def _values(values: Mapping[str, Value], units: Mapping[str, str]) -> Table:
    """All other values; what only repeats a household figure is left out."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_column(style="dim")
    for name in sorted(values.keys() - household.HOUSEHOLD - repeated(values)):
        table.add_row(name, _value(values[name]), units.get(name, ""))
    return table


def _value(value: Value) -> str:
    if isinstance(value, list):
        filled = [item for item in value if item is not None]
        return f"{len(value)} values, {_value(max(filled, default=0))} at most"
    return f"{value:,}".replace(",", " ") if isinstance(value, int | float) else str(value)


def _span(block: answers.BlockAnswer) -> str:
    start, count = block["start"], block["count"]
    return f"{start}" if count == 1 else f"{start}–{start + count - 1}"


def _readings(answer: answers.ReadingsAnswer) -> list[RenderableType]:
    devices = answer.get("devices", ())
    parts: list[RenderableType] = [reading(one) for one in (*answer["inverters"], *devices)]
    if exporters := answer.get("exporters"):
        table = Table("exporter", "state", "queue", "last success", "", box=None, pad_edge=False)
        for one in exporters:
            queue, success = str(one["queue"] or ""), _at(one["last_success"])
            table.add_row(one["name"], one["state"], queue, success, one["message"])
        parts.append(table)
        parts += [_clients(clients) for one in exporters if (clients := one.get("clients"))]
    return parts


def _at(time: str | None) -> str:
    """A time of an answer by the machine's clock, with its day if that is not today."""
    if not time:
        return ""
    moment = datetime.fromisoformat(time).astimezone()
    is_today = moment.date() == datetime.now().astimezone().date()
    return moment.strftime("%H:%M:%S" if is_today else "%Y-%m-%d %H:%M:%S")


def _clients(clients: Sequence[answers.ClientAnswer]) -> Table:
    """What others ask the Modbus server."""
    heads = ("client", "open", "requests", "from memory", "passed on", "exceptions")
    table = Table(*heads, box=None, pad_edge=False)
    for one in clients:
        exceptions = ", ".join(f"{int(code):#04x}: {n}" for code, n in one["exceptions"].items())
        counts = (one["connections"], one["requests"], one["from_cache"], one["passed_on"])
        table.add_row(one["address"], *map(str, counts), exceptions)
    return table


def _rejected(answer: answers.RejectedAnswer) -> list[RenderableType]:
    table = Table("exporter", "time", "reading", "reason", box=None, pad_edge=False)
    for exporter in answer["exporters"]:
        for one in exporter["rejected"]:
            words = (one["time"], one["name"], one["reason"])
            table.add_row(exporter["name"], *map(Text, words))
    parts: list[RenderableType] = [table] if table.row_count else [Text("Nothing was refused.")]
    if "again" in answer:
        parts.append(Text(f"{answer['again']} of them are sent once more.", style="bold"))
    return parts


def _test(answer: answers.ConnectionsAnswer) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for one in answer["inverters"]:
        name = (one["name"], "bold")
        if error := one["error"]:
            failed = (error["class"], "red")
            parts.append(Text.assemble(name, "  ", failed, f"  {error['message']}"))
        facts = (
            f"  {one['display_model']}  {one['serial']}  {one['transport']}, path {one['path']}  "
        )
        if latency := one["latency_ms"]:
            facts += (
                f"{latency['min']} / {latency['median']} / {latency['max']} ms "
                "(min / median / max)"
            )
            parts.append(Text.assemble(name, "  ", ("success", "green"), facts))
        if best := one["best"]:
            parts.append(Text(best["why"], style="dim"))
        if warning := one["warning"]:
            parts.append(Text(warning["message"], style="yellow"))
        if faults := one["faults"]:
            parts.append(_faults(faults))
        if report := one.get("report"):
            parts.append(Text("For an issue at GitHub, without a serial number:", style="dim"))
            parts.append(Text(report))
    return parts


def _info(answer: answers.InvertersAnswer) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for one in answer["inverters"]:
        table = Table(box=None, show_header=False, pad_edge=False)
        said: dict[str, object] = {
            key: value for key, value in one.items() if key != "display_model"
        }
        said["model"] = one["display_model"]
        if faults := one["faults"]:
            said["faults"] = faults["text"]
        for key, value in said.items():
            if isinstance(value, Mapping):
                for name, text in cast(Mapping[str, object], value).items():
                    table.add_row(f"{key}: {name}".replace("_", " "), str(text))
            else:
                table.add_row(key.replace("_", " "), "unknown" if value is None else str(value))
        parts.append(table)
    return parts


def _discovered(answer: answers.DiscoveryAnswer) -> list[RenderableType]:
    if not answer["found"]:
        where = ", ".join(answer["networks"]) or "no private network"
        return [
            Text(
                f"No Sungrow device was found ({where}). Is the inverter on and on this network? "
                "Is Modbus switched on in it? If you know its address, test-connection says more. "
                "Another network is searched with --network, such as --network 192.168.1.0/24."
            )
        ]
    table = Table("address", "what", "model", "serial", "connection", box=None, pad_edge=False)
    for one in answer["found"]:
        model = one["display_model"] or one["model"]
        table.add_row(one["host"], one["what"], model, one["serial"], one["connection"])
    if in_snap():
        settings = parse(answer["options"].encode()).texts
        typed = " ".join(f"{key}={text}" for key, text in settings.items())
        command = Text(f"sudo snap set {instance()} {typed}")
        return [table, Text("\nTake them over with:\n", style="bold"), command]
    return [table, Text("\nOptions to paste:\n", style="bold"), Text(answer["options"])]


def _configuration(answer: answers.ConfigurationAnswer) -> list[RenderableType]:
    given = set(answer["given"])
    parts: list[RenderableType] = []
    where = f" ({answer['file']})" if answer["file"] else ""
    for title, rows in (
        (f"Set by you{where}:", given),
        ("Defaults:", answer["options"].keys() - given),
    ):
        table = Table(box=None, show_header=False, pad_edge=False)
        for key, value in answer["options"].items():
            if key in rows:
                table.add_row(f"  {key}", text_of(value) or Text("(empty)", style="dim"))
        if table.row_count:
            parts += [Text(title, style="bold"), table]
    where = Text(f"State directory: {answer['state_directory']}")
    return [*parts, where, Text("Configuration OK.", style="green")]


def _map(answer: answers.RegistersAnswer) -> list[RenderableType]:
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
    sources = list(dict.fromkeys(row["source"] for row in answer["registers"]))
    for row in answer["registers"]:
        source = Text(f"[{sources.index(row['source']) + 1}]")
        table.add_row(row["space"], _span(row), row["name"], row["unit"], row["tier"], source)
    requests = answer["requests"]
    proof = ", ".join(_span(field) for field in answer["lower_bound"])
    return [
        table,
        Text(),
        *(Text(f"[{number}] {source}") for number, source in enumerate(sources, 1)),
        Text(f"\n{len(requests)} requests read all of it:", style="bold"),
        Text(", ".join(f"{block['space']} {_span(block)}" for block in requests)),
        Text(f"This is the minimum: no two of these fit in one request: {proof}", style="dim"),
    ]


def _options(answer: answers.OptionsAnswer) -> list[RenderableType]:
    table = Table("option", "takes", "default", "meaning", box=None, pad_edge=False)
    for row in answer["options"]:
        table.add_row(row["key"], row["takes"], row["default"], row["help"])
    return [table]


_FORGOTTEN = {
    "refusals": "What {} refused is forgotten. It is asked for again at the next scan.",
    "certificate": "The trusted certificate of the dongle of {} is forgotten. The one that it "
    "shows next is trusted from then on.",
    "sub-devices": "Where devices were found behind {} is forgotten. They are looked for at the "
    "next scan.",
}


def _forgotten(answer: answers.ForgottenAnswer) -> list[RenderableType]:
    return [Text(_FORGOTTEN[answer["forgotten"]].format(" and ".join(answer["inverters"])))]


_SHOWS: dict[str, Callable[[Any], list[RenderableType]]] = {
    "run-once": _readings,
    "readings": _readings,
    "test-connection": _test,
    "get-inverter-info": _info,
    "rejected": _rejected,
    "discover": _discovered,
    "forget": _forgotten,
    "check-config": _configuration,
    "registers": _map,
    "options": _options,
}
