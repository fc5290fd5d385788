"""The YAML file of options: its text to flat texts by dotted key, and back.

Nothing is typed by YAML here: a value is what stands in the file, with a note of whether it was
in quotes. Anchors, aliases and tags are refused, so that a small file cannot become a big one.
"""

import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice, takewhile
from typing import Final

import yaml

from sungather.options.keys import is_group, option
from sungather.options.option import Option, OptionKind, OptionValue
from sungather.options.values import shown, text_of

LARGEST = 256 * 1024
"""Most bytes of a file."""
_DEEPEST = 8
_ENDLESS = 100
"""Depth at which reading is given up: the parser's time grows with its square."""
_NO_REFERENCES = (
    "a value that begins with &, * or ! has a meaning of its own in YAML that is not used here: "
    "put it in quotes."
)
_EXAMPLE = "write a line 'inverter:' and below it, indented, 'host: 192.168.1.10'."
_UNPRINTABLE = re.compile(
    "[^\x09\x0a\x0d\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)
# Numbers of YAML 1.2 that PyYAML, which follows 1.1, takes for text, and the words of 1.1.
_UNCLEAR = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|0o[0-7]+|[yYnN]")
_SYNTAX = (
    ("cannot start any token", "a value that begins with this sign needs quotes"),
    ("tab", "indent with spaces, not with tabs"),
    ("mapping values are not allowed", "put a value with ': ' in it in quotes, or indent less"),
    ("escape", "in double quotes a backslash is written \\\\, or use single quotes"),
    ("nesting", "lists or keys stand in each other too deeply"),
    ("end of stream", "a quotation mark or a bracket is not closed"),
    ("document separator", "a quotation mark is not closed"),
    ("could not find expected ':'", "a line 'key: value' is expected"),
)
_AS_WRITTEN = frozenset({OptionKind.PRICES, OptionKind.DAILY_PRICES, OptionKind.DAY})
"""Kinds of text of which a number is one: as it stands there."""
_BRACKET = re.compile(r"[\[{]")
_SYNTAX_ANY = "check indentation, colons and quotes"

# Wheels have the C parser; a PyYAML built without libyaml still reads every file.
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TEXT_TAG = "tag:yaml.org,2002:str"


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something stands in the file, counted from 1."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}"


@dataclass(slots=True)
class Document:
    """What a file says."""

    texts: dict[str, str] = field(default_factory=dict[str, str], repr=False)
    places: dict[str, Place] = field(default_factory=dict[str, Place])
    """Where each key stands, that of groups too."""
    problems: list[tuple[Place | None, str]] = field(
        default_factory=list[tuple[Place | None, str]]
    )
    wrong: set[str] = field(default_factory=set[str])
    """Options with a value that cannot be taken; they are not in `texts`."""
    is_of_sungather_0_5: bool = False
    """Whether it has the list of exports that the incumbent's file has."""
    complete: bool = True
    """False after a mistake that hides a part of the file: what is missing may stand there."""


def parse(content: bytes) -> Document:
    """Read a file's content; never raises for what stands in it."""
    document = Document()
    text, place, problem = decoded(content)
    if problem:
        document.complete = False
        document.problems.append((place, problem))
        return document
    walk = _Walk(document, text)
    try:
        _go(walk, text)
    except (yaml.YAMLError, RecursionError) as error:
        return _without_the_depths(walk.at, text) or _broken(document, error, text)
    walk.end()
    return document


def _go(walk: "_Walk", text: str) -> None:
    for event in _events(text):
        walk.event(event)
        if walk.is_endless:
            return


def _without_the_depths(at: int, text: str) -> Document | None:
    """What the file says if what comes after the index `at` is too deep to be read, else None.

    The scanner looks ahead, and may stumble over its own limit of nesting, or over a mistake down
    there, before the walk has seen how deep it gets. The first levels suffice for that.
    """
    brackets = islice(_BRACKET.finditer(text, at), 2 * _ENDLESS, None)
    if (beyond := next(brackets, None)) is None:
        return None
    document = Document()
    walk = _Walk(document, text)
    with suppress(yaml.YAMLError, RecursionError):
        _go(walk, text[: beyond.start()])
    if not walk.is_endless:
        return None
    walk.end()
    return document


def _broken(document: Document, error: Exception, text: str) -> Document:
    """The document with the mistake that reading ended at."""
    document.complete = False
    document.problems.append(_syntax(error, text))
    return document


def _events(text: str) -> Iterable[yaml.Event]:
    # The stubs of PyYAML leave these functions without types.
    return yaml.parse(text, Loader=_LOADER)  # pyright: ignore


def _tag_of_plain(text: str) -> str:
    """The type that YAML 1.1 gives to a value without quotes."""
    return yaml.resolver.Resolver().resolve(yaml.ScalarNode, text, (True, False))  # pyright: ignore


def render(values: Mapping[str, OptionValue]) -> str:
    """The file that gives these values when it is read; texts stand in double quotes."""
    lines: list[str] = []
    above: list[str] = []
    for key, value in sorted(values.items(), key=lambda item: item[0].split(".")):
        if value in (None, ""):  # not set
            continue
        *groups, last = key.split(".")
        same = takewhile(lambda pair: pair[0] == pair[1], zip(above, groups, strict=False))
        for depth in range(len(list(same)), len(groups)):
            lines.append(f"{'  ' * depth}{groups[depth]}:")
        above = groups
        written = _written(value, "  " * (len(groups) + 1))
        lines.append(f"{'  ' * len(groups)}{last}: {written}")
    return "\n".join(lines or ["{}"]) + "\n"


def _written(value: OptionValue, indent: str) -> str:
    """A value in YAML; a text of several plain lines as they are, below its key."""
    if not isinstance(value, str):
        return text_of(value)
    lines = value.split("\n")
    plain = all(line.isprintable() for line in lines) and lines[0][:1].strip() and lines[-1]
    if len(lines) < 2 or not plain:
        return _quoted(value)
    return "\n".join(["|-", *(indent + line for line in lines)])


def _quoted(text: str) -> str:
    """Text in double quotes, as JSON and YAML both read it."""
    return "".join(
        c if c.isprintable() else f"\\U{ord(c):08X}" for c in json.dumps(text, ensure_ascii=False)
    )


def decoded(content: bytes) -> tuple[str, Place | None, str]:
    """The text of a file, or where and why there is none."""
    if len(content) > LARGEST:
        problem = f"the file is larger than {LARGEST // 1024} KiB; this is no file of options."
        return "", None, problem
    text = content.decode("utf-8-sig", "surrogateescape")
    found = _UNPRINTABLE.search(text)
    if found is None:
        return text, None, ""
    problem = f"the character U+{ord(found[0]):04X} cannot stand here: remove it."
    if "\udc80" <= found[0] <= "\udcff":  # a byte that does not decode
        problem = "this is not UTF-8: save the file with the encoding UTF-8."
    return "", _place_after(text[: found.start()]), problem


def _place_after(text: str) -> Place:
    return Place(text.count("\n") + 1, len(text) - text.rfind("\n"))


def _place(mark: yaml.Mark) -> Place:
    return Place(mark.line + 1, mark.column + 1)


def _syntax(error: Exception, text: str) -> tuple[Place | None, str]:
    """What is wrong with the YAML. PyYAML's own words are not used: they quote the file."""
    mark = getattr(error, "problem_mark", None)
    said = "nesting" if isinstance(error, RecursionError) else str(getattr(error, "problem", ""))
    if mark is not None and text[mark.index : mark.index + 1] == "\t":
        said = "tab"
    remedy = next((words for sign, words in _SYNTAX if sign in said), _SYNTAX_ANY)
    return mark and _place(mark), f"this is not valid YAML: {remedy}."


@dataclass(slots=True)
class _Mapping:
    """A mapping that is being read."""

    path: str
    """Its dotted key with a dot at the end; "" at the top."""
    seen: set[str] = field(default_factory=set[str])
    key: str | None = None
    """The dotted key whose value comes next; None for one that cannot be used."""
    value_next: bool = False


class _Walk:
    """Goes through the parser's events without recursion and fills a `Document`."""

    def __init__(self, document: Document, text: str) -> None:
        self._document = document
        self._lines = text.splitlines()
        self._open: list[_Mapping] = []
        self._skipping = 0
        """How many collections deep we are in something already found wrong."""
        self._documents = 0
        self.at = 0
        """How far the events have come: an index in the text."""

    def event(self, event: yaml.Event) -> None:
        """Take the parser's next event."""
        self.at = event.end_mark.index
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents == 2:
                self._document.complete = False
                self._wrong(event, "a second document (---) begins here: keep one.")
        elif self._documents > 1:
            return
        elif isinstance(event, yaml.CollectionEndEvent):
            if self._skipping:
                self._skipping -= 1
            else:
                self._close()
        elif isinstance(event, yaml.NodeEvent):
            if self._skipping:
                self._skipping += isinstance(event, yaml.CollectionStartEvent)
            else:
                self._node(event)

    @property
    def is_endless(self) -> bool:
        """Whether what was found wrong is so deep that the rest is not worth the time."""
        return self._skipping > _ENDLESS

    def end(self) -> None:
        """The file has ended, or the rest of it is left unread."""
        if self.is_endless:
            self._document.complete = False
        if not self._documents:
            self._document.complete = False
            self._document.problems.append((None, f"the file is empty: {_EXAMPLE}"))

    def _wrong(self, event: yaml.Event, sentence: str) -> None:
        self._document.problems.append((_place(event.start_mark), sentence))

    def _node(self, event: yaml.NodeEvent) -> None:
        if not self._open:
            self._top(event)
            return
        mapping = self._open[-1]
        if not mapping.value_next:
            mapping.key = self._key(mapping, event)
        elif mapping.key is None:
            self._document.complete = False
            self._skip(event)
        else:
            self._value(mapping.key, event)
        mapping.value_next = not mapping.value_next

    def _skip(self, event: yaml.NodeEvent) -> None:
        self._skipping = int(isinstance(event, yaml.CollectionStartEvent))

    def _top(self, event: yaml.NodeEvent) -> None:
        if isinstance(event, yaml.MappingStartEvent) and not _refers(event):
            self._open.append(_Mapping(""))
            return
        self._document.complete = False
        what = "a list" if isinstance(event, yaml.SequenceStartEvent) else "a single value"
        if isinstance(event, yaml.ScalarEvent) and not event.value and not event.style:
            self._wrong(event, f"the file is empty: {_EXAMPLE}")
        elif _refers(event):
            self._wrong(event, _NO_REFERENCES)
        else:
            self._wrong(event, f"the file holds {what}, not options by key: {_EXAMPLE}")
        self._skip(event)

    def _key(self, mapping: _Mapping, event: yaml.NodeEvent) -> str | None:
        """The dotted key, or None and a problem for what cannot be one."""
        if not isinstance(event, yaml.ScalarEvent) or _refers(event):
            self._wrong(event, "a key is a plain word: write 'key: value'.")
            self._skip(event)
            return None
        key = mapping.path + event.value
        if "." in event.value:
            sign = f"{key}: " if option(key) else ""
            self._wrong(
                event,
                f"{sign}a key in a file has no dots: write the group in a line of its own, and "
                "the options in it below, indented.",
            )
            return None
        if event.value in mapping.seen:
            what = key if option(key) or is_group(key) else "this key"
            self._wrong(event, f"{what} stands here a second time: keep one.")
            return None
        mapping.seen.add(event.value)
        self._document.places[key] = _place(event.start_mark)
        return key

    def _value(self, key: str, event: yaml.NodeEvent) -> None:
        row = option(key)
        known = row is not None or is_group(key)
        if known and _refers(event):
            self._refuse(key, event, f"{key}: {_NO_REFERENCES}")
        elif known and isinstance(event, yaml.ScalarEvent):
            self._scalar(key, row, event)
        elif row is not None:
            self._refuse(key, event, f"{key} takes one value, no list and no keys below it.")
        elif isinstance(event, yaml.MappingStartEvent) and len(self._open) < _DEEPEST:
            self._open.append(_Mapping(f"{key}."))
            return
        elif known:
            self._refuse(key, event, f"{key} takes options by key, not a list.")
        else:
            is_list = isinstance(event, yaml.SequenceStartEvent)
            self._document.is_of_sungather_0_5 |= is_list and key == "exports"
            self._document.texts[key] = ""  # the check says what is wrong with the key
        self._skip(event)

    def _scalar(self, key: str, row: Option | None, event: yaml.ScalarEvent) -> None:
        text = str(event.value)
        plain = not event.style
        # A block that is empty has lost what stood behind its sign: ">#word" is a comment to YAML.
        if (plain or event.style in ("|", ">")) and row is not None and not text:
            because = " (in quotes if it begins with #)" if row.kind.is_text else ""
            sentence = f"{key} has no value: write one{because}, or remove the line."
            self._refuse(key, event, sentence)
        elif plain and row is not None and (why := self._unclear(row, event)):
            what = "this value" if row.secret else shown(text)
            sentence = f"{key} takes text, and {what} without quotes {why}: put it in quotes."
            self._refuse(key, event, sentence)
        elif row is not None:
            self._document.texts[key] = text
            self._document.places[key] = _place(event.start_mark)
        elif text or not plain:
            self._document.texts[key] = text  # the check says that it is a group

    def _unclear(self, row: Option, event: yaml.ScalarEvent) -> str:
        """Why YAML may give something else than the text that was meant; "" if it is clear."""
        start, end = event.start_mark, event.end_mark
        if not row.kind.is_text or row.kind in _AS_WRITTEN:
            return ""
        if start.line != end.line:
            return "runs over several lines"
        if _UNCLEAR.fullmatch(event.value) or _tag_of_plain(event.value) != _TEXT_TAG:
            return "is not clearly text"
        # Elsewhere a comment is welcome; a password must not be cut short in silence.
        cut = row.secret and "#" in self._rest_of_line(end)
        return "may be cut short at the #" if cut else ""

    def _rest_of_line(self, mark: yaml.Mark) -> str:
        return self._lines[mark.line][mark.column :] if mark.line < len(self._lines) else ""

    def _refuse(self, key: str, event: yaml.NodeEvent, sentence: str) -> None:
        self._wrong(event, sentence)
        if option(key):
            self._document.wrong.add(key)
        else:
            self._document.complete = False

    def _close(self) -> None:
        mapping = self._open.pop()
        key = mapping.path.removesuffix(".")
        if key and not mapping.seen and not is_group(key):
            self._document.texts[key] = ""


def _refers(event: yaml.NodeEvent) -> bool:
    """Whether the node is an alias, or has an anchor or a tag."""
    tag = getattr(event, "tag", None)
    return isinstance(event, yaml.AliasEvent) or event.anchor is not None or tag is not None
