"""The man page, in roff, made from the command line that it describes."""

import argparse
import re
from collections.abc import Iterator
from typing import cast

from sungather.cli.arguments import DOCS, EXIT_CODES, parser
from sungather.cli.command_help import COMMANDS

_SHARED = ("--config", "--set", "--format")
"""What most commands take; it stands once, before them."""
_FILES = (
    "./sungather.yaml, ~/.config/sungather/sungather.yaml, /etc/sungather/sungather.yaml",
    "The options, unless --config names another file; the first that is there counts. "
    "'sungather options' lists what can stand in it.",
)


def page() -> str:
    """All of sungather(1). It carries no date: it changes with the program alone."""
    return "\n".join([*_head(), *_commands(), *_end()]) + "\n"


def _head() -> Iterator[str]:
    top = parser()
    yield '.\\" Made by: python -m tests.docs.generate'
    yield '.TH SUNGATHER 1 "" SunGather "User Commands"'
    yield from (".SH NAME", "sungather \\- read Sungrow solar inverters and send on what they say")
    yield from (".SH SYNOPSIS", ".B sungather", ".I COMMAND", "[arguments]")
    yield from (".SH DESCRIPTION", _escaped(str(top.description)))
    yield _escaped("It never writes to the inverter.")
    yield ".SH OPTIONS"
    yield _escaped("Most commands take these; 'sungather COMMAND --help' says which.")
    actions = _arguments()["run"]
    for name in _SHARED:
        yield from _explained(next(one for one in actions if name in one.option_strings), "run")


def _commands() -> Iterator[str]:
    yield ".SH COMMANDS"
    arguments = _arguments()
    for name, said in COMMANDS.items():
        yield f'.SS "{_escaped(name)}"'
        yield _escaped(said.summary[0].upper() + said.summary[1:] + ".")
        for action in arguments[name]:
            if not {"-h", *_SHARED} & set(action.option_strings):
                yield from _explained(action, name)
        yield from (".PP", "Examples:", ".PP", ".nf")
        yield from (_escaped(f"    sungather {example}") for example in said.examples)
        yield ".fi"


def _arguments() -> dict[str, list[argparse.Action]]:
    """Command -> what argparse knows of its arguments."""
    (commands,) = (one for one in parser()._actions if one.dest == "command")
    choices = cast(dict[str, argparse.ArgumentParser], commands.choices)
    return {name: command._actions for name, command in choices.items()}


def _explained(action: argparse.Action, command: str) -> Iterator[str]:
    if action.help not in (None, argparse.SUPPRESS):
        yield from (".TP", f'.B "{_escaped(_argument(action))}"')
        yield _escaped(action.help % (vars(action) | {"prog": f"sungather {command}"}))


def _argument(action: argparse.Action) -> str:
    if not action.option_strings:
        return str(action.metavar or action.dest)
    value = ""
    if action.nargs != 0:
        value = " " + str(action.metavar or "|".join(map(str, action.choices or [action.dest])))
    return f"{', '.join(action.option_strings)}{value}"


def _end() -> Iterator[str]:
    yield from (".SH FILES", ".TP", f'.B "{_escaped(_FILES[0])}"', _escaped(_FILES[1]))
    yield ".SH EXIT STATUS"
    for code, meaning in re.findall(r"^  (\d)  (.+)$", EXIT_CODES, re.MULTILINE):
        yield from (".TP", f".B {code}", _escaped(meaning))
    yield from (".SH SEE ALSO", _escaped(DOCS))


def _escaped(text: str) -> str:
    """Text that roff prints as it stands; quotes are right also within the quotes of a macro."""
    text = " ".join(text.split()) if not text.startswith("    ") else text
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return "\\&" + text if text.startswith(".") else text.replace('"', "\\(dq")
