"""What can be typed: the arguments of each command, and what is said of a mistake in them."""

import argparse
import difflib
import math
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from sungather import __version__, errors
from sungather.cli.command_help import COMMANDS, CommandHelp

DOCS = "https://github.com/sungather/sungather"

EXIT_CODES = """\
exit codes:
  0  every inverter gave a reading (also a partial one, or asleep)
  1  a bug in SunGather
  2  wrong options or command line
  3  an inverter is unreachable, or no daemon runs that could answer
  4  an inverter is reachable but not usable: busy, refused, not a Sungrow

With several inverters the worst one counts.
"""

_TOP = f"""\
examples:
  sungather demo                     watch a simulated inverter; no hardware needed
  sungather discover                 find your inverter in this network
  sungather run 192.168.1.10         read it until stopped, with a page on port 8080

'sungather COMMAND --help' says more, 'sungather options' lists every option.
Documentation: {DOCS}#readme
"""


SHELLS = ("bash", "zsh", "tcsh")
_AFTER_THE_COMMAND = ("--config", "--set", "--format")


class UsageError(errors.OptionsError):
    """The command line cannot be understood; `usage` is how the command is written."""

    def __init__(self, sentence: str, usage: str) -> None:
        super().__init__([sentence])
        self.usage = usage


class _Parser(argparse.ArgumentParser):
    """Tells what is wrong to its caller, who says it in the form that was asked for."""

    def error(self, message: str) -> NoReturn:
        """What argparse calls when it does not understand the words.

        Raises:
            UsageError: always.
        """
        raise UsageError(_sentence(message, self), self.format_usage().strip())


def _sentence(message: str, parser: argparse.ArgumentParser) -> str:
    """What argparse says, with what may have been meant."""
    if command := re.match(r"argument COMMAND: invalid choice: '([^']*)'", message):
        typed = command[1]
        return (
            f"There is no command {typed!r}.{_meant(typed, COMMANDS)} "
            "'sungather help' lists all commands."
        )
    if unknown := re.match(r"unrecognized arguments: (\S+)", message):
        typed = unknown[1].partition("=")[0]
        flags = [name for action in parser._actions for name in action.option_strings]
        command = parser.prog.partition(" ")[2]
        return f"{command} does not take {unknown[1]}.{_meant(typed, flags)}"
    return f"{message.removeprefix('argument ').rstrip('.')}."


def _meant(typed: str, known: Sequence[str] | dict[str, CommandHelp]) -> str:
    near = difflib.get_close_matches(typed, known, n=1)
    return f" Did you mean {near[0]}?" if near else ""


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The chosen command with its arguments.

    `help` and `version` are understood as people type them; nothing at all asks for help.

    Raises:
        UsageError: in one sentence, with what may have been meant.
        SystemExit: after help or the version was printed.
    """
    words = list(words) or ["help"]
    if words[0] == "help":
        words = [*words[1:2], "--help"]
    elif words[0] == "version":
        words = ["--version"]
    top = parser()
    # Without what follows it, which may be a secret.
    if (option := words[0].partition("=")[0]) in _AFTER_THE_COMMAND:
        raise UsageError(
            f"{option} stands after the command, as in: sungather run-once --format json.",
            top.format_usage().strip(),
        )
    chosen, unknown = top.parse_known_args(words)
    if unknown:
        chosen.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    if getattr(chosen, "address", None) and COMMANDS[chosen.command].address:
        chosen.settings.append(f"inverter.host={chosen.address}")
    return chosen


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = _Parser(
        prog="sungather",
        description="Reads Sungrow solar inverters and sends on what they say, losing nothing.",
        epilog=_TOP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("-V", "--version", action="version", version=f"sungather {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, said in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=said.summary,
            description=said.summary[0].upper() + said.summary[1:] + ".",
            epilog=_epilog(name, said),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.set_defaults(parser=command)
        _add_arguments(command, name, said)
    return top


def _epilog(name: str, said: CommandHelp) -> str:
    examples = "".join(f"  sungather {example}\n" for example in said.examples)
    is_about_inverters = said.address or name == "readings"
    return f"examples:\n{examples}\n" + (EXIT_CODES if is_about_inverters else "")


def _add_arguments(command: argparse.ArgumentParser, name: str, said: CommandHelp) -> None:
    if said.address:
        command.add_argument(
            "address",
            nargs="?",
            metavar="ADDRESS",
            help="the inverter, short for --set inverter.host=ADDRESS",
        )
    if said.options:
        _add_options(command)
    if name != "completion":
        command.add_argument(
            "--format",
            choices=("table", "json"),
            default="table",
            help="table for people (default), json for programs",
        )
    match name:
        case "discover":
            command.add_argument(
                "--network",
                action="append",
                default=[],
                metavar="CIDR",
                help="private network such as 192.168.1.0/24; may be repeated (default: the "
                "machine's own)",
            )
        case "rejected":
            command.add_argument(
                "--again",
                action="store_true",
                help="try them once more, for instance after the other side was repaired",
            )
        case "registers":
            _add_register_choice(command)
        case "import-config":
            command.add_argument("file", help="the old file; - reads it from standard input")
        case "forget":
            command.add_argument(
                "what",
                choices=("refusals", "certificate", "sub-devices"),
                help="registers that were refused, the trusted certificate of a dongle, or where "
                "batteries and wall boxes were found",
            )
        case "set-secret":
            command.add_argument("key", metavar="KEY", help="such as mqtt.password")
        case "completion":
            command.add_argument("shell", choices=SHELLS, help="the shell that is to complete")
        case "support-bundle":
            command.add_argument(
                "--output",
                metavar="FILE",
                type=Path,
                help="default: a new file in this directory; in the snap, below $SNAP_COMMON",
            )
        case "simulate":
            _add_simulated_device(command, speed=1.0)
            _add_simulated_wire(command)
        case "demo":
            _add_simulated_device(command, speed=600.0)
            _add_demo(command)
        case _:
            pass


def _add_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        default=os.environ.get("SUNGATHER_CONFIG"),
        help="YAML file with options (default: $SUNGATHER_CONFIG, else the first of "
        "./sungather.yaml, ~/.config/sungather/sungather.yaml, /etc/sungather/sungather.yaml)",
    )
    command.add_argument(
        "--set",
        metavar="key=value",
        dest="settings",
        action="append",
        default=[],
        help="set one option, such as inverter.scan-interval=10; may be repeated",
    )


def _add_register_choice(command: argparse.ArgumentParser) -> None:
    command.add_argument("--model", default="SH10RT", help="default: %(default)s")
    command.add_argument("--level", type=int, choices=(1, 2, 3), default=1)
    command.add_argument("--path", choices=("cable", "dongle"), default="cable")
    command.add_argument(
        "--max-registers",
        type=_number(int, 10, 125),
        default=100,
        metavar="N",
        help="default: %(default)s",
    )


def _add_simulated_device(command: argparse.ArgumentParser, speed: float) -> None:
    command.add_argument("--model", default="SH10RT", help="simulated model; default: %(default)s")
    command.add_argument(
        "--speed",
        type=_number(float, 0.01, 100_000),
        default=speed,
        help="how much faster than real time the simulated day runs; default: %(default)g",
    )


def _add_simulated_wire(command: argparse.ArgumentParser) -> None:
    command.add_argument("--host", default="127.0.0.1", help="default: %(default)s")
    command.add_argument(
        "--port", type=_number(int, 0, 65535), default=5020, help="default: %(default)s"
    )
    command.add_argument(
        "--connection",
        choices=("modbus", "modbus-tls", "sungrow", "http", "http-without-login"),
        default="modbus",
        help="Modbus/TCP, encrypted Modbus, or the web API of a WiNet-S; default: %(default)s",
    )
    command.add_argument("--path", choices=("cable", "dongle"), default="cable")
    command.add_argument("--capture", type=Path, help="replay this capture of a real device")
    command.add_argument("--dump", metavar="NAME", help="which of the capture's dumps")
    command.add_argument(
        "--latency",
        type=_number(float, 0, 600_000),
        default=0.0,
        help="delay of each answer, in milliseconds",
    )
    command.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="NAME[=VALUE]",
        help="misbehave; may be repeated; --fault list shows all",
    )


def _add_demo(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--address",
        default="0.0.0.0",  # noqa: S104 (made-up values alone, and a phone shall see them)
        help="address that the page listens on; default: %(default)s, so that a phone reaches it",
    )
    command.add_argument(
        "--port",
        type=_number(int, 0, 65535),
        default=None,
        help="port of the page; default: 8080, or any free one if that is taken",
    )
    command.add_argument(
        "--seconds",
        type=_number(float, 0, 604_800),
        default=None,
        help="stop after this long (default: never)",
    )


def _number(
    kind: type[int] | type[float], lowest: float, highest: float
) -> Callable[[str], float]:
    """What makes the number of an argument from its text, for argparse."""

    def parse_number(text: str) -> float:
        """The number that the text is.

        Raises:
            ArgumentTypeError: it is none, or out of bounds; argparse makes a sentence of it.
        """
        try:
            number = kind(text)
        except ValueError:
            number = math.nan
        if not lowest <= number <= highest:
            what = "whole number" if kind is int else "number"
            raise argparse.ArgumentTypeError(
                f"must be a {what} from {lowest:g} to {highest:g}, not {text!r}"
            )
        return number

    return parse_number
