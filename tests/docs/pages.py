"""The Markdown files of the project: their links, headings, tables and blocks."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

_FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!\!)\[[^\]\n]*(?:\n[^\]\n]*)?\]\(([^)\s]+)\)")
_PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)|<(?:img|source)[^>]* src(?:set)?=\"([^\"]+)\"")
_HEADING = re.compile(r"^#{1,6} (.+?) *$", re.MULTILINE)
_MARK = re.compile(r"<!-- (not run|terminal|file): ([^>]+?) -->\n+\Z")


def pages() -> list[Path]:
    """Every Markdown file that belongs to the project."""
    folders = ("docs", ".github", "terraform")
    below = (page for folder in folders for page in (ROOT / folder).rglob("*.md"))
    return sorted([*ROOT.glob("*.md"), *below])


def prose(text: str) -> str:
    """A page without its blocks, inline code and HTML."""
    return re.sub(r"`[^`\n]*`|<[^>]*>", "", _FENCE.sub("", text))


def links(text: str) -> list[str]:
    """Targets of the links and pictures of a page."""
    words = re.sub(r"(?<!\[)`[^`\n]*`(?!\])", "", _FENCE.sub("", text))
    pictures = [two or three for _, two, three in _PICTURE.findall(words)]
    return _LINK.findall(words) + pictures


def anchors(text: str) -> set[str]:
    """What links into a page may name, as GitHub makes it from headings."""
    found: set[str] = set()
    for heading in _HEADING.findall(_FENCE.sub("", text)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        base = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        name, number = base, 0
        while name in found:
            number += 1
            name = f"{base}-{number}"
        found.add(name)
    return found


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str
    not_run: str
    """Why it is not run; "" for a block that is."""
    terminal: str = ""
    """Name of the terminal that it goes on running in."""
    file: str = ""
    """Name of the file that it is."""

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        before = text[: found.start()]
        mark = _MARK.search(before)
        indent = len(found[1])
        body = "".join(line[indent:] for line in found[3].splitlines(keepends=True))
        said = {mark[1].replace(" ", "_"): mark[2]} if mark else {}
        yield Block(
            page, before.count("\n") + 1, found[2], body, said.get("not_run", ""),
            said.get("terminal", ""), said.get("file", ""),
        )  # fmt: skip


def section(text: str, heading: str) -> str:
    """What stands below a heading, up to the next one of its kind or a higher one."""
    found = re.search(rf"^(#+) {re.escape(heading)} *$", text, re.MULTILINE)
    if found is None:
        return ""
    rest = text[found.end() :]
    end = re.search(rf"^#{{1,{len(found[1])}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest
