"""The languages of the page: its texts, and how numbers, days and times are written; pure.

A language is one file, `languages/CODE.toml`. No text has a character of HTML in it, so what
`Language` says can be put between tags as it is; what a device says is escaped by `foreign`.
"""

import tomllib
from collections.abc import Iterable, Mapping
from datetime import date, datetime, tzinfo
from functools import cache
from html import escape
from importlib import resources
from typing import Any, Final

from sungather.reading import Reading, State, Value
from sungather.web.http import weights

ABSENT: Final = "–"
SPACE: Final = "\u00a0"
DEFAULT: Final = "en"
"""Also the language of devices, logs and errors."""

_UPPER: Final = frozenset(
    {"pv", "ac", "dc", "bms", "bdc", "mppt", "pid", "soc", "soh", "arm", "dsp", "drm", "ems"}
    | {"svg", "ct", "id", "ip"}
)


class Language:
    """One language."""

    def __init__(self, code: str, texts: Mapping[str, Any]) -> None:
        """`texts`: table -> key -> text, as the file has them."""
        self.code = code
        self.texts: Final[Mapping[str, str]] = {
            f"{table}.{key}": text
            for table, rows in texts.items()
            for key, text in rows.items()
            if isinstance(text, str)
        }
        """"TABLE.KEY" -> text, with names in braces for what is filled in."""
        self._months: list[str] = texts["locale"]["months"]
        self._short_months: list[str] = texts["locale"]["short-months"]
        self._weekdays: list[str] = texts["locale"]["weekdays"]

    def __call__(self, key: str, **values: object) -> str:
        """The text of this key, filled in; an abbreviation at its end ends the sentence, too."""
        text = self.texts[key]
        return text.format_map(values).replace("..", ".") if values else text

    def table(self, name: str) -> Mapping[str, str]:
        """The texts of one table of the file."""
        begin = f"{name}."
        return {
            key.removeprefix(begin): text
            for key, text in self.texts.items()
            if key.startswith(begin)
        }

    def term(self, table: str, name: str) -> str:
        """The text for something that has a name, as HTML; the name, where there is none."""
        return self.texts.get(f"{table}.{name}") or self.foreign(name)

    def foreign(self, text: str) -> str:
        """What a device or the program itself says, as HTML: it is English in every language."""
        said = escape(text)
        return said if self.code == DEFAULT else f'<span lang="{DEFAULT}">{said}</span>'

    def both(self, items: Iterable[str]) -> str:
        """As in "a, b and c"."""
        *before, last = items
        return self("locale.and", before=", ".join(before), last=last) if before else last

    def number(self, value: float, digits: int) -> str:
        """With thousands apart and a fixed number of digits; never "-0"."""
        text = f"{value:,.{digits}f}"
        if text.startswith("-") and not text.strip("-0.,"):
            text = text[1:]
        return self._marked(text)

    def _marked(self, text: str) -> str:
        """Python's marks of a number as those of the language."""
        marks = {",": self("locale.thousands"), ".": self("locale.decimal"), "-": "−"}
        return "".join(marks.get(mark, mark) for mark in text)

    def power(self, watts: float | None) -> str:
        """870 W, 4.82 kW, 123 kW."""
        if watts is None:
            return ABSENT
        if abs(watts) < 999.5:
            return f"{self.number(watts, 0)}{SPACE}W"
        kilowatts = watts / 1000
        digits = 2 if abs(kilowatts) < 9.995 else 1 if abs(kilowatts) < 99.95 else 0
        return f"{self.number(kilowatts, digits)}{SPACE}kW"

    def kwh(self, energy: float | None) -> str:
        """An energy without its unit: 0.42, 18.7, 512, 12 346."""
        if energy is None:
            return ABSENT
        if abs(energy) < 0.005:
            return "0"
        return self.number(energy, 2 if abs(energy) < 0.995 else 1 if abs(energy) < 99.95 else 0)

    def money(self, amount: float | None) -> str:
        """An amount without its currency: 0.42, 118.70, 1 235."""
        if amount is None:
            return ABSENT
        return self.number(amount, 2 if abs(amount) < 999.5 else 0)

    def percent(self, value: float | None) -> str:
        """64 %."""
        return ABSENT if value is None else f"{self.number(value, 0)}{SPACE}%"

    def value(self, value: Value | None, unit: str = "") -> str:
        """Any published value with its unit."""
        if value is None:
            return ABSENT
        if isinstance(value, bool):
            text = self("value.yes" if value else "value.no")
        elif isinstance(value, list):
            text = "; ".join(ABSENT if part is None else self._plain(part) for part in value)
        elif isinstance(value, str):
            text = value
        else:
            text = self._plain(value)
        return f"{text}{SPACE}{unit}" if unit and text else text or ABSENT

    def _plain(self, figure: float) -> str:
        if isinstance(figure, int):
            return str(figure).replace("-", "−")
        return self._marked(f"{figure:.4f}".rstrip("0").rstrip("."))

    def label(self, name: str) -> str:
        """A published name as words, as HTML; in English, where the language has none for it."""
        return self.texts.get(f"value.{name}") or self.foreign(words(name))

    def ago(self, seconds: float) -> str:
        """The age of something: "3 s ago"."""
        if seconds < 1.5:
            return self("ago.now")
        for limit, size, unit in (
            (99.5, 1, "seconds"),
            (99.5 * 60, 60, "minutes"),
            (48 * 3600, 3600, "hours"),
        ):
            if seconds < limit:
                return self(f"ago.{unit}", n=f"{seconds / size:.0f}")
        return self("ago.days", n=f"{seconds / 86400:.0f}")

    def clock(self, moment: datetime, now: datetime, timezone: tzinfo) -> str:
        """A time at the site: "17:42", with the date when it is not today's."""
        local = moment.astimezone(timezone)
        today = now.astimezone(timezone).date()
        time = f"{local:%H:%M}"
        return time if local.date() == today else f"{self.day(local.date(), today)} {time}"

    def day(self, moment: date, today: date) -> str:
        """As in "12 Nov", with the year when it is not this year's."""
        text = self("locale.day", day=moment.day, month=self._short_months[moment.month - 1])
        return text if moment.year == today.year else f"{text} {moment.year}"

    def day_title(self, moment: date, today: date) -> str:
        """One of "Today", "Yesterday" and "Thu 12 Nov"."""
        behind = (today - moment).days
        if behind in (0, 1):
            return self(("time.today", "time.yesterday")[behind])
        return f"{self._weekdays[moment.weekday()]} {self.day(moment, today)}"

    def month(self, moment: date) -> str:
        """As in "November"."""
        return self._months[moment.month - 1]

    def month_letter(self, moment: date) -> str:
        """The first letter of a month."""
        return self.month(moment)[0]

    def state(self, reading: Reading, stale: bool = False) -> str:
        """The state in one or two words."""
        overdue = stale and reading.state is State.OK
        return self("state.overdue" if overdue else f"state.{reading.state}")

    def freshness(self, reading: Reading, now: datetime, timezone: tzinfo) -> str:
        """How new the values are: "3 s ago", "since 17:42"."""
        if reading.state is State.OK:
            return self.ago((now - reading.time).total_seconds())
        if reading.state is State.CONNECTING:
            return self("state.waiting")
        if reading.since is None:
            return ""
        return self("state.since", time=self.clock(reading.since, now, timezone))


