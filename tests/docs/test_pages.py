"""The docs hang together, say what the program says, and are spelled."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from urllib.parse import unquote

import pytest

from sungather.cli.command_help import COMMANDS
from sungather.errors import SungatherError
from sungather.http_proxy import proxy_for
from tests.docs import generate, messages, of_manual
from tests.docs.of_program import kinds
from tests.docs.pages import ROOT, anchors, blocks, links, pages, prose, section

TROUBLE = ROOT / "docs" / "troubleshooting.md"


def ids(page: object) -> str:
    return str(page.relative_to(ROOT)) if isinstance(page, Path) else str(page)


@pytest.mark.parametrize("page", generate.pages(), ids=ids)
def test_generated_tables_are_those_of_the_program(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text == generate.written(text), "run: python -m tests.docs.generate"


def test_the_man_page_is_that_of_the_program() -> None:
    written = generate.MANUAL.read_text(encoding="utf-8")
    assert written == of_manual.page(), "run: python -m tests.docs.generate"


def test_the_man_page_has_every_command_and_is_roff() -> None:
    lines = of_manual.page().splitlines()
    told = [line[5:-1].replace("\\-", "-") for line in lines if line.startswith(".SS ")]
    assert told == list(COMMANDS)
    requests = {line.split()[0] for line in lines if line.startswith((".", "'"))}
    assert requests == {".TH", ".SH", ".SS", ".TP", ".PP", ".B", ".I", ".nf", ".fi", '.\\"'}
    assert {r'.B "\-\-network CIDR"', r'.B "\-\-config FILE"', '.B "ADDRESS"'} <= set(lines)


def test_the_man_page_is_where_man_looks_for_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    shared = project["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]
    assert shared[str(generate.MANUAL.relative_to(ROOT))] == "share/man/man1/sungather.1"


def test_every_generated_table_stands_on_exactly_one_page() -> None:
    named = [
        name
        for page in generate.pages()
        for name in generate.names_in(page.read_text(encoding="utf-8"))
    ]
    assert sorted(named) == sorted(generate.PARTS)


@pytest.mark.parametrize("page", pages(), ids=ids)
def test_every_link_leads_to_a_file_and_heading_of_the_project(page: Path) -> None:
    broken: list[str] = []
    for link in links(page.read_text(encoding="utf-8")):
        if link.startswith(("https://", "mailto:")):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists():
            broken.append(f"{link}: no such file")
        elif anchor and anchor not in anchors(target.read_text(encoding="utf-8")):
            broken.append(f"{link}: no such heading")
    assert not broken


def test_every_page_is_reached_from_the_readme() -> None:
    reached, waiting = set[Path](), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached:
            continue
        reached.add(page)
        for link in links(page.read_text(encoding="utf-8")):
            target = (page.parent / unquote(link).partition("#")[0]).resolve()
            if not link.startswith("https:") and target.suffix == ".md" and target.exists():
                waiting.append(target)
    # What hosting sites open by themselves needs no link.
    own = {page for page in pages() if ".github" in page.parts}
    assert not set(pages()) - own - reached


def test_words_are_spelled_right() -> None:
    files = [str(page) for page in pages()]
    done = subprocess.run(
        [sys.executable, "-m", "codespell_lib", "--ignore-words-list=sie,nd,ser", *files],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", pages(), ids=ids)
def test_spelling_is_british(page: Path) -> None:
    american = ("color", "behavior", "favorite", "neighbor", "catalog ", "analyze", "center ")
    text = prose(page.read_text(encoding="utf-8")).lower()
    assert not [word for word in american if word in text]


@pytest.mark.parametrize("error", kinds(), ids=lambda one: one.kind)
def test_every_error_class_has_its_cause_and_remedy(error: type[SungatherError]) -> None:
    text = section(TROUBLE.read_text(encoding="utf-8"), error.kind)
    if error.kind == "wrong-options":
        assert "| Message | Cause | Remedy |" in text
        return
    assert "**Cause:**" in text
    assert "**Remedy:**" in text


def quoted() -> list[str]:
    """Messages of the page: quoted lines, and the first column of its tables of messages.

    Those about options are held against real mistakes, see test_option_messages.py.
    """
    found: list[str] = []
    text = TROUBLE.read_text(encoding="utf-8")
    for line in text.replace(section(text, "wrong-options"), "").splitlines():
        if line.startswith("> "):
            found.append(line.removeprefix("> "))
        elif line.startswith("| `"):
            found.append(line.split("`")[1])
    return found


@pytest.mark.parametrize("message", quoted())
def test_a_quoted_message_is_one_that_the_program_says(message: str) -> None:
    assert messages.is_said(message)


def test_what_is_said_of_a_proxy_is_what_the_program_does() -> None:
    text = section((ROOT / "docs" / "exporters.md").read_text(encoding="utf-8"), "Behind a proxy")
    code = re.findall(r"`([^`\n]+)`", text)
    (line,) = (one for one in code if one.startswith("HTTPS_PROXY="))
    example = line.partition("=")[2]
    named = {one for one in code if one.endswith("_PROXY")}
    assert named == {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"}
    for name in named - {"NO_PROXY"}:
        for scheme in ("http", "https"):
            found = proxy_for(scheme, "192.168.1.5", 80, {name: example})
            assert (found is not None) is (name in (f"{scheme.upper()}_PROXY", "ALL_PROXY"))
    (network,) = (one for one in code if "/16" in one)
    for exceptions in (network, "*"):
        environment = {"ALL_PROXY": example, "NO_PROXY": exceptions}
        assert exceptions in code
        assert proxy_for("https", "192.168.1.5", 443, environment) is None
    with pytest.raises(ValueError, match="does not speak HTTP"):
        proxy_for("https", "192.168.1.5", 443, {"ALL_PROXY": example.replace("http", "socks5")})
    # snapd's units read this file, and what is set with this command stays snapd's own.
    assert {"/etc/environment", "snap set system proxy.https=…"} <= set(code)


def test_every_shell_block_is_run_or_says_why_not() -> None:
    run = {ROOT / "TUTORIAL.md"}
    silent = [
        str(block)
        for page in pages()
        for block in blocks(page)
        if block.language in ("sh", "bash", "shell", "console")
        and not block.not_run
        and (page not in run or block.language != "console")
    ]
    assert not silent, "mark them: <!-- not run: needs … -->"


def test_no_page_names_what_a_reader_cannot_have() -> None:
    words = ("/tmp/", "TODO", "FIXME", "lorem")
    found = [f"{ids(p)}: {w}" for p in pages() for w in words if w in p.read_text("utf-8")]
    assert not found
