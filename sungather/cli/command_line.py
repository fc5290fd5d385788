"""The command line: `sungather COMMAND [--config FILE] [--set key=value …] [--format …]`.

JSON goes to standard output and nothing else does; everything said to a person goes to standard
error. What the commands do stands in `commands.py`; the heavy imports wait until one is chosen.
"""

import argparse
import math
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from sungather import __version__, errors

EXIT_CODES = """\
exit codes:
  0  every inverter gave a reading (also a partial one, or asleep)
  1  a bug in SunGather
  2  wrong options or command line
  3  an inverter is unreachable, or no daemon runs that could answer
  4  an inverter is reachable but not usable: busy, refused, not a Sungrow

With several inverters the worst one counts. Options are listed by 'sungather options'.
"""

COMMANDS = {
    "run": "collect until stopped (the daemon)",
    "run-once": "read every inverter completely once, export, and stop",
    "readings": "show the newest values of the running daemon; the inverter is left alone",
    "test-connection": "try the connection to every inverter and say what is wrong",
    "get-inverter-info": "show model, serial number, firmware and state of every inverter",
    "rejected": "list the readings that an exporter's other side refused for good",
    "discover": "look for Sungrow devices on the local network, and print options for them",
    "forget": "forget what was learned of the inverters, so that it is learned again",
    "check-config": "check the options and show what is in force",
    "registers": "show what is read for a model and level, and in which requests",
    "options": "list all options",
    "import-config": "turn a configuration file of SunGather 0.5 into options, key by key",
    "set-secret": "ask for a secret option and set it (snap only)",
    "support-bundle": "write one file for a bug report, with secrets masked",
    "simulate": "serve a simulated inverter on a port",
    "demo": "watch a simulated inverter live through a day, without any hardware",
}


_WITHOUT_OPTIONS = (
    *("discover", "registers", "options", "import-config", "set-secret", "simulate", "demo"),
)


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="sungather",
        description="Reads Sungrow solar inverters and exports what they say, losing nothing.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"sungather {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, text in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=text,
            description=text[0].upper() + text[1:] + ".",
            epilog=EXIT_CODES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name not in _WITHOUT_OPTIONS:
            _add_options(command)
        command.add_argument(
            "--format",
            choices=("table", "json"),
            default="table",
            help="table for people (default), json for programs",
        )
        if name == "discover":
            command.add_argument(
                "--network",
                action="append",
                default=[],
                metavar="CIDR",
                help="private network such as 192.168.1.0/24; may be repeated (default: the "
                "machine's own)",
            )
        if name == "rejected":
            command.add_argument(
                "--again",
                action="store_true",
                help="try them once more, for instance after the other side was repaired",
            )
        if name == "registers":
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
        if name == "import-config":
            command.add_argument("file", help="the old file; - reads it from standard input")
        if name == "forget":
            command.add_argument(
                "what",
                choices=("refusals", "certificate", "sub-devices"),
                help="registers that were refused, the trusted certificate of a dongle, or where "
                "batteries and wall boxes were found",
            )
        if name == "set-secret":
            command.add_argument("key", metavar="KEY", help="such as mqtt.password")
        if name == "support-bundle":
            command.add_argument(
                "--output",
                metavar="FILE",
                type=Path,
                help="default: a new file in this directory; in the snap, below $SNAP_COMMON",
            )
        if name in ("simulate", "demo"):
            _add_simulation(command, name)
    return top


def _add_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        default=os.environ.get("SUNGATHER_CONFIG"),
        help="YAML file with options (default: $SUNGATHER_CONFIG, if set)",
    )
    command.add_argument(
        "--set",
        metavar="key=value",
        dest="settings",
        action="append",
        default=[],
        help="set one option, such as inverter.host=192.168.1.10; may be repeated",
    )


def _add_simulation(command: argparse.ArgumentParser, name: str) -> None:
    command.add_argument("--model", default="SH10RT", help="simulated model; default: %(default)s")
    command.add_argument(
        "--speed",
        type=_number(float, 0.01, 100_000),
        default=1.0 if name == "simulate" else 600.0,
        help="how much faster than real time the simulated day runs; default: %(default)g",
    )
    if name == "simulate":
        command.add_argument("--host", default="127.0.0.1", help="default: %(default)s")
        command.add_argument(
            "--port", type=_number(int, 0, 65535), default=5020, help="default: %(default)s"
        )
        command.add_argument(
            "--connection",
            choices=("modbus", "sungrow", "http", "http-without-login"),
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
            help="milliseconds an answer",
        )
        command.add_argument(
            "--fault",
            action="append",
            default=[],
            metavar="NAME[=VALUE]",
            help="misbehave; may be repeated; 'list' shows what can be had",
        )
    else:
        command.add_argument(
            "--seconds",
            type=_number(float, 0, 604_800),
            default=None,
            help="stop after this long (default: never)",
        )


def _number(
    kind: type[int] | type[float], lowest: float, highest: float
) -> Callable[[str], float]:
    """A number of an argument; argparse turns the error into a sentence and exit code 2."""

    def parse(text: str) -> float:
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

    return parse


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the value is the exit code."""
    chosen = parser().parse_args(arguments)
    if chosen.command == "run":
        # Until the loop runs, which handles it: a daemon that is stopped has not failed.
        signal.signal(signal.SIGTERM, _stopped)
    try:
        from sungather.cli import commands

        return commands.run(chosen)
    except errors.OptionsError as error:
        _say(*error.problems)
        return error.exit_code
    except errors.SungatherError as error:
        _say(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output has gone (`| head`); Python would complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if os.environ.get("SUNGATHER_TRACEBACK"):
            raise
        _say(
            f"This is a bug in SunGather ({type(error).__name__} in '{chosen.command}'). Please "
            f"report it, with what this prints: SUNGATHER_TRACEBACK=1 sungather {chosen.command} …"
        )
        return 1


def _stopped(*_: object) -> NoReturn:
    raise SystemExit(0)


def _say(*sentences: str) -> None:
    for sentence in sentences:
        print(f"sungather: {sentence}", file=sys.stderr)