def words(name: str) -> str:
    """The published name as English words: "pv_power" becomes "PV power"."""
    parts = [
        part.upper() if part in _UPPER else part
        for part in name.replace("-", "_").split("_")
        if part
    ]
    text = " ".join(parts)
    return text[:1].upper() + text[1:]


def share(part: float | None, whole: float | None) -> float | None:
    """`part` of `whole` in percent, 0 to 100; None where that means nothing."""
    if part is None or whole is None or whole < 0.05:
        return None
    return max(0.0, min(100.0, 100.0 * part / whole))


@cache
def languages() -> Mapping[str, Language]:
    """Code -> language, of every file that is there."""
    folder = resources.files("sungather.web").joinpath("languages")
    return {
        file.name.removesuffix(".toml"): Language(
            file.name.removesuffix(".toml"), tomllib.loads(file.read_text("utf-8"))
        )
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if file.name.endswith(".toml")
    }


def chosen(asked: str, accepted: str) -> Language:
    """The language for a person who `asked` for one, or whose browser takes these.

    `accepted`: the header Accept-Language, such as "de-AT,de;q=0.9,en;q=0.5".
    """
    known = languages()
    if asked in known:
        return known[asked]
    by_weight = sorted(weights(accepted).items(), key=lambda one: -one[1])
    for name, weight in by_weight:
        code = name.partition("-")[0]
        if weight > 0 and code in known:
            return known[code]
    return known[DEFAULT]
